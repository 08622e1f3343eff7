/* Shared by the translator's files: jit.c (life, entry, faults), jit_table.c (blocks by address, and
 * what leads to them), jit_block.c and jit_operand.c (translation), jit_compare.c. */
#ifndef BLINK_JIT_IMPL_H
#define BLINK_JIT_IMPL_H
#include "jit.h"
#include "jit_emit.h"

/* Three arenas, each within 2 GiB of where guests put code, so that RIP-relative operands reach:
 * non-PIE images, PIE images, and libraries. */
enum { ARENAS = 3, ARENA_SIZE = 64 << 20, ARENA_MARGIN = 64 << 10 };

/* How to find a guest instruction from a host address inside a block: one entry an instruction. */
typedef struct {
  u16 host;        /* offset from the block's host code */
  u16 guest : 15;  /* offset from the block's guest address */
  u16 pad : 1;     /* not where the instruction begins, but a part of it, or of the block's end */
  u8 lent;         /* 1 + the register that is in poll.lent, from `lent_from` on; 0 for none */
  u8 rcx_lent : 1; /* RCX is in poll.rcx, from the second host instruction on */
  u8 left : 7;     /* instructions, from this one on, that are counted already */
  u16 lent_from;
} JitInsn;

/* Blocks and exits are named by numbers; 0 is none. */
typedef struct {
  u64 rip;
  u8 *entry;   /* after the check of indirect entries */
  u8 *check;   /* the indirect entry */
  u32 insns;   /* first JitInsn */
  u32 size;    /* host bytes from `check` */
  u32 links;   /* exits that lead here, by `next` */
  u32 chain;   /* where an indirect branch goes on that came here and meant another block */
  u32 next[2]; /* in the lists of the first page and, if it is another one, of the last */
  u16 length;  /* guest bytes */
  u16 compare; /* offset from `check` of the code that compares the source, behind all else; 0: none */
  u16 undefined; /* status flags that some instruction leaves undefined */
  u8 count;      /* instructions */
  bool dead;     /* the code changed; nothing leads here any more */
} JitBlock;

/* A direct branch out of a block. */
typedef struct {
  u64 target;
  u8 *site; /* its rel32 */
  u8 *stub; /* where it goes while the target has no code; NULL: not yet written */
  u32 next; /* of those that lead to the same block */
} JitExit;

/* What to do with the upper halves of vector registers: nothing, while no translated code touches them
 * (js.wide); clear the host's, because the guest's are zero: SSE instructions are slow on CPUs that
 * must keep upper halves; load them. */
typedef enum { ENTER_NARROW, ENTER_CLEAR, ENTER_WIDE } JitEntry;

typedef struct {
  u8 *base;
  u8 *at;
  u8 *enter[3];     /* void enter(Cpu *, const u8 *code), by JitEntry */
  u8 *leave;        /* translated code leaves through here */
  u8 *miss;         /* an indirect branch whose target is not translated */
  u8 *link;         /* a direct branch whose target is not translated: js.exit */
  u8 *stale;        /* a block's source changed */
  JitBlock *blocks; /* in order of host address */
  u32 count;
} JitArena;

/* A block's number is 1 + arena << 28 | index. */
typedef struct {
  u32 hash, number;
} JitSlot;

enum { JIT_PAGES = 1 << 14, STALE_SIZE = 256, STALE_MAX = 8, COMPARES_A_TICK = 1 << 14 };

struct Jit {
  JitArena arenas[ARENAS];
  u64 arena_size;
  JitInsn *insns;
  JitExit *exits;
  u32 insn_count, exit_count;
  JitSlot *table; /* by a hash of rip */
  u32 table_mask, block_count;
  u32 flushes;
  char broken[16];      /* tests: instructions of this name are translated wrongly */
  u8 stale[STALE_SIZE]; /* by a hash of rip: how often source had changed since the last tick */
  u32 pages[JIT_PAGES]; /* by a hash of the page: the first block, by `next` */
};

enum { MAX_BLOCKS = 1 << 20, MAX_INSNS = 16 << 20, MAX_EXITS = 4 << 20, STUB_SIZE = 17 };

/* The block at `rip`, translating it if it is new.  Leaves by a fault like cache_block().
 * NULL: its first instruction is the interpreter's. */
JitBlock *jit_block(Cpu *c, u64 rip);
u32 jit_arena_of(u64 rip);
/* Runs a block that was made for the doctor; where it leads is in rip. */
void jit_run_block(Cpu *c, const JitBlock *b);

JitBlock *jit_find(const Jit *j, u64 rip);
/* The block whose code is at a host address, or NULL. */
const JitBlock *jit_block_at(const Jit *j, u64 pc);
/* Makes indirect branches find a block. */
void jit_enter_target(Cpu *c, JitBlock *b);
/* In the check that a block begins with (write_check): jrcxz over a jump, and the jump's rel32. */
enum { CHECK_BRANCH = 14, CHECK_JUMP = 17 };
/* Its source changed, and nobody said so.  Forgets all if that must be. */
void jit_drop_stale(Cpu *c, u64 rip);
/* Whether source at `rip` changes so often that translating it does not pay. */
bool jit_is_fickle(const Jit *j, u64 rip);
/* Enters a block whose addresses and sizes are known. */
JitBlock *jit_add(Jit *j, u32 arena, const JitBlock *made);
void jit_table_reset(Jit *j);
/* The number of a new exit at `site`; writing the code that `site` goes to when nothing is linked. */
u32 jit_exit(Jit *j, u8 *site, u64 target);
void jit_write_stub(Jit *j, const JitArena *a, Code *k, u32 exit);
/* The source of a block, whose `entry` is a jump to be patched. */
typedef struct {
  u64 rip;
  const u8 *bytes;
  u32 length;
  u8 *entry;
  const u8 *stale; /* where to go when it differs */
} JitSource;
/* Writes what a block begins with: count, compare, and go on behind `entry`, or leave. */
void jit_write_compare(Code *k, const JitSource *source);
/* Makes an exit go to a block, if it is in reach. */
void jit_link(Jit *j, u32 exit, JitBlock *to);

#endif
