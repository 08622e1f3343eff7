/* Runs a primitive of engine/fp.h on many operands, each under an MXCSR of its own.
 *
 * Built as a shared object for ctypes, once with the host's SSE and AVX instructions and once with
 * -DBLINK_PORTABLE_FP and fp_soft.c.  A trap is noted by its MXCSR in `trapped`; the SIGFPE handler
 * then masks everything, so that the instruction completes. */
#include <signal.h>
#include <ucontext.h>

#include "fp.h"

typedef struct {
  V128 a, b, c; /* c is a third operand or a predicate */
  u32 mxcsr, pad[3];
} In;

typedef struct {
  V128 value;
  u32 mxcsr; /* afterwards; what the handler saw, if it trapped */
  u32 trapped, pad[2];
} Out;

static volatile u32 trapped, trap_mxcsr;

#if defined(__x86_64__) && !defined(BLINK_PORTABLE_FP)
static void on_sigfpe(int signo, siginfo_t *info, void *context) {
  (void)signo, (void)info;
  ucontext_t *u = context;
  trapped = 1;
  trap_mxcsr = u->uc_mcontext.fpregs->mxcsr;
  u->uc_mcontext.fpregs->mxcsr = MXCSR_INIT;
}

static void catch_traps(void) {
  struct sigaction action = {.sa_sigaction = on_sigfpe, .sa_flags = SA_SIGINFO};
  sigaction(SIGFPE, &action, NULL);
}
#else
static void note_trap(void) {
  if (!trapped) trap_mxcsr = mxcsr_read();
  trapped = 1;
  mxcsr_write(MXCSR_INIT);
}

static void catch_traps(void) { fp_unmasked = note_trap; }
#endif

#define SCALARS(N, u, X)                                    \
  X(f##N##_add, u, N, (in->a.u[0], in->b.u[0]))             \
  X(f##N##_sub, u, N, (in->a.u[0], in->b.u[0]))             \
  X(f##N##_mul, u, N, (in->a.u[0], in->b.u[0]))             \
  X(f##N##_div, u, N, (in->a.u[0], in->b.u[0]))             \
  X(f##N##_min, u, N, (in->a.u[0], in->b.u[0]))             \
  X(f##N##_max, u, N, (in->a.u[0], in->b.u[0]))             \
  X(f##N##_sqrt, u, N, (in->a.u[0]))                        \
  X(f##N##_cmp, u, N, (in->a.u[0], in->b.u[0], in->c.d[0])) \
  X(f##N##_comi, d, N, (in->a.u[0], in->b.u[0]))            \
  X(f##N##_ucomi, d, N, (in->a.u[0], in->b.u[0]))           \
  X(cvt_s32_f##N, u, N, (in->a.d[0]))                       \
  X(cvt_s64_f##N, u, N, (in->a.q[0]))                       \
  X(cvt_f##N##_s32, d, N, (in->a.u[0]))                     \
  X(cvt_f##N##_s64, q, N, (in->a.u[0]))                     \
  X(cvtt_f##N##_s32, d, N, (in->a.u[0]))                    \
  X(cvtt_f##N##_s64, q, N, (in->a.u[0]))

#define PACKED(N, X)              \
  X(v_f##N##_add, (in->a, in->b)) \
  X(v_f##N##_sub, (in->a, in->b)) \
  X(v_f##N##_mul, (in->a, in->b)) \
  X(v_f##N##_div, (in->a, in->b)) \
  X(v_f##N##_min, (in->a, in->b)) \
  X(v_f##N##_max, (in->a, in->b)) \
  X(v_f##N##_sqrt, (in->a))       \
  X(v_f##N##_cmp, (in->a, in->b, in->c.d[0]))

#define BATCH(name, assign)                                                                    \
  void batch_##name(const In *in, Out *out, u32 count) {                                       \
    for (u32 i = 0; i < count; i++, in++, out++) {                                             \
      V128 value = {0};                                                                        \
      trapped = 0;                                                                             \
      mxcsr_enter(in->mxcsr);                                                                  \
      assign;                                                                                  \
      u32 after = mxcsr_leave();                                                               \
      *out = (Out){.value = value, .mxcsr = trapped ? trap_mxcsr : after, .trapped = trapped}; \
    }                                                                                          \
  }
#define ONE(name, u, N, args) BATCH(name, value.u[0] = name args)
#define ALL(name, args) BATCH(name, value = name args)

SCALARS(32, d, ONE)
SCALARS(64, q, ONE)
PACKED(32, ALL)
PACKED(64, ALL)
ONE(cvt_f32_f64, q, 64, (in->a.d[0]))
ONE(cvt_f64_f32, d, 32, (in->a.q[0]))
ONE(f32_rcp, d, 32, (in->a.d[0]))
ONE(f32_rsqrt, d, 32, (in->a.d[0]))
ALL(v_f32_rcp, (in->a))
ALL(v_f32_rsqrt, (in->a))
ALL(v_cvt_s32_f32, (in->a))
ALL(v_cvt_f32_s32, (in->a))
ALL(v_cvtt_f32_s32, (in->a))
ALL(v_cvt_s32_f64, (in->a))
ALL(v_cvt_f64_s32, (in->a))
ALL(v_cvtt_f64_s32, (in->a))
ALL(v_cvt_f32_f64, (in->a))
ALL(v_cvt_f64_f32, (in->a))

ONE(f32_fma, d, 32, (in->a.d[0], in->b.d[0], in->c.d[0]))
ONE(f64_fma, q, 64, (in->a.q[0], in->b.q[0], in->c.q[0]))
ALL(v_f32_fma, (in->a, in->b, in->c))
ALL(v_f64_fma, (in->a, in->b, in->c))
ALL(v_cvt_f16_f32, (in->a))
ALL(v_cvt_f32_f16, (in->a, in->c.d[0]))

void batch_init(void) { catch_traps(); }
