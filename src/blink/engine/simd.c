/* What simd.h asks of the host, and its table. */
#include "simd.h"

#if defined(__x86_64__)
#include <cpuid.h>

bool simd_ssse3, simd_sse41;

/* Numbers of bytes between ones that stand for zero: an order for PSHUFB at any place within. */
#define NONE 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128
const u8 simd_bytes[64] = {NONE, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, NONE, NONE};

static __attribute__((constructor)) void find_simd(void) {
  enum { SSSE3 = 1 << 9, SSE41 = 1 << 19 };
  u32 a, b, c = 0, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return;
  simd_ssse3 = c & SSSE3;
  simd_sse41 = c & SSE41;
}
#endif
