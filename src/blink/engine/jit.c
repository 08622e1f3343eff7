/* The translator's life, its way in and out, and recovery from faults. */
#define _GNU_SOURCE
#include "jit.h"

#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "_generated_flags.h"
#include "jit_impl.h"
#include "memory.h"
#include "run.h"

#if defined(__x86_64__)

enum { HWCAP2_HAS_FSGSBASE = 2, TABLE_START = 1 << 12 };

u32 jit_arena_of(u64 rip) { return rip >> 32 != 0; }

/* --- entry and exit, written once into each arena --- */

static void vzeroupper(Code *k) { put8(k, 0xc5), put8(k, 0xf8), put8(k, 0x77); }

/* movups, or vmovups of 256 bits, between all vector registers and the Cpu at GS. */
static void move_all(Code *k, bool load, bool wide) {
  for (u8 n = 0; n < 16; n++) {
    put8(k, 0x65);
    if (wide) put8(k, 0xc5), put8(k, n >= 8 ? 0x7c : 0xfc);
    else if (n >= 8) put8(k, 0x44);
    if (!wide) put8(k, 0x0f);
    put8(k, load ? 0x10 : 0x11);
    put_gs(k, n, CPU_FIELD(vec) + n * (u32)sizeof(V512));
  }
}

static const u8 callee_saved[] = {RBX, RBP, R12, R13, R14, R15};

static void push_reg(Code *k, u8 reg) {
  if (reg >= 8) put8(k, 0x41);
  put8(k, (u8)(0x50 | (reg & 7)));
}

static void pop_reg(Code *k, u8 reg) {
  if (reg >= 8) put8(k, 0x41);
  put8(k, (u8)(0x58 | (reg & 7)));
}

/* enter(rdi = Cpu, rsi = code) */
static void write_enter(Code *k, JitEntry how, bool counting) {
  for (u32 i = 0; i < sizeof callee_saved; i++) push_reg(k, callee_saved[i]);
  put8(k, 0x50); /* push rax: keeps the stack aligned */
  store_gs(k, CPU_FIELD(js.host_rsp), RSP);
  store_gs(k, CPU_FIELD(js.entry), RSI);
  if (how == ENTER_CLEAR) vzeroupper(k);
  move_all(k, true, how == ENTER_WIDE);
  put8(k, 0x65), put8(k, 0xff); /* push gs:[flags]; popf */
  put_gs(k, 6, CPU_FIELD(js.flags));
  put8(k, 0x9d);
  if (counting) count_gs(k, MMX_LOAD, CPU_FIELD(js.count));
  for (u8 n = 0; n < 16; n++) load_gs(k, n, CPU_FIELD(gpr) + n * 8u);
  jump_gs(k, CPU_FIELD(js.entry));
}

static void write_return(Code *k, bool counting) {
  if (counting) {
    count_gs(k, MMX_STORE, CPU_FIELD(js.count));
    put8(k, 0x0f), put8(k, 0x77); /* emms */
  }
  put8(k, 0x58);
  for (u32 i = sizeof callee_saved; i-- > 0;) pop_reg(k, callee_saved[i]);
  put8(k, 0xc3);
}

/* fxsave64 gs:[x87_out]; fninit, unless the guest's x87 state is in the Cpu */
static void write_x87_leave(Code *k) {
  put8(k, 0x65), put8(k, 0x83); /* cmp dword gs:[x87_away], 0; jne over */
  put_gs(k, 7, CPU_FIELD(js.x87_away));
  put8(k, 0), put8(k, 0x75), put8(k, 0);
  u8 *from = k->at;
  put8(k, 0x65), put8(k, 0x48), put8(k, 0x0f), put8(k, 0xae);
  put_gs(k, 0, CPU_FIELD(js.x87_out));
  put8(k, 0xdb), put8(k, 0xe3);
  from[-1] = (u8)(k->at - from);
}

static void write_leave(Code *k, bool counting) {
  for (u8 n = 0; n < 16; n++) store_gs(k, CPU_FIELD(gpr) + n * 8u, n);
  load_gs(k, RSP, CPU_FIELD(js.host_rsp));
  put8(k, 0x9c); /* pushf; pop gs:[flags]; cld */
  put8(k, 0x65), put8(k, 0x8f);
  put_gs(k, 0, CPU_FIELD(js.flags));
  put8(k, 0xfc);
  if (!counting) write_x87_leave(k);
  put8(k, 0x65), put8(k, 0x83); /* cmp dword gs:[wide], 0; jne wide */
  put_gs(k, 7, CPU_FIELD(js.wide));
  put8(k, 0), put8(k, 0x0f), put8(k, 0x85);
  put32(k, 0);
  u8 *wide = k->at - 4;
  move_all(k, false, false);
  write_return(k, counting);
  patch32(wide, k->at);
  move_all(k, false, true);
  vzeroupper(k);
  write_return(k, counting);
}

static void write_miss(Code *k, const u8 *leave) {
  load_gs(k, RCX, CPU_FIELD(poll.rcx));
  set_gs32(k, CPU_FIELD(js.exit_reason), JIT_MISS);
  jump(k, leave);
}

static void write_link(Code *k, const u8 *leave) {
  set_gs32(k, CPU_FIELD(js.exit_reason), JIT_LINK);
  jump(k, leave);
}

static void write_stale(Code *k, const u8 *leave) {
  load_gs(k, RAX, CPU_FIELD(js.compare_rax));
  load_gs(k, RCX, CPU_FIELD(js.compare_rcx));
  set_gs32(k, CPU_FIELD(js.exit_reason), JIT_STALE);
  jump(k, leave);
}

typedef struct {
  u64 first, step;
  int count;
} Places;

static u8 *map_arena(u64 address, u64 size, int flags) {
  return mmap((void *)address, size, PROT_READ | PROT_WRITE | PROT_EXEC,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* Pages that cost nothing before they are used; NULL when there is no room. */
static void *reserve(u64 size) {
  void *p =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

static u8 *map_at(Places p, u64 size) {
  u8 *base = MAP_FAILED;
  for (; p.count > 0 && base == MAP_FAILED; p.count--, p.first += p.step)
    base = map_arena(p.first, size, MAP_FIXED_NOREPLACE);
  return base;
}

static bool open_arena(Jit *j, JitArena *a, const Places p[2]) {
  u64 size = j->arena_size;
  u8 *base = map_at(p[0], size);
  if (base == MAP_FAILED) base = map_at(p[1], size);
  if (base == MAP_FAILED) base = map_arena(0, size, 0);
  if (base == MAP_FAILED) return false;
  a->base = base;
  a->blocks = reserve(sizeof(JitBlock) * jit_room(j, MAX_BLOCKS));
  return a->blocks != NULL;
}

static void clear_arena(JitArena *a, u64 size) {
  u8 *end = a->base + size;
  jit_untouch(a->base, &a->ready);
  jit_untouch(a->blocks, &a->blocks_ready);
  if (a->cold_ready) jit_untouch(a->cold_ready, &end);
  a->cold = a->cold_ready = a->base + size;
}

static void start_arena(JitArena *a, u64 size, bool counting) {
  clear_arena(a, size);
  Code k = {a->base};
  for (u32 how = ENTER_NARROW; how <= ENTER_WIDE; how++) {
    a->enter[how] = k.at;
    write_enter(&k, how, counting);
  }
  a->leave = k.at;
  write_leave(&k, counting);
  a->miss = k.at;
  write_miss(&k, a->leave);
  a->link = k.at;
  write_link(&k, a->leave);
  a->stale = k.at;
  write_stale(&k, a->leave);
  a->at = k.at;
  a->constants_left = 0;
  a->count = 0;
}

static void forget_targets(Cpu *c) {
  u64 miss = (u64)c->jit->arenas[0].miss;
  u64 *targets = cpu_targets(c);
  madvise(targets, TARGET_SIZE * sizeof *targets, MADV_DONTNEED);
  madvise(targets, TARGET_SIZE * sizeof *targets, MADV_POPULATE_WRITE);
  for (u32 i = 0; i < TARGET_SIZE; i++) targets[i] = miss;
}

/* Where guests put code: below 4 GiB, or near 0x1000_0000_0000, above PIE images and below libraries
 * (abi/layout.py).  Arenas lie between, so that operands reach and no branch is far.  Each thread takes the
 * next place; when those in reach are all taken, any will do: operands out of reach are then rewritten. */
static const Places usual[ARENAS][2] = {
    {{0x60000000, ARENA_SIZE, 8}},
    {{0x0fffd0000000, -(u64)ARENA_SIZE, 12}, {0x0fffd4000000, ARENA_SIZE, 11}}};

static bool open_arenas(Jit *j, JitPlan plan) {
  j->arena_size = plan.size ? plan.size : jit_room(j, ARENA_SIZE);
  Places planned[2] = {{plan.place, j->arena_size, 16}};
  bool ok = j->arena_size >= 2 * ARENA_MARGIN && j->arena_size <= ARENA_SIZE;
  for (u32 i = 0; i < ARENAS && ok; i++) {
    bool elsewhere = plan.place && i == ARENAS - 1;
    ok = open_arena(j, &j->arenas[i], elsewhere ? planned : usual[i]);
  }
  return ok;
}

Jit *jit_new(Cpu *c, JitPlan plan) {
  if (c->mem->paged || !(getauxval(AT_HWCAP2) & HWCAP2_HAS_FSGSBASE)) return NULL;
  Jit *j = calloc(1, sizeof *j);
  if (!j) return NULL;
  j->shares = c->beyond < CPU_BEYOND;
  bool ok = open_arenas(j, plan);
  j->insns = reserve(sizeof(JitInsn) * jit_room(j, MAX_INSNS));
  j->exits = reserve(sizeof(JitExit) * jit_room(j, MAX_EXITS));
  j->table_mask = TABLE_START - 1;
  j->table = calloc(TABLE_START, sizeof *j->table);
  if (ok && j->insns && j->exits && j->table) {
    for (u32 i = 0; i < ARENAS; i++) start_arena(&j->arenas[i], j->arena_size, c->counting);
    c->jit = j;
    c->js.compares = COMPARES_A_TICK;
    c->js.x87_away = 1;
    c->mem->compares = true;
    j->quick_model = c->model;
    jit_table_reset(j);
    forget_targets(c);
    return j;
  }
  jit_free(j);
  return NULL;
}

void jit_free(Jit *j) {
  if (!j) return;
  for (u32 i = 0; i < ARENAS; i++) {
    JitArena *a = &j->arenas[i];
    if (a->base) munmap(a->base, j->arena_size);
    if (a->blocks) munmap(a->blocks, sizeof(JitBlock) * jit_room(j, MAX_BLOCKS));
  }
  if (j->insns) munmap(j->insns, sizeof(JitInsn) * jit_room(j, MAX_INSNS));
  if (j->exits) munmap(j->exits, sizeof(JitExit) * jit_room(j, MAX_EXITS));
  free(j->table);
  free(j);
}

void jit_flush(Cpu *c) {
  Jit *j = c->jit;
  if (!j) return;
  for (u32 i = 0; i < ARENAS; i++) start_arena(&j->arenas[i], j->arena_size, c->counting);
  jit_table_reset(j);
  j->flushes++;
  if (j->quick_model != c->model) memset(j->quick, 0, sizeof j->quick);
  j->quick_model = c->model;
  c->js.wide = c->js.x87 = 0;
  forget_targets(c);
  c->counters[COUNT_FLUSHES]++;
}

/* --- running --- */

static void set_gs_base(const Cpu *c) { __asm__ volatile("wrgsbase %0" ::"r"(c)); }

static JitEntry how_to_enter(const Cpu *c) {
  u64 upper = 0;
  if (!c->js.wide) return ENTER_NARROW;
  for (u32 i = 0; i < 16; i++) upper |= c->vec[i].x[1].q[0] | c->vec[i].x[1].q[1];
  return upper ? ENTER_WIDE : ENTER_CLEAR;
}

/* Translated code leaves when its count is no longer negative: for the interpreter to take over, or
 * after hours.  Its high word is 0xffff until then. */
static void begin_count(Cpu *c) {
  u64 most = (u64)1 << 47, left = c->deadline - c->icount - JIT_MARGIN;
  c->js.count = -(c->deadline == ~(u64)0 || left > most ? most : left);
  c->js.count_base = c->icount - c->js.count;
}

static void enter(Cpu *c, const JitBlock *b) {
  void (*go)(Cpu *, const u8 *);
  u8 *thunk = c->jit->arenas[0].enter[how_to_enter(c)];
  memcpy(&go, &thunk, sizeof go);
  c->js.flags = (c->eflags & ~(u64)FLAGS_STATUS) | flags_status(c);
  begin_count(c);
  if (c->js.x87) jit_x87_prepare(c);
  set_gs_base(c);
  go(c, jit_entry(b));
  if (!c->js.x87_away) jit_x87_take(c, c->js.x87_out);
  c->eflags = (u32)c->js.flags;
  c->cc_op = CC_FLAGS;
  if (c->counting) c->icount = c->js.count_base + c->js.count;
}

static void link_exit(Cpu *c) {
  Jit *j = c->jit;
  u32 exit = c->js.exit, flushes = j->flushes;
  c->rip = j->exits[exit].target;
  JitBlock *to = jit_block_behind(c, exit);
  if (to && flushes == j->flushes) jit_link(j, exit, to);
}

static void miss_exit(Cpu *c) {
  c->rip = c->js.target;
  c->js.missed = 0;
  c->counters[COUNT_MISSES]++;
  JitBlock *to = jit_block(c, c->rip, true);
  if (to) jit_enter_target(c, to);
}

static void tick(Cpu *c) {
  c->js.compares = COMPARES_A_TICK;
  memset(c->jit->stale, 0, sizeof c->jit->stale);
  memory_tick(c->mem);
}

/* Source that changes all the time is interpreted until it is time for a tick. */
static u32 interpret(Cpu *c) {
  if (!jit_is_fickle(c->jit, c->rip)) return JIT_INTERPRET;
  if (--c->js.compares == 0) tick(c);
  return JIT_FICKLE;
}

void jit_syscall(Cpu *c) {
  c->gpr[RCX] = c->rip;
  c->gpr[R11] = c->eflags;
  c->stop = STOP_SYSCALL;
}

void jit_run_block(Cpu *c, const JitBlock *b) {
  enter(c, b);
  if (c->js.exit_reason == JIT_LINK) c->rip = c->jit->exits[c->js.exit].target;
  if (c->js.exit_reason == JIT_MISS) c->rip = c->js.target;
  if (c->js.exit_reason == JIT_SYSCALL) jit_syscall(c);
}

bool jit_has_room(const Cpu *c) {
  return c->deadline == ~(u64)0 || c->deadline - c->icount > JIT_MARGIN + BLOCK_INSNS;
}

u32 jit_run(Cpu *c) {
  if (c->js.missed && c->rip == c->js.target) miss_exit(c);
  for (;;) {
    /* A new link may be due where the budget nearly is: what is left must not wrap around. */
    if (c->counting && !jit_has_room(c)) return JIT_STALE;
    const JitBlock *b = jit_block(c, c->rip, false);
    if (!b) return interpret(c);
    enter(c, b);
    switch (c->js.exit_reason) {
    case JIT_LINK: link_exit(c); break;
    case JIT_MISS: miss_exit(c); break;
    case JIT_STALE:
      if (c->js.compares != 0) jit_drop_stale(c, c->rip);
      else tick(c);
      return JIT_STALE;
    default: return c->js.exit_reason;
    }
  }
}

/* --- signals and faults --- */

bool jit_owns(const Jit *j, u64 pc) {
  for (u32 i = 0; j && i < ARENAS; i++)
    if (pc - (u64)j->arenas[i].base < j->arena_size) return true;
  return false;
}

void jit_interrupt(Cpu *c) {
  if (!c->jit || !c->js.active) return;
  c->js.closed = 1;
  mprotect(&c->poll, sizeof c->poll, PROT_READ);
}

void jit_resume(Cpu *c) {
  if (!c->jit) return;
  c->js.closed = 0;
  mprotect(&c->poll, sizeof c->poll, PROT_READ | PROT_WRITE);
}

static void restore_lent(Cpu *c, const JitInsn *n, u64 offset) {
  if (n->lent && offset >= (u64)n->host + n->lent_from) c->gpr[n->lent - 1] = c->poll.lent;
  if (n->rcx_lent && offset > n->host) c->gpr[RCX] = c->poll.rcx;
}

/* The frame holds an XSAVE image in standard format (SDM volume 1, 13.4): XSTATE_BV at 512 says whether
 * the upper halves, at 576, are there or zero. */
static void recover_upper(Cpu *c, const u8 *image) {
  enum { XSTATE_BV = 512, YMM = 576, HAS_YMM = 4 };
  for (u32 i = 0; i < 16; i++) {
    if (image[XSTATE_BV] & HAS_YMM) memcpy(&c->vec[i].x[1], image + YMM + 16 * i, 16);
    else c->vec[i].x[1] = (V128){0};
  }
}

/* The guest's x87 and MMX registers are in the Cpu: the host's MM0 is ours. */
static void recover_count(Cpu *c, const ucontext_t *uc, u64 left) {
  u64 count;
  memcpy(&count, &uc->uc_mcontext.fpregs->_st[0], sizeof count);
  c->icount = c->js.count_base + count - left;
}

static void recover_registers(Cpu *c, const ucontext_t *uc) {
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};
  const greg_t *g = uc->uc_mcontext.gregs;
  for (u32 i = 0; i < 16; i++) c->gpr[i] = (u64)g[order[i]];
  for (u32 i = 0; i < 16; i++) memcpy(&c->vec[i], &uc->uc_mcontext.fpregs->_xmm[i], 16);
  if (!c->js.x87_away) jit_x87_take(c, uc->uc_mcontext.fpregs);
  if (c->js.wide) recover_upper(c, (const u8 *)uc->uc_mcontext.fpregs);
  c->eflags = (u32)g[REG_EFL] & ~(u32)FLAG_RF;
  c->cc_op = CC_FLAGS;
  c->cur = NULL;
}

bool jit_is_miss(const Cpu *c, const void *addr, u64 pc) {
  static const u8 load[] = {CHECK_LOAD}; /* the guest's own GS operands are all rewritten */
  return (u64)addr - (u64)(&c->poll + 1) < CPU_BEYOND && !memcmp((const u8 *)pc, load, sizeof load);
}

void jit_recover_miss(Cpu *c, const ucontext_t *uc) {
  recover_registers(c, uc);
  c->gpr[RCX] = c->poll.rcx;
  c->rip = c->js.target;
  c->js.missed = 1;
  if (c->counting) recover_count(c, uc, 0);
}

bool jit_recover(Cpu *c, const ucontext_t *uc) {
  recover_registers(c, uc);
  u64 pc = (u64)uc->uc_mcontext.gregs[REG_RIP];
  const JitBlock *b = jit_block_at(c->jit, pc);
  if (!b) __builtin_trap();
  u64 offset = pc - (u64)b->code;
  if (b->compare && offset >= b->compare) {
    c->gpr[RAX] = c->js.compare_rax;
    c->gpr[RCX] = c->js.compare_rcx;
    if (c->counting) recover_count(c, uc, 0);
    c->rip = b->rip;
    return false;
  }
  const JitInsn *n = &c->jit->insns[b->insns];
  while (n[1].host <= offset && n[1].host) n++;
  restore_lent(c, n, offset);
  if (b->x87) jit_x87_recover(c, b, n);
  if (c->counting) recover_count(c, uc, n->left);
  c->rip = b->rip + n->guest;
  return true;
}

#else

Jit *jit_new(Cpu *c, JitPlan plan) {
  (void)c, (void)plan;
  return NULL;
}
void jit_free(Jit *j) { (void)j; }
void jit_flush(Cpu *c) { (void)c; }
void jit_drop(Cpu *c, u64 start, u64 end) { (void)c, (void)start, (void)end; }
void jit_syscall(Cpu *c) { (void)c; }
bool jit_has_room(const Cpu *c) {
  (void)c;
  return false;
}
u32 jit_run(Cpu *c) {
  (void)c;
  return JIT_INTERPRET;
}
bool jit_owns(const Jit *j, u64 pc) {
  (void)j, (void)pc;
  return false;
}
bool jit_is_miss(const Cpu *c, const void *addr, u64 pc) {
  (void)c, (void)addr, (void)pc;
  return false;
}
void jit_recover_miss(Cpu *c, const ucontext_t *uc) { (void)c, (void)uc; }
bool jit_recover(Cpu *c, const ucontext_t *uc) {
  (void)c, (void)uc;
  return true;
}
void jit_interrupt(Cpu *c) { (void)c; }
void jit_resume(Cpu *c) { (void)c; }

#endif
