/* The register stack, tags and status word: shared by x87*.c and xsave.c, included by nothing else. */
#ifndef BLINK_X87_IMPL_H
#define BLINK_X87_IMPL_H
#include "f80.h"
#include "run.h"
#include "x87.h"

static inline u32 physical(const Cpu *c, u32 i) { return (c->x87.top + i) & 7; }
static inline bool empty(const Cpu *c, u32 i) { return !(c->x87.tags >> physical(c, i) & 1); }

static inline u16 sane_control(u16 cw) { return (cw & 0x1f3f) | X87_CW_SET; }

static inline void load_status(X87 *x87, u16 sw) {
  x87->top = sw >> 11 & 7;
  x87->sw = sw & (X87_EXCEPTIONS | X87_SF | X87_CONDITION);
}

static inline u16 status_word(const Cpu *c) {
  u32 summary = x87_pending(c) ? X87_ES | X87_B : 0;
  return (u16)(c->x87.sw | c->x87.top << 11 | summary);
}

static inline F80 *at(Cpu *c, u32 i) { return (F80 *)c->x87.st[physical(c, i)]; }
static inline F80 get(const Cpu *c, u32 i) { return *(const F80 *)c->x87.st[physical(c, i)]; }

static inline void set(Cpu *c, u32 i, F80 v) {
  F80 *st = at(c, i);
  st->m = v.m;
  st->se = v.se;
  c->x87.tags |= 1 << physical(c, i);
}

static inline void pop(Cpu *c) {
  c->x87.tags &= ~(1 << c->x87.top);
  c->x87.top = physical(c, 1);
}

static inline void pop_many(Cpu *c, u32 count) {
  while (count--) pop(c);
}

/* C1 and the exceptions, which are sticky. */
static inline void status(Cpu *c, u32 flags) { c->x87.sw = (c->x87.sw & ~X87_C1) | flags; }

/* C0 to C3 as well. */
static inline void condition(Cpu *c, u32 flags) {
  c->x87.sw = (c->x87.sw & ~X87_CONDITION) | flags;
}

/* May the instruction that raised these flags deliver a result? */
static inline bool delivers(const Cpu *c, u32 flags) { return !(flags & ~c->x87.cw & X87_BEFORE); }

/* Stack underflow or (C1) overflow.  false: unmasked. */
static inline bool stack_fault(Cpu *c, u32 c1) {
  status(c, X87_IE | X87_SF | c1);
  return c->x87.cw & X87_IE;
}

static inline void wait(Cpu *c) {
  if (unlikely(x87_pending(c))) fault_here(c, EXC_MF, 0);
}

/* ST(dest) = v, then pop, if the flags allow it. */
static inline void deliver(Cpu *c, u32 dest, F80 v, u32 flags, u32 pops) {
  status(c, flags);
  if (unlikely(!delivers(c, flags))) return;
  set(c, dest, v);
  pop_many(c, pops);
}

/* Where an operation may put its result at once: ST(dest), or a temporary if it might not deliver. */
static inline F80 *destination(Cpu *c, u32 dest, F80 *temporary) {
  return likely((c->x87.cw & X87_BEFORE) == X87_BEFORE) ? at(c, dest) : temporary;
}

/* deliver() for a result at destination(). */
static inline void delivered(Cpu *c, u32 dest, const F80 *v, u32 flags, u32 pops) {
  if (likely(v == at(c, dest))) {
    status(c, flags);
    c->x87.tags |= 1 << physical(c, dest);
    pop_many(c, pops);
  } else {
    deliver(c, dest, *v, flags, pops);
  }
}

/* ST(0) when it is there; else a masked stack fault gives the indefinite. */
static inline bool operand(Cpu *c, F80 *a) {
  wait(c);
  if (likely(!empty(c, 0))) {
    *a = get(c, 0);
    return true;
  }
  if (stack_fault(c, 0)) set(c, 0, f80_indefinite);
  return false;
}

#endif
