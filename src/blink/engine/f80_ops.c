/* 80-bit arithmetic: in integers, exact on every host; on x86-64 the host's x87 does the frequent
 * operations faster, when no exception is unmasked. */
#include "f80.h"

#include "softfp.h"

static inline SoftEnv begin(u32 cw) {
  static const u8 precisions[4] = {24, 64, 53, 64}; /* 1 is reserved */
  return (SoftEnv){
      .rounding = cw >> 10 & 3, .masks = cw & X87_EXCEPTIONS, .precision = precisions[cw >> 8 & 3]};
}

static inline u32 status(const SoftEnv *env) { return env->flags | (env->c1 ? X87_C1 : 0); }

static inline SoftFields fields(F80 a) { return (SoftFields){a.m, a.se & 0x7fff, a.se >> 15}; }
static inline F80 pack(SoftFields r) { return (F80){r.m, (u16)(r.sign << 15 | r.exp)}; }
static inline SoftNumber decode(F80 a) { return soft_decode(&soft_f80, fields(a), false); }

static inline SoftNumber decode_source(F80Source a) {
  SoftNumber x = decode(a.v);
  if (a.denormal) x.kind = DENORMAL;
  return x;
}

/* --- The host's x87 ---
 *
 * Its control word is X87_CW_INIT outside of these macros.  Its status flags are nobody's and only
 * cleared when they tell too much: clearing them, and raising them again, costs 40 ns.  So first an
 * operation runs on whatever flags there are; if it leaves some that the guest has not seen, it runs
 * again, on the operands as they were, on clean flags.  Unmasked exceptions are left to integers. */

#if defined(__x86_64__) && !defined(BLINK_PORTABLE_FP)

/* Load a control word where the other one is. */
static inline void host_control(u32 cw, u32 current) {
  u16 word = (u16)cw;
  if (unlikely(cw != current)) __asm__ volatile("fldcw %0" : : "m"(word));
}

/* The status word comes before the result: RAX must not hold the result's address. */
#define HOST_ONCE(code, x, y) __asm__ volatile(code : "=&a"(sw), "=m"(*r) : "m"(x), "m"(y))

#define HOST(code, b_type, b_value)                      \
  if (likely((cw & X87_EXCEPTIONS) == X87_EXCEPTIONS)) { \
    F80 old_a = *a;                                      \
    b_type old_b = b_value;                              \
    u16 sw;                                              \
    host_control(cw, X87_CW_INIT);                       \
    HOST_ONCE(code, *a, b_value);                        \
    if (unlikely(sw & X87_EXCEPTIONS & ~sticky)) {       \
      __asm__ volatile("fnclex");                        \
      HOST_ONCE(code, old_a, old_b);                     \
    }                                                    \
    host_control(X87_CW_INIT, cw);                       \
    return sw & (X87_EXCEPTIONS | X87_C1);               \
  }

#define HOST_REGISTERS(insn)                    \
  HOST("fldt %3\n\tfldt %2\n\t" insn            \
       " %%st(1), %%st\n\t"                     \
       "fnstsw %0\n\tfstpt %1\n\tfstp %%st(0)", \
       F80, *b)
#define HOST_MEMORY(insn, type) HOST("fldt %2\n\t" insn " %3\n\tfnstsw %0\n\tfstpt %1", type, b)
#define HOST_UNARY(insn) HOST("fldt %2\n\t" insn "\n\tfnstsw %0\n\tfstpt %1", F80, *a)
#define HOST_STORE(insn) HOST("fldt %2\n\t" insn " %1\n\tfnstsw %0", F80, *a)
#else
#define HOST_REGISTERS(insn)
#define HOST_MEMORY(insn, type)
#define HOST_UNARY(insn)
#define HOST_STORE(insn)
#endif

/* --- Conversion --- */

static F80Source widen(const SoftFormat *f, SoftFields a) {
  if (likely(a.exp - 1 < f->exp_mask - 1)) { /* a normal number */
    u64 m = soft_top(&soft_f80) | a.m << (64 - f->p);
    u32 exponent = a.exp - (u32)f->bias + 16383;
    return (F80Source){{m, (u16)(a.sign << 15 | exponent)}, false};
  }
  SoftNumber x = soft_decode(f, a, false);
  u32 sign = x.sign << 15;
  if (x.kind == ZERO) return (F80Source){{0, (u16)sign}, false};
  if (x.kind >= INFINITE) {
    F80 v = {soft_top(&soft_f80) | x.m << (64 - f->p), (u16)(sign | 0x7fff)};
    return (F80Source){v, false};
  }
  SoftNumber n = soft_normalize(x);
  return (F80Source){{n.m, (u16)(sign | (u32)(n.e + 63 + 16383))}, true};
}

F80Source f80_from_f32(u32 a) {
  return widen(&soft_f32, (SoftFields){a & 0x7fffff, a >> 23 & 0xff, a >> 31});
}

F80Source f80_from_f64(u64 a) {
  return widen(&soft_f64, (SoftFields){a & soft_ones(52), a >> 52 & 0x7ff, (u32)(a >> 63)});
}

F80 f80_from_int(s64 a) {
  if (a == 0) return f80_zero;
  u64 m = a < 0 ? -(u64)a : (u64)a;
  s32 zeros = __builtin_clzll(m);
  return (F80){m << zeros, (u16)((a < 0) << 15 | (16383 + 63 - zeros))};
}

u32 f80_load(F80 *r, F80Source a) {
  SoftNumber x = decode_source(a);
  *r = a.v;
  if (x.kind == SNAN) {
    r->m |= soft_quiet_bit(&soft_f80);
    return X87_IE;
  }
  return x.kind == DENORMAL ? X87_DE : 0;
}

/* With overflow or underflow unmasked nothing is stored, and nothing said of precision. */
static u32 store_status(const SoftEnv *env) {
  bool trap = env->flags & ~env->masks & (X87_OE | X87_UE);
  return trap ? env->flags & ~X87_PE : status(env);
}

u32 f80_to_f32(u32 *r, const F80 *a, u32 cw, u32 sticky) {
  HOST_STORE("fstps")
  (void)sticky;
  SoftEnv env = begin(cw);
  SoftFields x = soft_convert(&soft_f80, &soft_f32, &env, fields(*a), false);
  *r = x.sign << 31 | x.exp << 23 | (u32)x.m;
  return store_status(&env);
}

u32 f80_to_f64(u64 *r, const F80 *a, u32 cw, u32 sticky) {
  HOST_STORE("fstpl")
  (void)sticky;
  SoftEnv env = begin(cw);
  SoftFields x = soft_convert(&soft_f80, &soft_f64, &env, fields(*a), false);
  *r = (u64)x.sign << 63 | (u64)x.exp << 52 | x.m;
  return store_status(&env);
}

u32 f80_to_int(u64 *r, F80 a, u32 width, u32 cw) {
  SoftEnv env = begin(cw);
  *r = soft_to_int(&soft_f80, &env, fields(a), (s32)width, env.rounding);
  return status(&env);
}

F80 f80_from_bcd(Bcd a) {
  u64 value = 0;
  for (s32 i = 1; i >= 0; i--) value = value * 10 + (a.high >> (4 * i) & 15);
  for (s32 i = 15; i >= 0; i--) value = value * 10 + (a.low >> (4 * i) & 15);
  F80 r = f80_from_int((s64)value);
  r.se |= a.high & 0x8000;
  return r;
}

u32 f80_to_bcd(Bcd *r, F80 a, u32 cw) {
  u64 m;
  F80 magnitude = {a.m, a.se & 0x7fff};
  u32 away = a.se >> 15 ? (cw & 0x400) << 1 | (cw & 0x800) >> 1 : cw & 0xc00; /* of the magnitude */
  u32 flags =
      f80_to_int(&m, magnitude, 64, (cw & ~0xc00u) | ((cw & 0xc00) == 0xc00 ? 0xc00 : away));
  if (m >= 1000000000000000000) {
    *r = (Bcd){(u64)3 << 62, 0xffff};
    return X87_IE;
  }
  *r = (Bcd){0, a.se & 0x8000};
  for (u32 i = 0; i < 16; i++, m /= 10) r->low |= m % 10 << (4 * i);
  r->high |= (u16)(m % 10 | m / 10 << 4);
  return flags;
}

u32 f80_rint(F80 *r, F80 a, u32 cw) {
  SoftEnv env = begin(cw);
  *r = pack(soft_rint(&soft_f80, &env, fields(a)));
  return status(&env);
}

/* --- Arithmetic --- */

#define ARITHMETIC(name, insn, expression)                                    \
  static u32 name##_numbers(F80 *r, SoftNumber x, SoftNumber y, u32 cw) {     \
    SoftEnv env = begin(cw);                                                  \
    *r = pack(expression);                                                    \
    return status(&env);                                                      \
  }                                                                           \
  u32 f80_##name(F80 *r, const F80 *a, const F80 *b, u32 cw, u32 sticky) {    \
    HOST_REGISTERS(insn)                                                      \
    (void)sticky;                                                             \
    return name##_numbers(r, decode(*a), decode(*b), cw);                     \
  }                                                                           \
  u32 f80_##name##_f32(F80 *r, const F80 *a, u32 b, u32 cw, u32 sticky) {     \
    HOST_MEMORY(insn "s", u32)                                                \
    (void)sticky;                                                             \
    return name##_numbers(r, decode(*a), decode_source(f80_from_f32(b)), cw); \
  }                                                                           \
  u32 f80_##name##_f64(F80 *r, const F80 *a, u64 b, u32 cw, u32 sticky) {     \
    HOST_MEMORY(insn "l", u64)                                                \
    (void)sticky;                                                             \
    return name##_numbers(r, decode(*a), decode_source(f80_from_f64(b)), cw); \
  }

ARITHMETIC(add, "fadd", soft_add(&soft_f80, &env, x, y, 0))
ARITHMETIC(mul, "fmul", soft_mul(&soft_f80, &env, x, y))
ARITHMETIC(sub, "fsub", soft_add(&soft_f80, &env, x, y, 1))
ARITHMETIC(subr, "fsubr", soft_add(&soft_f80, &env, y, x, 1))
ARITHMETIC(div, "fdiv", soft_div(&soft_f80, &env, x, y))
ARITHMETIC(divr, "fdivr", soft_div(&soft_f80, &env, y, x))

u32 f80_sqrt(F80 *r, const F80 *a, u32 cw, u32 sticky) {
  HOST_UNARY("fsqrt")
  (void)sticky;
  SoftEnv env = begin(cw);
  *r = pack(soft_sqrt(&soft_f80, &env, decode(*a)));
  return status(&env);
}

/* |y| as an integer, where more than 2**20 is out of range anyhow. */
static s32 scale_factor(SoftNumber y) {
  bool inexact, up;
  u64 n = y.e > 0 ? ~(u64)0 : soft_round(RC_TRUNCATE, 0, y.m, -y.e, &inexact, &up);
  return n > 1 << 20 ? 1 << 20 : (s32)n;
}

/* a * 2**trunc(b) */
u32 f80_scale(F80 *r, F80 a, F80 b, u32 cw) {
  SoftEnv env = begin(cw);
  SoftNumber x = decode(a), y = decode(b);
  if (soft_nan(x, y)) {
    *r = pack(soft_propagate(&soft_f80, &env, x, y));
  } else if (y.kind == INFINITE && x.kind == (y.sign ? INFINITE : ZERO)) {
    *r = pack(soft_invalid(&soft_f80, &env));
  } else if (soft_denormal(&env, x, y)) {
    *r = a;
  } else if (y.kind == INFINITE) {
    *r = pack(y.sign ? soft_zero(x.sign) : soft_inf(&soft_f80, x.sign));
  } else if (x.kind == ZERO || x.kind == INFINITE) {
    *r = a;
  } else {
    s32 n = scale_factor(y);
    *r = pack(soft_pack(&soft_f80, &env, x.sign, x.m, x.e + (y.sign ? -n : n), 64, true));
  }
  return status(&env);
}

/* --- FPREM, FPREM1 --- */

static u32 quotient_bits(u64 q) {
  return (q & 4 ? X87_C0 : 0) | (q & 2 ? X87_C3 : 0) | (q & 1 ? X87_C1 : 0);
}

/* The operands are numbers, normalized; y is not zero.  Gives the remainder in *x. */
static u32 reduce(SoftNumber *x, SoftNumber y, bool nearest) {
  s32 distance = x->e - y.e;
  if (distance >= 64) {
    s32 n = 32 + (distance & 31);
    x->m = (u64)(((u128)x->m << n) % y.m);
    x->e -= n;
    return X87_C2;
  }
  u64 q = 0;
  u128 rest = x->m, unit = (u128)y.m << (distance == -1);
  if (distance >= 0) {
    q = (u64)((rest << distance) / y.m);
    rest = (rest << distance) % y.m;
    x->e = y.e;
  }
  if (nearest && distance >= -1 && (rest * 2 > unit || (rest * 2 == unit && (q & 1)))) {
    rest = unit - rest;
    x->sign ^= 1;
    q++;
  }
  x->m = (u64)rest;
  return quotient_bits(q);
}

u32 f80_remainder(F80 *r, F80 a, F80 b, u32 cw, bool nearest) {
  SoftEnv env = begin(cw);
  SoftNumber x = decode(a), y = decode(b);
  u32 condition = 0;
  *r = a;
  if (soft_nan(x, y)) {
    *r = pack(soft_propagate(&soft_f80, &env, x, y));
  } else if (x.kind == INFINITE || y.kind == ZERO) {
    *r = pack(soft_invalid(&soft_f80, &env));
  } else if (soft_denormal(&env, x, y)) {
    return env.flags;
  } else if (y.kind == INFINITE && x.kind != ZERO) {
    *r = pack(soft_assemble(&soft_f80, x.sign, x.m, x.e)); /* pseudo-denormals become normal */
  } else if (x.kind != ZERO) {
    u32 sign = x.sign;
    x = soft_normalize(x);
    condition = reduce(&x, soft_normalize(y), nearest);
    *r = x.m ? pack(soft_pack(&soft_f80, &env, x.sign, x.m, x.e, 64, true)) : pack(soft_zero(sign));
  }
  return env.flags | condition;
}

/* --- FXTRACT, FCOM, FXAM --- */

u32 f80_extract(F80 *significand, F80 *exponent, F80 a, u32 cw) {
  SoftEnv env = begin(cw);
  SoftNumber x = decode(a);
  *significand = *exponent = a;
  if (x.kind >= QNAN) {
    *significand = *exponent = pack(soft_propagate(&soft_f80, &env, x, x));
  } else if (x.kind == ZERO) {
    env.flags |= X87_ZE;
    *exponent = pack(soft_inf(&soft_f80, 1));
  } else if (x.kind == INFINITE) {
    *exponent = pack(soft_inf(&soft_f80, 0));
  } else if (!soft_denormal(&env, x, x)) {
    x = soft_normalize(x);
    *exponent = f80_from_int(x.e + 63);
    *significand = (F80){x.m, (u16)(x.sign << 15 | 16383)};
  }
  return env.flags;
}

u32 f80_compare(F80Source a, F80Source b, u32 cw, bool signaling) {
  SoftEnv env = begin(cw);
  switch (soft_compare(&env, decode_source(a), decode_source(b), signaling)) {
  case SOFT_LESS: return env.flags | X87_C0;
  case SOFT_EQUAL: return env.flags | X87_C3;
  case SOFT_GREATER: return env.flags;
  default: return env.flags | X87_C0 | X87_C2 | X87_C3;
  }
}

u32 f80_examine(F80 a) {
  static const u16 classes[] = {
      [ZERO] = X87_C3,
      [NORMAL] = X87_C2,
      [DENORMAL] = X87_C3 | X87_C2,
      [INFINITE] = X87_C2 | X87_C0,
      [QNAN] = X87_C0,
      [SNAN] = X87_C0,
      [UNSUPPORTED] = 0,
  };
  SoftNumber x = decode(a);
  return classes[x.kind] | (x.sign ? X87_C1 : 0);
}
