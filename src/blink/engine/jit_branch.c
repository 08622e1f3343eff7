/* Where translated code goes elsewhere: polls, direct branches and their stubs, calls, returns.
 *
 * Every branch that goes back, and every indirect branch, stores to the poll page, which is how an
 * interrupt gets in.
 */
#include "jit.h"

#if defined(__x86_64__)

#include "jit_maker.h"
#include "run.h"

/* Leaves by a fault if MM0 is not negative; `reg` is in the Cpu's `field`, and comes back from there:
 * pextrw reg, mm0, 3; mov reg, gs:[reg * 8 + field - LIMIT_SPAN] */
static void check_limit(Code *k, u8 reg, u32 field) {
  u8 high = reg >> 3;
  if (high) put8(k, 0x44);
  put8(k, 0x0f), put8(k, 0xc5), put8(k, modrm(3, reg, 0)), put8(k, 3);
  put8(k, 0x65), put8(k, (u8)(0x48 | high << 2 | high << 1)), put8(k, 0x8b);
  put8(k, modrm(0, reg, 4)), put8(k, modrm(3, reg, 5));
  put32(k, field - LIMIT_SPAN);
}

/* A register that was not named for long: borrowing it delays nobody. */
static u8 idle_register(const Maker *m) {
  static const u8 order[] = {R15, R14, R13, R12, R11, R10, R9, R8,
                             RBX, RBP, RDI, RSI, RDX, RCX, RAX};
  u8 best = order[0];
  for (u32 i = 1; i < sizeof order; i++)
    if (m->used[order[i]] < m->used[best]) best = order[i];
  return best;
}

/* --- polls --- */

void jit_poll(Maker *m) {
  if (m->c->counting) {
    u8 reg = idle_register(m);
    lend(m, reg);
    check_limit(&m->k, reg, CPU_FIELD(poll.lent));
    return;
  }
  put8(&m->k, 0x65), put8(&m->k, 0x88); /* mov gs:[poll], al */
  put_gs(&m->k, RAX, CPU_FIELD(poll.back));
}

/* With a limit, paths that go forward are bounded, too: see WINDOW_BITS. */
bool jit_is_far(const Maker *m, u64 target) {
  return m->c->counting && (target ^ m->start) >> WINDOW_BITS != 0;
}

static void poll_before(Maker *m, u64 target) {
  if (target <= m->rip || jit_is_far(m, target)) jit_poll(m);
}

void jit_leave(Maker *m, u32 reason, u64 rip) {
  jit_x87_note(m);
  set_gs64(&m->k, CPU_FIELD(rip), rip);
  set_gs32(&m->k, CPU_FIELD(js.exit_reason), reason);
  jump(&m->k, m->a->leave);
}

/* --- direct branches --- */

/* A rel32 goes to `target`: to its code if there is any, else to a stub. */
static void link_site(Maker *m, u8 *site, u64 target) {
  if (target == m->start && !m->c->doctor) {
    patch32(site, m->entry);
    return;
  }
  u32 exit = jit_exit(m->j, site, target);
  JitBlock *b = m->c->doctor ? NULL : jit_find(m->j, target);
  if (b && jit_arena_of(target) == jit_arena_of(m->start)) jit_link(m->j, exit, b);
  else m->lists->stub[m->stubs++] = exit;
}

static void link_to(Maker *m, u64 target) { link_site(m, m->k.at - 4, target); }

/* Where a block in a jump's place begins, the jump is written again when the block goes: no other branch
 * may lie there, for it would be patched later. */
static void clear_of_entry(Maker *m) {
  while (m->in_place && here(m) < JUMP_BYTES) put8(&m->k, 0x90);
}

void jit_jump_to(Maker *m, u64 target) {
  clear_of_entry(m);
  put8(&m->k, 0xe9);
  put32(&m->k, 0);
  link_to(m, target);
}

static void branch(Maker *m, u64 target) {
  poll_before(m, target);
  jit_jump_to(m, target);
}

/* A block that is a short loop is written several times, because the poll before its branch back is a
 * store, for which many loops have to wait: a sieve took 2.0 times as long as natively. */
static bool goes_round(Maker *m, u64 target) {
  u32 length = m->count + 1;
  if (target != m->start || m->c->counting || m->compares) return false;
  if (!m->behind && length <= LOOP_INSNS) {
    m->copies = LOOP_TOTAL / length < LOOP_COPIES ? LOOP_TOTAL / length : LOOP_COPIES;
    m->behind = m->rip;
  }
  return m->copies > 1;
}

static void next_copy(Maker *m, u8 condition) {
  put8(&m->k, 0x0f), put8(&m->k, (u8)(0x80 | (condition ^ 1)));
  put32(&m->k, 0);
  m->lists->out[m->outs++] = m->k.at - 4;
  m->copies--;
  m->again = true;
}

static void end_loop(Maker *m) {
  while (m->outs) patch32(m->lists->out[--m->outs], m->k.at);
}

void jit_write_outs(Maker *m) {
  while (m->outs) link_site(m, m->lists->out[--m->outs], m->behind);
}

static void branch_if(Maker *m, u8 condition, u64 target) {
  if (goes_round(m, target)) {
    next_copy(m, condition);
    return;
  }
  if (target <= m->rip) jit_poll(m);
  put8(&m->k, 0x0f), put8(&m->k, (u8)(0x80 | condition));
  put32(&m->k, 0);
  if (target <= m->rip || !jit_is_far(m, target)) {
    link_to(m, target);
    if (target == m->start) end_loop(m);
    return;
  }
  m->lists->pad[m->pads].site = m->k.at - 4; /* seldom taken: polls behind the block */
  m->lists->pad[m->pads].insn = m->insn;
  m->lists->pad[m->pads++].target = target;
}

/* LOOPcc and JRCXZ have 8-bit displacements only: over a jump. */
static void branch_count(Maker *m, const Insn *in, u64 target) {
  poll_before(m, target);
  if (in->has_67) put8(&m->k, 0x67);
  put8(&m->k, in->opcode), put8(&m->k, 2); /* taken: over the next instruction */
  put8(&m->k, 0xeb), put8(&m->k, 5);
  put8(&m->k, 0xe9);
  put32(&m->k, 0);
  link_to(m, target);
}

/* Where conditional branches poll when they are taken.  A poll that stops runs the branch again. */
void jit_write_pads(Maker *m) {
  for (u32 i = 0; i < m->pads; i++, m->insn++) {
    *m->insn = *m->lists->pad[i].insn;
    m->insn->host = here(m);
    m->insn->pad = 1;
    patch32(m->lists->pad[i].site, m->k.at);
    jit_poll(m);
    jit_jump_to(m, m->lists->pad[i].target);
  }
}

void jit_write_stubs(Maker *m) {
  for (u32 i = 0; i < m->stubs; i++) {
    u32 exit = m->lists->stub[i];
    jit_write_stub(m->j, m->a, exit);
    jit_to_stub(&m->j->exits[exit]);
  }
}

/* --- calls, returns, indirect branches --- */

static const u8 *constant(JitArena *a, u64 value) {
  enum { SOME = 64 };
  if (!a->constants_left) {
    a->cold -= (u64)a->cold % sizeof value;
    a->constants = (u64 *)(void *)jit_cold(a, SOME * sizeof value);
    a->constants_left = SOME;
  }
  *a->constants = value;
  a->constants_left--;
  return (const u8 *)a->constants++;
}

/* One 8-byte store, which the return's load can forward from; two halves cost fib a factor of 10.
 * A high address comes from a constant; those of many calls lie together. */
static void push_return(Maker *m, u64 address) {
  Code *k = &m->k;
  if (address < 0x80000000) {
    put8(k, 0x68);
    put32(k, (u32)address);
    return;
  }
  put8(k, 0xff), put8(k, 0x35); /* push qword [rip + disp32] */
  put32(k, 0);
  patch32(k->at - 4, constant(m->a, address));
}

/* The first thing that an indirect branch does: nothing has changed yet when its poll faults. */
static void lend_rcx(Maker *m) {
  store_gs(&m->k, CPU_FIELD(poll.rcx), RCX);
  m->insn->rcx_lent = 1;
  if (m->c->counting) check_limit(&m->k, RCX, CPU_FIELD(poll.rcx));
}

/* RCX holds the target. */
static void through_table(Code *k) {
  store_gs(k, CPU_FIELD(js.target), RCX);
  put8(k, 0x0f), put8(k, 0xb7), put8(k, 0xc9); /* movzx ecx, cx */
  put8(k, 0x65), put8(k, 0xff), put8(k, 0x24), put8(k, 0xcd);
  put32(k, -(u32)(CPU_GUARD + TARGET_SIZE * sizeof(u64)));
}

void jit_return(Maker *m, const Insn *in) {
  jit_x87_note(m);
  lend_rcx(m);
  put8(&m->k, 0x59); /* pop rcx */
  if (in->opcode == 0xc2) {
    put8(&m->k, 0x48), put8(&m->k, 0x8d), put8(&m->k, 0xa4), put8(&m->k, 0x24); /* lea rsp */
    put32(&m->k, (u32)(u16)in->imm);
  }
  through_table(&m->k);
}

/* mov rcx, operand: the instruction's own ModRM operand with another opcode. */
static bool load_target(Maker *m, const u8 *bytes, const Insn *in) {
  u8 text[DECODE_MAX + 2];
  u32 n = 0, from = jit_modrm_at(in);
  if (in->seg) text[n++] = in->seg == 1 + FS ? 0x64 : 0x65;
  text[n++] = (u8)(0x48 | (in->rex & 3));
  text[n++] = 0x8b;
  text[n++] = modrm(in->mod, RCX, in->modrm);
  memcpy(text + n, bytes + from + 1, in->len - from - 1);
  n += in->len - from - 1;
  Insn load;
  if (decode(&load, text, n, 64) != DECODE_OK) return false;
  load.disp += load.rip_relative ? (s64)in->len - load.len : 0; /* from the same next address */
  return jit_copy(m, text, &load);
}

/* JMP and CALL through a register or memory. */
bool jit_indirect(Maker *m, const u8 *bytes, const Insn *in) {
  jit_x87_note(m);
  u8 *before = m->k.at, which = in->modrm >> 3 & 7;
  if (which != 2 && which != 4) return false; /* far ones */
  lend_rcx(m);
  if (in->addr_size != 8 || !load_target(m, bytes, in)) {
    m->k.at = before;
    return false;
  }
  if (which == 2) push_return(m, m->rip + in->len);
  through_table(&m->k);
  return true;
}

Outcome jit_branch(Maker *m, const Insn *in) {
  jit_x87_note(m);
  clear_of_entry(m);
  u64 next = m->rip + in->len, target = next + (u64)in->imm;
  if (in->map == MAP_0F) {
    branch_if(m, in->opcode & 15, target);
    return BRANCHED;
  }
  switch (in->opcode) {
  case 0xe8:
    poll_before(m, target); /* first: a poll that faults runs the call again */
    push_return(m, next);
    jit_jump_to(m, target);
    return ENDED;
  case 0xe9:
  case 0xeb: branch(m, target); return ENDED;
  case 0xe0:
  case 0xe1:
  case 0xe2:
  case 0xe3: branch_count(m, in, target); return BRANCHED;
  default: branch_if(m, in->opcode & 15, target); return BRANCHED;
  }
}

#endif
