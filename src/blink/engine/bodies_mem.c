/* build: twice */
/* Instruction bodies that touch memory. */
#include "bodies.h"

#include <string.h>

#include "memory.h"
#include "ops.h"
#include "segment.h"
#include "x87.h"
#include "xsave.h"

/* Faults as an access to that byte would, and changes nothing. */
static void touch(u8 *p, bool write) {
  if (write) __atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
  else (void)*(volatile u8 *)p;
}

/* An image of `size` bytes, all pages of which were touched: no fault comes half-way. */
static void *span(Cpu *c, u64 address, u32 size, bool write) {
  u8 *p = write ? mem_wr(c, address, size) : mem_rd(c, address, size);
  touch(p, write);
  u64 last = (address + size - 1) & GUEST_PAGE_MASK;
  if (last > address) touch(p + (last - address), write);
  return p;
}

void check_store(Cpu *c, u64 address, u32 size) { span(c, address, size, true); }

/* The far end is touched first, as Zen 4 does. */
static void *store_image(Cpu *c, u64 address, u32 size) {
  touch(mem_wr(c, address + size - 1, 1), true);
  return span(c, address, size, true);
}

static const void *load_image(Cpu *c, u64 address, u32 size) {
  touch(mem_rd(c, address + size - 1, 1), false);
  return span(c, address, size, false);
}

void fxsave_body(Cpu *c, u64 address, u32 wide) {
  x87_fxsave(c, store_image(c, address, FXSAVE_SIZE), wide);
}

void fxrstor_body(Cpu *c, u64 address, u32 wide) {
  x87_fxrstor(c, load_image(c, address, FXSAVE_SIZE), wide);
}

void xsave_body(Cpu *c, u64 address, u64 mask, u32 kind, u32 wide) {
  u64 components = mask & c->xcr0;
  xsave_image(c, store_image(c, address, xsave_length(components)), components, (XsaveKind)kind,
              wide);
}

void xrstor_body(Cpu *c, u64 address, u64 mask, u32 wide) {
  u64 components = mask & c->xcr0;
  const void *image = load_image(c, address, XSAVE_HEADER_END);
  image = load_image(c, address, xrstor_length(image, components));
  xrstor_image(c, image, components, wide);
}

void fldenv_image(Cpu *c, u64 address, u32 bits) {
  x87_fldenv(c, span(c, address, bits == 16 ? 14 : 28, false), bits);
}

void fnstenv_image(Cpu *c, u64 address, u32 bits) {
  x87_fnstenv(c, span(c, address, bits == 16 ? 14 : 28, true), bits);
}

void frstor_image(Cpu *c, u64 address, u32 bits) {
  x87_frstor(c, span(c, address, bits == 16 ? 94 : 108, false), bits);
}

void fnsave_image(Cpu *c, u64 address, u32 bits) {
  x87_fnsave(c, span(c, address, bits == 16 ? 94 : 108, true), bits);
}

void store80(Cpu *c, u64 address, u64 low, u16 high) {
  u8 *p = span(c, address, 10, true);
  WR64(p, low);
  WR16(p + 8, high);
}

/* The linear address of a stack pointer. */
static u64 stack_at(Cpu *c, u64 sp, u32 access) {
  return c->mode == 64 ? sp : segment_address(c, SS, (u32)(sp & c->stack_mask), access);
}

static u64 load_stack(Cpu *c, u64 sp, u32 bytes) {
  u64 address = stack_at(c, sp, bytes);
  if (bytes == 2) return LOAD16(c, address);
  return bytes == 4 ? LOAD32(c, address) : LOAD64(c, address);
}

static void store_stack(Cpu *c, u64 sp, u64 value, u32 bytes) {
  u64 address = stack_at(c, sp, bytes | ACCESS_WRITE);
  if (bytes == 2) STORE16(c, address, (u16)value);
  else if (bytes == 4) STORE32(c, address, (u32)value);
  else STORE64(c, address, value);
}

void enter_frame(Cpu *c, u16 size, u8 level, u32 bytes) {
  u64 rsp = c->gpr[RSP] - bytes, frame = rsp, outer = c->gpr[RBP];
  store_stack(c, rsp, outer, bytes);
  for (u32 i = 1; i < (level & 31u); i++) {
    outer -= bytes;
    rsp -= bytes;
    store_stack(c, rsp, load_stack(c, outer, bytes), bytes);
  }
  if (level & 31) {
    rsp -= bytes;
    store_stack(c, rsp, frame, bytes);
  }
  rsp -= size;
  touch(mem_wr(c, stack_at(c, rsp, 1 | ACCESS_WRITE), 1), true); /* the new top must be writable */
  memcpy(&c->gpr[RBP], &frame, bytes);
  u64 keep = c->mode == 64 ? 0 : (u32)~c->stack_mask;
  c->gpr[RSP] = (c->gpr[RSP] & keep) | (rsp & c->stack_mask);
}

#define BIT_STRING(w)                                                                    \
  u8 bit_string##w(Cpu *c, u64 address, u##w bit, u32 operation) {                       \
    raw_u##w *p = mem_wr(c, address, w / 8);                                             \
    u##w old;                                                                            \
    if (operation == 0) old = __atomic_fetch_or(p, bit, __ATOMIC_SEQ_CST);               \
    else if (operation == 1) old = __atomic_fetch_and(p, (u##w) ~bit, __ATOMIC_SEQ_CST); \
    else old = __atomic_fetch_xor(p, bit, __ATOMIC_SEQ_CST);                             \
    return (old & bit) != 0;                                                             \
  }
BIT_STRING(16)
BIT_STRING(32)
BIT_STRING(64)

typedef struct {
  u64 base, segment;
  const V512 *indices;
  u32 shift, address_bytes, bits;
} Gather;

static u64 gather_address(const Gather *g, u32 lane) {
  const V128 *x = g->indices->x;
  s64 index = g->bits == 32 ? x[lane / 4].sd[lane % 4] : x[lane / 2].sq[lane % 2];
  u64 address = g->base + ((u64)index << g->shift);
  return (g->address_bytes == 4 ? (u32)address : address) + g->segment;
}

static u64 segment_base(const Cpu *c, u32 segment) {
  return segment == 1 + FS ? c->fs_base : segment == 1 + GS ? c->gs_base : 0;
}

/* Every lane is committed at once: a fault keeps what was done before it. */
#define GATHER(w, lanes, per)                                                                    \
  void gather##w(Cpu *c, u64 base, u8 a, u8 i, u8 v, u8 scale, u32 how, u32 index_bits, u32 n) { \
    Gather g = {base, segment_base(c, how >> 8), &c->vec[i], scale, how & 15, index_bits};       \
    V128 *to = c->vec[a].x, *mask = c->vec[v].x;                                                 \
    for (u32 k = 0; k < n; k++) {                                                                \
      u##w *m = &mask[k / per].lanes[k % per];                                                   \
      if (*m >> (w - 1)) to[k / per].lanes[k % per] = LOAD##w(c, gather_address(&g, k));         \
      *m = 0;                                                                                    \
    }                                                                                            \
    for (u32 k = n; k < 2 * per; k++) to[k / per].lanes[k % per] = 0;                            \
    mask[0] = mask[1] = (V128){0};                                                               \
  }

GATHER(32, d, 4)
GATHER(64, q, 2)
