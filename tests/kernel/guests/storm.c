/* A child sends N queued signals while the parent blocks in read(2); every one must be counted.
 * The last signal wakes a read that nothing else would wake. */
#include "check.h"
#include <signal.h>
#include <sys/wait.h>

static volatile long count;
static void counter(int signo) { (void)signo, count++; }

int main(int argc, char **argv) {
  long total = argc > 1 ? atol(argv[1]) : 1000;
  int fds[2];
  char c;
  if (pipe(fds)) return 1;
  struct sigaction sa = {.sa_handler = counter};
  sigaction(SIGRTMIN + 3, &sa, NULL);
  pid_t parent = getpid(), child = fork();
  if (child == 0) {
    union sigval v = {0};
    for (long i = 0; i < total;) i += sigqueue(parent, SIGRTMIN + 3, v) == 0;
    _exit(0);
  }
  long interrupted = 0;
  sigset_t block, old;
  sigemptyset(&block);
  sigaddset(&block, SIGRTMIN + 3);
  for (;;) {
    /* No race of the guest's own: look with the signal blocked, wait with it let in. */
    sigprocmask(SIG_BLOCK, &block, &old);
    int done = count >= total;
    if (!done && interrupted % 2) sigsuspend(&old);
    sigprocmask(SIG_SETMASK, &old, NULL);
    interrupted++;
    if (done) break;
  }
  int status;
  while (waitpid(child, &status, 0) != child);
  printf("%ld of %ld, child %d\n", count, total, status);
  count = 0;
  child = fork();
  if (child == 0) {
    close(fds[0]);
    union sigval v = {0};
    for (long i = 0; i < total;) i += sigqueue(parent, SIGRTMIN + 3, v) == 0;
    _exit(0);
  }
  close(fds[1]);
  long got;
  while ((got = read(fds[0], &c, 1)) != 0); /* the child's end closes the pipe */
  waitpid(child, &status, 0);
  printf("%ld of %ld, read %ld\n", count, total, got);
  return 0;
}
