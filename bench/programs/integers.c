/* A loop of register arithmetic with a few loads and stores: no calls, no vectors.
 * usage: integers N */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  static unsigned table[256];
  if (argc != 2) return 2;
  unsigned long state = 88172645463325252UL, sum = 0;
  for (long n = atol(argv[1]); n > 0; n--) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    unsigned *slot = &table[state & 255];
    *slot += (unsigned)state;
    if (*slot & 1) sum += *slot;
    else sum -= n;
  }
  printf("%lu\n", sum);
  return 0;
}
