/* PDEP and PEXT: bits spread to, and gathered from, the ones of a mask; PCLMULQDQ. */
#include "bodies.h"
#include "ops.h"

u64 deposit_bits(Cpu *c, u64 source, u64 mask) {
  (void)c;
  u64 result = 0;
  for (; mask; mask &= mask - 1, source >>= 1) {
    if (source & 1) result |= mask & -mask;
  }
  return result;
}

u64 extract_bits(Cpu *c, u64 source, u64 mask) {
  (void)c;
  u64 result = 0;
  for (u32 i = 0; mask; mask &= mask - 1, i++) {
    if (source & mask & -mask) result |= (u64)1 << i;
  }
  return result;
}

V128 carryless_product(Cpu *c, u64 a, u64 b) {
  (void)c;
  u128 product = 0, shifted = a;
  for (; b; b >>= 1, shifted <<= 1) product ^= shifted & -(u128)(b & 1);
  return v_of(product);
}
