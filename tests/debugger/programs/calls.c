/* Frames of every kind: recursion, no frame pointer, a signal handler, a library function that calls back. */
#include <signal.h>
#include <stdlib.h>

int counter = 7;

__attribute__((noinline)) void stop_here(int depth) {
  counter += depth;
}

__attribute__((noinline)) int deep(int n) {
  volatile char room[64];
  room[n] = (char)n;
  if (n == 0)
    stop_here(room[0]);
  else
    deep(n - 1);
  return room[n];
}

static void handler(int signo) {
  deep(signo & 3);
}

static int compare(const void *a, const void *b) {
  raise(SIGUSR1);
  return *(const int *)a - *(const int *)b;
}

int main(void) {
  int numbers[] = {2, 1};
  signal(SIGUSR1, handler);
  qsort(numbers, 2, sizeof *numbers, compare);
  return numbers[0] - 1;
}
