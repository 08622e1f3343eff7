/* A block in the making: shared by jit_block.c and jit_operand.c. */
#ifndef BLINK_JIT_MAKER_H
#define BLINK_JIT_MAKER_H
#include "decode.h"
#include "forms.h"
#include "jit_impl.h"
#include "run.h"

/* A loop of up to LOOP_INSNS instructions is written up to LOOP_COPIES times, LOOP_TOTAL in all. */
enum { LOOP_INSNS = 12, LOOP_COPIES = 4, LOOP_TOTAL = 24 };
enum {
  MAX_STUBS = BLOCK_INSNS + 2,
  WINDOW = 96,
  DECODE_SLACK = 32,
  NO_REG = 16,
  COMPARED_INSNS = 16
};

/* What need not be zero at first. */
typedef struct {
  u8 source[COMPARED_INSNS * DECODE_MAX]; /* of blocks that compare it */
  u32 stub[MAX_STUBS];                    /* exits */
  struct {
    u8 *site;
    u64 target;
    const JitInsn *insn;
  } pad[BLOCK_INSNS];
  u8 *out[LOOP_COPIES];             /* branches out of a loop that is written more than once */
  u8 window[WINDOW + DECODE_SLACK]; /* the slack is there to be read */
} Lists;

typedef struct {
  Cpu *c;
  Jit *j;
  Lists *lists;
  JitArena *a;
  Code k;
  u8 *code, *entry;
  JitInsn *insn;    /* of the instruction being translated */
  JitInsn *segment; /* of the first of a run of instructions that are counted together, or NULL */
  u8 *segment_site;
  u8 used[NO_REG]; /* by register: 1 + the last instruction that names it */
  u64 start, rip;
  u32 count, stubs;
  u32 copies, outs; /* of a loop: how many are left to write; its branches out */
  u64 behind;       /* the loop */
  bool again;       /* go on where it begins */
  bool loose;       /* a page of the window is not protected */
  bool compares;    /* the block compares its source when it begins */
  bool in_place;    /* of the jump that leads to it */
  bool quick;       /* instructions that are known need no decoding */
  u16 undefined;    /* status flags that some instruction leaves undefined */
  bool x87;         /* the host's x87 holds the guest's state from here on */
  u64 x87_mark;     /* the last x87 instruction, if the Cpu does not know it yet: x87_mark() */
  u32 pads;
  u64 window_rip;
  u32 window_len;
} Maker;

/* The offset in the block at which the next host byte goes. */
static inline u16 here(const Maker *m) { return (u16)(m->k.at - m->code); }

/* Notes that `reg` is the glue's from here on; the guest's value is in the Cpu. */
static inline void lend(Maker *m, u8 reg) {
  store_gs(&m->k, CPU_FIELD(poll.lent), reg);
  m->insn->lent = (1 + reg) & 31;
  m->insn->lent_from = (here(m) - m->insn->host) & 255;
}

/* BRANCHED: may go elsewhere; CUT: goes on in another block. */
typedef enum { GO_ON, BRANCHED, CUT, ENDED, REFUSED } Outcome;

/* jit_branch.c: polls, and all that goes elsewhere. */
void jit_poll(Maker *m);
bool jit_is_far(const Maker *m, u64 target);
void jit_leave(Maker *m, u32 reason, u64 rip);
void jit_jump_to(Maker *m, u64 target);
void jit_write_pads(Maker *m);
/* Branches out of a loop that did not come to its end. */
void jit_write_outs(Maker *m);
void jit_write_stubs(Maker *m);
Outcome jit_branch(Maker *m, const Insn *in);
void jit_return(Maker *m, const Insn *in);
bool jit_indirect(Maker *m, const u8 *bytes, const Insn *in);

/* jit_quick.c: translates the next instruction if it is known; REFUSED: it is not, or is special. */
Outcome jit_quick(Maker *m, const u8 *bytes, u32 *length);
void jit_learn(Jit *j, const u8 *bytes, const Insn *in, QuickKind kind, u16 undefined);

/* jit_x87.c: an x87 instruction for the host's x87; false: it is the interpreter's.  Before a branch, and
 * where the block ends, the Cpu is told which x87 instruction was the last. */
bool jit_x87(Maker *m, const u8 *bytes, const Insn *in, const FormDef *f);
void jit_x87_note(Maker *m);

/* Copies an instruction, with its memory operand made to mean the same; false if it cannot. */
bool jit_copy(Maker *m, const u8 *bytes, const Insn *in);
/* The offset of the ModRM byte. */
u32 jit_modrm_at(const Insn *in);

#endif
