/* Exact binary floating point in integer arithmetic, for any format of up to 64 significant bits.
 *
 * The C counterpart of blink.isa._softfloat, which explains the rules; both are checked against the
 * host.  Included by fp_soft.c (SSE on other hosts) and f80_soft.c (x87).
 */
#ifndef BLINK_SOFTFP_H
#define BLINK_SOFTFP_H
#include "types.h"

enum { SOFT_IE = 1, SOFT_DE = 2, SOFT_ZE = 4, SOFT_OE = 8, SOFT_UE = 16, SOFT_PE = 32 };
enum { SOFT_BEFORE = SOFT_IE | SOFT_DE | SOFT_ZE }; /* decided before anything is computed */
enum { RC_NEAREST, RC_DOWN, RC_UP, RC_TRUNCATE };
enum { SOFT_LESS = 1, SOFT_EQUAL = 2, SOFT_GREATER = 4, SOFT_UNORDERED = 8 };
enum { SOFT_BIAS_ADJUST = 24576 }; /* of an x87 register after an unmasked overflow or underflow */

typedef struct {
  s32 p; /* significant bits */
  s32 bias;
  u32 exp_mask;
  bool x87; /* explicit integer bit, x87's NaN rules, unmasked results are scaled */
} SoftFormat;

/* The fields of a bit pattern; m has the integer bit only in an x87 format. */
typedef struct {
  u64 m;
  u32 exp;
  u32 sign;
} SoftFields;

typedef enum { ZERO, NORMAL, DENORMAL, INFINITE, QNAN, SNAN, UNSUPPORTED } SoftKind;

/* (-1)**sign * m * 2**e; NaNs and infinities have their fraction in m. */
typedef struct {
  u64 m;
  s32 e;
  u32 sign;
  SoftKind kind;
} SoftNumber;

typedef struct {
  u32 rounding, masks, flags;
  s32 precision; /* of x87 arithmetic: 24, 53 or 64 */
  bool daz, ftz;
  bool c1; /* the last rounding went away from zero */
} SoftEnv;

static const SoftFormat soft_f16 = {11, 15, 0x1f, false};
static const SoftFormat soft_f32 = {24, 127, 0xff, false};
static const SoftFormat soft_f64 = {53, 1023, 0x7ff, false};
static const SoftFormat soft_f80 = {64, 16383, 0x7fff, true};

static inline u64 soft_ones(s32 n) { return n >= 64 ? ~(u64)0 : ((u64)1 << n) - 1; }
static inline u64 soft_top(const SoftFormat *f) { return (u64)1 << (f->p - 1); }
static inline u64 soft_quiet_bit(const SoftFormat *f) { return (u64)1 << (f->p - 2); }
static inline s32 soft_emin(const SoftFormat *f) { return 1 - f->bias; }

static inline s32 soft_length(u128 m) {
  u64 high = (u64)(m >> 64), low = (u64)m;
  if (high) return 128 - __builtin_clzll(high);
  return low ? 64 - __builtin_clzll(low) : 0;
}

static inline SoftFields soft_zero(u32 sign) { return (SoftFields){0, 0, sign}; }

static inline SoftFields soft_inf(const SoftFormat *f, u32 sign) {
  return (SoftFields){f->x87 ? soft_top(f) : 0, f->exp_mask, sign};
}

static inline SoftFields soft_default_nan(const SoftFormat *f) {
  SoftFields r = soft_inf(f, 1);
  r.m |= soft_quiet_bit(f);
  return r;
}

static inline SoftFields soft_invalid(const SoftFormat *f, SoftEnv *env) {
  env->flags |= SOFT_IE;
  return soft_default_nan(f);
}

static inline SoftNumber soft_decode(const SoftFormat *f, SoftFields a, bool daz) {
  SoftNumber x = {a.m, soft_emin(f) - f->p + 1, a.sign, NORMAL};
  u64 fraction = a.m & (soft_top(f) - 1);
  if (a.exp == 0) {
    x.kind = a.m == 0 || daz ? ZERO : DENORMAL;
    if (x.kind == ZERO) x.m = 0;
  } else if (f->x87 && !(a.m & soft_top(f))) {
    x.kind = UNSUPPORTED;
  } else if (a.exp == f->exp_mask) {
    x.kind = fraction == 0 ? INFINITE : fraction & soft_quiet_bit(f) ? QNAN : SNAN;
  } else {
    x.m |= soft_top(f);
    x.e += (s32)a.exp - 1;
  }
  return x;
}

/* --- Rounding --- */

/* Shifting right keeps in the lowest bit whether anything was lost. */
static inline u128 soft_jam(u128 m, s32 shift) {
  if (shift <= 0) return m;
  if (shift > 127) return m != 0;
  return m >> shift | ((m & (((u128)1 << shift) - 1)) != 0);
}

/* m / 2**shift as an integer. */
static inline u64 soft_round(u32 rounding, u32 sign, u128 m, s32 shift, bool *inexact, bool *up) {
  *inexact = *up = false;
  if (shift <= 0) return (u64)(m << -shift);
  if (shift > 126) {
    m = soft_jam(m, shift - 126);
    shift = 126;
  }
  u64 q = (u64)(m >> shift);
  u128 rest = m & (((u128)1 << shift) - 1), half = (u128)1 << (shift - 1);
  if (rest == 0) return q;
  *inexact = true;
  if (rounding == RC_NEAREST) *up = rest > half || (rest == half && (q & 1));
  else *up = rounding == (sign ? RC_DOWN : RC_UP);
  return q + *up; /* 2**64 becomes 0 */
}

/* r * 2**quantum, which the format holds exactly. */
static inline SoftFields soft_assemble(const SoftFormat *f, u32 sign, u64 r, s32 quantum) {
  if (r == 0) return soft_zero(sign);
  s32 length = soft_length(r), top = quantum + length - 1;
  if (top < soft_emin(f)) {
    return (SoftFields){r << (quantum - soft_emin(f) + f->p - 1), 0, sign};
  }
  u64 m = length <= f->p ? r << (f->p - length) : r >> (length - f->p);
  if (!f->x87) m &= soft_top(f) - 1;
  return (SoftFields){m, (u32)(top + f->bias), sign};
}

static inline SoftFields soft_largest(const SoftFormat *f, u32 sign, s32 p) {
  return soft_assemble(f, sign, soft_ones(p), f->bias - p + 1);
}

static inline SoftFields soft_overflow(const SoftFormat *f, SoftEnv *env, u32 sign, s32 p,
                                       bool inexact) {
  env->flags |= SOFT_OE | (inexact || env->masks & SOFT_OE ? SOFT_PE : 0);
  env->c1 = env->rounding == RC_NEAREST || env->rounding == (sign ? RC_DOWN : RC_UP);
  return env->c1 ? soft_inf(f, sign) : soft_largest(f, sign, p);
}

/* Round to p bits as if the exponent had no limits; gives the exponent of the lowest bit. */
static inline u64 soft_round_free(SoftEnv *env, u32 sign, u128 m, s32 e, s32 p, s32 *quantum,
                                  bool *inexact) {
  *quantum = e + soft_length(m) - p;
  u64 r = soft_round(env->rounding, sign, m, *quantum - e, inexact, &env->c1);
  if (p < 64 ? r >> p != 0 : r == 0) { /* 2**p */
    r = (u64)1 << (p - 1);
    ++*quantum;
  }
  return r;
}

/* (-1)**sign * m * 2**e with m > 0, rounded to p bits, with the exceptions O, U and P.
 * `scalable`: the destination is an x87 register (SDM volume 1, 8.5.4 and 8.5.5). */
static inline SoftFields soft_pack(const SoftFormat *f, SoftEnv *env, u32 sign, u128 m, s32 e,
                                   s32 p, bool scalable) {
  s32 quantum, floor = soft_emin(f) - p + 1;
  bool inexact;
  u64 r = soft_round_free(env, sign, m, e, p, &quantum, &inexact);
  if (unlikely(quantum < floor)) {
    if (!(env->masks & SOFT_UE)) {
      env->flags |= SOFT_UE | (inexact ? SOFT_PE : 0);
      bool massive = scalable && quantum + SOFT_BIAS_ADJUST < floor;
      if (massive) env->flags |= SOFT_PE;
      if (!scalable || massive) return soft_zero(sign);
      return soft_assemble(f, sign, r, quantum + SOFT_BIAS_ADJUST);
    }
    env->flags |= env->ftz ? SOFT_UE | SOFT_PE : 0;
    if (env->ftz) return soft_zero(sign);
  }
  if (unlikely(quantum < floor || e + soft_length(m) - p < floor)) {
    bool tiny = quantum < floor;
    r = soft_round(env->rounding, sign, m, floor - e, &inexact, &env->c1);
    if (inexact) env->flags |= SOFT_PE | (tiny ? SOFT_UE : 0);
    return soft_assemble(f, sign, r, floor);
  }
  if (unlikely(quantum + p - 1 > f->bias)) {
    s32 scaled = quantum - SOFT_BIAS_ADJUST;
    if (env->masks & SOFT_OE || !scalable) return soft_overflow(f, env, sign, p, inexact);
    env->flags |= SOFT_OE;
    if (scaled + p - 1 > f->bias) {
      env->flags |= SOFT_PE;
      env->c1 = true;
      return soft_inf(f, sign);
    }
    quantum = scaled;
  }
  if (inexact) env->flags |= SOFT_PE;
  return soft_assemble(f, sign, r, quantum);
}

static inline SoftFields soft_finish(const SoftFormat *f, SoftEnv *env, u32 sign, u128 m, s32 e) {
  return soft_pack(f, env, sign, m, e, f->x87 ? env->precision : f->p, f->x87);
}

/* --- NaNs and denormals --- */

static inline SoftFields soft_quiet(const SoftFormat *f, SoftNumber x) {
  return (SoftFields){x.m | soft_quiet_bit(f), f->exp_mask, x.sign};
}

/* Does the x87 prefer NaN y to NaN x?  (SDM volume 1, table 4-7; equal significands: positive) */
static inline bool soft_prefers(SoftNumber x, SoftNumber y) {
  if (x.kind < QNAN || y.kind < QNAN) return x.kind < QNAN;
  if (x.kind != y.kind) return y.kind == QNAN;
  return x.m < y.m || (x.m == y.m && y.sign < x.sign);
}

static inline SoftFields soft_propagate(const SoftFormat *f, SoftEnv *env, SoftNumber x,
                                        SoftNumber y) {
  if (x.kind == UNSUPPORTED || y.kind == UNSUPPORTED) return soft_invalid(f, env);
  if (x.kind == SNAN || y.kind == SNAN) env->flags |= SOFT_IE;
  bool second = f->x87 ? soft_prefers(x, y) : x.kind < QNAN;
  return soft_quiet(f, second ? y : x);
}

static inline bool soft_nan(SoftNumber x, SoftNumber y) { return x.kind >= QNAN || y.kind >= QNAN; }

/* Raises DE for denormal operands.  true: it is unmasked, so nothing is to be computed. */
static inline bool soft_denormal(SoftEnv *env, SoftNumber x, SoftNumber y) {
  if (x.kind != DENORMAL && y.kind != DENORMAL) return false;
  env->flags |= SOFT_DE;
  return !(env->masks & SOFT_DE);
}

/* --- Arithmetic --- */

/* The top bit of m is set. */
static inline SoftNumber soft_normalize(SoftNumber x) {
  s32 shift = 64 - soft_length(x.m);
  x.m <<= shift & 63;
  x.e -= shift;
  return x;
}

static inline SoftFields soft_sum(const SoftFormat *f, SoftEnv *env, SoftNumber x, SoftNumber y) {
  if (x.kind == ZERO && y.kind == ZERO) {
    return soft_zero(x.sign == y.sign ? x.sign : env->rounding == RC_DOWN);
  }
  if (x.kind == ZERO || y.kind == ZERO) {
    SoftNumber only = x.kind == ZERO ? y : x;
    return soft_finish(f, env, only.sign, only.m, only.e);
  }
  x = soft_normalize(x);
  y = soft_normalize(y);
  SoftNumber a = x.e > y.e || (x.e == y.e && x.m >= y.m) ? x : y;
  SoftNumber b = x.e > y.e || (x.e == y.e && x.m >= y.m) ? y : x;
  u128 big = (u128)a.m << 62, small = soft_jam((u128)b.m << 62, a.e - b.e);
  u128 m = a.sign == b.sign ? big + small : big - small;
  if (m == 0) return soft_zero(env->rounding == RC_DOWN);
  return soft_finish(f, env, a.sign, m, a.e - 62);
}

static inline SoftFields soft_add(const SoftFormat *f, SoftEnv *env, SoftNumber x, SoftNumber y,
                                  u32 negate) {
  if (soft_nan(x, y)) return soft_propagate(f, env, x, y);
  y.sign ^= negate;
  if (x.kind == INFINITE && y.kind == INFINITE && x.sign != y.sign) return soft_invalid(f, env);
  if (soft_denormal(env, x, y)) return soft_zero(0);
  if (x.kind == INFINITE) return soft_inf(f, x.sign);
  if (y.kind == INFINITE) return soft_inf(f, y.sign);
  return soft_sum(f, env, x, y);
}

/* x * y + z of numbers, none of them an infinity, rounded once.  Both addends get their top bit at 126:
 * what a shift to the right loses can matter only by being there, for then at most one bit cancels. */
static inline SoftFields soft_product_sum(const SoftFormat *f, SoftEnv *env, u32 sign, SoftNumber x,
                                          SoftNumber y, SoftNumber z) {
  u128 product = (u128)x.m * y.m, other = z.m, m;
  if (!product && !other) return soft_zero(sign == z.sign ? sign : env->rounding == RC_DOWN);
  if (!other) return soft_finish(f, env, sign, product, x.e + y.e);
  if (!product) return soft_finish(f, env, z.sign, other, z.e);
  s32 up = 127 - soft_length(product), up_other = 127 - soft_length(other);
  s32 e = x.e + y.e - up, e_other = z.e - up_other;
  product <<= up;
  other <<= up_other;
  s32 top = e > e_other ? e : e_other;
  product = soft_jam(product, top - e);
  other = soft_jam(other, top - e_other);
  bool larger = product >= other;
  if (sign == z.sign) {
    m = soft_jam(product, 1) + soft_jam(other, 1);
    return soft_finish(f, env, sign, m, top + 1);
  }
  m = larger ? product - other : other - product;
  if (m == 0) return soft_zero(env->rounding == RC_DOWN);
  return soft_finish(f, env, larger ? sign : z.sign, m, top);
}

/* x * y + z; SSE formats only.  A NaN hides the invalid product of infinity and zero. */
static inline SoftFields soft_fma(const SoftFormat *f, SoftEnv *env, SoftNumber x, SoftNumber y,
                                  SoftNumber z) {
  if (x.kind >= QNAN || y.kind >= QNAN || z.kind >= QNAN) {
    if (x.kind == SNAN || y.kind == SNAN || z.kind == SNAN) env->flags |= SOFT_IE;
    return soft_quiet(f, x.kind >= QNAN ? x : y.kind >= QNAN ? y : z);
  }
  u32 sign = x.sign ^ y.sign;
  bool infinite = x.kind == INFINITE || y.kind == INFINITE;
  bool zero = x.kind == ZERO || y.kind == ZERO;
  if (infinite && (zero || (z.kind == INFINITE && z.sign != sign))) return soft_invalid(f, env);
  if (soft_denormal(env, x, y) || soft_denormal(env, z, z)) return soft_zero(0);
  if (infinite) return soft_inf(f, sign);
  if (z.kind == INFINITE) return soft_inf(f, z.sign);
  return soft_product_sum(f, env, sign, x, y, z);
}

static inline SoftFields soft_mul(const SoftFormat *f, SoftEnv *env, SoftNumber x, SoftNumber y) {
  if (soft_nan(x, y)) return soft_propagate(f, env, x, y);
  bool infinite = x.kind == INFINITE || y.kind == INFINITE;
  bool zero = x.kind == ZERO || y.kind == ZERO;
  if (infinite && zero) return soft_invalid(f, env);
  if (soft_denormal(env, x, y)) return soft_zero(0);
  u32 sign = x.sign ^ y.sign;
  if (infinite) return soft_inf(f, sign);
  if (zero) return soft_zero(sign);
  return soft_finish(f, env, sign, (u128)x.m * y.m, x.e + y.e);
}

/* 66 bits of x / y for normalized operands, and a sticky bit. */
static inline u128 soft_quotient(u64 x, u64 y) {
  u128 numerator = (u128)x << 63;
  u128 q = numerator / y, rest = numerator % y << 2;
  return (q << 2 | rest / y) << 1 | (rest % y != 0);
}

static inline SoftFields soft_div(const SoftFormat *f, SoftEnv *env, SoftNumber x, SoftNumber y) {
  if (soft_nan(x, y)) return soft_propagate(f, env, x, y);
  if (x.kind == y.kind && (x.kind == ZERO || x.kind == INFINITE)) return soft_invalid(f, env);
  u32 sign = x.sign ^ y.sign;
  if (y.kind == ZERO && x.kind != INFINITE) {
    env->flags |= SOFT_ZE;
    return soft_inf(f, sign);
  }
  if (soft_denormal(env, x, y)) return soft_zero(0);
  if (x.kind == INFINITE) return soft_inf(f, sign);
  if (x.kind == ZERO || y.kind == INFINITE) return soft_zero(sign);
  x = soft_normalize(x);
  y = soft_normalize(y);
  return soft_finish(f, env, sign, soft_quotient(x.m, y.m), x.e - y.e - 66);
}

/* floor(sqrt(n)), bit by bit; *rest = n - root * root. */
static inline u64 soft_root(u128 n, u128 *rest) {
  u128 root = 0, left = n;
  for (s32 i = 63; i >= 0; i--) {
    /* (root + bit)**2 - root**2 = (2 root + bit) bit */
    u128 step = (root << 1 | (u128)1 << i) << i;
    if (step <= left) {
      left -= step;
      root |= (u128)1 << i;
    }
  }
  *rest = left;
  return (u64)root;
}

static inline SoftFields soft_sqrt(const SoftFormat *f, SoftEnv *env, SoftNumber x) {
  if (x.kind >= QNAN) return soft_propagate(f, env, x, x);
  if (x.kind == ZERO) return soft_zero(x.sign);
  if (x.sign) return soft_invalid(f, env);
  if (soft_denormal(env, x, x)) return soft_zero(0);
  if (x.kind == INFINITE) return soft_inf(f, 0);
  x = soft_normalize(x);
  u128 n = (u128)x.m << (x.e & 1 ? 63 : 64), rest;
  s32 e = x.e - (x.e & 1 ? 63 : 64);
  u64 root = soft_root(n, &rest);
  /* Two more bits: at least a half (rest > root, never exactly), and sticky. */
  u128 m = (u128)root << 2 | (rest > root) << 1 | (rest != 0);
  return soft_finish(f, env, 0, m, e / 2 - 2);
}

/* --- Comparison --- */

static inline bool soft_less(SoftNumber x, SoftNumber y) {
  if (x.kind == ZERO || y.kind == ZERO) {
    return x.kind == ZERO ? y.kind != ZERO && !y.sign : x.sign;
  }
  if (x.sign != y.sign) return x.sign;
  SoftNumber low = x.sign ? y : x, high = x.sign ? x : y;
  if (low.kind == INFINITE || high.kind == INFINITE) return low.kind != INFINITE;
  return low.e != high.e ? low.e < high.e : low.m < high.m;
}

static inline u32 soft_compare(SoftEnv *env, SoftNumber x, SoftNumber y, bool signaling) {
  if (soft_nan(x, y)) {
    if (signaling || x.kind > QNAN || y.kind > QNAN) env->flags |= SOFT_IE;
    return SOFT_UNORDERED;
  }
  soft_denormal(env, x, y);
  return soft_less(x, y) ? SOFT_LESS : soft_less(y, x) ? SOFT_GREATER : SOFT_EQUAL;
}

/* --- Conversion --- */

/* `denormals`: they raise DE. */
static inline SoftFields soft_convert(const SoftFormat *from, const SoftFormat *to, SoftEnv *env,
                                      SoftFields a, bool denormals) {
  SoftNumber x = soft_decode(from, a, env->daz);
  if (x.kind == UNSUPPORTED) return soft_invalid(to, env);
  if (x.kind == SNAN) env->flags |= SOFT_IE;
  if (x.kind >= QNAN) {
    s32 shift = to->p - from->p;
    x.m = shift >= 0 ? x.m << shift : x.m >> -shift;
    x.m = (x.m & (soft_top(to) - 1)) | (to->x87 ? soft_top(to) : 0);
    return soft_quiet(to, x);
  }
  if (x.kind == ZERO) return soft_zero(x.sign);
  if (x.kind == INFINITE) return soft_inf(to, x.sign);
  if (denormals && soft_denormal(env, x, x)) return soft_zero(0);
  return soft_pack(to, env, x.sign, x.m, x.e, to->p, false);
}

/* A signed integer of `width` bits; 1 << (width - 1) with IE for NaNs and what does not fit. */
static inline u64 soft_to_int(const SoftFormat *f, SoftEnv *env, SoftFields a, s32 width,
                              u32 rounding) {
  SoftNumber x = soft_decode(f, a, env->daz);
  u64 indefinite = (u64)1 << (width - 1);
  if (x.kind == ZERO) return 0;
  bool inexact, fits = x.kind < INFINITE && x.e + soft_length(x.m) <= 64;
  u64 m = fits ? soft_round(rounding, x.sign, x.m, -x.e, &inexact, &env->c1) : 0;
  if (!fits || m > indefinite - !x.sign || (m == 0 && x.e + soft_length(x.m) == 64)) {
    env->flags |= SOFT_IE;
    env->c1 = false;
    return indefinite;
  }
  if (inexact) env->flags |= SOFT_PE;
  return (x.sign ? -m : m) & soft_ones(width);
}

static inline SoftFields soft_from_int(const SoftFormat *f, SoftEnv *env, s64 value) {
  if (value == 0) return soft_zero(0);
  u64 m = value < 0 ? -(u64)value : (u64)value;
  return soft_pack(f, env, value < 0, m, 0, f->p, false);
}

/* An integer in the same format.  Denormals raise DE in x87 formats only. */
static inline SoftFields soft_rint(const SoftFormat *f, SoftEnv *env, SoftFields a) {
  SoftNumber x = soft_decode(f, a, env->daz);
  if (x.kind >= QNAN) return soft_propagate(f, env, x, x);
  if (x.kind == ZERO) return soft_zero(x.sign);
  if (f->x87 && soft_denormal(env, x, x)) return soft_zero(0);
  if (x.kind == INFINITE || x.e >= 0) return a;
  bool inexact;
  u64 m = soft_round(env->rounding, x.sign, x.m, -x.e, &inexact, &env->c1);
  if (inexact) env->flags |= SOFT_PE;
  return soft_assemble(f, x.sign, m, 0);
}

#endif
