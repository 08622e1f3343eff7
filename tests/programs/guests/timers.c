#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>
static volatile int ticks;
static volatile double x = 1;
static void handler(int signo) { ticks++; }
int main(void) {
  struct itimerval each = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
  signal(SIGALRM, handler);
  setitimer(ITIMER_REAL, &each, NULL);
  while (ticks < 50) x = x * 1.0000001 + 1e-9;
  setitimer(ITIMER_REAL, &off, NULL);
  alarm(1);
  pause();
  puts("alarm");
  return x > 1 ? 0 : 1;
}
