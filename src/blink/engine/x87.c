/* The x87 instructions: register stack, tags, exceptions.  Values are computed by f80_*.c.
 *
 * Intel SDM volume 1, chapter 8.  A stack fault or an unmasked exception of the kind that is found
 * before the computation (invalid, denormal, divide by zero) leaves registers and the stack as they
 * are; a masked stack fault delivers the "real indefinite" NaN.  Here: loads, stores, arithmetic.
 */
#include "x87_impl.h"

void x87_wait(Cpu *c) { wait(c); }
void x87_fnop(Cpu *c) { wait(c); }
void x87_pop(Cpu *c) { pop(c); }

/* --- Loads --- */

/* Push what was loaded with `flags`.  A denormal is pushed even if DE is unmasked, as AMD does. */
static void push(Cpu *c, F80 v, u32 flags) {
  if (unlikely(!empty(c, 7))) {
    if (!stack_fault(c, X87_C1)) return;
    v = f80_indefinite;
  } else {
    status(c, flags);
    if (!delivers(c, flags & ~X87_DE)) return;
  }
  c->x87.top = physical(c, 7);
  set(c, 0, v);
}

static void push_source(Cpu *c, F80Source a) {
  F80 v;
  wait(c);
  u32 flags = empty(c, 7) ? f80_load(&v, a) : 0;
  push(c, v, flags);
}

void x87_fld_m32(Cpu *c, u32 a) { push_source(c, f80_from_f32(a)); }
void x87_fld_m64(Cpu *c, u64 a) { push_source(c, f80_from_f64(a)); }

static void push_exact(Cpu *c, F80 v) {
  wait(c);
  push(c, v, 0);
}

void x87_fld_m80(Cpu *c, u64 low, u16 high) { push_exact(c, (F80){low, high}); }
void x87_fild_m16(Cpu *c, u16 a) { push_exact(c, f80_from_int((s16)a)); }
void x87_fild_m32(Cpu *c, u32 a) { push_exact(c, f80_from_int((s32)a)); }
void x87_fild_m64(Cpu *c, u64 a) { push_exact(c, f80_from_int((s64)a)); }

void x87_fld_sti(Cpu *c, u32 i) {
  wait(c);
  if (unlikely(empty(c, i))) {
    if (!stack_fault(c, 0)) return;
    c->x87.top = physical(c, 7);
    set(c, 0, f80_indefinite);
  } else {
    push(c, get(c, i), 0);
  }
}

void x87_fbld(Cpu *c, u64 low, u16 high) { push_exact(c, f80_from_bcd((Bcd){low, high})); }

/* A constant is rounded as RC says, from more than 64 bits (`below`: it lies below its nearest). */
static void push_constant(Cpu *c, u64 nearest, u16 se, bool below) {
  u32 rounding = c->x87.cw >> 10 & 3;
  wait(c);
  if (below && (rounding == 1 || rounding == 3)) nearest--;
  if (!below && rounding == 2) nearest++;
  push(c, (F80){nearest, se}, 0);
}

void x87_fldl2t(Cpu *c) { push_constant(c, 0xd49a784bcd1b8afe, 0x4000, false); }
void x87_fldl2e(Cpu *c) { push_constant(c, 0xb8aa3b295c17f0bc, 0x3fff, true); }
void x87_fldpi(Cpu *c) { push_constant(c, 0xc90fdaa22168c235, 0x4000, true); }
void x87_fldlg2(Cpu *c) { push_constant(c, 0x9a209a84fbcff799, 0x3ffd, true); }
void x87_fldln2(Cpu *c) { push_constant(c, 0xb17217f7d1cf79ac, 0x3ffe, true); }
void x87_fld1(Cpu *c) { push_exact(c, f80_one); }
void x87_fldz(Cpu *c) { push_exact(c, f80_zero); }

/* --- Stores --- */

/* May ST(0) be stored?  Else the format's indefinite is, if that is masked. */
static bool storable(Cpu *c) {
  wait(c);
  if (likely(!empty(c, 0))) return true;
  stack_fault(c, 0);
  return false;
}

u32 x87_fst_m32(Cpu *c) {
  u32 r = 0xffc00000;
  if (storable(c)) status(c, f80_to_f32(&r, at(c, 0), c->x87.cw, c->x87.sw));
  return r;
}

u64 x87_fst_m64(Cpu *c) {
  u64 r = (u64)0xfff8 << 48;
  if (storable(c)) status(c, f80_to_f64(&r, at(c, 0), c->x87.cw, c->x87.sw));
  return r;
}

u64 x87_fst_m80(Cpu *c) {
  if (!storable(c)) return f80_indefinite.m;
  status(c, 0);
  return get(c, 0).m;
}

u16 x87_fst_m80_hi(Cpu *c) { return empty(c, 0) ? f80_indefinite.se : get(c, 0).se; }

/* FISTTP truncates and never sets C1. */
static u64 store_int(Cpu *c, u32 width, bool truncate) {
  u64 r = (u64)1 << (width - 1);
  if (!storable(c)) return r;
  u32 flags = f80_to_int(&r, get(c, 0), width, c->x87.cw | (truncate ? 0xc00 : 0));
  status(c, truncate ? flags & ~X87_C1 : flags);
  return r;
}

u16 x87_fist_m16(Cpu *c) { return (u16)store_int(c, 16, false); }
u32 x87_fist_m32(Cpu *c) { return (u32)store_int(c, 32, false); }
u64 x87_fist_m64(Cpu *c) { return store_int(c, 64, false); }
u16 x87_fisttp_m16(Cpu *c) { return (u16)store_int(c, 16, true); }
u32 x87_fisttp_m32(Cpu *c) { return (u32)store_int(c, 32, true); }
u64 x87_fisttp_m64(Cpu *c) { return store_int(c, 64, true); }

static Bcd to_bcd(const Cpu *c, u32 *flags) {
  Bcd r = {(u64)3 << 62, 0xffff};
  *flags = empty(c, 0) ? 0 : f80_to_bcd(&r, get(c, 0), c->x87.cw);
  return r;
}

u64 x87_fbstp(Cpu *c) {
  u32 flags;
  bool ready = storable(c);
  Bcd r = to_bcd(c, &flags);
  if (ready) status(c, flags);
  return r.low;
}

u16 x87_fbstp_hi(Cpu *c) {
  u32 flags;
  return to_bcd(c, &flags).high;
}

static void store_register(Cpu *c, u32 i, u32 pops) {
  F80 v = f80_indefinite;
  wait(c);
  if (unlikely(empty(c, 0))) {
    if (!stack_fault(c, 0)) return;
  } else {
    v = get(c, 0);
    status(c, 0);
  }
  set(c, i, v);
  pop_many(c, pops);
}

void x87_fst_sti(Cpu *c, u32 i) { store_register(c, i, 0); }
void x87_fstp_sti(Cpu *c, u32 i) { store_register(c, i, 1); }

void x87_fstpnce_sti(Cpu *c, u32 i) {
  if (empty(c, 0)) x87_fincstp(c);
  else store_register(c, i, 1);
}

/* --- Arithmetic --- */

/* ST(dest) = ST(a) OP ST(b), then pop. */
static inline void registers(Cpu *c, F80Binary *op, u32 dest, u32 a, u32 b, u32 pops) {
  wait(c);
  if (unlikely(empty(c, a) || empty(c, b))) {
    if (!stack_fault(c, 0)) return;
    set(c, dest, f80_indefinite);
    pop_many(c, pops);
    return;
  }
  F80 temporary, *v = destination(c, dest, &temporary);
  u32 flags = op(v, at(c, a), at(c, b), c->x87.cw, c->x87.sw);
  delivered(c, dest, v, flags, pops);
}

/* May ST(0) be computed with?  Else a masked fault makes it the indefinite. */
static inline bool computable(Cpu *c) {
  wait(c);
  if (likely(!empty(c, 0))) return true;
  if (stack_fault(c, 0)) set(c, 0, f80_indefinite);
  return false;
}

/* ST(0) = ST(0) OP memory. */
#define MEMORY(op, b)                                   \
  if (!computable(c)) return;                           \
  F80 temporary, *v = destination(c, 0, &temporary);    \
  u32 flags = op(v, at(c, 0), b, c->x87.cw, c->x87.sw); \
  delivered(c, 0, v, flags, 0)

static inline void integer(Cpu *c, F80Binary *op, s64 a) {
  F80 b = f80_from_int(a);
  MEMORY(op, &b);
}

#define ARITHMETIC(op)                                                             \
  void x87_f##op##_st0_sti(Cpu *c, u32 i) { registers(c, f80_##op, 0, 0, i, 0); }  \
  void x87_f##op##_sti_st0(Cpu *c, u32 i) { registers(c, f80_##op, i, i, 0, 0); }  \
  void x87_f##op##p_sti_st0(Cpu *c, u32 i) { registers(c, f80_##op, i, i, 0, 1); } \
  void x87_f##op##_m32(Cpu *c, u32 a) { MEMORY(f80_##op##_f32, a); }               \
  void x87_f##op##_m64(Cpu *c, u64 a) { MEMORY(f80_##op##_f64, a); }               \
  void x87_fi##op##_m16(Cpu *c, u16 a) { integer(c, f80_##op, (s16)a); }           \
  void x87_fi##op##_m32(Cpu *c, u32 a) { integer(c, f80_##op, (s32)a); }

ARITHMETIC(add)
ARITHMETIC(mul)
ARITHMETIC(sub)
ARITHMETIC(subr)
ARITHMETIC(div)
ARITHMETIC(divr)
