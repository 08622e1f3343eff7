/* The engine as the CPUs under test, for many cases at once: tests/isa/enginebatch.py.
 *
 * A server as hostcpu.c is, with the same records: it reads the cases where the host's do, runs each
 * on the interpreter in linear and in paged memory and on three translators, and says where a result
 * is not, byte by byte, that of the host.  What then is a difference, Python decides (compare.py): it
 * knows of estimates, vendors and undefined bits.  What tests/isa/enginecpu.py does for one case is
 * done here for all, some fifty times faster.
 *
 * Linked with the objects of the engine as built, apart from those that know Python.
 */
#define _GNU_SOURCE
#include "case_variants.h"
#include "cases.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "hostsig.h"
#include "jit.h"
#include "memory.h"
#include "run.h"
#include "segment.h"
#include "xsave.h"

enum { LINEAR, PAGED, TRANSLATED, FAR, COUNTING, SUBJECTS };
enum { CASES_MAX = 4096, RUN_LIMIT = 10000, REP_STEPS = 64, ARENA = 1 << 20, LDT_MAX = 16 };
enum { LDT_SELECTOR = 0x50, LDT_RIGHTS = 0xe2 };
enum { FX_POINTERS = 6, FX_MXCSR_MASK = 28, FX_END = 416 };
enum { RUN, COMPARE, EXPAND };
enum { LDT_AT = 0x14000000 };
enum { UNIMPLEMENTED = -4, MISCOUNTED = -5, STOPPED = -10 };
#define NEAR_PLACE (CODE_BASE + 0x37700000ull)
#define FAR_PLACE (CODE_BASE + (16ull << 30))

/* What the parent reads: where the records of a case lie, and which CPUs are not as the host. */
typedef struct {
  u32 host[CASES_MAX], at[SUBJECTS][CASES_MAX];
  u32 base[CASES_MAX], input[CASES_MAX]; /* which case it is a variant of; its own record */
  u8 differ[CASES_MAX];
  _Alignas(4096) u8 out[SUBJECTS][SLOT_HALF];
} Answers;

/* Memory that CPUs of one kind share. */
typedef struct {
  Memory *mem;
  u64 skew;
  u64 code_at;
  u32 code_len;
  u8 code[CODE_MAX];
} Area;

typedef struct {
  Cpu *cpu;
  Area *area;
  u32 used; /* bytes of output */
} Subject;

static Area areas[2];
static Subject subjects[SUBJECTS];
static u32 wanted; /* a bit for each */
static Answers *answers;
static u8 *slots, *template;
static u8 before[FLAT_SIZE], after[FLAT_SIZE];
static u64 ldt[LDT_MAX];
static u32 ldt_count;
static bool same_pointers; /* the host's x87 stores FOP, FIP and FDP as we do */
static Cpu *volatile translating;
static volatile u32 turn, ended;

static _Noreturn void die(const char *what) {
  perror(what);
  exit(1);
}

/* --- states --- */

static size_t head_size(void) { return offsetof(Cpu, limit); }
static size_t tail_size(void) { return offsetof(Cpu, tlb) - offsetof(Cpu, seg_base); }

static void keep_template(const Cpu *c) {
  template = malloc(head_size() + tail_size());
  memcpy(template, c, head_size());
  memcpy(template + head_size(), (const u8 *)c + offsetof(Cpu, seg_base), tail_size());
}

static void load_template(Cpu *c) {
  memcpy(c, template, head_size());
  memcpy((u8 *)c + offsetof(Cpu, seg_base), template + head_size(), tail_size());
}

static Descriptor from_raw(u64 raw) {
  Descriptor d = {.rights = (u16)(raw >> 40 & 0xf0ff)};
  d.base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000);
  d.limit = (u32)((raw & 0xffff) | (raw >> 32 & 0xf0000));
  if (d.rights & SEG_PAGES) d.limit = d.limit << 12 | 0xfff;
  return d;
}

/* What Linux or our table says of a selector. */
static Descriptor descriptor_of(u16 selector) {
  if (selector < 4) return (Descriptor){0};
  if (selector & 4) return from_raw(ldt[selector >> 3]);
  u16 rights = (selector | 3) == 0x23 ? 0xc0fb : (selector | 3) == 0x2b ? 0xc0f3 : 0xa0fb;
  return (Descriptor){.limit = ~0u, .rights = rights};
}

static void set_table(Cpu *c) {
  c->xcr0 = 7;
  c->ldt = (SystemTable){LDT_AT, 8 * ldt_count - 1, LDT_SELECTOR, LDT_RIGHTS};
}

static void load_segments(Cpu *c, const Input *in) {
  segments_reset(c, in->mode == 64 ? 64 : 32); /* 16-bit code in protected mode, too */
  for (u32 n = 0; n < 6; n++) {
    Descriptor d = descriptor_of(in->seg[n]);
    segment_set(c, n, in->seg[n], &d);
  }
  set_table(c);
}

static void load_state(Cpu *c, const Input *in) {
  static const u16 usual[6] = {0, 0x33, 0x2b, 0, 0, 0};
  load_template(c);
  if (in->mode != 64 || memcmp(in->seg, usual, sizeof usual)) load_segments(c, in);
  memcpy(c->gpr, in->gpr, sizeof in->gpr);
  c->rip = in->rip;
  c->eflags = (u32)in->rflags | 0x202;
  if (in->mode == 64) c->fs_base = in->fs_base, c->gs_base = in->gs_base;
  for (int i = 0; i < 16; i++) memcpy((u8 *)&c->vec[i] + 16, in->ymmh + 16 * i, 16);
  cpu_mode_changed(c);
  x87_load_image(c, in->fx, true);
}

static void save_state(const Cpu *c, const Input *in, Output *out) {
  u64 mask = in->mode == 64 ? ~0ull : 0xffffffff;
  for (int i = 0; i < 16; i++) out->gpr[i] = c->gpr[i] & mask;
  out->rip = c->rip;
  out->rflags = flags_word(c);
  out->fs_base = in->mode == 64 ? c->fs_base : 0;
  out->gs_base = in->mode == 64 ? c->gs_base : 0;
  memset(out->fx, 0, FX_SIZE);
  x87_save_image(c, out->fx, true);
  memset(out->fx + FX_MXCSR_MASK, 0, 4);
  memset(out->fx + FX_END, 0, FX_SIZE - FX_END);
  for (int i = 0; i < 16; i++) memcpy(out->ymmh + 16 * i, (const u8 *)&c->vec[i] + 16, 16);
  for (int i = 0; i < 6; i++) out->seg[i] = c->seg[i] > 3 ? c->seg[i] : 0;
}

/* --- memory --- */

static void force_write(Area *a, u64 addr, const void *data, u64 len) {
  u64 fault;
  if (!memory_write(a->mem, addr, data, len, true, &fault)) die("memory_write");
}

/* The code of the case, and INT3 over what was there. */
static void write_code(Area *a, const Input *in) {
  u64 at = in->code_base + in->rip;
  u64 end = (at >= CODE_BASE ? CODE_BASE : CODE_LOW) + CODE_SIZE;
  u32 len = in->code_len < end - at ? in->code_len : (u32)(end - at);
  if (at == a->code_at && len == a->code_len && !memcmp(a->code, in->code, len)) return;
  u8 fresh[CODE_MAX], fill[CODE_MAX];
  memset(fill, INT3, sizeof fill);
  memset(fresh, INT3, sizeof fresh);
  memcpy(fresh, in->code, len);
  bool same_place = at == a->code_at;
  if (a->code_len && !same_place) force_write(a, a->code_at, fill, a->code_len);
  force_write(a, at, fresh, same_place && a->code_len > len ? a->code_len : len);
  a->code_at = at;
  a->code_len = len;
  memcpy(a->code, in->code, len);
}

static bool is_writable(u64 addr, u64 len) {
  return (addr - HIGH_BASE < HIGH_RW_SIZE && addr + len <= HIGH_BASE + HIGH_RW_SIZE) ||
         addr - LOW_BASE < LOW_SIZE;
}

static void put(Area *a, u64 addr, const void *data, u64 len) {
  if (is_writable(addr, len)) memcpy((void *)(addr + a->skew), data, len);
  else force_write(a, addr, data, len);
}

static void patch_memory(Area *a, const Input *in, bool undo) {
  static const u8 zeros[FLAT_SIZE];
  const u8 *p = (const u8 *)(in + 1);
  for (u32 i = 0; i < in->patches; i++) {
    const Patch *patch = (const Patch *)p;
    const u8 *data = undo ? zeros : (const u8 *)(patch + 1);
    p += sizeof *patch + pad8(patch->len);
    put(a, patch->addr, data, patch->len);
    memcpy(before + flat_offset(patch->addr), data, patch->len);
  }
}

static void clear(Area *a, u32 lo, u32 len) {
  u32 hi = lo + len;
  u8 *high = (u8 *)(HIGH_BASE + a->skew), *low = (u8 *)(LOW_BASE + a->skew);
  u32 end = hi < HIGH_RW_SIZE ? hi : HIGH_RW_SIZE, begin = lo > HIGH_SIZE ? lo : HIGH_SIZE;
  if (lo < end) memset(high + lo, 0, end - lo);
  if (begin < hi) memset(low + begin - HIGH_SIZE, 0, hi - begin);
}

static void save_memory(const Area *a, Output *out) {
  memcpy(after, (const void *)(HIGH_BASE + a->skew), HIGH_SIZE);
  memcpy(after + HIGH_SIZE, (const void *)(LOW_BASE + a->skew), LOW_SIZE);
  save_dirty(out, after, before);
}

/* --- one case --- */

static bool is_repeat(const Input *in) {
  bool rep;
  u8 second, op = opcode_of(in, &rep, &second);
  return rep && is_string(op);
}

static bool may_branch(const Input *in) {
  bool rep;
  u8 second, op = opcode_of(in, &rep, &second);
  if (op == 0x0f) return (second & 0xf0) == 0x80;
  return (op & 0xf0) == 0x70 || op == 0xc2 || op == 0xc3 || (op >= 0xe0 && op <= 0xe3) ||
         op == 0xe8 || op == 0xe9 || op == 0xeb || op == 0xff;
}

/* A REP string instruction may take several turns; the host's took all. */
static Stop interpret(Cpu *c, const Input *in) {
  Stop stop = cpu_run(c, in->run ? RUN_LIMIT : 1);
  if (in->run || !is_repeat(in)) return stop;
  for (int i = 0; i < REP_STEPS && stop == STOP_BUDGET && c->rip == in->rip; i++)
    stop = cpu_run(c, 1);
  return stop;
}

/* The timer ends programs that do not end; who had ended by itself goes on. */
static Stop translate(Cpu *c) {
  Stop stop;
  turn++;
  translating = c;
  do stop = cpu_run(c, ~(u64)0);
  while (stop == STOP_INTERRUPT && ended != turn);
  translating = NULL;
  return stop;
}

static void on_timer(int signo) {
  static u32 seen;
  Cpu *c = translating;
  (void)signo;
  if (c && seen == turn) {
    ended = turn;
    c->interrupt = 1;
    c->limit = 0;
    jit_interrupt(c);
  }
  seen = turn;
}

/* Translated code ran on into the INT3 behind the instruction, or where it jumped to. */
static bool went_on(Cpu *c, const Input *in, Stop stop) {
  if (stop == STOP_INT && c->stop_vector == EXC_BP && c->rip != in->rip + in->code_len) {
    c->rip--;
    return true;
  }
  u64 base = c->mode == 64 ? 0 : c->seg_base[CS];
  return stop == STOP_FAULT && c->stop_error & PF_FETCH && c->rip + base == c->stop_addr;
}

static void save_reason(Cpu *c, const Input *in, Stop stop, bool translated, Output *out) {
  out->error = out->addr = 0;
  out->vector = NO_FAULT;
  if (stop == STOP_BUDGET || (translated && !in->run && went_on(c, in, stop))) return;
  if (stop == STOP_FAULT || stop == STOP_INT) {
    out->vector = (s32)c->stop_vector;
    if (stop == STOP_INT) return;
    out->error = c->stop_error;
    out->addr = c->stop_vector == EXC_PF ? c->stop_addr : 0;
  } else {
    out->vector = stop == STOP_UNIMPLEMENTED ? UNIMPLEMENTED : STOPPED - (s32)stop;
  }
}

/* An instruction that could jump into itself for ever is what the interpreter made of it. */
static bool is_stepped(const Input *in, const Output *linear) {
  return !in->run && linear->rip - in->rip < in->code_len && may_branch(in);
}

static Output *next_output(u32 s, u32 i) {
  answers->at[s][i] = subjects[s].used;
  return (Output *)(answers->out[s] + subjects[s].used);
}

static void run_one(u32 s, u32 i, const Input *in) {
  static Output *linear;
  static u64 counted;
  Subject *sub = &subjects[s];
  Cpu *c = sub->cpu;
  Output *out = next_output(s, i);
  bool translated = s >= TRANSLATED;
  if (translated && is_stepped(in, linear)) {
    memcpy(out, linear, linear->size);
  } else {
    patch_memory(sub->area, in, false);
    load_state(c, in);
    Stop stop = translated ? translate(c) : interpret(c, in);
    save_reason(c, in, stop, translated, out);
    save_state(c, in, out);
    save_memory(sub->area, out);
    clear(sub->area, out->dirty_off, out->dirty_len);
    patch_memory(sub->area, in, true);
    if (s == LINEAR) linear = out, counted = c->icount;
    if (s == COUNTING && in->run && c->icount != counted) out->vector = MISCOUNTED;
  }
  sub->used += out->size;
}

static bool fits(u32 s, const Input *in) { return s < TRANSLATED || in->mode == 64; }

static u32 run_batch(u32 slot, u32 count) {
  const u8 *next = slots + (u64)slot * 2 * SLOT_HALF;
  for (u32 s = 0; s < SUBJECTS; s++) subjects[s].used = 0;
  for (u32 i = 0; i < count; i++) {
    const Input *in = (const Input *)next;
    next += in->size;
    write_code(&areas[0], in);
    if (wanted & 1 << PAGED) write_code(&areas[1], in);
    for (u32 s = 0; s < SUBJECTS; s++)
      if (fits(s, in) && (s == LINEAR || wanted & 1 << s)) run_one(s, i, in);
    for (u32 s = 0; s < SUBJECTS; s++)
      if (subjects[s].used > SLOT_HALF - sizeof(Output) - FLAT_SIZE) return i + 1;
  }
  return count;
}

/* --- comparison --- */

static bool same_fault(const Output *a, const Output *b) {
  if (a->vector != b->vector) return false;
  if (a->vector < 0) return true;
  if (a->vector == EXC_PF)
    return a->addr == b->addr && !((a->error ^ b->error) & (PF_WRITE | PF_FETCH));
  return a->error == b->error;
}

static bool same_fx(const u8 *a, const u8 *b) {
  u32 from = same_pointers ? FX_POINTERS : FX_MXCSR_MASK - 4;
  return !memcmp(a, b, FX_POINTERS) && !memcmp(a + from, b + from, FX_END - from);
}

static bool same_segments(const u16 *a, const u16 *b) {
  for (int i = 0; i < 6; i++)
    if ((a[i] > 3 ? a[i] : 0) != b[i]) return false;
  return true;
}

static bool same_registers(const Input *in, const Output *host, const Output *b) {
  if (in->mode == 64)
    return !memcmp(host->gpr, b->gpr, sizeof b->gpr) && host->fs_base == b->fs_base &&
           host->gs_base == b->gs_base;
  for (int i = 0; i < 16; i++)
    if ((u32)host->gpr[i] != b->gpr[i]) return false;
  return true;
}

static bool same(const Input *in, const Output *host, const Output *b) {
  return same_fault(host, b) && same_registers(in, host, b) && host->rip == b->rip &&
         !((host->rflags ^ b->rflags) & COMPARED & ~(u64)in->undefined) &&
         same_fx(host->fx, b->fx) && !memcmp(host->ymmh, b->ymmh, sizeof b->ymmh) &&
         same_segments(host->seg, b->seg) && host->dirty_len == b->dirty_len &&
         host->dirty_off == b->dirty_off && !memcmp(host + 1, b + 1, b->dirty_len);
}

/* How many cases have a CPU that is not as the host. */
static u32 compare_batch(u32 slot, u32 count) {
  const u8 *next = slots + (u64)slot * 2 * SLOT_HALF, *theirs = next + SLOT_HALF;
  const u8 *begin = theirs;
  u32 found = 0;
  for (u32 i = 0; i < count; i++) {
    const Input *in = (const Input *)next;
    const Output *host = (const Output *)theirs;
    answers->input[i] = (u32)((const u8 *)in - (begin - SLOT_HALF));
    next += in->size;
    theirs += host->size;
    answers->host[i] = (u32)((const u8 *)host - begin);
    answers->differ[i] = 0;
    for (u32 s = 0; s < SUBJECTS; s++) {
      const Output *ours = (const Output *)(answers->out[s] + answers->at[s][i]);
      bool judged = wanted & 1 << s && fits(s, in);
      if (judged && !same(in, host, ours)) answers->differ[i] |= (u8)(1 << s);
    }
    found += answers->differ[i] != 0;
  }
  return found;
}

/* --- variants --- */

/* Each case of the slot becomes `each` cases: itself and variants.  How many there are then. */
static u32 expand_batch(u32 slot, u32 count, u32 each, u64 random) {
  static u8 given[SLOT_HALF];
  u8 *out = slots + (u64)slot * 2 * SLOT_HALF, *end = out + SLOT_HALF;
  const u8 *next = given;
  u32 made = 0;
  memcpy(given, out, SLOT_HALF);
  for (u32 i = 0; i < count; i++) {
    const Input *in = (const Input *)next;
    u32 copies = in->vary ? each : 1;
    if (out + (u64)copies * in->size > end || made + copies > CASES_MAX) return 0;
    for (u32 n = 0; n < copies; n++, out += in->size) {
      memcpy(out, in, in->size);
      if (n) vary((Input *)out, &random);
      answers->base[made++] = i;
    }
    next += in->size;
  }
  return made;
}

/* --- life --- */

static void make_area(Area *a, bool paged) {
  static const struct {
    u64 base, size;
    u32 prot;
  } parts[] = {{CODE_BASE, CODE_SIZE, PAGE_R | PAGE_X},
               {CODE_LOW, CODE_SIZE, PAGE_R | PAGE_X},
               {LDT_AT, GUEST_PAGE, PAGE_R},
               {HIGH_BASE, HIGH_RW_SIZE, PAGE_R | PAGE_W},
               {HIGH_BASE + HIGH_RW_SIZE, HIGH_SIZE - HIGH_RW_SIZE, PAGE_R},
               {LOW_BASE, LOW_SIZE, PAGE_R | PAGE_W}};
  static u8 fill[CODE_SIZE];
  a->mem = memory_new(paged);
  a->skew = paged ? PAGED_SKEW : 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (memory_map(a->mem, parts[i].base, parts[i].size, parts[i].prot, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0))
      die("memory_map");
  memset(fill, INT3, sizeof fill);
  force_write(a, CODE_BASE, fill, CODE_SIZE);
  force_write(a, CODE_LOW, fill, CODE_SIZE);
  force_write(a, LDT_AT, ldt, 8 * ldt_count);
}

/* false: the host has no translator. */
static bool make_subject(u32 s) {
  Area *a = &areas[s == PAGED];
  Cpu *c = cpu_new(a->mem);
  if (!c) die("cpu_new");
  subjects[s] = (Subject){.cpu = c, .area = a};
  cpu_reset(c);
  set_table(c);
  if (!template) keep_template(c);
  if (s < TRANSLATED) return true;
  if (s == COUNTING) cpu_count(c, true);
  return jit_new(c, (JitPlan){ARENA, s == FAR ? FAR_PLACE : NEAR_PLACE});
}

static void start_timer(void) {
  struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_ONSTACK | SA_RESTART};
  struct itimerval second = {{1, 0}, {1, 0}};
  u64 none = 0, ignored, blocked;
  host_sig_init(&none, &none, &ignored, &blocked);
  if (sigaction(SIGPROF, &action, NULL) || setitimer(ITIMER_PROF, &second, NULL)) die("timer");
}

static void *shared(int fd, u64 size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (p == MAP_FAILED) die("mmap");
  return p;
}

/* argv: the cases' file, the answers', a mask of CPUs, whether x87 pointers count, descriptors. */
int main(int argc, char **argv) {
  if (argc < 5) return 2;
  slots = shared(atoi(argv[1]), (u64)SLOTS * 2 * SLOT_HALF);
  answers = shared(atoi(argv[2]), sizeof *answers);
  wanted = (u32)atoi(argv[3]);
  same_pointers = atoi(argv[4]);
  for (int i = 5; i < argc && ldt_count < LDT_MAX; i++)
    ldt[ldt_count++] = strtoull(argv[i], NULL, 16);
  start_timer();
  for (u32 paged = 0; paged < 2; paged++) make_area(&areas[paged], paged);
  for (u32 s = 0; s < SUBJECTS; s++)
    if (!make_subject(s)) return 3;
  u32 hello[] = {sizeof(Input), sizeof(Output), sizeof *answers, CASES_MAX};
  if (write(1, hello, sizeof hello) != sizeof hello) return 1;
  u32 request[5]; /* what to do, the slot, how many; EXPAND: to how many each, and a seed */
  while (read(0, request, sizeof request) == sizeof request) {
    u32 slot = request[1], count = request[2], reply = 0;
    if (request[0] == RUN) reply = run_batch(slot, count);
    if (request[0] == COMPARE) reply = compare_batch(slot, count);
    if (request[0] == EXPAND) reply = expand_batch(slot, count, request[3], request[4]);
    if (write(1, &reply, sizeof reply) != sizeof reply) return 1;
  }
  return 0;
}
