/* Random operations on Memory against a model of 64 pages, then threads that store, decode, track and
 * fork at once.  Compiled with the engine's memory*.c by tests/engine/test_memory_stress.py, once a
 * mode (-DBLINK_PAGED=0 or 1).  Arguments: seed, operations, milliseconds of threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memory.h"
#include "run.h"

#define CHECK(condition, ...)                                                                    \
  do {                                                                                           \
    if (condition) break;                                                                        \
    fprintf(stderr, "%s:%d: %s; seed %lu op %lu: ", __FILE__, __LINE__, #condition, seed, step); \
    fprintf(stderr, __VA_ARGS__);                                                                \
    fputc('\n', stderr);                                                                         \
    abort();                                                                                     \
  } while (0)

static unsigned long seed, step;
static Memory *mem;

static _Thread_local u64 rng_state;
static u64 rng(u64 below) {
  rng_state ^= rng_state << 13, rng_state ^= rng_state >> 7, rng_state ^= rng_state << 17;
  return (rng_state * 0x2545f4914f6cdd1d >> 16) % below;
}

/* --- What run.c does for handlers --- */

enum { DONE, FAULTED, CODE_WRITTEN };
static _Thread_local void *escape_to[5];
static _Thread_local volatile bool in_guest;
static _Thread_local volatile int outcome;
static _Thread_local volatile u32 code_written;
static _Thread_local volatile u64 fault_addr, fault_error;
static _Thread_local volatile u32 fault_vector;

static NORETURN void leave(int how) {
  outcome = how;
  __builtin_longjmp(escape_to, 1);
}

/* No Cpu here looks at accesses. */
void cpu_observe(Cpu *c, u64 addr, u32 size, u32 access) {
  (void)c, (void)addr, (void)size, (void)access;
  abort();
}

void cpu_fault(Cpu *c, u32 vector, u64 error, u64 addr) {
  (void)c;
  fault_vector = vector, fault_error = error, fault_addr = addr;
  leave(FAULTED);
}

void cpu_code_written(Cpu *c) {
  (void)c;
  code_written++;
  leave(CODE_WRITTEN);
}

static void on_signal(int signo, siginfo_t *info, void *context) {
  (void)context;
  memory_guard_fault(info->si_addr, signo);
  CHECK(in_guest, "signal %d at %p outside guest code", signo, info->si_addr);
  bool was_code;
  u64 addr = (u64)info->si_addr - mem->skew;
  bool lifted = memory_write_fault(mem, addr, &was_code);
  if (lifted && !was_code) return;
  if (lifted) cpu_code_written(NULL);
  cpu_fault(NULL, EXC_PF, PF_USER, addr);
}

typedef union {
  u8 b[16];
  V128 v;
} Value;

static void access_memory(Cpu *c, bool store, u64 addr, u32 size, Value *value) {
  u64 low;
  memcpy(&low, value, sizeof low);
  if (store) {
    if (size == 1) STORE8(c, addr, (u8)low);
    if (size == 2) STORE16(c, addr, (u16)low);
    if (size == 4) STORE32(c, addr, (u32)low);
    if (size == 8) STORE64(c, addr, low);
    if (size == 16) STORE128(c, addr, value->v);
    return;
  }
  if (size == 1) low = LOAD8(c, addr);
  if (size == 2) low = LOAD16(c, addr);
  if (size == 4) low = LOAD32(c, addr);
  if (size == 8) low = LOAD64(c, addr);
  if (size == 16) value->v = LOAD128(c, addr);
  else memcpy(value, &low, sizeof low);
}

/* One guest instruction, again and again while it met decoded code. */
static NOINLINE int guest_access(Cpu *c, bool store, u64 addr, u32 size, Value *value) {
  do {
    memory_sync(c);
    outcome = DONE;
    if (__builtin_setjmp(escape_to) == 0) {
      in_guest = true;
      access_memory(c, store, addr, size, value);
    }
    in_guest = false;
  } while (outcome == CODE_WRITTEN);
  return outcome;
}

static Cpu *new_cpu(void) {
  Cpu *c = aligned_alloc(4096, (sizeof(Cpu) + 4095) / 4096 * 4096);
  memset(c, 0, sizeof *c);
  memory_attach(mem, c);
  return c;
}

/* --- The model --- */

enum { PAGES = 64, SIZE = PAGES * 4096 };
#define BASE (((u64)0x1800 << 32) - 32 * GUEST_PAGE) /* a leaf boundary in the middle */

typedef struct {
  u8 flags;
} Page;
static Page pages[PAGES];
static u8 content[SIZE];
static u64 epoch;
static Cpu *cpu;

static u8 prot_of(u64 page) { return pages[page].flags & PAGE_PROT; }

/* The first byte offset in [at, at + len) whose page has none of `need`, or -1. */
static s64 model_bad(u64 at, u64 len, u8 need) {
  for (u64 i = at; i < at + len; i = (i | 4095) + 1)
    if ((pages[i / 4096].flags & need) == 0) return (s64)i;
  return -1;
}

static void model_lift(u64 first, u64 n) {
  bool code = false;
  for (u64 i = first; i < first + n; i++) {
    u8 *f = &pages[i].flags;
    if ((*f & PAGE_W) == 0 || (*f & PAGE_GUARDED) == 0) continue;
    if (*f & PAGE_TRACK) *f |= PAGE_DIRTY;
    code |= (*f & PAGE_CODE) != 0;
    *f &= (u8)~PAGE_GUARDED;
  }
  epoch += code;
}

static void model_drop_code(u64 first, u64 n) {
  bool code = false;
  for (u64 i = first; i < first + n; i++) {
    code |= (pages[i].flags & PAGE_CODE) != 0;
    pages[i].flags &= (u8)~PAGE_CODE;
  }
  epoch += code;
}

static void lift_bytes(u64 at, u64 len) {
  if (len > 0) model_lift(at / 4096, (at + len - 1) / 4096 - at / 4096 + 1);
}

static void check_all(void) {
  for (u64 i = 0; i < PAGES; i++) {
    u8 flags = memory_flags(mem, BASE + i * 4096);
    CHECK(flags == pages[i].flags, "page %lu: %#x, model %#x", i, flags, pages[i].flags);
  }
  CHECK((mem->code_epoch == epoch), "code_epoch %lu, model %lu", mem->code_epoch, epoch);
}

static void check_content(void) {
  static u8 copy[4096];
  u64 fault;
  for (u64 i = 0; i < PAGES; i++) {
    if (pages[i].flags == 0) continue;
    CHECK(memory_read(mem, BASE + i * 4096, copy, 4096, true, &fault), "page %lu", i);
    CHECK(memcmp(copy, content + i * 4096, 4096) == 0, "page %lu differs", i);
  }
}

/* --- Operations; `first` and `n` are pages, `at` and `len` bytes --- */

static void op_map(u64 first, u64 n) {
  u8 prot = (u8)rng(8), shared = rng(4) == 0 ? PAGE_SHARED : 0;
  u32 flags = MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
  int r = memory_map(mem, BASE + first * 4096, n * 4096, prot, flags, -1, 0);
  CHECK(r == 0, "map %d", r);
  model_drop_code(first, n);
  for (u64 i = first; i < first + n; i++) pages[i].flags = PAGE_MAPPED | prot | shared;
  memset(content + first * 4096, 0, n * 4096);
}

static void op_unmap(u64 first, u64 n) {
  /* code_epoch moves once a run of mapped pages */
  u64 before = mem->code_epoch;
  int r = memory_unmap(mem, BASE + first * 4096, n * 4096);
  CHECK(r == 0, "unmap %d", r);
  bool code = false;
  for (u64 i = first; i < first + n; i++) {
    code |= (pages[i].flags & PAGE_CODE) != 0;
    pages[i].flags = 0;
  }
  CHECK((mem->code_epoch > before) == code, "epoch %lu, before %lu", mem->code_epoch, before);
  epoch = mem->code_epoch;
}

static void op_protect(u64 first, u64 n) {
  u8 prot = (u8)rng(8);
  u64 mapped = 0;
  while (mapped < n && pages[first + mapped].flags != 0) mapped++;
  int r = memory_protect(mem, BASE + first * 4096, n * 4096, prot);
  CHECK(r == (mapped == n ? 0 : -ENOMEM), "protect %d", r);
  model_drop_code(first, mapped);
  for (u64 i = first; i < first + mapped; i++) {
    u8 keep = pages[i].flags & (PAGE_SHARED | PAGE_DIRTY);
    bool track = mem->tracking && (prot & PAGE_W) && keep == 0;
    pages[i].flags = PAGE_MAPPED | prot | keep | (track ? PAGE_TRACK : 0);
  }
}

static void op_remap(u64 first, u64 n) {
  u64 to = rng(PAGES);
  if (n == 1 && to == first) return;
  u8 old = pages[first].flags;
  int r = memory_remap(mem, BASE + first * 4096, 4096, BASE + to * 4096, 4096);
  if (old == 0) {
    CHECK(r == -EFAULT, "remap %d", r);
    return;
  }
  model_lift(first, 1);
  model_drop_code(first, 1);
  if (to == first) return;
  CHECK(r == 0, "remap %d", r);
  model_drop_code(to, 1);
  pages[to].flags = pages[first].flags;
  pages[first].flags = 0;
  memcpy(content + to * 4096, content + first * 4096, 4096);
}

static void op_write(u64 at, u64 len) {
  static u8 data[SIZE];
  u64 fault;
  bool zero = rng(4) == 0;
  for (u64 i = 0; i < len; i += 8) data[i] = (u8)rng(256);
  s64 bad = model_bad(at, len, PAGE_W);
  bool ok = zero ? memory_zero(mem, BASE + at, len, &fault)
                 : memory_write(mem, BASE + at, data, len, false, &fault);
  CHECK(ok == (bad < 0), "write at %#lx+%#lx, bad %#lx", at, len, bad);
  CHECK(ok || fault == BASE + (u64)bad, "write at %#lx, fault %#lx, bad %#lx", at, fault, bad);
  if (!ok) return;
  lift_bytes(at, len);
  if (zero) memset(content + at, 0, len);
  else memcpy(content + at, data, len);
}

static void op_read(u64 at, u64 len) {
  static u8 data[SIZE];
  u64 fault, probed;
  s64 bad = model_bad(at, len, PAGE_PROT), bad_write = model_bad(at, len, PAGE_W);
  bool ok = memory_read(mem, BASE + at, data, len, false, &fault);
  CHECK(ok == (bad < 0) && (ok || fault == BASE + (u64)bad), "read at %#lx+%#lx", at, len);
  CHECK(!ok || memcmp(data, content + at, len) == 0, "read at %#lx+%#lx differs", at, len);
  CHECK(memory_probe(mem, BASE + at, len, false, &probed) == ok, "probe");
  CHECK(ok || probed == fault, "probe %#lx, read %#lx", probed, fault);
  CHECK(memory_probe(mem, BASE + at, len, true, &probed) == (bad_write < 0), "probe");
  CHECK(bad_write < 0 || probed == BASE + (u64)bad_write, "probe %#lx", probed);
}

static void op_force(u64 at, u64 len) {
  static u8 data[SIZE];
  u64 fault, first = at / 4096, n = (at + len - 1) / 4096 - first + 1;
  if (model_bad(at, len, PAGE_MAPPED) >= 0) return;
  bool writable = model_bad(at, len, PAGE_W) < 0, refused = false;
  for (u64 i = first; i < first + n; i++)
    refused |= (pages[i].flags & (PAGE_W | PAGE_SHARED)) == PAGE_SHARED;
  for (u64 i = 0; i < len; i += 8) data[i] = (u8)rng(256);
  bool ok = memory_write(mem, BASE + at, data, len, true, &fault);
  CHECK(ok != refused, "forced write, fault %#lx", fault);
  u64 before = epoch;
  model_lift(first, n);
  if (!writable) {
    model_drop_code(first, n);
    for (u64 i = first; i < first + n; i++)
      if (mem->tracking) pages[i].flags |= PAGE_DIRTY;
  }
  CHECK((before < epoch) == (before < mem->code_epoch), "epoch");
  epoch = mem->code_epoch;
  if (ok) memcpy(content + at, data, len);
}

static void op_cstr(u64 at, u64 limit) {
  static char data[SIZE];
  u64 fault, len = 0;
  s64 bad = model_bad(at, limit, PAGE_PROT);
  u64 readable = bad < 0 ? limit : (u64)bad - at;
  while (len < readable && content[at + len] != 0) len++;
  s64 got = memory_read_cstr(mem, BASE + at, data, limit, &fault);
  if (len < readable || bad < 0) {
    CHECK(got == (s64)len && memcmp(data, content + at, len) == 0, "cstr %ld", got);
  } else {
    CHECK(got == -1 && fault == BASE + (u64)bad, "cstr %ld fault %#lx", got, fault);
  }
}

static void op_fetch(u64 at) {
  u8 data[64];
  s64 bad = model_bad(at, sizeof data, PAGE_X);
  u32 want = bad < 0 ? sizeof data : (u32)((u64)bad - at);
  u32 got = memory_fetch(mem, BASE + at, data, sizeof data);
  CHECK(got == want && memcmp(data, content + at, got) == 0, "fetch %u of %u", got, want);
}

static void check_fault(bool store, u64 at, s64 bad, u64 size) {
  u64 next = (at | 4095) + 1, addr = fault_addr - BASE;
  bool later = next < at + size && (pages[next / 4096].flags & (store ? PAGE_W : PAGE_PROT)) == 0;
  CHECK(fault_vector == EXC_PF, "vector %u", fault_vector);
  /* Of two bad pages a host CPU may name either. */
  CHECK((s64)addr == bad || (!BLINK_PAGED && later && addr == next), "fault %#lx", fault_addr);
  u64 error = PF_USER | (store ? PF_WRITE : 0) | (prot_of((u64)bad / 4096) ? PF_PRESENT : 0);
  CHECK(!BLINK_PAGED || fault_error == error, "error %#lx, not %#lx", fault_error, error);
}

static void op_guest(u64 at, u64 unused) {
  (void)unused;
  u32 size = 1u << rng(5);
  bool store = rng(2) == 0;
  if (at + size > SIZE) at = SIZE - size;
  Value value = {0};
  for (u32 i = 0; i < size; i++) value.b[i] = (u8)rng(256);
  s64 bad = model_bad(at, size, store ? PAGE_W : PAGE_PROT);
  code_written = 0;
  int how = guest_access(cpu, store, BASE + at, size, &value);
  CHECK(how == (bad < 0 ? DONE : FAULTED), "guest access at %#lx, bad %#lx", at, bad);
  if (bad >= 0) check_fault(store, at, bad, size);
  if (bad < 0 && !store) CHECK(memcmp(content + at, value.b, size) == 0, "load at %#lx", at);
  if (!store) return;
  /* Each of the two pages that the store crosses may count. */
  u64 before = mem->code_epoch, start = epoch;
  if (bad < 0) {
    lift_bytes(at, size);
    memcpy(content + at, value.b, size);
  } else { /* the good page of the two may have been lifted before the other one faulted */
    for (u64 i = at / 4096; i <= (at + size - 1) / 4096; i++)
      if (memory_flags(mem, BASE + i * 4096) != pages[i].flags) model_lift(i, 1);
  }
  CHECK(epoch <= before && before <= epoch + 1, "epoch %lu, model %lu", before, epoch);
  CHECK(code_written == before - start, "told %u of %lu times", code_written, before - start);
  epoch = before;
}

static void op_mark(u64 first, u64 n) {
  bool ok = memory_mark_code(mem, BASE + first * 4096 + rng(4096));
  (void)n;
  CHECK(ok == (pages[first].flags != 0), "mark_code %d", ok);
  if (ok) pages[first].flags |= PAGE_CODE;
}

static void op_invalidate(u64 first, u64 n) {
  u64 before = epoch;
  memory_invalidate(mem, BASE + first * 4096 + 1, n * 4096 - 1);
  model_drop_code(first, n);
  CHECK((before < epoch) == (before < mem->code_epoch), "epoch");
  epoch = mem->code_epoch; /* once a run */
}

static void op_track(void) {
  bool begin = !mem->tracking || rng(3) == 0;
  if (begin) CHECK(memory_track_begin(mem) == 0, "track");
  else memory_track_end(mem);
  for (u64 i = 0; i < PAGES; i++) {
    u8 *f = &pages[i].flags;
    if (!begin) *f &= (u8) ~(PAGE_TRACK | PAGE_DIRTY);
    else if ((*f & (PAGE_W | PAGE_SHARED | PAGE_TRACK)) == PAGE_W)
      *f = (*f & (u8)~PAGE_DIRTY) | PAGE_TRACK;
  }
}

static void check_dirty(void) {
  u64 next = memory_dirty_next(mem, 0);
  for (u64 i = 0; i < PAGES; i++) {
    if ((pages[i].flags & PAGE_DIRTY) == 0) continue;
    CHECK(next == BASE + i * 4096, "dirty %#lx, model page %lu", next, i);
    next = memory_dirty_next(mem, next + 4096);
  }
  CHECK(next == GUEST_TOP, "dirty %#lx", next);
}

static void one_op(void) {
  static u64 hot; /* most operations stay near the last one, where a forgotten flush shows */
  u64 first = rng(4) != 0 ? hot : rng(PAGES), n = 1 + rng(rng(4) == 0 ? PAGES - first : 1);
  u64 at = first * 4096 + rng(4096), len = 1 + rng(rng(4) == 0 ? 20000 : 300);
  if (first + n > PAGES) n = PAGES - first;
  if (at + len > SIZE) len = SIZE - at;
  if (rng(3) == 0) at = (at | 4095) - rng(len < 4096 ? len : 4096);
  if (at + len > SIZE) len = SIZE - at;
  hot = first;
  switch (rng(24)) {
  case 0: op_unmap(first, n); break;
  case 1:
  case 2: op_map(first, n); break;
  case 3:
  case 4: op_protect(first, n); break;
  case 5: op_remap(first, n); break;
  case 6: op_invalidate(first, n); break;
  case 7: memory_prepare_write(mem, BASE + at, len), lift_bytes(at, len); break;
  case 8: op_force(at, len); break;
  case 9:
    if (rng(8) == 0) op_track();
    break;
  case 10:
  case 11: op_mark(first, n); break;
  case 12: op_cstr(at, len); break;
  case 13:
    if (at + 64 <= SIZE) op_fetch(at);
    break;
  case 14:
  case 15:
  case 16: op_write(at, len); break;
  case 17:
  case 18: op_read(at, len); break;
  default: op_guest(at, len);
  }
}

static void model_phase(unsigned long operations) {
  cpu = new_cpu();
  epoch = mem->code_epoch;
  for (step = 0; step < operations; step++) {
    one_op();
    check_all();
    if (step % 64 == 0) check_content(), check_dirty();
  }
  memory_detach(cpu);
  free(cpu);
  memory_reset(mem);
  CHECK(memory_flags(mem, BASE) == 0, "reset");
}

#include "memory_threads.h"

/* --- Paged mode: what no mapping can show --- */

static void expect_fault(u64 addr, u32 vector, u64 error, u64 at) {
  Value value = {0};
  CHECK(guest_access(cpu, false, addr, 8, &value) == FAULTED, "no fault at %#lx", addr);
  CHECK(fault_vector == vector, "vector %u at %#lx", fault_vector, addr);
  CHECK(fault_error == error && fault_addr == at, "error %#lx at %#lx", fault_error, fault_addr);
}

static void address_phase(void) {
  cpu = new_cpu();
  expect_fault((u64)1 << 47, EXC_ADDRESS, 0, 0);
  expect_fault(~((u64)1 << 47), EXC_ADDRESS, 0, 0);
  expect_fault(((u64)1 << 47) - 4, EXC_ADDRESS, 0, 0);
  expect_fault(((u64)1 << 47) - 8, EXC_PF, PF_USER, ((u64)1 << 47) - 8);
  expect_fault(~(u64)3, EXC_PF, PF_USER, ~(u64)3);
  expect_fault(GUEST_TOP, EXC_PF, PF_USER, GUEST_TOP);
  /* Pages of one TLB index push each other out; some accesses cross into the next index. */
  int r = memory_map(mem, BASE, 3 * TLB_SIZE * 4096, PAGE_W, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(r == 0, "map %d", r);
  for (u64 i = 0; i < 64; i++) {
    u64 addr = BASE + (1 + i % 2) * TLB_SIZE * 4096 + 8 * (i / 2) - 3, seen, fault;
    Value value = {{(u8)i, 2, 3, 4, 5, 6, 7, 8}};
    CHECK(guest_access(cpu, true, addr, 8, &value) == DONE, "store");
    CHECK(memory_read(mem, addr, &seen, 8, false, &fault), "read");
    CHECK(memcmp(&seen, value.b, 8) == 0, "stored elsewhere");
    memset(&value, 0, sizeof value);
    CHECK(guest_access(cpu, false, addr, 8, &value) == DONE, "load");
    CHECK(memcmp(&seen, value.b, 8) == 0, "loaded from elsewhere");
  }
  memory_detach(cpu);
  free(cpu);
  memory_reset(mem);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  seed = strtoul(argv[1], NULL, 0);
  rng_state = seed * 2654435761u + 1;
  static char stack[1 << 16];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  mem = memory_new(BLINK_PAGED);
  CHECK(mem != NULL, "memory_new");
  if (BLINK_PAGED) address_phase();
  model_phase(strtoul(argv[2], NULL, 0));
  thread_phase(strtoul(argv[3], NULL, 0));
  memory_free(mem);
  return 0;
}
