/* Blocks by guest address and by page, and the branches that lead to them. */
#include "jit.h"

#if defined(__x86_64__)

#include <stdlib.h>

#include "jit_impl.h"
#include "memory.h"

enum { CHAIN_MAX = 6 };

static u32 hash(u64 value) { return (u32)((value * 0x9e3779b97f4a7c15ull) >> 32); }

static JitBlock *numbered(const Jit *j, u32 number) {
  return &j->arenas[(number - 1) >> 28].blocks[(number - 1) & 0xfffffff];
}

void jit_table_reset(Jit *j) {
  memset(j->table, 0, sizeof *j->table * (j->table_mask + 1));
  memset(j->pages, 0, sizeof j->pages);
  j->insn_count = j->block_count = 0;
  j->exit_count = 1;
}

/* --- by address --- */

/* Blocks of one KiB of code are neighbours: who asks for one will ask for others soon. */
static u32 place(u64 rip) { return hash(rip >> 10) << 7 | (u32)(rip >> 3 & 127); }

/* Looks at blocks only where hashes are equal: most would not be in the host's caches. */
static JitSlot *slot(const Jit *j, u64 rip) {
  u32 h = place(rip), i = h & j->table_mask;
  for (;; i = (i + 1) & j->table_mask) {
    JitSlot *s = &j->table[i];
    if (!s->number || (s->hash == h && numbered(j, s->number)->rip == rip)) return s;
  }
}

JitBlock *jit_find(const Jit *j, u64 rip) {
  u32 number = slot(j, rip)->number;
  JitBlock *b = number ? numbered(j, number) : NULL;
  return b && !b->dead ? b : NULL;
}

static void grow(Jit *j) {
  u32 size = j->table_mask + 1;
  JitSlot *old = j->table, *bigger = calloc((size_t)size * 4, sizeof *bigger);
  if (!bigger) return;
  j->table = bigger;
  j->table_mask = size * 4 - 1;
  for (u32 i = 0, at; i < size; i++) {
    if (!old[i].number) continue;
    for (at = old[i].hash & j->table_mask; bigger[at].number; at = (at + 1) & j->table_mask)
      continue;
    bigger[at] = old[i];
  }
  free(old);
}

/* --- by page --- */

static u32 *page_list(Jit *j, u64 addr) {
  return &j->pages[hash(addr >> GUEST_PAGE_BITS) & (JIT_PAGES - 1)];
}

static u32 *last_list(Jit *j, const JitBlock *b) { return page_list(j, b->rip + b->length - 1); }

/* Of a block that is in this list. */
static u32 *next_in(Jit *j, JitBlock *b, const u32 *list) {
  return &b->next[page_list(j, b->rip) != list];
}

static void enter_pages(Jit *j, JitBlock *b, u32 number) {
  u32 *first = page_list(j, b->rip), *last = last_list(j, b);
  b->next[0] = *first;
  *first = number;
  if (last == first) return;
  b->next[1] = *last;
  *last = number;
}

JitBlock *jit_add(Jit *j, u32 arena, const JitBlock *made) {
  JitArena *a = &j->arenas[arena];
  if (j->block_count > j->table_mask / 2) grow(j);
  u32 number = 1 + (arena << 28 | a->count);
  JitSlot *where = slot(j, made->rip);
  JitBlock *b = &a->blocks[a->count++];
  j->block_count += !where->number;
  *b = *made;
  *where = (JitSlot){place(made->rip), number};
  enter_pages(j, b, number);
  return b;
}

/* --- by host address --- */

static const JitBlock *block_in(const JitArena *a, u64 pc) {
  u32 low = 0, high = a->count;
  while (high - low > 1) {
    u32 middle = (low + high) / 2;
    if ((u64)a->blocks[middle].check <= pc) low = middle;
    else high = middle;
  }
  const JitBlock *b = &a->blocks[low];
  return a->count && pc - (u64)b->check < b->size ? b : NULL;
}

const JitBlock *jit_block_at(const Jit *j, u64 pc) {
  for (u32 i = 0; i < ARENAS; i++)
    if (pc - (u64)j->arenas[i].base < j->arena_size) return block_in(&j->arenas[i], pc);
  return NULL;
}

static JitArena *arena_of(Jit *j, const u8 *at) {
  JitArena *a = j->arenas;
  while ((u64)(at - a->base) >= j->arena_size) a++;
  return a;
}

static u32 number_of(Jit *j, const JitBlock *b) {
  const JitArena *a = arena_of(j, b->check);
  return 1 + ((u32)(a - j->arenas) << 28 | (u32)(b - a->blocks));
}

/* --- by the low bits of an indirect branch's target --- */

/* Of blocks that share a slot the newest comes first; its check leads to the one before it. */
static bool chain(Jit *j, JitBlock *b, const JitBlock *before) {
  JitArena *a = arena_of(j, b->check);
  u8 *site = b->check + CHECK_JUMP;
  s64 distance = before->check - (site + 4);
  b->chain = number_of(j, before);
  if (distance == (s32)distance) {
    patch32(site, before->check);
    return true;
  }
  if (a->at + ARENA_MARGIN / 2 > a->base + j->arena_size) return false;
  Code k = {a->at}; /* another arena: jmp [rip]; address */
  put8(&k, 0xff), put8(&k, 0x25), put32(&k, 0), put64(&k, (u64)before->check);
  patch32(site, a->at);
  a->at = k.at;
  return true;
}

void jit_enter_target(Cpu *c, JitBlock *b) {
  Jit *j = c->jit;
  u64 *target = &c->targets[b->rip & (TARGET_SIZE - 1)];
  const JitBlock *first = jit_block_at(j, *target);
  u32 length = 0;
  for (const JitBlock *at = first; at; at = at->chain ? numbered(j, at->chain) : NULL) length++;
  if (length == 0 || length > CHAIN_MAX || !chain(j, b, first)) {
    b->chain = 0;
    patch32(b->check + CHECK_JUMP, arena_of(j, b->check)->miss);
  }
  *target = (u64)b->check;
}

/* Indirect branches pass it by. */
static void leave_targets(Cpu *c, JitBlock *b) {
  static const u8 nop[2] = {0x66, 0x90};
  u64 *target = &c->targets[b->rip & (TARGET_SIZE - 1)];
  const JitBlock *before = b->chain ? numbered(c->jit, b->chain) : NULL;
  if (*target == (u64)b->check) *target = (u64)(before ? before->check : c->jit->arenas[0].miss);
  memcpy(b->check + CHECK_BRANCH, nop, sizeof nop);
}

/* --- exits --- */

u32 jit_exit(Jit *j, u8 *site, u64 target) {
  j->exits[j->exit_count] = (JitExit){.target = target, .site = site};
  return j->exit_count++;
}

void jit_write_stub(Jit *j, const JitArena *a, Code *k, u32 exit) {
  JitExit *x = &j->exits[exit];
  x->stub = k->at;
  set_gs32(k, CPU_FIELD(js.exit), exit);
  jump(k, a->link);
}

void jit_link(Jit *j, u32 exit, JitBlock *to) {
  JitExit *x = &j->exits[exit];
  s64 distance = to->entry - (x->site + 4);
  if (distance != (s32)distance) return;
  patch32(x->site, to->entry);
  x->next = to->links;
  to->links = exit;
}

/* The exit goes to its stub again; false when there is no room to write one. */
static bool unlink_exit(Jit *j, u32 exit) {
  JitExit *x = &j->exits[exit];
  JitArena *a = arena_of(j, x->site);
  if (!x->stub) {
    if (a->at + ARENA_MARGIN / 2 > a->base + j->arena_size) return false;
    Code k = {a->at};
    jit_write_stub(j, a, &k, exit);
    a->at = k.at;
  }
  patch32(x->site, x->stub);
  return true;
}

/* --- forgetting --- */

static bool drop_block(Cpu *c, JitBlock *b) {
  Jit *j = c->jit;
  leave_targets(c, b);
  for (u32 exit = b->links; exit; exit = j->exits[exit].next)
    if (!unlink_exit(j, exit)) return false;
  b->links = 0;
  b->dead = true;
  return true;
}

/* The blocks of a list in [start, end) go; dead ones leave it. */
static bool drop_listed(Cpu *c, u32 *list, u64 start, u64 end) {
  Jit *j = c->jit;
  for (u32 *at = list; *at;) {
    JitBlock *b = numbered(j, *at);
    bool touched = b->rip < end && b->rip + b->length > start;
    if (touched && !b->dead && !drop_block(c, b)) return false;
    u32 *next = next_in(j, b, list);
    if (b->dead) *at = *next;
    else at = next;
  }
  return true;
}

void jit_drop_stale(Cpu *c, u64 rip) {
  JitBlock *b = jit_find(c->jit, rip);
  u8 *count = &c->jit->stale[hash(rip) % STALE_SIZE];
  if (*count < STALE_MAX) ++*count;
  if (b && !drop_block(c, b)) jit_flush(c);
}

bool jit_is_fickle(const Jit *j, u64 rip) { return j->stale[hash(rip) % STALE_SIZE] == STALE_MAX; }

void jit_drop(Cpu *c, u64 start, u64 end) {
  bool ok = true;
  if (!c->jit || !c->jit->block_count) return;
  if ((end - start) >> GUEST_PAGE_BITS >= JIT_PAGES) {
    for (u32 i = 0; i < JIT_PAGES && ok; i++) ok = drop_listed(c, &c->jit->pages[i], start, end);
  } else {
    for (u64 page = start; page < end && ok; page += GUEST_PAGE)
      ok = drop_listed(c, page_list(c->jit, page), start, end);
  }
  if (!ok) jit_flush(c);
}

#endif
