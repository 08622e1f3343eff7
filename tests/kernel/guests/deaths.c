/* Dies in the way that the argument names; the parent looks at the status. */
#include "check.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void handler(int signo) { (void)signo; }

int main(int argc, char **argv) {
  start();
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const char *how = argc > 1 ? argv[1] : "";
  if (!strcmp(how, "exit")) exit(7);
  if (!strcmp(how, "exit256")) syscall(SYS_exit_group, 256 + 9);
  if (!strcmp(how, "thread-exit")) syscall(SYS_exit, 11);
  if (!strcmp(how, "abort")) abort();
  if (!strcmp(how, "segv")) *(volatile int *)8 = 1;
  if (!strcmp(how, "ill")) __asm__ volatile("ud2");
  if (!strcmp(how, "fpe")) __asm__ volatile("xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx");
  if (!strcmp(how, "trap")) __asm__ volatile("int3");
  if (!strcmp(how, "blocked-segv")) {
    sigset_t all;
    sigfillset(&all);
    signal(SIGSEGV, handler);
    sigprocmask(SIG_BLOCK, &all, NULL);
    *(volatile int *)8 = 1;
  }
  if (!strcmp(how, "ignored-segv")) {
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)8 = 1;
  }
  if (!strcmp(how, "no-stack")) {
    signal(SIGUSR1, handler);
    __asm__ volatile("mov $8, %%rsp; syscall" ::"a"(62), "D"((long)getpid()), "S"(SIGUSR1));
  }
  if (!strcmp(how, "bad-return")) __asm__ volatile("mov $8, %%rsp; syscall" ::"a"(15));
  if (!strcmp(how, "overflow")) {
    stack_t st = {.ss_sp = mmap(NULL, 4096, 3, 0x22, -1, 0), .ss_size = 2048};
    sigaltstack(&st, NULL);
    struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &sa, NULL);
    __asm__ volatile("mov %%rbx, %%rsp; syscall" ::"a"(62), "D"((long)getpid()), "S"(SIGUSR1),
                     "b"((char *)st.ss_sp + 600));
  }
  int signo = atoi(how);
  if (signo > 0) kill(getpid(), signo);
  if (signo < 0) {
    signal(-signo, handler);
    raise(-signo);
    signal(-signo, SIG_DFL);
    raise(-signo);
  }
  puts("alive");
  return 0;
}
