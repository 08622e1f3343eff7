/* stat and its relatives, access, readlink, times, chmod, chown, statfs, extended attributes. */
#include "calls.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static char buf[5000];

static void show_stat(const struct stat *s) {
  printf("mode %o nlink %ld uid %d size %ld times %ld %ld.%ld\n", s->st_mode, (long)s->st_nlink,
         s->st_uid, S_ISDIR(s->st_mode) ? 0 : (long)s->st_size, (long)s->st_atime,
         (long)s->st_mtime, s->st_mtim.tv_nsec);
}

static void stats(void) {
  TITLE("stat");
  struct stat s;
  struct timespec old[2] = {{1000, 5}, {2000, 6}};
  int fd = make("a", "12345");
  symlink("a", "link"), symlink("nowhere", "dangling");
  mkdir("dir", 0750);
  utimensat(D, "a", old, 0);
  T(S(stat, "a", &s)), show_stat(&s);
  T(S(stat, "link", &s)), show_stat(&s);
  T(S(lstat, "link", &s)), V(s.st_mode), V(s.st_size);
  T(S(stat, "dangling", &s));
  T(S(stat, "absent", &s));
  T(S(stat, "a/", &s));
  T(S(stat, "", &s));
  T(S(stat, BAD, &s));
  T(S(stat, "a", BAD));
  T(S(fstat, fd, &s)), show_stat(&s);
  T(S(fstat, 99, &s));
  T(S(newfstatat, D, "link", &s, 0)), V(S_ISREG(s.st_mode));
  T(S(newfstatat, D, "link", &s, AT_SYMLINK_NOFOLLOW)), V(S_ISLNK(s.st_mode));
  T(S(newfstatat, fd, "", &s, AT_EMPTY_PATH)), V(s.st_size);
  T(S(newfstatat, fd, "", &s, 0));
  T(S(newfstatat, fd, "x", &s, 0));
  T(S(newfstatat, 99, "a", &s, 0));
  T(S(newfstatat, D, "a", &s, 0x10000));
  int dir = open("dir", O_RDONLY | O_DIRECTORY);
  T(S(newfstatat, dir, "../a", &s, 0)), V(s.st_size);
  T(S(lstat, "link/", &s));
  symlink("dir", "dirlink");
  T(S(lstat, "dirlink/", &s)), V(S_ISDIR(s.st_mode));
  T(S(lstat, "dirlink/.", &s)), V(S_ISDIR(s.st_mode));
  T(S(stat, "/dev/null", &s)), V(major(s.st_rdev)), V(minor(s.st_rdev));
  struct statx x;
  T(S(statx, D, "a", 0, STATX_BASIC_STATS, &x));
  V(x.stx_size), V(x.stx_mtime.tv_sec), V(x.stx_mtime.tv_nsec), V(x.stx_mode);
  T(S(statx, D, "link", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x)), V(x.stx_mode);
  T(S(statx, fd, "", AT_EMPTY_PATH, STATX_SIZE, &x)), V(x.stx_size);
  T(S(statx, D, "a", 0, 0x80000000, &x));
  T(S(statx, D, "a", 0x6000, STATX_SIZE, &x));
  T(S(statx, D, "absent", 0, STATX_SIZE, &x));
  T(S(statx, D, "a", 0, STATX_SIZE, BAD));
  close(fd), close(dir);
}

static void file_systems(void) {
  TITLE("statfs");
  struct statfs f, g;
  T(S(statfs, ".", &f));
  int fd = open(".", O_RDONLY);
  T(S(fstatfs, fd, &g));
  V(f.f_type == g.f_type), V(f.f_bsize == g.f_bsize), V(f.f_namelen);
  T(S(statfs, "absent", &f));
  T(S(statfs, BAD, &f));
  T(S(statfs, ".", BAD));
  T(S(fstatfs, 99, &f));
  T(S(statfs, "/proc", &f)), V(f.f_type);
  close(fd);
}

static void accesses(void) {
  TITLE("access");
  T(S(access, "a", F_OK));
  T(S(access, "a", R_OK | W_OK));
  T(S(access, "a", X_OK));
  T(S(access, "absent", F_OK));
  T(S(access, "a", 77));
  T(S(access, BAD, F_OK));
  T(S(access, "dangling", F_OK));
  T(S(faccessat, D, "a", R_OK));
  T(S(faccessat, 99, "a", R_OK));
  T(S(faccessat2, D, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
  T(S(faccessat2, D, "a", R_OK, AT_EACCESS));
  T(S(faccessat2, D, "", R_OK, AT_EMPTY_PATH));
  T(S(faccessat2, D, "a", R_OK, 0x8000));
  chmod("a", 0600);
  AS_NOBODY(T(S(faccessat2, D, "a", R_OK, AT_EACCESS)));
}

static void links(void) {
  TITLE("readlink");
  memset(buf, 0, 100);
  T(S(readlink, "link", buf, 100L)), TEXT(buf);
  T(S(readlink, "dangling", buf, 3L)), BYTES(buf, 3);
  T(S(readlink, "a", buf, 100L));
  T(S(readlink, "absent", buf, 100L));
  T(S(readlink, "link", buf, 0L));
  T(S(readlink, "link", buf, -1L));
  T(S(readlink, "link", BAD, 5L));
  T(S(readlink, BAD, buf, 5L));
  T(S(readlink, "", buf, 5L));
  T(S(readlinkat, D, "link", buf, 100L));
  T(S(readlinkat, 99, "link", buf, 100L));
  int fd = open("link", O_PATH | O_NOFOLLOW);
  T(S(readlinkat, fd, "", buf, 100L)), BYTES(buf, 1);
  close(fd);
  T(S(symlink, "target", "link"));
  T(S(symlink, "", "empty"));
  T(S(symlink, "target", "absent/x"));
  T(S(symlink, BAD, "x"));
  T(S(symlink, "target", BAD));
  T(S(symlinkat, "some/proc/fd", D, "at"));
  T(S(symlinkat, "target", 99, "at"));
  T(S(readlink, "at", buf, 100L)), BYTES(buf, 12);
}

static void show_times(const char *path) {
  struct stat s;
  lstat(path, &s);
  printf("%s: %ld.%09ld %ld.%09ld\n", path, (long)s.st_atim.tv_sec, s.st_atim.tv_nsec,
         (long)s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

static void times(void) {
  TITLE("times");
  struct utimbuf u = {11, 22};
  struct timeval v[2] = {{33, 44}, {55, 66}}, bad[2] = {{1, -1}, {1, 1000000}};
  struct timespec t[2] = {{77, 88}, {99, UTIME_OMIT}}, b[2] = {{1, 2000000000}, {1, 1}};
  T(S(utime, "a", &u)), show_times("a");
  T(S(utime, "absent", &u));
  T(S(utime, "a", BAD));
  T(S(utime, "a", NULL));
  T(S(utimes, "a", v)), show_times("a");
  T(S(utimes, "a", bad));
  T(S(futimesat, D, "a", v)), show_times("a");
  T(S(utimensat, D, "a", t, 0)), show_times("a");
  T(S(utimensat, D, "a", b, 0));
  T(S(utimensat, D, "a", t, 0x4000));
  T(S(utimensat, D, "link", t, AT_SYMLINK_NOFOLLOW));
  int fd = open("a", O_RDWR);
  t[0].tv_sec = 123;
  T(S(utimensat, fd, NULL, t, 0)), show_times("a");
  T(S(futimesat, fd, NULL, v)), show_times("a");
  T(S(utimensat, D, NULL, t, 0));
  T(S(utimensat, 99, NULL, t, 0));
  T(S(utimensat, fd, NULL, t, AT_SYMLINK_NOFOLLOW));
  close(fd);
}

static void modes(void) {
  TITLE("modes and owners");
  struct stat s;
  int fd = open("a", O_RDWR);
  T(S(chmod, "a", 04711)), stat("a", &s), V(s.st_mode);
  T(S(chmod, "absent", 0700));
  T(S(chmod, "link", 0640)), stat("a", &s), V(s.st_mode);
  T(S(fchmod, fd, 0600)), fstat(fd, &s), V(s.st_mode);
  T(S(fchmod, 99, 0600));
  T(S(fchmodat, D, "a", 0644)), fstat(fd, &s), V(s.st_mode);
  T(S(fchmodat, 99, "a", 0644));
  T(S(fchmodat2, D, "a", 0600, 0)), fstat(fd, &s), V(s.st_mode);
  T(S(fchmodat2, D, "a", 0600, 0x8000));
  T(S(fchmodat2, D, "link", 0600, AT_SYMLINK_NOFOLLOW));
  AS_NOBODY(T(S(chmod, "a", 0777)));
  T(S(chown, "a", -1, -1));
  T(S(chown, "absent", 0, 0));
  T(S(fchown, fd, getuid(), getgid()));
  T(S(fchown, 99, 0, 0));
  T(S(lchown, "link", getuid(), -1));
  T(S(lchown, "dangling", -1, -1));
  T(S(chown, "dangling", -1, -1));
  T(S(fchownat, D, "link", -1, -1, AT_SYMLINK_NOFOLLOW));
  T(S(fchownat, fd, "", -1, -1, AT_EMPTY_PATH));
  T(S(fchownat, D, "a", -1, -1, 0x8000));
  AS_NOBODY(T(S(chown, "a", 1, 1)));
  T(umask(027));
  T(umask(022));
  T(S(umask, 07777));
  T(umask(022));
  close(fd);
}

static void attributes(void) {
  TITLE("extended attributes");
  int fd = open("a", O_RDWR);
  int works = setxattr("a", "user.probe", "", 0, 0) == 0;
  if (!works) {
    puts("user.* attributes are not supported here");
  } else {
    removexattr("a", "user.probe");
    T(S(setxattr, "a", "user.one", "value", 5L, 0));
    T(S(setxattr, "a", "user.one", "v", 1L, XATTR_CREATE));
    T(S(setxattr, "a", "user.two", "v", 1L, XATTR_REPLACE));
    T(S(setxattr, "a", "user.two", "v", 1L, 77));
    T(S(setxattr, "a", "bogus", "v", 1L, 0));
    T(S(setxattr, "a", "user.x", BAD, 1L, 0));
    T(S(setxattr, "a", BAD, "v", 1L, 0));
    T(S(setxattr, "link", "user.three", "333", 3L, 0));
    T(S(fsetxattr, fd, "user.four", "4444", 4L, 0));
    memset(buf, 0, 100);
    T(S(getxattr, "a", "user.one", buf, 100L)), TEXT(buf);
    T(S(getxattr, "a", "user.one", NULL, 0L));
    T(S(getxattr, "a", "user.one", buf, 2L));
    T(S(getxattr, "a", "user.none", buf, 100L));
    T(S(getxattr, "a", "user.one", BAD, 100L));
    T(S(lgetxattr, "a", "user.three", buf, 100L));
    T(S(fgetxattr, fd, "user.four", buf, 100L));
    T(S(listxattr, "a", NULL, 0L));
    T(S(listxattr, "a", buf, 100L) > 0);
    T(S(listxattr, "a", buf, 1L));
    T(S(flistxattr, fd, NULL, 0L));
    T(S(llistxattr, "a", NULL, 0L));
    T(S(removexattr, "a", "user.one"));
    T(S(removexattr, "a", "user.one"));
    T(S(lremovexattr, "a", "user.three"));
    T(S(fremovexattr, fd, "user.four"));
  }
  T(S(lsetxattr, "link", "user.on-a-link", "v", 1L, 0));
  T(S(getxattr, "absent", "user.one", buf, 100L));
  T(S(fgetxattr, 99, "user.one", buf, 100L));
  T(S(listxattr, "absent", NULL, 0L));
  T(S(flistxattr, 99, NULL, 0L));
  T(S(fremovexattr, 99, "user.one"));
  close(fd);
}

static void handles(void) {
  TITLE("handles");
  struct {
    unsigned bytes;
    int type;
    char data[128];
  } h = {.bytes = 0}, i = {.bytes = 128}, j = {.bytes = 128};
  int id;
  T(S(name_to_handle_at, D, "a", &h, &id, 0));
  V(h.bytes > 0);
  T(S(name_to_handle_at, D, "a", &i, &id, 0));
  T(S(name_to_handle_at, D, "link", &j, &id, AT_SYMLINK_FOLLOW));
  V(i.bytes == j.bytes && memcmp(i.data, j.data, i.bytes) == 0);
  T(S(name_to_handle_at, D, "a", &h, &id, 0x8000));
  T(S(name_to_handle_at, D, "absent", &i, &id, 0));
  T(S(name_to_handle_at, D, "a", BAD, &id, 0));
}

int main(void) {
  start();
  stats();
  file_systems();
  accesses();
  links();
  times();
  modes();
  attributes();
  handles();
  return 0;
}
