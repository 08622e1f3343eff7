/* Fixed-width types and the few compiler attributes that the engine uses. */
#ifndef BLINK_TYPES_H
#define BLINK_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned __int128 u128;
typedef __int128 s128;

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NORETURN __attribute__((noreturn))

/* A vector register (or a part of one), seen as lanes.  Little-endian hosts only. */
typedef union {
  u8 b[16];
  u16 w[8];
  u32 d[4];
  u64 q[2];
  s8 sb[16];
  s16 sw[8];
  s32 sd[4];
  s64 sq[2];
  float f32[4];
  double f64[2];
} V128;

/* Made of halves: no host need have 256-bit registers. */
typedef union {
  V128 x[2];
  u8 b[32];
  u16 w[16];
  u32 d[8];
  u64 q[4];
} V256;

typedef union {
  V128 x[4]; /* x[0] is the XMM part */
  u8 b[64];
  u64 q[8];
} V512;

#endif
