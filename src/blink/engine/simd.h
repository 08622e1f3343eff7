/* What the host's SIMD unit computes for the interpreter: isa/host_simd.py has the names.
 *
 * The engine is compiled for SSE2; what came later is `asm` behind a test of the host.  Nothing here
 * touches MXCSR or the upper halves of host registers.  Where SIMD_level is 0, a function is there
 * for the compiler only, and the C of the instruction's definition runs.
 */
#ifndef BLINK_SIMD_H
#define BLINK_SIMD_H
#include "types.h"

/* BINARY: of two vectors, COUNTED: of a vector and a count; with the compiler's names. */
/* clang-format off */
#define SIMD_FIRST(BINARY, COUNTED)                                                              \
  BINARY(paddsb, adds_epi8) BINARY(paddsw, adds_epi16) BINARY(paddusb, adds_epu8)                \
  BINARY(paddusw, adds_epu16) BINARY(psubsb, subs_epi8) BINARY(psubsw, subs_epi16)               \
  BINARY(psubusb, subs_epu8) BINARY(psubusw, subs_epu16) BINARY(pavgb, avg_epu8)                 \
  BINARY(pavgw, avg_epu16) BINARY(pmulhw, mulhi_epi16) BINARY(pmulhuw, mulhi_epu16)              \
  BINARY(pmuludq, mul_epu32) BINARY(pmaddwd, madd_epi16) BINARY(psadbw, sad_epu8)                \
  BINARY(packsswb, packs_epi16) BINARY(packssdw, packs_epi32) BINARY(packuswb, packus_epi16)     \
  BINARY(punpcklbw, unpacklo_epi8) BINARY(punpcklwd, unpacklo_epi16)                             \
  BINARY(punpckldq, unpacklo_epi32) BINARY(punpcklqdq, unpacklo_epi64)                           \
  BINARY(punpckhbw, unpackhi_epi8) BINARY(punpckhwd, unpackhi_epi16)                             \
  BINARY(punpckhdq, unpackhi_epi32) BINARY(punpckhqdq, unpackhi_epi64)                           \
  BINARY(psrlw, srl_epi16) BINARY(psrld, srl_epi32) BINARY(psrlq, srl_epi64)                     \
  BINARY(psllw, sll_epi16) BINARY(pslld, sll_epi32) BINARY(psllq, sll_epi64)                     \
  BINARY(psraw, sra_epi16) BINARY(psrad, sra_epi32) COUNTED(psrlwi, srl_epi16)                   \
  COUNTED(psrldi, srl_epi32) COUNTED(psrlqi, srl_epi64) COUNTED(psllwi, sll_epi16)               \
  COUNTED(pslldi, sll_epi32) COUNTED(psllqi, sll_epi64) COUNTED(psrawi, sra_epi16)               \
  COUNTED(psradi, sra_epi32)
/* clang-format on */

/* Of two vectors, and later than SSE2. */
/* clang-format off */
#define SIMD_LATER(BINARY)                                                                       \
  BINARY(pshufb) BINARY(pmaddubsw) BINARY(pmulhrsw) BINARY(psignb) BINARY(psignw)                \
  BINARY(psignd) BINARY(phaddw) BINARY(phaddd) BINARY(phaddsw) BINARY(phsubw) BINARY(phsubd)     \
  BINARY(phsubsw) BINARY(packusdw) BINARY(pmuldq) BINARY(pmulld)
/* clang-format on */

#if defined(__x86_64__)
#include <emmintrin.h>

extern __attribute__((visibility("hidden"))) bool simd_ssse3, simd_sse41;
extern __attribute__((visibility("hidden"))) const u8 simd_bytes[64];

#define SIMD_SSE2 1
#define SIMD_SSSE3 likely(simd_ssse3)
#define SIMD_SSE41 likely(simd_sse41)

static ALWAYS_INLINE __m128i simd_of(V128 v) {
  __m128i x;
  __builtin_memcpy(&x, &v, sizeof x);
  return x;
}

static ALWAYS_INLINE V128 simd_to(__m128i x) {
  V128 v;
  __builtin_memcpy(&v, &x, sizeof v);
  return v;
}

#define SIMD_BINARY(name, intrinsic)                         \
  static ALWAYS_INLINE V128 simd_##name(V128 a, V128 b) {    \
    return simd_to(_mm_##intrinsic(simd_of(a), simd_of(b))); \
  }

#define SIMD_COUNTED(name, intrinsic)                                      \
  static ALWAYS_INLINE V128 simd_##name(V128 a, u8 count) {                \
    return simd_to(_mm_##intrinsic(simd_of(a), _mm_cvtsi32_si128(count))); \
  }

#define SIMD_ASM(name)                                    \
  static ALWAYS_INLINE V128 simd_##name(V128 a, V128 b) { \
    __m128i x = simd_of(a), y = simd_of(b);               \
    __asm__(#name " %1, %0" : "+x"(x) : "x"(y));          \
    return simd_to(x);                                    \
  }

SIMD_FIRST(SIMD_BINARY, SIMD_COUNTED)
SIMD_LATER(SIMD_ASM)

static ALWAYS_INLINE u32 simd_pmovmskb(V128 a) { return (u32)_mm_movemask_epi8(simd_of(a)); }

/* Byte i of the result is byte i + from - 16 of `a`, or zero where there is none. */
static ALWAYS_INLINE V128 simd_slide(V128 a, u32 from) {
  __m128i order = _mm_loadu_si128((const __m128i *)(simd_bytes + from));
  return simd_pshufb(a, simd_to(order));
}

static ALWAYS_INLINE V128 simd_psrldqi(V128 a, u8 n) {
  return simd_slide(a, 16 + (n < 16 ? n : 16));
}

static ALWAYS_INLINE V128 simd_pslldqi(V128 a, u8 n) {
  return simd_slide(a, 16 - (n < 16 ? n : 16));
}

static ALWAYS_INLINE V128 simd_palignr(V128 high, V128 low, u8 count) {
  u32 n = count < 32 ? count : 32;
  __m128i x = simd_of(simd_slide(low, 16 + n)), y = simd_of(simd_slide(high, n));
  return simd_to(_mm_or_si128(x, y));
}

#else

#define SIMD_SSE2 0
#define SIMD_SSSE3 0
#define SIMD_SSE41 0
#define SIMD_NO_BINARY(name, ...) \
  static inline V128 simd_##name(V128 a, V128 b) { return (void)b, a; }
#define SIMD_NO_COUNTED(name, ...) \
  static inline V128 simd_##name(V128 a, u8 n) { return (void)n, a; }
SIMD_FIRST(SIMD_NO_BINARY, SIMD_NO_COUNTED)
SIMD_LATER(SIMD_NO_BINARY)
SIMD_NO_COUNTED(psrldqi)
SIMD_NO_COUNTED(pslldqi)
static inline u32 simd_pmovmskb(V128 a) { return a.b[0]; }
static inline V128 simd_palignr(V128 a, V128 b, u8 n) { return (void)b, (void)n, a; }

#endif
#endif
