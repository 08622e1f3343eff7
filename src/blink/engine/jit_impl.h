/* Shared by the translator's files: jit.c (life, entry, faults), jit_block.c (translation). */
#ifndef BLINK_JIT_IMPL_H
#define BLINK_JIT_IMPL_H
#include "jit.h"
#include "jit_emit.h"

/* Three arenas, each within 2 GiB of where guests put code, so that RIP-relative operands reach:
 * non-PIE images, PIE images, and libraries. */
enum { ARENAS = 3, ARENA_SIZE = 64 << 20, ARENA_MARGIN = 64 << 10, BLOCK_INSNS = 64 };

/* How to find a guest instruction from a host address inside a block: one entry an instruction. */
typedef struct {
  u16 host;    /* offset from the block's host code */
  u16 guest;   /* offset from the block's guest address */
  u8 lent;     /* 1 + the register that is in poll.lent, from `lent_from` on; 0 for none */
  u8 rcx_lent; /* RCX is in poll.rcx, from the second host instruction on */
  u16 lent_from;
} JitInsn;

typedef struct {
  u64 rip;
  u8 *entry; /* after the check of indirect entries */
  u8 *check; /* the indirect entry */
  u32 insns; /* first JitInsn */
  u32 size;  /* host bytes from `check` */
} JitBlock;

typedef struct {
  u8 *base;
  u8 *at;
  u8 *enter;        /* void enter(Cpu *, const u8 *code) */
  u8 *leave;        /* translated code leaves through here */
  u8 *miss;         /* an indirect branch whose target is not translated */
  JitBlock *blocks; /* in order of host address */
  u32 count;
} JitArena;

struct Jit {
  JitArena arenas[ARENAS];
  u64 arena_size;
  JitInsn *insns;
  u32 insn_count;
  u32 *table; /* hash of rip: 1 + arena << 28 | index */
  u32 table_mask, block_count;
  u64 epoch;
};

enum { MAX_BLOCKS = 1 << 20, MAX_INSNS = 16 << 20 };

/* The block at `rip`, translating it if it is new.  Leaves by a fault like cache_block().
 * NULL: its first instruction is the interpreter's. */
const JitBlock *jit_block(Cpu *c, u64 rip);
JitBlock *jit_find(const Jit *j, u64 rip);
JitBlock *jit_add(Jit *j, u32 arena, u64 rip);
u32 jit_arena_of(u64 rip);

#endif
