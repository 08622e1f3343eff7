/* FMA and 16-bit floating point in integers, for hosts that lack FMA and F16C; and whether they do. */
#include "forms.h"
#include "fp_env.h"

void (*fp_unmasked)(void);

#if defined(__x86_64__)
#include <cpuid.h>

bool fp_host_avx, fp_host_fma, fp_host_f16c;

/* AVX is usable when the system saves its state, too: XCR0 bits 1 and 2. */
static __attribute__((constructor)) void find_avx(void) {
  enum { FMA = 1 << 12, OSXSAVE = 1 << 27, AVX = 1 << 28, F16C = 1 << 29 };
  u32 a, b, c = 0, d, xcr0;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (OSXSAVE | AVX)) != (OSXSAVE | AVX)) return;
  __asm__("xgetbv" : "=a"(xcr0), "=d"(d) : "c"(0));
  if ((xcr0 & 6) != 6) return;
  fp_host_avx = true;
  fp_host_fma = c & FMA;
  fp_host_f16c = c & F16C;
}
#else
enum { fp_host_avx = false };
#endif

bool host_has_ymm(void) { return fp_host_avx; }

#if defined(__x86_64__) && !defined(BLINK_PORTABLE_FP)
#define NAME(name) soft_##name
#else
#define NAME(name) name
#endif

#define FMA(N, lanes, count)                                                                      \
  static u##N fma##N(SoftEnv *env, u##N a, u##N b, u##N c) {                                      \
    const SoftFormat *f = &soft_f##N;                                                             \
    SoftNumber x = soft_decode(f, of##N(a), env->daz), y = soft_decode(f, of##N(b), env->daz);    \
    return to##N(soft_fma(f, env, x, y, soft_decode(f, of##N(c), env->daz)));                     \
  }                                                                                               \
  u##N NAME(f##N##_fma)(u##N a, u##N b, u##N c) {                                                 \
    SoftEnv env = begin();                                                                        \
    u##N r = fma##N(&env, a, b, c);                                                               \
    end(&env);                                                                                    \
    return r;                                                                                     \
  }                                                                                               \
  static V128 fma_lanes##N(SoftEnv *env, V128 a, V128 b, V128 c) {                                \
    for (u32 i = 0; i < count; i++) a.lanes[i] = fma##N(env, a.lanes[i], b.lanes[i], c.lanes[i]); \
    return a;                                                                                     \
  }                                                                                               \
  V128 NAME(v_f##N##_fma)(V128 a, V128 b, V128 c) {                                               \
    SoftEnv env = begin();                                                                        \
    V128 r = fma_lanes##N(&env, a, b, c);                                                         \
    end(&env);                                                                                    \
    return r;                                                                                     \
  }                                                                                               \
  V256 NAME(y_f##N##_fma)(V128 a, V128 b, V128 c, V128 ah, V128 bh, V128 ch) {                    \
    SoftEnv env = begin();                                                                        \
    V256 r = {.x = {fma_lanes##N(&env, a, b, c), fma_lanes##N(&env, ah, bh, ch)}};                \
    end(&env);                                                                                    \
    return r;                                                                                     \
  }

FMA(32, d, 4)
FMA(64, q, 2)

/* DAZ does not count for 16-bit denormals, which raise nothing. */
static V128 from_half(SoftEnv *env, V128 a) {
  V128 r;
  env->daz = false;
  for (u32 i = 0; i < 4; i++)
    r.d[i] = to32(soft_convert(&soft_f16, &soft_f32, env, of16(a.w[i]), false));
  return r;
}

V128 NAME(v_cvt_f16_f32)(V128 a) {
  SoftEnv env = begin();
  V128 r = from_half(&env, a);
  end(&env);
  return r;
}

V256 NAME(y_cvt_f16_f32)(V128 a, V128 ah) {
  SoftEnv env = begin();
  V256 r = {.x = {from_half(&env, a), from_half(&env, ah)}};
  end(&env);
  return r;
}

/* FTZ does not count for 16-bit results. */
static V128 to_half(SoftEnv *env, V128 a, u32 control) {
  V128 r = {0};
  env->ftz = false;
  if (!(control & 4)) env->rounding = control & 3;
  for (u32 i = 0; i < 4; i++)
    r.w[i] = to16(soft_convert(&soft_f32, &soft_f16, env, of32(a.d[i]), true));
  return r;
}

V128 NAME(v_cvt_f32_f16)(V128 a, u32 control) {
  SoftEnv env = begin();
  V128 r = to_half(&env, a, control);
  end(&env);
  return r;
}

V256 NAME(y_cvt_f32_f16)(V128 a, V128 ah, u32 control) {
  SoftEnv env = begin();
  V256 r = {.x = {to_half(&env, a, control), to_half(&env, ah, control)}};
  end(&env);
  return r;
}
