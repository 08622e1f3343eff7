/* The doctor.
 *
 * A block of translated code without branches inside is made for where the guest is.  The interpreter
 * runs as many instructions, with every access noted; then memory and registers are put back, and the
 * translated block runs from the same state.  What differs is looked for again instruction by
 * instruction, so that flags which are undefined, and what becomes of them, do not count.
 *
 * Not compared, but interpreted once: what the translator leaves to the interpreter, time, blocks that
 * access shared memory or write code, and blocks whose accesses do not fit the log.  Threads take
 * turns, a block each.
 */
#include "doctor.h"

#include "jit.h"

#if defined(__x86_64__)

#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "_generated_flags.h"
#include "fp.h"
#include "jit_impl.h"
#include "memory.h"
#include "run.h"
#include "watch.h"

enum { LOG_ENTRIES = 4096, LOG_BYTES = 1 << 16 };

typedef struct {
  u64 addr;
  u32 size, at; /* `at`: offset of its bytes in `before` and `wanted` */
  bool write;
} Access;

struct Doctor {
  Access log[LOG_ENTRIES];
  u8 before[LOG_BYTES], wanted[LOG_BYTES];
  u32 count, used;
  bool logging, given_up;
  const JitBlock *block;
  u32 narrow; /* instructions that are still looked at one by one */
  u64 compared;
  DoctorFinding now, whole;
  const DoctorFinding *found;
};

static u32 turn;

static void take_turn(void) {
  while (__atomic_exchange_n(&turn, 1, __ATOMIC_ACQUIRE)) sched_yield();
}

static void give_turn(void) { __atomic_store_n(&turn, 0, __ATOMIC_RELEASE); }

void doctor_after_fork(void) { give_turn(); }

bool doctor_start(Cpu *c) {
  if (c->doctor) return true;
  if (!c->jit || c->watch_count) return false;
  c->doctor = calloc(1, sizeof *c->doctor);
  if (!c->doctor) return false;
  c->counting = true;
  watch_changed(c);
  return true;
}

void doctor_free(Cpu *c) {
  free(c->doctor);
  c->doctor = NULL;
}

const DoctorFinding *doctor_finding(const Cpu *c) { return c->doctor ? c->doctor->found : NULL; }

u64 doctor_compared(const Cpu *c) { return c->doctor ? c->doctor->compared : 0; }

u32 doctor_most(const Cpu *c) { return c->doctor->narrow ? 1 : BLOCK_INSNS; }

/* --- the log --- */

void doctor_note(Cpu *c, u64 addr, u32 size, u32 access) {
  Doctor *d = c->doctor;
  u64 fault;
  if (!d->logging || d->given_up) return;
  u8 flags = memory_flags(c->mem, addr) | memory_flags(c->mem, addr + size - 1);
  if (flags & PAGE_SHARED || d->count == LOG_ENTRIES || size > LOG_BYTES - d->used) {
    d->given_up = true;
    return;
  }
  Access *a = &d->log[d->count++];
  *a = (Access){.addr = addr, .size = size, .at = d->used, .write = access == PAGE_W};
  d->used += size;
  if (!memory_read(c->mem, addr, d->before + a->at, size, false, &fault)) d->given_up = true;
}

static void read_wanted(Cpu *c) {
  Doctor *d = c->doctor;
  u64 fault;
  for (u32 i = 0; i < d->count; i++)
    memory_read(c->mem, d->log[i].addr, d->wanted + d->log[i].at, d->log[i].size, false, &fault);
}

static void undo_stores(Cpu *c) {
  Doctor *d = c->doctor;
  u64 fault;
  for (u32 i = d->count; i-- > 0;)
    if (d->log[i].write)
      memory_write(c->mem, d->log[i].addr, d->before + d->log[i].at, d->log[i].size, false, &fault);
}

/* --- states --- */

static void capture(const Cpu *c, DoctorState *s) {
  memcpy(s->gpr, c->gpr, sizeof s->gpr);
  s->rip = c->rip;
  s->icount = c->icount;
  s->eflags = (c->eflags & ~(u32)FLAGS_STATUS) | flags_status(c);
  s->mxcsr = c->mxcsr;
  for (u32 i = 0; i < 16; i++) memcpy(s->vec[i], c->vec[i].x, sizeof s->vec[i]);
  s->stop = c->stop;
  s->vector = c->stop == STOP_FAULT ? c->stop_vector : 0;
  s->addr = c->stop == STOP_FAULT ? c->stop_addr : 0;
}

static void restore(Cpu *c, const DoctorState *s) {
  memcpy(c->gpr, s->gpr, sizeof s->gpr);
  c->rip = s->rip;
  c->icount = s->icount;
  c->eflags = s->eflags;
  c->cc_op = CC_FLAGS;
  c->mxcsr = s->mxcsr;
  mxcsr_enter(c->mxcsr);
  for (u32 i = 0; i < 16; i++) memcpy(c->vec[i].x, s->vec[i], sizeof s->vec[i]);
  c->stop = STOP_NONE;
}

static void roll_back(Cpu *c) {
  undo_stores(c);
  restore(c, &c->doctor->now.before);
}

static bool same_state(const DoctorFinding *f) {
  const DoctorState *a = &f->wanted, *b = &f->got;
  u32 flags = (a->eflags ^ b->eflags) & (FLAGS_STATUS | FLAG_DF) & ~f->undefined;
  for (u32 i = 0; i < 16; i++) {
    u64 changed = a->gpr[i] ^ b->gpr[i];
    if (i == R11 && a->stop == STOP_SYSCALL) changed &= ~(u64)f->undefined;
    if (changed) return false;
  }
  return !flags && a->rip == b->rip && a->icount == b->icount && a->mxcsr == b->mxcsr &&
         !memcmp(a->vec, b->vec, sizeof a->vec) && a->stop == b->stop && a->vector == b->vector &&
         a->addr == b->addr;
}

/* Notes the first accesses; whether memory is the same. */
static bool same_memory(Cpu *c) {
  Doctor *d = c->doctor;
  DoctorFinding *f = &d->now;
  u8 got[LOG_BYTES / LOG_ENTRIES * 32];
  bool same = true;
  f->note_count = 0;
  for (u32 i = 0; i < d->count; i++) {
    const Access *a = &d->log[i];
    u64 fault;
    u32 n = a->size < sizeof got ? a->size : (u32)sizeof got;
    if (!memory_read(c->mem, a->addr, got, n, false, &fault)) continue;
    bool equal = !memcmp(got, d->wanted + a->at, n);
    if (f->note_count < DOCTOR_NOTES && (!equal || n <= DOCTOR_BYTES)) {
      DoctorNote *note = &f->notes[f->note_count++];
      u32 kept = n < DOCTOR_BYTES ? n : DOCTOR_BYTES;
      note->addr = a->addr;
      note->size = kept;
      note->write = a->write;
      memcpy(note->before, d->before + a->at, kept);
      memcpy(note->wanted, d->wanted + a->at, kept);
      memcpy(note->got, got, kept);
    }
    same &= equal;
  }
  return same;
}

/* --- the two runs --- */

static int attempt(Cpu *c, void (*run)(Cpu *)) {
  sigjmp_buf here;
  void *volatile outer = c->escape;
  c->escape = &here;
  int how = sigsetjmp(here, 0);
  if (how) mxcsr_enter(c->mxcsr);
  else run(c);
  c->mxcsr = mxcsr_read();
  c->escape = outer;
  if (how == ESCAPE_FAULT && c->stop == STOP_FAULT) fault_refine(c);
  return how;
}

static void translate(Cpu *c) { c->doctor->block = jit_block(c, c->rip, false); }

static void interpret_one(Cpu *c) {
  c->limit = 0;
  cpu_enter(c, cache_scratch(c, c->rip, 1));
}

static void interpret(Cpu *c) {
  u64 end = c->icount + c->doctor->block->count;
  while (!c->stop && c->icount < end) {
    c->limit = 0;
    cpu_enter(c, cache_scratch(c, c->rip, (u32)(end - c->icount)));
  }
}

static void run_block(Cpu *c) { jit_run_block(c, c->doctor->block); }

static int differ(Cpu *c) {
  Doctor *d = c->doctor;
  roll_back(c);
  if (d->now.insns > 1) {
    d->whole = d->now;
    d->narrow = d->now.insns;
    jit_flush(c);
    return 0;
  }
  d->found = &d->now;
  c->stop = STOP_DIFFERENCE;
  return 0;
}

/* After a block that agreed, or was not compared. */
static void narrowed(Cpu *c) {
  Doctor *d = c->doctor;
  if (!d->narrow || --d->narrow) return;
  jit_flush(c);
  if (d->whole.undefined) return; /* flags that are undefined went on */
  d->found = &d->whole;
  c->stop = STOP_DIFFERENCE;
}

static int compare(Cpu *c, int how) {
  Doctor *d = c->doctor;
  capture(c, &d->now.got);
  bool same = same_memory(c);
  if (!same || !same_state(&d->now)) return differ(c);
  d->compared++;
  narrowed(c);
  return how;
}

static int run_both(Cpu *c) {
  Doctor *d = c->doctor;
  d->count = d->used = 0;
  d->given_up = false;
  d->now.insns = d->block->count;
  d->now.undefined = d->block->undefined;
  capture(c, &d->now.before);
  d->logging = true;
  int how = attempt(c, interpret);
  d->logging = false;
  if (d->given_up || how > ESCAPE_FAULT) {
    narrowed(c);
    return how;
  }
  read_wanted(c);
  capture(c, &d->now.wanted);
  roll_back(c);
  how = attempt(c, run_block);
  if (how <= ESCAPE_FAULT) return compare(c, how);
  roll_back(c);
  return how;
}

static int examine(Cpu *c) {
  int how = attempt(c, translate);
  if (how) return how;
  if (c->doctor->block) return run_both(c);
  how = attempt(c, interpret_one);
  narrowed(c);
  return how;
}

void doctor_turn(Cpu *c) {
  take_turn();
  int how = examine(c);
  give_turn();
  if (how) siglongjmp(*(sigjmp_buf *)c->escape, how);
}

#else

bool doctor_start(Cpu *c) {
  (void)c;
  return false;
}
void doctor_free(Cpu *c) { (void)c; }
void doctor_turn(Cpu *c) { (void)c; }
void doctor_after_fork(void) {}
void doctor_note(Cpu *c, u64 addr, u32 size, u32 access) {
  (void)c, (void)addr, (void)size, (void)access;
}
const DoctorFinding *doctor_finding(const Cpu *c) {
  (void)c;
  return NULL;
}
u64 doctor_compared(const Cpu *c) {
  (void)c;
  return 0;
}
u32 doctor_most(const Cpu *c) {
  (void)c;
  return 0;
}

#endif
