/* Each signal interrupts a read that blocks, at any instruction of it; a lost one ends in silence. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/wait.h>
static volatile int caught;
static int ack[2], data[2];
static void handler(int signo) {
  caught++;
  if (write(ack[1], "", 1) != 1) _exit(3);
}
int main(int argc, char **argv) {
  int rounds = atoi(argv[1]), interrupted = 0;
  char c;
  struct sigaction action = {.sa_handler = handler, .sa_flags = atoi(argv[2]) ? SA_RESTART : 0};
  sigaction(SIGUSR1, &action, NULL);
  if (pipe(ack) || pipe(data)) return 2;
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    for (int i = 0; i < rounds; i++) {
      kill(parent, SIGUSR1);
      if (read(ack[0], &c, 1) != 1) _exit(1);
    }
    _exit(write(data[1], "", 1) != 1);
  }
  ssize_t n;
  while ((n = read(data[0], &c, 1)) < 0 && errno == EINTR) interrupted++;
  int status = -1;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  printf("read %zd, caught %d, child %d, restarts hidden %d\n", n, caught, status,
         interrupted == 0);
  return 0;
}
