/* The corners of eventfd, timerfd, signalfd and epoll that polling.c leaves out. */
#include "calls.h"
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

static uint64_t value;

static int polled(int fd, int events) {
  struct pollfd p = {fd, (short)events, 0};
  poll(&p, 1, 0);
  return p.revents;
}

static void *add_later(void *fd) {
  usleep(20000);
  value = 7;
  write((int)(long)fd, &value, 8);
  return NULL;
}

static void *take_later(void *fd) {
  uint64_t taken;
  usleep(20000);
  read((int)(long)fd, &taken, 8);
  return NULL;
}

static void counters(void) {
  TITLE("eventfd");
  int e = S(eventfd2, 0, EFD_NONBLOCK), b = S(eventfd2, 0, 0), s = S(eventfd2, 2, EFD_SEMAPHORE);
  V(polled(e, POLLIN | POLLOUT));
  T(write(e, (value = 0, &value), 8));
  T(read(e, &value, 8));
  T(write(e, (value = ~0ul - 1, &value), 8));
  V(polled(e, POLLIN | POLLOUT));
  T(write(e, (value = 1, &value), 8));
  T(write(e, (value = ~0ul, &value), 8));
  T(write(e, &value, 7));
  T(write(e, BAD, 8));
  T(read(e, &value, 7));
  T(read(e, BAD, 8));
  T(read(e, &value, 8)), V(value);
  T(write(e, (value = 3, &value), 8));
  T(write(e, (value = 4, &value), 100));
  T(read(e, &value, 100)), V(value);
  T(lseek(e, 0, SEEK_SET));
  T(S(pread64, e, &value, 8, 0L));
  pthread_t t;
  pthread_create(&t, NULL, add_later, (void *)(long)b);
  T(read(b, &value, 8)), V(value);
  pthread_join(t, NULL);
  T(write(b, (value = ~0ul - 1, &value), 8));
  pthread_create(&t, NULL, take_later, (void *)(long)b);
  T(write(b, (value = 1, &value), 8));
  pthread_join(t, NULL);
  T(read(s, &value, 8)), V(value);
  T(read(s, &value, 8)), V(value), V(polled(s, POLLIN));
  T(S(eventfd2, 0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC) >= 0);
  for (int i = 3; i < 20; i++) close(i);
}

static void timers(void) {
  TITLE("timerfd");
  struct itimerspec soon = {{0, 0}, {0, 10000000}}, off = {{0, 0}, {0, 0}}, now;
  struct itimerspec far = {{5, 250}, {1000, 0}}, wrong = {{0, 1000000000}, {1, 0}};
  int t = S(timerfd_create, CLOCK_MONOTONIC, TFD_NONBLOCK);
  T(S(timerfd_create, CLOCK_MONOTONIC_RAW, 0));
  T(S(timerfd_create, CLOCK_PROCESS_CPUTIME_ID, 0));
  T(S(timerfd_create, CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK) >= 0);
  T(read(t, &value, 8));
  T(S(timerfd_settime, t, 0, &far, NULL));
  T(read(t, &value, 8));
  V(polled(t, POLLIN));
  T(S(timerfd_gettime, t, &now)), V(now.it_interval.tv_sec), V(now.it_interval.tv_nsec);
  V(now.it_value.tv_sec);
  T(S(timerfd_settime, t, 0, &wrong, NULL));
  T(S(timerfd_settime, t, 0, &off, &now)), V(now.it_interval.tv_nsec);
  T(S(timerfd_gettime, t, &now)), V(now.it_value.tv_sec), V(now.it_value.tv_nsec);
  T(S(timerfd_settime, t, 0, &soon, NULL));
  struct pollfd p = {t, POLLIN, 0};
  T(S(poll, &p, 1, 5000)), V(p.revents);
  T(read(t, &value, 4));
  T(read(t, BAD, 8));
  T(S(timerfd_settime, t, 0, &soon, NULL));
  poll(&p, 1, 5000);
  T(read(t, &value, 8)), V(value);
  T(write(t, &value, 8));
  T(S(timerfd_settime, t, 0, &soon, BAD));
  T(S(timerfd_settime, t, TFD_TIMER_CANCEL_ON_SET, &soon, NULL));
  for (int i = 3; i < 20; i++) close(i);
}

static void queued(void) {
  TITLE("signalfd");
  sigset_t set;
  struct signalfd_siginfo info[4];
  sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigaddset(&set, SIGCHLD), sigaddset(&set, SIGKILL);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = S(signalfd4, -1, &set, 8L, SFD_NONBLOCK);
  V(polled(fd, POLLIN));
  for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 40 + i});
  V(polled(fd, POLLIN));
  T(read(fd, info, sizeof info[0] - 1));
  T(read(fd, BAD, sizeof info[0]));
  T(read(fd, info, 2 * sizeof info[0]));
  for (int i = 0; i < 2; i++) V(info[i].ssi_signo == (unsigned)SIGRTMIN), V(info[i].ssi_code), V(info[i].ssi_int);
  fflush(stdout);
  if (fork() == 0) _exit(9);
  struct pollfd p = {fd, POLLIN, 0};
  usleep(50000);
  T(S(poll, &p, 1, 5000));
  long got = read(fd, info, sizeof info);
  V(got / (long)sizeof info[0] > 0), V(info[0].ssi_signo);
  for (int i = 0; i < got / (long)sizeof info[0]; i++)
    if (info[i].ssi_signo == SIGCHLD) V(info[i].ssi_status), V(info[i].ssi_code);
  T(write(fd, info, sizeof info[0]));
  close(fd);
}

static void sets(void) {
  TITLE("epoll");
  int a = S(epoll_create1, 0), b = S(epoll_create1, 0), e = S(eventfd2, 1, 0), s[2];
  struct epoll_event in = {EPOLLIN, {.u32 = 7}}, out[4];
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  T(S(epoll_ctl, a, EPOLL_CTL_ADD, b, &in));
  T(S(epoll_ctl, b, EPOLL_CTL_ADD, a, &in));
  int file = make("file", "x");
  T(S(epoll_ctl, a, EPOLL_CTL_ADD, file, &in));
  T(S(epoll_ctl, file, EPOLL_CTL_ADD, e, &in));
  T(S(epoll_wait, a, out, INT_MAX, 0));
  T(S(epoll_wait, a, out, -1, 0));
  in.events = EPOLLIN | EPOLLET;
  T(S(epoll_ctl, b, EPOLL_CTL_ADD, e, &in));
  T(S(epoll_wait, a, out, 4, 0)), V(out[0].data.u32);
  T(S(epoll_wait, b, out, 4, 0)), V(out[0].events);
  T(S(epoll_wait, b, out, 4, 0));
  write(e, (value = 1, &value), 8);
  T(S(epoll_wait, b, out, 4, 0));
  in.events = EPOLLIN | EPOLLEXCLUSIVE;
  T(S(epoll_ctl, b, EPOLL_CTL_ADD, s[0], &in));
  T(S(epoll_ctl, b, EPOLL_CTL_MOD, s[0], &in));
  T(S(epoll_ctl, b, EPOLL_CTL_DEL, s[0], &in));
  in.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
  T(S(epoll_ctl, b, EPOLL_CTL_ADD, s[0], &in));
  in.events = EPOLLRDHUP | EPOLLIN;
  T(S(epoll_ctl, b, EPOLL_CTL_ADD, s[0], &in));
  shutdown(s[1], SHUT_WR);
  T(S(epoll_wait, b, out, 4, 0)), V(out[0].events);
  in.events = EPOLLONESHOT | EPOLLIN;
  T(S(epoll_ctl, b, EPOLL_CTL_MOD, s[0], &in));
  T(S(epoll_wait, b, out, 4, 0)), T(S(epoll_wait, b, out, 4, 0));
  T(S(epoll_ctl, b, EPOLL_CTL_MOD, s[0], &in));
  close(s[0]);
  T(S(epoll_wait, b, out, 4, 10));
  T(S(epoll_wait, b, out, 4, 10));
  for (int i = 3; i < 20; i++) close(i);
}

int main(void) {
  start();
  counters();
  timers();
  queued();
  sets();
  return 0;
}
