/* The record cache: guest code, decoded once, block by block, into records that handlers run through.
 *
 * A block is [header][records...][stubs].  The header's imm is the block's address; every record's
 * address is that plus the lengths before it, so nothing is stored for precise faults.  Branches point
 * at stubs first; a stub decodes its target and patches the branch.  Each Cpu has a cache of its own:
 * no locks, and invalidation is "forget everything", which only code that writes code pays for.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <stdlib.h>

#include "cpu_model.h"
#include "decode.h"
#include "forms.h"
#include "jit.h"
#include "memory.h"
#include "run.h"
#include "segment.h"
#include "x87.h"

enum {
  ARENA_RECS = 4 << 20, /* 128 MiB of address space, touched as it fills */
  TABLE_START = 1 << 12,
  BLOCK_RECS = BLOCK_MAX * 4 + 8,
  WINDOW = 64
};

typedef struct {
  u64 key; /* RIP | Cpu.code_key */
  const Rec *rec;
} Entry;

struct Cache {
  Rec *arena;
  u32 used;
  u32 count, mask;
  Entry *table;
  u64 epoch; /* mem->code_epoch when the cache was last empty */
  Rec scratch[BLOCK_RECS];
};

/* --- building one block --- */

typedef struct {
  Cpu *c;
  Rec *first;   /* first executable record */
  Rec *at;      /* where the next record goes */
  u64 rip;      /* of the next instruction */
  u32 count;    /* instructions so far */
  u32 limit;    /* most instructions */
  u16 last;     /* handler of the last record, when it may be fused; 0 for none */
  u16 lead;     /* handler of the record before it, when the two are adjacent */
  bool coupled; /* the handler of the record before it does the last one, too */
  bool mark;    /* note the pages as code */
  bool loose;   /* one of them is not protected */
  u8 window[WINDOW + DECODE_MAX];
  u64 window_rip;
  u32 window_len;
} Builder;

static Handler *handler(const Cpu *c, u32 number) {
  return (c->mem->paged || c->checked ? h_handlers_paged : h_handlers_linear)[number];
}

static Rec *append(Builder *b, Handler *fn) {
  Rec *r = b->at++;
  *r = (Rec){.fn = fn, .base = GPR_ZERO * 8, .index = GPR_ZERO * 8};
  return r;
}

static void append_stub(Builder *b, u64 target, const Rec **field) {
  Rec *r = append(b, stub_handler);
  r->imm = target;
  r->disp = (u64)field;
  *field = r;
}

/* The bytes at b->rip: how many of the DECODE_MAX wanted there are. */
static u32 fetch(Builder *b, const u8 **bytes) {
  u64 offset = b->rip - b->window_rip;
  if (offset + DECODE_MAX > b->window_len) {
    Memory *mem = b->c->mem;
    u64 at = code_address(b->c, b->rip);
    if (b->mark && memory_flags(mem, at) & PAGE_X) b->loose |= !memory_mark_code(mem, at);
    b->window_rip = b->rip;
    b->window_len = memory_fetch(mem, at, b->window, sizeof b->window);
    if (b->mark && b->window_len) b->loose |= !memory_mark_code(mem, at + b->window_len - 1);
    offset = 0;
  }
  *bytes = b->window + offset;
  return b->window_len - (u32)offset;
}

static NORETURN void fetch_fault(Cpu *c, u64 rip, u32 got) {
  u64 addr = code_address(c, rip + got);
  c->cur = NULL;
  c->rip = rip;
  if (!is_canonical(addr)) cpu_fault(c, EXC_GP, 0, 0);
  u32 present = memory_flags(c->mem, addr) & PAGE_PROT ? PF_PRESENT : 0;
  cpu_fault(c, EXC_PF, PF_FETCH | PF_USER | present, addr);
}

static u32 size_index(const Insn *in) { return in->osz == 2 ? 0 : in->osz == 4 ? 1 : 2; }

static bool matches(const FormDef *f, const Insn *in) {
  if (f->pp != FORM_ANY && f->pp != in->pp) return false;
  if (f->w != FORM_ANY && f->w != in->w) return false;
  if (f->l != FORM_ANY && f->l != in->l) return false;
  if ((in->modrm & f->mask) != f->value) return false;
  if (f->flags & FORM_NO_REX_B && in->rex & 1) return false;
  if (f->mod == MOD_MEM && in->mod == 3) return false;
  if (f->mod == MOD_REG && in->mod != 3) return false;
  if (f->asize && f->asize != in->addr_size) return false;
  return f->modes & (in->mode == 64 ? 4 : in->mode == 32 ? 2 : 1);
}

const FormDef *form_find(const Insn *in, const CpuModel *model) {
  const FormRange *range = &form_index[in->mode != 64][in->enc][in->map][in->opcode];
  for (u32 i = 0; i < range->count; i++) {
    const FormDef *f = &form_table[form_candidates[range->first + i]];
    if (matches(f, in) && model_has(model, f->feature)) return f;
  }
  return NULL;
}

bool form_excludes(const Insn *in) {
  const FormRange *range = &form_index[in->mode != 64][in->enc][in->map][in->opcode];
  for (u32 i = 0; i < range->count && in->enc == ENC_VEX; i++)
    if (form_table[form_candidates[range->first + i]].pp == in->pp) return true;
  return false;
}

static u8 field(u8 kind, u32 number, const Insn *in) {
  if (kind == FIELD_GPR8 && !in->rex && in->enc == ENC_LEGACY && number >= 4 && number < 8)
    return (number - 4) * 8 + 1;             /* AH, CH, DH, BH */
  if (kind == FIELD_LOW3) return number & 7; /* MMX and segment registers ignore REX */
  return kind == FIELD_INDEX ? number : (number & 15) * 8;
}

/* A record of its own computes addresses that need a segment base or fewer than 64 bits. */
static void address_record(Builder *b, Rec *r, const Insn *in, bool segment) {
  Rec *ea = append(b, ea_handler);
  ea->disp = r->disp;
  ea->base = r->base;
  ea->index = r->index;
  ea->scale = r->scale;
  ea->a = segment ? in->seg : 0;
  ea->v = in->addr_size;
  r->disp = 0;
  r->base = GPR_EA * 8;
  r->index = GPR_ZERO * 8;
  r->scale = 0;
}

/* In 16 and 32-bit code every memory operand has one: segments have bases and limits. */
static void segment_record(Builder *b, Rec *r, const Insn *in, const FormDef *f) {
  address_record(b, r, in, false);
  Rec *ea = b->at - 1;
  ea->fn = segment_ea_handler;
  ea->a = insn_segment(in);
  ea->b = (f->flags & FORM_ADDRESS) != 0;
  ea->n = (f->flags & FORM_WAIT) != 0;
  if (ea->b) r->v = ea->a, r->scale = in->addr_size;
  if (f->flags & FORM_CPL0 && b->c->cpl) return; /* the instruction faults, not its operand */
  ea->imm = f->access[size_index(in)] | (f->flags & FORM_STORE_RM ? ACCESS_WRITE : 0);
}

static u32 pop_size(const Insn *in) { return in->osz == 2 ? 2 : in->mode == 64 ? 8 : 4; }

/* Fills in the memory operand; appends an address record first if one is needed. */
static void memory_operand(Builder *b, Rec *r, const Insn *in, const FormDef *f) {
  bool segment = in->seg && !(f->flags & FORM_ADDRESS);
  if (!in->has_mem) {
    if (f->flags & FORM_STRING && in->mode != 64) r->v = insn_segment(in);
    else if (f->flags & FORM_STRING && in->seg) address_record(b, r, in, true);
    return;
  }
  r->disp = in->disp;
  if (in->rip_relative) r->disp += b->rip + in->len;
  if (f->flags & FORM_POP && in->base == RSP) r->disp += pop_size(in);
  if (in->base >= 0) r->base = in->base * 8;
  if (in->vsib) { /* the indices are a vector; the body adds the segment's base */
    r->b = (u8)in->index;
    r->imm = in->addr_size | (u64)in->seg << 8;
    r->scale = in->scale;
    return;
  }
  if (in->index >= 0) r->index = in->index * 8;
  r->scale = in->scale;
  if (in->mode != 64) segment_record(b, r, in, f);
  else if (segment || in->addr_size != 8) address_record(b, r, in, segment);
}

/* Loads the memory operand of a VEX instruction into VEC_OPERAND, so that its register handler does. */
static void load_record(Builder *b, const Insn *in, const FormDef *f) {
  Rec r = {.fn = handler(b->c, f->load), .base = GPR_ZERO * 8, .index = GPR_ZERO * 8};
  memory_operand(b, &r, in, f);
  *b->at++ = r;
}

/* A form that has no use for LOCK or for vvvv does not allow them. */
bool form_allows(const FormDef *f, const Insn *in) {
  if (in->has_vvvv && !f->v) return false;
  return !in->lock || f->locked[size_index(in)];
}

static u32 pick(const FormDef *f, const Insn *in) {
  if (!form_allows(f, in)) return 0;
  if (!in->lock) return f->plain[size_index(in)][in->has_mem && in->mod != 3];
  return f->locked[size_index(in)];
}

static void invalid(Builder *b, u32 why, u32 len) {
  Rec *r = append(b, undefined_handler);
  r->a = why;
  r->len = len;
  r->n = ++b->count;
}

/* A target beyond the limit of CS: the branch itself faults. */
static void append_limit(Builder *b, const Insn *in, const Rec **field) {
  Rec *r = append(b, limit_handler);
  r->imm = b->rip;
  r->a = in->map == MAP_ONE_BYTE && in->opcode >= 0xe0 && in->opcode <= 0xe2 ? in->addr_size : 0;
  *field = r;
}

static void append_target(Builder *b, const Insn *in, u64 target, const Rec **field) {
  if (in->mode == 64) {
    append_stub(b, target, field);
    return;
  }
  target &= in->osz == 2 ? 0xffff : 0xffffffff;
  if (target > b->c->code_limit) append_limit(b, in, field);
  else append_stub(b, target, field);
}

static void links(Builder *b, Rec *r, const Insn *in, const FormDef *f) {
  u64 next = b->rip + in->len;
  r->n = b->count;
  if (f->flags & FORM_AGAIN) append_stub(b, b->rip, &r->link);
  else if (f->flags & (FORM_LINK | FORM_TWO_LINKS))
    append_target(b, in, next + (u64)in->imm, &r->link);
  if (f->flags & FORM_TWO_LINKS) append_stub(b, next, &r->link2);
}

/* A call beyond the limit of CS must not push. */
static bool calls_beyond(const Builder *b, const Insn *in, const FormDef *f) {
  u64 mask = in->osz == 2 ? 0xffff : 0xffffffff;
  if (in->mode == 64 || !(f->flags & FORM_LINK)) return false;
  return ((b->rip + in->len + (u64)in->imm) & mask) > b->c->code_limit;
}

/* A conditional branch behind a compare: one handler does both, and perhaps the instruction before
 * them, too; the branch's record holds the links. */
static void fuse(Builder *b, Rec *r, const FormDef *f) {
  u32 row = b->last && f->cc != FORM_ANY ? fuse_row[b->last] : 0;
  u32 pair = row ? fused[row][f->cc] : 0;
  if (!pair) return;
  if (b->coupled) r[-2].fn = handler(b->c, b->lead);
  r[-1].fn = handler(b->c, pair);
  u32 three = b->lead ? led_handler(b->lead, pair) : 0;
  if (three) r[-2].fn = handler(b->c, three);
}

/* Two simple instructions: one handler does both, unless the first is done by the one before it. */
static void couple(Builder *b, Rec *r, u32 number) {
  u32 both = b->coupled ? 0 : couple_handler(b->last, number);
  b->coupled = both;
  if (both) r[-1].fn = handler(b->c, both);
}

/* Whether an instruction without a handler is an invalid encoding, or one that only other CPU models
 * have; else it is one that we lack. */
static bool is_undefined(const FormDef *f, const Insn *in) {
  if (f) return !form_allows(f, in);
  return form_excludes(in) || form_find(in, cpu_models);
}

/* Appends one instruction; false when it ended the block. */
static bool add(Builder *b, const Insn *in) {
  const FormDef *f = form_find(in, b->c->model);
  u32 number = f ? pick(f, in) : 0;
  if (!number || calls_beyond(b, in, f)) {
    invalid(b, number ? 2 : is_undefined(f, in) ? 0 : 1, in->len);
    return false;
  }
  Rec r = {.fn = handler(b->c, number), .base = GPR_ZERO * 8, .index = GPR_ZERO * 8};
  const Rec *before = b->at;
  bool loads = f->load && in->has_mem;
  if (loads) load_record(b, in, f);
  else memory_operand(b, &r, in, f);
  bool adjacent = b->at == before; /* no address record came between */
  if (!in->vsib) r.imm = f->flags & FORM_NEXT_IP ? b->rip + in->len : (u64)in->imm;
  if (f->a) r.a = field(f->a, in->reg, in);
  if (f->b) r.b = field(f->b, f->flags & FORM_OREG ? in->oreg : in->rm, in);
  if (f->v) r.v = field(f->v, in->vvvv, in);
  if (loads) r.b = VEC_OPERAND;
  if (f->flags & FORM_SWAP && !in->has_mem) {
    u8 a = r.a;
    r.a = r.b;
    r.b = a;
  }
  if (in->nimm == 2) r.v = (u8)in->imm2;
  if (f->flags & FORM_X87) r.imm = x87_mark(b->rip, (u32)in->opcode << 8 | in->modrm);
  if (in->nimm == 2 && !in->has_mem) r.disp = (u64)in->imm2; /* a far pointer's selector */
  if (f->flags & FORM_ST) r.b = in->modrm & 7;
  r.len = in->len;
  *b->at++ = r;
  b->count++;
  if (f->flags & FORM_END) {
    fuse(b, b->at - 1, f);
    links(b, b->at - 1, in, f);
  } else if (adjacent) {
    couple(b, b->at - 1, number);
  } else {
    b->coupled = false;
  }
  b->lead = adjacent ? b->last : 0;
  b->last = number;
  b->rip += in->len;
  return !(f->flags & FORM_END);
}

/* Bytes of CS at `rip` and behind it. */
static u64 room_in_segment(const Cpu *c, u64 rip) {
  if (c->mode == 64) return ~(u64)0;
  return rip > c->code_limit ? 0 : c->code_limit + (u64)1 - rip;
}

/* There is no instruction at the start of a block.  A breakpoint there comes before the fault:
 * GDB has functions that it calls return to one on the stack. */
static NORETURN void no_instruction(Cpu *c, u64 rip, u32 got) {
  if (!cpu_breakpoint_at(c, code_address(c, rip)) || c->resume_at == rip) fetch_fault(c, rip, got);
  c->cur = NULL;
  c->rip = rip;
  cpu_leave(c, STOP_BREAKPOINT);
}

/* Decodes and appends the next instruction; false when the block is done. */
static bool step(Builder *b) {
  const u8 *bytes;
  Insn in;
  u32 got = fetch(b, &bytes);
  u64 room = room_in_segment(b->c, b->rip);
  int status = decode(&in, bytes, got < room ? got : room, b->c->mode);
  if (status == DECODE_TRUNCATED && room <= got) status = DECODE_TOO_LONG;
  if (status == DECODE_OK && in.enc != ENC_LEGACY && is_real(b->c)) status = DECODE_INVALID;
  if (status == DECODE_TRUNCATED) {
    if (!b->count) no_instruction(b->c, b->rip, got);
    return true; /* the next block will begin there, and fault */
  }
  if (cpu_breakpoint_at(b->c, code_address(b->c, b->rip))) {
    append(b, breakpoint_handler)->imm = b->rip;
    b->last = 0;
  }
  if (status == DECODE_OK) return add(b, &in);
  invalid(b, status == DECODE_INVALID ? 0 : 2, 1);
  return false;
}

static void build(Builder *b) {
  Rec *head = append(b, header_handler);
  head->imm = b->rip;
  b->first = b->at;
  u64 before;
  do {
    before = b->rip;
    if (!step(b)) return;
  } while (b->count < b->limit && b->rip != before);
  Rec *r = append(b, jump_handler);
  r->n = b->count;
  append_stub(b, b->rip, &r->link);
}

/* --- the cache --- */

Cache *cache_new(void) {
  Cache *k = calloc(1, sizeof *k);
  if (!k) return NULL;
  k->arena = mmap(NULL, sizeof(Rec) * ARENA_RECS, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  k->mask = TABLE_START - 1;
  k->table = calloc(TABLE_START, sizeof *k->table);
  if (k->arena != MAP_FAILED && k->table) return k;
  cache_free(k);
  return NULL;
}

void cache_free(Cache *k) {
  if (!k) return;
  if (k->arena != MAP_FAILED && k->arena) munmap(k->arena, sizeof(Rec) * ARENA_RECS);
  free(k->table);
  free(k);
}

void cache_flush_records(Cpu *c) {
  Cache *k = c->cache;
  k->used = 0;
  k->count = 0;
  memset(k->table, 0, sizeof *k->table * (k->mask + 1));
  for (u32 i = 0; i < JUMP_SIZE; i++) c->jumps[i] = (JumpEntry){.key = ~(u64)0};
  c->counters[COUNT_FLUSHES]++;
}

void cache_flush(Cpu *c) {
  cache_flush_records(c);
  jit_flush(c);
}

void cache_sync(Cpu *c) {
  if (c->js.closed) jit_resume(c);
  cache_forget(c);
}

void cache_forget(Cpu *c) {
  Cache *k = c->cache;
  CodeRange range;
  if (k->epoch == c->mem->code_epoch) return;
  if (k->used) cache_flush_records(c);
  while (memory_code_next(c->mem, &k->epoch, &range)) jit_drop(c, range.start, range.end);
}

static u32 hash(u64 key) { return (u32)((key * 0x9e3779b97f4a7c15ull) >> 32); }

static Entry *slot(Cache *k, u64 key) {
  u32 i = hash(key) & k->mask;
  while (k->table[i].rec && k->table[i].key != key) i = (i + 1) & k->mask;
  return &k->table[i];
}

static void grow(Cache *k) {
  Entry *old = k->table;
  u32 size = k->mask + 1;
  Entry *bigger = calloc((size_t)size * 2, sizeof *bigger);
  if (!bigger) return; /* slower, still correct until full; the arena's flush bounds the load */
  k->table = bigger;
  k->mask = size * 2 - 1;
  for (u32 i = 0; i < size; i++)
    if (old[i].rec) *slot(k, old[i].key) = old[i];
  free(old);
}

const Rec *cache_block(Cpu *c, u64 rip) {
  Cache *k = c->cache;
  u64 key = rip | c->code_key;
  Entry *e = slot(k, key);
  if (e->rec) return e->rec;
  if (k->used + BLOCK_RECS > ARENA_RECS || k->count > k->mask - k->mask / 8) cache_flush_records(c);
  Builder b = {.c = c, .at = k->arena + k->used, .rip = rip, .limit = BLOCK_MAX, .mark = true};
  build(&b);
  if (b.loose) return cache_scratch(c, rip, 1);
  k->used = (u32)(b.at - k->arena);
  c->counters[COUNT_BLOCKS]++;
  c->counters[COUNT_DECODED] += b.count;
  if (++k->count > k->mask / 2) grow(k);
  *slot(k, key) = (Entry){key, b.first};
  return b.first;
}

const Rec *cache_scratch(Cpu *c, u64 rip, u32 count) {
  Builder b = {.c = c, .at = c->cache->scratch, .rip = rip};
  b.limit = count < BLOCK_MAX ? count : BLOCK_MAX;
  build(&b);
  return b.first;
}

bool cache_begins(const Cpu *c, u64 rip) { return slot(c->cache, rip | c->code_key)->rec != NULL; }

bool cache_keeps(const Cpu *c, const Rec *r) {
  const Cache *k = c->cache;
  return r >= k->arena && r < k->arena + k->used;
}

void cache_link(Cpu *c, const Rec *stub, const Rec *target) {
  if (cache_keeps(c, stub) && cache_keeps(c, target)) *(const Rec **)stub->disp = target;
}
