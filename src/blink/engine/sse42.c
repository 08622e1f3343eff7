/* SSE4.2: comparison of strings in registers (SDM volume 2, 4.1) and CRC-32C.
 *
 * `control` is the immediate: bit 0 words, bit 1 signed, bits 3..2 how to compare, bits 5..4
 * polarity, bit 6 the last index or a mask of whole elements.
 */
#include "bodies.h"

enum { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };

typedef struct {
  V128 a, b;
  u32 la, lb; /* valid elements */
  u8 control;
} Strings;

static u32 element_count(u8 control) { return control & 1 ? 8 : 16; }

static s32 element(const V128 *v, u32 i, u8 control) {
  switch (control & 3) {
  case 0: return v->b[i];
  case 1: return v->w[i];
  case 2: return (s8)v->b[i];
  default: return (s16)v->w[i];
  }
}

static s32 at_a(const Strings *s, u32 i) { return element(&s->a, i, s->control); }

static s32 at_b(const Strings *s, u32 i) { return element(&s->b, i, s->control); }

static bool equals_any(const Strings *s, u32 i) {
  for (u32 j = 0; i < s->lb && j < s->la; j++) {
    if (at_a(s, j) == at_b(s, i)) return true;
  }
  return false;
}

static bool in_a_range(const Strings *s, u32 i) {
  for (u32 j = 0; i < s->lb && j + 1 < s->la; j += 2) {
    if (at_a(s, j) <= at_b(s, i) && at_b(s, i) <= at_a(s, j + 1)) return true;
  }
  return false;
}

static bool equals(const Strings *s, u32 i) {
  if (i >= s->la || i >= s->lb) return i >= s->la && i >= s->lb;
  return at_a(s, i) == at_b(s, i);
}

/* Whether all of `a` is found in `b` from i on, as far as the register goes. */
static bool begins_at(const Strings *s, u32 i) {
  u32 count = element_count(s->control);
  for (u32 j = 0; j < s->la && i + j < count; j++) {
    if (i + j >= s->lb || at_a(s, j) != at_b(s, i + j)) return false;
  }
  return true;
}

static bool matches(const Strings *s, u32 i) {
  switch (s->control >> 2 & 3) {
  case EQUAL_ANY: return equals_any(s, i);
  case RANGES: return in_a_range(s, i);
  case EQUAL_EACH: return equals(s, i);
  default: return begins_at(s, i);
  }
}

/* One bit for each element of `b`. */
u16 compare_strings(Cpu *c, V128 a, V128 b, u8 la, u8 lb, u8 control) {
  (void)c;
  const Strings s = {a, b, la, lb, control};
  u32 count = element_count(control), result = 0;
  for (u32 i = 0; i < count; i++) result |= (u32)matches(&s, i) << i;
  if (control & 0x10) result ^= control & 0x20 ? (1u << lb) - 1 : ~0u;
  return (u16)(result & ((1u << count) - 1));
}

u8 string_length(Cpu *c, V128 v, u8 control) {
  (void)c;
  u32 count = element_count(control), n = 0;
  while (n < count && element(&v, n, control)) n++;
  return (u8)n;
}

u32 string_flags(Cpu *c, u16 found, u8 la, u8 lb, u8 control) {
  (void)c;
  u32 count = element_count(control), flags = found ? FLAG_CF : 0;
  if (found & 1) flags |= FLAG_OF;
  if (lb < count) flags |= FLAG_ZF;
  return la < count ? flags | FLAG_SF : flags;
}

u32 string_index(Cpu *c, u16 found, u8 control) {
  (void)c;
  if (!found) return element_count(control);
  return control & 0x40 ? 31 - (u32)__builtin_clz(found) : (u32)__builtin_ctz(found);
}

V128 string_mask(Cpu *c, u16 found, u8 control) {
  (void)c;
  V128 mask = {.q = {found, 0}};
  if (!(control & 0x40)) return mask;
  for (u32 i = 0; i < element_count(control); i++) {
    u16 bits = found >> i & 1 ? 0xffff : 0;
    if (control & 1) mask.w[i] = bits;
    else mask.b[i] = (u8)bits;
  }
  return mask;
}

/* The remainders of the 16 nibbles, polynomial 0x11EDC6F41 with its bits reflected. */
static const u32 crc_nibbles[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};

u32 crc32c(Cpu *c, u32 crc, u64 data, u32 bits) {
  (void)c;
  for (; bits; bits -= 4, data >>= 4) crc = crc >> 4 ^ crc_nibbles[(crc ^ data) & 15];
  return crc;
}
