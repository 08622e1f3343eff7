/* The x87 instructions, as functions for generated handlers.
 *
 * The shape is uniform: `void x87_NAME(Cpu *c, ...)` or `u64 x87_NAME(Cpu *c, ...)`.
 *   - A number in memory is loaded by the handler and passed as its bits, zero-extended to u64
 *     (m80 and packed BCD: the low 64 bits, then the high 16 bits).
 *   - `i` is the i of ST(i).
 *   - Each function does what the whole instruction does, the stack and the flags of the status word
 *     included.  Stores are the exception, because the handler's store may fault:
 *
 *         v = x87_fst_m64(c);                   converts and raises flags, but pops nothing
 *         if (x87_ok(c)) {                      false: an unmasked exception keeps the operand as is
 *           STORE64(c, address, v);
 *           x87_pop(c);                         FSTP, FISTP, FISTTP, FBSTP
 *         }
 *
 *     For m80 and BCD the first call returns the low 64 bits, the ..._hi one after it the high 16.
 *   - FCOMI and its kin return ZF, PF, CF at their EFLAGS positions (OF, SF, AF are to be cleared),
 *     and pop by themselves.
 *   - Memory images are passed as host pointers, as mem_rd and mem_wr give them, and are copied whole
 *     before or after anything changes, so a host fault inside is precise.
 * A function for a waiting instruction leaves by #MF (fault_here of run.h) when an unmasked
 * exception is pending; all functions do that except the ones marked "no wait".  With a memory
 * operand, call x87_wait() before the load if #MF is to come before the load's page fault.
 *
 * State: X87 of cpu.h.  sw holds neither TOP nor the derived bits ES (7) and B (15); fnstsw adds
 * them.  tags has a bit for each physical register that is not empty.  Handlers write `last`, fdp and
 * fds when they retire: x87_pointers() tells what they mean.  An MMX register is the significand of a physical register.
 *
 * Where the manuals say "undefined" or AMD's and Intel's processors differ, this is AMD's way: the
 * step of FPREM, FLD of a denormal and FCOMI of a NaN with the exception unmasked (pushed; EFLAGS
 * written), C1 after FCOMI and FFREE.
 *
 * blink.isa.x87_reference has a Python twin of each function under the same name.
 */
#ifndef BLINK_X87_H
#define BLINK_X87_H
#include "cpu.h"

/* Bits of the status word; exceptions have the same numbers as masks in the control word. */
enum {
  X87_IE = 1 << 0,
  X87_DE = 1 << 1,
  X87_ZE = 1 << 2,
  X87_OE = 1 << 3,
  X87_UE = 1 << 4,
  X87_PE = 1 << 5,
  X87_EXCEPTIONS = 0x3f,
  X87_SF = 1 << 6, /* stack fault; C1 says overflow (1) or underflow (0) */
  X87_ES = 1 << 7,
  X87_C0 = 1 << 8,
  X87_C1 = 1 << 9,
  X87_C2 = 1 << 10,
  X87_C3 = 1 << 14,
  X87_CONDITION = X87_C0 | X87_C1 | X87_C2 | X87_C3,
  X87_B = 1 << 15,
  X87_CW_INIT = 0x37f, /* after FNINIT and at process start */
  X87_CW_SET = 0x40    /* reserved, always 1; bits 13..15 are always 0 */
};

/* An unmasked exception is pending. */
static inline bool x87_pending(const Cpu *c) { return c->x87.sw & ~c->x87.cw & X87_EXCEPTIONS; }

/* The instruction that just ran may write its memory operand and pop.  A pending
 * precision exception does not keep it from that.  No wait. */
static inline bool x87_ok(const Cpu *c) {
  return !(c->x87.sw & ~c->x87.cw & (X87_EXCEPTIONS & ~X87_PE));
}

/* What FSTENV and its kin tell of the last instruction that is not a control instruction: its
 * address and opcode, and where its last memory operand was. */
typedef struct {
  u64 fip, fdp;
  u16 fop, fcs, fds;
} X87Pointers;

enum { X87_FOP_MASK = 0x7ff };

/* One word for X87.last: the address (below 2^48), the opcode, and a bit that makes it not zero. */
static inline u64 x87_mark(u64 rip, u32 opcode) {
  return rip | (u64)(opcode & X87_FOP_MASK) << 48 | 1ull << 63;
}

static inline X87Pointers x87_pointers(const Cpu *c) {
  const X87 *x = &c->x87;
  X87Pointers p = {x->fip, x->fdp, x->fop, x->fcs, x->fds};
  if (x->last) {
    p.fip = x->last << 16 >> 16;
    p.fop = x->last >> 48 & X87_FOP_MASK;
    p.fcs = c->seg[CS];
  }
  return p;
}

static inline void x87_set_pointers(Cpu *c, X87Pointers p) {
  X87 *x = &c->x87;
  x->fip = p.fip, x->fdp = p.fdp;
  x->fop = p.fop & X87_FOP_MASK, x->fcs = p.fcs, x->fds = p.fds;
  x->last = 0;
}

/* FWAIT, and FNOP: #MF if an unmasked exception is pending. */
void x87_wait(Cpu *c);
void x87_fnop(Cpu *c);
/* Pop the stack after a store.  No wait. */
void x87_pop(Cpu *c);

/* --- Loads --- */

void x87_fld_m32(Cpu *c, u32 a);
void x87_fld_m64(Cpu *c, u64 a);
void x87_fld_m80(Cpu *c, u64 low, u16 high);
void x87_fld_sti(Cpu *c, u32 i);
void x87_fild_m16(Cpu *c, u16 a);
void x87_fild_m32(Cpu *c, u32 a);
void x87_fild_m64(Cpu *c, u64 a);
void x87_fbld(Cpu *c, u64 low, u16 high);
void x87_fld1(Cpu *c);
void x87_fldl2t(Cpu *c);
void x87_fldl2e(Cpu *c);
void x87_fldpi(Cpu *c);
void x87_fldlg2(Cpu *c);
void x87_fldln2(Cpu *c);
void x87_fldz(Cpu *c);

/* --- Stores: see above.  The ..._hi functions do not wait. --- */

u32 x87_fst_m32(Cpu *c);
u64 x87_fst_m64(Cpu *c);
u64 x87_fst_m80(Cpu *c); /* FSTP m80 only */
u16 x87_fst_m80_hi(Cpu *c);
u16 x87_fist_m16(Cpu *c);
u32 x87_fist_m32(Cpu *c);
u64 x87_fist_m64(Cpu *c);
u16 x87_fisttp_m16(Cpu *c);
u32 x87_fisttp_m32(Cpu *c);
u64 x87_fisttp_m64(Cpu *c);
u64 x87_fbstp(Cpu *c);
u16 x87_fbstp_hi(Cpu *c);
void x87_fst_sti(Cpu *c, u32 i);
void x87_fstp_sti(Cpu *c, u32 i);
void x87_fstpnce_sti(Cpu *c, u32 i); /* in no manual of today: an empty ST0 is no error */

/* --- Arithmetic, for each op of add mul sub subr div divr ---
 * fOP_st0_sti   ST(0) = ST(0) OP ST(i)    D8
 * fOP_sti_st0   ST(i) = ST(i) OP ST(0)    DC; "r" forms exchange the operands
 * fOPp_sti_st0  the same, then pop        DE
 * fOP_m32, fOP_m64                        D8 and DC with a memory operand
 * fiOP_m16, fiOP_m32                      DE and DA */
#define X87_ARITHMETIC(op)                  \
  void x87_f##op##_st0_sti(Cpu *c, u32 i);  \
  void x87_f##op##_sti_st0(Cpu *c, u32 i);  \
  void x87_f##op##p_sti_st0(Cpu *c, u32 i); \
  void x87_f##op##_m32(Cpu *c, u32 a);      \
  void x87_f##op##_m64(Cpu *c, u64 a);      \
  void x87_fi##op##_m16(Cpu *c, u16 a);     \
  void x87_fi##op##_m32(Cpu *c, u32 a);

X87_ARITHMETIC(add)
X87_ARITHMETIC(mul)
X87_ARITHMETIC(sub)
X87_ARITHMETIC(subr)
X87_ARITHMETIC(div)
X87_ARITHMETIC(divr)
#undef X87_ARITHMETIC

void x87_fchs(Cpu *c);
void x87_fabs(Cpu *c);
void x87_fsqrt(Cpu *c);
void x87_frndint(Cpu *c);
void x87_fscale(Cpu *c);
void x87_fxtract(Cpu *c);
void x87_fprem(Cpu *c);
void x87_fprem1(Cpu *c);
void x87_f2xm1(Cpu *c);
void x87_fyl2x(Cpu *c);
void x87_fyl2xp1(Cpu *c);
void x87_fpatan(Cpu *c);
void x87_fptan(Cpu *c);
void x87_fsin(Cpu *c);
void x87_fcos(Cpu *c);
void x87_fsincos(Cpu *c);

/* --- Comparisons --- */

void x87_fcom_sti(Cpu *c, u32 i);
void x87_fcomp_sti(Cpu *c, u32 i);
void x87_fcompp(Cpu *c);
void x87_fucom_sti(Cpu *c, u32 i);
void x87_fucomp_sti(Cpu *c, u32 i);
void x87_fucompp(Cpu *c);
void x87_fcom_m32(Cpu *c, u32 a);
void x87_fcom_m64(Cpu *c, u64 a);
void x87_fcomp_m32(Cpu *c, u32 a);
void x87_fcomp_m64(Cpu *c, u64 a);
void x87_ficom_m16(Cpu *c, u16 a);
void x87_ficom_m32(Cpu *c, u32 a);
void x87_ficomp_m16(Cpu *c, u16 a);
void x87_ficomp_m32(Cpu *c, u32 a);
u32 x87_fcomi_sti(Cpu *c, u32 i);
u32 x87_fcomip_sti(Cpu *c, u32 i);
u32 x87_fucomi_sti(Cpu *c, u32 i);
u32 x87_fucomip_sti(Cpu *c, u32 i);
void x87_ftst(Cpu *c);
void x87_fxam(Cpu *c);

/* --- Registers and control --- */

void x87_fxch(Cpu *c, u32 i);
void x87_fcmov(Cpu *c, u32 i, u32 condition); /* condition: 0 or 1, already decided */
void x87_ffree(Cpu *c, u32 i);
void x87_ffreep(Cpu *c, u32 i);
void x87_fincstp(Cpu *c);
void x87_fdecstp(Cpu *c);
void x87_fninit(Cpu *c); /* no wait */
void x87_fnclex(Cpu *c); /* no wait */
void x87_fldcw(Cpu *c, u16 cw);
u16 x87_fnstcw(Cpu *c); /* no wait */
u16 x87_fnstsw(Cpu *c); /* no wait */

/* `bits` is the operand size, 16 or 32 (also in 64-bit mode): images of 14 or 28 and 94 or 108
 * bytes.  FNSTENV masks all exceptions afterwards, FNSAVE initializes. */
void x87_fnstenv(Cpu *c, void *image, u32 bits); /* no wait */
void x87_fldenv(Cpu *c, const void *image, u32 bits);
void x87_fnsave(Cpu *c, void *image, u32 bits); /* no wait */
void x87_frstor(Cpu *c, const void *image, u32 bits);

/* --- MMX --- */

/* Before any MMX instruction: #MF if pending, then TOP = 0 and all registers are in use. */
void x87_mmx_enter(Cpu *c);
/* Writing an MMX register sets the sign and exponent to ones.  No wait. */
static inline void x87_mmx_write(Cpu *c, u32 i, u64 value) {
  *(u64 *)c->x87.st[i] = value;
  *(u16 *)&c->x87.st[i][8] = 0xffff;
}
void x87_emms(Cpu *c);

#endif
