/* build: twice */
/* Instruction bodies that touch memory. */
#include "bodies.h"

#include <string.h>

#include "fp.h"
#include "memory.h"
#include "ops.h"
#include "x87.h"

/* Page by page, so that a fault in the second half comes before anything is written. */
static void *image(Cpu *c, u64 address, bool write)
{
  void *first = write ? mem_wr(c, address, 16) : mem_rd(c, address, 16);
  void *last = write ? mem_wr(c, address + 496, 16) : mem_rd(c, address + 496, 16);
  *(volatile u8 *)first, *(volatile u8 *)last;
  return first;
}

void fxsave_body(Cpu *c, u64 address, u32 wide)
{
  void *to = image(c, address, true);
  c->mxcsr = mxcsr_read();
  x87_fxsave(c, to, wide);
}

void fxrstor_body(Cpu *c, u64 address, u32 wide)
{
  const void *from = image(c, address, false);
  c->mxcsr = mxcsr_read();
  x87_fxrstor(c, from, wide);
  mxcsr_write(c->mxcsr);
}

#define BIT_STRING(w)                                                            \
  u8 bit_string##w(Cpu *c, u64 address, u##w bit, u32 operation)                 \
  {                                                                              \
    raw_u##w *p = mem_wr(c, address, w / 8);                                     \
    u##w old;                                                                    \
    if (operation == 0) old = __atomic_fetch_or(p, bit, __ATOMIC_SEQ_CST);       \
    else if (operation == 1) old = __atomic_fetch_and(p, (u##w)~bit, __ATOMIC_SEQ_CST); \
    else old = __atomic_fetch_xor(p, bit, __ATOMIC_SEQ_CST);                     \
    return (old & bit) != 0;                                                     \
  }
BIT_STRING(16)
BIT_STRING(32)
BIT_STRING(64)
