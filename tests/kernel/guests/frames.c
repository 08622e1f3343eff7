/* FPU state in signal frames: where it lies, what handlers see and change, what sigreturn refuses.
 *
 * CPUs differ in how much state there is; all that is printed follows from the size that CPUID tells.
 */
#include "check.h"
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { FX = 512, SW = 464, MAGIC1 = 0x46505853, MAGIC2 = 0x46505845 };
enum { MXCSR = 24, XMM0 = 160, XSTATE_BV = 512, XCOMP_BV = 520, RESERVED = 536, YMMH = 576 };
enum { FRAME = 440 };

static unsigned area; /* bytes of XSAVE state in a frame */
static unsigned whole; /* with what a program must ask for first: AMX tiles */
static int has_avx;
static int step;
static unsigned char *fpu;
static _Alignas(64) unsigned char copy[16384];

typedef struct {
  uint64_t xmm3[2], ymm5[4];
  uint32_t mxcsr;
  uint16_t cw;
} State;

static uint32_t get32(const void *p) { return *(const uint32_t *)p; }
static uint64_t get64(const void *p) { return *(const uint64_t *)p; }

static void find_features(void) {
  enum { ON_DEMAND = 18 };
  unsigned a, b, c, d, enabled;
  __cpuid_count(0xd, 0, enabled, whole, c, d);
  area = FX + 64;
  for (int i = 2; i < 32; i++) {
    if (i == ON_DEMAND || !(enabled >> i & 1)) continue;
    __cpuid_count(0xd, i, a, b, c, d);
    if (a + b > area) area = a + b;
  }
  if (!(enabled >> ON_DEMAND & 1)) whole = area;
  __cpuid(1, a, b, c, d);
  has_avx = c >> 28 & 1;
}

/* Known values, a system call that raises a signal, and what is there afterwards. */
static State raise_with_state(int signo) {
  State s = {{0x1111, 0x2222}, {3, 4, 5, 6}, 0x9f80, 0x27f}, r = {{0}};
  long pid = getpid(), result = SYS_kill;
  uint32_t initial_mxcsr = 0x1f80;
  if (has_avx) __asm__ volatile("vmovdqu %0, %%ymm5" ::"m"(s.ymm5) : "xmm5");
  __asm__ volatile("fldcw %0; ldmxcsr %1; movdqu %2, %%xmm3" ::"m"(s.cw), "m"(s.mxcsr), "m"(s.xmm3)
                   : "xmm3");
  __asm__ volatile("syscall" : "+a"(result) : "D"(pid), "S"((long)signo) : "rcx", "r11", "memory");
  __asm__ volatile("movdqu %%xmm3, %0; stmxcsr %1; fnstcw %2" : "=m"(r.xmm3), "=m"(r.mxcsr), "=m"(r.cw));
  if (has_avx) __asm__ volatile("vmovdqu %%ymm5, %0; vzeroupper" : "=m"(r.ymm5));
  else memcpy(r.ymm5, s.ymm5, sizeof s.ymm5);
  __asm__ volatile("ldmxcsr %0; fninit" ::"m"(initial_mxcsr));
  return r;
}

/* Upper halves are told as if there were AVX everywhere. */
static void show_state(const char *what, State s, uint64_t upper) {
  if (!has_avx) s.ymm5[2] = upper;
  printf("%s: xmm3 %lx %lx, ymm5 upper %lx, mxcsr %x, cw %x\n", what, s.xmm3[0], s.xmm3[1],
         s.ymm5[2], s.mxcsr, s.cw);
}

/* --- what is in a frame --- */

static void on_layout(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  unsigned char *f = (void *)uc->uc_mcontext.fpregs;
  uint64_t xmm15[2], sp = uc->uc_mcontext.gregs[REG_RSP];
  uint32_t mxcsr;
  uint16_t cw;
  __asm__ volatile("movdqu %%xmm15, %0; stmxcsr %1; fnstcw %2" : "=m"(xmm15), "=m"(mxcsr), "=m"(cw));
  V(uc->uc_flags), V((uint64_t)f % 64), V(f - (unsigned char *)uc);
  V(get32(f + SW) == MAGIC1), V(get32(f + area) == MAGIC2);
  V(get32(f + SW + 4) - area), V(get32(f + SW + 16) - area), V(get64(f + SW + 8) & 3);
  V(get64(f + XSTATE_BV) & 3), V(get64(f + XCOMP_BV)), V(get64(f + RESERVED));
  V((uint64_t)f == ((sp - 128 - area - 4) & ~63ul));
  V(get32(f + MXCSR)), V(get64(f + XMM0 + 3 * 16)), V(*(uint16_t *)f);
  V(!has_avx || get64(f + YMMH + 5 * 16) == 5), V(!has_avx || get64(f + XSTATE_BV) & 4);
  V(xmm15[0] | xmm15[1]), V(mxcsr), V(cw);
}

static void layout(void) {
  struct sigaction sa = {.sa_sigaction = on_layout, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, NULL);
  show_state("after", raise_with_state(SIGUSR1), 5);
  V(getauxval(AT_MINSIGSTKSZ) == (whole + 930 + 15) / 16 * 16);
}

/* --- what a handler may change --- */

static const char *const changes[] = {
    "nothing", "registers", "no state", "magic1", "magic2", "size", "x87 only", "no x87", "bv: none",
    "bv: x87", "a copy", "fxsave copy", "mxcsr", "compacted", "reserved", "unknown", "fx mxcsr",
    "unaligned", "fx unaligned", "unmapped", "end unmapped", NULL,
};

static int is(const char *name) { return !strcmp(changes[step], name); }

static unsigned char *at_page_end(unsigned char *from, unsigned size) {
  unsigned char *pages = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 8192, 4096);
  return memcpy(pages + 8192 - size, from, size);
}

static void on_change(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  unsigned char *f = (void *)uc->uc_mcontext.fpregs;
  uint64_t *bv = (uint64_t *)(f + XSTATE_BV);
  unsigned size = area + 4;
  if (is("no state")) uc->uc_mcontext.fpregs = NULL;
  if (is("registers")) {
    *(uint64_t *)(f + XMM0 + 3 * 16) = 0x3333;
    if (has_avx) *(uint64_t *)(f + YMMH + 5 * 16) = 0x5555;
    *(uint32_t *)(f + MXCSR) = 0xdf80;
    *(uint16_t *)f = 0x37f;
  }
  if (is("magic1") || is("fx mxcsr") || is("fx unaligned") || is("fxsave copy")) f[SW] ^= 1;
  if (is("magic2")) f[area] ^= 1;
  if (is("size")) *(uint32_t *)(f + SW + 16) = area + 64;
  if (is("x87 only")) *(uint64_t *)(f + SW + 8) = 1;
  if (is("no x87")) *(uint64_t *)(f + SW + 8) &= ~1ul;
  if (is("bv: none")) *bv = 0;
  if (is("bv: x87")) *bv = 1;
  if (is("mxcsr") || is("fx mxcsr")) *(uint32_t *)(f + MXCSR) |= 0x80000000;
  if (is("compacted")) *(uint64_t *)(f + XCOMP_BV) = 1;
  if (is("reserved")) f[528] = 1;
  if (is("unknown")) *bv |= 1ull << 61;
  if (is("a copy")) uc->uc_mcontext.fpregs = memcpy(copy, f, size);
  if (is("fxsave copy")) uc->uc_mcontext.fpregs = memcpy(copy + 16, f, size);
  if (is("unaligned")) uc->uc_mcontext.fpregs = memcpy(copy + 16, f, size);
  if (is("fx unaligned")) uc->uc_mcontext.fpregs = memcpy(copy + 8, f, size);
  if (is("unmapped")) uc->uc_mcontext.fpregs = BAD;
  if (is("end unmapped")) uc->uc_mcontext.fpregs = (void *)at_page_end(f, area);
}

static sigjmp_buf out;

static void on_refusal(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  unsigned char *f = (void *)uc->uc_mcontext.fpregs;
  const unsigned char *code = (void *)uc->uc_mcontext.gregs[REG_RIP];
  printf("%s: signal %d, code %d, rax %lld, behind syscall %d, xmm3 %lx, mxcsr %x, cw %x\n",
         changes[step], signo, info->si_code, uc->uc_mcontext.gregs[REG_RAX],
         code[-2] == 0x0f && code[-1] == 0x05, get64(f + XMM0 + 3 * 16), get32(f + MXCSR),
         *(uint16_t *)f);
  siglongjmp(out, 1);
}

static void changing(void) {
  struct sigaction sa = {.sa_sigaction = on_change, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, NULL);
  sa.sa_sigaction = on_refusal;
  sigaction(SIGSEGV, &sa, NULL);
  for (step = 0; changes[step]; step++) {
    uint64_t upper = 5;
    if (is("registers")) upper = 0x5555;
    if (is("no state") || is("magic1") || is("magic2") || is("size") || is("x87 only") ||
        is("bv: none") || is("bv: x87") || is("fxsave copy"))
      upper = 0;
    if (!sigsetjmp(out, 1)) show_state(changes[step], raise_with_state(SIGUSR1), upper);
  }
  signal(SIGSEGV, SIG_DFL);
}

/* --- handlers in handlers --- */

static void on_inner(int signo) {
  uint64_t other[4] = {7, 7, 7, 7};
  __asm__ volatile("movdqu %0, %%xmm3" ::"m"(other) : "xmm3");
  if (has_avx) __asm__ volatile("vmovdqu %0, %%ymm5" ::"m"(other) : "xmm5");
}

static void on_outer(int signo) {
  show_state("inner", raise_with_state(SIGUSR2), 5);
  on_inner(0);
}

static void nested(void) {
  signal(SIGUSR1, on_outer);
  signal(SIGUSR2, on_inner);
  show_state("outer", raise_with_state(SIGUSR1), 5);
}

/* --- the alternate stack --- */

static _Alignas(4096) unsigned char stack[65536];
static volatile int depth;

static void on_stack(int signo, siginfo_t *info, void *context) {
  uint64_t frame = (uint64_t)context - 8, offset = frame - (uint64_t)stack;
  uint64_t top = (uint64_t)stack + 16384;
  uint64_t entering = ((((top - area - 4) & ~63ul) - FRAME) & ~15ul) - 8;
  printf("at %s\n", frame == entering ? "the top" : offset < 16384 ? "the stack" : "elsewhere");
  _exit(0);
}

static void on_deeper(int signo) {
  depth++;
  raise(SIGUSR1);
}

/* kill(pid, SIGUSR1) with a stack pointer inside the alternate stack */
static void raise_at(uint64_t sp) {
  long pid = getpid();
  __asm__ volatile("mov %%rsp, %%rbx; mov %0, %%rsp; syscall; mov %%rbx, %%rsp" ::"r"(sp),
                   "a"((long)SYS_kill), "D"(pid), "S"((long)SIGUSR1)
                   : "rbx", "rcx", "r11", "memory");
}

static void in_child(const char *what, void (*handler)(), int flags, uint64_t sp) {
  fflush(stdout);
  int status;
  if (!fork()) {
    struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER | flags};
    stack_t st = {.ss_sp = stack, .ss_size = 16384};
    sigaltstack(&st, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    if (sp) raise_at((uint64_t)stack + sp);
    else raise(SIGUSR1);
    _exit(1);
  }
  wait(&status);
  printf("%s: status %x, deep %d\n", what, status, depth);
}

static void alternate(void) {
  stack_t st = {.ss_sp = stack, .ss_size = 2047};
  T(sigaltstack(&st, NULL));
  st.ss_size = 2048;
  T(sigaltstack(&st, NULL));
  /* The lowest stack pointer whose frame begins above the stack's first byte; a multiple of 64. */
  uint64_t base = (uint64_t)stack, sp = base + 128 + area + 4 + FRAME + 8;
  while (((((sp - 128 - area - 4) & ~63ul) - FRAME) & ~15ul) - 8 <= base) sp++;
  in_child("entering", on_stack, SA_ONSTACK, 0);
  in_child("from inside", on_stack, SA_ONSTACK, 8192);
  in_child("without the flag", on_stack, 0, 8192);
  in_child("just fits", on_stack, SA_ONSTACK, sp - base);
  in_child("just does not", on_stack, SA_ONSTACK, sp - base - 1);
  in_child("nor without the flag", on_stack, 0, sp - base - 1);
  in_child("in its red zone", on_stack, SA_ONSTACK, 100);
  in_child("ever deeper", on_deeper, SA_ONSTACK, 0);
}

int main(void) {
  start();
  find_features();
  layout();
  changing();
  nested();
  alternate();
  return 0;
}
