/* The run loop, faults, and the pre-decoded record cache. */
#ifndef BLINK_RUN_H
#define BLINK_RUN_H
#include "cpu.h"

/* Runs until something happens; at most `budget` instructions, exactly, when it is not ~0. */
Stop cpu_run(Cpu *c, u64 budget);

Cpu *cpu_new(Memory *mem);
void cpu_free(Cpu *c);
/* Power-on values of everything but memory (a new image after exec). */
void cpu_reset(Cpu *c);

/* breakpoints.c */
bool cpu_breakpoint_at(const Cpu *c, u64 rip);
/* Takes over the list, and forgets the blocks that hold an old one or a new one. */
void cpu_break_at(Cpu *c, u64 *list, u32 count);

/* Whether translated code counts instructions.  Changing it drops all code. */
void cpu_count(Cpu *c, bool on);

/* How run() is left from amid an instruction. */
enum { ESCAPE_FAULT = 1, ESCAPE_CODE_WRITTEN, ESCAPE_ILLEGAL, ESCAPE_POLL };
/* Leaves before the instruction that made its first access. */
NORETURN void cpu_leave(Cpu *c, Stop why);
/* Runs records until they leave. */
void cpu_enter(Cpu *c, const Rec *r);

/* Leave run() with an exception.  cpu_fault is for memory: `addr` is the guest address. */
NORETURN void cpu_fault(Cpu *c, u32 vector, u64 error, u64 addr);
NORETURN void fault_here(Cpu *c, u32 vector, u64 error);
/* Leave run() with STOP_UNIMPLEMENTED, at the instruction. */
NORETURN void cpu_unimplemented(Cpu *c);
/* Leave run() with `reason`, at the instruction, for the caller to do what it asks for. */
NORETURN void cpu_leave_before(Cpu *c, Stop reason);

/* All of EFLAGS. */
u32 flags_word(const Cpu *c);

/* Handlers' slow exits; each returns the record to continue with, or NULL for leaving run(). */
const Rec *leave_at(Cpu *c, const Rec *to);
const Rec *leave_stop(Cpu *c, const Rec *r, Stop reason, u64 vector);
const Rec *resolve(Cpu *c, u64 key);
/* An instruction has set c->rip, and perhaps the mode or c->stop. */
const Rec *far_resume(Cpu *c, const Rec *r);

/* Handlers of records that are not instructions. */
Handler header_handler, exit_handler, stub_handler, jump_handler, ea_handler, breakpoint_handler;
Handler undefined_handler, segment_ea_handler, limit_handler;
extern const Rec exit_record;

/* A store met a page that code was decoded from; that code is already forgotten.  Leaves the handler:
 * the instruction runs again from scratch space, and what follows it is decoded anew. */
NORETURN void cpu_code_written(Cpu *c);

/* The address of the instruction of a record. */
u64 rec_rip(const Rec *r);
/* Instructions of the block before this record. */
u32 rec_ordinal(const Rec *r);

/* Corrects what a handler or the host could not know of the fault in c->stop_* (fault.c). */
void fault_refine(Cpu *c);
/* Whether the instruction reads and writes its memory operand. */
bool insn_updates_memory(Cpu *c, u64 rip);

/* --- the cache (block.c) --- */

Cache *cache_new(void);
void cache_free(Cache *k);
/* Forget all blocks, when the code or its permissions changed. */
void cache_flush(Cpu *c);
/* ... in the record cache only; translations stay. */
void cache_flush_records(Cpu *c);
/* The first record of the block at `rip`, decoding it if it is new; in scratch space when its page is
 * not protected.  Leaves by a fault when the
 * first instruction cannot be fetched. */
const Rec *cache_block(Cpu *c, u64 rip);
/* Forget what was made of code that changed, if the code epoch moved. */
void cache_forget(Cpu *c);
/* The same before it runs: polls pass again, too. */
void cache_sync(Cpu *c);
/* Whether a decoded block begins there. */
bool cache_begins(const Cpu *c, u64 rip);
/* A block of exactly `count` instructions at most, in scratch space, forgotten at the next call. */
const Rec *cache_scratch(Cpu *c, u64 rip, u32 count);
/* Whether a record is the cache's, not scratch. */
bool cache_keeps(const Cpu *c, const Rec *r);
/* Patch the link that this stub stands for. */
void cache_link(Cpu *c, const Rec *stub, const Rec *target);

enum { BLOCK_MAX = 48 }; /* instructions in a block */

/* Indices into Cpu.counters, the statistics of -Z. */
enum { COUNT_BLOCKS, COUNT_DECODED, COUNT_FLUSHES, COUNT_SYSCALLS, COUNT_NATIVE };
enum { COUNT_TRANSLATED = COUNT_NATIVE + 1, COUNT_MISSES };

#endif
