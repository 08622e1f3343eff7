/* The x87 at work: a series in long double, and numbers as text and back, as printf and strtold do it.
 * usage: longdouble ROUNDS */
#include <stdio.h>
#include <stdlib.h>

static long double series(long rounds) {
  long double sum = 0, x = 1.5L;
  for (long i = 1; i <= rounds; i++) {
    sum += x / (long double)i;
    x = x * 1.0000001L - sum * 0.0000001L;
  }
  return sum;
}

static long double text(long rounds) {
  long double sum = 0;
  for (long i = 0; i < rounds; i++) {
    char number[64];
    snprintf(number, sizeof number, "%.12Lg", (long double)i / 7);
    sum += strtold(number, NULL);
  }
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  long rounds = atol(argv[1]);
  printf("%.15Lg\n", series(rounds));
  printf("%.15Lg\n", text(rounds / 40));
  return 0;
}
