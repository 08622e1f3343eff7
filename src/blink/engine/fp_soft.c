/* SSE floating point in integer arithmetic: the primitives of fp.h where the host has no SSE. */
#include "fp.h"

#if !defined(__x86_64__) || defined(BLINK_PORTABLE_FP)
#include "fp_env.h"

_Thread_local u32 fp_mxcsr = MXCSR_INIT;

/* --- One lane each, as lane_NAME(env, operands) --- */

static inline u32 compare(const SoftFormat *f, SoftEnv *env, SoftFields a, SoftFields b,
                          bool signaling) {
  return soft_compare(env, soft_decode(f, a, env->daz), soft_decode(f, b, env->daz), signaling);
}

/* MINSS, MAXSS: a if it compares as wanted, else b; as DAZ leaves it. */
static inline SoftFields select_if(const SoftFormat *f, SoftEnv *env, SoftFields a, SoftFields b,
                                   u32 wanted) {
  SoftFields r = compare(f, env, a, b, true) == wanted ? a : b;
  return soft_decode(f, r, env->daz).kind == ZERO ? soft_zero(r.sign) : r;
}

/* Relations for which VCMPPS predicates 0..15 hold; 16..31 repeat them with quiet and signalling
 * exchanged. */
static const u8 predicates[16] = {2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15};

static inline bool holds(const SoftFormat *f, SoftEnv *env, SoftFields a, SoftFields b, u32 pred) {
  bool signaling = ((0x6666u >> (pred & 15)) ^ (pred >> 4)) & 1;
  return predicates[pred & 15] & compare(f, env, a, b, signaling);
}

static inline u32 eflags(u32 relation) {
  if (relation == SOFT_UNORDERED) return FP_ZF | FP_PF | FP_CF;
  return relation == SOFT_EQUAL ? FP_ZF : relation == SOFT_LESS ? FP_CF : 0;
}

/* 12 bits of a normal number; tiny results are zero. */
static u32 approximation(u32 sign, u64 m, s32 e) {
  SoftEnv env = {.masks = MXCSR_FLAGS, .ftz = true};
  s32 extra = soft_length(m) - 12;
  bool inexact, up;
  m = soft_round(RC_NEAREST, 0, m, extra, &inexact, &up);
  return to32(soft_pack(&soft_f32, &env, sign, m, e + extra, 24, false));
}

static inline u32 lane_f32_rcp(SoftEnv *env, u32 a) {
  (void)env;
  SoftNumber x = soft_decode(&soft_f32, of32(a), true);
  if (x.kind >= QNAN) return to32(soft_quiet(&soft_f32, x));
  if (x.kind == ZERO) return to32(soft_inf(&soft_f32, x.sign));
  if (x.kind == INFINITE) return to32(soft_zero(x.sign));
  return approximation(x.sign, ((u64)1 << 62) / x.m << 1 | 1, -x.e - 63);
}

static inline u32 lane_f32_rsqrt(SoftEnv *env, u32 a) {
  (void)env;
  SoftNumber x = soft_decode(&soft_f32, of32(a), true);
  if (x.kind >= QNAN) return to32(soft_quiet(&soft_f32, x));
  if (x.kind == ZERO) return to32(soft_inf(&soft_f32, x.sign));
  if (x.sign) return to32(soft_default_nan(&soft_f32));
  if (x.kind == INFINITE) return 0;
  if (x.e & 1) {
    x.m <<= 1;
    x.e--;
  }
  u128 rest;
  u64 root = soft_root(((u128)1 << 88) / x.m, &rest);
  return approximation(0, root << 1 | 1, -x.e / 2 - 45);
}

#define ARITHMETIC(N, op, expression)                                 \
  static inline u##N lane_f##N##_##op(SoftEnv *env, u##N a, u##N b) { \
    const SoftFormat *f = &soft_f##N;                                 \
    SoftNumber x = soft_decode(f, of##N(a), env->daz);                \
    SoftNumber y = soft_decode(f, of##N(b), env->daz);                \
    return to##N(expression);                                         \
  }
#define SELECT(N, op, wanted)                                             \
  static inline u##N lane_f##N##_##op(SoftEnv *env, u##N a, u##N b) {     \
    return to##N(select_if(&soft_f##N, env, of##N(a), of##N(b), wanted)); \
  }

#define LANES(N)                                                                           \
  ARITHMETIC(N, add, soft_add(f, env, x, y, 0))                                            \
  ARITHMETIC(N, sub, soft_add(f, env, x, y, 1))                                            \
  ARITHMETIC(N, mul, soft_mul(f, env, x, y))                                               \
  ARITHMETIC(N, div, soft_div(f, env, x, y))                                               \
  SELECT(N, min, SOFT_LESS)                                                                \
  SELECT(N, max, SOFT_GREATER)                                                             \
  static inline u##N lane_f##N##_sqrt(SoftEnv *env, u##N a) {                              \
    return to##N(soft_sqrt(&soft_f##N, env, soft_decode(&soft_f##N, of##N(a), env->daz))); \
  }                                                                                        \
  static inline u##N lane_f##N##_cmp(SoftEnv *env, u##N a, u##N b, u32 pred) {             \
    return holds(&soft_f##N, env, of##N(a), of##N(b), pred) ? ~(u##N)0 : 0;                \
  }                                                                                        \
  static inline u32 lane_f##N##_comi(SoftEnv *env, u##N a, u##N b) {                       \
    return eflags(compare(&soft_f##N, env, of##N(a), of##N(b), true));                     \
  }                                                                                        \
  static inline u32 lane_f##N##_ucomi(SoftEnv *env, u##N a, u##N b) {                      \
    return eflags(compare(&soft_f##N, env, of##N(a), of##N(b), false));                    \
  }                                                                                        \
  static inline u##N lane_cvt_s32_f##N(SoftEnv *env, u32 a) {                              \
    return to##N(soft_from_int(&soft_f##N, env, (s32)a));                                  \
  }                                                                                        \
  static inline u##N lane_cvt_s64_f##N(SoftEnv *env, u64 a) {                              \
    return to##N(soft_from_int(&soft_f##N, env, (s64)a));                                  \
  }                                                                                        \
  static inline u32 lane_cvt_f##N##_s32(SoftEnv *env, u##N a) {                            \
    return (u32)soft_to_int(&soft_f##N, env, of##N(a), 32, env->rounding);                 \
  }                                                                                        \
  static inline u64 lane_cvt_f##N##_s64(SoftEnv *env, u##N a) {                            \
    return soft_to_int(&soft_f##N, env, of##N(a), 64, env->rounding);                      \
  }                                                                                        \
  static inline u32 lane_cvtt_f##N##_s32(SoftEnv *env, u##N a) {                           \
    return (u32)soft_to_int(&soft_f##N, env, of##N(a), 32, RC_TRUNCATE);                   \
  }                                                                                        \
  static inline u64 lane_cvtt_f##N##_s64(SoftEnv *env, u##N a) {                           \
    return soft_to_int(&soft_f##N, env, of##N(a), 64, RC_TRUNCATE);                        \
  }

LANES(32)
LANES(64)

static inline u64 lane_cvt_f32_f64(SoftEnv *env, u32 a) {
  return to64(soft_convert(&soft_f32, &soft_f64, env, of32(a), true));
}

static inline u32 lane_cvt_f64_f32(SoftEnv *env, u64 a) {
  return to32(soft_convert(&soft_f64, &soft_f32, env, of64(a), true));
}

/* --- The primitives: one lane or all --- */

#define PARAMS1(T) (T a)
#define PARAMS2(T) (T a, T b)
#define PARAMS3(T) (T a, T b, u32 pred)
#define ARGS1(x) (&env, a x)
#define ARGS2(x) (&env, a x, b x)
#define ARGS3(x) (&env, a x, b x, pred)

#define SCALAR(to, from, arity, name) \
  to name PARAMS##arity(from) {       \
    SoftEnv env = begin();            \
    to r = lane_##name ARGS##arity(); \
    end(&env);                        \
    return r;                         \
  }

/* From `count` lanes seen as member `from` to lanes seen as `to`; the rest is 0. */
#define NARROW(to, from, count, arity, name)                                     \
  V128 v_##name PARAMS##arity(V128) {                                            \
    SoftEnv env = begin();                                                       \
    V128 r = {0};                                                                \
    for (u32 i = 0; i < count; i++) r.to[i] = lane_##name ARGS##arity(.from[i]); \
    end(&env);                                                                   \
    return r;                                                                    \
  }

/* The same of two halves; `end` sees what all lanes raised. */
#define PAIR1() (V128 a, V128 ah)
#define PAIR2() (V128 a, V128 b, V128 ah, V128 bh)
#define PAIR3() (V128 a, V128 b, V128 ah, V128 bh, u32 pred)
#define HIGH1(x) (&env, ah x)
#define HIGH2(x) (&env, ah x, bh x)
#define HIGH3(x) (&env, ah x, bh x, pred)

#define WIDE(to, from, count, arity, name)              \
  V256 y_##name PAIR##arity() {                         \
    SoftEnv env = begin();                              \
    V256 r = {0};                                       \
    for (u32 i = 0; i < count; i++) {                   \
      r.x[0].to[i] = lane_##name ARGS##arity(.from[i]); \
      r.x[1].to[i] = lane_##name HIGH##arity(.from[i]); \
    }                                                   \
    end(&env);                                          \
    return r;                                           \
  }

#define PACKED(to, from, count, arity, name) \
  NARROW(to, from, count, arity, name)       \
  WIDE(to, from, count, arity, name)

#define BOTH(N, lanes, count, arity, name) \
  SCALAR(u##N, u##N, arity, f##N##_##name) \
  PACKED(lanes, lanes, count, arity, f##N##_##name)

#define PRIMITIVES(N, lanes, count)          \
  BOTH(N, lanes, count, 2, add)              \
  BOTH(N, lanes, count, 2, sub)              \
  BOTH(N, lanes, count, 2, mul)              \
  BOTH(N, lanes, count, 2, div)              \
  BOTH(N, lanes, count, 2, min)              \
  BOTH(N, lanes, count, 2, max)              \
  BOTH(N, lanes, count, 1, sqrt)             \
  BOTH(N, lanes, count, 3, cmp)              \
  SCALAR(u32, u##N, 2, f##N##_comi)          \
  SCALAR(u32, u##N, 2, f##N##_ucomi)         \
  SCALAR(u##N, u32, 1, cvt_s32_f##N)         \
  SCALAR(u##N, u64, 1, cvt_s64_f##N)         \
  SCALAR(u32, u##N, 1, cvt_f##N##_s32)       \
  SCALAR(u64, u##N, 1, cvt_f##N##_s64)       \
  SCALAR(u32, u##N, 1, cvtt_f##N##_s32)      \
  SCALAR(u64, u##N, 1, cvtt_f##N##_s64)      \
  PACKED(lanes, d, count, 1, cvt_s32_f##N)   \
  PACKED(d, lanes, count, 1, cvt_f##N##_s32) \
  PACKED(d, lanes, count, 1, cvtt_f##N##_s32)

PRIMITIVES(32, d, 4)
PRIMITIVES(64, q, 2)
BOTH(32, d, 4, 1, rcp)
BOTH(32, d, 4, 1, rsqrt)
SCALAR(u64, u32, 1, cvt_f32_f64)
SCALAR(u32, u64, 1, cvt_f64_f32)
PACKED(q, d, 2, 1, cvt_f32_f64)
PACKED(d, q, 2, 1, cvt_f64_f32)

#endif
