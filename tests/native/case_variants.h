/* Variants of a case: the same instruction, its values at other places. */
#ifndef CASE_VARIANTS_H
#define CASE_VARIANTS_H
#include "cases.h"
#include "run.h"

enum { FX_ST = 32, FX_XMM = 160, COMPARED = 0xcd5 };

static u64 next_random(u64 *state) { /* SplitMix64 */
  u64 z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

/* Elements of 16 bytes, of which there are a power of two. */
static void rotate(u8 *at, u32 count, u32 by) {
  u8 old[256];
  memcpy(old, at, 16 * count);
  for (u32 i = 0; i < count; i++) memcpy(at + 16 * i, old + 16 * ((i + by) & (count - 1)), 16);
}

/* All but RSP. */
static void rotate_registers(u64 *gpr, u32 by) {
  u64 old[15];
  for (u32 i = 0, n = 0; i < 16; i++)
    if (i != RSP) old[n++] = gpr[i];
  for (u32 i = 0, n = 0; i < 16; i++)
    if (i != RSP) gpr[i] = old[(n++ + by) % 15];
}

/* The operand gets values that registers have, of the kind that the instruction takes. */
static void vary_memory(Input *in, u64 random) {
  Patch *patch = (Patch *)(in + 1);
  const u8 *vectors = in->fx + FX_XMM, *x87 = in->fx + FX_ST;
  for (u32 at = 0; at + 8 <= patch->len && at < 32; at += 16, random >>= 4) {
    const u8 *from = (const u8 *)&in->gpr[random & 15];
    u32 len = patch->len - at < 16 ? 8 : 16;
    if (in->vary & VARY_VECTORS) from = vectors + 16 * (random & 15);
    else if (in->vary & VARY_X87) from = x87 + 16 * (random & 7);
    else len = 8;
    memcpy((u8 *)(patch + 1) + at, from, len);
  }
}

static void vary(Input *in, u64 *random) {
  u64 r = next_random(random);
  if (in->vary & VARY_FLAGS) in->rflags = (in->rflags & ~(u64)COMPARED) | (r & COMPARED);
  if (in->vary & VARY_VECTORS) {
    rotate(in->fx + FX_XMM, 16, r >> 16 & 15);
    rotate(in->ymmh, 16, r >> 20 & 15);
  }
  if (in->vary & VARY_X87) rotate(in->fx + FX_ST, 8, r >> 24 & 7);
  if (in->vary & VARY_GPRS) rotate_registers(in->gpr, r >> 32 & 15);
  if (in->vary & VARY_MEMORY && in->patches == 1) vary_memory(in, r >> 40);
}

#endif
