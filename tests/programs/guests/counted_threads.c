/* Threads that have ended when the process does: their instructions count, too.  One at a time, so
 * that the number is the same in every run. */
#include <pthread.h>
#include <stddef.h>

static volatile unsigned sum;

static void *work(void *unused) {
  for (unsigned i = 0; i < 100000; i++) sum += i;
  return unused;
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, NULL)) return 1;
    if (pthread_join(thread, NULL)) return 2;
  }
  return sum == 0;
}
