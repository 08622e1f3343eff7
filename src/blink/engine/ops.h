/* The operators that generated code uses: shifts with x86-free semantics, vectors, compare-and-swap. */
#ifndef BLINK_OPS_H
#define BLINK_OPS_H
#include "types.h"

/* Counts of w or more give 0 (or the sign).  The compiler drops the test when it knows the range. */
#define SHL(w, a, n) ((n) < (w) ? (u##w)((u##w)(a) << (n)) : (u##w)0)
#define SHR(w, a, n) ((n) < (w) ? (u##w)((u##w)(a) >> (n)) : (u##w)0)
#define SAR(w, a, n) ((u##w)((s##w)(a) >> ((n) < (w) ? (n) : (w)-1)))

/* cond ? a : b, for a condition of 0 or 1, without a branch. */
#define SELECT(cond, a, b) ((b) ^ (((a) ^ (b)) & -(u64)(cond)))

#define UMULH(w, a, b) umulh##w(a, b)
#define SMULH(w, a, b) smulh##w(a, b)
#define POPCNT(w, a) __builtin_popcountll(a)
#define CLZ(w, a) clz(a, w)
#define CTZ(w, a) ctz(a, w)
#define BSWAP(w, a) bswap##w(a)
#define bswap16(a) __builtin_bswap16(a)
#define bswap32(a) __builtin_bswap32(a)
#define bswap64(a) __builtin_bswap64(a)

static inline u16 umulh8(u8 a, u8 b) { return (u16)(a * b) >> 8; }
static inline u16 umulh16(u16 a, u16 b) { return (u32)a * b >> 16; }
static inline u32 umulh32(u32 a, u32 b) { return (u64)a * b >> 32; }
static inline u64 umulh64(u64 a, u64 b) { return (u128)a * b >> 64; }
static inline u8 smulh8(u8 a, u8 b) { return (s16)((s8)a * (s8)b) >> 8; }
static inline u16 smulh16(u16 a, u16 b) { return (s32)((s16)a * (s16)b) >> 16; }
static inline u32 smulh32(u32 a, u32 b) { return (s64)(s32)a * (s32)b >> 32; }
static inline u64 smulh64(u64 a, u64 b) { return (s128)(s64)a * (s64)b >> 64; }
static inline u32 clz(u64 a, u32 w) { return a ? (u32)__builtin_clzll(a) - (64 - w) : w; }
static inline u32 ctz(u64 a, u32 w) { return a ? (u32)__builtin_ctzll(a) : w; }

#define V_CONST(low, high) ((V128){.q = {low, high}})
#define V_LOW(x) ((V128){.q = {x, 0}})

static inline V128 v_and(V128 a, V128 b) { return (V128){.q = {a.q[0] & b.q[0], a.q[1] & b.q[1]}}; }
static inline V128 v_or(V128 a, V128 b) { return (V128){.q = {a.q[0] | b.q[0], a.q[1] | b.q[1]}}; }
static inline V128 v_xor(V128 a, V128 b) { return (V128){.q = {a.q[0] ^ b.q[0], a.q[1] ^ b.q[1]}}; }
static inline V128 v_not(V128 a) { return (V128){.q = {~a.q[0], ~a.q[1]}}; }
static inline u8 v_eq(V128 a, V128 b) { return a.q[0] == b.q[0] && a.q[1] == b.q[1]; }
static inline u128 v_u128(V128 a) { return (u128)a.q[1] << 64 | a.q[0]; }
static inline V128 v_of(u128 x) { return (V128){.q = {(u64)x, (u64)(x >> 64)}}; }
static inline V128 v_add128(V128 a, V128 b) { return v_of(v_u128(a) + v_u128(b)); }
static inline V128 v_shl128(V128 a, u32 n) { return n < 128 ? v_of(v_u128(a) << n) : V_LOW(0); }
static inline V128 v_shr128(V128 a, u32 n) { return n < 128 ? v_of(v_u128(a) >> n) : V_LOW(0); }

typedef u16 __attribute__((may_alias, aligned(1))) raw_u16;
typedef u32 __attribute__((may_alias, aligned(1))) raw_u32;
typedef u64 __attribute__((may_alias, aligned(1))) raw_u64;

#define RD8(p) (*(const volatile u8 *)(p))
#define RD16(p) (*(const volatile raw_u16 *)(p))
#define RD32(p) (*(const volatile raw_u32 *)(p))
#define RD64(p) (*(const volatile raw_u64 *)(p))
#define WR8(p, v) (*(volatile u8 *)(p) = (v))
#define WR16(p, v) (*(volatile raw_u16 *)(p) = (v))
#define WR32(p, v) (*(volatile raw_u32 *)(p) = (v))
#define WR64(p, v) (*(volatile raw_u64 *)(p) = (v))

/* LOCKed updates.  Split locks work because the host is x86 or the address is aligned. */
#define CAS(T, p, old, new) \
  __atomic_compare_exchange_n((T *)(p), &(T){old}, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define CAS8(p, old, new) CAS(u8, p, old, new)
#define CAS16(p, old, new) CAS(u16, p, old, new)
#define CAS32(p, old, new) CAS(u32, p, old, new)
#define CAS64(p, old, new) CAS(u64, p, old, new)

/* 16 bytes: read as two halves (a torn read only makes the CAS fail), or plainly written. */
static inline V128 RD128(const void *p) {
  return (V128){.q = {RD64(p), RD64((const char *)p + 8)}};
}

static inline void WR128(void *p, V128 v) {
  WR64(p, v.q[0]);
  WR64((char *)p + 8, v.q[1]);
}

static inline bool CAS128(void *p, V128 old, V128 new) {
#if defined(__x86_64__)
  bool done;
  __asm__ volatile("lock cmpxchg16b %1"
                   : "=@cce"(done), "+m"(*(u128 *)p), "+a"(old.q[0]), "+d"(old.q[1])
                   : "b"(new.q[0]), "c"(new.q[1])
                   : "memory");
  return done;
#else
  u128 expected = v_u128(old);
  return __atomic_compare_exchange_n((u128 *)p, &expected, v_u128(new), false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
#endif
}

#endif
