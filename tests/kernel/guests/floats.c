/* Unmasked floating-point exceptions: which instruction faults, with which code, and what is unchanged.
 *
 * SSE and AVX fault at the instruction itself; the x87 notes an exception, and the next waiting
 * instruction reports it.
 */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

enum { IE = 1, DE = 2, ZE = 4, OE = 8, UE = 16, PE = 32, ALL = 63 };

static sigjmp_buf out;
static int all_pointers; /* FOP and FDP are what AMD's processors store */
static int repair;  /* the handler goes on behind the instruction, or clears the x87's flags */

static void on_fpe(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  struct _libc_fpstate *f = uc->uc_mcontext.fpregs;
  printf("signal %d code %d, addr %s, rip %llx, trap %lld error %lld, mxcsr %x, sw %x, cw %x", signo,
         info->si_code, info->si_addr == (void *)g[REG_RIP] ? "rip" : "other", g[REG_RIP],
         g[REG_TRAPNO], g[REG_ERR], f->mxcsr, f->swd, f->cwd);
  if (g[REG_TRAPNO] == 16) printf(", by %lx", f->rip);
  if (g[REG_TRAPNO] == 16 && all_pointers) printf(", opcode %x, operand %lx", f->fop, f->rdp);
  if (repair) {
    f->mxcsr |= 0x1f80;
    f->swd &= ~0x80ff;
    return;
  }
  printf("\n");
  siglongjmp(out, 1);
}

typedef union {
  float f[8];
  double d[4];
  uint32_t u[8];
  uint64_t q[4];
  int32_t i[8];
} Vector;

static void show_vector(const char *name, Vector v) {
  printf("  %s %016lx %016lx\n", name, v.q[0], v.q[1]);
}

static uint32_t masked_but(int unmasked) { return 0x1f80 & ~(unmasked << 7); }

static const uint32_t initial = 0x1f80;

/* One instruction on ymm0 (and ymm1, and memory), where AVX may be used. */
#define AVX(text, x, y, unmasked)                                                      \
  do {                                                                                 \
    static Vector a, b, r;                                                             \
    uint32_t mxcsr = masked_but(unmasked), after = 0;                                  \
    a = (Vector)x, b = (Vector)y, r = (Vector){.q = {1, 2}};                           \
    printf("%s, unmasked %x: ", text, unmasked);                                       \
    if (!sigsetjmp(out, 1)) {                                                          \
      __asm__ volatile("vmovups %2, %%ymm0; vmovups %3, %%ymm1; ldmxcsr %4\n\t" text    \
                       "\n\tvmovups %%ymm0, %0; stmxcsr %1; ldmxcsr %5; vzeroupper"    \
                       : "=m"(r), "=m"(after)                                          \
                       : "m"(a), "m"(b), "m"(mxcsr), "m"(initial), "D"(&b)             \
                       : "xmm0", "xmm1", "memory");                                    \
      printf("no fault, mxcsr %x\n", after);                                           \
    }                                                                                  \
    show_vector("result", r);                                                          \
  } while (0)

/* The exception is in the upper half, or in both halves; all lanes' flags are raised together. */
static void avx(void) {
  Vector upper = {.f = {1, 1, 1, 1, 0, 3e38f, 1, 1}}, both = {.f = {1, 0, 1, 1, 3e38f, 1, 1, 0}};
  for (int unmasked = 0; unmasked <= PE; unmasked = unmasked ? unmasked * 2 : 1) {
    AVX("vdivps %%ymm0, %%ymm1, %%ymm0", upper, both, unmasked);
    AVX("vmulps (%%rdi), %%ymm0, %%ymm0", upper, upper, unmasked);
    AVX("vaddpd %%ymm1, %%ymm0, %%ymm0", ((Vector){.d = {1, 1, 1, 1e300}}),
        ((Vector){.d = {1, 1, 1, 1e-300}}), unmasked);
    AVX("vcmpps $1, %%ymm1, %%ymm0, %%ymm0", ((Vector){.u = {0, 0, 0, 0, 0, 0, 0, 0x7fc00000}}),
        upper, unmasked);
    AVX("vfmadd231ps %%ymm1, %%ymm1, %%ymm0", upper, upper, unmasked);
    AVX("vsqrtpd %%ymm1, %%ymm0", upper, ((Vector){.d = {1, 4, 9, -1}}), unmasked);
  }
}

/* One instruction on xmm0 (and xmm1, and memory), with some exceptions unmasked. */
#define SSE(text, x, y, unmasked)                                                      \
  do {                                                                                 \
    static Vector a, b, r;                                                             \
    uint32_t mxcsr = masked_but(unmasked), after = 0;                                  \
    a = (Vector)x, b = (Vector)y, r = (Vector){.q = {1, 2}};                           \
    printf("%s, unmasked %x: ", text, unmasked);                                       \
    if (!sigsetjmp(out, 1)) {                                                          \
      __asm__ volatile("movups %2, %%xmm0; movups %3, %%xmm1; ldmxcsr %4; xor %%eax, %%eax\n\t" \
                       text "\n\tmovups %%xmm0, %0; stmxcsr %1; ldmxcsr %5"            \
                       : "=m"(r), "=m"(after)                                          \
                       : "m"(a), "m"(b), "m"(mxcsr), "m"(initial), "D"(&b)             \
                       : "xmm0", "xmm1", "xmm2", "rax", "memory");                     \
      printf("no fault, mxcsr %x\n", after);                                           \
    }                                                                                  \
    show_vector("result", r);                                                                 \
  } while (0)

static void sse(void) {
  for (int unmasked = 0; unmasked <= ALL; unmasked = unmasked ? unmasked * 2 : 1) {
    if (unmasked > PE) break;
    SSE("divss %%xmm1, %%xmm0", {.f = {1}}, {.f = {0}}, unmasked);
    SSE("divss %%xmm1, %%xmm0", {.f = {0}}, {.f = {0}}, unmasked);
    SSE("divpd %%xmm1, %%xmm0", ((Vector){.d = {1, 0}}), ((Vector){.d = {0, 0}}), unmasked);
    SSE("mulps %%xmm1, %%xmm0", ((Vector){.f = {1e38f, 1, 1e-38f, 3}}),
        ((Vector){.f = {1e38f, 1, 1e-38f, 3}}), unmasked);
    SSE("mulsd (%%rdi), %%xmm0", {.d = {1e-300}}, {.d = {1e-300}}, unmasked);
    SSE("addss %%xmm1, %%xmm0", {.f = {1}}, {.f = {1e-20f}}, unmasked);
    SSE("addps %%xmm1, %%xmm0", {.u = {1}}, ((Vector){.f = {1, 2, 3, 4}}), unmasked);
    SSE("sqrtsd %%xmm1, %%xmm0", {.d = {4}}, {.d = {-1}}, unmasked);
    SSE("cvttss2si %%xmm0, %%eax", {.f = {1e20f}}, {.f = {0}}, unmasked);
    SSE("cvtsd2ss %%xmm1, %%xmm0", {.d = {0}}, {.d = {1e300}}, unmasked);
    SSE("cvtdq2ps %%xmm1, %%xmm0", {.d = {0}}, {.u = {0x7fffffff}}, unmasked);
    SSE("comiss %%xmm1, %%xmm0", {.u = {0x7f800001}}, {.f = {0}}, unmasked);
    SSE("ucomisd %%xmm1, %%xmm0", {.q = {0x7ff8000000000000}}, {.d = {0}}, unmasked);
    SSE("minps %%xmm1, %%xmm0", {.u = {0x7fc00000}}, {.f = {0}}, unmasked);
    SSE("cmpltpd %%xmm1, %%xmm0", {.q = {0x7ff8000000000000}}, {.d = {0}}, unmasked);
    SSE("haddps %%xmm1, %%xmm0", ((Vector){.f = {3e38f, 3e38f, 1, 1}}), {.f = {0}}, unmasked);
    SSE("roundss $0, %%xmm1, %%xmm0", {.f = {0}}, {.f = {0.5f}}, unmasked);
    SSE("dpps $0xff, %%xmm1, %%xmm0", ((Vector){.f = {1e30f, 1e30f}}),
        ((Vector){.f = {1e30f, 0}}), unmasked);
  }
  SSE("divps %%xmm1, %%xmm0", ((Vector){.f = {0, 1, 1e38f, 1e-38f}}),
      ((Vector){.f = {0, 0, 1e-38f, 1e38f}}), ALL);
  SSE("ldmxcsr (%%rdi)", {.f = {0}}, {.u = {0x1f80 & ~0x200 | ZE}}, 0); /* a flag alone faults not */
}

/* The handler goes on: it masks the exception, and the instruction runs again. */
static void repaired(void) {
  repair = 1;
  SSE("divss %%xmm1, %%xmm0", {.f = {1}}, {.f = {0}}, ZE);
  repair = 0;
}

/* --- x87 --- */

static long double huge = 1e4000L, tiny = 1e-4000L;
static double zero, one = 1, big = 1e300;
static uint8_t buffer[512] __attribute__((aligned(64)));

/* Instructions with a control word; how far they came is in eax. */
#define X87(text, unmasked)                                                                 \
  do {                                                                                      \
    static volatile int steps;                                                              \
    static volatile uint16_t sw;                                                            \
    uint16_t cw = 0x37f & ~(unmasked);                                                      \
    steps = -1;                                                                             \
    memset(buffer, 0xee, 16);                                                               \
    printf("%s, unmasked %x: ", text, unmasked);                                            \
    if (!sigsetjmp(out, 1)) {                                                               \
      __asm__ volatile("fninit; fldcw %2; movl $0, %0\n\t" text "\n\tfnstsw %1; fninit"     \
                       : "=m"(steps), "=m"(sw)                                              \
                       : "m"(cw), "m"(one), "m"(zero), "m"(huge), "m"(tiny), "m"(big), "D"(buffer) \
                       : "rax", "memory");                                                  \
      printf("no fault, sw %x\n", sw);                                                      \
    }                                                                                       \
    __asm__ volatile("fninit");                                                             \
    printf("  step %d, memory %02x%02x\n", steps, buffer[0], buffer[7]);                    \
  } while (0)

#define STEP(n) "; movl $" #n ", %0; "

static void x87(void) {
  X87("fldl %3; fdivl %4" STEP(1) "fnop" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fwait" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fldl %3" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fldl (%%rax)" STEP(2), ZE); /* #MF before the page fault */
  X87("fldl %3; fdivl %4" STEP(1) "fnstsw %%ax; fnstcw (%%rdi)" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fnclex; fwait" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fninit; fwait" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fnsave (%%rdi); fwait" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fnstenv (%%rdi); fwait" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fxsave (%%rdi)" STEP(2) "fwait" STEP(3), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "emms" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "paddd %%mm0, %%mm0" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fldcw %2" STEP(2), ZE);
  X87("fldl %3; fdivl %4" STEP(1) "fwait" STEP(2), 0);
  X87("fldl %4; fdivl %4" STEP(1) "fwait" STEP(2), IE);
  X87("fldl %4; fdivl %4; movw $0x37e, (%%rdi); fldcw (%%rdi)" STEP(1) "fwait" STEP(2), 0);
  X87("fldt %5; fmul %%st(0)" STEP(1) "fwait" STEP(2), OE);
  X87("fldt %6; fmul %%st(0)" STEP(1) "fwait" STEP(2), UE);
  X87("fldl %3; fldpi; fdivrp" STEP(1) "fwait" STEP(2), PE);
  X87("fldt %5; fstpl (%%rdi)" STEP(1) "fwait" STEP(2), OE);
  X87("fldt %6; fstpl (%%rdi)" STEP(1) "fwait" STEP(2), UE);
  X87("fldpi; fstps (%%rdi)" STEP(1) "fwait" STEP(2), PE);
  X87("fldl %7; fistpl (%%rdi)" STEP(1) "fwait" STEP(2), IE);
  X87("fadd %%st(1)" STEP(1) "fwait" STEP(2), IE); /* stack underflow */
  X87("fstpl (%%rdi)" STEP(1) "fwait" STEP(2), IE);
  X87("fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1" STEP(1) "fwait" STEP(2), IE);
  X87("fldl %4; fsqrt; fchs; fld1; fchs; fsqrt" STEP(1) "fwait" STEP(2), IE);
  X87("fldl %4; fdivl %4; fldl %3" STEP(1) "fdivl %4" STEP(2) "fwait" STEP(3), ZE);
  repair = 1;
  X87("fldl %3; fdivl %4" STEP(1) "fwait" STEP(2), ZE);
  repair = 0;
}

/* With an argument: AVX and FMA as well. */
int main(int argc, char **argv) {
  start();
  int has_avx = 0;
  for (int i = 1; i < argc; i++) {
    has_avx |= !strcmp(argv[i], "avx");
    all_pointers |= !strcmp(argv[i], "pointers");
  }
  struct sigaction sa = {.sa_sigaction = on_fpe, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &sa, NULL);
  sigaction(SIGSEGV, &sa, NULL);
  sse();
  repaired();
  x87();
  if (has_avx) avx();
  return 0;
}
