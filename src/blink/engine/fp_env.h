/* The guest's MXCSR as a SoftEnv, around one instruction; and bit patterns as fields.  For the C files
 * that compute SSE and AVX floating point in integers. */
#ifndef BLINK_FP_ENV_H
#define BLINK_FP_ENV_H
#include "fp.h"
#include "softfp.h"

static inline SoftEnv begin(void) {
  u32 mxcsr = mxcsr_read();
  return (SoftEnv){
      .rounding = mxcsr >> MXCSR_RC_SHIFT & 3,
      .masks = mxcsr >> MXCSR_MASKS_SHIFT & MXCSR_FLAGS,
      .precision = 64,
      .daz = mxcsr & MXCSR_DAZ,
      .ftz = mxcsr & MXCSR_FTZ,
  };
}

/* A trap before the computation (I, D, Z) in one lane hides what the computation raised in others. */
static inline void end(SoftEnv *env) {
  u32 flags = env->flags;
  if (flags & ~env->masks & SOFT_BEFORE) flags &= SOFT_BEFORE;
  if (flags) mxcsr_write(mxcsr_read() | flags);
  if (unlikely(flags & ~env->masks) && fp_unmasked) fp_unmasked();
}

static inline SoftFields of32(u32 a) { return (SoftFields){a & 0x7fffff, a >> 23 & 0xff, a >> 31}; }
static inline u32 to32(SoftFields r) { return r.sign << 31 | r.exp << 23 | (u32)r.m; }
static inline SoftFields of64(u64 a) {
  return (SoftFields){a & soft_ones(52), a >> 52 & 0x7ff, a >> 63};
}
static inline u64 to64(SoftFields r) { return (u64)r.sign << 63 | (u64)r.exp << 52 | r.m; }

static inline SoftFields of16(u32 a) {
  return (SoftFields){a & 0x3ff, a >> 10 & 0x1f, a >> 15 & 1};
}
static inline u16 to16(SoftFields r) { return (u16)(r.sign << 15 | r.exp << 10 | (u32)r.m); }

#endif
