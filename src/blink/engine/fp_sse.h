/* The primitives of fp.h on x86-64 hosts: one SSE instruction each.  Included by fp.h only.
 *
 * Everything is `asm volatile`: a result that nobody reads still sets sticky flags or traps.
 */
#ifndef BLINK_FP_SSE_H
#define BLINK_FP_SSE_H
#include <emmintrin.h>
#include <string.h>

static ALWAYS_INLINE void mxcsr_write(u32 guest) {
  __asm__ volatile("ldmxcsr %0" : : "m"(guest) : "memory");
}

static ALWAYS_INLINE u32 mxcsr_read(void) {
  u32 guest;
  __asm__ volatile("stmxcsr %0" : "=m"(guest) : : "memory");
  return guest;
}

static ALWAYS_INLINE void mxcsr_enter(u32 guest) { mxcsr_write(guest); }

static ALWAYS_INLINE u32 mxcsr_leave(void) {
  u32 guest = mxcsr_read();
  mxcsr_write(MXCSR_INIT);
  return guest;
}

/* Bit patterns to and from SSE registers. */
static ALWAYS_INLINE __m128i fp_x32(u32 a) { return _mm_cvtsi32_si128((s32)a); }

static ALWAYS_INLINE __m128i fp_x64(u64 a) { return _mm_cvtsi64_si128((s64)a); }

static ALWAYS_INLINE u32 fp_u32(__m128i x) { return (u32)_mm_cvtsi128_si32(x); }

static ALWAYS_INLINE u64 fp_u64(__m128i x) { return (u64)_mm_cvtsi128_si64(x); }

static ALWAYS_INLINE __m128i fp_xv(V128 v) {
  __m128i x;
  memcpy(&x, &v, sizeof x);
  return x;
}

static ALWAYS_INLINE V128 fp_v(__m128i x) {
  V128 v;
  memcpy(&v, &x, sizeof v);
  return v;
}

#define FP_ASM2(insn, x, y) __asm__ volatile(insn " %1, %0" : "+x"(x) : "x"(y) : "memory")

#define FP_BINARY(type, name, insn, in, out)       \
  static ALWAYS_INLINE type name(type a, type b) { \
    __m128i x = in(a);                             \
    FP_ASM2(insn, x, in(b));                       \
    return out(x);                                 \
  }

/* The destination starts as zero: no dependency on an old register, and upper lanes are 0. */
#define FP_UNARY(to, from, name, insn, in, out) \
  static ALWAYS_INLINE to name(from a) {        \
    __m128i x = _mm_setzero_si128();            \
    FP_ASM2(insn, x, in(a));                    \
    return out(x);                              \
  }

#define FP_ARITH(op)                                 \
  FP_BINARY(u32, f32_##op, #op "ss", fp_x32, fp_u32) \
  FP_BINARY(u64, f64_##op, #op "sd", fp_x64, fp_u64) \
  FP_BINARY(V128, v_f32_##op, #op "ps", fp_xv, fp_v) \
  FP_BINARY(V128, v_f64_##op, #op "pd", fp_xv, fp_v)

FP_ARITH(add)
FP_ARITH(sub)
FP_ARITH(mul)
FP_ARITH(div)
FP_ARITH(min)
FP_ARITH(max)

FP_UNARY(u32, u32, f32_sqrt, "sqrtss", fp_x32, fp_u32)
FP_UNARY(u64, u64, f64_sqrt, "sqrtsd", fp_x64, fp_u64)
FP_UNARY(V128, V128, v_f32_sqrt, "sqrtps", fp_xv, fp_v)
FP_UNARY(V128, V128, v_f64_sqrt, "sqrtpd", fp_xv, fp_v)
FP_UNARY(u32, u32, f32_rcp, "rcpss", fp_x32, fp_u32)
FP_UNARY(u32, u32, f32_rsqrt, "rsqrtss", fp_x32, fp_u32)
FP_UNARY(V128, V128, v_f32_rcp, "rcpps", fp_xv, fp_v)
FP_UNARY(V128, V128, v_f32_rsqrt, "rsqrtps", fp_xv, fp_v)

FP_UNARY(u64, u32, cvt_f32_f64, "cvtss2sd", fp_x32, fp_u64)
FP_UNARY(u32, u64, cvt_f64_f32, "cvtsd2ss", fp_x64, fp_u32)
FP_UNARY(V128, V128, v_cvt_s32_f32, "cvtdq2ps", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvt_f32_s32, "cvtps2dq", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvtt_f32_s32, "cvttps2dq", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvt_s32_f64, "cvtdq2pd", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvt_f64_s32, "cvtpd2dq", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvtt_f64_s32, "cvttpd2dq", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvt_f32_f64, "cvtps2pd", fp_xv, fp_v)
FP_UNARY(V128, V128, v_cvt_f64_f32, "cvtpd2ps", fp_xv, fp_v)

#define FP_FROM_INT(to, from, name, insn, out)                      \
  static ALWAYS_INLINE to name(from a) {                            \
    __m128i x = _mm_setzero_si128();                                \
    __asm__ volatile(insn " %1, %0" : "+x"(x) : "r"(a) : "memory"); \
    return out(x);                                                  \
  }

FP_FROM_INT(u32, u32, cvt_s32_f32, "cvtsi2ssl", fp_u32)
FP_FROM_INT(u32, u64, cvt_s64_f32, "cvtsi2ssq", fp_u32)
FP_FROM_INT(u64, u32, cvt_s32_f64, "cvtsi2sdl", fp_u64)
FP_FROM_INT(u64, u64, cvt_s64_f64, "cvtsi2sdq", fp_u64)

#define FP_TO_INT(to, from, name, insn, in)                             \
  static ALWAYS_INLINE to name(from a) {                                \
    to r;                                                               \
    __asm__ volatile(insn " %1, %0" : "=r"(r) : "x"(in(a)) : "memory"); \
    return r;                                                           \
  }

FP_TO_INT(u32, u32, cvt_f32_s32, "cvtss2si", fp_x32)
FP_TO_INT(u64, u32, cvt_f32_s64, "cvtss2si", fp_x32)
FP_TO_INT(u32, u64, cvt_f64_s32, "cvtsd2si", fp_x64)
FP_TO_INT(u64, u64, cvt_f64_s64, "cvtsd2si", fp_x64)
FP_TO_INT(u32, u32, cvtt_f32_s32, "cvttss2si", fp_x32)
FP_TO_INT(u64, u32, cvtt_f32_s64, "cvttss2si", fp_x32)
FP_TO_INT(u32, u64, cvtt_f64_s32, "cvttsd2si", fp_x64)
FP_TO_INT(u64, u64, cvtt_f64_s64, "cvttsd2si", fp_x64)

#define FP_COMPARE(type, name, insn, in)                  \
  static ALWAYS_INLINE u32 name(type a, type b) {         \
    u32 z, p, c;                                          \
    __asm__ volatile(insn " %4, %3"                       \
                     : "=@ccz"(z), "=@ccp"(p), "=@ccc"(c) \
                     : "x"(in(a)), "x"(in(b))             \
                     : "memory");                         \
    return z * FP_ZF | p * FP_PF | c * FP_CF;             \
  }

FP_COMPARE(u32, f32_comi, "comiss", fp_x32)
FP_COMPARE(u32, f32_ucomi, "ucomiss", fp_x32)
FP_COMPARE(u64, f64_comi, "comisd", fp_x64)
FP_COMPARE(u64, f64_ucomi, "ucomisd", fp_x64)

/* Predicates 8..31 exist only in AVX, which the host may lack.  Bits of a row: 1 less, 2 equal,
 * 4 greater, 8 unordered (SDM volume 2, VCMPPD); 16..31 repeat 0..15 with quiet and signalling
 * exchanged. */
static const u8 fp_predicates[16] = {2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15};

static ALWAYS_INLINE bool fp_signals(u32 pred) {
  return ((0x6666u >> (pred & 15)) ^ (pred >> 4)) & 1;
}

static ALWAYS_INLINE __m128i fp_mask(bool on) { return _mm_set1_epi32(on ? -1 : 0); }

/* A first comparison raises what the predicate would.  The others see no NaNs, so they raise nothing
 * more.  Scalars come here with zeros in the upper lanes. */
#define FP_CMP_ANY(name, insn)                                                           \
  static NOINLINE __attribute__((unused)) __m128i name(__m128i a, __m128i b, u32 pred) { \
    __m128i lt = a, eq = a, un = a, bits = _mm_setzero_si128();                          \
    if (fp_signals(pred)) FP_ASM2("cmplt" insn, lt, b);                                  \
    else FP_ASM2("cmpeq" insn, eq, b);                                                   \
    FP_ASM2("cmpunord" insn, un, b);                                                     \
    lt = eq = _mm_andnot_si128(un, a);                                                   \
    b = _mm_andnot_si128(un, b);                                                         \
    FP_ASM2("cmplt" insn, lt, b);                                                        \
    FP_ASM2("cmpeq" insn, eq, b);                                                        \
    eq = _mm_andnot_si128(un, eq);                                                       \
    u32 row = fp_predicates[pred & 15];                                                  \
    bits = _mm_or_si128(bits, _mm_and_si128(lt, fp_mask(row & 1)));                      \
    bits = _mm_or_si128(bits, _mm_and_si128(eq, fp_mask(row & 2)));                      \
    lt = _mm_or_si128(_mm_or_si128(lt, eq), un);                                         \
    bits = _mm_or_si128(bits, _mm_andnot_si128(lt, fp_mask(row & 4)));                   \
    return _mm_or_si128(bits, _mm_and_si128(un, fp_mask(row & 8)));                      \
  }

FP_CMP_ANY(fp_cmp_any32, "ps")
FP_CMP_ANY(fp_cmp_any64, "pd")

/* A switch, because an "i" constraint needs a constant even at -O0. */
#define FP_CMP(type, name, insn, any, in, out)               \
  static ALWAYS_INLINE type name(type a, type b, u32 pred) { \
    __m128i x = in(a), y = in(b);                            \
    switch (pred) {                                          \
    case 0: FP_ASM2("cmpeq" insn, x, y); break;              \
    case 1: FP_ASM2("cmplt" insn, x, y); break;              \
    case 2: FP_ASM2("cmple" insn, x, y); break;              \
    case 3: FP_ASM2("cmpunord" insn, x, y); break;           \
    case 4: FP_ASM2("cmpneq" insn, x, y); break;             \
    case 5: FP_ASM2("cmpnlt" insn, x, y); break;             \
    case 6: FP_ASM2("cmpnle" insn, x, y); break;             \
    case 7: FP_ASM2("cmpord" insn, x, y); break;             \
    default: return out(any(x, y, pred));                    \
    }                                                        \
    return out(x);                                           \
  }

FP_CMP(u32, f32_cmp, "ss", fp_cmp_any32, fp_x32, fp_u32)
FP_CMP(u64, f64_cmp, "sd", fp_cmp_any64, fp_x64, fp_u64)
FP_CMP(V128, v_f32_cmp, "ps", fp_cmp_any32, fp_xv, fp_v)
FP_CMP(V128, v_f64_cmp, "pd", fp_cmp_any64, fp_xv, fp_v)

#undef FP_ASM2
#undef FP_BINARY
#undef FP_UNARY
#undef FP_ARITH
#undef FP_FROM_INT
#undef FP_TO_INT
#undef FP_COMPARE
#undef FP_CMP
#undef FP_CMP_ANY

#endif
