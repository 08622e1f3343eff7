/* Tries to reach what lies outside its root: `escape WAY OUTSIDE FD HANDLE DISK SECONDS`.

   WAY is one of the functions below, or `all`: then each runs in a process of its own, and its name
   comes before what it prints.  FD is a descriptor of the parent that has the secret open, HANDLE the
   secret's as TYPE:HEX, DISK a block device as MAJOR:MINOR, SECONDS how long to race.

   OUTSIDE is a directory of the host with a file `secret`; the current directory is the root, one
   level below OUTSIDE.  Prints ESCAPED when it has read the secret or left something outside, else
   the error.  Run natively and without a root, each way leads out: that shows that it is a way. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *outside, *parents_fd, *the_handle, *the_disk, *seconds;
static char buffer[8192];

static const char *path(const char *format, ...) {
  static char made[4][8192];
  static int next;
  char *text = made[next++ & 3];
  va_list list;
  __builtin_va_start(list, format);
  vsnprintf(text, sizeof made[0], format, list);
  __builtin_va_end(list);
  return text;
}

static int is_secret(int fd) {
  ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
  if (fd >= 0) close(fd);
  return n >= 10 && !memcmp(buffer, "the secret", 10);
}

static int reads(const char *name) { return is_secret(open(name, O_RDONLY)); }
static const char *secret(void) { return path("%s/secret", outside); }
static int fresh(const char *name) { return unlink(name), rmdir(name), 1; }

static int parent(void) { return atoi(getenv("OUTER")); }

static int inherited(void) { return atoi(getenv("ASIDE")); }

static int dotdot(void) { return reads("../secret"); }
static int dotdots(void) { return reads("dir/../../secret"); }
static int absolute(void) { return reads(secret()); }
static int absolute_link(void) {
  return fresh("l1") && !symlink(secret(), "l1") && reads("l1");
}
static int relative_link(void) {
  return fresh("l2") && !symlink("../secret", "l2") && reads("l2");
}
static int chained_links(void) {
  fresh("l3"), fresh("l4");
  return !symlink("l4/secret", "l3") && !symlink("dir/../..", "l4") && reads("l3");
}
static int directory_link(void) {
  return fresh("l5") && !symlink(outside, "l5") && reads("l5/secret");
}
static int self_root(void) { return reads(path("/proc/self/root%s", secret())); }
static int thread_root(void) { return reads(path("/proc/thread-self/root%s", secret())); }
static int task_root(void) {
  return reads(path("/proc/self/task/%d/root%s", getpid(), secret()));
}
static int parent_root(void) { return reads(path("/proc/%d/root%s", parent(), secret())); }
static int init_root(void) { return reads(path("/proc/1/root%s", secret())); }
static int self_cwd(void) { return reads("/proc/self/cwd/../secret"); }
static int parent_cwd(void) { return reads(path("/proc/%d/cwd/../../../../../../..%s", parent(), secret())); }
static int parent_fd(void) { return reads(path("/proc/%d/fd/%s", parent(), parents_fd)); }
static int self_fd(void) {
  int fd = open(".", O_RDONLY | O_DIRECTORY);
  return reads(path("/proc/self/fd/%d/../secret", fd));
}
static int dev_fd(void) {
  int fd = open(".", O_PATH | O_DIRECTORY);
  return reads(path("/dev/fd/%d/../secret", fd));
}
static int proc_link(void) {
  return fresh("l6") && !symlink(path("/proc/self/root%s", secret()), "l6") && reads("l6");
}
static int hard_link(void) { return fresh("h1") && !link(secret(), "h1") && reads("h1"); }
static int hard_link_dotdot(void) {
  return fresh("h2") && !link("../secret", "h2") && reads("h2");
}
static int link_follow(void) {
  fresh("l7"), fresh("h3");
  if (symlink(secret(), "l7")) return 0;
  return !linkat(AT_FDCWD, "l7", AT_FDCWD, "h3", AT_SYMLINK_FOLLOW) && reads("h3");
}
static int rename_in(void) {
  return !rename(path("%s/movable", outside), "moved") && !access("moved", F_OK);
}
static int rename_out(void) {
  close(open("mine", O_CREAT | O_WRONLY, 0600));
  return !rename("mine", path("%s/left", outside));
}
static int rename_out_dotdot(void) {
  close(open("mine", O_CREAT | O_WRONLY, 0600));
  return !rename("mine", "../left") && access("left", F_OK); /* else `..` was the root */
}
static int create(void) { return open(path("%s/left", outside), O_CREAT | O_WRONLY, 0600) >= 0; }
static int create_by_link(void) {
  fresh("l8");
  return !symlink("../left", "l8") && open("l8", O_CREAT | O_WRONLY, 0600) >= 0 &&
         access("left", F_OK);
}
static int make_directory(void) { return !mkdir(path("%s/left", outside), 0700); }
static int make_node(void) { return !mknod(path("%s/left", outside), S_IFIFO | 0600, 0); }
static int make_link(void) { return !symlink("x", path("%s/left", outside)); }
static int remove_file(void) { return !unlink(path("%s/movable", outside)); }
static int change_mode(void) { return !chmod(path("%s/movable", outside), 0777); }
static int shorten(void) { return !truncate(path("%s/movable", outside), 0); }
static int change_directory(void) { return !chdir(outside) && reads("secret"); }
static int chdir_dotdot(void) { return !chdir("..") && reads("secret"); }
static int read_link(void) {
  return readlink(path("%s/a-link", outside), buffer, sizeof buffer) > 0;
}
static int by_inherited(void) { return is_secret(openat(inherited(), "../secret", O_RDONLY)); }
static int fchdir_inherited(void) { return !fchdir(inherited()) && reads("../secret"); }
static int inherited_proc(void) { return reads(path("/proc/self/fd/%d/../secret", inherited())); }

static int open2(int dirfd, const char *name, u_int64_t resolve) {
  struct open_how how = {.flags = O_RDONLY, .resolve = resolve};
  return syscall(SYS_openat2, dirfd, name, &how, sizeof how);
}
static int openat2_plain(void) { return is_secret(open2(AT_FDCWD, secret(), 0)); }
static int openat2_dotdot(void) { return is_secret(open2(AT_FDCWD, "../secret", 0)); }
static int openat2_no_links(void) {
  return is_secret(open2(AT_FDCWD, "../secret", RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
}
static int openat2_inherited(void) { return is_secret(open2(inherited(), "../secret", 0)); }
static int openat2_path_fd(void) {
  struct open_how how = {.flags = O_PATH | O_DIRECTORY};
  int fd = syscall(SYS_openat2, AT_FDCWD, "..", &how, sizeof how);
  return is_secret(openat(fd, "secret", O_RDONLY));
}

static int by_handle(void) {
  struct file_handle *handle = calloc(1, sizeof *handle + MAX_HANDLE_SZ);
  const char *hex = strchr(the_handle, ':') + 1;
  handle->handle_type = atoi(the_handle);
  for (; hex[0] && hex[1]; hex += 2)
    sscanf(hex, "%2hhx", &handle->f_handle[handle->handle_bytes++]);
  return is_secret(open_by_handle_at(open(".", O_RDONLY), handle, O_RDONLY));
}

static int again_chroot(void) {
  mkdir("jail", 0700);
  if (chroot("jail")) return 0;
  for (int i = 0; i < 60; i++) chdir("..");
  return reads(path(".%s", secret())) || reads("secret");
}
static int chroot_fd(void) {
  int fd = open(".", O_RDONLY);
  mkdir("jail", 0700);
  if (chroot("jail")) return 0;
  return !fchdir(fd) && !chdir("..") && reads("secret");
}
static int mount_bind(void) {
  mkdir("mnt", 0700);
  return !mount(outside, "mnt", NULL, MS_BIND, NULL) && reads("mnt/secret");
}
static int mount_namespace(void) {
  mkdir("mnt", 0700);
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) return 0;
  return !mount(outside, "mnt", NULL, MS_BIND, NULL) && reads("mnt/secret");
}
static int pivot(void) {
  mkdir("mnt", 0700);
  if (syscall(SYS_pivot_root, ".", "mnt")) return 0;
  return reads(path("mnt%s", secret())) || reads(secret());
}
static int enter_namespace(void) {
  int fd = open(path("/proc/%d/ns/mnt", parent()), O_RDONLY);
  return !setns(fd, 0) && reads(secret());
}
static int disk(void) {
  int major = atoi(the_disk), minor = atoi(strchr(the_disk, ':') + 1);
  fresh("disk");
  if (mknod("disk", S_IFBLK | 0600, makedev(major, minor))) return 0;
  return open("disk", O_RDONLY) >= 0;
}
static int kernel_memory(void) { return open("/proc/kcore", O_RDONLY) >= 0; }
static int kernel_setting(void) {
  return open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0;
}
static int parent_memory(void) { return open(path("/proc/%d/mem", parent()), O_RDWR) >= 0; }
static int parent_environment(void) {
  return open(path("/proc/%d/environ", parent()), O_RDONLY) >= 0;
}

static int attach(const char *name, int bound) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, name, sizeof address.sun_path - 1);
  int (*call)(int, const struct sockaddr *, socklen_t) = bound ? bind : connect;
  return !call(fd, (struct sockaddr *)&address, sizeof address);
}
static int socket_connect(void) { return attach(path("%s/socket", outside), 0); }
static int socket_dotdot(void) { return attach("../socket", 0); }
static int socket_link(void) {
  return fresh("l9") && !symlink("../socket", "l9") && attach("l9", 0);
}
static int socket_bind(void) { return attach("../left-s", 1) && access("left-s", F_OK); }

static int run(const char *program) {
  if (!fork()) {
    execl(program, program, "is-outside", "-", NULL);
    _exit(1);
  }
  int status;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 77;
}
static int execute(void) { return run(path("%s/program", outside)); }
static int script(void) {
  FILE *file = fopen("script", "w");
  fprintf(file, "#!%s/program\n", outside);
  fclose(file);
  chmod("script", 0755);
  if (!fork()) {
    execl("./script", "./script", "-", NULL);
    _exit(1);
  }
  int status;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 77;
}
static int script_dotdot(void) {
  FILE *file = fopen("script", "w");
  fprintf(file, "#!../program\n");
  fclose(file);
  chmod("script", 0755);
  if (!fork()) {
    execl("./script", "./script", "-", NULL);
    _exit(1);
  }
  int status;
  return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 77;
}
static int interpreter(void) { return run("./dynamic"); } /* its PT_INTERP is OUTSIDE/loader */

static volatile int done;
static void *swap(void *unused) {
  while (!done) { /* `race/at` is a directory, a link out, and a directory somewhere else */
    rename("race/at", "race/deep/er/at");
    symlink("../..", "race/at");
    unlink("race/at");
    rename("race/deep/er/at", "race/at");
    renameat2(AT_FDCWD, "race/at", AT_FDCWD, "race/out", RENAME_EXCHANGE);
  }
  return unused;
}
static int rename_race(void) {
  mkdir("race", 0700), mkdir("race/at", 0700), mkdir("race/deep", 0700);
  mkdir("race/deep/er", 0700), symlink("../..", "race/out");
  pthread_t thread;
  pthread_create(&thread, NULL, swap, NULL);
  int found = 0;
  time_t end = time(NULL) + atoi(seconds);
  while (!found && time(NULL) < end) {
    found = reads("race/at/secret") || reads("race/deep/er/at/../../../../secret") ||
            reads("race/at/../../secret") || reads("race/out/secret");
  }
  done = 1;
  pthread_join(thread, NULL);
  return found;
}
static int is_outside(void) { exit(77); }

#define WAY(name) {#name, name}
static const struct {
  const char *name;
  int (*try)(void);
} ways[] = {
    WAY(dotdot), WAY(dotdots), WAY(absolute), WAY(absolute_link), WAY(relative_link),
    WAY(chained_links), WAY(directory_link), WAY(self_root), WAY(thread_root), WAY(task_root),
    WAY(parent_root), WAY(init_root), WAY(self_cwd), WAY(parent_cwd), WAY(parent_fd), WAY(self_fd),
    WAY(dev_fd), WAY(proc_link), WAY(hard_link), WAY(hard_link_dotdot), WAY(link_follow),
    WAY(rename_in), WAY(rename_out), WAY(rename_out_dotdot), WAY(create), WAY(create_by_link),
    WAY(make_directory), WAY(make_node), WAY(make_link), WAY(remove_file), WAY(change_mode),
    WAY(shorten), WAY(change_directory), WAY(chdir_dotdot), WAY(read_link), WAY(by_inherited),
    WAY(fchdir_inherited), WAY(inherited_proc), WAY(openat2_plain), WAY(openat2_dotdot),
    WAY(openat2_no_links), WAY(openat2_inherited), WAY(openat2_path_fd), WAY(by_handle),
    WAY(again_chroot), WAY(chroot_fd), WAY(mount_bind), WAY(mount_namespace), WAY(pivot),
    WAY(enter_namespace), WAY(disk), WAY(kernel_memory), WAY(kernel_setting), WAY(parent_memory),
    WAY(parent_environment), WAY(socket_connect), WAY(socket_dotdot), WAY(socket_link),
    WAY(socket_bind), WAY(execute), WAY(script), WAY(script_dotdot), WAY(interpreter),
    WAY(rename_race), {"is-outside", is_outside},
};

static void try_one(size_t i) {
  errno = 0;
  int escaped = ways[i].try();
  printf("%s\n", escaped ? "ESCAPED" : strerror(errno));
  fflush(stdout);
}

static void try_all(void) {
  for (size_t i = 0; ways[i].try != is_outside; i++) {
    printf("%s: ", ways[i].name);
    fflush(stdout);
    if (!fork()) {
      try_one(i);
      _exit(0);
    }
    wait(NULL);
  }
}

int main(int argc, char **argv) {
  if (argc < 3 || !strcmp(argv[1], "./script")) return 77; /* as somebody's interpreter */
  outside = argv[2];
  if (argc == 7)
    parents_fd = argv[3], the_handle = argv[4], the_disk = argv[5], seconds = argv[6];
  if (!strcmp(argv[1], "all")) return try_all(), 0;
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
    if (!strcmp(ways[i].name, argv[1])) return try_one(i), 0;
  return 2;
}
