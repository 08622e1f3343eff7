/* SSE floating-point primitives on bit patterns.  The code generator prints these names.
 *
 * Every function works under the guest's MXCSR (rounding, DAZ, FTZ, masks) and accumulates its
 * exception flags there, between mxcsr_enter() and mxcsr_leave().  Operand `a` is the instruction's
 * destination (the first source of the three-operand forms), `b` its source: which NaN survives
 * depends on the order.  blink.isa.softfloat.PRIMITIVES has a Python twin under each of these names.
 *
 *   name (N: 32 or 64; uN: u32 or u64)         instruction   result
 *   ------------------------------------------ ------------- ----------------------------------------
 *   uN fN_{add,sub,mul,div,min,max}(uN a, uN b) addss ...    min and max give b for NaNs and for two
 *                                                            zeros
 *   uN fN_sqrt(uN a)                           sqrtss/sd
 *   uN fN_cmp(uN a, uN b, u32 pred)            cmpss/sd      all ones or 0; pred 0..31 as in VCMPSS
 *   u32 fN_comi(uN a, uN b)                    comiss/sd     ZF, PF, CF at their EFLAGS positions;
 *   u32 fN_ucomi(uN a, uN b)                   ucomiss/sd    OF, AF and SF are to be cleared
 *   u32 f32_rcp(u32 a), f32_rsqrt(u32 a)       rcpss rsqrtss 12 bits, no exceptions
 *   uN cvt_s32_fN(u32 a), cvt_s64_fN(u64 a)    cvtsi2ss/sd
 *   u32 cvt_fN_s32(uN a), u64 cvt_fN_s64(uN a) cvtss2si ...  the "integer indefinite" 1 << 31 or 63
 *   u32 cvtt_fN_s32, u64 cvtt_fN_s64           cvttss2si ... for NaNs and values out of range
 *   u64 cvt_f32_f64(u32 a)                     cvtss2sd
 *   u32 cvt_f64_f32(u64 a)                     cvtsd2ss
 *
 *   V128 v_fN_{add,sub,mul,div,min,max}(a, b)  addps/pd ...
 *   V128 v_fN_sqrt(a), v_f32_{rcp,rsqrt}(a)    sqrtps/pd rcpps rsqrtps
 *   V128 v_fN_cmp(a, b, u32 pred)              cmpps/pd
 *   V128 v_cvt_s32_f32(a)                      cvtdq2ps      4 lanes; cvtpi2ps: zero the upper two
 *   V128 v_cvt_f32_s32(a), v_cvtt_f32_s32(a)   cvt(t)ps2dq   4 lanes; cvt(t)ps2pi: zero the upper two
 *   V128 v_cvt_s32_f64(a)                      cvtdq2pd      from the two low lanes; cvtpi2pd
 *   V128 v_cvt_f64_s32(a), v_cvtt_f64_s32(a)   cvt(t)pd2dq   two low lanes, rest 0; cvt(t)pd2pi
 *   V128 v_cvt_f32_f64(a)                      cvtps2pd      from the two low lanes
 *   V128 v_cvt_f64_f32(a)                      cvtpd2ps      two low lanes, rest 0
 *
 *
 *   uN fN_fma(uN a, uN b, uN c)                vfmadd..      a * b + c, rounded once; of NaNs the first
 *   V128 v_fN_fma(a, b, c)                                   of a, b, c
 *   V128 v_cvt_f16_f32(a)                      vcvtph2ps     from the four low lanes
 *   V128 v_cvt_f32_f16(a, u32 control)         vcvtps2ph     to the four low lanes, rest 0; `control` is
 *                                                            the immediate
 *
 *   V256 y_NAME(a.., ah..)                     vaddps ymm .. v_NAME of two halves (a.., then ah..), as
 *                                                            one operation
 *
 *   void mxcsr_enter(u32 guest)  begin to run the guest; all of the above is valid from here on
 *   u32 mxcsr_leave(void)        the guest's MXCSR; from here on the host's own C code may run
 *   u32 mxcsr_read(void)         stmxcsr, in between
 *   void mxcsr_write(u32 guest)  ldmxcsr, in between; bits outside MXCSR_MASK are the caller's #GP
 *
 * On x86-64 each primitive is that very instruction and the host's MXCSR holds the guest's value,
 * so an unmasked exception arrives as a host SIGFPE with MXCSR in its context.  They clobber "memory"
 * so that c->cur and the like are stored before.  Elsewhere (or with -DBLINK_PORTABLE_FP) they are
 * functions of fp_soft.c, exact as well, and an unmasked exception calls fp_unmasked().
 */
#ifndef BLINK_FP_H
#define BLINK_FP_H
#include "types.h"

enum {
  MXCSR_IE = 1 << 0,
  MXCSR_DE = 1 << 1,
  MXCSR_ZE = 1 << 2,
  MXCSR_OE = 1 << 3,
  MXCSR_UE = 1 << 4,
  MXCSR_PE = 1 << 5,
  MXCSR_FLAGS = 0x3f,
  MXCSR_DAZ = 1 << 6,
  MXCSR_MASKS_SHIFT = 7, /* masks of the six exceptions, in the order of the flags */
  MXCSR_RC_SHIFT = 13,   /* rounding control: nearest even, down, up, toward zero */
  MXCSR_FTZ = 1 << 15,
  MXCSR_INIT = 0x1f80,
  MXCSR_MASK = 0xffff
};

/* Called when an instruction that is computed in integers raised an unmasked exception; expected to leave
 * by #XM. */
extern void (*fp_unmasked)(void);

/* Results of the (u)comi functions. */
enum { FP_CF = 1 << 0, FP_PF = 1 << 2, FP_ZF = 1 << 6 };

#if defined(__x86_64__)
/* Found when the engine is loaded (fp_extra.c). */
extern __attribute__((visibility("hidden"))) bool fp_host_avx, fp_host_fma, fp_host_f16c;
#endif

#if defined(__x86_64__) && !defined(BLINK_PORTABLE_FP)
#include "fp_sse.h"
#include "fp_avx.h"
#else
#include "fp_soft.h"
#endif

#endif
