#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
static sigjmp_buf back;
static char *page;
static void handler(int signo, siginfo_t *info, void *context) {
  printf("signal %d code %d at page %d\n", signo, info->si_code, (char *)info->si_addr == page);
  siglongjmp(back, 1);
}
int main(int argc, char **argv) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  for (int signo = 1; signo < 32; signo++)
    if (signo != 13) sigaction(signo, &action, NULL);
  page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  volatile int zero = 0, one = 1;
  if (!sigsetjmp(back, 1)) *page = 1;
  if (!sigsetjmp(back, 1)) printf("%d\n", one / zero);
  if (!sigsetjmp(back, 1)) __builtin_trap();
  munmap(page, 4096);
  if (!sigsetjmp(back, 1)) *page = 1;
  if (!sigsetjmp(back, 1)) raise(SIGTERM);
  signal(SIGSEGV, SIG_DFL);
  puts("now for good");
  fflush(stdout);
  *page = 1;
}
