/* The x87 instructions on ST(0), transcendental functions, comparisons, register moves. */
#include "fp.h"
#include "x87_impl.h"

/* --- One operand --- */

void x87_fchs(Cpu *c) {
  F80 a;
  if (operand(c, &a)) deliver(c, 0, (F80){a.m, a.se ^ 0x8000}, 0, 0);
}

void x87_fabs(Cpu *c) {
  F80 a;
  if (operand(c, &a)) deliver(c, 0, (F80){a.m, a.se & 0x7fff}, 0, 0);
}

void x87_fsqrt(Cpu *c) {
  F80 a, r;
  if (!operand(c, &a)) return;
  u32 flags = f80_sqrt(&r, at(c, 0), c->x87.cw, c->x87.sw);
  deliver(c, 0, r, flags, 0);
}

void x87_frndint(Cpu *c) {
  F80 a, r;
  if (!operand(c, &a)) return;
  u32 flags = f80_rint(&r, a, c->x87.cw);
  deliver(c, 0, r, flags, 0);
}

static void clear(Cpu *c, u32 conditions) { c->x87.sw &= ~conditions; }

static void one_operand(Cpu *c, F80Function function, u32 conditions) {
  F80 a, r[2];
  bool ready = operand(c, &a);
  clear(c, conditions);
  if (!ready) return;
  u32 flags = f80_function(r, function, a, f80_one, c->x87.cw);
  deliver(c, 0, r[0], flags & (X87_EXCEPTIONS | X87_C1 | conditions), 0);
}

void x87_f2xm1(Cpu *c) { one_operand(c, F80_2XM1, 0); }
void x87_fsin(Cpu *c) { one_operand(c, F80_SIN, X87_C2); }
void x87_fcos(Cpu *c) { one_operand(c, F80_COS, X87_C2); }

/* --- Two operands --- */

/* ST(0) and ST(1); if one is missing, a masked fault pops `pops` and leaves the indefinite. */
static bool operands(Cpu *c, F80 *a, F80 *b, u32 pops) {
  wait(c);
  if (likely(!empty(c, 0) && !empty(c, 1))) {
    *a = get(c, 0);
    *b = get(c, 1);
    return true;
  }
  if (stack_fault(c, 0)) {
    pop_many(c, pops);
    set(c, 0, f80_indefinite);
  }
  return false;
}

/* ST(1) = f(ST(0), ST(1)), then pop. */
static void two_operands(Cpu *c, F80Function function) {
  F80 a, b, r[2];
  if (!operands(c, &a, &b, 1)) return;
  u32 flags = f80_function(r, function, a, b, c->x87.cw) & (X87_EXCEPTIONS | X87_C1);
  deliver(c, 1, r[0], flags, 1);
}

void x87_fyl2x(Cpu *c) { two_operands(c, F80_YL2X); }
void x87_fyl2xp1(Cpu *c) { two_operands(c, F80_YL2XP1); }
void x87_fpatan(Cpu *c) { two_operands(c, F80_PATAN); }

void x87_fscale(Cpu *c) {
  F80 a, b, r;
  if (!operands(c, &a, &b, 0)) return;
  u32 flags = f80_scale(&r, a, b, c->x87.cw);
  deliver(c, 0, r, flags, 0);
}

static void partial(Cpu *c, bool nearest) {
  F80 a, b, r;
  bool ready = operands(c, &a, &b, 0);
  clear(c, X87_C2);
  if (!ready) return;
  u32 flags = f80_remainder(&r, a, b, c->x87.cw, nearest);
  /* Without a quotient C0 and C3 stay. */
  if (delivers(c, flags) && !f80_is_nan(r)) clear(c, X87_CONDITION);
  deliver(c, 0, r, flags, 0);
}

void x87_fprem(Cpu *c) { partial(c, false); }
void x87_fprem1(Cpu *c) { partial(c, true); }

/* --- One operand, two results --- */

/* ST(0), and room for a push; a masked fault leaves two indefinites. */
static bool operand_and_room(Cpu *c, F80 *a) {
  wait(c);
  *a = get(c, 0);
  if (likely(!empty(c, 0) && empty(c, 7))) return true;
  if (stack_fault(c, empty(c, 0) ? 0 : X87_C1)) {
    set(c, 0, f80_indefinite);
    c->x87.top = physical(c, 7);
    set(c, 0, f80_indefinite);
  }
  return false;
}

static void two_results(Cpu *c, F80 top, F80 next, u32 flags) {
  status(c, flags);
  if (!delivers(c, flags)) return;
  set(c, 0, next);
  c->x87.top = physical(c, 7);
  set(c, 0, top);
}

void x87_fxtract(Cpu *c) {
  F80 a, significand, exponent;
  if (!operand_and_room(c, &a)) return;
  u32 flags = f80_extract(&significand, &exponent, a, c->x87.cw);
  two_results(c, significand, exponent, flags);
}

/* C2: the operand is out of range and stays. */
static void pushing(Cpu *c, F80Function function) {
  F80 a, r[2];
  bool ready = operand_and_room(c, &a);
  clear(c, X87_C2);
  if (!ready) return;
  u32 flags = f80_function(r, function, a, f80_one, c->x87.cw);
  flags &= X87_EXCEPTIONS | X87_C1 | X87_C2;
  if (flags & X87_C2) status(c, flags);
  else two_results(c, r[0], r[1], flags);
}

void x87_fptan(Cpu *c) { pushing(c, F80_PTAN); }
void x87_fsincos(Cpu *c) { pushing(c, F80_SINCOS); }

/* --- Comparisons --- */

/* ST(0) with another operand, which may be missing. */
static void compare(Cpu *c, bool present, F80Source b, bool signaling, u32 pops) {
  u32 flags = X87_C0 | X87_C2 | X87_C3;
  wait(c);
  if (unlikely(empty(c, 0) || !present)) {
    bool masked = stack_fault(c, 0);
    clear(c, X87_CONDITION);
    c->x87.sw |= flags;
    if (!masked) return;
  } else {
    flags = f80_compare(f80_source(get(c, 0)), b, c->x87.cw, signaling);
    condition(c, flags);
    if (!delivers(c, flags)) return;
  }
  pop_many(c, pops);
}

static void compare_register(Cpu *c, u32 i, bool signaling, u32 pops) {
  compare(c, !empty(c, i), f80_source(get(c, i)), signaling, pops);
}

static void compare_int(Cpu *c, s64 a, u32 pops) {
  compare(c, true, f80_source(f80_from_int(a)), true, pops);
}

void x87_fcom_sti(Cpu *c, u32 i) { compare_register(c, i, true, 0); }
void x87_fcomp_sti(Cpu *c, u32 i) { compare_register(c, i, true, 1); }
void x87_fcompp(Cpu *c) { compare_register(c, 1, true, 2); }
void x87_fucom_sti(Cpu *c, u32 i) { compare_register(c, i, false, 0); }
void x87_fucomp_sti(Cpu *c, u32 i) { compare_register(c, i, false, 1); }
void x87_fucompp(Cpu *c) { compare_register(c, 1, false, 2); }
void x87_fcom_m32(Cpu *c, u32 a) { compare(c, true, f80_from_f32(a), true, 0); }
void x87_fcom_m64(Cpu *c, u64 a) { compare(c, true, f80_from_f64(a), true, 0); }
void x87_fcomp_m32(Cpu *c, u32 a) { compare(c, true, f80_from_f32(a), true, 1); }
void x87_fcomp_m64(Cpu *c, u64 a) { compare(c, true, f80_from_f64(a), true, 1); }
void x87_ficom_m16(Cpu *c, u16 a) { compare_int(c, (s16)a, 0); }
void x87_ficom_m32(Cpu *c, u32 a) { compare_int(c, (s32)a, 0); }
void x87_ficomp_m16(Cpu *c, u16 a) { compare_int(c, (s16)a, 1); }
void x87_ficomp_m32(Cpu *c, u32 a) { compare_int(c, (s32)a, 1); }
void x87_ftst(Cpu *c) { compare(c, true, f80_source(f80_zero), true, 0); }

static u32 compare_eflags(Cpu *c, u32 i, bool signaling, u32 pops) {
  u32 flags = X87_C0 | X87_C2 | X87_C3;
  bool masked;
  wait(c);
  if (unlikely(empty(c, 0) || empty(c, i))) {
    masked = stack_fault(c, 0);
  } else {
    F80Source a = f80_source(get(c, 0)), b = f80_source(get(c, i));
    flags = f80_compare(a, b, c->x87.cw, signaling);
    c->x87.sw |= flags & X87_EXCEPTIONS;
    masked = delivers(c, flags);
  }
  if (masked) pop_many(c, pops);
  return (flags & X87_C3 ? FP_ZF : 0) | (flags & X87_C2 ? FP_PF : 0) | (flags & X87_C0 ? FP_CF : 0);
}

u32 x87_fcomi_sti(Cpu *c, u32 i) { return compare_eflags(c, i, true, 0); }
u32 x87_fcomip_sti(Cpu *c, u32 i) { return compare_eflags(c, i, true, 1); }
u32 x87_fucomi_sti(Cpu *c, u32 i) { return compare_eflags(c, i, false, 0); }
u32 x87_fucomip_sti(Cpu *c, u32 i) { return compare_eflags(c, i, false, 1); }

void x87_fxam(Cpu *c) {
  wait(c);
  F80 a = get(c, 0);
  u32 sign = a.se & 0x8000 ? X87_C1 : 0;
  condition(c, empty(c, 0) ? X87_C3 | X87_C0 | sign : f80_examine(a));
}

/* --- Registers --- */

void x87_fxch(Cpu *c, u32 i) {
  wait(c);
  status(c, 0);
  if (unlikely(empty(c, 0) || empty(c, i))) {
    if (!stack_fault(c, 0)) return;
    if (empty(c, 0)) set(c, 0, f80_indefinite);
    if (empty(c, i)) set(c, i, f80_indefinite);
  }
  F80 a = get(c, 0);
  set(c, 0, get(c, i));
  set(c, i, a);
}

void x87_fcmov(Cpu *c, u32 i, u32 condition_holds) {
  wait(c);
  if (unlikely(empty(c, 0) || empty(c, i))) {
    if (stack_fault(c, 0)) set(c, 0, f80_indefinite);
  } else if (condition_holds) {
    set(c, 0, get(c, i));
  }
}

void x87_ffree(Cpu *c, u32 i) {
  wait(c);
  status(c, 0);
  c->x87.tags &= ~(1 << physical(c, i));
}

void x87_ffreep(Cpu *c, u32 i) {
  x87_ffree(c, i);
  pop(c);
}

void x87_fincstp(Cpu *c) {
  wait(c);
  status(c, 0);
  c->x87.top = physical(c, 1);
}

void x87_fdecstp(Cpu *c) {
  wait(c);
  status(c, 0);
  c->x87.top = physical(c, 7);
}
