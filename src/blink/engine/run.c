/* run(): enter the records, leave for a reason, and turn host faults into guest faults. */
#define _GNU_SOURCE
#include "run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "cpu_model.h"
#include "doctor.h"
#include "fp.h"
#include "hostcontext.h"
#include "hostsig.h"
#include "interp.h"
#include "jit.h"
#include "memory.h"
#include "segment.h"
#include "syscall_native.h"
#include "x87.h"

enum { TARGET_BYTES = TARGET_SIZE * sizeof(u64), BEFORE_CPU = TARGET_BYTES + CPU_GUARD };

/* --- life --- */

static void raise_unmasked(void) { cpu_fault(host_thread_cpu(), EXC_XM, 0, 0); }

static void unmap_cpu(u8 *targets, u64 beyond) {
  munmap(targets, BEFORE_CPU + sizeof(Cpu) + beyond);
}

/* Among address space that nobody can access. */
static Cpu *map_cpu(u64 beyond) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  u8 *targets = mmap(NULL, BEFORE_CPU + sizeof(Cpu) + beyond, PROT_NONE, flags, -1, 0);
  if (targets == MAP_FAILED) return NULL;
  Cpu *c = (Cpu *)(void *)(targets + BEFORE_CPU);
  if (!mprotect(c, sizeof *c, PROT_READ | PROT_WRITE) &&
      !mprotect(targets, TARGET_BYTES, PROT_READ | PROT_WRITE)) {
    c->beyond = beyond;
    return c;
  }
  unmap_cpu(targets, beyond);
  return NULL;
}

static void free_cpu(Cpu *c) { unmap_cpu((u8 *)c - BEFORE_CPU, c->beyond); }

Cpu *cpu_new(Memory *mem) {
  fp_unmasked = raise_unmasked;
  Cpu *c = map_cpu(CPU_BEYOND);
  if (!c) c = map_cpu(0); /* RLIMIT_AS: translated code checks its targets by branches then */
  if (!c) return NULL;
  for (u32 n = 0; n <= BLOCK_INSNS; n++) c->counts[n] = n;
  c->cache = cache_new();
  if (!c->cache) {
    free_cpu(c);
    return NULL;
  }
  memory_attach(mem, c);
  c->native = true;
  c->model = cpu_models;
  cpu_reset(c);
  return c;
}

void cpu_free(Cpu *c) {
  memory_detach(c);
  cache_free(c->cache);
  jit_free(c->jit);
  doctor_free(c);
  free(c->watches);
  free(c->breakpoints);
  free_cpu(c);
}

void cpu_count(Cpu *c, bool on) {
  if (c->counting == on) return;
  c->counting = on;
  cache_flush(c);
}

void cpu_reset(Cpu *c) {
  memset(c->gpr, 0, sizeof c->gpr);
  memset(c->vec, 0, sizeof c->vec);
  c->rip = 0;
  c->cc_op = CC_FLAGS;
  c->cc_a = c->cc_b = 0;
  c->eflags = FLAG_ONE | FLAG_IF;
  c->mxcsr = MXCSR_INIT;
  c->xcr0 = c->model->xcr0;
  c->resume_at = ~(u64)0;
  x87_fninit(c);
  cache_flush(c);
  segments_reset(c, 64);
}

/* --- records --- */

u64 rec_rip(const Rec *r) {
  u64 length = 0;
  for (r--; r->fn != header_handler; r--) length += r->len;
  return r->imm + length;
}

u32 rec_ordinal(const Rec *r) {
  u32 n = 0;
  for (r--; r->fn != header_handler; r--) n += r->len != 0;
  return n;
}

NOINLINE const Rec *leave_at(Cpu *c, const Rec *to) {
  if (to->fn == limit_handler) return limit_handler(c, to);
  c->rip = to->fn == stub_handler ? to->imm : to[-1].imm;
  return NULL;
}

const Rec *leave_stop(Cpu *c, const Rec *r, Stop reason, u64 vector) {
  c->rip = rec_rip(r) + r->len;
  c->icount += rec_ordinal(r) + 1;
  c->stop = reason;
  c->stop_vector = (u32)vector;
  return NULL;
}

const Rec *resolve(Cpu *c, u64 key) {
  c->rip = key & c->rip_mask;
  if (c->icount > c->limit) return &exit_record;
  const Rec *to = cache_block(c, c->rip);
  if (cache_keeps(c, to)) c->jumps[jump_index(key)] = (JumpEntry){key, to};
  return to;
}

const Rec *far_resume(Cpu *c, const Rec *r) {
  c->icount += r->n;
  return c->stop ? &exit_record : resolve(c, c->rip | c->code_key);
}

const Rec *header_handler(Cpu *c, const Rec *r) {
  (void)c, (void)r;
  __builtin_trap();
}

const Rec *exit_handler(Cpu *c, const Rec *r) {
  (void)c, (void)r;
  return NULL;
}

const Rec exit_record = {.fn = exit_handler};

const Rec *stub_handler(Cpu *c, const Rec *r) {
  const Rec *to = cache_block(c, r->imm);
  cache_link(c, r, to);
  GO(to);
}

const Rec *jump_handler(Cpu *c, const Rec *r) { BRANCH(r, r->link); }

const Rec *ea_handler(Cpu *c, const Rec *r) {
  u64 ea = EA(r);
  if (r->v == 4) ea = (u32)ea;
  if (r->v == 2) ea = (u16)ea;
  if (r->a == 1 + FS) ea += c->fs_base;
  if (r->a == 1 + GS) ea += c->gs_base;
  c->gpr[GPR_EA] = ea;
  NEXT(r);
}

/* The operand of 16 or 32-bit code: a is its segment, imm what is accessed; b: an offset alone; n: pending
 * x87 exceptions come first. */
const Rec *segment_ea_handler(Cpu *c, const Rec *r) {
  u64 ea = EA(r);
  u32 offset = r->v == 2 ? (u16)ea : (u32)ea;
  c->cur = r;
  if (r->n) x87_wait(c);
  c->gpr[GPR_EA] = r->b ? offset : segment_address(c, r->a, offset, (u32)r->imm);
  NEXT(r);
}

/* A branch, at imm, whose target is beyond CS's limit; `a` bytes of LOOP's counter to put back. */
const Rec *limit_handler(Cpu *c, const Rec *r) {
  u16 low = (u16)(c->gpr[RCX] + 1);
  if (r->a == 4) c->gpr[RCX] = (u32)(c->gpr[RCX] + 1);
  if (r->a == 2) memcpy(&c->gpr[RCX], &low, sizeof low);
  c->cur = NULL;
  c->rip = r->imm;
  c->icount--; /* the branch did not retire */
  fault_here(c, EXC_GP, 0);
}

const Rec *breakpoint_handler(Cpu *c, const Rec *r) {
  if (c->resume_at == r->imm) {
    c->resume_at = ~(u64)0;
    NEXT(r);
  }
  c->rip = r->imm;
  c->icount += rec_ordinal(r);
  c->stop = STOP_BREAKPOINT;
  return NULL;
}

/* r->a: 0 an invalid encoding, 1 one that no definition covers, 2 longer than 15 bytes or beyond the
 * limit of CS. */
const Rec *undefined_handler(Cpu *c, const Rec *r) {
  c->cur = r;
  if (r->a != 1) fault_here(c, r->a ? EXC_GP : EXC_UD, 0);
  c->rip = rec_rip(r);
  c->icount += rec_ordinal(r);
  c->stop = STOP_UNIMPLEMENTED;
  return NULL;
}

/* --- faults --- */

static NORETURN void escape(Cpu *c, int how) {
  if (c->cur) {
    c->rip = rec_rip(c->cur);
    c->icount += rec_ordinal(c->cur);
    c->cur = NULL;
  }
  siglongjmp(*(sigjmp_buf *)c->escape, how);
}

void cpu_fault(Cpu *c, u32 vector, u64 error, u64 addr) {
  c->mxcsr = mxcsr_read();
  c->stop = STOP_FAULT;
  c->stop_vector = vector;
  c->stop_error = error;
  c->stop_addr = addr;
  c->stop_signo = c->stop_code = 0;
  escape(c, ESCAPE_FAULT);
}

void cpu_leave(Cpu *c, Stop why) {
  c->mxcsr = mxcsr_read();
  c->stop = why;
  escape(c, ESCAPE_FAULT);
}

void fault_here(Cpu *c, u32 vector, u64 error) { cpu_fault(c, vector, error, 0); }

void cpu_leave_before(Cpu *c, Stop reason) {
  c->mxcsr = mxcsr_read();
  c->stop = reason;
  c->stop_vector = 0;
  escape(c, ESCAPE_FAULT);
}

void cpu_unimplemented(Cpu *c) { cpu_leave_before(c, STOP_UNIMPLEMENTED); }

u32 flags_word(const Cpu *c) { return (c->eflags & ~(u32)FLAGS_STATUS) | flags_status(c); }

void cpu_code_written(Cpu *c) {
  c->mxcsr = mxcsr_read();
  escape(c, ESCAPE_CODE_WRITTEN);
}

enum { SEGV_KERNEL = 0x80, ERR_WRITE = 2 };

/* Which synchronous signals handlers can cause: #DE and #UD they raise by themselves. */
static bool is_interpreted_fault(const siginfo_t *si) {
  if (si->si_signo == SIGILL || si->si_signo == SIGTRAP) return false;
  return si->si_signo != SIGFPE || si->si_code != FPE_INTDIV;
}

static bool leave_translated(Cpu *c, const ucontext_t *uc) {
  bool executed = jit_recover(c, uc);
  c->mxcsr = host_context_mxcsr(uc, c->mxcsr);
  return executed;
}

static u32 fault_vector(const siginfo_t *si, const ucontext_t *uc, bool translated) {
  if (translated && host_fault_vector(uc) == EXC_MF) return EXC_MF;
  if (si->si_signo == SIGFPE) return si->si_code == FPE_INTDIV ? EXC_DE : EXC_XM;
  if (si->si_code != SEGV_KERNEL) return EXC_PF;
  /* A handler's own choice of base registers is not the guest's. */
  if (!translated) return EXC_ADDRESS;
  return si->si_signo == SIGBUS ? EXC_SS : EXC_GP;
}

bool engine_host_fault(siginfo_t *si, ucontext_t *uc) {
  memory_guard_fault(si->si_addr, si->si_signo);
  Cpu *c = host_thread_cpu();
  if (!c || !c->escape) return false;
  bool translated = jit_owns(c->jit, host_context_pc(uc));
  if (translated && jit_is_poll(c, si->si_addr)) {
    leave_translated(c, uc);
    jit_resume(c);
    escape(c, ESCAPE_POLL);
  }
  if (translated && jit_is_miss(c, si->si_addr, host_context_pc(uc))) {
    jit_recover_miss(c, uc);
    c->mxcsr = host_context_mxcsr(uc, c->mxcsr);
    escape(c, ESCAPE_POLL);
  }
  if (!translated && !is_interpreted_fault(si)) return false;
  u64 addr = (u64)si->si_addr - c->mem->skew, error = host_fault_error(uc);
  bool was_code = false;
  if (si->si_signo == SIGSEGV && memory_write_fault(c->mem, addr, &was_code) && !was_code)
    return true;
  if (translated && !leave_translated(c, uc)) was_code = true;
  c->mxcsr = host_context_mxcsr(uc, c->mxcsr);
  if (was_code) escape(c, ESCAPE_CODE_WRITTEN);
  if (si->si_signo == SIGILL) escape(c, ESCAPE_ILLEGAL);
  c->stop = STOP_FAULT;
  c->stop_vector = fault_vector(si, uc, translated);
  c->stop_error = c->stop_vector == EXC_PF ? error | PF_USER : 0;
  c->stop_addr = c->stop_vector == EXC_PF ? addr : 0;
  c->stop_signo = si->si_signo;
  c->stop_code = si->si_code;
  escape(c, ESCAPE_FAULT);
}

/* --- the loop --- */

void cpu_enter(Cpu *c, const Rec *r) {
#if BLINK_TRAMPOLINE
  while (r) r = r->fn(c, r);
#else
  r->fn(c, r);
#endif
}

/* Translated code stops early enough for a budget if it counts, and must not run with flags that trap
 * in the host. */
static bool translates(const Cpu *c) {
  bool far = c->deadline == ~(u64)0 || (c->counting && jit_has_room(c));
  return c->jit && c->mode == 64 && far && !c->watch_count && !(c->eflags & (FLAG_AC | FLAG_TF));
}

/* Sets the limit, then looks at what others may have raised meanwhile: in this order none is lost. */
static Stop prepare(Cpu *c) {
  u64 left = c->deadline - c->icount;
  c->limit = left > BLOCK_MAX ? c->deadline - BLOCK_MAX : 0;
  c->js.active = translates(c);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  memory_sync(c);
  cache_sync(c);
  if (c->interrupt) {
    c->interrupt = 0;
    return STOP_INTERRUPT;
  }
  return left ? STOP_NONE : STOP_BUDGET;
}

static void run_translated(Cpu *c) {
  u32 reason = jit_run(c);
  if (reason == JIT_SYSCALL) {
    jit_syscall(c);
    return;
  }
  c->limit = 0; /* at most one block, then back */
  if (reason == JIT_INTERPRET) cpu_enter(c, cache_block(c, c->rip));
  if (reason == JIT_FICKLE) cpu_enter(c, cache_scratch(c, c->rip, 1));
}

static void run_some(Cpu *c) {
  if (c->js.active) {
    (c->doctor ? doctor_turn : run_translated)(c);
    return;
  }
  u64 left = c->deadline - c->icount;
  if (left > BLOCK_MAX) {
    cpu_enter(c, cache_block(c, c->rip));
    return;
  }
  c->limit = 0;
  cpu_enter(c, cache_scratch(c, c->rip, (u32)left));
}

/* One instruction from scratch space: it writes the code around it, so that what follows is new; or
 * the host lacks it, or calls it undefined, which the interpreter knows better. */
static void run_one_uncached(Cpu *c) {
  memory_sync(c);
  cache_sync(c);
  c->limit = 0;
  cpu_enter(c, cache_scratch(c, c->rip, 1));
}

static Stop finished(Cpu *c) {
  if (c->stop != STOP_SYSCALL) return c->stop;
  c->counters[COUNT_SYSCALLS]++;
  if (!c->native || !syscall_native(c)) return c->stop;
  c->stop = STOP_NONE;
  return STOP_NONE;
}

static Stop loop(Cpu *c) {
  sigjmp_buf escape_to;
  c->escape = &escape_to;
  int how = sigsetjmp(escape_to, 0);
  mxcsr_enter(c->mxcsr);
  if (how == ESCAPE_FAULT) {
    if (c->stop == STOP_FAULT) fault_refine(c);
    return c->stop;
  }
  if (how == ESCAPE_CODE_WRITTEN || how == ESCAPE_ILLEGAL) run_one_uncached(c);
  for (;;) {
    Stop stop = finished(c);
    if (stop) return stop;
    stop = prepare(c);
    if (stop) return stop;
    run_some(c);
  }
}

Stop cpu_run(Cpu *c, u64 budget) {
  Cpu *outer = host_thread()->cpu;
  c->deadline = budget == ~(u64)0 ? budget : c->icount + budget;
  if (c->resume_at != c->rip) c->resume_at = ~(u64)0;
  c->stop = STOP_NONE;
  c->cur = NULL;
  host_thread_set_cpu(c);
  bool at_once = c->interrupt;
  Stop stop = loop(c);
  if (stop == STOP_INTERRUPT) c->stop_error = at_once; /* nothing ran */
  c->escape = NULL;
  c->js.active = 0;
  c->mxcsr = mxcsr_leave();
  c->resume_at = stop == STOP_BREAKPOINT || stop == STOP_WATCHPOINT ? c->rip : ~(u64)0;
  host_thread_set_cpu(outer);
  return stop;
}
