/* PDEP and PEXT: bits spread to, and gathered from, the ones of a mask. */
#include "bodies.h"

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
