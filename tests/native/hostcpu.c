/* Runs single instructions on the host CPU: the oracle of the instruction tests.
 *
 * A server: the parent (tests/isa/hostcpu.py) shares one memfd with us, writes a batch of cases into
 * a slot of it and sends the slot number; we answer with the number of results written there.
 * A process of its own, because a tested instruction may wreck it, and because in the parent the
 * engine owns the signal handlers and the same guest addresses.
 *
 * How one case runs: our signal handler overwrites the frame that the kernel made with the state of
 * the case, trap flag set, and returns; rt_sigreturn loads every register at once (RSP and RIP too),
 * the CPU runs exactly one instruction and traps, the next frame holds the state after it.
 * So a case costs one signal, and nothing of ours runs between load and trap.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "cases.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;

enum {
  ALTSTACK_SIZE = 1 << 18,
  XSAVE_MAX = 1 << 14,
  REP_MAX = 4096,
  TIME_LIMIT = 1 /* seconds of CPU time for a case that does not end */
};

enum { FX_USED = 464, FX_MXCSR_MASK = 28, FX_MXCSR = 24, FX_YMMH = 576 };
enum { FX_FRAME_SIZE = FX_USED + 4 }; /* where the kernel says how long the frame is */
enum { XFEATURES_HEADER = 512, XFEATURE_YMM = 4 };
enum {
  FLAG_TF = 1 << 8,
  FLAG_NT = 1 << 14,
  FLAG_RF = 1 << 16,
  FLAG_AC = 1 << 18,
  FLAG_ID = 1 << 21
};
enum { FLAGS_LOADED = 0xcd5 }; /* CF PF AF ZF SF DF OF */

typedef struct {
  u32 input, output, fsgsbase, ymm, slot_half, flat, ldt;
} Hello;

static u8 *flat; /* alias of all data pages, always writable */
static u8 before[FLAT_SIZE];
static u8 *slots;
static bool has_fsgsbase, has_ymm, running;
static u64 host_fs;

static const u8 *in_next;
static u8 *out_next, *out_end;
static u32 todo, done;
static const Input *now;
static u32 rep_count;

static ucontext_t home;
static u8 home_fpu[XSAVE_MAX];
static u32 home_fpu_size;

static __attribute__((noreturn)) void die(const char *what) {
  perror(what);
  exit(1);
}

static u64 get_fs(void) {
  u64 v = 0;
  if (has_fsgsbase) __asm__ volatile("rdfsbase %0" : "=r"(v));
  return v;
}

static u64 get_gs(void) {
  u64 v = 0;
  if (has_fsgsbase) __asm__ volatile("rdgsbase %0" : "=r"(v));
  return v;
}

static void set_bases(u64 fs, u64 gs) {
  if (!has_fsgsbase) return;
  __asm__ volatile("wrfsbase %0" : : "r"(fs));
  __asm__ volatile("wrgsbase %0" : : "r"(gs));
}

/* DS, ES, FS and GS; CS and SS are in the signal frame. */
static void get_segments(u16 seg[6]) {
  __asm__ volatile("mov %%es, %0" : "=m"(seg[0]));
  __asm__ volatile("mov %%ds, %0" : "=m"(seg[3]));
  __asm__ volatile("mov %%fs, %0" : "=m"(seg[4]));
  __asm__ volatile("mov %%gs, %0" : "=m"(seg[5]));
}

static void set_segments(const u16 seg[6]) {
  __asm__ volatile("mov %0, %%es" : : "m"(seg[0]));
  __asm__ volatile("mov %0, %%ds" : : "m"(seg[3]));
  __asm__ volatile("mov %0, %%fs" : : "m"(seg[4]));
  __asm__ volatile("mov %0, %%gs" : : "m"(seg[5]));
}

/* rt_sigreturn keeps NT and ID as they are now, so a case must not pass them to the next one. */
static void clear_sticky_flags(void) {
  u64 flags = __builtin_ia32_readeflags_u64();
  __builtin_ia32_writeeflags_u64(flags & ~(u64)(FLAG_NT | FLAG_AC | FLAG_ID));
}

/* A repeated string instruction traps after each iteration: it goes on while RIP stays on it.  So may a
 * gather (VEX, C4) when one of its lanes is about to fault. */
static bool unfinished(const ucontext_t *uc) {
  bool rep;
  u8 second, op = opcode_of(now, &rep, &second);
  if ((u64)uc->uc_mcontext.gregs[REG_RIP] != now->rip) return false;
  return op == 0xc4 || (rep && is_string(op));
}

static const int greg_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};

/* Writes the patches of a case into memory and its copy, or zeroes over them. */
static void patch_memory(const Input *in, bool undo) {
  const u8 *p = (const u8 *)(in + 1);
  for (u32 i = 0; i < in->patches; i++) {
    const Patch *patch = (const Patch *)p;
    u64 off = flat_offset(patch->addr);
    p += sizeof *patch + pad8(patch->len);
    if (undo) {
      memset(flat + off, 0, patch->len);
      memset(before + off, 0, patch->len);
    } else {
      memcpy(flat + off, patch + 1, patch->len);
      memcpy(before + off, patch + 1, patch->len);
    }
  }
}

static void load_fpu(u8 *fpu, const Input *in) {
  memcpy(fpu, in->fx, FX_USED);
  u32 mxcsr;
  memcpy(&mxcsr, in->fx + FX_MXCSR, 4);
  mxcsr &= 0xffff;
  memcpy(fpu + FX_MXCSR, &mxcsr, 4);
  if (!has_ymm) return;
  u64 features = 7; /* x87, SSE, AVX; all others get their initial state */
  memcpy(fpu + XFEATURES_HEADER, &features, 8);
  memcpy(fpu + FX_YMMH, in->ymmh, 256);
}

static void load_case(ucontext_t *uc) {
  now = (const Input *)in_next;
  in_next += now->size;
  rep_count = 0;
  patch_memory(now, false);
  memcpy((void *)(now->code_base + now->rip), now->code, now->code_len);
  greg_t *g = uc->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) g[greg_of[i]] = (greg_t)now->gpr[i];
  g[REG_RIP] = (greg_t)now->rip;
  g[REG_EFL] = (greg_t)((now->rflags & FLAGS_LOADED) | (now->run ? 0 : FLAG_TF));
  g[REG_CSGSFS] = (greg_t)(now->seg[1] | (u64)now->seg[2] << 48);
  load_fpu((u8 *)uc->uc_mcontext.fpregs, now);
  set_segments(now->seg);
  if (now->mode == 64) set_bases(now->fs_base, now->gs_base);
}

/* PUSHF stores our trap flag, which no guest has. */
static void hide_trap_flag(u64 rsp) {
  bool rep;
  u8 second;
  u64 off = flat_offset(rsp + now->stack_base);
  if (opcode_of(now, &rep, &second) == 0x9c && off + 1 < FLAT_SIZE)
    flat[off + 1] &= ~(FLAG_TF >> 8);
}

/* The trap comes an instruction late, so that it was INT3: after a load of SS, after IRET cleared the
 * trap flag, after what the kernel emulates (SGDT and its like). */
static bool is_untrapped(u64 rip) {
  bool rep;
  u8 second;
  if (now->run) return false;
  return rip == now->rip + now->code_len + 1 || opcode_of(now, &rep, &second) == 0xcf;
}

static void save_case(const ucontext_t *uc, s32 vector, u64 fs, u64 gs, const u16 seg[6]) {
  Output *out = (Output *)out_next;
  const greg_t *g = uc->uc_mcontext.gregs;
  memcpy(out->seg, seg, sizeof out->seg);
  out->seg[1] = (u16)g[REG_CSGSFS];
  out->seg[2] = (u16)((u64)g[REG_CSGSFS] >> 48);
  const u8 *fpu = (const u8 *)uc->uc_mcontext.fpregs;
  for (int i = 0; i < 16; i++) out->gpr[i] = (u64)g[greg_of[i]];
  out->rip = (u64)g[REG_RIP];
  if (vector == 3 && is_untrapped(out->rip)) vector = NO_FAULT, out->rip--;
  out->rflags = (u64)g[REG_EFL] & ~(u64)(FLAG_TF | FLAG_RF);
  out->vector = vector;
  out->error = vector >= 0 ? (u64)g[REG_ERR] : 0;
  out->addr = vector == 14 ? (u64)g[REG_CR2] : 0;
  out->fs_base = fs;
  out->gs_base = gs;
  memset(out->fx, 0, FX_SIZE);
  memset(out->ymmh, 0, 256);
  memcpy(out->fx, fpu, FX_USED);
  memset(out->fx + FX_MXCSR_MASK, 0, 4);
  u64 features = 0;
  if (has_ymm) memcpy(&features, fpu + XFEATURES_HEADER, 8);
  if (features & XFEATURE_YMM) memcpy(out->ymmh, fpu + FX_YMMH, 256);
  u64 mask = now->mode == 64 ? ~0ull : now->stack_mask;
  if (vector == NO_FAULT && !now->run) hide_trap_flag(out->gpr[4] & mask);
  save_dirty(out, flat, before);
  memset(flat + out->dirty_off, 0, out->dirty_len);
  memset((void *)(now->code_base + now->rip), INT3, now->code_len);
  patch_memory(now, true);
  out_next += out->size;
  done++;
}

/* home keeps its own pointers: only registers and FPU image are exchanged with the live frame. */
static void save_home(const ucontext_t *uc) {
  const u8 *fpu = (const u8 *)uc->uc_mcontext.fpregs;
  memcpy(&home.uc_mcontext.gregs, &uc->uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  memcpy(&home_fpu_size, fpu + FX_FRAME_SIZE, 4);
  if (!has_ymm || home_fpu_size > XSAVE_MAX) home_fpu_size = FX_SIZE;
  memcpy(home_fpu, fpu, home_fpu_size);
}

static void load_home(ucontext_t *uc) {
  memcpy(&uc->uc_mcontext.gregs, &home.uc_mcontext.gregs, sizeof home.uc_mcontext.gregs);
  memcpy(uc->uc_mcontext.fpregs, home_fpu, home_fpu_size);
  running = false;
}

/* CPU time: on a loaded machine a second may pass before a case has begun. */
static void limit_time(int seconds) {
  struct itimerval limit = {.it_value.tv_sec = seconds};
  setitimer(ITIMER_PROF, &limit, NULL);
}

/* True when the case in the frame is over and its result is stored. */
static bool end_case(ucontext_t *uc, int signo, u64 fs, u64 gs, const u16 seg[6]) {
  s32 vector = (s32)uc->uc_mcontext.gregs[REG_TRAPNO];
  if (signo == SIGPROF) {
    vector = TOO_LONG;
    limit_time(TIME_LIMIT);
  } else if (vector == 1) {
    vector = NO_FAULT;
    if (unfinished(uc)) {
      if (++rep_count < REP_MAX) return false;
      vector = TOO_LONG;
    }
  }
  save_case(uc, vector, fs, gs, seg);
  return true;
}

static void on_signal(int signo, siginfo_t *info, void *context) {
  static const u16 none[6];
  u64 fs = get_fs(), gs = get_gs();
  u16 seg[6];
  ucontext_t *uc = context;
  (void)info;
  get_segments(seg);
  set_segments(none);
  set_bases(host_fs, 0);
  clear_sticky_flags();
  __builtin_ia32_mfence(); /* weakly ordered stores, before they are read by their other address */
  if (running) {
    if (!end_case(uc, signo, fs, gs, seg)) {
      set_segments(seg);
      if (now->mode == 64) set_bases(fs, gs);
      return;
    }
  } else if (signo == SIGTRAP) {
    save_home(uc);
    running = true;
  } else if (signo == SIGPROF) {
    return;
  } else {
    abort();
  }
  if (done < todo && out_end - out_next > (ptrdiff_t)(sizeof(Output) + FLAT_SIZE)) load_case(uc);
  else load_home(uc);
}

static u32 run_batch(u32 slot, u32 count) {
  in_next = slots + (u64)slot * 2 * SLOT_HALF;
  out_next = slots + (u64)slot * 2 * SLOT_HALF + SLOT_HALF;
  out_end = out_next + SLOT_HALF;
  todo = count;
  done = 0;
  limit_time(TIME_LIMIT);
  __asm__ volatile("int3" ::: "memory"); /* all cases happen in the handler */
  limit_time(0);
  return done;
}

static void *map(u64 addr, u64 size, int prot, int fd, off_t offset) {
  int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  if (addr) flags |= MAP_FIXED_NOREPLACE;
  void *p = mmap((void *)addr, size, prot, flags, fd, offset);
  if (p == MAP_FAILED || (addr && p != (void *)addr)) die("mmap");
  return p;
}

static void map_guest(void) {
  int fd = memfd_create("guest", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, FLAT_SIZE)) die("memfd");
  map(CODE_BASE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, -1, 0);
  map(CODE_LOW, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, -1, 0);
  memset((void *)CODE_BASE, INT3, CODE_SIZE);
  memset((void *)CODE_LOW, INT3, CODE_SIZE);
  map(HIGH_BASE, HIGH_RW_SIZE, PROT_READ | PROT_WRITE, fd, 0);
  map(HIGH_BASE + HIGH_RW_SIZE, HIGH_SIZE - HIGH_RW_SIZE, PROT_READ, fd, HIGH_RW_SIZE);
  map(LOW_BASE, LOW_SIZE, PROT_READ | PROT_WRITE, fd, HIGH_SIZE);
  flat = map(0, FLAT_SIZE, PROT_READ | PROT_WRITE, fd, 0);
}

static void install_handlers(void) {
  static const int signals[] = {SIGTRAP, SIGPROF, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  stack_t stack = {.ss_size = ALTSTACK_SIZE};
  stack.ss_sp = map(0, ALTSTACK_SIZE, PROT_READ | PROT_WRITE, -1, 0);
  if (sigaltstack(&stack, NULL)) die("sigaltstack");
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    if (sigaction(signals[i], &action, NULL)) die("sigaction");
}

/* Descriptors by their 8 bytes: argv[2] and on.  Without modify_ldt(2), 16-bit cases cannot run. */
static bool write_ldt(int count, char **words) {
  for (int i = 0; i < count; i++) {
    u64 raw = strtoull(words[i], NULL, 16);
    struct user_desc d = {.entry_number = (u32)i};
    d.base_addr = (u32)((raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000));
    d.limit = (u32)((raw & 0xffff) | (raw >> 32 & 0xf0000));
    d.contents = raw >> 42 & 3;
    d.read_exec_only = !(raw >> 41 & 1);
    d.seg_not_present = !(raw >> 47 & 1);
    d.seg_32bit = raw >> 54 & 1;
    d.limit_in_pages = raw >> 55 & 1;
    d.useable = raw >> 52 & 1;
    if (syscall(SYS_modify_ldt, 1, &d, sizeof d)) return false;
  }
  return true;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  has_fsgsbase = getauxval(AT_HWCAP2) & 2;
  has_ymm = __builtin_cpu_supports("avx");
  host_fs = get_fs();
  map_guest();
  clear_sticky_flags();
  slots = map(0, (u64)SLOTS * 2 * SLOT_HALF, PROT_READ | PROT_WRITE, atoi(argv[1]), 0);
  install_handlers();
  bool has_ldt = write_ldt(argc - 2, argv + 2);
  Hello hello = {sizeof(Input), sizeof(Output), has_fsgsbase, has_ymm,
                 SLOT_HALF,     FLAT_SIZE,      has_ldt};
  if (write(1, &hello, sizeof hello) != sizeof hello) return 1;
  u32 request[2];
  while (read(0, request, sizeof request) == sizeof request) {
    u32 reply = run_batch(request[0], request[1]);
    if (write(1, &reply, sizeof reply) != sizeof reply) return 1;
  }
  return 0;
}
