/* Which instructions there are, and what CPUID says: in a thread, a child, and after exec, too. */
#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread sigjmp_buf before;

static void on_ill(int signo) { siglongjmp(before, signo); }

#define TRY(name, text)                                                       \
  do {                                                                        \
    if (sigsetjmp(before, 1)) printf(" -" name);                              \
    else {                                                                    \
      __asm__ volatile(text ::"D"(area), "a"(7), "c"(8), "d"(0) : "memory", "xmm1", "rbx"); \
      printf(" +" name);                                                      \
    }                                                                         \
  } while (0)

static void instructions(const char *where) {
  static _Alignas(64) char area[4096];
  memset(area, 0, sizeof area);
  printf("%s:", where);
  TRY("SSE2", "paddq %%xmm1, %%xmm1");
  TRY("SSE3", "movddup %%xmm1, %%xmm1");
  TRY("SSSE3", "pabsb %%xmm1, %%xmm1");
  TRY("SSE4.1", "ptest %%xmm1, %%xmm1");
  TRY("SSE4.2", "pcmpgtq %%xmm1, %%xmm1");
  TRY("POPCNT", "popcnt %%rcx, %%rbx");
  TRY("MOVBE", "movbe (%%rdi), %%rbx");
  TRY("BMI1", "andn %%rcx, %%rcx, %%rbx");
  TRY("BMI2", "shlx %%rcx, %%rcx, %%rbx");
  TRY("RDTSCP", "rdtscp");
  TRY("XSAVE", "xsave (%%rdi)");
  TRY("XSAVEC", "xsavec (%%rdi)");
  unsigned long count = 0, bits = 1 << 20;
  __asm__("lzcnt %1, %0" : "=r"(count) : "r"(bits)); /* or BSR */
  printf(" %s", count == 43 ? "+LZCNT" : count == 20 ? "-LZCNT" : "?");
  __asm__("tzcnt %1, %0" : "=r"(count) : "r"(0ul), "0"(7ul));
  printf(" %s\n", count == 64 ? "tzcnt" : count == 7 ? "bsf" : "?");
  fflush(stdout);
}

static void *thread(void *name) {
  instructions(name);
  return NULL;
}

/* As the kernel gave it; glibc's getauxval(3) has a value of its own. */
static unsigned long hwcap(void) {
  unsigned long pair[2] = {1};
  FILE *auxv = fopen("/proc/self/auxv", "r");
  while (pair[0] && pair[0] != AT_HWCAP) fread(pair, sizeof pair, 1, auxv);
  fclose(auxv);
  return pair[1];
}

int main(int argc, char **argv) {
  unsigned a, b, c, d;
#ifndef UNCAUGHT
  signal(SIGILL, on_ill);
#endif
  __get_cpuid(1, &a, &b, &c, &d);
  instructions(argc > 1 ? argv[1] : "main");
  printf("hwcap %d, sse4.2 %d, osxsave %d\n", hwcap() == d, c >> 20 & 1, c >> 27 & 1);
  if (argc > 1) return 0;
  pthread_t t;
  pthread_create(&t, NULL, thread, "thread");
  pthread_join(t, NULL);
  if (!fork()) {
    instructions("child");
    _exit(0);
  }
  wait(NULL);
  fflush(stdout);
  execl(argv[0], argv[0], "exec", NULL);
  return 1;
}
