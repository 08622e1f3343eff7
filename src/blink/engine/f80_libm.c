/* The transcendental x87 instructions on hosts without an x87: the special cases of SDM volume 2 here,
 * values from the C library's long double functions.  They are as good as the host's long double:
 * with 113 bits (aarch64, riscv64) nearly always correctly rounded.  The twin is x87_math.py. */
#include "f80.h"

#if !defined(__x86_64__) || defined(BLINK_PORTABLE_FP)
#include <math.h>

#include "softfp.h"

typedef struct {
  SoftEnv env;
  F80 a, b;
  SoftNumber x, y;
} Call;

static F80 pack(SoftFields r) { return (F80){r.m, (u16)(r.sign << 15 | r.exp)}; }

static SoftNumber decode(F80 a) {
  return soft_decode(&soft_f80, (SoftFields){a.m, a.se & 0x7fff, a.se >> 15}, false);
}

static Call begin(F80 a, F80 b, u32 cw) {
  SoftEnv env = {.rounding = cw >> 10 & 3, .masks = cw & X87_EXCEPTIONS, .precision = 64};
  return (Call){env, a, b, decode(a), decode(b)};
}

static long double value(SoftNumber x) {
  long double v = ldexpl((long double)x.m, x.e);
  return x.sign ? -v : v;
}

static F80 zero(u32 sign) { return pack(soft_zero(sign)); }
static F80 infinity(u32 sign) { return pack(soft_inf(&soft_f80, sign)); }
static F80 invalid(Call *c) { return pack(soft_invalid(&soft_f80, &c->env)); }

/* |v| as m * 2**e with 126 bits. */
static u128 split(long double v, s32 *e) {
  long double fraction = ldexpl(frexpl(fabsl(v), e), 64);
  u64 high = (u64)fraction;
  *e -= 126;
  return (u128)high << 62 | (u64)ldexpl(fraction - (long double)high, 62);
}

/* An irrational number: what is beyond the host's precision counts as a sticky bit. */
static F80 irrational(Call *c, long double v) {
  s32 e;
  u128 m = split(v, &e) | 1;
  return pack(soft_pack(&soft_f80, &c->env, signbit(v) != 0, m, e, 64, true));
}

static bool is_one(F80 a) { return a.m == f80_one.m && a.se == f80_one.se; }

/* --- F2XM1 --- */

static F80 two_to_x_minus_1(Call *c) {
  SoftNumber x = c->x;
  if (x.kind >= QNAN) return pack(soft_propagate(&soft_f80, &c->env, x, x));
  if (soft_denormal(&c->env, x, x) || x.kind == ZERO) return c->a;
  if (x.kind == INFINITE) return x.sign ? (F80){f80_one.m, 0xbfff} : c->a;
  u32 exponent = c->a.se & 0x7fff;
  if (c->a.m == f80_one.m && exponent == 0x3fff) return x.sign ? (F80){f80_one.m, 0xbffe} : c->a;
  if (exponent >= 0x3fff) {
    c->env.flags |= SOFT_PE;
    return c->a;
  }
  return irrational(c, expm1l(value(x) * 0.693147180559945309417232121458176568L));
}

/* --- FYL2X, FYL2XP1 --- */

/* y * log2(n) for n > 0, where log2(n) is log * 2**scale; `infinite`: n is. */
static F80 scaled_log(Call *c, bool one, bool below_one, bool infinite, long double log,
                      s32 scale) {
  SoftNumber y = c->y;
  if ((y.kind == INFINITE && one) || (y.kind == ZERO && infinite)) return invalid(c);
  if (soft_denormal(&c->env, c->x, y)) return c->a;
  u32 sign = y.sign ^ below_one;
  if (infinite || y.kind == INFINITE) return infinity(sign);
  if (y.kind == ZERO || one) return zero(sign);
  /* The product may leave the host's range: only fractions are multiplied. */
  s32 shift, e;
  y = soft_normalize(y);
  u128 m = split(frexpl(log, &shift) * ldexpl((long double)y.m, -64), &e);
  bool power_of_2 = !(c->x.m & (c->x.m - 1)) && scale == 0 && log == rintl(log);
  e += shift + scale + y.e + 64;
  return pack(soft_pack(&soft_f80, &c->env, sign, m | !power_of_2, e, 64, true));
}

static F80 y_log2_x(Call *c) {
  SoftNumber x = c->x, y = c->y;
  if (soft_nan(x, y)) return pack(soft_propagate(&soft_f80, &c->env, x, y));
  if (x.sign && x.kind != ZERO) return invalid(c);
  if (x.kind == ZERO) {
    if (y.kind == ZERO) return invalid(c);
    if (y.kind != INFINITE) c->env.flags |= SOFT_ZE;
    return infinity(!y.sign);
  }
  bool infinite = x.kind == INFINITE;
  long double v = infinite ? 0 : value(x);
  return scaled_log(c, is_one(c->a), !infinite && v < 1, infinite, infinite ? 0 : log2l(v), 0);
}

static F80 y_log2_x_plus_1(Call *c) {
  SoftNumber x = c->x, y = c->y;
  if (soft_nan(x, y)) return pack(soft_propagate(&soft_f80, &c->env, x, y));
  if (x.kind == ZERO) {
    if (y.kind == INFINITE) return invalid(c);
    soft_denormal(&c->env, y, y);
    return zero(x.sign ^ y.sign);
  }
  if (x.sign && (c->a.se & 0x7fff) >= 0x3fff) {
    c->env.flags |= SOFT_PE;
    return c->a;
  }
  /* log(1 + x) is x for small numbers, whose logarithms would leave the host's range. */
  s32 scale = 0;
  if (x.kind != INFINITE && (c->a.se & 0x7fff) < 16383 - 200) {
    x = soft_normalize(x);
    scale = x.e + 64;
    x.e = -64;
  }
  bool infinite = x.kind == INFINITE;
  long double log = infinite ? 0 : scale ? value(x) : log1pl(value(x));
  log *= 1.44269504088896340735992468100189214L;
  return scaled_log(c, false, x.sign, infinite, log, scale);
}

/* --- FPATAN --- */

/* The angle in quarters of pi where a coordinate is zero or infinite, else -1. */
static s32 axis(SoftNumber x, SoftNumber y) {
  if (x.kind == INFINITE && y.kind == INFINITE) return x.sign ? 3 : 1;
  if (y.kind == ZERO || x.kind == INFINITE) return x.sign ? 4 : 0;
  return x.kind == ZERO || y.kind == INFINITE ? 2 : -1;
}

static F80 angle(Call *c) {
  SoftNumber x = c->x, y = c->y;
  if (soft_nan(x, y)) return pack(soft_propagate(&soft_f80, &c->env, x, y));
  if (soft_denormal(&c->env, x, y)) return c->a;
  s32 quarters = axis(x, y);
  if (quarters == 0) return zero(y.sign);
  if (quarters > 0) {
    long double v = 0.785398163397448309615660845819875721L * (long double)quarters;
    return irrational(c, y.sign ? -v : v);
  }
  /* A quotient below the range: round it as it is. */
  SoftNumber u = soft_normalize(x), v = soft_normalize(y);
  if (!x.sign && v.e - u.e < -200) {
    u128 q = soft_quotient(v.m, u.m) | 1;
    return pack(soft_pack(&soft_f80, &c->env, y.sign, q, v.e - u.e - 66, 64, true));
  }
  s32 e = u.e > v.e ? u.e : v.e;
  u.e -= e;
  v.e -= e;
  return irrational(c, atan2l(value(v), value(u)));
}

/* --- FSIN, FCOS, FPTAN --- */

typedef enum { SINE, COSINE, TANGENT } Wave;

/* x - quadrant * pi / 2 for pi of 66 bits (SDM volume 1, 8.3.8), in units of 2**-65: exact. */
static long double reduce(SoftNumber x, u32 *quadrant) {
  static const u128 half_pi = (u128)0x3 << 64 | 0x243f6a8885a308d3;
  *quadrant = 0;
  if (x.e + 63 < -1) return value(x);
  u128 v = (u128)x.m << (x.e + 65);
  u128 q = v / half_pi, rest = v % half_pi;
  bool up = rest > half_pi / 2;
  *quadrant = (u32)(q + up) & 3;
  long double r = ldexpl((long double)(up ? half_pi - rest : rest), -65);
  return up ? -r : r;
}

/* The function of a number that is not zero. */
static long double wave(SoftNumber x, Wave kind) {
  u32 quadrant, sign = kind == COSINE ? 0 : x.sign;
  x = soft_normalize(x);
  x.sign = 0;
  long double r = reduce(x, &quadrant), s = sinl(r), c = cosl(r), v;
  if (kind == TANGENT) v = quadrant & 1 ? -c / s : s / c;
  else {
    quadrant = (quadrant + (kind == COSINE)) & 3;
    v = quadrant & 1 ? c : s;
    if (quadrant & 2) v = -v;
  }
  return sign ? -v : v;
}

/* A number, but for something too small to see above or below it. */
static F80 nearly(Call *c, F80 a, s32 direction) {
  SoftNumber x = soft_normalize(decode(a));
  u128 m = ((u128)x.m << 62) + (u128)(s128)direction;
  return pack(soft_pack(&soft_f80, &c->env, x.sign, m, x.e - 62, 64, true));
}

static F80 periodic(Call *c, Wave kind, u32 *c2) {
  SoftNumber x = c->x;
  if (x.kind >= QNAN) return pack(soft_propagate(&soft_f80, &c->env, x, x));
  if (x.kind == INFINITE) return invalid(c);
  if (x.kind != ZERO && (c->a.se & 0x7fff) >= 16383 + 63) {
    *c2 = X87_C2;
    return c->a;
  }
  if (soft_denormal(&c->env, x, x)) return c->a;
  if (x.kind == ZERO) return kind == COSINE ? f80_one : c->a;
  if ((c->a.se & 0x7fff) < 16383 - 40) {
    return kind == COSINE ? nearly(c, f80_one, -1) : nearly(c, c->a, kind == SINE ? -1 : 1);
  }
  return irrational(c, wave(x, kind));
}

u32 f80_function(F80 r[2], F80Function function, F80 a, F80 b, u32 cw) {
  Call c = begin(a, b, cw);
  u32 c2 = 0;
  switch (function) {
  case F80_2XM1: r[0] = two_to_x_minus_1(&c); break;
  case F80_YL2X: r[0] = y_log2_x(&c); break;
  case F80_YL2XP1: r[0] = y_log2_x_plus_1(&c); break;
  case F80_PATAN: r[0] = angle(&c); break;
  case F80_SIN: r[0] = periodic(&c, SINE, &c2); break;
  case F80_COS: r[0] = periodic(&c, COSINE, &c2); break;
  case F80_PTAN:
    r[1] = periodic(&c, TANGENT, &c2);
    r[0] = f80_is_nan(r[1]) ? r[1] : f80_one;
    break;
  case F80_SINCOS:
    r[0] = periodic(&c, COSINE, &c2);
    r[1] = periodic(&c, SINE, &c2);
    break;
  }
  return c.env.flags | c2 | (c.env.c1 ? X87_C1 : 0);
}

#endif
