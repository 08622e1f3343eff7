/* Pipes, poll, select, epoll, eventfd, timerfd, signalfd, inotify. */
#include "calls.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static char buf[5000];
static volatile int seen, order[8];
static sigset_t in_handler;

static void on(int signo) {
  order[seen++ & 7] = signo;
  sigprocmask(SIG_BLOCK, NULL, &in_handler);
}

static void pipes(void) {
  TITLE("pipe");
  int p[2], q[2];
  T(S(pipe, p));
  V(p[1] - p[0]);
  T(S(pipe, BAD));
  T(S(pipe2, q, O_CLOEXEC | O_NONBLOCK));
  V(fcntl(q[0], F_GETFD)), V(fcntl(q[1], F_GETFL));
  T(S(pipe2, q, 77));
  T(read(q[0], buf, 1));
  T(write(p[1], "abc", 3));
  T(read(p[0], buf, 10));
  close(p[0]);
  signal(SIGPIPE, on), seen = 0;
  T(write(p[1], "abc", 3)), V(seen);
  signal(SIGPIPE, SIG_IGN);
  T(write(p[1], "abc", 3));
  long total = 0, got;
  memset(buf, 'x', sizeof buf);
  while ((got = write(q[1], buf, sizeof buf)) > 0) total += got;
  V(total);
  for (int i = 3; i < 20; i++) close(i);
}

static void polls(void) {
  TITLE("poll");
  int p[2], q[2];
  pipe(p), pipe(q);
  struct pollfd f[4] = {{p[0], POLLIN}, {p[1], POLLOUT}, {99, POLLIN}, {-1, POLLIN}};
  T(S(poll, f, 4, 0));
  for (int i = 0; i < 4; i++) V(f[i].revents);
  T(S(poll, f, 1, 20));
  write(p[1], "x", 1), close(q[1]), f[1] = (struct pollfd){q[0], POLLIN};
  T(S(poll, f, 2, -1)), V(f[0].revents), V(f[1].revents);
  T(S(poll, BAD, 1, 0));
  T(S(poll, f, 100000000, 0));
  T(S(poll, NULL, 0, 1));
  struct timespec t = {0, 1000000}, bad = {0, -1};
  sigset_t mask;
  sigfillset(&mask);
  T(S(ppoll, f, 1, &t, &mask, 8L));
  T(S(ppoll, NULL, 0, &t, &mask, 8L));
  T(S(ppoll, f, 1, &bad, NULL, 8L));
  T(S(ppoll, f, 1, &t, &mask, 7L));
  T(S(ppoll, f, 1, &t, BAD, 8L));
  T(S(ppoll, f, 1, BAD, NULL, 8L));
  for (int i = 3; i < 20; i++) close(i);
}

/* A signal that is blocked but for the call: the call ends, the handler has the call's mask. */
static void masks(void) {
  TITLE("masks");
  sigset_t blocked, during;
  sigemptyset(&blocked), sigaddset(&blocked, SIGUSR1), sigaddset(&blocked, SIGUSR2);
  sigemptyset(&during), sigaddset(&during, SIGUSR2), sigaddset(&during, SIGSEGV);
  signal(SIGUSR1, on);
  struct pollfd none = {-1, 0};
  struct timespec long_time = {5, 0};
  struct {
    const void *set;
    size_t size;
  } pair = {&during, 8};
  int ep = epoll_create1(0);
  struct epoll_event event;
  for (int call = 0; call < 4; call++) {
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    seen = 0, raise(SIGUSR1), errno = 0, long_time = (struct timespec){5, 0};
    V(seen);
    if (call == 0) T(S(ppoll, &none, 1, &long_time, &during, 8L));
    if (call == 1) T(S(pselect6, 0, NULL, NULL, NULL, &long_time, &pair));
    if (call == 2) T(S(epoll_pwait, ep, &event, 1, 5000, &during, 8L));
    if (call == 3) T(S(epoll_pwait2, ep, &event, 1, &long_time, &during, 8L));
    V(seen);
    V(sigismember(&in_handler, SIGUSR1)), V(sigismember(&in_handler, SIGUSR2));
    V(sigismember(&in_handler, SIGSEGV));
    sigprocmask(SIG_BLOCK, NULL, &in_handler);
    V(sigismember(&in_handler, SIGUSR1)), V(sigismember(&in_handler, SIGSEGV));
  }
  sigemptyset(&blocked), sigprocmask(SIG_SETMASK, &blocked, NULL);
  struct itimerval soon = {{0, 0}, {0, 20000}};
  signal(SIGALRM, on), seen = 0;
  setitimer(ITIMER_REAL, &soon, NULL);
  T(S(poll, &none, 1, 5000)), V(seen);
  setitimer(ITIMER_REAL, &soon, NULL);
  struct timeval five = {5, 0};
  T(S(select, 0, NULL, NULL, NULL, &five)), V(seen), V(five.tv_sec);
  setitimer(ITIMER_REAL, &soon, NULL);
  T(S(epoll_wait, ep, &event, 1, 5000)), V(seen);
  setitimer(ITIMER_REAL, &soon, NULL);
  int p[2];
  pipe(p), siginterrupt(SIGALRM, 1);
  T(read(p[0], buf, 1)), V(seen);
  siginterrupt(SIGALRM, 0), setitimer(ITIMER_REAL, &soon, NULL);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    usleep(100000);
    write(p[1], "x", 1);
    _exit(0);
  }
  T(read(p[0], buf, 1)), V(seen);
  waitpid(child, NULL, 0);
  for (int i = 3; i < 20; i++) close(i);
}

static void selects(void) {
  TITLE("select");
  int p[2];
  pipe(p);
  fd_set r, w;
  struct timeval t = {0, 1000}, bad = {-1, 0};
  FD_ZERO(&r);
  FD_ZERO(&w);
  FD_SET(p[0], &r);
  FD_SET(p[1], &w);
  T(S(select, 10, &r, &w, NULL, &t));
  V(FD_ISSET(p[0], &r)), V(FD_ISSET(p[1], &w));
  FD_SET(p[0], &r);
  write(p[1], "x", 1);
  T(S(select, p[0] + 1, &r, NULL, NULL, NULL)), V(FD_ISSET(p[0], &r));
  T(S(select, -1, &r, NULL, NULL, &t));
  T(S(select, 1, BAD, NULL, NULL, &t));
  T(S(select, 1, NULL, NULL, NULL, BAD));
  T(S(select, 1, NULL, NULL, NULL, &bad));
  FD_SET(60, &r);
  T(S(select, 61, &r, NULL, NULL, &t));
  struct timespec s = {0, 1000000};
  FD_ZERO(&r);
  FD_SET(p[0], &r);
  T(S(pselect6, 10, &r, NULL, NULL, &s, NULL));
  struct {
    const void *set;
    size_t size;
  } pair = {NULL, 8}, wrong = {&s, 4}, unmapped = {BAD, 8};
  T(S(pselect6, 10, &r, NULL, NULL, &s, &pair));
  T(S(pselect6, 10, &r, NULL, NULL, &s, &wrong));
  T(S(pselect6, 10, &r, NULL, NULL, &s, &unmapped));
  T(S(pselect6, 10, &r, NULL, NULL, &s, BAD));
  T(S(pselect6, -5, &r, NULL, NULL, &s, NULL));
  T(S(pselect6, 10, BAD, NULL, NULL, &s, NULL));
  for (int i = 3; i < 20; i++) close(i);
}

static void epolls(void) {
  TITLE("epoll");
  int p[2];
  pipe(p);
  struct epoll_event e = {EPOLLIN, {.u64 = 0x123456789abcdef0}}, out[4];
  T(S(epoll_create, 1) >= 0);
  T(S(epoll_create, 0));
  int ep = S(epoll_create1, EPOLL_CLOEXEC);
  V(fcntl(ep, F_GETFD));
  T(S(epoll_create1, 77));
  T(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &e));
  T(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[0], &e));
  T(S(epoll_ctl, ep, EPOLL_CTL_ADD, ep, &e));
  T(S(epoll_ctl, ep, EPOLL_CTL_ADD, 99, &e));
  T(S(epoll_ctl, 99, EPOLL_CTL_ADD, p[0], &e));
  T(S(epoll_ctl, ep, EPOLL_CTL_MOD, p[1], &e));
  T(S(epoll_ctl, ep, 77, p[1], &e));
  T(S(epoll_ctl, ep, EPOLL_CTL_ADD, p[1], BAD));
  T(S(epoll_wait, ep, out, 4, 10));
  write(p[1], "x", 1);
  T(S(epoll_wait, ep, out, 4, -1)), V(out[0].events), V(out[0].data.u64 == 0x123456789abcdef0);
  T(S(epoll_wait, ep, out, 0, 0));
  T(S(epoll_wait, ep, BAD, 4, 0));
  T(S(epoll_wait, p[0], out, 4, 0));
  T(S(epoll_wait, 99, out, 4, 0));
  struct timespec t = {0, 1000}, bad = {0, -1};
  T(S(epoll_pwait, ep, out, 4, 0, NULL, 8L));
  T(S(epoll_pwait, ep, out, 4, 0, &t, 4L));
  T(S(epoll_pwait2, ep, out, 4, &t, NULL, 8L));
  T(S(epoll_pwait2, ep, out, 4, &bad, NULL, 8L));
  e.events = EPOLLIN | EPOLLONESHOT | EPOLLET;
  T(S(epoll_ctl, ep, EPOLL_CTL_MOD, p[0], &e));
  T(S(epoll_wait, ep, out, 4, 0)), T(S(epoll_wait, ep, out, 4, 0));
  T(S(epoll_ctl, ep, EPOLL_CTL_DEL, p[0], NULL));
  T(S(epoll_ctl, ep, EPOLL_CTL_DEL, p[0], NULL));
  for (int i = 3; i < 20; i++) close(i);
}

static void events(void) {
  TITLE("eventfd and timerfd");
  uint64_t value = 5;
  int e = S(eventfd2, 3, EFD_NONBLOCK | EFD_CLOEXEC), f = S(eventfd, 1);
  V(fcntl(e, F_GETFD)), V(fcntl(f, F_GETFD));
  T(write(e, &value, 8));
  T(read(e, &value, 8)), V(value);
  T(read(e, &value, 8));
  T(read(e, &value, 4));
  T(S(eventfd2, 0, 77));
  int sem = S(eventfd2, 3, EFD_SEMAPHORE);
  T(read(sem, &value, 8)), V(value);
  int t = S(timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);
  V(fcntl(t, F_GETFD));
  T(S(timerfd_create, 77, 0));
  T(S(timerfd_create, CLOCK_MONOTONIC, 77));
  struct itimerspec i = {{0, 0}, {0, 5000000}}, old = {{9, 9}, {9, 9}}, bad = {{0, -1}, {0, 1}};
  T(S(timerfd_settime, t, 0, &i, &old)), V(old.it_value.tv_sec);
  T(S(timerfd_gettime, t, &old)), V(old.it_value.tv_sec), V(old.it_value.tv_nsec <= 5000000);
  T(read(t, &value, 8)), V(value);
  T(S(timerfd_settime, t, 0, &bad, NULL));
  T(S(timerfd_settime, t, 77, &i, NULL));
  T(S(timerfd_settime, t, 0, BAD, NULL));
  T(S(timerfd_settime, 99, 0, &i, NULL));
  T(S(timerfd_settime, e, 0, &i, NULL));
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int rt = S(timerfd_create, CLOCK_REALTIME, TFD_NONBLOCK), boot = S(timerfd_create, CLOCK_BOOTTIME, 0);
  i = (struct itimerspec){{0, 0}, {now.tv_sec - 5, 0}};
  T(S(timerfd_settime, rt, TFD_TIMER_ABSTIME, &i, NULL)), T(read(rt, &value, 8)), V(value);
  i.it_value.tv_sec = now.tv_sec + 100;
  T(S(timerfd_settime, rt, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &i, NULL));
  T(read(rt, &value, 8));
  i = (struct itimerspec){{0, 1000000}, {0, 1000000}};
  T(S(timerfd_settime, boot, 0, &i, NULL)), usleep(10000), T(read(boot, &value, 8)), V(value > 2);
  T(S(timerfd_gettime, t, BAD));
  T(S(timerfd_gettime, 99, &old));
  for (int k = 3; k < 20; k++) close(k);
}

static void signals(void) {
  TITLE("signalfd");
  sigset_t set;
  struct signalfd_siginfo info;
  sigemptyset(&set), sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = S(signalfd4, -1, &set, 8L, SFD_NONBLOCK | SFD_CLOEXEC);
  V(fcntl(fd, F_GETFD));
  T(read(fd, &info, sizeof info));
  kill(getpid(), SIGUSR1);
  T(read(fd, &info, sizeof info));
  V(info.ssi_signo), V(info.ssi_pid == (unsigned)getpid());
  sigaddset(&set, SIGUSR2);
  T(S(signalfd, fd, &set, 8L) == fd ? 0 : -1);
  T(S(signalfd4, -1, &set, 4L, 0));
  T(S(signalfd4, -1, &set, 8L, 77));
  T(S(signalfd4, 99, &set, 8L, 0));
  T(S(signalfd4, 0, &set, 8L, 0));
  T(S(signalfd4, -1, BAD, 8L, 0));
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  close(fd);
}

static void watches(void) {
  TITLE("inotify");
  mkdir("watched", 0700), symlink("watched", "wlink");
  int fd = S(inotify_init1, IN_NONBLOCK | IN_CLOEXEC), other = S(inotify_init);
  V(fcntl(fd, F_GETFD)), V(other >= 0);
  T(S(inotify_init1, 77));
  T(S(inotify_add_watch, fd, "watched", IN_CREATE | IN_DELETE));
  T(S(inotify_add_watch, fd, "wlink", IN_CREATE));
  T(S(inotify_add_watch, fd, "wlink", IN_CREATE | IN_DONT_FOLLOW));
  T(S(inotify_add_watch, fd, "absent", IN_CREATE));
  T(S(inotify_add_watch, fd, "watched", 0));
  T(S(inotify_add_watch, 99, "watched", IN_CREATE));
  T(S(inotify_add_watch, 0, "watched", IN_CREATE));
  T(S(inotify_add_watch, fd, BAD, IN_CREATE));
  close(make("watched/new", ""));
  long got = read(fd, buf, sizeof buf);
  struct inotify_event *e = (void *)buf;
  V(got), V(e->mask), TEXT(e->name);
  close(make("plain", ""));
  T(S(inotify_add_watch, fd, "plain", IN_ONLYDIR | IN_CREATE));
  T(S(inotify_add_watch, fd, "watched", IN_MASK_ADD | IN_DELETE));
  T(S(inotify_add_watch, fd, "watched", IN_MASK_CREATE | IN_DELETE));
  unlink("watched/new"), got = read(fd, buf, sizeof buf), V(got), V(e->mask);
  T(S(inotify_add_watch, fd, "plain", IN_ONESHOT | IN_MODIFY | IN_EXCL_UNLINK) > 0);
  int plain = open("plain", O_WRONLY);
  write(plain, "x", 1), got = read(fd, buf, sizeof buf), V(got), V(e->mask);
  close(plain);
  T(S(inotify_rm_watch, fd, 1));
  T(S(inotify_rm_watch, fd, 77));
  T(S(inotify_rm_watch, 99, 1));
  close(fd), close(other);
}

int main(void) {
  start();
  pipes();
  polls();
  masks();
  selects();
  epolls();
  events();
  signals();
  watches();
  return 0;
}
