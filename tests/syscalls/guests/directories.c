/* mkdir, unlink, rename, link, mknod, getdents, the working directory, chroot. */
#include "calls.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static char buf[9000];

static void making(void) {
  TITLE("mkdir and rmdir");
  make("a", "x");
  T(S(mkdir, "d", 0751));
  struct stat s;
  stat("d", &s), V(s.st_mode);
  T(S(mkdir, "d", 0751));
  T(S(mkdir, "a", 0751));
  T(S(mkdir, "absent/d", 0751));
  T(S(mkdir, "a/d", 0751));
  T(S(mkdir, "", 0751));
  T(S(mkdir, BAD, 0751));
  T(S(mkdir, "slash/", 0751));
  T(S(mkdir, ".", 0751));
  T(S(mkdir, "..", 0751));
  T(S(mkdir, "/", 0751));
  symlink("d", "link"), symlink("nowhere", "dangling");
  T(S(mkdir, "link", 0751));
  T(S(mkdir, "dangling", 0751));
  T(S(mkdirat, D, "e", 0700));
  T(S(mkdirat, 99, "e", 0700));
  T(S(rmdir, "e"));
  T(S(rmdir, "e"));
  T(S(rmdir, "a"));
  T(S(rmdir, "."));
  T(S(rmdir, "d/.."));
  T(S(rmdir, "link"));
  T(S(rmdir, "slash/"));
  T(S(rmdir, BAD));
  mkdir("d/inner", 0700);
  T(S(rmdir, "d"));
  AS_NOBODY(T(S(mkdir, "denied", 0700)));
}

static void nodes(void) {
  TITLE("mknod");
  struct stat s;
  T(S(mknod, "fifo", S_IFIFO | 0640, 0)), stat("fifo", &s), V(s.st_mode);
  T(S(mknod, "plain", S_IFREG | 0600, 0)), stat("plain", &s), V(s.st_mode);
  T(S(mknod, "none", 0600, 0)), stat("none", &s), V(s.st_mode);
  T(S(mknod, "sock", S_IFSOCK | 0600, 0)), stat("sock", &s), V(s.st_mode);
  T(S(mknod, "dir", S_IFDIR | 0600, 0));
  T(S(mknod, "odd", 0150000, 0));
  T(S(mknod, "fifo", S_IFIFO | 0640, 0));
  T(S(mknod, "absent/x", S_IFIFO | 0640, 0));
  T(S(mknodat, D, "fifo2", S_IFIFO | 0640, 0));
  T(S(mknodat, 99, "fifo2", S_IFIFO | 0640, 0));
  AS_NOBODY(T(S(mknod, "null", S_IFCHR | 0600, makedev(1, 3))));
}

static void removing(void) {
  TITLE("unlink and link");
  struct stat s;
  make("u", "x");
  T(S(link, "u", "v")), stat("u", &s), V(s.st_nlink);
  T(S(link, "u", "v"));
  T(S(link, "absent", "w"));
  T(S(link, "d", "w"));
  T(S(link, "u", "absent/w"));
  T(S(link, BAD, "w"));
  T(S(link, "u", BAD));
  symlink("u", "ulink");
  T(S(link, "ulink", "ulink2")), lstat("ulink2", &s), V(S_ISLNK(s.st_mode));
  T(S(linkat, D, "ulink", D, "u3", AT_SYMLINK_FOLLOW)), lstat("u3", &s), V(S_ISREG(s.st_mode));
  T(S(linkat, D, "ulink", D, "u4", 0)), lstat("u4", &s), V(S_ISLNK(s.st_mode));
  T(S(linkat, D, "u", D, "u5", 0x8000));
  T(S(linkat, 99, "u", D, "u5", 0));
  T(S(linkat, D, "u", 99, "u5", 0));
  T(S(unlink, "v"));
  T(S(unlink, "v"));
  T(S(unlink, "d"));
  T(S(unlink, "a/x"));
  T(S(unlink, "u/"));
  T(S(unlink, ""));
  T(S(unlink, BAD));
  T(S(unlink, "ulink")), T(access("u", F_OK));
  T(S(unlinkat, D, "u3", 0));
  T(S(unlinkat, D, "d", 0));
  T(S(unlinkat, D, "d/inner", AT_REMOVEDIR));
  T(S(unlinkat, D, "u", AT_REMOVEDIR));
  T(S(unlinkat, D, "u", 77));
  T(S(unlinkat, 99, "u", 0));
}

static void moving(void) {
  TITLE("rename");
  make("r", "1"), make("s", "22"), mkdir("rd", 0700), mkdir("rd/x", 0700), mkdir("re", 0700);
  struct stat st;
  T(S(rename, "r", "s")), stat("s", &st), V(st.st_size);
  T(S(rename, "r", "s"));
  T(S(rename, "s", "rd"));
  T(S(rename, "rd", "s"));
  T(S(rename, "re", "rd"));
  T(S(rename, "rd", "rd/x/y"));
  T(S(rename, "s", "absent/s"));
  T(S(rename, ".", "t"));
  T(S(rename, BAD, "t"));
  T(S(rename, "s", BAD));
  T(S(rename, "re/", "rf/"));
  T(S(rename, "s", "t/"));
  symlink("s", "slink");
  T(S(rename, "slink", "tlink")), lstat("tlink", &st), V(S_ISLNK(st.st_mode));
  T(S(renameat, D, "s", D, "t"));
  T(S(renameat, 99, "t", D, "s"));
  T(S(renameat, D, "t", 99, "s"));
  make("one", "1"), make("two", "22");
  T(S(renameat2, D, "one", D, "two", RENAME_NOREPLACE));
  T(S(renameat2, D, "one", D, "two", RENAME_EXCHANGE)), stat("one", &st), V(st.st_size);
  T(S(renameat2, D, "one", D, "absent", RENAME_EXCHANGE));
  T(S(renameat2, D, "one", D, "two", RENAME_EXCHANGE | RENAME_NOREPLACE));
  T(S(renameat2, D, "one", D, "two", 77));
  T(S(renameat2, 1000, "one", D, "", 0)), T(S(renameat2, 1000, "one", D, "two", 0)), T(S(renameat2, D, "one", 1000, "two", 0)), T(S(linkat, 1000, "one", D, "", 0));
  T(S(renameat2, D, "one", D, "three", 0));
  AS_NOBODY(T(S(renameat2, D, "three", D, "one", RENAME_WHITEOUT)));
  close(make("one", "1"));
}

struct dirent64_ {
  uint64_t ino;
  int64_t off;
  unsigned short length;
  unsigned char type;
  char name[];
};

static int by_name(const void *a, const void *b) { return strcmp(*(char **)a, *(char **)b); }

static void listing(void) {
  TITLE("getdents");
  mkdir("many", 0700);
  for (int i = 0; i < 300; i++) sprintf(buf, "many/file%03d", i), close(make(buf, ""));
  int fd = open("many", O_RDONLY | O_DIRECTORY);
  static char names[400][20], *sorted[400];
  int count = 0, rounds = 0;
  long got;
  while ((got = S(getdents64, fd, buf, 1000)) > 0) {
    rounds++;
    for (long at = 0; at < got;) {
      struct dirent64_ *e = (void *)(buf + at);
      strcpy(names[count], e->name), sorted[count] = names[count], count++;
      at += e->length;
    }
  }
  V(got), V(rounds > 5), V(count);
  qsort(sorted, count, sizeof *sorted, by_name);
  TEXT(sorted[0]), TEXT(sorted[2]), TEXT(sorted[count - 1]);
  T(S(lseek, fd, 0, SEEK_SET));
  T(S(getdents, fd, buf, 9000) > 0);
  T(S(getdents64, fd, buf, 10));
  lseek(fd, 0, SEEK_SET);
  T(S(getdents64, fd, buf, 10));
  T(S(getdents64, fd, BAD, 1000));
  T(S(getdents64, 99, buf, 1000));
  int file = open("one", O_RDONLY);
  T(S(getdents64, file, buf, 1000));
  T(S(getdents, file, buf, 1000));
  int gone = (mkdir("gone", 0700), open("gone", O_RDONLY));
  rmdir("gone");
  T(S(getdents64, gone, buf, 1000));
  close(fd), close(file), close(gone);
}

static const char *tail(void) {
  const char *slash = strrchr(buf, '/');
  return slash ? slash + 1 : buf;
}

static void working(void) {
  TITLE("working directory");
  mkdir("w", 0700), mkdir("w/inner", 0700), symlink("w/inner", "wlink");
  int top = open(".", O_RDONLY), file = open("one", O_RDONLY);
  T(S(chdir, "w"));
  T(S(getcwd, buf, 4096L) > 2), TEXT(tail());
  T(S(chdir, "inner/../inner"));
  T(S(getcwd, buf, 4096L) > 2), TEXT(tail());
  T(S(fchdir, top));
  T(S(chdir, "wlink"));
  T(S(getcwd, buf, 4096L) > 2), TEXT(tail());
  T(S(fchdir, top));
  T(S(chdir, "absent"));
  T(S(chdir, "one"));
  T(S(chdir, BAD));
  T(S(chdir, ""));
  T(S(fchdir, 99));
  T(S(fchdir, file));
  T(S(getcwd, buf, 0L));
  T(S(getcwd, buf, 3L));
  T(S(getcwd, BAD, 4096L));
  T(S(getcwd, NULL, 4096L));
  T(S(chdir, "/"));
  T(S(getcwd, buf, 4096L)), TEXT(buf);
  T(S(chdir, "../.."));
  T(S(getcwd, buf, 2L)), TEXT(buf);
  fchdir(top);
  mkdir("lost", 0700), chdir("lost"), rmdir("../lost");
  T(S(getcwd, buf, 4096L));
  T(S(openat, D, "x", O_CREAT | O_WRONLY, 0600));
  fchdir(top);
  close(top), close(file);
}

static void roots(void) {
  TITLE("chroot");
  AS_NOBODY(T(S(chroot, "w")));
  T(S(chroot, "absent"));
  T(S(chroot, "one"));
  T(S(chroot, BAD));
  if (geteuid() != 0) return;
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) {
    waitpid(child, NULL, 0);
    return;
  }
  close(make("w/inside", "in"));
  symlink("/inside", "w/absolute"), symlink("../../../inside", "w/inner/up");
  symlink("/etc/passwd", "w/escape");
  T(S(chroot, "w"));
  T(S(chdir, "/"));
  T(S(getcwd, buf, 4096L)), TEXT(buf);
  T(S(access, "/inside", F_OK));
  T(S(access, "/absolute", F_OK));
  T(S(access, "/inner/up", F_OK));
  T(S(access, "/../../inside", F_OK));
  T(S(access, "/escape", F_OK));
  T(S(access, "/etc/passwd", F_OK));
  T(S(chdir, "inner"));
  T(S(getcwd, buf, 4096L)), TEXT(buf);
  T(S(access, "../inside", F_OK));
  T(S(access, "../../../../etc/passwd", F_OK));
  T(S(mkdir, "/made", 0700));
  T(S(symlink, "/made", "/to-made"));
  T(S(mkdir, "/to-made/deeper", 0700));
  T(S(rename, "/made/deeper", "/moved"));
  T(S(rmdir, "/moved"));
  T(S(rmdir, "/to-made"));
  T(S(unlink, "/to-made"));
  T(S(open, "/absolute", O_RDONLY | O_NOFOLLOW));
  OK(S(open, "/absolute", O_RDWR | O_APPEND));
  T(S(open, "/escape", O_RDONLY | O_CREAT, 0600));
  OK(S(open, "/created", O_WRONLY | O_CREAT | O_EXCL, 0600));
  struct stat s;
  T(S(lstat, "/absolute", &s)), V(S_ISLNK(s.st_mode));
  T(S(stat, "/absolute", &s)), V(S_ISREG(s.st_mode));
  T(S(truncate, "/absolute", 7L)), stat("/inside", &s), V(s.st_size);
  T(S(readlink, "/absolute", buf, 100L)), BYTES(buf, 7);
  T(S(chmod, "/absolute", 0600));
  T(S(chroot, "inner"));
  T(S(access, "/up", F_OK));
  T(S(access, "/../inside", F_OK));
  fflush(stdout);
  _exit(0);
}

int main(void) {
  start();
  making();
  nodes();
  removing();
  moving();
  listing();
  working();
  roots();
  return 0;
}
