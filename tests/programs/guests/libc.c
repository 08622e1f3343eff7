#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static jmp_buf back;
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }
static void at_end(void) { puts("at exit"); }

int main(int argc, char **argv) {
  atexit(at_end);
  for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  int numbers[100];
  for (int i = 0; i < 100; i++) numbers[i] = i * 7919 % 101;
  qsort(numbers, 100, sizeof *numbers, compare);
  for (int i = 0; i < 100; i += 9) printf("%d ", numbers[i]);
  printf("\n%.17g %La %s\n", sqrt(2) + pow(3, 0.3), 1.0L / 3, strerror(ENOENT));
  if (setjmp(back) == 0) longjmp(back, 1);
  else puts("back");
  char *big = malloc(5 << 20);
  memset(big, 'x', 5 << 20);
  big[(5 << 20) - 1] = 0;
  printf("%zu %g\n", strlen(big), strtod("1e-310", NULL));
  time_t when = 1234567890;
  printf("%s", asctime(gmtime(&when)));
  char line[100];
  while (fgets(line, sizeof line, stdin)) printf("read %s", line);
  fprintf(stderr, "to stderr\n");
  return argc;
}
