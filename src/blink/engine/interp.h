/* What a generated handler is made of: operand access, leaving to the next record, faults.
 *
 * Handlers tail-call each other: `return next->fn(c, next)` is a sibling call (a test inspects the
 * object code).  Under sanitizers and -O0 (BLINK_TRAMPOLINE) they return the next record to a loop.
 * A handler commits registers and flags only after its last access that may fault, and notes itself
 * in c->cur before the first, so a fault finds the state of the instruction's start.
 */
#ifndef BLINK_INTERP_H
#define BLINK_INTERP_H
#include "_generated_flags.h"
#include "bodies.h"
#include "cpu.h"
#include "fp.h"
#include "memory.h"
#include "ops.h"
#include "run.h"
#include "simd.h"
#include "x87.h"

#if BLINK_PAGED
#define H(name) h_##name##_paged
#else
#define H(name) h_##name##_linear
#endif

#define HANDLER(name) const Rec *H(name)(Cpu * c, const Rec *r)

/* Handlers that access no memory are the same in both modes. */
#define COMMON(name) h_##name##_both
#define COMMON_HANDLER(name) const Rec *COMMON(name)(Cpu * c, const Rec *r)

#if BLINK_TRAMPOLINE
#define GO(rec) return (void)c, (rec)
#else
#define GO(rec)             \
  do {                      \
    const Rec *go_ = (rec); \
    return go_->fn(c, go_); \
  } while (0)
#endif

/* Registers: GPRn by number, REGn by a record's byte offset.  The empty asm keeps the offset out of the
 * addressing mode: Intel's cores forward a store to a load at once when the load's address is a
 * register alone, and in five cycles when it has an index. */
#define GPR64(n) (c->gpr[n])
#define GPR32(n) (*(raw_u32 *)&c->gpr[n])
#define GPR16(n) (*(raw_u16 *)&c->gpr[n])
#define GPR8(n) (*(u8 *)&c->gpr[n])
static ALWAYS_INLINE void *reg_at(Cpu *c, u64 offset) {
  char *p = (char *)c->gpr + offset;
  __asm__("" : "+r"(p));
  return p;
}

#define REG64(o) (*(raw_u64 *)reg_at(c, o))
#define REG32(o) (*(raw_u32 *)reg_at(c, o))
#define REG16(o) (*(raw_u16 *)reg_at(c, o))
#define REG8(o) (*(u8 *)reg_at(c, o))
#define XMM(n) (c->vec[n].x[0])
#define YMMH(n) (c->vec[n].x[1])
#define MMX(n) (*(raw_u64 *)c->x87.st[n])

#define MMX_TOP(n) (*(raw_u16 *)(c->x87.st[n] + 8))

#define EA(r) (REG64((r)->base) + (REG64((r)->index) << (r)->scale) + (r)->disp)

/* The operand's offset in its segment, whose base an address record has added to GPR_EA. */
static inline u64 segment_offset(Cpu *c, const Rec *r) {
  u64 ea = EA(r);
  if (likely(r->base != GPR_EA * 8)) return ea;
  if (c->mode != 64) return (u32)(ea - c->seg_base[r[-1].a]);
  return ea - (r[-1].a == 1 + FS ? c->fs_base : r[-1].a == 1 + GS ? c->gs_base : 0);
}
#define OFFSET(r) segment_offset(c, r)

/* The asm: gcc would load the handler's address before it adds, into one more register. */
#define NEXT(r)                 \
  do {                          \
    const Rec *next_ = (r) + 1; \
    __asm__("" : "+r"(next_));  \
    GO(next_);                  \
  } while (0)

/* Count the block's instructions, leave if the limit is passed, else go on at `target`. */
#define BRANCH(r, target)                                        \
  do {                                                           \
    const Rec *to_ = (target);                                   \
    c->icount += (r)->n;                                         \
    if (unlikely(c->icount > c->limit)) return leave_at(c, to_); \
    GO(to_);                                                     \
  } while (0)

/* A REP string that is not done: the instruction itself has not retired. */
#define AGAIN(r, target)                                          \
  do {                                                            \
    const Rec *to_ = (target);                                    \
    c->icount += (r)->n - 1;                                      \
    if (unlikely(c->icount >= c->limit)) return leave_at(c, to_); \
    GO(to_);                                                      \
  } while (0)

#define INDIRECT(r, target)                                           \
  do {                                                                \
    u64 to_ = (target);                                               \
    c->icount += (r)->n;                                              \
    const JumpEntry *e_ = &c->jumps[jump_index(to_)];                 \
    if (likely(e_->key == to_ && c->icount <= c->limit)) GO(e_->rec); \
    GO(resolve(c, to_));                                              \
  } while (0)

/* A store across pages is checked first, for no half of it may happen alone. */
static ALWAYS_INLINE void STORE256(Cpu *c, u64 addr, V128 low, V128 high) {
  if (unlikely((addr & 4095) > 4096 - 32)) check_store(c, addr, 32);
  STORE128(c, addr, low);
  STORE128(c, addr + 16, high);
}
#define FAR(r) GO(far_resume(c, r))

#define STOP(c, r, reason, vector) return leave_stop(c, r, reason, vector)
#define FAULT(c, vector, error) fault_here(c, vector, error)

#endif
