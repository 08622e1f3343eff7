/* Polynomials over GF(2): PCLMULQDQ's products, and inverses in the field of AES. */
#include "_generated_galois.h"
#include "bodies.h"
#include "ops.h"

/* Four bits of `b` at a time. */
V128 carryless_product(Cpu *c, u64 a, u64 b) {
  (void)c;
  u128 multiples[16];
  multiples[0] = 0;
  multiples[1] = a;
  for (u32 i = 2; i < 16; i++) multiples[i] = multiples[i / 2] << 1 ^ multiples[i & 1];
  u128 product = 0;
  for (u32 shift = 64; shift; shift -= 4) product = product << 4 ^ multiples[b >> (shift - 4) & 15];
  return v_of(product);
}

V128 invert_bytes(Cpu *c, V128 v) {
  (void)c;
  for (u32 i = 0; i < 16; i++) v.b[i] = inverses[v.b[i]];
  return v;
}
