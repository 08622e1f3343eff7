/* Fills and sorts two arrays of N words, on one thread or on two.  usage: threads N THREADS */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  uint32_t seed, digest, *words, *spare;
  long count;
} Job;

static void merge(uint32_t *to, const uint32_t *from, long low, long middle, long high) {
  for (long at = low, left = low, right = middle; at < high; at++) {
    int take_left = left < middle && (right >= high || from[left] <= from[right]);
    to[at] = from[take_left ? left++ : right++];
  }
}

static void sort(Job *job) {
  for (long width = 1; width < job->count; width *= 2) {
    for (long low = 0; low < job->count; low += 2 * width) {
      long middle = low + width < job->count ? low + width : job->count;
      long high = low + 2 * width < job->count ? low + 2 * width : job->count;
      merge(job->spare, job->words, low, middle, high);
    }
    uint32_t *sorted = job->spare;
    job->spare = job->words;
    job->words = sorted;
  }
}

static void *work(void *argument) {
  Job *job = argument;
  uint32_t state = job->seed;
  for (long i = 0; i < job->count; i++) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    job->words[i] = state;
  }
  sort(job);
  for (long i = 0; i < job->count; i++) job->digest = job->digest * 31 + job->words[i];
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long count = atol(argv[1]);
  int both = !strcmp(argv[2], "2");
  Job jobs[2] = {{.seed = 1, .count = count}, {.seed = 2, .count = count}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    jobs[i].words = calloc(count, sizeof(uint32_t)), jobs[i].spare = calloc(count, sizeof(uint32_t));
    if (!jobs[i].words || !jobs[i].spare) return 1;
    if (pthread_create(&threads[i], NULL, work, &jobs[i])) return 1;
    if (!both) pthread_join(threads[i], NULL);
  }
  for (int i = 0; both && i < 2; i++) pthread_join(threads[i], NULL);
  printf("%u %u\n", jobs[0].digest, jobs[1].digest);
  return 0;
}
