/* Byte strings for decoder tests: random, but biased to what decoders get wrong.  Same seed, same
 * cases. */
#ifndef DECODE_CASES_H
#define DECODE_CASES_H
#include <string.h>

#include "types.h"

enum { CASE_BYTES = 32 };

typedef struct {
  u64 state; /* not 0 */
} Rng;

static inline u64 rng_next(Rng *rng) { /* xorshift64* */
  rng->state ^= rng->state >> 12;
  rng->state ^= rng->state << 25;
  rng->state ^= rng->state >> 27;
  return rng->state * 0x2545F4914F6CDD1Dull;
}

static inline u32 rng_below(Rng *rng, u32 n) { return (rng_next(rng) >> 32) * n >> 32; }

static inline bool rng_chance(Rng *rng, u32 percent) { return rng_below(rng, 100) < percent; }

static inline u8 *case_prefixes(Rng *rng, u8 *p, const u8 *from, u32 count, u32 most) {
  for (u32 n = rng_below(rng, most + 1); n > 0; n--) *p++ = from[rng_below(rng, count)];
  return p;
}

static inline u8 *case_legacy(Rng *rng, u8 *p) {
  static const u8 prefixes[] = {0x66, 0x66, 0xF2, 0xF3, 0x67, 0xF0, 0x2E, 0x36,
                                0x3E, 0x26, 0x64, 0x65, 0x48, 0x41, 0x44, 0x4F};
  p = case_prefixes(rng, p, prefixes, sizeof prefixes, rng_chance(rng, 2) ? 15 : 3);
  if (rng_chance(rng, 30)) *p++ = 0x40 | rng_below(rng, 16);
  u32 map = rng_below(rng, 4);
  if (map > 0) *p++ = 0x0F;
  if (map > 1) *p++ = map == 2 ? 0x38 : 0x3A;
  return p;
}

/* VEX.vvvv and the register extension bits are mostly the "nothing" pattern, or few would be valid. */
static inline u8 case_payload(Rng *rng, u8 nothing, u8 fixed, u8 random) {
  u8 mask = rng_chance(rng, 50) ? random : nothing | random;
  return rng_chance(rng, 50) ? (rng_next(rng) & mask) | nothing | fixed
                             : (rng_next(rng) & (nothing | random)) | fixed;
}

static inline u8 *case_vex(Rng *rng, u8 *p) {
  static const u8 prefixes[] = {0x67, 0x2E, 0x64, 0x65, 0x3E, 0x66, 0xF3, 0x48};
  p = case_prefixes(rng, p, prefixes, sizeof prefixes, rng_chance(rng, 20));
  if (rng_chance(rng, 30)) {
    *p++ = 0xC5;
    *p++ = case_payload(rng, 0xF8, 0, 0x07);
  } else {
    *p++ = 0xC4;
    *p++ = case_payload(rng, 0xE0, 0, 0) | (rng_chance(rng, 97) ? 1 + rng_below(rng, 3) : 0);
    *p++ = case_payload(rng, 0x78, 0, 0x87);
  }
  return p;
}

static inline u8 *case_evex(Rng *rng, u8 *p) {
  static const u8 prefixes[] = {0x67, 0x2E, 0x64, 0x65, 0x3E, 0x66, 0xF2, 0x41};
  static const u8 maps[] = {1, 2, 3, 5, 6, 1, 2, 3, 0, 4, 7};
  p = case_prefixes(rng, p, prefixes, sizeof prefixes, rng_chance(rng, 20));
  *p++ = 0x62;
  *p++ = case_payload(rng, 0xF0, 0, 0) | maps[rng_below(rng, sizeof maps)];
  *p++ = case_payload(rng, 0x78, rng_chance(rng, 98) ? 4 : 0, 0x83);
  *p++ = case_payload(rng, 0x08, 0, rng_chance(rng, 50) ? 0x61 : 0xF7);
  return p;
}

/* Fills `out` with a fresh case. */
static inline void case_make(Rng *rng, u8 out[CASE_BYTES]) {
  u8 *p = out;
  for (u32 i = 0; i < CASE_BYTES; i += 8) {
    u64 word = rng_next(rng);
    memcpy(out + i, &word, 8);
  }
  switch (rng_below(rng, 8)) {
  case 0: break;
  case 1:
  case 2:
  case 3: p = case_legacy(rng, p); break;
  case 4:
  case 5: p = case_vex(rng, p); break;
  default: p = case_evex(rng, p); break;
  }
  if (rng_chance(rng, 20)) p[1] = (p[1] & 0xC0) | 0x04; /* SIB; absolute and RIP-relative, too */
  if (rng_chance(rng, 10)) p[1] = (p[1] & 0x38) | 0x05;
}

#endif
