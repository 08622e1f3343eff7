/* build: twice */
/* REP string instructions.  Registers are committed after every element or run of elements, before
 * the next access: a fault finds the state of the element that met it. */
#include "bodies.h"

#include <string.h>

#include "memory.h"
#include "ops.h"

static bool down(const Cpu *c) { return c->eflags & FLAG_DF; }

/* Elements from `address` to the end of its page, at most `count`; 0 when not even one fits. */
static u64 fit(u64 address, u64 count, u32 size) {
  u64 room = (GUEST_PAGE - (address & (GUEST_PAGE - 1))) / size;
  return room < count ? room : count;
}

/* Nobody looks at single accesses, so a run may count as one. */
static bool in_runs(const Cpu *c) { return !down(c) && !c->checked; }

/* A forward run without overlap goes through memcpy; what remains goes element by element. */
static u64 move_run(Cpu *c, u64 base, u64 count, u32 size) {
  u64 from = base + c->gpr[RSI], to = c->gpr[RDI];
  u64 n = in_runs(c) ? fit(to, fit(from, count, size), size) : 0;
  if (n < 2 || to - from < n * size) return 0;
  const volatile u8 *src = mem_rd(c, from, (u32)(n * size));
  volatile u8 *dst = mem_wr(c, to, (u32)(n * size));
  *dst = *src; /* the first byte by itself: where a fault must be reported */
  memmove((void *)dst, (const void *)src, n * size); /* forward, when `to` is lower */
  return n;
}

static void move_one(Cpu *c, u64 base, u32 size) {
  const void *src = mem_rd(c, base + c->gpr[RSI], size);
  u64 value = 0;
  memcpy(&value, src, size);
  memcpy(mem_wr(c, c->gpr[RDI], size), &value, size);
}

static u64 fill_run(Cpu *c, u64 count, u32 size) {
  u64 to = c->gpr[RDI], n = in_runs(c) ? fit(to, count, size) : 0, value = c->gpr[RAX];
  if (n < 2) return 0;
  char *p = mem_wr(c, to, (u32)(n * size));
  *(volatile char *)p = (char)value;
  if (size == 1) {
    memset(p, (int)value, n);
    return n;
  }
  for (u64 i = 0; i < n; i++) memcpy(p + i * size, &value, size);
  return n;
}

static void advance(Cpu *c, u64 n, u32 size, bool source, bool destination) {
  u64 bytes = down(c) ? -(n * size) : n * size;
  if (source) c->gpr[RSI] += bytes;
  if (destination) c->gpr[RDI] += bytes;
  c->gpr[RCX] -= n;
}

static ALWAYS_INLINE u8 movs(Cpu *c, u64 base, u32 size) {
  while (c->gpr[RCX]) {
    u64 n = move_run(c, base, c->gpr[RCX], size);
    if (!n) move_one(c, base, size), n = 1;
    advance(c, n, size, true, true);
    if (!c->limit) break;
  }
  return c->gpr[RCX] != 0;
}

static ALWAYS_INLINE u8 stos(Cpu *c, u64 base, u32 size) {
  (void)base; /* segments move the source only */
  while (c->gpr[RCX]) {
    u64 n = fill_run(c, c->gpr[RCX], size);
    if (!n) memcpy(mem_wr(c, c->gpr[RDI], size), &c->gpr[RAX], size), n = 1;
    advance(c, n, size, false, true);
    if (!c->limit) break;
  }
  return c->gpr[RCX] != 0;
}

static ALWAYS_INLINE u64 element(Cpu *c, u64 address, u32 size) {
  switch (size) {
  case 1: return LOAD8(c, address);
  case 2: return LOAD16(c, address);
  case 4: return LOAD32(c, address);
  default: return LOAD64(c, address);
  }
}

static void set_accumulator(Cpu *c, u64 value, u32 size) {
  if (size == 4) c->gpr[RAX] = (u32)value;
  else memcpy(&c->gpr[RAX], &value, size);
}

static ALWAYS_INLINE u8 lods(Cpu *c, u64 base, u32 size) {
  while (c->gpr[RCX]) {
    set_accumulator(c, element(c, base + c->gpr[RSI], size), size);
    advance(c, 1, size, true, false);
    if (!c->limit) break;
  }
  return c->gpr[RCX] != 0;
}

static u64 sign_extend(u64 value, u32 size) {
  u32 shift = 64 - size * 8;
  return (u64)((s64)(value << shift) >> shift);
}

static void set_flags(Cpu *c, u64 a, u64 b, u32 size) {
  c->cc_a = sign_extend(a, size);
  c->cc_b = sign_extend(b, size);
  c->cc_op = size == 1 ? CC_SUB8 : size == 2 ? CC_SUB16 : size == 4 ? CC_SUB32 : CC_SUB64;
}

/* SCAS and CMPS: until the comparison ends the loop, which is when equality is not `equal`. */
static ALWAYS_INLINE u8 compare(Cpu *c, u64 base, u32 size, bool equal, bool strings) {
  u64 mask = ~(u64)0 >> (64 - size * 8);
  while (c->gpr[RCX]) {
    u64 b = element(c, c->gpr[RDI], size); /* first, as Zen 4 does: it shows when both fault */
    u64 a = strings ? element(c, base + c->gpr[RSI], size) : c->gpr[RAX] & mask;
    advance(c, 1, size, strings, true);
    set_flags(c, a, b, size);
    if ((a == b) != equal) return 0;
    if (!c->limit) break;
  }
  return c->gpr[RCX] != 0;
}

#define DEFINE(w)                                                                             \
  u8 BODY(rep_movs##w)(Cpu * c, u64 base) { return movs(c, base, w / 8); }                    \
  u8 BODY(rep_stos##w)(Cpu * c, u64 base) { return stos(c, base, w / 8); }                    \
  u8 BODY(rep_lods##w)(Cpu * c, u64 base) { return lods(c, base, w / 8); }                    \
  u8 BODY(repe_scas##w)(Cpu * c, u64 base) { return compare(c, base, w / 8, true, false); }   \
  u8 BODY(repne_scas##w)(Cpu * c, u64 base) { return compare(c, base, w / 8, false, false); } \
  u8 BODY(repe_cmps##w)(Cpu * c, u64 base) { return compare(c, base, w / 8, true, true); }    \
  u8 BODY(repne_cmps##w)(Cpu * c, u64 base) { return compare(c, base, w / 8, false, true); }
DEFINE(8)
DEFINE(16)
DEFINE(32)
DEFINE(64)
