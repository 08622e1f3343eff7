/* Division of 128 by 64 bits. */
#include "bodies.h"

static s128 wide(u64 high, u64 low) { return (s128)((u128)high << 64 | low); }

u64 udiv128(Cpu *c, u64 high, u64 low, u64 divisor) {
  (void)c;
  return (u64)(((u128)high << 64 | low) / divisor);
}

u64 urem128(Cpu *c, u64 high, u64 low, u64 divisor) {
  (void)c;
  return (u64)(((u128)high << 64 | low) % divisor);
}

/* The most negative dividend over -1 has no 128-bit quotient either, and C leaves it undefined. */
u8 idiv128_overflows(Cpu *c, u64 high, u64 low, u64 divisor) {
  (void)c;
  if (high == (u64)1 << 63 && !low && (s64)divisor == -1) return 1;
  s128 quotient = wide(high, low) / (s64)divisor;
  return quotient != (s64)quotient;
}

u64 idiv128(Cpu *c, u64 high, u64 low, u64 divisor) {
  (void)c;
  return (u64)(wide(high, low) / (s64)divisor);
}

u64 irem128(Cpu *c, u64 high, u64 low, u64 divisor) {
  (void)c;
  return (u64)(wide(high, low) % (s64)divisor);
}
