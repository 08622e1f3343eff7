/* open, read, write, seek, truncate, allocate, copy between files, flock. */
#include "calls.h"
#include <limits.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char buf[8192];

static void opening(void) {
  TITLE("open");
  int fd = make("a", "hello world\n");
  T(S(open, "a", O_RDONLY));
  T(S(open, "absent", O_RDONLY));
  T(S(open, "a/x", O_RDONLY));
  T(S(open, "a", O_RDONLY | O_DIRECTORY));
  T(S(open, "a", O_CREAT | O_EXCL | O_WRONLY, 0600));
  T(S(open, ".", O_WRONLY));
  T(S(open, BAD, O_RDONLY));
  T(S(open, NULL, O_RDONLY));
  T(S(open, "", O_RDONLY));
  memset(buf, 'x', 300), buf[300] = 0;
  T(S(open, buf, O_RDONLY));
  memset(buf, 'x', 5000), buf[5000] = 0;
  T(S(open, buf, O_RDONLY));
  symlink("a", "link"), symlink("loop", "loop"), symlink("nowhere", "dangling");
  T(S(open, "link", O_RDONLY | O_NOFOLLOW));
  T(S(open, "loop", O_RDONLY));
  T(S(open, "dangling", O_RDONLY));
  T(S(open, "dangling", O_RDWR | O_CREAT | O_EXCL, 0600));
  T(S(open, "dangling", O_RDWR | O_CREAT, 0600));
  T(access("nowhere", F_OK));
  T(S(creat, "c", 0640));
  T(S(creat, ".", 0640));
  umask(027);
  struct stat st;
  close(S(creat, "masked", 0777)), stat("masked", &st), V(st.st_mode);
  umask(022);
  T(S(openat, D, "a", O_RDONLY));
  T(S(openat, 99, "a", O_RDONLY));
  T(S(openat, fd, "a", O_RDONLY));
  T(S(openat, 99, "/", O_RDONLY | O_DIRECTORY));
  mkdir("dir", 0755);
  int dir = open("dir", O_RDONLY | O_DIRECTORY);
  T(S(openat, dir, "f", O_CREAT | O_WRONLY, 0600));
  T(access("dir/f", F_OK));
  T(S(openat, dir, "../a", O_RDONLY));
  T(S(openat, dir, "", O_RDONLY));
  T(S(openat, D, ".", O_TMPFILE | O_RDWR, 0600));
  T(S(openat, D, "a", O_PATH));
  T(read(20, buf, 1));
  int path = open("a", O_PATH);
  T(read(path, buf, 1));
  T(S(openat, D, "a", O_RDONLY | O_TRUNC | 0x40000000));
  for (int i = 3; i < 60; i++) close(i);
  T(open("a", O_RDONLY));
  T(open("a", O_RDONLY | O_CLOEXEC));
  T(fcntl(4, F_GETFD));
  T(fcntl(3, F_GETFL));
  close(3);
  T(open("a", O_RDONLY));
  AS_NOBODY({
    T(S(open, "/etc/shadow", O_RDONLY));
    T(S(open, "denied", O_CREAT | O_WRONLY, 0600));
  });
  for (int i = 3; i < 60; i++) close(i);
}

static void opening2(void) {
  TITLE("openat2");
  struct open_how how = {.flags = O_RDONLY};
  make("a", "hello world\n");
  T(S(openat2, D, "a", &how, sizeof how));
  T(S(openat2, D, "a", &how, 8));
  T(S(openat2, D, "a", BAD, sizeof how));
  T(S(openat2, D, "a", &how, 5000));
  T(S(openat2, 99, "a", &how, sizeof how));
  how.mode = 0600;
  T(S(openat2, D, "a", &how, sizeof how));
  how.mode = 0, how.flags = 1 << 30;
  T(S(openat2, D, "a", &how, sizeof how));
  how.flags = O_RDONLY, how.resolve = 1 << 20;
  T(S(openat2, D, "a", &how, sizeof how));
  how.resolve = RESOLVE_NO_SYMLINKS;
  T(S(openat2, D, "link", &how, sizeof how));
  how.resolve = RESOLVE_BENEATH;
  T(S(openat2, D, "../x", &how, sizeof how));
  T(S(openat2, D, "dir/../a", &how, sizeof how));
  T(S(openat2, D, "/etc/passwd", &how, sizeof how));
  how.resolve = RESOLVE_IN_ROOT;
  T(S(openat2, D, "/a", &how, sizeof how));
  T(S(openat2, D, "../../../a", &how, sizeof how));
  T(S(openat2, D, "/etc/passwd", &how, sizeof how));
  how.resolve = 0, how.flags = O_CREAT | O_RDWR, how.mode = 0640;
  T(S(openat2, D, "new2", &how, sizeof how));
  for (int i = 3; i < 60; i++) close(i);
}

static void reading(void) {
  TITLE("read and write");
  int fd = make("a", "hello world\n"), wr = open("a", O_WRONLY), rd = open("a", O_RDONLY);
  memset(buf, 0, sizeof buf);
  T(S(read, fd, buf, 5));
  BYTES(buf, 5);
  T(S(read, fd, buf, 0));
  T(S(read, fd, BAD, 5));
  T(S(read, fd, NULL, 5));
  T(S(read, 99, BAD, 5));
  T(S(read, wr, buf, 5));
  T(S(read, -1, buf, 5));
  T(S(read, fd, buf, 100));
  T(S(read, fd, buf, 100));
  T(S(write, rd, "x", 1));
  T(S(write, 99, "x", 1));
  T(S(write, wr, BAD, 1));
  T(S(write, wr, "HELLO", 5));
  T(S(write, wr, NULL, 0));
  T(S(pread64, fd, buf, 5, 3));
  BYTES(buf, 5);
  T(S(pread64, fd, buf, 5, -1L));
  T(S(pread64, fd, buf, 5, 1000L));
  T(S(pwrite64, wr, "__", 2, 5L));
  T(S(pwrite64, wr, "z", 1, -2L));
  T(S(pwrite64, wr, "z", 1, 20L));
  T(S(lseek, fd, 0, SEEK_END));
  T(S(lseek, fd, -3L, SEEK_CUR));
  T(S(lseek, fd, 2, SEEK_SET));
  T(S(lseek, fd, -1L, SEEK_SET));
  T(S(lseek, fd, 0, 77));
  T(S(lseek, 99, 0, SEEK_SET));
  T(S(lseek, fd, 0, SEEK_DATA));
  T(S(lseek, fd, 0, SEEK_HOLE));
  T(S(lseek, fd, 100, SEEK_DATA));
  int p[2];
  pipe(p);
  T(S(lseek, p[0], 0, SEEK_SET));
  T(S(pread64, p[0], buf, 1, 0));
  T(S(write, p[1], "abc", 3));
  T(S(read, p[0], buf, 100));
  close(p[1]);
  T(S(read, p[0], buf, 100));
  int dir = open(".", O_RDONLY);
  T(S(read, dir, buf, 10));
  int ap = open("a", O_WRONLY | O_APPEND);
  T(S(write, ap, "END", 3));
  T(S(lseek, ap, 0, SEEK_CUR));
  for (int i = 3; i < 60; i++) close(i);
}

static void vectors(void) {
  TITLE("vectors");
  int fd = make("v", "");
  char x[4] = "abc", y[4] = "def";
  struct iovec in[3] = {{x, 3}, {NULL, 0}, {y, 3}}, bad[2] = {{x, 3}, {BAD, 3}};
  T(S(writev, fd, in, 3));
  T(S(writev, fd, bad, 2));
  T(S(writev, fd, BAD, 2));
  T(S(writev, fd, in, 0));
  T(S(writev, fd, in, -1));
  T(S(writev, fd, in, 1025));
  T(S(writev, 99, in, 1));
  struct iovec huge[2] = {{x, SSIZE_MAX}, {y, SSIZE_MAX}};
  T(S(writev, fd, huge, 2));
  T(S(lseek, fd, 0, SEEK_SET));
  char a[2], b[20];
  struct iovec out[2] = {{a, 2}, {b, 20}};
  T(S(readv, fd, out, 2));
  BYTES(a, 2), BYTES(b, 4);
  T(S(readv, fd, out, 2));
  T(S(preadv, fd, out, 2, 1, 0));
  BYTES(a, 2);
  T(S(preadv, fd, out, 2, -1, -1));
  T(S(pwritev, fd, in, 1, 4, 0));
  T(S(preadv2, fd, out, 2, 0, 0, 0));
  BYTES(b, 5);
  T(S(preadv2, fd, out, 2, -1L, -1L, 0));
  T(S(preadv2, fd, out, 2, 0, 0, 0x4000));
  T(S(pwritev2, fd, in, 1, 0, 0, RWF_APPEND));
  T(S(lseek, fd, 0, SEEK_END));
  T(S(pwritev2, fd, in, 1, 0, 0, RWF_DSYNC));
  close(fd);
}

static void sizes(void) {
  TITLE("sizes");
  int fd = make("s", "0123456789"), rd = open("s", O_RDONLY);
  struct stat st;
  T(S(truncate, "s", 4L));
  T(S(truncate, "s", -1L));
  T(S(truncate, "absent", 4L));
  T(S(truncate, ".", 4L));
  T(S(truncate, BAD, 4L));
  T(S(ftruncate, fd, 20L));
  T(S(ftruncate, fd, -1L));
  T(S(ftruncate, rd, 1L));
  T(S(ftruncate, 99, 1L));
  fstat(fd, &st), V(st.st_size);
  T(S(fallocate, fd, 0, 0L, 5000L));
  fstat(fd, &st), V(st.st_size);
  T(S(fallocate, fd, 1, 0L, 9000L));
  fstat(fd, &st), V(st.st_size);
  T(S(fallocate, fd, 3, 0L, 4096L));
  T(S(fallocate, fd, 0, -1L, 5L));
  T(S(fallocate, fd, 0, 0L, 0L));
  T(S(fallocate, fd, 0x8000, 0L, 5L));
  T(S(fallocate, rd, 0, 0L, 5L));
  T(S(fallocate, 99, 0, 0L, 5L));
  T(S(fadvise64, fd, 0L, 100L, POSIX_FADV_SEQUENTIAL));
  T(S(fadvise64, fd, 0L, 100L, 99));
  T(S(fadvise64, 99, 0L, 100L, 0));
  T(S(readahead, fd, 0L, 100L));
  T(S(readahead, 99, 0L, 100L));
  T(S(fsync, fd));
  T(S(fdatasync, fd));
  T(S(fsync, 99));
  int p[2];
  pipe(p);
  T(S(fsync, p[0]));
  T(S(fadvise64, p[0], 0L, 100L, 0));
  T(S(syncfs, fd));
  T(S(syncfs, 99));
  T(S(sync_file_range, fd, 0L, 100L, SYNC_FILE_RANGE_WRITE));
  T(S(sync_file_range, fd, 0L, 100L, 99));
  T(S(sync_file_range, fd, -1L, 100L, 0));
  for (int i = 3; i < 60; i++) close(i);
}

static void between(void) {
  TITLE("between files");
  int a = make("a", "0123456789"), b = make("b", ""), p[2], q[2];
  pipe(p), pipe(q);
  off_t off = 2;
  T(S(sendfile, b, a, NULL, 4L));
  T(S(sendfile, b, a, &off, 4L));
  V(off);
  T(S(sendfile, b, a, BAD, 4L));
  T(S(sendfile, 99, a, NULL, 4L));
  T(S(sendfile, b, 99, NULL, 4L));
  T(S(sendfile, p[1], a, NULL, 100L));
  loff_t in = 1, out = 0;
  T(S(copy_file_range, a, &in, b, &out, 3L, 0));
  V(in), V(out);
  T(S(copy_file_range, a, NULL, b, NULL, 3L, 1));
  T(S(copy_file_range, a, &in, p[1], NULL, 3L, 0));
  T(S(copy_file_range, a, BAD, b, NULL, 3L, 0));
  T(S(splice, p[0], NULL, q[1], NULL, 3L, 0));
  T(S(splice, p[0], &in, q[1], NULL, 3L, 0));
  T(S(splice, a, &in, q[1], NULL, 3L, 0));
  V(in);
  T(S(splice, a, NULL, b, NULL, 3L, 0));
  T(S(splice, 99, NULL, b, NULL, 3L, 0));
  T(S(splice, p[0], NULL, q[1], NULL, 3L, 0x100));
  T(S(tee, q[0], p[1], 2L, 0));
  T(S(tee, a, p[1], 2L, 0));
  struct iovec iov[2] = {{"xyz", 3}, {"uvw", 3}};
  T(S(vmsplice, p[1], iov, 2L, 0));
  T(S(vmsplice, a, iov, 2L, 0));
  T(S(vmsplice, 99, iov, 2L, 0));
  memset(buf, 0, 100);
  T(read(p[0], buf, 100));
  BYTES(buf, 30);
  write(q[1], "more", 4);
  struct iovec back = {buf, 4};
  T(S(vmsplice, q[0], &back, 1L, 0));
  BYTES(buf, 4);
  for (int i = 3; i < 60; i++) close(i);
}

static void locks(void) {
  TITLE("flock");
  int a = make("l", "x"), b = open("l", O_RDONLY);
  T(S(flock, a, LOCK_SH));
  T(S(flock, b, LOCK_SH | LOCK_NB));
  T(S(flock, a, LOCK_EX | LOCK_NB));
  T(S(flock, b, LOCK_UN));
  T(S(flock, a, LOCK_EX | LOCK_NB));
  T(S(flock, b, LOCK_SH | LOCK_NB));
  T(S(flock, a, 0));
  T(S(flock, a, 77));
  T(S(flock, 99, LOCK_SH));
  T(S(sync));
  close(a), close(b);
}

/* Every flag that changes what a call does. */
static void flags(void) {
  TITLE("flags");
  make("g", "0123456789");
  static const int each[] = {O_SYNC, O_DSYNC, O_NOATIME, O_LARGEFILE, O_NONBLOCK, O_ASYNC, O_NOCTTY};
  for (unsigned i = 0; i < sizeof each / sizeof *each; i++) {
    int fd = T(S(open, "g", O_RDWR | each[i]));
    T(fcntl(fd, F_GETFL));
    close(fd);
  }
  static char pages[8192] __attribute__((aligned(4096)));
  int direct = S(open, "g", O_RDWR | O_DIRECT);
  if (direct >= 0) T(read(direct, pages, 4096)), T(read(direct, pages + 1, 4095));
  mkfifo("fifo", 0600);
  T(S(open, "fifo", O_WRONLY | O_NONBLOCK));
  int reader = T(S(open, "fifo", O_RDONLY | O_NONBLOCK));
  T(S(open, "fifo", O_WRONLY | O_NONBLOCK) > reader);
  AS_NOBODY(T(S(open, "g", O_RDONLY | O_NOATIME)));
  int unnamed = S(open, ".", O_TMPFILE | O_RDWR, 0600), hidden = S(open, ".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
  char path[40];
  sprintf(path, "/proc/self/fd/%d", unnamed);
  T(S(linkat, D, path, D, "named", AT_SYMLINK_FOLLOW)), T(access("named", F_OK));
  sprintf(path, "/proc/self/fd/%d", hidden);
  T(S(linkat, D, path, D, "named2", AT_SYMLINK_FOLLOW));
  T(S(linkat, unnamed, "", D, "named3", AT_EMPTY_PATH));
  struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_NO_XDEV};
  T(S(openat2, D, "g", &how, sizeof how) >= 0);
  how.resolve = RESOLVE_NO_MAGICLINKS;
  T(S(openat2, D, "g", &how, sizeof how) >= 0);
  how.resolve = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
  T(S(openat2, D, "g", &how, sizeof how));
  int fd = make("h", "");
  ftruncate(fd, 5 * 4096);
  struct stat s;
  T(S(fallocate, fd, 16, 0L, 4096L)), fstat(fd, &s), V(s.st_size);
  T(S(fallocate, fd, 17, 0L, 9 * 4096L)), fstat(fd, &s), V(s.st_size);
  T(S(fallocate, fd, 8, 0L, 4096L)), fstat(fd, &s), V(s.st_size);
  T(S(fallocate, fd, 32, 0L, 4096L)), fstat(fd, &s), V(s.st_size);
  T(S(fallocate, fd, 2, 0L, 4096L));
  T(S(fallocate, fd, 8, 1L, 4096L));
  for (int advice = 0; advice < 6; advice++) T(S(fadvise64, fd, 0L, 0L, advice));
  for (int flag = 1; flag < 8; flag++) T(S(sync_file_range, fd, 0L, 0L, flag));
  struct iovec iov = {pages, 100};
  T(S(preadv2, fd, &iov, 1L, 0L, 0L, RWF_NOWAIT) == -1 ? errno == EAGAIN : 1);
  T(S(pwritev2, fd, &iov, 1L, 0L, 0L, RWF_SYNC));
  T(S(pwritev2, fd, &iov, 1L, 0L, 0L, RWF_HIPRI) == -1 ? 0 : 1);
  int p[2], q[2];
  T(S(pipe2, p, O_DIRECT | O_NONBLOCK)), pipe2(q, O_NONBLOCK);
  write(p[1], "one", 3), write(p[1], "two", 3);
  T(read(p[0], buf, 100));
  for (int flag = 1; flag < 16; flag *= 2) {
    write(p[1], "some", 4);
    T(S(tee, p[0], q[1], 2L, flag)), T(S(splice, p[0], NULL, q[1], NULL, 3L, flag));
    T(S(vmsplice, q[1], &iov, 1L, flag)), T(read(q[0], buf, 5000)), T(read(p[0], buf, 5000));
  }
  T(S(splice, p[0], NULL, q[1], NULL, 3L, 2));
  for (int i = 3; i < 60; i++) close(i);
}

int main(void) {
  start();
  flags();
  opening();
  opening2();
  reading();
  vectors();
  sizes();
  between();
  locks();
  return 0;
}
