/* The primitives of fp.h on 256 bits, for x86-64 hosts.  Included by fp.h only.
 *
 * The two halves are one operation: it raises the exceptions of all lanes at once.  Hosts without AVX
 * compute the halves one after the other; when an exception is unmasked, MXCSR may there show what
 * only one of them raised.
 *
 * The engine is compiled for SSE2, so the upper halves of host registers are nobody's: each `asm`
 * puts a register together, and leaves with VZEROUPPER.
 */
#ifndef BLINK_FP_AVX_H
#define BLINK_FP_AVX_H

#define FP_JOIN(low, high) "vinsertf128 $1, %" high ", %t" low ", %t" low "\n\t"
#define FP_SPLIT(low, high) "\n\tvextractf128 $1, %t" low ", %" high "\n\tvzeroupper"

static ALWAYS_INLINE V256 fp_y(V128 low, V128 high) { return (V256){.x = {low, high}}; }

#define FP_BINARY256(name, insn)                                                                  \
  static ALWAYS_INLINE V256 y_##name(V128 a, V128 b, V128 ah, V128 bh) {                          \
    __m128i x = fp_xv(a), y = fp_xv(b), xh = fp_xv(ah), yh = fp_xv(bh);                           \
    if (unlikely(!fp_host_avx)) return fp_y(v_##name(a, b), v_##name(ah, bh));                    \
    __asm__ volatile(FP_JOIN("0", "2") FP_JOIN("1", "3") insn " %t1, %t0, %t0" FP_SPLIT("0", "2") \
                     : "+&x"(x), "+&x"(y), "+&x"(xh)                                              \
                     : "x"(yh)                                                                    \
                     : "memory");                                                                 \
    return fp_y(fp_v(x), fp_v(xh));                                                               \
  }

#define FP_UNARY256(name, insn)                                            \
  static ALWAYS_INLINE V256 y_##name(V128 a, V128 ah) {                    \
    __m128i x = fp_xv(a), xh = fp_xv(ah);                                  \
    if (unlikely(!fp_host_avx)) return fp_y(v_##name(a), v_##name(ah));    \
    __asm__ volatile(FP_JOIN("0", "1") insn " %t0, %t0" FP_SPLIT("0", "1") \
                     : "+&x"(x), "+&x"(xh)                                 \
                     :                                                     \
                     : "memory");                                          \
    return fp_y(fp_v(x), fp_v(xh));                                        \
  }

/* From the low halves of a and ah, four lanes of 32 bits. */
#define FP_WIDEN256(name, insn)                                                             \
  static ALWAYS_INLINE V256 y_##name(V128 a, V128 ah) {                                     \
    __m128i x = _mm_unpacklo_epi64(fp_xv(a), fp_xv(ah)), xh;                                \
    if (unlikely(!fp_host_avx)) return fp_y(v_##name(a), v_##name(ah));                     \
    __asm__ volatile(insn " %0, %t0" FP_SPLIT("0", "1") : "+&x"(x), "=x"(xh) : : "memory"); \
    return fp_y(fp_v(x), fp_v(xh));                                                         \
  }

/* To the low halves of the two results. */
#define FP_NARROW256(name, insn)                                        \
  static ALWAYS_INLINE V256 y_##name(V128 a, V128 ah) {                 \
    __m128i x = fp_xv(a), xh = fp_xv(ah);                               \
    if (unlikely(!fp_host_avx)) return fp_y(v_##name(a), v_##name(ah)); \
    __asm__ volatile(FP_JOIN("0", "1") insn " %t0, %0\n\tvzeroupper"    \
                     : "+&x"(x), "+&x"(xh)                              \
                     :                                                  \
                     : "memory");                                       \
    V128 r = fp_v(x);                                                   \
    return fp_y((V128){.q = {r.q[0], 0}}, (V128){.q = {r.q[1], 0}});    \
  }

#define FP_ARITH256(op)                \
  FP_BINARY256(f32_##op, "v" #op "ps") \
  FP_BINARY256(f64_##op, "v" #op "pd")

FP_ARITH256(add)
FP_ARITH256(sub)
FP_ARITH256(mul)
FP_ARITH256(div)
FP_ARITH256(min)
FP_ARITH256(max)
FP_UNARY256(f32_sqrt, "vsqrtps")
FP_UNARY256(f64_sqrt, "vsqrtpd")
FP_UNARY256(f32_rcp, "vrcpps")
FP_UNARY256(f32_rsqrt, "vrsqrtps")
FP_UNARY256(cvt_s32_f32, "vcvtdq2ps")
FP_UNARY256(cvt_f32_s32, "vcvtps2dq")
FP_UNARY256(cvtt_f32_s32, "vcvttps2dq")
FP_WIDEN256(cvt_s32_f64, "vcvtdq2pd")
FP_WIDEN256(cvt_f32_f64, "vcvtps2pd")
FP_NARROW256(cvt_f64_s32, "vcvtpd2dq")
FP_NARROW256(cvtt_f64_s32, "vcvttpd2dq")
FP_NARROW256(cvt_f64_f32, "vcvtpd2ps")

/* A first comparison of all lanes raises what the wanted one would; that of the halves can then raise
 * no more. */
#define FP_CMP256(name, suffix)                                                             \
  static ALWAYS_INLINE V256 y_##name(V128 a, V128 b, V128 ah, V128 bh, u32 pred) {          \
    __m128i x = fp_xv(a), y = fp_xv(b), xh = fp_xv(ah), yh = fp_xv(bh);                     \
    if (likely(fp_host_avx)) {                                                              \
      if (fp_signals(pred))                                                                 \
        __asm__ volatile(FP_JOIN("0", "2") FP_JOIN("1", "3") "vcmplt" suffix                \
                                                             " %t1, %t0, %t0\n\tvzeroupper" \
                         : "+&x"(x), "+&x"(y)                                               \
                         : "x"(xh), "x"(yh)                                                 \
                         : "memory");                                                       \
      else                                                                                  \
        __asm__ volatile(FP_JOIN("0", "2") FP_JOIN("1", "3") "vcmpeq" suffix                \
                                                             " %t1, %t0, %t0\n\tvzeroupper" \
                         : "+&x"(x), "+&x"(y)                                               \
                         : "x"(xh), "x"(yh)                                                 \
                         : "memory");                                                       \
    }                                                                                       \
    return fp_y(v_##name(a, b, pred), v_##name(ah, bh, pred));                              \
  }

FP_CMP256(f32_cmp, "ps")
FP_CMP256(f64_cmp, "pd")

/* --- FMA and F16C, or else the same in integers (fp_extra.c) --- */

u32 soft_f32_fma(u32 a, u32 b, u32 c);
u64 soft_f64_fma(u64 a, u64 b, u64 c);
V128 soft_v_f32_fma(V128 a, V128 b, V128 c);
V128 soft_v_f64_fma(V128 a, V128 b, V128 c);
V256 soft_y_f32_fma(V128 a, V128 b, V128 c, V128 ah, V128 bh, V128 ch);
V256 soft_y_f64_fma(V128 a, V128 b, V128 c, V128 ah, V128 bh, V128 ch);
V128 soft_v_cvt_f16_f32(V128 a);
V256 soft_y_cvt_f16_f32(V128 a, V128 ah);
V128 soft_v_cvt_f32_f16(V128 a, u32 control);
V256 soft_y_cvt_f32_f16(V128 a, V128 ah, u32 control);

#define FP_FMA(type, name, suffix, in, out)                  \
  static ALWAYS_INLINE type name(type a, type b, type c) {   \
    __m128i x = in(b);                                       \
    if (unlikely(!fp_host_fma)) return soft_##name(a, b, c); \
    __asm__ volatile("vfmadd213" suffix " %2, %1, %0"        \
                     : "+&x"(x)                              \
                     : "x"(in(a)), "x"(in(c))                \
                     : "memory");                            \
    return out(x);                                           \
  }

FP_FMA(u32, f32_fma, "ss", fp_x32, fp_u32)
FP_FMA(u64, f64_fma, "sd", fp_x64, fp_u64)
FP_FMA(V128, v_f32_fma, "ps", fp_xv, fp_v)
FP_FMA(V128, v_f64_fma, "pd", fp_xv, fp_v)

#define FP_FMA256(name, suffix)                                                                   \
  static ALWAYS_INLINE V256 y_##name(V128 a, V128 b, V128 c, V128 ah, V128 bh, V128 ch) {         \
    __m128i x = fp_xv(b), y = fp_xv(a), z = fp_xv(c), xh = fp_xv(bh);                             \
    if (unlikely(!fp_host_fma)) return soft_y_##name(a, b, c, ah, bh, ch);                        \
    __asm__ volatile(FP_JOIN("0", "3") FP_JOIN("1", "4")                                          \
                         FP_JOIN("2", "5") "vfmadd213" suffix " %t2, %t1, %t0" FP_SPLIT("0", "3") \
                     : "+&x"(x), "+&x"(y), "+&x"(z), "+&x"(xh)                                    \
                     : "x"(fp_xv(ah)), "x"(fp_xv(ch))                                             \
                     : "memory");                                                                 \
    return fp_y(fp_v(x), fp_v(xh));                                                               \
  }

FP_FMA256(f32_fma, "ps")
FP_FMA256(f64_fma, "pd")

static ALWAYS_INLINE V128 v_cvt_f16_f32(V128 a) {
  __m128i x = fp_xv(a);
  if (unlikely(!fp_host_f16c)) return soft_v_cvt_f16_f32(a);
  __asm__ volatile("vcvtph2ps %0, %0" : "+x"(x) : : "memory");
  return fp_v(x);
}

static ALWAYS_INLINE V256 y_cvt_f16_f32(V128 a, V128 ah) {
  __m128i x = _mm_unpacklo_epi64(fp_xv(a), fp_xv(ah)), xh;
  if (unlikely(!fp_host_f16c)) return soft_y_cvt_f16_f32(a, ah);
  __asm__ volatile("vcvtph2ps %0, %t0" FP_SPLIT("0", "1") : "+&x"(x), "=x"(xh) : : "memory");
  return fp_y(fp_v(x), fp_v(xh));
}

/* The rounding mode is part of the instruction. */
#define FP_TO_HALF(before, source, after)                                        \
  switch (control & 4 ? 4 : control & 3) {                                       \
  case 0: __asm__ volatile(before "vcvtps2ph $0, " source ", %0" after); break;  \
  case 1: __asm__ volatile(before "vcvtps2ph $1, " source ", %0" after); break;  \
  case 2: __asm__ volatile(before "vcvtps2ph $2, " source ", %0" after); break;  \
  case 3: __asm__ volatile(before "vcvtps2ph $3, " source ", %0" after); break;  \
  default: __asm__ volatile(before "vcvtps2ph $4, " source ", %0" after); break; \
  }
#define FP_NOTHING : "+&x"(x), "+&x"(xh) : : "memory"

static ALWAYS_INLINE V128 v_cvt_f32_f16(V128 a, u32 control) {
  __m128i x = fp_xv(a), xh = x;
  if (unlikely(!fp_host_f16c)) return soft_v_cvt_f32_f16(a, control);
  FP_TO_HALF("", "%0", FP_NOTHING)
  return fp_v(x);
}

static ALWAYS_INLINE V256 y_cvt_f32_f16(V128 a, V128 ah, u32 control) {
  __m128i x = fp_xv(a), xh = fp_xv(ah);
  if (unlikely(!fp_host_f16c)) return soft_y_cvt_f32_f16(a, ah, control);
  FP_TO_HALF(FP_JOIN("0", "1"), "%t0", "\n\tvzeroupper" FP_NOTHING)
  V128 r = fp_v(x);
  return fp_y((V128){.q = {r.q[0], 0}}, (V128){.q = {r.q[1], 0}});
}

#undef FP_FMA
#undef FP_FMA256
#undef FP_TO_HALF
#undef FP_NOTHING
#undef FP_BINARY256
#undef FP_UNARY256
#undef FP_WIDEN256
#undef FP_NARROW256
#undef FP_ARITH256
#undef FP_CMP256

#endif
