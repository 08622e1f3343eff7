/* x87 instructions in translated code: the host's x87 runs them.
 *
 * C code finds the guest's x87 state in the Cpu.  Translated code loads it into the host's registers
 * where a block's first x87 instruction is, unless js.x87_away says that an earlier block did; `leave`
 * stores it, and a fault finds it in the signal's frame.  Code that counts has no x87 instructions: MM0
 * is its counter.
 *
 * FIP and FOP follow from the last instruction's place, for the host's would be that of the copy.  FDP
 * is the host's while an unmasked exception is pending, and else stays what the interpreter wrote, as on
 * processors that have FDP_EXCPTN_ONLY (SDM volume 1, 8.1.8).
 */
#include "jit.h"

#if defined(__x86_64__)

#include <string.h>

#include "jit_maker.h"
#include "memory.h"
#include "x87_impl.h"
#include "xsave.h"

/* --- the state, in and out --- */

/* What FRSTOR reads; of the tags it asks only whether a register is empty (3). */
typedef struct {
  u32 cw, sw, tags, fip, fcs_fop, fdp, fds;
  u8 st[8][10];
} Frstor;
_Static_assert(sizeof(Frstor) <= sizeof((Cpu *)0)->js.x87_in, "FRSTOR's image");

void jit_x87_prepare(Cpu *c) {
  Frstor to = {.cw = c->x87.cw, .sw = status_word(c)};
  for (u32 n = 0; n < 8; n++) {
    if (!(c->x87.tags >> n & 1)) to.tags |= 3u << 2 * n;
    memcpy(to.st[n], c->x87.st[physical(c, n)], sizeof to.st[n]);
  }
  memcpy(c->js.x87_in, &to, sizeof to);
}

void jit_x87_take(Cpu *c, const void *image) {
  XsaveArea from;
  memcpy(&from, image, offsetof(XsaveArea, xmm));
  c->js.x87_away = 1;
  c->x87.cw = sane_control(from.cw);
  load_status(&c->x87, from.sw);
  c->x87.tags = from.tags;
  for (u32 n = 0; n < 8; n++) memcpy(c->x87.st[physical(c, n)], from.st[n], 10);
  if (!x87_pending(c)) return;
  c->x87.fdp = from.fdp;
  c->x87.fds = 0;
}

/* --- which instruction was the last --- */

static u64 mark_of(u64 rip, const Insn *in, const FormDef *f) {
  return f->flags & FORM_X87 ? x87_mark(rip, (u32)in->opcode << 8 | in->modrm) : 0;
}

void jit_x87_note(Maker *m) {
  if (!m->x87_mark) return;
  set_gs64(&m->k, CPU_FIELD(x87.last), m->x87_mark);
  m->x87_mark = 0;
  m->insn->host = here(m); /* no part of an instruction that borrows registers */
}

static u64 mark_at(Cpu *c, u64 rip) {
  u8 bytes[DECODE_MAX];
  Insn in;
  u32 got = memory_fetch(c->mem, rip, bytes, sizeof bytes);
  const FormDef *f = decode(&in, bytes, got, 64) == DECODE_OK ? form_find(&in, c->model) : NULL;
  return f ? mark_of(rip, &in, f) : 0;
}

void jit_x87_recover(Cpu *c, const JitBlock *b, const JitInsn *before) {
  u64 mark = 0;
  for (const JitInsn *n = before; !mark && n > &c->jit->insns[b->insns];)
    mark = mark_at(c, b->rip + (--n)->guest);
  if (mark) c->x87.last = mark;
}

/* --- translation --- */

/* frstor gs:[x87_in], unless the host's x87 holds the guest's state already */
static void load_state(Maker *m) {
  Code *k = &m->k;
  lend(m, RCX);
  put8(k, 0x65), put8(k, 0x8b); /* mov ecx, gs:[x87_away]; jrcxz over */
  put_gs(k, RCX, CPU_FIELD(js.x87_away));
  put8(k, 0xe3), put8(k, 0);
  u8 *from = k->at;
  put8(k, 0x65), put8(k, 0xdd);
  put_gs(k, 4, CPU_FIELD(js.x87_in));
  set_gs32(k, CPU_FIELD(js.x87_away), 0);
  from[-1] = (u8)(k->at - from);
  load_gs(k, RCX, CPU_FIELD(poll.lent));
  m->c->js.x87 = 1;
}

bool jit_x87(Maker *m, const u8 *bytes, const Insn *in, const FormDef *f) {
  u8 *before = m->k.at;
  if (m->c->counting || m->compares || (in->seg && !in->has_mem)) return false;
  if (!m->x87) load_state(m);
  if (!jit_copy(m, bytes, in)) {
    m->k.at = before;
    return false;
  }
  m->x87 = true;
  u64 mark = mark_of(m->rip, in, f);
  if (mark) m->x87_mark = mark;
  return true;
}

#endif
