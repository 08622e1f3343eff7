/* Shared by the translator's files: jit.c (life, entry, faults), jit_table.c (blocks by address, and
 * what leads to them), jit_block.c, jit_branch.c and jit_operand.c (translation), jit_quick.c,
 * jit_compare.c. */
#ifndef BLINK_JIT_IMPL_H
#define BLINK_JIT_IMPL_H
#include "jit.h"
#include "jit_emit.h"

/* Two arenas, each within 2 GiB of where guests put code, so that RIP-relative operands reach: below
 * 4 GiB, and elsewhere. */
enum { ARENAS = 2, ARENA_SIZE = 64 << 20, ARENA_MARGIN = 64 << 10 };

/* How to find a guest instruction from a host address inside a block: one entry an instruction, and
 * most of the memory that a translation costs beside its code. */
typedef struct {
  u16 host;        /* offset from the block's host code */
  u16 guest : 10;  /* offset from the block's guest address */
  u16 pad : 1;     /* not where the instruction begins, but a part of it, or of the block's end */
  u16 lent : 5;    /* 1 + the register that is in poll.lent, from `lent_from` on; 0 for none */
  u8 left : 7;     /* instructions, from this one on, that are counted already */
  u8 rcx_lent : 1; /* RCX is in poll.rcx, from the second host instruction on */
  u8 lent_from;    /* offset from `host` */
} JitInsn;
_Static_assert(BLOCK_INSNS * 15 < 1 << 10, "JitInsn.guest");

/* Blocks and exits are named by numbers; 0 is none. */
typedef struct {
  u64 rip;
  u8 *code;    /* its host code */
  u8 *check;   /* the indirect entry: at `code`, elsewhere, or NULL while no indirect branch came */
  u32 insns;   /* first JitInsn */
  u32 size;    /* host bytes from `code` */
  u32 links;   /* exits that lead here, by `next` */
  u32 chain;   /* where an indirect branch goes on that came here and meant another block */
  u32 next[2]; /* in the lists of the first page and, if it is another one, of the last */
  u16 length : 15; /* guest bytes */
  u16 x87 : 1;     /* it has x87 instructions */
  u16 compare; /* offset from `code` of the code that compares the source, behind all else; 0: none */
  u16 undefined; /* status flags that some instruction leaves undefined */
  u8 count : 7;  /* instructions */
  u8 shared : 1; /* the check is one for slots that blocks share */
  u8 entry : 7;  /* offset from `code` of where direct branches go */
  u8 dead : 1;   /* the code changed; nothing leads here any more */
} JitBlock;

/* A direct branch out of a block. */
typedef struct {
  u64 target;
  u8 *site; /* its rel32 */
  s32 stub; /* from `site` to where it goes while the target has no code; 0: not yet written */
  u32 next; /* of those that lead to the same block */
} JitExit;

/* What to do with the upper halves of vector registers: nothing, while no translated code touches them
 * (js.wide); clear the host's, because the guest's are zero: SSE instructions are slow on CPUs that
 * must keep upper halves; load them. */
typedef enum { ENTER_NARROW, ENTER_CLEAR, ENTER_WIDE } JitEntry;

typedef struct {
  u8 *base;
  u8 *at;   /* where the next block goes */
  u8 *cold; /* what seldom runs lies from here to the arena's end: stubs, later checks */
  u8 *ready, *cold_ready, *blocks_ready; /* up to here, or from here on, there is memory */
  u64 *constants;                        /* the next return address, and how many fit here */
  u32 constants_left;
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

enum {
  JIT_SOLE = 3072,
  JIT_PAGES = 1 << 14,
  STALE_SIZE = 256,
  REFUSED_SIZE = 1024,
  STALE_MAX = 8,
  COMPARES_A_TICK = 1 << 14
};

/* What the forms said of an instruction, by prefix, opcode and ModRM: see jit_quick.c. */
enum { QUICK_SIZE = 1 << 13 };
typedef enum { QUICK_COPY = 1, QUICK_BRANCH } QuickKind;
typedef struct {
  u32 key;
  u8 kind;
  u8 tail; /* bytes behind the opcode that no ModRM tells of */
  u16 undefined;
} Quick;

struct Jit {
  JitArena arenas[ARENAS];
  u64 arena_size;
  JitInsn *insns;
  JitExit *exits;
  u8 *insns_ready, *exits_ready; /* as JitArena.ready */
  u32 insn_count, exit_count;
  JitSlot *table; /* by a hash of rip */
  u32 table_mask, block_count;
  u32 sole_count; /* checks of blocks that are alone in their slots */
  bool shares;    /* there are none: the address space for their misses is lacking */
  u32 flushes;
  char broken[16];      /* tests: instructions of this name are translated wrongly */
  u8 stale[STALE_SIZE]; /* by a hash of rip: how often source had changed since the last tick */
  u64 refused[REFUSED_SIZE]; /* by a hash of rip: ~rip where no block begins */
  u32 pages[JIT_PAGES];      /* by a hash of the page: the first block, by `next` */
  Quick quick[QUICK_SIZE];
  bool no_modrm[2][256]; /* by map and opcode: known to have none */
  const CpuModel *quick_model;
};

enum { MAX_BLOCKS = 1 << 20, MAX_INSNS = 16 << 20, MAX_EXITS = 4 << 20, STUB_SIZE = 17 };
enum { SMALL_PART = 8 }; /* of all sizes, under RLIMIT_AS: the guest needs address space, too */

/* The block at `rip`, translating it if it is new, with a check if it is `indirect`.  Leaves by a fault
 * like cache_block().  NULL: its first instruction is the interpreter's. */
JitBlock *jit_block(Cpu *c, u64 rip, bool indirect);
/* The same for where an exit leads; a new block may take the place of the jump to it. */
JitBlock *jit_block_behind(Cpu *c, u32 exit);
static inline u8 *jit_entry(const JitBlock *b) { return b->code + b->entry; }
u32 jit_arena_of(u64 rip);
/* Runs a block that was made for the doctor; where it leads is in rip. */
void jit_run_block(Cpu *c, const JitBlock *b);

JitBlock *jit_find(const Jit *j, u64 rip);
/* The block whose code is at a host address, or NULL. */
const JitBlock *jit_block_at(const Jit *j, u64 pc);
/* Calls `each` with every live block that has a byte in [start, end), until one says false. */
void jit_each_in(Jit *j, u64 start, u64 end, bool (*each)(void *, const JitBlock *), void *context);
/* Makes indirect branches find a block. */
void jit_enter_target(Cpu *c, JitBlock *b);
/* Space for what seldom runs.  ARENA_MARGIN is kept free for it. */
u8 *jit_cold(JitArena *a, u32 size);
/* Makes sure, once for many blocks, that the next ones need not fault memory in page by page. */
void jit_touch(Jit *j, JitArena *a);
/* Gives memory up to `ready` back; a child of fork, which has it from its parent, need not copy it. */
void jit_untouch(void *start, u8 **ready);
/* The check that a branch through `targets` goes to; before it lies the block's number.  That of a block
 * that has its slot alone faults in its load of RCX when another was meant (jit_is_miss).  If it is
 * `shared`, there is jrcxz over a jump to the next block's, and the jump's rel32. */
enum { CHECK_BRANCH = 14, CHECK_JUMP = 17, CHECK_SIZE = 30, NUMBER_SIZE = 4 };
#define CHECK_LOAD 0x65, 0x48, 0x8b, 0x89 /* mov rcx, gs:[rcx + disp32] */
void jit_write_check(Code *k, const JitArena *a, u64 rip, bool shared);
/* What there is of an arena's or a table's size. */
static inline u32 jit_room(const Jit *j, u32 most) { return j->shares ? most / SMALL_PART : most; }
/* Whether the next check must be for a shared slot: with many, too many would turn out to be. */
static inline bool jit_shares(const Jit *j) { return j->shares || j->sole_count > JIT_SOLE; }
/* Its source changed, and nobody said so.  Forgets all if that must be. */
void jit_drop_stale(Cpu *c, u64 rip);
/* Whether source at `rip` changes so often that translating it does not pay. */
bool jit_is_fickle(const Jit *j, u64 rip);
/* Code at `rip` begins with what is the interpreter's: to look again would be in vain. */
bool jit_refuses(const Jit *j, u64 rip);
void jit_refuse(Jit *j, u64 rip);
/* Enters a block whose addresses and sizes are known. */
JitBlock *jit_add(Jit *j, u32 arena, const JitBlock *made);
void jit_table_reset(Jit *j);
/* The number of a new exit at `site`; writing the code that `site` goes to when nothing is linked. */
u32 jit_exit(Jit *j, u8 *site, u64 target);
void jit_write_stub(Jit *j, JitArena *a, u32 exit);
void jit_to_stub(const JitExit *x);
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
/* jit_x87.c: the image that translated code loads; the state back from where FXSAVE or a signal put it;
 * which x87 instruction was the last before one of a block. */
void jit_x87_prepare(Cpu *c);
void jit_x87_take(Cpu *c, const void *image);
void jit_x87_recover(Cpu *c, const JitBlock *b, const JitInsn *before);
/* Makes an exit go to a block, if it is in reach. */
void jit_link(Jit *j, u32 exit, JitBlock *to);

#endif
