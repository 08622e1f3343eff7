/* Random file system calls in the current directory: `fsops SEED COUNT`.

   Prints each call's result and, at the end, all that is there: the same natively, in a directory, as
   in an overlay over it.  Directories named L... are never renamed: in an overlay that is EXDEV. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static uint64_t state;
static uint32_t dice(uint32_t sides) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % sides;
}

static const char *folders[] = {".", "L0", "L1", "L0/L2", "N0", "N1", "L0/N0", "L0/N0/N1", "f0"};
static const char *names[] = {"f0", "f1", "f2", "f3", "N0", "N1", "L2", "s0", "f4"};
static char paths[2][64];
static const char *path(int i) {
  snprintf(paths[i], sizeof paths[i], "%s/%s%s", folders[dice(9)], names[dice(9)],
           dice(20) ? "" : "/");
  return paths[i];
}
static const char *last(const char *p) {
  const char *slash = strrchr(p, '/');
  return slash[1] ? slash + 1 : slash - 2;
}

static int fds[4] = {-1, -1, -1, -1};

static void say(const char *call, const char *a, const char *b, long result) {
  printf("%s %s %s = %ld %s\n", call, a, b ? b : "", result < 0 ? -1 : result,
         result < 0 ? strerrorname_np(errno) : "");
}

static unsigned sum(int fd) {
  char data[4096];
  unsigned made = 1;
  ssize_t n;
  lseek(fd, 0, SEEK_SET);
  while ((n = read(fd, data, sizeof data)) > 0)
    for (ssize_t i = 0; i < n; i++) made = made * 31 + (unsigned char)data[i];
  return made;
}

static void say_stat(const char *p) {
  struct stat s;
  int r = lstat(p, &s);
  say("lstat", p, NULL, r);
  if (r) return;
  printf("  %o", s.st_mode);
  if (!S_ISDIR(s.st_mode)) printf(" %lu %lu", (long)s.st_size, (long)s.st_nlink);
  if (s.st_mtime < 1000) printf(" %lu", (long)s.st_mtime);
  printf("\n");
}

static int compare(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void list(const char *p, int deep) {
  DIR *dir = opendir(p);
  char *found[64], full[300];
  int count = 0;
  if (!dir) return say("opendir", p, NULL, -1);
  struct dirent *entry;
  while ((entry = readdir(dir)) && count < 64) {
    snprintf(full, sizeof full, "%s:%d", entry->d_name, entry->d_type);
    found[count++] = strdup(full);
  }
  rewinddir(dir);
  int again = 0;
  while (readdir(dir)) again++;
  closedir(dir);
  qsort(found, count, sizeof *found, compare);
  printf("list %s: %d", p, again - count);
  for (int i = 0; i < count; i++) printf(" %s", found[i]);
  printf("\n");
  for (int i = 0; i < count; i++) {
    *strrchr(found[i], ':') = 0;
    if (deep && strcmp(found[i], ".") && strcmp(found[i], "..")) {
      snprintf(full, sizeof full, "%s/%s", p, found[i]);
      say_stat(full);
      struct stat s;
      if (!lstat(full, &s) && S_ISDIR(s.st_mode)) list(full, 1);
      int fd = open(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      if (fd >= 0 && S_ISREG(s.st_mode)) printf("  sum %x\n", sum(fd));
      if (fd >= 0) close(fd);
    }
    free(found[i]);
  }
}

static int may_move(const char *p) {
  struct stat s;
  return lstat(p, &s) || !S_ISDIR(s.st_mode) || last(p)[0] != 'L';
}

static void step(void) {
  char data[64];
  const char *a = path(0), *b = path(1);
  int slot = dice(4);
  struct timespec times[2] = {{dice(1000), 0}, {dice(1000), 0}};
  snprintf(data, sizeof data, "data %u\n", dice(1000));
  switch (dice(24)) {
  case 0: case 1: { /* keeps a descriptor, never for reading only: see the head of overlay.py */
    static const int flags[] = {O_CREAT, O_CREAT | O_EXCL, O_TRUNC, 0, O_APPEND | O_CREAT};
    int how = flags[dice(5)] | O_RDWR | O_NONBLOCK;
    if (fds[slot] >= 0) close(fds[slot]);
    fds[slot] = open(a, how, 0644);
    return say("open", a, how & O_CREAT ? "create" : "", fds[slot] < 0 ? -1 : 0);
  }
  case 2: case 3:
    return say("write", "", NULL, fds[slot] < 0 ? 0 : write(fds[slot], data, strlen(data)));
  case 4: {
    struct stat s;
    if (fds[slot] < 0 || fstat(fds[slot], &s)) return;
    printf("fstat %o %lu %lu\n", s.st_mode, (long)s.st_size, (long)s.st_nlink);
    return;
  }
  case 5: return say("fchmod", "", NULL, fds[slot] < 0 ? 0 : fchmod(fds[slot], 0600 | dice(64)));
  case 6: case 7: return say("unlink", a, NULL, unlink(a));
  case 8: return say("rmdir", a, NULL, rmdir(a));
  case 9: case 10: return say("mkdir", a, NULL, mkdir(a, 0755));
  case 11: case 12: case 13:
    if (may_move(a) && may_move(b)) say("rename", a, b, rename(a, b));
    return;
  case 14:
    if (may_move(a) && may_move(b)) {
      int flags = dice(2) ? RENAME_NOREPLACE : RENAME_EXCHANGE;
      say(flags == RENAME_NOREPLACE ? "noreplace" : "exchange", a, b,
          renameat2(AT_FDCWD, a, AT_FDCWD, b, flags));
    }
    return;
  case 15: return say("link", a, b, link(a, b));
  case 16: return say("symlink", b, a, symlink(names[dice(9)], a));
  case 17: return say("chmod", a, NULL, chmod(a, 0644 | dice(2) << 6));
  case 18: return say("truncate", a, NULL, truncate(a, dice(100)));
  case 19: return say("utimes", a, NULL, utimensat(AT_FDCWD, a, times, dice(2) ? AT_SYMLINK_NOFOLLOW : 0));
  case 20: return list(folders[dice(9)], 0);
  case 21: return say_stat(a);
  case 22: {
    char target[64] = "";
    long n = readlink(a, target, sizeof target - 1);
    return say("readlink", a, target, n);
  }
  case 23: return say("access", a, NULL, access(a, dice(8)));
  }
}

int main(int argc, char **argv) {
  state = strtoull(argv[1], NULL, 0);
  umask(022);
  for (int i = atoi(argv[2]); i > 0; i--) step();
  for (int i = 0; i < 4; i++)
    if (fds[i] >= 0) printf("fd %x\n", sum(fds[i]));
  list(".", 1);
  return 0;
}
