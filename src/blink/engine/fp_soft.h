/* The primitives of fp.h for hosts other than x86-64: functions of fp_soft.c, computed in integers.
 * Included by fp.h only. */
#ifndef BLINK_FP_SOFT_H
#define BLINK_FP_SOFT_H

/* The guest's MXCSR of this thread while it runs. */
extern _Thread_local u32 fp_mxcsr;
static inline void mxcsr_write(u32 guest) { fp_mxcsr = guest; }
static inline u32 mxcsr_read(void) { return fp_mxcsr; }
static inline void mxcsr_enter(u32 guest) { fp_mxcsr = guest; }
static inline u32 mxcsr_leave(void) { return fp_mxcsr; }

#define FP_DECLARE(N)                                  \
  u##N f##N##_add(u##N a, u##N b);                     \
  u##N f##N##_sub(u##N a, u##N b);                     \
  u##N f##N##_mul(u##N a, u##N b);                     \
  u##N f##N##_div(u##N a, u##N b);                     \
  u##N f##N##_min(u##N a, u##N b);                     \
  u##N f##N##_max(u##N a, u##N b);                     \
  u##N f##N##_sqrt(u##N a);                            \
  u##N f##N##_cmp(u##N a, u##N b, u32 pred);           \
  u32 f##N##_comi(u##N a, u##N b);                     \
  u32 f##N##_ucomi(u##N a, u##N b);                    \
  u##N cvt_s32_f##N(u32 a);                            \
  u##N cvt_s64_f##N(u64 a);                            \
  u32 cvt_f##N##_s32(u##N a);                          \
  u64 cvt_f##N##_s64(u##N a);                          \
  u32 cvtt_f##N##_s32(u##N a);                         \
  u64 cvtt_f##N##_s64(u##N a);                         \
  V128 v_f##N##_add(V128 a, V128 b);                   \
  V128 v_f##N##_sub(V128 a, V128 b);                   \
  V128 v_f##N##_mul(V128 a, V128 b);                   \
  V128 v_f##N##_div(V128 a, V128 b);                   \
  V128 v_f##N##_min(V128 a, V128 b);                   \
  V128 v_f##N##_max(V128 a, V128 b);                   \
  V128 v_f##N##_sqrt(V128 a);                          \
  V128 v_f##N##_cmp(V128 a, V128 b, u32 pred);         \
  V256 y_f##N##_add(V128 a, V128 b, V128 ah, V128 bh); \
  V256 y_f##N##_sub(V128 a, V128 b, V128 ah, V128 bh); \
  V256 y_f##N##_mul(V128 a, V128 b, V128 ah, V128 bh); \
  V256 y_f##N##_div(V128 a, V128 b, V128 ah, V128 bh); \
  V256 y_f##N##_min(V128 a, V128 b, V128 ah, V128 bh); \
  V256 y_f##N##_max(V128 a, V128 b, V128 ah, V128 bh); \
  V256 y_f##N##_sqrt(V128 a, V128 ah);                 \
  V256 y_f##N##_cmp(V128 a, V128 b, V128 ah, V128 bh, u32 pred);

FP_DECLARE(32)
FP_DECLARE(64)
#undef FP_DECLARE

#define FP_DECLARE_FMA(N)                    \
  u##N f##N##_fma(u##N a, u##N b, u##N c);   \
  V128 v_f##N##_fma(V128 a, V128 b, V128 c); \
  V256 y_f##N##_fma(V128 a, V128 b, V128 c, V128 ah, V128 bh, V128 ch);

FP_DECLARE_FMA(32)
FP_DECLARE_FMA(64)
#undef FP_DECLARE_FMA

V128 v_cvt_f16_f32(V128 a);
V256 y_cvt_f16_f32(V128 a, V128 ah);
V128 v_cvt_f32_f16(V128 a, u32 control);
V256 y_cvt_f32_f16(V128 a, V128 ah, u32 control);

u64 cvt_f32_f64(u32 a);
u32 cvt_f64_f32(u64 a);
u32 f32_rcp(u32 a);
u32 f32_rsqrt(u32 a);
V128 v_f32_rcp(V128 a);
V128 v_f32_rsqrt(V128 a);
V128 v_cvt_s32_f32(V128 a);
V128 v_cvt_f32_s32(V128 a);
V128 v_cvtt_f32_s32(V128 a);
V128 v_cvt_s32_f64(V128 a);
V128 v_cvt_f64_s32(V128 a);
V128 v_cvtt_f64_s32(V128 a);
V128 v_cvt_f32_f64(V128 a);
V128 v_cvt_f64_f32(V128 a);
V256 y_f32_rcp(V128 a, V128 ah);
V256 y_f32_rsqrt(V128 a, V128 ah);
V256 y_cvt_s32_f32(V128 a, V128 ah);
V256 y_cvt_f32_s32(V128 a, V128 ah);
V256 y_cvtt_f32_s32(V128 a, V128 ah);
V256 y_cvt_s32_f64(V128 a, V128 ah);
V256 y_cvt_f64_s32(V128 a, V128 ah);
V256 y_cvtt_f64_s32(V128 a, V128 ah);
V256 y_cvt_f32_f64(V128 a, V128 ah);
V256 y_cvt_f64_f32(V128 a, V128 ah);

#endif
