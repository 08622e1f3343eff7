/* Instructions that do nothing, raise signals, or read what belongs to the CPU: what can be told. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static uintptr_t place;

static void handler(int signo, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  printf("signal %d code %d trap %d error %d", signo, info->si_code, (int)r[REG_TRAPNO],
         (int)r[REG_ERR]);
  if (signo != SIGTRAP) /* virtual machines may say where INT1 is, not what follows it */
    printf(", ip + %d", (int)(r[REG_RIP] - place));
  printf(", address %s\n", info->si_addr == (void *)r[REG_RIP] ? "ip" : info->si_addr ? "?" : "0");
  siglongjmp(back, 1);
}

#define TRY(text)                                             \
  do {                                                        \
    printf("%s: ", text);                                     \
    if (!sigsetjmp(back, 1)) {                                \
      __asm__ volatile("lea 1f(%%rip), %%rax\n\tmov %%rax, %0\n\tmov $2, %%ebx\n\tshl $62, %%rbx\n" \
                       "1:\t" text                            \
                       : "=m"(place)                          \
                       :                                      \
                       : "rax", "rbx", "rcx", "rdx", "memory"); \
      puts("nothing");                                        \
    }                                                         \
  } while (0)

static void signals(void) {
  TRY(".byte 0xf1");             /* INT1 */
  TRY("int $1");
  TRY("ud2");
  TRY(".byte 0x0f, 0xb9, 0xc8"); /* UD1 */
  TRY(".byte 0x0f, 0xff, 0xc8"); /* UD0 */
  TRY("sysexitl");
  TRY("incsspq %%rax");
  TRY("wrssq %%rax, (%%rsp)");
  TRY("wrfsbase %%rbx");
  TRY("wrgsbase %%rbx");
  TRY("rdsspq %%rax");
  TRY("endbr32");
  TRY("endbr64");
  TRY("prefetchw (%%rbx)");
  TRY("prefetcht0 (%%rbx)");
  TRY(".byte 0x0f, 0x18, 0x3b"); /* PREFETCHIT0 */
  TRY("cldemote (%%rbx)");
  TRY("clflushopt (%%rsp)");
  TRY("clwb (%%rsp)");
  TRY("clflushopt (%%rbx)");
}

static void bases(void) {
  static uint64_t words[2] = {11, 22};
  uint64_t fs, self, gs, seen, system_gs;
  __asm__ volatile("rdfsbase %0\n\tmov %%fs:0, %1" : "=r"(fs), "=r"(self));
  __asm__ volatile("wrgsbase %2\n\trdgsbase %0\n\tmov %%gs:8, %1"
                   : "=&r"(gs), "=&r"(seen)
                   : "r"(words));
  syscall(SYS_arch_prctl, ARCH_GET_GS, &system_gs);
  printf("fs %d, gs %d %d, %d\n", fs == self, gs == (uintptr_t)words, system_gs == gs, (int)seen);
  __asm__ volatile("wrfsbase %1\n\tmov %%fs:8, %0\n\twrfsbase %2"
                   : "=&r"(seen)
                   : "r"(words), "r"(fs));
  printf("fs borrowed: %d\n", (int)seen);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
  for (int signo = SIGILL; signo <= SIGSEGV; signo++)
    if (signo != SIGKILL) sigaction(signo, &action, NULL);
  signals();
  if (getauxval(AT_HWCAP2) & 2) bases();
  unsigned long a, b;
  unsigned char carry;
  __asm__ volatile("rdrand %0\n\tsetc %2\n\trdseed %1" : "=&r"(a), "=&r"(b), "=&r"(carry));
  printf("random %d %d\n", carry, a != b);
}
