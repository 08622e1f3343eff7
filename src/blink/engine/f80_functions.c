/* The transcendental x87 instructions: the host's own on x86-64. */
#include "f80.h"

#if defined(__x86_64__) && !defined(BLINK_PORTABLE_FP)

/* What FNSAVE stores in 64-bit mode; registers in stack order. */
typedef struct {
  u16 cw, pad0, sw, pad1, tw, pad2;
  u32 pointers[4];
  u8 st[8][10];
} SavedX87;

/* One instruction on the host's empty stack under the guest's control word.  FNSAVE does not wait,
 * so an unmasked exception traps nobody, and it leaves the host's x87 initialized. */
#define RUN(insn)                                                                      \
  __asm__ volatile("fninit\n\tfldt %2\n\tfldt %1\n\tfldcw %3\n\t" insn "\n\tfnsave %0" \
                   : "=m"(after)                                                       \
                   : "m"(a), "m"(b), "m"(guest)                                        \
                   : "memory");                                                        \
  break

static F80 saved(const SavedX87 *x87, u32 i) {
  F80 r;
  __builtin_memcpy(&r.m, x87->st[i], 8);
  __builtin_memcpy(&r.se, x87->st[i] + 8, 2);
  return r;
}

u32 f80_function(F80 r[2], F80Function function, F80 a, F80 b, u32 cw) {
  SavedX87 after;
  u16 guest = (u16)cw;
  switch (function) {
  case F80_2XM1: RUN("f2xm1");
  case F80_YL2X: RUN("fyl2x");
  case F80_YL2XP1: RUN("fyl2xp1");
  case F80_PATAN: RUN("fpatan");
  case F80_PTAN: RUN("fptan");
  case F80_SIN: RUN("fsin");
  case F80_COS: RUN("fcos");
  case F80_SINCOS: RUN("fsincos");
  }
  r[0] = saved(&after, 0);
  r[1] = saved(&after, 1);
  return after.sw & (X87_EXCEPTIONS | X87_CONDITION);
}

#endif
