/* The x86-64 to x86-64 translator: guest registers live in the same host registers, most
 * instructions are copied, and only control flow, far RIP-relative operands, segment overrides and
 * what needs policy are rewritten or handed to the interpreter.  docs/internals/translator.md.
 *
 * Linear memory, 64-bit mode, x86-64 hosts.  It counts instructions when Cpu.counting is set: then
 * icount is exact whenever it leaves, and a budget's last JIT_MARGIN instructions are the
 * interpreter's.
 */
#ifndef BLINK_JIT_H
#define BLINK_JIT_H
#include <ucontext.h>

#include "cpu.h"

/* Why translated code came back; c->rip is where to go on. */
enum {
  JIT_LINK,    /* a direct branch that is not linked yet: js.exit */
  JIT_MISS,    /* an indirect branch: js.target */
  JIT_STALE,   /* a block's source changed, or it is time for a tick */
  JIT_FICKLE,  /* one instruction that does not stay the same: the interpreter's */
  JIT_SYSCALL, /* c->rip is behind the instruction */
  JIT_INTERPRET
};

/* Translated code looks at its limit at each branch that goes back or leaves an aligned window of
 * this many bytes, and at each indirect one; so it runs so many instructions past its limit at most,
 * and the interpreter may run a block more. */
enum { WINDOW_BITS = 12, JIT_MARGIN = (1 << WINDOW_BITS) + 2 * BLOCK_INSNS + 64 };

/* Room for host code in each of the translator's arenas, and where the arena of libraries lies; 0:
 * as usual.  Tests make arenas small, near or far. */
typedef struct {
  u64 size, place;
} JitPlan;

/* NULL when the host cannot (no FSGSBASE, no executable memory, another architecture). */
Jit *jit_new(Cpu *c, JitPlan plan);
void jit_free(Jit *j);
/* Forget all translations. */
void jit_flush(Cpu *c);
/* Forget those of a range of guest code, which changed. */
void jit_drop(Cpu *c, u64 start, u64 end);
/* Whether the budget leaves translated code that counts enough room to stop in time. */
bool jit_has_room(const Cpu *c);
/* Runs translated code from c->rip until it leaves; the reason.  May leave by a fault. */
u32 jit_run(Cpu *c);
/* After translated code left: the state as after run(). */
void jit_syscall(Cpu *c);

/* Whether a host address lies in translated code. */
bool jit_owns(const Jit *j, u64 pc);
/* In the fault handler: the guest's state, from the host's context, into the Cpu.  false: it was a
 * block that compared its source, so the fault is that of fetching the instruction. */
bool jit_recover(Cpu *c, const ucontext_t *uc);
/* Whether a fault at `pc` in translated code, on `addr`, is that of an indirect branch that came to
 * another block than it meant. */
bool jit_is_miss(const Cpu *c, const void *addr, u64 pc);
/* The guest's state then, before the instruction that it meant. */
void jit_recover_miss(Cpu *c, const ucontext_t *uc);
/* In a signal handler: make translated code leave at its next poll. */
void jit_interrupt(Cpu *c);
/* Polls pass again.  Before looking at what they were closed for: what comes later closes them anew. */
void jit_resume(Cpu *c);
/* Whether a store there means that an interrupt waits, or a load that the limit is reached. */
static inline bool jit_is_poll(const Cpu *c, const void *addr) {
  u64 at = (u64)addr, field = at + LIMIT_SPAN;
  if (c->counting && (field == (u64)&c->poll.lent || field == (u64)&c->poll.rcx)) return true;
  return at - (u64)&c->poll < sizeof c->poll;
}

#endif
