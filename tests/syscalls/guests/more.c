/* What the other guests leave out: errors, and every flag of a call, so that each is covered
 * (coverage.py). */
#include "calls.h"
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <netinet/in.h>
#include <time.h>
#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif
#ifndef SYS_file_getattr
#define SYS_file_getattr 468
#define SYS_file_setattr 469
#endif
#define PAGE 4096
#define EACH(variable, from, to) for (long variable = (from); variable <= (to); variable++)
#define BITS(variable) for (long i_ = 0, variable = 1; i_ < 32; i_++, variable = 1l << i_)

static char buf[8192];
static struct stat st;

/* Only whether it succeeds. */
#define K(call) T((call) >= 0 ? 0 : -1)

static void at_flags(void) {
  TITLE("flags of the at calls");
  make("a", "text"), symlink("a", "l"), mkdir("d", 0755);
  int fd = open("a", O_RDWR), dir = open("d", O_RDONLY | O_DIRECTORY);
  struct timespec times[2] = {{1, 2}, {3, 4}};
  BITS(flag) {
    T(S(fchownat, D, "a", -1, -1, flag)), T(S(newfstatat, D, "l", &st, flag)), V(S_ISLNK(st.st_mode)), T(S(linkat, D, "absent", D, "new", flag));
    T(S(utimensat, D, "l", times, flag)), T(S(faccessat2, D, "a", R_OK, flag)), T(S(fchmodat2, D, "a", 0644, flag)), T(S(statx, D, "l", flag, 0, buf));
    T(S(unlinkat, D, "absent", flag)), T(S(renameat2, D, "absent", D, "b", flag)), T(S(statx, D, "a", 0, flag, buf));
  }
  T(S(utimensat, fd, "", times, 0x1000)), T(S(fchmodat2, fd, "", 0644, 0x1000)), T(S(statx, D, "a", 0, 0xfff, buf)), T(S(statx, D, "a", 0, 0x800, buf));
  EACH(mode, 0, 8) T(S(faccessat, D, "d", mode)), T(S(faccessat2, D, "d", mode, 0)), T(S(access, "d", mode));
  T(S(faccessat, 99, "a", 0)), T(S(faccessat, D, BAD, 0)), T(S(fchownat, 99, "a", -1, -1, 0)), T(S(fchownat, D, BAD, -1, -1, 0)), T(S(fchmodat, 99, "a", 0644)), T(S(fchmodat, D, "absent", 0644)), T(S(fchmodat, D, BAD, 0644));
  T(S(futimesat, 99, "a", NULL)), T(S(futimesat, D, BAD, NULL)), T(S(futimesat, D, "absent", NULL)), T(S(utimes, BAD, NULL)), T(S(utimes, "absent", NULL)), T(S(utimes, "a", BAD));
  T(S(mkdirat, 99, "x", 0700)), T(S(mkdirat, D, BAD, 0700)), T(S(mkdirat, D, "d", 0700)), T(S(mknodat, 99, "x", S_IFIFO, 0)), T(S(mknodat, D, BAD, S_IFIFO, 0)), T(S(mknodat, D, "a", S_IFIFO, 0));
  T(S(renameat, 99, "a", D, "b")), T(S(renameat, D, BAD, D, "b")), T(S(renameat, D, "absent", D, "b")), T(S(symlinkat, "a", 99, "s")), T(S(symlinkat, BAD, D, "s")), T(S(symlinkat, "a", D, "l"));
  T(S(readlinkat, 99, "l", buf, 10L)), T(S(readlinkat, D, "a", buf, 10L)), T(S(readlinkat, D, "l", BAD, 10L)), T(S(readlinkat, D, "l", buf, 0L));
  T(S(fstat, 99, &st)), T(S(fstat, fd, BAD)), T(S(lstat, BAD, &st)), T(S(lstat, "absent", &st)), T(S(lstat, "l", BAD)), T(S(fstatfs, 99, buf)), T(S(fstatfs, fd, BAD));
  T(S(fchmod, 99, 0)), T(S(fchown, 99, 0, 0)), T(S(lchown, "absent", -1, -1)), T(S(lchown, BAD, -1, -1)), T(S(creat, BAD, 0644)), T(S(creat, "d", 0644)), T(S(creat, "absent/x", 0644)), T(S(getdents, 99, buf, 100)), T(S(getdents, dir, BAD, 100)), T(S(getdents, fd, buf, 100)), T(S(getdents, dir, buf, 1));
  AS_NOBODY({ T(S(fchmod, fd, 0600)), T(S(fchown, fd, 1, 1)), T(S(lchown, "a", 1, 1)), T(S(fchmodat, D, "a", 0600)); });
  static const int modes[] = {O_APPEND, O_ASYNC, O_CLOEXEC, O_DIRECT, O_DSYNC, O_EXCL, O_LARGEFILE, O_NOATIME, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_PATH, O_SYNC, O_TRUNC, O_DIRECTORY, O_CREAT, O_TMPFILE, O_WRONLY, O_RDWR, 0100000};
  for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
    int one = T(S(openat, D, "a", modes[i], 0600)), two = T(S(open, "a", modes[i], 0600)), three = T(S(mq_open, "blink-none", modes[i] & ~O_CREAT, 0600, NULL));
    V(one >= 0 ? fcntl(one, F_GETFL) : 0), close(one), close(two), K(S(fanotify_init, 0, modes[i]));
    V(three), close(three);
    for (int k = 10; k < 20; k++) close(k);
  }
  struct { unsigned bytes; int type; char data[128]; } h = {128};
  long mount[2];
  BITS(flag) h.bytes = 128, T(S(name_to_handle_at, D, "a", &h, mount, flag));
  h.bytes = 128, T(S(name_to_handle_at, fd, "", &h, mount, 0x1000)), h.bytes = 128, T(S(name_to_handle_at, D, "a", &h, mount, 0));
  for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) K(S(open_by_handle_at, D, &h, modes[i]));
  int back = S(open_by_handle_at, D, &h, O_RDONLY);
  V(back >= 0), T(read(back, buf, 4)), BYTES(buf, 4), T(S(open_by_handle_at, 99, &h, 0)), T(S(open_by_handle_at, D, BAD, 0)), h.bytes = 999, T(S(open_by_handle_at, D, &h, 0)), h.bytes = 0, T(S(open_by_handle_at, D, &h, 0)), h.bytes = 8, h.type = 77, T(S(open_by_handle_at, D, &h, 0));
  AS_NOBODY({ T(S(open_by_handle_at, D, &h, 0)); });
  for (int i = 3; i < 60; i++) close(i);
}

static void attributes(void) {
  TITLE("extended attributes");
  int fd = make("x", "text");
  symlink("x", "xl");
  const char *name = "user.one";
  T(S(fsetxattr, fd, name, "v", 1L, XATTR_CREATE)), T(S(fsetxattr, fd, name, "v", 1L, XATTR_CREATE)), T(S(fsetxattr, fd, "user.no", "v", 1L, XATTR_REPLACE)), T(S(fsetxattr, fd, name, "w", 1L, XATTR_REPLACE)), T(S(fsetxattr, 99, name, "v", 1L, 0)), T(S(fsetxattr, fd, BAD, "v", 1L, 0));
  T(S(lsetxattr, "x", "user.two", "v", 1L, XATTR_CREATE)), T(S(lsetxattr, "xl", "user.two", "v", 1L, 0)), T(S(lsetxattr, "x", "user.two", "z", 1L, XATTR_REPLACE)), T(S(lsetxattr, "absent", name, "v", 1L, 0)), T(S(lsetxattr, "x", name, BAD, 1L, 0)), T(S(setxattr, "x", name, "v", 1L, 8));
  T(S(lgetxattr, "x", name, buf, 10L)), T(S(lgetxattr, "xl", name, buf, 10L)), T(S(lgetxattr, "absent", name, buf, 10L)), T(S(lgetxattr, "x", name, BAD, 10L)), T(S(fgetxattr, fd, name, buf, 10L)), T(S(fgetxattr, 99, name, buf, 10L)), T(S(fgetxattr, fd, "user.no", buf, 10L));
  T(S(llistxattr, "x", buf, 100L)), T(S(llistxattr, "absent", buf, 100L)), T(S(llistxattr, BAD, buf, 100L)), T(S(llistxattr, "x", buf, 1L)), T(S(flistxattr, fd, buf, 100L)), T(S(flistxattr, 99, buf, 100L)), T(S(flistxattr, fd, buf, 1L)), T(S(flistxattr, fd, BAD, 100L));
  struct { void *value; unsigned size, flags; } args = {"at", 2, 0}, get = {buf, 100, 0}, bad = {BAD, 5, 0};
  T(S(setxattrat, D, "x", 0, "user.at", &args, sizeof args)), T(S(setxattrat, fd, "", 0x1000, "user.at", &args, sizeof args)), T(S(setxattrat, D, "xl", 0x100, "user.at", &args, sizeof args)), T(S(setxattrat, 99, "x", 0, "user.at", &args, sizeof args)), T(S(setxattrat, D, "x", 1, "user.at", &args, sizeof args)), T(S(setxattrat, D, "x", 0, "user.at", BAD, sizeof args)), T(S(setxattrat, D, "x", 0, "user.at", &bad, sizeof args)), T(S(setxattrat, D, "x", 0, "user.at", &args, 4L)), T(S(setxattrat, D, "x", 0, "user.at", &args, 9999L)), T(S(setxattrat, D, BAD, 0, "user.at", &args, sizeof args));
  T(S(getxattrat, D, "xl", 0, "user.at", &get, sizeof get)), BYTES(buf, 2), T(S(getxattrat, fd, "", 0x1000, "user.at", &get, sizeof get)), T(S(getxattrat, D, "xl", 0x100, "user.at", &get, sizeof get)), T(S(getxattrat, D, "x", 0, "user.no", &get, sizeof get)), T(S(getxattrat, D, "x", 0, "user.at", &bad, sizeof get)), T(S(getxattrat, D, "x", 0, "user.at", BAD, sizeof get)), T(S(getxattrat, D, "absent", 0, "user.at", &get, sizeof get)), get.flags = 1, T(S(getxattrat, D, "x", 0, "user.at", &get, sizeof get));
  T(S(listxattrat, D, "xl", 0, buf, 100L)), T(S(listxattrat, D, "xl", 0x100, buf, 100L)), T(S(listxattrat, fd, "", 0x1000, buf, 100L)), T(S(listxattrat, D, "absent", 0, buf, 100L)), T(S(listxattrat, D, "x", 0, BAD, 100L)), T(S(listxattrat, D, "x", 2, buf, 100L));
  T(S(removexattrat, D, "xl", 0, "user.at")), T(S(removexattrat, D, "xl", 0x100, "user.at")), T(S(removexattrat, fd, "", 0x1000, "user.at")), T(S(removexattrat, D, "absent", 0, "user.at")), T(S(removexattrat, D, "x", 0, BAD));
  T(S(removexattr, "x", "user.no")), T(S(removexattr, "absent", name)), T(S(removexattr, BAD, name)), T(S(lremovexattr, "x", "user.two")), T(S(lremovexattr, "absent", name)), T(S(lremovexattr, "x", BAD)), T(S(fremovexattr, fd, name)), T(S(fremovexattr, fd, name)), T(S(fremovexattr, 99, name));
  struct { uint64_t xflags; uint32_t extsize, nextents, projid, cowextsize; } attr = {0};
  K(S(file_getattr, D, "x", &attr, sizeof attr, 0)), V(attr.nextents < 100), K(S(file_getattr, D, "xl", &attr, sizeof attr, 0x100)), K(S(file_getattr, fd, "", &attr, sizeof attr, 0x1000)), T(S(file_getattr, D, "absent", &attr, sizeof attr, 0)), T(S(file_getattr, D, "x", BAD, sizeof attr, 0)), T(S(file_getattr, D, "x", &attr, 4L, 0)), T(S(file_getattr, D, "x", &attr, sizeof attr, 1));
  S(file_getattr, D, "x", &attr, sizeof attr, 0), K(S(file_setattr, D, "x", &attr, sizeof attr, 0)), K(S(file_setattr, fd, "", &attr, sizeof attr, 0x1000)), T(S(file_setattr, D, "xl", &attr, sizeof attr, 0x100)), T(S(file_setattr, D, "absent", &attr, sizeof attr, 0)), T(S(file_setattr, D, "x", BAD, sizeof attr, 0)), T(S(file_setattr, D, "x", &attr, 9999L, 0));
  close(fd);
}

static void memory(void) {
  TITLE("memory");
  int fd = make("m", ""), memfd = S(memfd_create, "x", 0);
  ftruncate(fd, 8 * PAGE);
  BITS(flag) {
    if (flag == MAP_FIXED || flag == MAP_FIXED_NOREPLACE || flag == MAP_GROWSDOWN || flag == MAP_LOCKED) continue;
    char *p = (char *)S(mmap, NULL, 1L * PAGE, 3, MAP_PRIVATE | flag, flag == MAP_ANONYMOUS ? -1 : fd, 0L), *q = (char *)S(mmap, NULL, 1L * PAGE, 3, MAP_SHARED_VALIDATE | (flag & ~3), fd, 0L);
    V(p == MAP_FAILED), V(q == MAP_FAILED ? errno : 0), munmap(p, PAGE), munmap(q, PAGE);
  }
  char *p = (char *)S(mmap, NULL, 8L * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE | MAP_NONBLOCK, -1, 0L), *s = (char *)S(mmap, NULL, 8L * PAGE, 3, MAP_SHARED, fd, 0L);
  V(p != MAP_FAILED), V(s != MAP_FAILED);
  BITS(prot) { T(S(mprotect, p, 1L * PAGE, prot)), V((char *)S(mmap, p, 1L * PAGE, prot, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L) == p), T(S(pkey_mprotect, p, 1L * PAGE, prot, -1)); }
  T(S(mprotect, p, 1L * PAGE, 3)), T(S(pkey_mprotect, p, 1L * PAGE, 0, -1)), T(S(pkey_mprotect, p + 1, 1L, 0, -1)), T(S(pkey_mprotect, BAD, 1L * PAGE, 0, -1)), T(S(pkey_mprotect, 0x10000L, 1L * PAGE, 0, -1)), T(S(mprotect, p, 1L * PAGE, 3));
  EACH(advice, 0, 26) if (advice != 12) { T(S(madvise, p, 1L * PAGE, advice)), T(S(madvise, s, 1L * PAGE, advice)); }
  EACH(advice, 102, 103) { T(S(madvise, p, 1L * PAGE, advice)), T(S(madvise, s, 1L * PAGE, advice)); }
  K(S(madvise, p, 1L * PAGE, 12)), T(S(madvise, p, 1L * PAGE, 13));
  int self = S(pidfd_open, getpid(), 0);
  struct iovec range = {p + 4 * PAGE, PAGE};
  EACH(advice, 0, 26) if (advice != 12) T(S(process_madvise, self, &range, 1L, advice, 0));
  K(S(process_madvise, self, &range, 1L, 12, 0));
  EACH(advice, 102, 103) T(S(process_madvise, self, &range, 1L, advice, 0));
  EACH(flags, 0, 7) T(S(msync, s, 1L * PAGE, flags));
  T(S(mlock, p, 1L * PAGE)), T(S(mlock, BAD, 1L * PAGE)), T(S(mlock, p, -1L)), T(S(munlock, p, 1L * PAGE)), T(S(munlock, 0x10000L, 1L * PAGE)), T(S(munlock, p, -4097L)), T(S(mlock2, p, 1L * PAGE, 1)), T(S(mlock2, p, 1L * PAGE, 8)), T(S(mlock2, 0x10000L, 1L * PAGE, 0));
  EACH(flags, 0, 8) T(S(mlockall, flags)), T(S(munlockall));
  APART({
    T(S(mlockall, MCL_CURRENT | MCL_FUTURE));
    char *in = mmap(NULL, 4 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), there[4] = {0};
    V(mincore(in, 4 * PAGE, there)), V(there[0] & there[3] & 1), T(S(madvise, in, 1L * PAGE, MADV_DONTNEED)), S(munlockall);
    T(S(mlockall, MCL_FUTURE | MCL_ONFAULT)), in = mmap(NULL, 4 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    V(mincore(in, 4 * PAGE, there)), V(there[0] & 1), T(S(madvise, in, 1L * PAGE, MADV_DONTNEED));
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){PAGE, PAGE});
    AS_NOBODY({ T(S(mlockall, MCL_CURRENT)), V(mmap(NULL, 64 * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED), V(errno); });
    setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0});
    AS_NOBODY({ T(S(mlockall, MCL_CURRENT)), T(S(mlockall, MCL_FUTURE)); });
  });
  BITS(flag) if (flag != 4) K(S(memfd_create, "f", flag));
  K(S(memfd_create, "f", 16)), K(S(memfd_create, "f", 8)), T(S(memfd_create, BAD, 0)), K(S(memfd_create, "h", 4)), T(S(getrandom, buf, 8L, 4)), T(S(getrandom, buf, 8L, 1)), T(S(getrandom, BAD, 8L, 0)), T(S(getrandom, buf, 8L, 99));
  EACH(mode, 0, 9) T(S(fallocate, memfd, 1L << mode, 0L, 4096L));
  BITS(flag) if (flag != 0x10) S(remap_file_pages, s, 1L * PAGE, 0, 1L, flag), V(*s);
  EACH(type, 1, 3) T(S(remap_file_pages, s, 1L * PAGE, 0, 1L, type));
  T(S(remap_file_pages, s, 1L * PAGE, 0, 1L, MAP_FIXED)), T(S(shmdt, BAD)), T(S(shmdt, (long)p + 1));
  munmap(p, PAGE);
  V((char *)S(mmap, p + 1, 1L * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L) == p);
  char *low = mmap(NULL, 2L * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  V((unsigned long)low < 1ul << 31), munmap(low, 2L * PAGE);
  V((char *)S(mmap, low + PAGE, 1L * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0L) == low + PAGE);
  V((unsigned long)S(mmap, 1l << 40, 1L * PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0L) < 1ul << 31);
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair); /* has no pages, and Linux finds out too late */
  K(S(mmap, p, 1L * PAGE, 3, MAP_FIXED | MAP_PRIVATE, pair[0], 0L)), T(S(mincore, p, 1L * PAGE, buf)), T(S(mremap, p, 1L * PAGE, 1L * PAGE, 0)), T(S(munmap, p, 1L * PAGE));
  for (int i = 3; i < 200; i++) close(i);
}

static void data(void) {
  TITLE("reading and writing");
  int fd = make("r", "0123456789"), rd = open("r", O_RDONLY), p[2], q[2];
  struct iovec v = {buf, 4}, bad = {BAD, 4}, minus = {buf, -1};
  pipe(p), pipe(q);
  T(S(readv, fd, &v, 1L)), T(S(readv, 99, &v, 1L)), T(S(readv, fd, BAD, 1L)), T(S(readv, fd, &bad, 1L)), T(S(readv, fd, &minus, 1L)), T(S(preadv, 99, &v, 1L, 0L, 0L)), T(S(preadv, p[0], &v, 1L, 0L, 0L)), T(S(preadv, fd, BAD, 1L, 0L, 0L)), T(S(pwritev, 99, &v, 1L, 0L, 0L)), T(S(pwritev, p[1], &v, 1L, 0L, 0L)), T(S(pwritev, fd, BAD, 1L, 0L, 0L));
  BITS(flag) { v.iov_len = 1; long r = S(preadv2, fd, &v, 1L, 0L, 0L, flag); V(r == -1 && errno == EAGAIN ? 1 : r), V(r == -1 ? errno == EAGAIN ? 0 : errno : 0); r = S(pwritev2, fd, &v, 1L, 0L, 0L, flag); V(r), V(r == -1 ? errno : 0); }
  T(S(preadv2, 99, &v, 1L, 0L, 0L, 0)), T(S(pwritev2, 99, &v, 1L, 0L, 0L, 0)), T(S(pwritev2, rd, &v, 1L, 0L, 0L, 0)), T(S(pwritev2, fd, &v, 1L, 0L, 0L, 1 << 20)), T(S(pwrite64, 99, "x", 1L, 0L)), T(S(pwrite64, fd, BAD, 1L, 0L)), T(S(pwrite64, p[1], "x", 1L, 0L)), T(S(readahead, p[0], 0L, 1L)), T(S(readahead, 99, 0L, 1L)), T(S(sync_file_range, 99, 0L, 1L, 0)), T(S(sync_file_range, p[0], 0L, 1L, 0)), T(S(tee, 99, p[1], 1L, 0)), T(S(tee, p[0], p[1], 1L, 0)), T(S(tee, fd, p[1], 1L, 0)), T(S(vmsplice, 99, &v, 1L, 0)), T(S(vmsplice, p[1], BAD, 1L, 0)), T(S(vmsplice, fd, &v, 1L, 0)), T(S(fdatasync, 99)), T(S(fdatasync, p[0])), T(S(dup2, 99, 10)), T(S(dup2, 0, -1)), T(S(dup3, 0, 10, O_DIRECT)), T(S(dup3, 0, 10, O_NONBLOCK)), T(S(dup3, 0, 10, O_CLOEXEC)), T(S(close_range, 50, 40, 0)), T(S(close_range, 50, 60, 99));
  T(S(eventfd2, 0, 99)), T(S(eventfd2, 0, 1)), T(S(inotify_init1, 99)), T(S(timerfd_create, 99, 0)), T(S(timerfd_create, 1, 99)), T(S(signalfd, 99, buf, 8L)), T(S(signalfd, -1, BAD, 8L)), T(S(signalfd, -1, buf, 7L)), T(S(signalfd, 0, buf, 8L));
  APART({ setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 100}); for (int i = 0; i < 9; i++) dup(0); T(S(eventfd, 0)), T(S(inotify_init)), T(S(inotify_init1, 0)), T(S(timerfd_create, 1, 0)), T(S(eventfd2, 0, 0)), T(S(epoll_create1, 0)), T(S(pidfd_open, getpid(), 0)), T(S(open, "r", 0)), T(S(dup, 0)), T(S(signalfd, -1, buf, 8L)); });
  int watch = S(inotify_init1, IN_NONBLOCK);
  BITS(mask) { long w = S(inotify_add_watch, watch, "r", mask); V(w == -1 ? errno : 0); }
  T(S(inotify_add_watch, watch, "r", IN_ALL_EVENTS) > 0), close(open("r", O_RDONLY)), V(read(watch, buf, 4000) > 0);
  for (int i = 3; i < 90; i++) close(i);
}

static void messages(void) {
  TITLE("messages");
  int s[2], d[2];
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, d);
  struct iovec v = {"some text", 9}, in = {buf, 100};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1}, r = {.msg_iov = &in, .msg_iovlen = 1};
  struct mmsghdr many[2] = {{m}, {m}}, back[2] = {{r}, {r}};
  struct timespec zero = {0, 0};
  signal(SIGPIPE, SIG_IGN);
  BITS(flag) {
    T(S(sendto, s[0], "x", 1L, flag, NULL, 0)), T(S(recvfrom, s[1], buf, 100L, flag, NULL, NULL)), T(S(sendmsg, s[0], &m, flag)), T(S(recvmsg, s[1], &r, flag)), V(r.msg_flags), T(S(sendmmsg, s[0], many, 2, flag)), T(S(recvmmsg, s[1], back, 2, flag | MSG_DONTWAIT, &zero));
    T(S(sendto, d[0], "y", 1L, flag, NULL, 0)), T(S(recvfrom, d[1], buf, 100L, flag, NULL, NULL)), T(S(sendmsg, d[0], &m, flag)), T(S(recvmsg, d[1], &r, flag)), V(r.msg_flags);
    while (recv(s[1], buf, 1000, MSG_DONTWAIT) > 0) continue;
    while (recv(d[1], buf, 1000, MSG_DONTWAIT) > 0) continue;
  }
  T(S(recvmmsg, 99, back, 2, 0, NULL)), T(S(recvmmsg, s[1], BAD, 2, MSG_DONTWAIT, NULL)), T(S(sendmmsg, 99, many, 2, 0)), T(S(sendmmsg, s[0], BAD, 2, 0));
  static const int families[] = {AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK, 99};
  static const int kinds[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, 6, SOCK_STREAM | SOCK_CLOEXEC, SOCK_STREAM | SOCK_NONBLOCK, 77};
  for (int i = 0; i < 9; i++)
    for (int k = 0; k < 9; k++) { int one = S(socket, families[i], kinds[k], 0); V(one >= 0 ? 0 : errno), close(one); int pair[2]; long made = S(socketpair, families[i], kinds[k], 0, pair); V(made), V(made ? errno : 0); if (made == 0) close(pair[0]), close(pair[1]); }
  int u = socket(AF_INET, SOCK_DGRAM, 0), value = 1, six = socket(AF_INET6, SOCK_DGRAM, 0), link = socket(AF_NETLINK, SOCK_RAW, 0);
  socklen_t size = 4;
  T(S(setsockopt, u, 0, 2, &value, 4)), T(S(getsockopt, u, 0, 2, &value, &size)), T(S(setsockopt, six, 41, 26, &value, 4)), T(S(getsockopt, six, 41, 26, &value, &size)), T(S(setsockopt, u, 17, 1, &value, 4)), T(S(getsockopt, u, 17, 1, &value, &size)), T(S(setsockopt, link, 270, 10, &value, 4)), T(S(getsockopt, link, 270, 10, &value, &size));
  T(S(getpeername, 99, buf, &size)), T(S(getpeername, u, buf, &size)), T(S(accept4, 99, NULL, NULL, 0)), T(S(accept4, u, NULL, NULL, 99)), T(S(accept4, u, NULL, NULL, 0));
  for (int i = 3; i < 60; i++) close(i);
}

static void scheduling(void) {
  TITLE("scheduling");
  struct sched_param zero = {0}, one = {1};
  EACH(policy, -1, 7) { T(S(sched_get_priority_max, policy)), T(S(sched_get_priority_min, policy)); T(S(sched_setscheduler, policy == 5 ? 99999999 : 0, policy, policy == 1 || policy == 2 ? &one : &zero)), S(sched_setscheduler, 0, 0, &zero); }
  T(S(sched_setscheduler, 99999999, 0, &zero)), T(S(sched_setscheduler, 0, 0, BAD)), T(S(sched_getscheduler, 99999999)), T(S(sched_getscheduler, -1)), T(S(sched_setparam, 0, &zero)), T(S(sched_setparam, 0, &one)), T(S(sched_setparam, 99999999, &zero)), T(S(sched_setparam, 0, BAD)), T(S(sched_getparam, 99999999, &zero)), T(S(sched_getparam, -1, &zero)), T(S(sched_getparam, 0, BAD)), T(S(sched_rr_get_interval, 99999999, buf)), T(S(sched_rr_get_interval, 0, BAD)), T(S(sched_rr_get_interval, -1, buf));
  T(S(sched_setaffinity, 0, 8, BAD)), memset(buf, 0, 8), T(S(sched_setaffinity, 0, 8, buf)), T(S(sched_setaffinity, 99999999, 8, buf));
  struct { unsigned size, policy; uint64_t flags; int nice; unsigned priority; uint64_t a, b, c; unsigned d, e; } attr = {56, 0};
  T(S(sched_getattr, 0, &attr, 56, 0)), T(S(sched_getattr, 0, BAD, 56, 0)), T(S(sched_getattr, 0, &attr, 8, 0)), T(S(sched_getattr, 99999999, &attr, 56, 0)), attr.flags = 0, T(S(sched_setattr, 0, &attr, 0)), T(S(sched_setattr, 0, BAD, 0)), T(S(sched_setattr, 0, &attr, 9)), T(S(sched_setattr, 99999999, &attr, 0));
  T(S(getpriority, 9, 0)), T(S(getpriority, 0, 99999999)), T(S(setpriority, 9, 0, 0)), T(S(setpriority, 0, 99999999, 0)), T(S(setpriority, 0, 0, 0)), T(S(ioprio_get, 9, 0)), T(S(ioprio_get, 1, 99999999)), T(S(ioprio_set, 9, 0, 0)), T(S(ioprio_set, 1, 0, 0x7fff)), T(S(ioprio_set, 1, 99999999, 0)), T(S(getcpu, BAD, NULL, 0L)), T(S(getcpu, NULL, BAD, 0L));
  static const int commands[] = {0, 512, 2, 1, 4, 2, 8, 16, 8, 32, 64, 32, 128, 256, 128, 77};
  for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++) { long r = S(membarrier, commands[i], 0, 0); V(r == -1 ? errno : commands[i] ? r : 0); }
  T(S(membarrier, 0, 99, 0)), T(S(membarrier, 8, 1, 0));
}

static void identities(void) {
  TITLE("identities");
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0}, wrong = {1234, 0}, other = {_LINUX_CAPABILITY_VERSION_3, 99999999};
  struct __user_cap_data_struct c[2];
  T(S(capget, &h, c)), T(S(capset, &h, c)), T(S(capset, &wrong, c)), T(S(capset, &h, BAD)), T(S(capset, BAD, c)), T(S(capset, &other, c)), T(S(capget, &other, c)), T(S(capget, BAD, c));
  T(S(getresuid, BAD, BAD, BAD)), T(S(getresgid, BAD, BAD, BAD)), T(S(getgroups, -1, buf)), T(S(getgroups, 0, NULL) >= 0), T(S(setgroups, 1L << 20, buf)), T(S(setgroups, 1L, BAD)), T(S(setgroups, -1L, buf)), T(S(setregid, -1, -1)), T(S(setreuid, -1, -1)), T(S(setresuid, -1, -1, -1)), T(S(setresgid, -1, -1, -1)), T(S(setuid, -1)), T(S(setgid, -1));
  APART({ T(S(setgid, 65534)); T(S(setregid, 65534, 65534)); T(S(setresgid, 65534, 65534, 65534)); T(S(setreuid, 65534, 65534)); T(S(setuid, 0)); T(S(setgid, 0)); T(S(setreuid, 0, 0)); T(S(setregid, 0, 0)); T(S(setresuid, 0, 0, 0)); T(S(setresgid, 0, 0, 0)); T(S(setgroups, 0L, NULL)); T(S(sethostname, "x", 1)); T(S(setdomainname, "x", 1)); T(S(setpriority, 0, 0, -5)); memset(c, 0xff, sizeof c); T(S(capset, &h, c)); T(S(adjtimex, (memset(buf, 0, 300), *(int *)buf = 1, buf))); T(S(settimeofday, (memset(buf, 0, 16), buf), NULL)); T(S(clock_settime, 0, buf)); T(S(syslog, 3, buf, 10)); T(S(clock_adjtime, 0, (*(int *)buf = 1, buf))); });
  APART({ T(S(setpgid, 0, 0)), T(S(setpgid, 99999999, 0)), T(S(setpgid, -1, 0)), T(S(setsid)), T(S(getsid, 99999999)), T(S(getpgid, 99999999)); });
  T(S(sethostname, BAD, 4)), T(S(sethostname, "x", -1)), T(S(setdomainname, BAD, 4)), T(S(setdomainname, "x", -1)), T(S(uname, BAD)), T(S(sysinfo, BAD)), T(S(times, BAD)), T(S(getrusage, RUSAGE_THREAD, buf)), T(S(getrusage, 77, buf)), T(S(getrusage, 0, BAD));
  APART(K(unshare(CLONE_NEWUTS)), T(S(setdomainname, "domain", 6)));
  EACH(type, -1, 11) if (type != 2 && type != 4 && type != 5 && type != 6 && type != 7 && type != 8 && type != 3) { long r = S(syslog, type, buf, 100); V(r >= 0 ? 0 : errno); }
  K(S(syslog, 3, buf, 8000)), T(S(syslog, 2, buf, -1)), T(S(syslog, 3, NULL, 10)), T(S(syslog, 3, BAD, 10)), T(S(syslog, 2, NULL, 10)), T(S(syslog, 4, NULL, 10)), T(S(syslog, 8, NULL, 99));
  AS_NOBODY({ T(S(syslog, 5, NULL, 0)), T(S(syslog, 6, NULL, 0)), T(S(syslog, 7, NULL, 0)); });
  struct stat root;
  stat("/", &root), K(S(ustat, (unsigned)root.st_dev, buf)), T(S(ustat, 0x7777, buf)), T(S(ustat, (unsigned)root.st_dev, BAD)), T(S(sysfs, 3, 0L, 0L) > 0), T(S(sysfs, 1, "proc", 0L) >= 0), T(S(sysfs, 2, 0L, buf)), TEXT(buf), T(S(sysfs, 1, "nosuchfs", 0L)), T(S(sysfs, 2, 9999L, buf)), T(S(sysfs, 1, BAD, 0L)), T(S(sysfs, 2, 0L, BAD)), T(S(sysfs, 9, 0L, 0L));
}

static void clocks(void) {
  TITLE("clocks");
  struct timespec t = {0, 0}, wrong = {0, -1}, brief = {0, 1000};
  struct itimerval it = {{0}}, odd = {{0, -1}, {0, 0}};
  EACH(clock, 0, 12) {
    int id = -1;
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    T(S(clock_gettime, clock, &t)), T(S(clock_getres, clock, &t)), T(S(clock_nanosleep, clock, 1, &(struct timespec){0, 0}, NULL)), T(S(clock_settime, clock, &wrong)), memset(buf, 0, 300), K(S(clock_adjtime, clock, buf));
    long made = S(timer_create, clock, &none, &id);
    V(made), V(made ? errno : 0);
    if (made == 0) S(timer_delete, id);
  }
  T(S(clock_getres, 99, &t)), T(S(clock_getres, 0, BAD)), T(S(clock_settime, 99, &t)), T(S(clock_settime, 0, BAD)), T(S(clock_adjtime, 99, buf)), T(S(clock_adjtime, 0, BAD)), memset(buf, 0, 300), T(S(adjtimex, buf) >= 0), T(S(adjtimex, BAD)), *(int *)buf = 0x4000, *(long *)(buf + 96) = 1, T(S(adjtimex, buf)), T(S(settimeofday, NULL, NULL)), T(S(settimeofday, BAD, NULL)), T(S(settimeofday, &(struct timeval){0, -1}, NULL)), T(S(gettimeofday, BAD, NULL));
  T(S(nanosleep, &brief, NULL)), T(S(nanosleep, &wrong, NULL)), T(S(nanosleep, BAD, NULL));
  EACH(which, -1, 3) T(S(getitimer, which, &it)), T(S(setitimer, which, &it, NULL)), T(S(setitimer, which, &odd, NULL));
  T(S(getitimer, 0, BAD)), T(S(setitimer, 0, BAD, NULL));
  int id;
  struct sigevent none = {.sigev_notify = SIGEV_NONE};
  struct itimerspec far = {{0, 0}, {1 << 30, 0}}, bad = {{0, 0}, {0, -1}};
  T(S(timer_create, CLOCK_MONOTONIC, &none, &id)), T(S(timer_settime, id, 1, &far, NULL)), T(S(timer_settime, id, 0, &bad, NULL)), T(S(timer_settime, 999, 0, &far, NULL)), T(S(timer_settime, id, 0, BAD, NULL)), T(S(timer_gettime, id, &far)), T(S(timer_gettime, 999, &far)), T(S(timer_gettime, id, BAD)), T(S(timer_getoverrun, id)), T(S(timer_getoverrun, 999)), T(S(timer_delete, id)), T(S(timer_delete, id)), T(S(timer_create, 0, BAD, &id)), T(S(timer_create, 0, &none, BAD));
}

static void on_signal(int signo) {}

static void processes(void) {
  TITLE("processes");
  APART({ if (S(fork) == 0) _exit(3); wait(NULL), signal(SIGALRM, on_signal), T(S(setitimer, ITIMER_REAL, &(struct itimerval){{0, 50000}, {0, 1000}}, NULL)), T(S(pause)); }); /* again and again: the first may come before pause */
  APART({ setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}); AS_NOBODY({ T(S(mlock, buf, 4096L)); }); });
  unsigned groups[3] = {1, 2, 3};
  APART({ T(S(setgroups, 3L, groups)), T(S(getgroups, 3, BAD)), T(S(getgroups, 1, groups)), T(S(getgroups, 3, groups)); });
  unsigned long node = 1;
  char *area = mmap(NULL, PAGE, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  T(S(mbind, area, 1L * PAGE, 3, &node, 64L, 0)), T(S(set_mempolicy_home_node, area, 1L * PAGE, 0L, 0L));
  siginfo_t info;
  int status, ready[2];
  pipe(ready);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) { setpgid(0, 0), write(ready[1], "r", 1), pause(), _exit(0); }
  read(ready[0], buf, 1);
  int fd = S(pidfd_open, child, 0), me = S(pidfd_open, getpid(), 0);
  T(S(pidfd_open, 99999999, 0)), T(S(pidfd_open, child, 1 << 30)), T(S(pidfd_open, -1, 0)), T(S(pidfd_getfd, fd, 0, 0) >= 0), T(S(pidfd_getfd, fd, 99, 0)), T(S(pidfd_getfd, 99, 0, 0)), T(S(pidfd_getfd, fd, 0, 1)), T(S(pidfd_send_signal, me, 0, NULL, 0)), T(S(pidfd_send_signal, 99, 0, NULL, 0)), T(S(pidfd_send_signal, me, 99, NULL, 0)), T(S(pidfd_send_signal, me, 0, BAD, 0)), T(S(pidfd_send_signal, me, 0, NULL, 99));
  AS_NOBODY({ T(S(pidfd_getfd, fd, 0, 0)), T(S(pidfd_send_signal, fd, SIGTERM, NULL, 0)), T(S(ioprio_set, 1, getppid(), 0)); });
  kill(child, SIGSTOP), T(S(waitid, P_PGID, child, &info, WSTOPPED, NULL)), V(info.si_code), kill(child, SIGCONT), T(S(waitid, P_PID, child, &info, WCONTINUED, NULL)), V(info.si_code), T(S(waitid, P_ALL, 0, &info, WEXITED | WNOHANG, NULL));
  T(S(wait4, child, &status, WNOHANG | WUNTRACED | WCONTINUED, NULL)), T(S(wait4, child, &status, WNOHANG | 0x40000000, NULL)), T(S(wait4, child, &status, WNOHANG | 0x20000000, NULL)), T(S(wait4, child, &status, WNOHANG | 0x80000000, NULL)), T(S(wait4, child, &status, WNOHANG | WEXITED, NULL)), T(S(wait4, child, &status, WNOHANG | WNOWAIT, NULL));
  T(S(waitid, P_PID, child, &info, WEXITED | WNOHANG | 0x40000000, NULL)), T(S(waitid, P_PID, child, &info, WEXITED | WNOHANG | 0x20000000, NULL)), T(S(waitid, P_PID, child, &info, WEXITED | WNOHANG | 0x80000000, NULL)), T(S(waitid, 77, 0, &info, WEXITED, NULL)), T(S(waitid, P_PID, child, &info, 0, NULL)), T(S(waitid, P_PIDFD, fd, &info, WEXITED | WNOHANG, NULL)), T(S(waitid, P_PID, child, BAD, WEXITED | WNOHANG, NULL));
  kill(child, SIGKILL), T(S(waitid, P_PIDFD, fd, &info, WEXITED | WNOWAIT, NULL)), V(info.si_status), T(S(waitid, P_ALL, 0, NULL, WEXITED, NULL) == 0), T(S(waitid, P_ALL, 0, &info, WEXITED, NULL)), T(S(wait4, -1, &status, 0, NULL));
  memset(&info, 0, sizeof info), T(S(rt_sigqueueinfo, 99999999, SIGUSR1, &info)), T(S(rt_sigqueueinfo, getpid(), SIGUSR1, BAD)), T(S(rt_sigqueueinfo, getpid(), 99, &info)), T(S(rt_tgsigqueueinfo, 99999999, 1, SIGUSR1, &info)), T(S(rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, BAD)), T(S(rt_tgsigqueueinfo, -1, 1, SIGUSR1, &info));
  static const int options[] = {1, 2, 3, 4, 7, 8, 15, 16, 23, 27, 29, 30, 36, 37, 38, 39, 41, 42};
  APART({ for (unsigned i = 0; i < 18; i++) { long r = S(prctl, options[i], i == 16 ? 1L : 0L, 0L, 0L, 0L); V(r == -1 ? errno : r); } T(S(prctl, PR_SET_PTRACER, 0L, 0L, 0L, 0L)), T(S(prctl, PR_SET_SECUREBITS, 0L, 0L, 0L, 0L)), T(S(prctl, PR_CAPBSET_DROP, 40L, 0L, 0L, 0L)), T(S(prctl, PR_CAP_AMBIENT, 4L, 0L, 0L, 0L)), T(S(prctl, PR_CAP_AMBIENT, 9L, 0L, 0L, 0L)); });
  unsigned long aux[200] = {0};
  long size = S(prctl, 0x41555856, aux, sizeof aux, 0L, 0L);
  V(size > 0 ? size % 16 == 0 && size < (long)sizeof aux && aux[size / 8 - 2] == 0 : errno);
  for (unsigned i = 0; i < 200 && aux[i] != 0; i += 2) if (aux[i] == 6) V(aux[i + 1]); /* AT_PAGESZ */
  T(S(prctl, 0x41555856, buf, 8L, 0L, 0L) < 0 ? errno : 1), T(S(prctl, 0x41555856, BAD, 8L, 0L, 0L)), T(S(prctl, 0x41555856, buf, 8L, 1L, 0L));
  T(S(prctl, 25, &status)), V(status), T(S(prctl, 25, BAD)), T(S(prctl, 26, 1L)), T(S(prctl, 26, 99L));
  AS_NOBODY({ T(S(prctl, 57, 1L, 0L, 0L, 0L)), T(S(prctl, 58, 0L, 0L, 0L, 0L)), T(S(prctl, 67, 0L, 0L, 0L, 0L)), T(S(prctl, 68, 0L, 0L, 0L, 0L)), T(S(prctl, 68, 1L, 0L, 0L, 0L)); });
  APART({ T(S(prctl, 13)), T(S(prctl, 14, 0L)), T(S(prctl, 14, 1L)), T(S(prctl, 31)), T(S(prctl, 32)), T(S(prctl, 33, 1L, 0L, 0L, 0L)), T(S(prctl, 33, 9L, 0L, 0L, 0L)), T(S(prctl, 34, 0L, 0L, 0L, 0L)), T(S(prctl, 52, 0L, 0L, 0L, 0L)), T(S(prctl, 53, 0L, 0L, 0L, 0L)), T(S(prctl, 52, 99L, 0L, 0L, 0L)), T(S(prctl, 21)); });
  EACH(resource, 0, 16) { struct rlimit l; T(S(getrlimit, resource, &l)), T(S(prlimit64, 0, resource, NULL, &l)); if (resource < 16) T(S(setrlimit, resource, &l)), T(S(prlimit64, 0, resource, &l, NULL)); }
  static char *const none[] = {NULL};
  T(S(execveat, D, "/bin/true", none, none, 0x10000)), T(S(execveat, D, "absent", none, none, 0x10000)), T(S(execveat, D, "/etc/passwd", none, none, 0x10000)), T(S(execve, "absent", none, none)), T(S(execve, BAD, none, none)), T(S(execve, "/etc/passwd", none, none)), T(S(execve, "absent", BAD, none)), T(S(execve, "/bin/true", BAD, none));
  for (int i = 3; i < 60; i++) close(i);
}

int main(void) {
  start();
  at_flags();
  attributes();
  memory();
  data();
  messages();
  scheduling();
  identities();
  clocks();
  processes();
  return 0;
}
