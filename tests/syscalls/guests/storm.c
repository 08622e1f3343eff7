/* Signals come faster than a handler runs: the program goes on, slowly.  usage: storm MICROSECONDS */
#include "calls.h"
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 20, MESSAGES = 1024 };
static volatile long ticks;
static long period;

static void tick(int signo) { (void)signo, ticks++; }

static void clock_on(int flags) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = flags};
  struct itimerval value = {{0, period}, {0, period}};
  sigaction(SIGALRM, &action, NULL), setitimer(ITIMER_REAL, &value, NULL);
}

static void clock_off(void) {
  struct itimerval none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &none, NULL);
}

static void short_calls(void) {
  int fds[2], wrong = 0;
  char byte = 0;
  pipe(fds);
  for (int i = 0; i < ROUNDS; i++) {
    struct pollfd ready = {fds[1], POLLOUT, 0};
    wrong += getppid() <= 0, wrong += access("/tmp", 0) != 0, wrong += write(fds[1], "x", 1) != 1, wrong += read(fds[0], &byte, 1) != 1 || byte != 'x', wrong += poll(&ready, 1, 1000) != 1;
  }
  V(wrong), close(fds[0]), close(fds[1]);
}

static void messages(void) {
  static struct mmsghdr list[MESSAGES];
  int ends[2], sent = 0, got = 0;
  char byte = 'm', buffer[8];
  struct iovec one = {&byte, 1};
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  for (int i = 0; i < MESSAGES; i++) list[i].msg_hdr.msg_iov = &one, list[i].msg_hdr.msg_iovlen = 1;
  while (sent < MESSAGES) {
    int n = sendmmsg(ends[0], list + sent, MESSAGES - sent < 64 ? MESSAGES - sent : 64, 0);
    sent += n > 0 ? n : 0;
    while (got < sent && (n = recv(ends[1], buffer, 1, 0)) > 0) got += n;
  }
  V(sent), V(got), V(recv(ends[1], buffer, 1, MSG_DONTWAIT)), close(ends[0]), close(ends[1]);
}

static void errors(void) { /* of calls that would wait for something else */
  struct mmsghdr one = {0};
  int fds[2], wrong = 0;
  pipe(fds);
  for (int i = 0; i < ROUNDS; i++) wrong += recvmmsg(fds[0], &one, 1, 0, NULL) != -1 || errno != ENOTSOCK;
  V(wrong), T(unshare(CLONE_THREAD)), close(fds[0]), close(fds[1]); /* refused to processes with threads */
}

static int computed(void) {
  unsigned x = 1;
  for (int i = 0; i < 300000; i++) x = x * 1103515245u + 12345u;
  return x;
}

static void waits(void) { /* without SA_RESTART */
  int fds[2];
  char byte;
  sigset_t none;
  struct timespec second = {1000, 0};
  sigemptyset(&none), pipe(fds);
  struct pollfd never = {fds[0], POLLIN, 0};
  T(read(fds[0], &byte, 1)), T(poll(&never, 1, -1)), T(ppoll(&never, 1, NULL, &none)), T(pause()), T(sigsuspend(&none)), T(nanosleep(&second, NULL) == -1 ? errno : 0);
  close(fds[0]), close(fds[1]);
}

static void restarts(void) { /* with SA_RESTART */
  int fds[2], status;
  char byte = 0;
  pipe(fds), fflush(stdout);
  pid_t child = fork();
  if (child == 0) usleep(30000), write(fds[1], "r", 1), _exit(3);
  T(read(fds[0], &byte, 1)), V(byte), V(waitpid(child, &status, 0) == child), V(status), close(fds[0]), close(fds[1]);
}

static void blocked(void) {
  sigset_t alarm_only, pending;
  sigemptyset(&alarm_only), sigaddset(&alarm_only, SIGALRM), T(sigprocmask(SIG_BLOCK, &alarm_only, NULL));
  long before = ticks;
  usleep(5000), V(ticks == before), T(sigpending(&pending)), V(sigismember(&pending, SIGALRM)), V(computed());
  T(sigprocmask(SIG_UNBLOCK, &alarm_only, NULL)), V(ticks > before);
}

static void limited(void) { /* without room for what comes with signals */
  struct rlimit before, none = {0, 0};
  struct timespec second = {1000, 0};
  getrlimit(RLIMIT_SIGPENDING, &before), none.rlim_max = before.rlim_max;
  T(setrlimit(RLIMIT_SIGPENDING, &none)), short_calls(), V(computed()), T(nanosleep(&second, NULL)), T(setrlimit(RLIMIT_SIGPENDING, &before));
}

int main(int argc, char **argv) {
  (void)argc, period = atol(argv[1]);
  clock_on(SA_RESTART), short_calls(), messages(), errors(), V(computed()), restarts(), blocked(), limited(), clock_off();
  clock_on(0), waits(), clock_off();
  timer_t timer = 0;
  V(timer_create(CLOCK_MONOTONIC, NULL, &timer)), V((long)timer), V(timer_delete(timer)), V(timer_delete(timer)), V(ticks > 5);
  return 0;
}
