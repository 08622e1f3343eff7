/* Small functions that are never inlined, three deep.  usage: calls N */
#include <stdio.h>
#include <stdlib.h>

#define KEEP __attribute__((noinline, noclone, noipa))

KEEP static unsigned long mix(unsigned long a, unsigned long b) { return (a ^ b) * 31 + 7; }
KEEP static unsigned long pair(unsigned long a, unsigned long b) { return mix(a, b) + mix(b, a); }
KEEP static unsigned long four(unsigned long a, unsigned long b) { return pair(a, b) ^ pair(a + 1, b); }

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  unsigned long sum = 1;
  for (long n = atol(argv[1]); n > 0; n--) sum += four(sum, n);
  printf("%lu\n", sum);
  return 0;
}
