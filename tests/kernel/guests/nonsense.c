/* System calls with senseless arguments: SEED COUNT NUMBER...  Dying is allowed. */
#include "check.h"
#include <sys/mman.h>

static unsigned long state;

static unsigned long next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

static char *page;

static unsigned long argument(void) {
  unsigned long values[] = {0,
                            1,
                            2,
                            8,
                            16,
                            4096,
                            (unsigned long)-1,
                            (unsigned long)-2,
                            0x7fffffff,
                            0x80000000,
                            0xffffffff,
                            1UL << 47,
                            1UL << 63,
                            0x200000000000 - 4096,
                            0x200000000000,
                            0x10000,
                            (unsigned long)page,
                            (unsigned long)page + 1,
                            (unsigned long)page + 4096,
                            (unsigned long)page + 4 * 4096 - 3,
                            (unsigned long)&state};
  unsigned long kind = next() % 8;
  if (kind == 0) return next();
  if (kind == 1) return next() % 64;
  if (kind == 2) return 1UL << next() % 64;
  return values[next() % (sizeof values / sizeof *values)];
}

int main(int argc, char **argv) {
  state = strtoul(argv[1], NULL, 0) * 0x9e3779b97f4a7c15 | 1;
  long count = atol(argv[2]);
  page = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 20; i++) next();
  while (count-- > 0) {
    for (int i = 0; i < 4 * 4096; i += 8) *(unsigned long *)(page + i) = argument();
    long number = atol(argv[3 + next() % (unsigned)(argc - 3)]);
    unsigned long a = argument(), b = argument(), c = argument(), d = argument();
    syscall(number, a, b, c, d, argument(), argument());
    if (!next()) return 1;
    mmap(page, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }
  return 0;
}
