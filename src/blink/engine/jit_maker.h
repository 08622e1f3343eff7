/* A block in the making: shared by jit_block.c and jit_operand.c. */
#ifndef BLINK_JIT_MAKER_H
#define BLINK_JIT_MAKER_H
#include "decode.h"
#include "jit_impl.h"
#include "run.h"

enum { MAX_STUBS = BLOCK_INSNS + 2, WINDOW = 64, NO_REG = 16, COMPARED_INSNS = 16 };

/* What need not be zero at first. */
typedef struct {
  u8 source[COMPARED_INSNS * DECODE_MAX]; /* of blocks that compare it */
  u32 stub[MAX_STUBS];                    /* exits */
  struct {
    u8 *site;
    u64 target;
    const JitInsn *insn;
  } pad[BLOCK_INSNS];
  u8 window[WINDOW + DECODE_MAX];
} Lists;

typedef struct {
  Cpu *c;
  Jit *j;
  Lists *lists;
  JitArena *a;
  Code k;
  u8 *check, *entry;
  JitInsn *insn;    /* of the instruction being translated */
  JitInsn *segment; /* of the first of a run of instructions that are counted together, or NULL */
  u8 *segment_site;
  u8 used[NO_REG]; /* by register: 1 + the last instruction that names it */
  u64 start, rip;
  u32 count, stubs;
  bool loose;        /* a page of the window is not protected */
  bool compares;     /* the block compares its source when it begins */
  u16 undefined;     /* status flags that some instruction leaves undefined */
  u8 *constant_site; /* of the return address that the block's call pushes */
  u64 constant;
  u32 pads;
  u64 window_rip;
  u32 window_len;
} Maker;

/* The offset in the block at which the next host byte goes. */
static inline u16 here(const Maker *m) { return (u16)(m->k.at - m->check); }

/* Notes that `reg` is the glue's from here on; the guest's value is in the Cpu. */
static inline void lend(Maker *m, u8 reg) {
  store_gs(&m->k, CPU_FIELD(poll.lent), reg);
  m->insn->lent = 1 + reg;
  m->insn->lent_from = here(m);
}

/* Copies an instruction, with its memory operand made to mean the same; false if it cannot. */
bool jit_copy(Maker *m, const u8 *bytes, const Insn *in);
/* The offset of the ModRM byte. */
u32 jit_modrm_at(const Insn *in);

#endif
