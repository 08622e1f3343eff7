/* One block of guest code to host code.
 *
 * A block goes on behind conditional branches that are not taken.  Flags and the red zone are the
 * guest's: glue uses mov, lea, movzx and jrcxz only, and spills go to the Cpu.  Every branch that
 * goes back, and every indirect branch, stores to the poll page, which is how an interrupt gets in.
 * Code that counts adds to MM0, too, which no guest instruction in translated code uses.
 */
#include "jit.h"

#if defined(__x86_64__)

#include "cpu_model.h"
#include "doctor.h"
#include "forms.h"
#include "jit_maker.h"
#include "memory.h"
#include "run.h"

static u32 fetch(Maker *m, const u8 **bytes) {
  u64 offset = m->rip - m->window_rip;
  if (offset + DECODE_MAX > m->window_len) {
    Memory *mem = m->c->mem;
    if (memory_flags(mem, m->rip) & PAGE_X) m->loose |= !memory_mark_code(mem, m->rip);
    m->window_rip = m->rip;
    m->window_len = memory_fetch(mem, m->rip, m->lists->window, sizeof m->lists->window);
    if (m->window_len) m->loose |= !memory_mark_code(mem, m->rip + m->window_len - 1);
    offset = 0;
  }
  *bytes = m->lists->window + offset;
  return m->window_len - (u32)offset;
}

/* --- counting --- */

/* Straight code counts where it begins, all of it; what a fault leaves undone is subtracted. */
static void begin_segment(Maker *m) {
  if (!m->c->counting || m->segment) return;
  m->segment = m->insn;
  count_gs(&m->k, MMX_ADD, 0);
  m->segment_site = m->k.at - 4;
}

static void end_segment(Maker *m) {
  if (!m->segment) return;
  u32 n = (u32)(m->insn - m->segment), field = CPU_FIELD(counts) + n * (u32)sizeof(u64);
  memcpy(m->segment_site, &field, sizeof field);
  for (u32 i = 0; i < n; i++) m->segment[i].left = (n - i) & 127;
  m->segment = NULL;
}

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

static void note_use(Maker *m, int reg) {
  if (reg >= 0) m->used[reg & 15] = (u8)(m->count + 1);
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

static void poll(Maker *m) {
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
static bool is_far(const Maker *m, u64 target) {
  return m->c->counting && (target ^ m->start) >> WINDOW_BITS != 0;
}

static void poll_before(Maker *m, u64 target) {
  if (target <= m->rip || is_far(m, target)) poll(m);
}

static void leave(Maker *m, u32 reason, u64 rip) {
  set_gs64(&m->k, CPU_FIELD(rip), rip);
  set_gs32(&m->k, CPU_FIELD(js.exit_reason), reason);
  jump(&m->k, m->a->leave);
}

/* --- direct branches --- */

/* The rel32 that ends at k->at goes to `target`: to its code if there is any, else to a stub. */
static void link_to(Maker *m, u64 target) {
  u8 *site = m->k.at - 4;
  if (target == m->start && !m->c->doctor) {
    patch32(site, m->entry);
    return;
  }
  u32 exit = jit_exit(m->j, site, target);
  JitBlock *b = m->c->doctor ? NULL : jit_find(m->j, target);
  if (b && jit_arena_of(target) == jit_arena_of(m->start)) jit_link(m->j, exit, b);
  else m->lists->stub[m->stubs++] = exit;
}

static void jump_to(Maker *m, u64 target) {
  put8(&m->k, 0xe9);
  put32(&m->k, 0);
  link_to(m, target);
}

static void branch(Maker *m, u64 target) {
  poll_before(m, target);
  jump_to(m, target);
}

static void branch_if(Maker *m, u8 condition, u64 target) {
  if (target <= m->rip) poll(m);
  put8(&m->k, 0x0f), put8(&m->k, (u8)(0x80 | condition));
  put32(&m->k, 0);
  if (target <= m->rip || !is_far(m, target)) {
    link_to(m, target);
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
static void write_pads(Maker *m) {
  for (u32 i = 0; i < m->pads; i++, m->insn++) {
    *m->insn = *m->lists->pad[i].insn;
    m->insn->host = here(m);
    m->insn->pad = 1;
    patch32(m->lists->pad[i].site, m->k.at);
    poll(m);
    jump_to(m, m->lists->pad[i].target);
  }
}

static void write_stubs(Maker *m) {
  if (m->constant_site) {
    patch32(m->constant_site, m->k.at);
    put64(&m->k, m->constant);
  }
  for (u32 i = 0; i < m->stubs; i++) {
    patch32(m->j->exits[m->lists->stub[i]].site, m->k.at);
    jit_write_stub(m->j, m->a, &m->k, m->lists->stub[i]);
  }
}

/* --- calls, returns, indirect branches --- */

/* One 8-byte store, which the return's load can forward from; two halves cost fib a factor of 10.
 * A high address comes from a constant behind the block. */
static void push_return(Maker *m, u64 address) {
  Code *k = &m->k;
  if (address < 0x80000000) {
    put8(k, 0x68);
    put32(k, (u32)address);
    return;
  }
  put8(k, 0xff), put8(k, 0x35); /* push qword [rip + disp32] */
  put32(k, 0);
  m->constant_site = k->at - 4;
  m->constant = address;
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
  put32(k, CPU_FIELD(targets));
}

static void translate_return(Maker *m, const Insn *in) {
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
static bool translate_indirect(Maker *m, const u8 *bytes, const Insn *in) {
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

/* --- instructions --- */

/* BRANCHED: may go elsewhere; CUT: goes on in another block. */
typedef enum { GO_ON, BRANCHED, CUT, ENDED, REFUSED } Outcome;

static Outcome translate_branch(Maker *m, const Insn *in) {
  u64 next = m->rip + in->len, target = next + (u64)in->imm;
  if (in->map == MAP_0F) {
    branch_if(m, in->opcode & 15, target);
    return BRANCHED;
  }
  switch (in->opcode) {
  case 0xe8:
    poll_before(m, target); /* first: a poll that faults runs the call again */
    push_return(m, next);
    jump_to(m, target);
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

/* A segment that applies to an implied operand (strings, XLAT, MASKMOV), to none at all (LEA), or to
 * an address that POP takes from the new RSP. */
static bool segment_elsewhere(const Insn *in, const FormDef *f) {
  if (!in->seg) return false;
  return !in->has_mem || f->flags & FORM_ADDRESS || (f->flags & FORM_POP && in->base == RSP);
}

/* The form, if it is what the bytes are on the host as well. */
static const FormDef *form_for(const Cpu *c, const Insn *in) {
  const FormDef *f = form_find(in, c->model);
  return c->model == cpu_models || f == form_find(in, cpu_models) ? f : NULL;
}

/* For tests: what the doctor must find.  lea r15, [r15 + 1] */
static void break_copy(Code *k) { put8(k, 0x4d), put8(k, 0x8d), put8(k, 0x7f), put8(k, 1); }

static Outcome translate(Maker *m, const u8 *bytes, const Insn *in) {
  const FormDef *f = form_for(m->c, in);
  if (f) m->undefined |= f->undefined;
  if (!f || !form_allows(f, in) || !host_has(f->feature)) return REFUSED;
  if (f->flags & FORM_VECTOR && !host_has_ymm()) return REFUSED;
  if (f->flags & FORM_SYSCALL) {
    leave(m, JIT_SYSCALL, m->rip + in->len);
    return ENDED;
  }
  if (f->flags & FORM_END && !(f->flags & FORM_AGAIN)) {
    if (f->flags & (FORM_LINK | FORM_TWO_LINKS)) return translate_branch(m, in);
    if (in->has_66) return REFUSED;
    if (in->map == MAP_ONE_BYTE && (in->opcode == 0xc3 || in->opcode == 0xc2)) {
      translate_return(m, in);
      return ENDED;
    }
    if (in->map == MAP_ONE_BYTE && in->opcode == 0xff)
      return translate_indirect(m, bytes, in) ? ENDED : REFUSED;
    return REFUSED;
  }
  if (!(f->flags & FORM_COPY) || segment_elsewhere(in, f)) return REFUSED;
  if ((m->c->doctor || m->c->mem->clock) && f->flags & FORM_VOLATILE) return REFUSED;
  if (!jit_copy(m, bytes, in)) return REFUSED;
  if (f->flags & FORM_VECTOR) m->c->js.wide = 1;
  if (m->j->broken[0] && !strcmp(form_names[f - form_table], m->j->broken)) break_copy(&m->k);
  return GO_ON;
}

static void begin_insn(Maker *m) {
  *m->insn = (JitInsn){.host = here(m), .guest = (m->rip - m->start) & 0x7fff, .lent_from = 0xffff};
}

static void note_registers(Maker *m, const Insn *in) {
  note_use(m, in->reg);
  note_use(m, in->oreg);
  if (in->mod == 3) note_use(m, in->rm);
  note_use(m, in->base);
  if (!in->vsib) note_use(m, in->index);
}

static bool may_store(const Maker *m, const Insn *in) {
  const FormDef *f = form_for(m->c, in);
  return f->flags & FORM_STORE || (f->flags & FORM_STORE_RM && in->has_mem);
}

/* A block that compares its source ends behind each store, which may change what follows. */
static Outcome compared(Maker *m, const u8 *bytes, const Insn *in, Outcome done) {
  bool last = m->count + 1 == COMPARED_INSNS || may_store(m, in);
  memcpy(m->lists->source + (m->rip - m->start), bytes, in->len);
  return last && (done == GO_ON || done == BRANCHED) ? CUT : done;
}

static Outcome step(Maker *m) {
  const u8 *bytes;
  Insn in;
  if (cpu_breakpoint_at(m->c, m->rip)) return REFUSED; /* the interpreter stops there */
  u32 got = fetch(m, &bytes);
  if (m->loose && !m->compares) return CUT;
  if (decode(&in, bytes, got, 64) != DECODE_OK) return REFUSED;
  begin_segment(m);
  begin_insn(m);
  note_registers(m, &in);
  Outcome done = translate(m, bytes, &in);
  if (done == REFUSED) return REFUSED;
  if (m->compares) done = compared(m, bytes, &in, done);
  if (m->c->doctor && done == BRANCHED) done = CUT;
  m->insn++;
  m->count++;
  m->rip += in.len;
  if (done != GO_ON) end_segment(m);
  return done == BRANCHED ? GO_ON : done;
}

/* The indirect entry: is js.target this block's address?  Bits 0 to 15 are by the table's index. */
static void write_check(Maker *m) {
  Code *k = &m->k;
  put8(k, 0x65), put8(k, 0x8b); /* mov ecx, gs:[target + 2] */
  put_gs(k, RCX, CPU_FIELD(js.target) + 2);
  put8(k, 0x8d), put8(k, 0x89); /* lea ecx, [rcx - bits 16 to 47] */
  put32(k, -(u32)(m->start >> 16));
  put8(k, 0xe3), put8(k, 5); /* jrcxz over the jump: CHECK_BRANCH, CHECK_JUMP */
  jump(k, m->a->miss);
  load_gs(k, RCX, CPU_FIELD(poll.rcx));
}

static bool full(const Jit *j, const JitArena *a) {
  return a->at + ARENA_MARGIN > a->base + j->arena_size || a->count + 1 >= MAX_BLOCKS ||
         j->insn_count + 2 * BLOCK_INSNS + 2 > MAX_INSNS || j->exit_count + MAX_STUBS > MAX_EXITS;
}

/* A block that is full goes on in another.  Its jump is no instruction, yet a poll stops there. */
static void go_on(Maker *m) {
  begin_insn(m);
  m->insn->pad = 1;
  if (is_far(m, m->rip)) poll(m);
  jump_to(m, m->rip);
  m->insn++;
}

static JitBlock *make(Cpu *c, u64 rip) {
  Jit *j = c->jit;
  u32 arena = jit_arena_of(rip);
  if (full(j, &j->arenas[arena])) jit_flush(c);
  JitArena *a = &j->arenas[arena];
  Lists lists;
  Maker m = {.lists = &lists,
             .c = c,
             .j = j,
             .a = a,
             .k = {a->at},
             .check = a->at,
             .start = rip,
             .rip = rip};
  m.insn = j->insns + j->insn_count;
  const u8 *bytes;
  fetch(&m, &bytes);
  m.compares = m.loose;
  if (m.compares && (c->doctor || jit_is_fickle(j, rip))) return NULL;
  u32 most = c->doctor ? doctor_most(c) : BLOCK_INSNS;
  write_check(&m);
  m.entry = m.k.at;
  if (m.compares) jump(&m.k, m.entry); /* to be patched */
  Outcome done = GO_ON;
  while (done == GO_ON && m.count < most) done = step(&m);
  if (!m.count) return NULL;
  end_segment(&m);
  if (done == REFUSED) leave(&m, JIT_INTERPRET, m.rip);
  else if (done != ENDED) go_on(&m);
  write_pads(&m);
  write_stubs(&m);
  *m.insn++ = (JitInsn){0};
  u32 compare = here(&m);
  if (m.compares)
    jit_write_compare(&m.k,
                      &(JitSource){rip, m.lists->source, (u32)(m.rip - rip), m.entry, a->stale});
  JitBlock made = {.rip = rip, .entry = m.entry, .check = m.check, .insns = j->insn_count};
  made.size = (u32)(m.k.at - m.check);
  made.length = (u16)(m.rip - rip);
  made.count = (u8)m.count;
  made.undefined = m.undefined;
  made.compare = m.compares ? (u16)compare : 0;
  j->insn_count = (u32)(m.insn - j->insns);
  a->at = m.k.at;
  c->counters[COUNT_TRANSLATED]++;
  return jit_add(j, arena, &made);
}

JitBlock *jit_block(Cpu *c, u64 rip) {
  JitBlock *b = jit_find(c->jit, rip);
  return b ? b : make(c, rip);
}

#endif
