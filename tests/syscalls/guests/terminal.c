/* ioctl: terminals, windows, groups, pseudo-terminals, descriptors, interfaces. */
#include "calls.h"
#include <asm/termbits.h>
#include <asm/ioctls.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static char buf[1000];

static void on(int signo) { printf("signal %d\n", signo); }

static void terminals(int master, const char *name) {
  TITLE("terminal");
  struct termios t;
  struct termio o;
  struct termios2 t2;
  struct winsize w = {24, 80, 1, 2};
  int tty = open(name, O_RDWR | O_NOCTTY), value = 0;
  T(S(ioctl, tty, TCGETS, &t)), V(t.c_lflag), V(t.c_cc[VINTR]);
  t.c_lflag &= ~(ECHO | ICANON);
  T(S(ioctl, tty, TCSETS, &t)), t.c_lflag = 0;
  T(S(ioctl, tty, TCGETS, &t)), V(t.c_lflag);
  T(S(ioctl, tty, TCSETSW, &t));
  T(S(ioctl, tty, TCSETSF, &t));
  T(S(ioctl, tty, TCGETA, &o)), V(o.c_lflag);
  T(S(ioctl, tty, TCSETA, &o));
  T(S(ioctl, tty, TCGETS2, &t2)), V(t2.c_ospeed);
  T(S(ioctl, tty, TCSETS2, &t2));
  T(S(ioctl, tty, TCGETS, BAD));
  T(S(ioctl, tty, TCSETS, BAD));
  T(S(ioctl, 99, TCGETS, &t));
  T(S(ioctl, tty, TIOCSWINSZ, &w)), w.ws_col = 0;
  T(S(ioctl, master, TIOCGWINSZ, &w)), V(w.ws_row), V(w.ws_col);
  T(S(ioctl, tty, TIOCGWINSZ, BAD));
  T(S(ioctl, tty, TCSBRK, 1));
  T(S(ioctl, tty, TCXONC, 77));
  T(S(ioctl, tty, TCFLSH, 2));
  T(S(ioctl, tty, TCFLSH, 77));
  T(S(ioctl, tty, TCSBRKP, 0));
  write(master, "hello\n", 6); /* the kernel passes it on in its own time */
  for (int i = 0; i < 10000 && (ioctl(tty, FIONREAD, &value), value < 6); i++) usleep(1000);
  T(S(ioctl, tty, FIONREAD, &value)), V(value);
  T(S(ioctl, tty, TIOCOUTQ, &value)), V(value);
  T(read(tty, buf, 100));
  T(S(ioctl, tty, TIOCGETD, &value)), V(value);
  T(S(ioctl, tty, TIOCGEXCL, &value)), V(value);
  T(S(ioctl, tty, TIOCGLCKTRMIOS, &t)), V(t.c_iflag | t.c_lflag), t.c_lflag = ECHO, T(S(ioctl, tty, TIOCSLCKTRMIOS, &t)), T(S(ioctl, tty, TIOCGLCKTRMIOS, &t)), V(t.c_lflag);
  t.c_lflag = 0, T(S(ioctl, tty, TIOCSLCKTRMIOS, &t)), T(S(ioctl, tty, TIOCGLCKTRMIOS, BAD));
  T(S(ioctl, tty, TIOCEXCL, 0)), T(S(ioctl, tty, TIOCGEXCL, &value)), V(value);
  T(S(ioctl, tty, TIOCNXCL, 0));
  T(S(ioctl, tty, TIOCGSID, &value));
  T(S(ioctl, tty, TIOCGPGRP, &value));
  T(S(ioctl, master, TIOCPKT, (value = 1, &value)));
  T(S(ioctl, master, TIOCGPKT, &value)), V(value);
  T(S(ioctl, tty, TIOCMGET, &value));
  T(S(ioctl, tty, 0x5499, 0));
  T(S(ioctl, 99, 0x5499, 0));
  close(tty);
}

static void session(const char *name) {
  TITLE("session");
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) {
    waitpid(child, NULL, 0);
    return;
  }
  int value = 0;
  signal(SIGHUP, SIG_IGN), signal(SIGINT, on);
  setsid();
  int tty = open(name, O_RDWR | O_NOCTTY);
  T(S(ioctl, tty, TIOCGPGRP, &value));
  T(S(ioctl, tty, TIOCSCTTY, 0));
  T(S(ioctl, tty, TIOCGPGRP, &value)), V(value == getpid());
  T(S(ioctl, tty, TIOCGSID, &value)), V(value == getpid());
  T(S(ioctl, tty, TIOCSPGRP, &value));
  T(S(ioctl, tty, TIOCSPGRP, (value = 1, &value)));
  int again = open("/dev/tty", O_RDWR);
  V(again >= 0);
  T(S(ioctl, tty, TIOCNOTTY, 0));
  T(open("/dev/tty", O_RDWR));
  fflush(stdout);
  _exit(0);
}

static void pseudo(void) {
  TITLE("pseudo-terminal");
  int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), number = -1, value = 0;
  char name[40];
  T(S(ioctl, master, TIOCGPTN, &number)), V(number >= 0);
  T(S(ioctl, master, TIOCGPTLCK, &value)), V(value);
  T(S(ioctl, master, TIOCSPTLCK, (value = 0, &value)));
  T(S(ioctl, master, TIOCGPTLCK, &value)), V(value);
  T(S(ioctl, master, TIOCGDEV, &value));
  int peer = S(ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  V(peer >= 0);
  sprintf(name, "/dev/pts/%d", number);
  terminals(master, name);
  session(name);
  close(peer), close(master);
}

static void plain(void) {
  TITLE("other descriptors");
  int fd = make("a", "12345"), p[2], value = 1;
  long size = 0;
  pipe(p), write(p[1], "abc", 3);
  T(S(ioctl, fd, TCGETS, buf));
  T(S(ioctl, fd, TIOCGWINSZ, buf));
  T(S(ioctl, fd, FIOCLEX, 0)), V(fcntl(fd, F_GETFD));
  T(S(ioctl, fd, FIONCLEX, 0)), V(fcntl(fd, F_GETFD));
  T(S(ioctl, fd, FIONREAD, &value)), V(value);
  T(S(ioctl, p[0], FIONREAD, &value)), V(value);
  T(S(ioctl, p[0], FIONREAD, BAD));
  T(S(ioctl, p[0], FIONBIO, (value = 1, &value))), V(fcntl(p[0], F_GETFL) & O_NONBLOCK);
  T(S(ioctl, p[0], FIOASYNC, (value = 1, &value)));
  fsync(fd), T(S(ioctl, fd, FIOQSIZE, &size)), V(size); /* blocks are allocated late */
  T(S(ioctl, fd, FIGETBSZ, &value)), V(value);
  T(S(ioctl, fd, FICLONE, 99));
  T(S(ioctl, fd, FS_IOC_GETVERSION, &value) >= -1 ? 0 : 1);
  T(S(ioctl, fd, FS_IOC_GETFLAGS, BAD) == -1 ? 0 : 1);
  T(S(ioctl, fd, BLKGETSIZE64, &size));
  T(S(ioctl, fd, 0xdeadbeef, 0));
  close(fd), close(p[0]), close(p[1]);
}

static void extents(void) {
  TITLE("extents");
  struct {
    struct fiemap head;
    struct fiemap_extent rows[4];
  } map = {.head = {.fm_length = -1, .fm_flags = FIEMAP_FLAG_SYNC, .fm_extent_count = 4}}, none = {.head = {.fm_length = -1}};
  int fd = make("sparse", "first"), p[2];
  pwrite(fd, "last", 4, 1 << 20), pipe(p);
  if (T(S(ioctl, fd, FS_IOC_FIEMAP, &map)) == 0)
    V(map.head.fm_mapped_extents), V(map.rows[0].fe_logical), V(map.rows[1].fe_logical), V(map.rows[1].fe_flags);
  T(S(ioctl, fd, FS_IOC_FIEMAP, &none)), V(none.head.fm_mapped_extents);
  T(S(ioctl, fd, FS_IOC_FIEMAP, BAD)), T(S(ioctl, p[0], FS_IOC_FIEMAP, &map)), T(S(ioctl, 99, FS_IOC_FIEMAP, &map));
  map.head.fm_extent_count = -1, T(S(ioctl, fd, FS_IOC_FIEMAP, &map));
  map.head.fm_extent_count = 4, map.head.fm_length = 0, T(S(ioctl, fd, FS_IOC_FIEMAP, &map));
  map.head.fm_length = -1, map.head.fm_flags = 1 << 20, T(S(ioctl, fd, FS_IOC_FIEMAP, &map)), V(map.head.fm_flags);
  close(fd), close(p[0]), close(p[1]);
}

static void interfaces(void) {
  TITLE("interfaces");
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq r = {.ifr_name = "lo"};
  T(S(ioctl, s, SIOCGIFINDEX, &r)), V(r.ifr_ifindex);
  T(S(ioctl, s, SIOCGIFFLAGS, &r)), V(r.ifr_flags & IFF_LOOPBACK);
  T(S(ioctl, s, SIOCGIFMTU, &r)), V(r.ifr_mtu);
  r.ifr_ifindex = 1, memset(r.ifr_name, 0, sizeof r.ifr_name);
  T(S(ioctl, s, SIOCGIFNAME, &r)), TEXT(r.ifr_name);
  strcpy(r.ifr_name, "absent0");
  T(S(ioctl, s, SIOCGIFFLAGS, &r));
  T(S(ioctl, s, SIOCGIFFLAGS, BAD));
  struct ifconf c = {.ifc_len = sizeof buf, .ifc_buf = buf};
  T(S(ioctl, s, SIOCGIFCONF, &c)), V(c.ifc_len % (int)sizeof(struct ifreq)), V(c.ifc_len > 0);
  TEXT(((struct ifreq *)buf)->ifr_name);
  T(S(ioctl, s, SIOCGIFCONF, BAD));
  int value = 0;
  T(S(ioctl, s, SIOCATMARK, &value));
  T(S(ioctl, s, SIOCSPGRP, (value = getpid(), &value)));
  T(S(ioctl, s, SIOCGPGRP, &value)), V(value == getpid());
  close(s);
}

int main(void) {
  start();
  pseudo();
  plain();
  extents();
  interfaces();
  return 0;
}
