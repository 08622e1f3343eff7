// One kind of work, N times: `recorded LETTER N`.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long sums[4096];

static long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(int argc, char **argv) {
  long n = atol(argv[2]);
  char buffer[64];
  struct timespec t;
  int in = open("/etc/passwd", O_RDONLY), out = open("/dev/null", O_WRONLY);
  for (long i = 0; i < n; i++) switch (*argv[1]) {
      case 'g': syscall(SYS_getppid); break;
      case 'c': syscall(SYS_clock_gettime, 0, &t); break;
      case 'r': pread(in, buffer, sizeof buffer, 0); break;
      case 'w': write(out, buffer, sizeof buffer); break;
      case 'f': fib(25); break;
      case 's': sums[i & 4095] += fib(20); break;
    }
  return argc > 9;
}
