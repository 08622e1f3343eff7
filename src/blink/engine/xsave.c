/* FXSAVE, XSAVE and their kin.
 *
 * Where processors differ this is AMD's way: XINUSE is exact (a component is in use when any part of
 * it differs from its initial value, the x87 pointers apart), and the x87 pointers are stored only
 * while an unmasked exception is pending, else zeros.  blink.isa.xsave_images is the Python twin.
 */
#include "xsave.h"

#include <string.h>

#include "fp.h"
#include "ops.h"
#include "x87_impl.h"

#define COMPACTED (1ull << 63)

/* All of them outside of run(), whatever the mode. */
static u32 vector_count(const Cpu *c) { return c->mode == 64 || !c->escape ? 16 : 8; }

/* --- which components are in use --- */

static bool x87_in_use(const X87 *x87) {
  u64 any = 0;
  for (u32 i = 0; i < 8; i++) {
    u16 high;
    u64 low;
    memcpy(&low, x87->st[i], 8);
    memcpy(&high, x87->st[i] + 8, 2);
    any |= low | high;
  }
  return any | x87->sw | x87->top | x87->tags || x87->cw != X87_CW_INIT;
}

/* Whether the lower (0) or upper (1) halves of the YMM registers hold anything. */
static bool vectors_in_use(const Cpu *c, u32 half) {
  u64 any = 0;
  for (u32 i = 0; i < vector_count(c); i++) any |= c->vec[i].x[half].q[0] | c->vec[i].x[half].q[1];
  return any;
}

u64 xstate_in_use(const Cpu *c) {
  return (x87_in_use(&c->x87) ? XSTATE_X87 : 0u) | (vectors_in_use(c, 0) ? XSTATE_SSE : 0u) |
         (vectors_in_use(c, 1) ? XSTATE_AVX : 0u);
}

/* --- one component --- */

/* FIP and FDP in an image, and what of it is the selector: 64-bit pointers leave no room for one.
 * The registers have 57 bits, as the largest addresses. */
static u64 pointer_image(u64 offset, u16 selector, bool wide) {
  return wide ? offset : (u32)offset | (u64)selector << 32;
}
static u64 image_offset(u64 image, bool wide) {
  return wide ? (u64)((s64)(image << 7) >> 7) : (u32)image;
}
static u16 image_selector(u64 image, bool wide) { return wide ? 0 : (u16)(image >> 32); }

static void save_x87(const Cpu *c, XsaveArea *to, bool wide) {
  const X87 *x87 = &c->x87;
  X87Pointers p = x87_pending(c) ? x87_pointers(c) : (X87Pointers){0};
  to->cw = x87->cw;
  to->sw = status_word(c);
  to->tags = x87->tags;
  to->pad = 0;
  to->fop = p.fop;
  to->fip = pointer_image(p.fip, p.fcs, wide);
  to->fdp = pointer_image(p.fdp, p.fds, wide);
  memset(to->st, 0, sizeof to->st);
  for (u32 i = 0; i < 8; i++) memcpy(to->st[i], x87->st[physical(c, i)], 10);
}

static void load_x87(Cpu *c, const XsaveArea *from, bool wide) {
  c->x87.cw = sane_control(from->cw);
  load_status(&c->x87, from->sw);
  c->x87.tags = from->tags;
  X87Pointers p = {image_offset(from->fip, wide), image_offset(from->fdp, wide), from->fop,
                   image_selector(from->fip, wide), image_selector(from->fdp, wide)};
  x87_set_pointers(c, p);
  for (u32 i = 0; i < 8; i++) memcpy(c->x87.st[physical(c, i)], from->st[i], 10);
}

static void save_halves(const Cpu *c, u32 half, V128 *to) {
  for (u32 i = 0; i < vector_count(c); i++) to[i] = c->vec[i].x[half];
}

static void load_halves(Cpu *c, u32 half, const V128 *from) {
  for (u32 i = 0; i < vector_count(c); i++) c->vec[i].x[half] = from[i];
}

static void clear_halves(Cpu *c, u32 half) {
  for (u32 i = 0; i < vector_count(c); i++) c->vec[i].x[half] = V_LOW(0);
}

void xstate_init(Cpu *c, u64 components) {
  if (components & XSTATE_X87) {
    x87_fninit(c);
    memset(c->x87.st, 0, sizeof c->x87.st);
  }
  if (components & XSTATE_SSE) {
    clear_halves(c, 0);
    c->mxcsr = MXCSR_INIT;
  }
  if (components & XSTATE_AVX) clear_halves(c, 1);
}

static void save_mxcsr(XsaveArea *to, u32 mxcsr) {
  to->mxcsr = mxcsr;
  to->mxcsr_mask = MXCSR_MASK;
}

/* --- FXSAVE --- */

void x87_save_image(const Cpu *c, void *image, bool wide) {
  save_x87(c, image, wide);
  save_halves(c, 0, ((XsaveArea *)image)->xmm);
  save_mxcsr(image, c->mxcsr);
}

bool x87_load_image(Cpu *c, const void *image, bool wide) {
  XsaveArea from;
  memcpy(&from, image, FXSAVE_SIZE);
  if (from.mxcsr & ~(u32)MXCSR_MASK) return false;
  c->mxcsr = from.mxcsr;
  load_x87(c, &from, wide);
  load_halves(c, 0, from.xmm);
  return true;
}

void x87_fxsave(Cpu *c, void *image, u32 wide) {
  c->mxcsr = mxcsr_read();
  x87_save_image(c, image, wide);
}

void x87_fxrstor(Cpu *c, const void *image, u32 wide) {
  if (!x87_load_image(c, image, wide)) fault_here(c, EXC_GP, 0);
  mxcsr_write(c->mxcsr);
}

/* --- XSAVE: SDM volume 1, 13.7 to 13.10 --- */

u32 xsave_length(u64 components) { return components & XSTATE_AVX ? XSAVE_SIZE : XSAVE_HEADER_END; }

/* XSAVE and XSAVEOPT treat MXCSR as a part of SSE and of AVX, XSAVEC as one of SSE. */
void xsave_state(const Cpu *c, void *image, u64 components, XsaveKind kind, bool wide) {
  XsaveArea *to = image;
  u64 used = xstate_in_use(c);
  if (kind == XSAVEC && c->mxcsr != MXCSR_INIT) used |= XSTATE_SSE;
  u64 written = kind == XSAVE ? components : components & used;
  if (written & XSTATE_X87) save_x87(c, to, wide);
  if (written & XSTATE_SSE) save_halves(c, 0, to->xmm);
  if (written & XSTATE_AVX) save_halves(c, 1, to->ymmh);
  u64 with_mxcsr = kind == XSAVEC ? written & XSTATE_SSE : components & (XSTATE_SSE | XSTATE_AVX);
  if (with_mxcsr) save_mxcsr(to, c->mxcsr);
  to->xstate_bv = (kind == XSAVEC ? 0 : to->xstate_bv & ~components) | (components & used);
  if (kind == XSAVEC) to->xcomp_bv = components | COMPACTED;
}

void xsave_image(Cpu *c, void *image, u64 components, XsaveKind kind, bool wide) {
  c->mxcsr = mxcsr_read();
  xsave_state(c, image, components, kind, wide);
}

u32 xrstor_length(const void *image, u64 components) {
  return xsave_length(components & ((const XsaveArea *)image)->xstate_bv);
}

static bool legal_header(const Cpu *c, const XsaveArea *from) {
  u64 rest = 0;
  if (!(from->xcomp_bv & COMPACTED))
    return !(from->xstate_bv & ~c->xcr0) && !from->xcomp_bv && !from->reserved[0];
  for (u32 i = 0; i < 6; i++) rest |= from->reserved[i];
  u64 there = from->xcomp_bv & ~COMPACTED;
  return !(there & ~c->xcr0) && !(from->xstate_bv & ~there) && !rest;
}

/* The next MXCSR.  In the compacted format it is a part of SSE. */
static u32 next_mxcsr(const Cpu *c, const XsaveArea *from, u64 components) {
  bool compacted = from->xcomp_bv & COMPACTED;
  if (!(components & (compacted ? XSTATE_SSE : XSTATE_SSE | XSTATE_AVX))) return c->mxcsr;
  return compacted && !(from->xstate_bv & XSTATE_SSE) ? MXCSR_INIT : from->mxcsr;
}

bool xrstor_state(Cpu *c, const void *image, u64 components, bool wide) {
  XsaveArea from;
  memcpy(&from, image, xrstor_length(image, components));
  u32 mxcsr = next_mxcsr(c, &from, components);
  if (!legal_header(c, &from) || mxcsr & ~(u32)MXCSR_MASK) return false;
  u64 loaded = components & from.xstate_bv;
  if (loaded & XSTATE_X87) load_x87(c, &from, wide);
  if (loaded & XSTATE_SSE) load_halves(c, 0, from.xmm);
  if (loaded & XSTATE_AVX) load_halves(c, 1, from.ymmh);
  xstate_init(c, components & ~loaded);
  c->mxcsr = mxcsr;
  return true;
}

void xrstor_image(Cpu *c, const void *image, u64 components, bool wide) {
  c->mxcsr = mxcsr_read();
  if (!xrstor_state(c, image, components, wide)) fault_here(c, EXC_GP, 0);
  mxcsr_write(c->mxcsr);
}
