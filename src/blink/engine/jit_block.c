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
  bool more = m->window_len == WINDOW; /* perhaps; a decoder is faster when it need not look */
  if (offset + (more ? DECODE_SLACK : DECODE_MAX) > m->window_len) {
    Memory *mem = m->c->mem;
    if (memory_flags(mem, m->rip) & PAGE_X) m->loose |= !memory_mark_code(mem, m->rip);
    m->window_rip = m->rip;
    m->window_len = memory_fetch(mem, m->rip, m->lists->window, WINDOW);
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

static void note_use(Maker *m, int reg) {
  if (reg >= 0) m->used[reg & 15] = (u8)(m->count + 1);
}

/* --- instructions --- */

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
    jit_leave(m, JIT_SYSCALL, m->rip + in->len);
    return ENDED;
  }
  if (f->flags & FORM_END && !(f->flags & FORM_AGAIN)) {
    if (f->flags & (FORM_LINK | FORM_TWO_LINKS)) {
      jit_learn(m->j, bytes, in, QUICK_BRANCH, f->undefined);
      return jit_branch(m, in);
    }
    if (in->has_66) return REFUSED;
    if (in->map == MAP_ONE_BYTE && (in->opcode == 0xc3 || in->opcode == 0xc2)) {
      jit_return(m, in);
      return ENDED;
    }
    if (in->map == MAP_ONE_BYTE && in->opcode == 0xff)
      return jit_indirect(m, bytes, in) ? ENDED : REFUSED;
    return REFUSED;
  }
  if (f->flags & FORM_HOST_X87) return jit_x87(m, bytes, in, f) ? GO_ON : REFUSED;
  if (!(f->flags & FORM_COPY) || segment_elsewhere(in, f)) return REFUSED;
  if ((m->c->doctor || m->c->mem->clock) && f->flags & FORM_VOLATILE) return REFUSED;
  if (!jit_copy(m, bytes, in)) return REFUSED;
  if (f->flags & FORM_VECTOR) m->c->js.wide = 1;
  else if (!in->seg) jit_learn(m->j, bytes, in, QUICK_COPY, f->undefined);
  if (m->j->broken[0] && !strcmp(form_names[f - form_table], m->j->broken)) break_copy(&m->k);
  return GO_ON;
}

static void begin_insn(Maker *m) {
  *m->insn = (JitInsn){.host = here(m), .guest = (m->rip - m->start) & 0x3ff};
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

static Outcome decoded(Maker *m, const u8 *bytes, u32 got, u32 *length) {
  Insn in;
  if (decode(&in, bytes, got, 64) != DECODE_OK) return REFUSED;
  *length = in.len;
  begin_segment(m);
  begin_insn(m);
  note_registers(m, &in);
  Outcome done = translate(m, bytes, &in);
  if (done == REFUSED) return REFUSED;
  if (m->compares) done = compared(m, bytes, &in, done);
  return m->c->doctor && done == BRANCHED ? CUT : done;
}

static Outcome known(Maker *m, const u8 *bytes, u32 got, u32 *length) {
  if (!m->quick || got <= DECODE_MAX) return REFUSED;
  begin_insn(m);
  return jit_quick(m, bytes, length);
}

static Outcome step(Maker *m) {
  const u8 *bytes;
  u32 length;
  if (cpu_breakpoint_at(m->c, m->rip)) return REFUSED; /* the interpreter stops there */
  u32 got = fetch(m, &bytes);
  if (m->loose && !m->compares) return CUT;
  Outcome done = known(m, bytes, got, &length);
  if (done == REFUSED) done = decoded(m, bytes, got, &length);
  if (done == REFUSED) return REFUSED;
  m->insn++;
  m->count++;
  m->rip += length;
  if (m->again) {
    m->behind = m->rip;
    m->rip = m->start;
    m->again = false;
  }
  if (done != GO_ON) end_segment(m);
  return done == BRANCHED ? GO_ON : done;
}

static bool full(const Jit *j, const JitArena *a) {
  return a->at + ARENA_MARGIN > a->cold || a->count + 1 >= jit_room(j, MAX_BLOCKS) ||
         j->insn_count + 2 * BLOCK_INSNS + 2 > jit_room(j, MAX_INSNS) ||
         j->exit_count + MAX_STUBS > jit_room(j, MAX_EXITS);
}

/* A block that is full goes on in another.  Its jump is no instruction, yet a poll stops there. */
static void go_on(Maker *m) {
  jit_x87_note(m);
  begin_insn(m);
  m->insn->pad = 1;
  if (jit_is_far(m, m->rip)) jit_poll(m);
  jit_jump_to(m, m->rip);
  m->insn++;
}

/* The code of a block, between its addresses in `m`. */
static bool write_code(Maker *m) {
  u32 most = m->c->doctor ? doctor_most(m->c) : BLOCK_INSNS;
  Outcome done = GO_ON;
  if (m->compares) jump(&m->k, m->entry); /* to be patched */
  while (done == GO_ON && m->count < most) done = step(m);
  if (!m->count) return false;
  end_segment(m);
  if (done == REFUSED) jit_leave(m, JIT_INTERPRET, m->rip);
  else if (done != ENDED) go_on(m);
  jit_write_pads(m);
  jit_write_outs(m);
  jit_write_stubs(m);
  *m->insn++ = (JitInsn){0};
  return true;
}

/* Behind all else; the offset of it. */
static u16 write_compare(Maker *m) {
  u16 at = here(m);
  if (!m->compares) return 0;
  JitSource source = {m->start, m->lists->source, (u32)(m->rip - m->start), m->entry, m->a->stale};
  jit_write_compare(&m->k, &source);
  return at;
}

static JitBlock *enter(const Maker *m, u16 compare, bool indirect) {
  Jit *j = m->j;
  JitBlock made = {.rip = m->start, .code = m->code, .insns = j->insn_count, .compare = compare};
  made.check = indirect ? m->code : NULL;
  made.shared = indirect && jit_shares(j);
  j->sole_count += indirect && !made.shared;
  made.entry = (m->entry - m->code) & 127;
  made.size = (u32)(m->k.at - m->code);
  made.length = ((m->rip > m->behind ? m->rip : m->behind) - m->start) & 0x7fff;
  made.x87 = m->x87;
  made.count = m->count & 127;
  made.undefined = m->undefined;
  j->insn_count = (u32)(m->insn - j->insns);
  m->a->at = m->k.at;
  m->c->counters[COUNT_TRANSLATED]++;
  return jit_add(j, (u32)(m->a - j->arenas), &made);
}

/* Whether blocks are made of known instructions; else each instruction is looked at. */
static bool is_quick(const Maker *m) { return !m->c->counting && !m->compares && !m->j->broken[0]; }

static JitBlock *make(Cpu *c, u64 rip, bool indirect, bool in_place) {
  Jit *j = c->jit;
  u32 arena = jit_arena_of(rip);
  if (jit_refuses(j, rip)) return NULL;
  if (full(j, &j->arenas[arena])) jit_flush(c);
  JitArena *a = &j->arenas[arena];
  Lists lists;
  Maker m = {.lists = &lists, .c = c, .j = j, .a = a, .k = {a->at}, .start = rip, .rip = rip};
  const u8 *bytes;
  jit_touch(j, a);
  m.insn = j->insns + j->insn_count;
  fetch(&m, &bytes);
  m.compares = m.loose;
  m.quick = is_quick(&m);
  m.in_place = in_place;
  if (m.compares && (c->doctor || jit_is_fickle(j, rip))) return NULL;
  if (indirect) m.k.at += NUMBER_SIZE;
  m.code = m.k.at;
  if (indirect) jit_write_check(&m.k, a, rip, jit_shares(j));
  m.entry = m.k.at;
  if (write_code(&m)) return enter(&m, write_compare(&m), indirect);
  jit_refuse(j, rip);
  return NULL;
}

JitBlock *jit_block(Cpu *c, u64 rip, bool indirect) {
  JitBlock *b = jit_find(c->jit, rip);
  return b ? b : make(c, rip, indirect, false);
}

/* The jump is the last that was written: the block begins in its place, and nobody jumps. */
static JitBlock *make_behind(Cpu *c, const JitExit *x) {
  JitArena *a = &c->jit->arenas[jit_arena_of(x->target)];
  u8 jump[JUMP_BYTES], *end = a->at;
  memcpy(jump, end - sizeof jump, sizeof jump);
  a->at -= sizeof jump;
  JitBlock *b = make(c, x->target, false, true);
  if (b) {
    b[-1].size -= JUMP_BYTES;
    return b;
  }
  memcpy(end - sizeof jump, jump, sizeof jump);
  a->at = end;
  return NULL;
}

JitBlock *jit_block_behind(Cpu *c, u32 exit) {
  const JitExit *x = &c->jit->exits[exit];
  const JitArena *a = &c->jit->arenas[jit_arena_of(x->target)];
  JitBlock *b = jit_find(c->jit, x->target);
  if (b) return b;
  bool last = x->site + 4 == a->at && x->site[-1] == JUMP_BYTE && !full(c->jit, a);
  return last ? make_behind(c, x) : make(c, x->target, false, false);
}

#endif
