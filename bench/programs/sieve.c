/* Counts the primes below N with a byte for each number, ROUNDS times.  usage: sieve N ROUNDS */
#include <stdio.h>
#include <stdlib.h>

static long sieve(unsigned char *composite, long n) {
  long count = 0;
  for (long i = 0; i < n; i++) composite[i] = 0;
  for (long i = 2; i < n; i++) {
    if (composite[i]) continue;
    count++;
    for (long j = i * i; j < n; j += i) composite[j] = 1;
  }
  return count;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  long n = atol(argv[1]), count = 0;
  unsigned char *composite = malloc(n);
  if (!composite) return 1;
  for (long rounds = atol(argv[2]); rounds > 0; rounds--) count = sieve(composite, n);
  printf("%ld\n", count);
  free(composite);
  return 0;
}
