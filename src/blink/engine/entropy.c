/* What RDRAND and RDSEED return: the host's randomness, or a sequence that a number determines.
 *
 * The only place where a guest's registers get random numbers, so that a recording, or a machine that
 * must do the same twice, has one thing to replace.
 */
#include <sys/random.h>

#include "bodies.h"

/* SplitMix64: 2^64 steps without repetition from any start. */
static u64 next_of(u64 *state) {
  enum { SKIPPED = 1 }; /* zero means the host's randomness */
  *state += 0x9e3779b97f4a7c15ull;
  if (!*state) *state = SKIPPED;
  u64 z = *state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

u64 random_bits(Cpu *c) {
  if (c->entropy) return next_of(&c->entropy);
  u64 bits = 0;
  while (getrandom(&bits, sizeof bits, 0) != sizeof bits) {
  } /* interrupted while the host had not gathered enough since it started */
  return bits;
}
