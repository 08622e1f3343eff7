/* dup, close, close_range, fcntl. */
#include "calls.h"
#include <linux/close_range.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char buf[100];

static void duplicates(void) {
  TITLE("dup");
  int fd = make("a", "hello");
  T(S(dup, fd));
  T(S(dup, 99));
  T(S(dup2, fd, 50));
  T(S(dup2, fd, fd));
  T(S(dup2, 99, 99));
  T(S(dup2, 99, 50));
  T(S(dup2, fd, -1));
  T(S(dup2, fd, 1 << 28));
  T(S(dup3, fd, 51, 0));
  T(S(dup3, fd, 52, O_CLOEXEC));
  T(fcntl(51, F_GETFD));
  T(fcntl(52, F_GETFD));
  T(S(dup3, fd, fd, 0));
  T(S(dup3, fd, 53, 1));
  T(S(dup3, fd, 53, O_NONBLOCK));
  T(S(dup3, fd, -1, 0));
  T(read(50, buf, 2));
  T(lseek(fd, 0, SEEK_CUR));
  T(S(close, 50));
  T(S(close, 50));
  T(S(close, -1));
  T(S(close_range, 51, 52, 0));
  T(fcntl(51, F_GETFD));
  T(S(close_range, 5, 4, 0));
  T(S(close_range, 5, 6, 99));
  dup2(fd, 60), dup2(fd, 61);
  T(S(close_range, 60, ~0U, CLOSE_RANGE_CLOEXEC));
  T(fcntl(60, F_GETFD));
  T(S(close_range, 3, ~0U, CLOSE_RANGE_UNSHARE));
  T(fcntl(60, F_GETFD));
  T(open("a", O_RDONLY));
  close(3);
}

static void every_number(void) {
  TITLE("every number");
  struct rlimit old, few = {80, 80};
  getrlimit(RLIMIT_NOFILE, &old);
  few.rlim_max = old.rlim_max;
  T(setrlimit(RLIMIT_NOFILE, &few));
  int fd, count = 0, last = -1;
  while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd, count++;
  V(last), V(count);
  T(open("/dev/null", O_RDONLY));
  T(S(dup, 0));
  T(S(dup2, 0, 79));
  T(S(dup2, 0, 80));
  T(fcntl(0, F_DUPFD, 80));
  int p[2];
  T(pipe(p));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) execl("/proc/self/exe", "full", "full", NULL), _exit(1);
  int status;
  waitpid(child, &status, 0), V(status);
  T(setrlimit(RLIMIT_NOFILE, &old));
  T(S(close_range, 3, ~0U, 0));
}

/* Takes each number up to the limit: none is missing, and our own files survive it. */
static void claim_all(void) {
  TITLE("claim");
  struct rlimit lim;
  getrlimit(RLIMIT_NOFILE, &lim);
  long wrong = 0, top = lim.rlim_cur < 3000 ? lim.rlim_cur : 3000;
  for (long fd = 3; fd < top; fd++) wrong += dup2(0, fd) != fd;
  for (long fd = 3; fd < top; fd++) wrong += fcntl(fd, F_GETFD) != 0;
  V(wrong);
  T(access("a", F_OK));
  T(S(close_range, 3, ~0U, 0));
  struct rlimit most = {lim.rlim_max < 4000 ? lim.rlim_max : 4000, lim.rlim_max};
  T(setrlimit(RLIMIT_NOFILE, &most));
  for (rlim_t fd = 3; fd < most.rlim_cur; fd++) wrong += dup2(0, fd) != (int)fd;
  for (rlim_t fd = 3; fd < most.rlim_cur; fd++) wrong += fcntl(fd, F_GETFD) != 0;
  V(wrong);
  T(access("a", F_OK));
  T(S(close_range, 3, ~0U, 0));
  setrlimit(RLIMIT_NOFILE, &lim);
}

static void show_lock(const struct flock *l) {
  printf("lock: type %d whence %d start %ld len %ld\n", l->l_type, l->l_whence, (long)l->l_start,
         (long)l->l_len);
}

static void record_locks(void) {
  TITLE("record locks");
  int fd = make("l", "0123456789");
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2, .l_len = 4};
  T(S(fcntl, fd, F_SETLK, &l));
  T(S(fcntl, fd, F_GETLK, &l));
  show_lock(&l);
  pid_t child = fork();
  if (child == 0) {
    struct flock m = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    T(S(fcntl, fd, F_GETLK, &m));
    show_lock(&m);
    V(m.l_pid == getppid());
    T(S(fcntl, fd, F_SETLK, &l));
    m = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 1};
    T(S(fcntl, fd, F_SETLK, &m));
    m.l_start = 8;
    T(S(fcntl, fd, F_SETLKW, &m));
    fflush(stdout);
    _exit(0);
  }
  waitpid(child, NULL, 0);
  l.l_type = 77;
  T(S(fcntl, fd, F_SETLK, &l));
  l.l_type = F_UNLCK;
  T(S(fcntl, fd, F_SETLK, &l));
  T(S(fcntl, fd, F_SETLK, BAD));
  T(S(fcntl, fd, F_GETLK, BAD));
  struct flock o = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int other = open("l", O_RDWR);
  T(S(fcntl, fd, F_OFD_SETLK, &o));
  T(S(fcntl, other, F_OFD_SETLK, &o));
  T(S(fcntl, other, F_OFD_GETLK, &o));
  show_lock(&o);
  V(o.l_pid);
  close(fd), close(other);
}

static void flags(void) {
  TITLE("fcntl");
  int fd = make("f", "x"), p[2];
  pipe(p);
  T(S(fcntl, fd, F_DUPFD, 70));
  T(S(fcntl, fd, F_DUPFD_CLOEXEC, 70));
  T(S(fcntl, 71, F_GETFD));
  T(S(fcntl, fd, F_DUPFD, -1));
  T(S(fcntl, fd, F_DUPFD, 1 << 28));
  T(S(fcntl, 99, F_DUPFD, 0));
  T(S(fcntl, fd, F_SETFD, FD_CLOEXEC));
  T(S(fcntl, fd, F_GETFD));
  T(S(fcntl, fd, F_SETFL, O_APPEND | O_NONBLOCK));
  T(S(fcntl, fd, F_GETFL));
  T(S(fcntl, p[0], F_SETFL, O_NONBLOCK));
  T(read(p[0], buf, 1));
  T(S(fcntl, p[0], F_GETPIPE_SZ));
  T(S(fcntl, p[0], F_SETPIPE_SZ, 8192));
  T(S(fcntl, fd, F_GETPIPE_SZ));
  T(S(fcntl, p[0], F_GETOWN));
  T(S(fcntl, p[0], F_SETOWN, getpid()));
  V(fcntl(p[0], F_GETOWN) == getpid());
  struct f_owner_ex ex = {F_OWNER_PID, getpid()}, got = {0};
  T(S(fcntl, p[0], F_SETOWN_EX, &ex));
  T(S(fcntl, p[0], F_GETOWN_EX, &got));
  V(got.pid == getpid());
  T(S(fcntl, p[0], F_GETOWN_EX, BAD));
  T(S(fcntl, p[0], F_SETSIG, SIGUSR1));
  T(S(fcntl, p[0], F_GETSIG));
  T(S(fcntl, p[0], F_SETSIG, 999));
  int m = memfd_create("m", MFD_ALLOW_SEALING);
  T(S(fcntl, m, F_GET_SEALS));
  T(S(fcntl, m, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE));
  T(S(fcntl, m, F_GET_SEALS));
  T(write(m, "x", 1));
  T(S(fcntl, fd, F_GET_SEALS));
  uint64_t hint = 2;
  T(S(fcntl, fd, 1036, &hint));
  hint = 0;
  T(S(fcntl, fd, 1035, &hint));
  V(hint);
  T(S(fcntl, fd, 1035, BAD));
  T(S(fcntl, fd, 7777, 0));
  T(S(fcntl, 99, 7777, 0));
  T(S(fcntl, fd, F_GETLEASE));
  close(fd), fd = open("f", O_RDONLY);
  T(S(fcntl, fd, F_SETLEASE, F_RDLCK)), T(S(fcntl, fd, F_GETLEASE));
  T(S(fcntl, fd, F_SETLEASE, F_UNLCK)), T(S(fcntl, fd, F_SETLEASE, 77));
  int dir = open(".", O_RDONLY);
  T(S(fcntl, dir, F_NOTIFY, DN_CREATE)), T(S(fcntl, dir, F_NOTIFY, 0)), T(S(fcntl, fd, F_NOTIFY, 1));
  T(S(fcntl, fd, 1029, 0));
  uid_t uids[2] = {77, 77};
  T(S(fcntl, p[0], 17, uids) == 0 ? uids[0] == getuid() : errno == EINVAL);
  hint = 3;
  T(S(fcntl, fd, 1038, &hint)), hint = 0;
  T(S(fcntl, fd, 1037, &hint));
  T(S(fcntl, fd, 1027, fd)), T(S(fcntl, fd, 1027, p[0])), T(S(fcntl, fd, 1027, 99));
  T(S(fcntl, fd, 1028, 0));
  struct flock o = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
  T(S(fcntl, fd, F_OFD_SETLKW, &o));
  for (int i = 3; i < 80; i++) close(i);
}

static volatile int ios;
static void on_io(int signo) {
  (void)signo;
  ios++;
}

static void owners(void) {
  TITLE("SIGIO");
  int p[2];
  pipe(p);
  signal(SIGIO, on_io);
  fcntl(p[0], F_SETOWN, getpid());
  fcntl(p[0], F_SETFL, O_ASYNC);
  write(p[1], "x", 1);
  V(ios);
  close(p[0]), close(p[1]);
}

int main(int argc, char **argv) {
  start();
  if (argc > 1) return 5; /* a program starts although no descriptor is free */
  duplicates();
  every_number();
  claim_all();
  record_locks();
  flags();
  owners();
  return 0;
}
