/* Synchronous faults: si_code, si_addr, and the trap's words in the frame. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf out;
static char *base;

static void report(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  unsigned long addr = (unsigned long)info->si_addr;
  const char *where = "elsewhere";
  if (addr == 0) where = "0";
  if (addr == (unsigned long)g[REG_RIP]) where = "rip";
  if (addr >= (unsigned long)base && addr < (unsigned long)base + 8192) where = "base";
  printf("signal %d code %d at %s, trap %lld error %lld, cr2 %s\n", signo, info->si_code, where,
         g[REG_TRAPNO], g[REG_ERR], g[REG_CR2] == (greg_t)addr ? "same" : "other");
  siglongjmp(out, 1);
}

#define TRY(name, code)            \
  do {                             \
    printf("%s: ", name);          \
    if (!sigsetjmp(out, 1)) {      \
      code;                        \
      puts("no fault");            \
    }                              \
  } while (0)

int main(void) {
  start();
  struct sigaction sa = {.sa_sigaction = report, .sa_flags = SA_SIGINFO};
  int list[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  for (int i = 0; i < 5; i++) sigaction(list[i], &sa, NULL);
  base = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(base + 4096, 4096);
  TRY("read unmapped", (void)*(volatile char *)(base + 4096));
  TRY("write unmapped", *(volatile char *)(base + 4096) = 1);
  (void)*(volatile char *)base; /* a page that is there: the error code says so */
  TRY("write read-only", *(volatile char *)base = 1);
  mprotect(base, 4096, PROT_NONE);
  TRY("read none", (void)*(volatile char *)base);
  TRY("across pages", (void)*(volatile long *)(base + 4092));
  TRY("execute unmapped", ((void (*)(void))(base + 4096))());
  mprotect(base, 4096, PROT_READ);
  TRY("execute data", ((void (*)(void))base)());
  TRY("null", (void)*(volatile char *)0);
  TRY("non-canonical", (void)*(volatile char *)0x8000000000000000);
  TRY("divide by zero", __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; idiv %%ecx" ::: "eax", "ecx", "edx"));
  TRY("divide overflow", __asm__ volatile("mov $-1, %%ecx; mov $0x80000000, %%eax; cltd; idiv %%ecx" ::: "eax", "ecx", "edx"));
  TRY("ud2", __asm__ volatile("ud2"));
  TRY("int3", __asm__ volatile("int3"));
  TRY("hlt", __asm__ volatile("hlt"));
  TRY("int 0x21", __asm__ volatile("int $0x21"));
  TRY("movaps unaligned", __asm__ volatile("movaps %0, %%xmm0" ::"m"(*(char *)(base + 1)) : "xmm0"));
  unsigned mxcsr = 0x1f80 & ~(1u << 9);
  TRY("SSE divide by zero", __asm__ volatile("ldmxcsr %0; xorps %%xmm1, %%xmm1; mov $1, %%eax; cvtsi2ss %%eax, %%xmm0; divss %%xmm1, %%xmm0" ::"m"(mxcsr) : "eax", "xmm0", "xmm1"));
  mxcsr = 0x1f80 & ~(1u << 7);
  TRY("SSE invalid", __asm__ volatile("ldmxcsr %0; xorps %%xmm1, %%xmm1; divss %%xmm1, %%xmm1" ::"m"(mxcsr) : "xmm1"));
  unsigned short cw = 0x37f & ~4;
  TRY("x87 divide by zero", __asm__ volatile("fldcw %0; fldz; fld1; fdivp; fwait" ::"m"(cw)));
  cw = 0x37f & ~1;
  TRY("x87 invalid", __asm__ volatile("fninit; fldcw %0; fldz; fldz; fdivp; fwait" ::"m"(cw)));
  return 0;
}
