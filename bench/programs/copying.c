/* memcpy and strlen of the C library over buffers of 64 bytes to 64 KiB.  usage: copying ROUNDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 64, LARGEST = 65536, SWEEP = 262144 };

static size_t sweep(char *to, char *from, size_t size) {
  size_t sum = 0;
  for (size_t done = 0; done < SWEEP; done += size) {
    from[size - 1] = 0;
    memcpy(to, from, size);
    sum += strlen(to);
    from[size - 1] = 'x';
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  char *from = malloc(LARGEST), *to = malloc(LARGEST);
  size_t sum = 0;
  if (!from || !to) return 1;
  memset(from, 'x', LARGEST);
  for (long rounds = atol(argv[1]); rounds > 0; rounds--) {
    for (size_t size = SMALLEST; size <= LARGEST; size *= 4) sum += sweep(to, from, size);
  }
  printf("%zu\n", sum);
  return 0;
}
