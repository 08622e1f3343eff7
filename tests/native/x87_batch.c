/* Runs one x87 instruction on many states: on the host, and through engine/x87.h.  For ctypes.
 *
 * Host: machine code that the test assembled is called between FRSTOR and FNSAVE, neither of which
 * an unmasked exception can stop.  Engine: a function of x87.h, with the store and the pop that a
 * handler would do. */
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>

#include "fp.h"
#include "run.h"
#include "x87.h"

typedef struct {
  u16 cw, sw; /* sw with TOP */
  u8 tags, fault, pad[2];
  u32 eflags; /* ZF, PF, CF */
  u32 pad2;
  u8 st[8][16]; /* physical registers */
  u8 memory[16];
} State;

enum { VOID, STORE, STORE_POP, EFLAGS_RESULT, WORD_RESULT };

static jmp_buf escape;
static Cpu cpu;

NORETURN void fault_here(Cpu *c, u32 vector, u64 error) {
  (void)c, (void)error;
  longjmp(escape, (int)vector);
}

/* --- The engine --- */

static void enter(const State *s) {
  cpu.mode = 64;
  cpu.x87 = (X87){.cw = s->cw, .sw = s->sw & 0x477f, .top = s->sw >> 11 & 7, .tags = s->tags};
  memcpy(cpu.x87.st, s->st, sizeof s->st);
}

static void leave(State *s) {
  s->cw = cpu.x87.cw;
  s->sw = x87_fnstsw(&cpu);
  s->tags = cpu.x87.tags;
  memcpy(s->st, cpu.x87.st, sizeof s->st);
}

static void store(State *s, u64 low, u64 high, u32 size) {
  memcpy(s->memory, &low, size < 8 ? size : 8);
  if (size > 8) memcpy(s->memory + 8, &high, size - 8);
}

typedef u64 Function(Cpu *, u64, u64);

typedef struct {
  Function *f, *high;
  u32 kind, size;
  u64 argument;
} Call;

static void execute(const Call *call, State *s) {
  u64 memory[2];
  memcpy(memory, s->memory, sizeof memory);
  bool loads = call->kind == VOID && call->size;
  u64 r = call->f(&cpu, loads ? memory[0] : call->argument, memory[1]);
  if (call->kind == STORE || call->kind == STORE_POP) {
    u64 r_high = call->high ? call->high(&cpu, 0, 0) : 0;
    if (x87_ok(&cpu)) {
      store(s, r, r_high, call->size);
      if (call->kind == STORE_POP) x87_pop(&cpu);
    }
  }
  if (call->kind == WORD_RESULT) store(s, r, 0, call->size);
  if (call->kind == EFLAGS_RESULT) s->eflags = (u32)r;
}

static NOINLINE void guarded(const Call *call, State *s) {
  enter(s);
  s->fault = (u8)setjmp(escape);
  if (s->fault) return;
  execute(call, s);
  leave(s);
}

void run_engine(Function *f, Function *high, u32 kind, u32 size, u64 argument, State *s,
                u32 count) {
  Call call = {f, high, kind, size, argument};
  for (u32 i = 0; i < count; i++) guarded(&call, s + i);
}

/* One instruction that writes or reads a memory image. */
void run_engine_image(void (*f)(Cpu *, void *, u32), u32 bits, State *s, u8 *image) {
  enter(s);
  s->fault = (u8)setjmp(escape);
  if (s->fault) return;
  mxcsr_enter(MXCSR_INIT);
  f(&cpu, image, bits);
  mxcsr_leave();
  leave(s);
}

/* --- The host --- */

typedef struct {
  u32 cw, sw, tw, pointers[4];
  u8 st[8][10];
} __attribute__((packed)) Saved;

static void to_saved(Saved *to, const State *s) {
  *to = (Saved){.cw = s->cw, .sw = s->sw};
  for (u32 i = 0; i < 8; i++) {
    to->tw |= (s->tags >> i & 1 ? 0u : 3u) << (2 * i);
    memcpy(to->st[i], s->st[(i + (s->sw >> 11)) & 7], 10);
  }
}

static void from_saved(State *s, const Saved *from) {
  s->cw = (u16)from->cw;
  s->sw = (u16)from->sw;
  s->tags = 0;
  for (u32 i = 0; i < 8; i++) {
    s->tags |= ((from->tw >> (2 * i) & 3) != 3) << i;
    memcpy(s->st[(i + (s->sw >> 11)) & 7], from->st[i], 10);
  }
}

typedef u64 Code(Saved *before, u8 *memory, Saved *after, u64 eflags);

static void *executable(const u8 *code, u32 size) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(page, code, size);
  mprotect(page, 4096, PROT_READ | PROT_EXEC);
  return page;
}

static void step(Code *code, State *s, u8 *memory) {
  Saved before, after;
  to_saved(&before, s);
  s->eflags = code(&before, memory, &after, s->eflags | 2) & 0x45;
  from_saved(s, &after);
  s->fault = 0;
}

void run_host(const u8 *code, u32 size, State *s, u32 count) {
  void *page = executable(code, size);
  for (; count--; s++) step((Code *)page, s, s->memory);
  munmap(page, 4096);
}

void run_host_image(const u8 *code, u32 size, State *s, u8 *image) {
  void *page = executable(code, size);
  step((Code *)page, s, image);
  munmap(page, 4096);
}
