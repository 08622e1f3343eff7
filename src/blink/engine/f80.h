/* Operations on 80-bit values for x87.c: no stack, no Cpu.
 *
 * Each takes the guest's control word (rounding, precision, masks), stores its result through `r`
 * and returns status word bits: the exceptions raised, C1 when the rounding went away from zero,
 * and what the instruction puts into C0, C2, C3.  If an exception of X87_BEFORE is unmasked, there
 * is no result: the caller leaves its registers alone.  `sticky` has exceptions that the guest's
 * status word shows already: they may be returned again.  `r` may be an operand, too.
 */
#ifndef BLINK_F80_H
#define BLINK_F80_H
#include "x87.h"

typedef struct {
  u64 m;  /* significand with its integer bit */
  u16 se; /* sign and exponent */
} F80;

/* An operand; what was a denormal in memory is a normal number here, yet raises DE. */
typedef struct {
  F80 v;
  bool denormal;
} F80Source;

enum { X87_BEFORE = X87_IE | X87_DE | X87_ZE };

static const F80 f80_indefinite = {(u64)3 << 62, 0xffff};
static const F80 f80_zero = {0, 0};
static const F80 f80_one = {(u64)1 << 63, 16383};

static inline bool f80_is_nan(F80 a) { return (a.se & 0x7fff) == 0x7fff && a.m << 1; }
/* Exact; signalling NaNs stay so. */
F80Source f80_from_f32(u32 a);
F80Source f80_from_f64(u64 a);
F80 f80_from_int(s64 a);

typedef u32 F80Binary(F80 *r, const F80 *a, const F80 *b, u32 cw, u32 sticky);
typedef u32 F80BinaryF32(F80 *r, const F80 *a, u32 b, u32 cw, u32 sticky);
typedef u32 F80BinaryF64(F80 *r, const F80 *a, u64 b, u32 cw, u32 sticky);
F80Binary f80_add, f80_sub, f80_subr, f80_mul, f80_div, f80_divr;
F80BinaryF32 f80_add_f32, f80_sub_f32, f80_subr_f32, f80_mul_f32, f80_div_f32, f80_divr_f32;
F80BinaryF64 f80_add_f64, f80_sub_f64, f80_subr_f64, f80_mul_f64, f80_div_f64, f80_divr_f64;

/* FLD m32, m64: quiets, and raises IE or DE. */
u32 f80_load(F80 *r, F80Source a);
u32 f80_to_f32(u32 *r, const F80 *a, u32 cw, u32 sticky);
u32 f80_to_f64(u64 *r, const F80 *a, u32 cw, u32 sticky);
/* `width` 16, 32 or 64; the result is zero-extended. */
u32 f80_to_int(u64 *r, F80 a, u32 width, u32 cw);

u32 f80_sqrt(F80 *r, const F80 *a, u32 cw, u32 sticky);
u32 f80_rint(F80 *r, F80 a, u32 cw);
u32 f80_scale(F80 *r, F80 a, F80 b, u32 cw);
/* The IEEE remainder (FPREM1) if `nearest`.  C0, C3, C1: quotient bits 2, 1, 0; C2: not done yet. */
u32 f80_remainder(F80 *r, F80 a, F80 b, u32 cw, bool nearest);
u32 f80_extract(F80 *significand, F80 *exponent, F80 a, u32 cw);
static inline F80Source f80_source(F80 v) { return (F80Source){v, false}; }
/* C3, C2, C0 as FCOM sets them; IE for quiet NaNs too if `signaling`. */
u32 f80_compare(F80Source a, F80Source b, u32 cw, bool signaling);
/* C3, C2, C1, C0 of FXAM for a register that is not empty. */
u32 f80_examine(F80 a);

/* Packed BCD: 18 digits; the sign is in bit 79. */
typedef struct {
  u64 low;
  u16 high;
} Bcd;
F80 f80_from_bcd(Bcd a);
u32 f80_to_bcd(Bcd *r, F80 a, u32 cw);

/* The transcendental instructions: ST(0) = a and ST(1) = b before, r[0] and r[1] after.
 * FPTAN and FSINCOS push, FYL2X, FYL2XP1 and FPATAN pop. */
typedef enum {
  F80_2XM1,
  F80_YL2X,
  F80_YL2XP1,
  F80_PATAN,
  F80_PTAN,
  F80_SIN,
  F80_COS,
  F80_SINCOS
} F80Function;
u32 f80_function(F80 r[2], F80Function function, F80 a, F80 b, u32 cw);

#endif
