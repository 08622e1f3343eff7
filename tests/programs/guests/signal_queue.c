/* Real-time signals queue: all must come, in order of their numbers and values. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/wait.h>
static volatile int caught, wrong;
static void handler(int signo, siginfo_t *info, void *context) {
  wrong += info->si_value.sival_int != caught;
  caught++;
}
int main(int argc, char **argv) {
  int rounds = atoi(argv[1]), hole[2];
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN, &action, NULL);
  if (pipe(hole)) return 2;
  pid_t parent = getpid();
  if (fork() == 0) {
    for (int i = 0; i < rounds; i++) {
      union sigval value = {.sival_int = i};
      while (sigqueue(parent, SIGRTMIN, value) && errno == EAGAIN) usleep(100);
    }
    _exit(0);
  }
  char c;
  while (caught < rounds)
    if (read(hole[0], &c, 1) >= 0 || errno != EINTR) return 4;
  printf("caught %d, out of order %d\n", caught, wrong);
  return wait(NULL) < 0;
}
