/* What /proc/self tells: of the program, not of the emulator. */
#include "calls.h"
#include <dirent.h>
#include <libgen.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>

static char buf[1 << 16];

static long slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  long size = 0, got;
  while ((got = read(fd, buf + size, sizeof buf - 1 - size)) > 0) size += got;
  buf[size] = 0;
  close(fd);
  return size;
}

static void links(const char *self) {
  TITLE("exe");
  char path[5000] = "";
  T(readlink("/proc/self/exe", path, sizeof path) > 0);
  TEXT(basename(path));
  T(readlink("/proc/self/exe", path, 3)), path[3] = 0;
  TEXT(basename(path) ? "cut" : "");
  sprintf(buf, "/proc/%d/exe", getpid());
  T(readlink(buf, path, sizeof path) > 0);
  T(readlink("/proc/thread-self/exe", path, sizeof path) > 0);
  T(readlink("/proc/self/../self/./exe", path, sizeof path) > 0);
  struct stat a, b;
  T(stat("/proc/self/exe", &a));
  T(stat(self, &b));
  V(a.st_ino == b.st_ino);
  T(lstat("/proc/self/exe", &a)), V(S_ISLNK(a.st_mode));
  int fd = open("/proc/self/exe", O_RDONLY);
  fstat(fd, &a), V(a.st_ino == b.st_ino);
  close(fd);
  T(open("/proc/self/exe", O_RDONLY | O_NOFOLLOW));
  T(open("/proc/self/exe", O_WRONLY) >= 0);
  T(access("/proc/self/exe", X_OK));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "again", "again", NULL);
    _exit(9);
  }
  int status;
  waitpid(child, &status, 0), V(status);
}

static void texts(char **argv) {
  TITLE("cmdline, environ, auxv, comm");
  long size = slurp("/proc/self/cmdline");
  V(size > 0), V(strcmp(buf, argv[0]) == 0);
  size = slurp("/proc/self/environ");
  V(size > 0), V(strcmp(buf, *environ) == 0);
  size = slurp("/proc/self/auxv");
  long entry = 0, phnum = 0;
  for (unsigned long *a = (void *)buf; a[0]; a += 2) {
    if (a[0] == AT_ENTRY) entry = a[1];
    if (a[0] == AT_PHNUM) phnum = a[1];
  }
  V(size % 16), V(entry == (long)getauxval(AT_ENTRY)), V(phnum == (long)getauxval(AT_PHNUM));
  slurp("/proc/self/comm"), TEXT(buf);
  int fd = open("/proc/self/comm", O_WRONLY);
  T(write(fd, "renamed", 7));
  close(fd);
  slurp("/proc/self/comm"), TEXT(buf);
  slurp("/proc/thread-self/comm"), TEXT(buf);
  T(open("/proc/self/maps", O_RDWR));
  T(open("/proc/self/cmdline", O_RDONLY | O_DIRECTORY));
  fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  V(fcntl(fd, F_GETFD)), V(fcntl(fd, F_GETFL) & O_ACCMODE);
  T(write(fd, "x", 1));
  close(fd);
  T(access("/proc/self/maps", R_OK));
  T(open("/proc/self/nothing", O_RDONLY));
}

static int line_of(const void *where, char *line) {
  unsigned long low, high;
  slurp("/proc/self/maps");
  for (char *at = strtok(buf, "\n"); at; at = strtok(NULL, "\n"))
    if (sscanf(at, "%lx-%lx", &low, &high) == 2 && low <= (unsigned long)where &&
        (unsigned long)where < high) {
      strcpy(line, at);
      return 1;
    }
  return 0;
}

static void maps(void) {
  TITLE("maps");
  char line[500], perms[8], name[300], local;
  unsigned long low, high, offset, inode;
  int fd = make("mapped", "");
  ftruncate(fd, 3 * 4096);
  void *file = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 4096);
  void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *heap = (sbrk(4096), (char *)sbrk(0) - 8);
  const void *where[] = {file, (char *)file + 4096, shared, none, code, heap, &local, (void *)maps};
  for (unsigned i = 0; i < sizeof where / sizeof *where; i++) {
    if (!line_of(where[i], line)) {
      printf("%u: absent\n", i);
      continue;
    }
    name[0] = 0;
    sscanf(line, "%lx-%lx %7s %lx %*s %lu %299s", &low, &high, perms, &offset, &inode, name);
    int sized = i < 5 && i != 4 && i != 3; /* anonymous neighbours merge */
    printf("%u: %s offset %lx file %d size %ld name %s\n", i, perms, sized ? offset : 0, inode != 0,
           sized ? (long)(high - low) : 0, basename(name));
  }
  struct stat s;
  fstat(fd, &s);
  line_of(file, line);
  sscanf(line, "%*s %*s %*s %*s %lu", &inode);
  V(inode == s.st_ino);
  V((long)(strchr(line, '/') - line));
  long python = 0, lines = 0;
  slurp("/proc/self/maps");
  for (char *at = buf; (at = strchr(at, '\n')); at++) lines++;
  python = strstr(buf, "python") != NULL || strstr(buf, "_engine") != NULL;
  V(python), V(lines < 30);
  munmap(none, 4096);
  V(line_of(none, line));
  T(slurp("/proc/self/smaps") > 500), V(strstr(buf, "python") != NULL);
  T(slurp("/proc/self/smaps_rollup") > 100), V(strstr(buf, "[rollup]") != NULL);
  close(fd);
}

static long field(const char *name) {
  slurp("/proc/self/status");
  char *at = strstr(buf, name);
  return at ? (long)strtoul(at + strlen(name) + 1, NULL, 0) : -1;
}

static unsigned long mask(const char *name) {
  slurp("/proc/self/status");
  char *at = strstr(buf, name);
  return at ? strtoul(at + strlen(name) + 1, NULL, 16) : 0;
}

static void on(int signo) { (void)signo; }

static void statuses(void) {
  TITLE("stat, statm, status, limits");
  V(field("Pid:") == getpid()), V(field("PPid:") == getppid()), V(field("Threads:"));
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGSEGV);
  sigprocmask(SIG_SETMASK, &set, NULL);
  signal(SIGUSR2, on), signal(SIGBUS, on), signal(SIGHUP, SIG_IGN);
  V(mask("SigBlk:")), V(mask("SigIgn:")), V(mask("SigCgt:"));
  long before = field("VmSize:");
  void *big = mmap(NULL, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  V(field("VmSize:") - before);
  munmap(big, 8 << 20);
  V(before < 20000);
  T(slurp("/proc/self/stat") > 100);
  char *at = strrchr(buf, ')') + 2;
  long value[60];
  for (int i = 4; i <= 51; i++) {
    at = strchr(at, ' ') + 1;
    value[i] = (long)strtoul(at, NULL, 10);
  }
  char local;
  V(value[4] == getppid()), V(value[20]), V(value[23] > 100000 && value[23] < 20000000);
  V(value[26] <= (long)statuses && (long)statuses < value[27]);
  V(value[28] > (long)&local), V(value[47] <= (long)sbrk(0));
  V(value[49] - value[48]), V(value[51] > value[50]), V(value[32]), V(value[33]), V(value[34]);
  T(slurp("/proc/self/statm") > 5), V(atol(buf) < 5000 && atol(buf) > 100);
  struct rlimit as = {1L << 40, 1L << 41};
  setrlimit(RLIMIT_AS, &as);
  slurp("/proc/self/limits");
  printf("%.*s\n", 75, strstr(buf, "Max address"));
}

static void descriptors(void) {
  TITLE("fd");
  int fd = make("target", "content");
  char path[100], link[500] = "";
  sprintf(path, "/proc/self/fd/%d", fd);
  T(readlink(path, link, sizeof link) > 0), TEXT(basename(link));
  int again = open(path, O_RDONLY);
  T(read(again, buf, 3));
  sprintf(path, "/dev/fd/%d", fd);
  T(access(path, F_OK));
  T(open("/dev/fd/99", O_RDONLY));
  T(open("/proc/self/fd/99", O_RDONLY));
  T(readlink("/proc/self/fd/99", link, 10));
  V(open("/dev/stdin", O_RDONLY) >= 0);
  DIR *dir = opendir("/proc/self/fd");
  int count = 0, highest = -1;
  for (struct dirent *e; (e = readdir(dir));)
    if (e->d_name[0] != '.') {
      int number = atoi(e->d_name);
      count++;
      if (number > highest) highest = number;
    }
  V(count), V(highest);
  V(dirfd(dir) == highest);
  T(openat(dirfd(dir), "../exe", O_RDONLY) >= 0);
  T(readlinkat(dirfd(dir), "../exe", link, sizeof link) > 0), TEXT(basename(link));
  closedir(dir);
  int proc = open("/proc", O_RDONLY | O_DIRECTORY);
  T(openat(proc, "self/maps", O_RDONLY) >= 0);
  T(readlinkat(proc, "self/exe", link, sizeof link) > 0), TEXT(basename(link));
  T(chdir("/proc/self"));
  T(readlink("exe", link, sizeof link) > 0), TEXT(basename(link));
  slurp("maps"), V(strstr(buf, "python") != NULL);
  T(chdir("task"));
  sprintf(path, "%d/maps", getpid());
  T(slurp(path) > 100), V(strstr(buf, "python") != NULL);
  T(open("../exe/x", O_RDONLY));
}

int main(int argc, char **argv) {
  start();
  if (argc > 1) {
    printf("again: %s\n", argv[1]);
    return 7;
  }
  links(argv[0]);
  texts(argv);
  maps();
  statuses();
  descriptors();
  return 0;
}
