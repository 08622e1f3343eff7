/* Blocks by guest address and by page, and the branches that lead to them. */
#define _GNU_SOURCE
#include "jit.h"

#if defined(__x86_64__)

#include <stdlib.h>
#include <sys/mman.h>

#include "decode.h"
#include "jit_impl.h"
#include "memory.h"

enum { CHAIN_MAX = 6, FAR_JUMP = 14, TOUCHED = 32 << 10 };

static u32 hash(u64 value) { return (u32)((value * 0x9e3779b97f4a7c15ull) >> 32); }

static JitBlock *numbered(const Jit *j, u32 number) {
  return &j->arenas[(number - 1) >> 28].blocks[(number - 1) & 0xfffffff];
}

/* For who has the address of the check only. */
static void note_number(const JitBlock *b, u32 number) {
  memcpy(b->check - NUMBER_SIZE, &number, sizeof number);
}

/* --- memory --- */

u8 *jit_cold(JitArena *a, u32 size) { return a->cold -= size; }

/* Of ARENA_MARGIN, half is for what comes after a block was made. */
static bool has_room(const JitArena *a) { return a->at + ARENA_MARGIN / 2 <= a->cold; }

/* Where the kernel does not know the request, pages come one by one, as ever. */
static void grow_ready(u8 **ready, const void *need) {
  if ((const u8 *)need <= *ready) return;
  madvise(*ready, TOUCHED, MADV_POPULATE_WRITE);
  *ready += TOUCHED;
}

void jit_touch(Jit *j, JitArena *a) {
  enum { BLOCK = 4 << 10 };
  grow_ready(&a->ready, a->at + BLOCK);
  grow_ready(&a->blocks_ready, &a->blocks[a->count + 1]);
  grow_ready(&j->insns_ready, &j->insns[j->insn_count + BLOCK_INSNS]);
  grow_ready(&j->exits_ready, &j->exits[j->exit_count + BLOCK_INSNS]);
  if (a->cold - BLOCK >= a->cold_ready) return;
  a->cold_ready -= TOUCHED;
  madvise(a->cold_ready, TOUCHED, MADV_POPULATE_WRITE);
}

void jit_untouch(void *start, u8 **ready) {
  if (*ready > (u8 *)start) madvise(start, (u64)(*ready - (u8 *)start), MADV_DONTNEED);
  *ready = start;
}

void jit_table_reset(Jit *j) {
  jit_untouch(j->insns, &j->insns_ready);
  jit_untouch(j->exits, &j->exits_ready);
  memset(j->table, 0, sizeof *j->table * (j->table_mask + 1));
  memset(j->pages, 0, sizeof j->pages);
  memset(j->refused, 0, sizeof j->refused);
  j->insn_count = j->block_count = j->sole_count = 0;
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

void jit_each_in(Jit *j, u64 start, u64 end, bool (*each)(void *, const JitBlock *),
                 void *context) {
  const u64 longest = BLOCK_INSNS * DECODE_MAX;
  u64 page = (start < longest ? 0 : start - longest) >> GUEST_PAGE_BITS;
  for (; page << GUEST_PAGE_BITS < end; page++) {
    u32 *list = page_list(j, page << GUEST_PAGE_BITS);
    for (u32 number = *list; number;) {
      JitBlock *b = numbered(j, number);
      bool inside = b->rip < end && b->rip + b->length > start && !b->dead;
      if (inside && b->rip >> GUEST_PAGE_BITS == page && !each(context, b)) return;
      number = *next_in(j, b, list);
    }
  }
}

JitBlock *jit_add(Jit *j, u32 arena, const JitBlock *made) {
  JitArena *a = &j->arenas[arena];
  if (j->block_count > j->table_mask / 2) grow(j);
  u32 number = 1 + (arena << 28 | a->count);
  JitSlot *where = slot(j, made->rip);
  JitBlock *b = &a->blocks[a->count++];
  j->block_count += !where->number;
  *b = *made;
  if (b->check) note_number(b, number);
  *where = (JitSlot){place(made->rip), number};
  enter_pages(j, b, number);
  return b;
}

/* --- by host address --- */

static const JitBlock *block_in(const JitArena *a, u64 pc) {
  u32 low = 0, high = a->count;
  while (high - low > 1) {
    u32 middle = (low + high) / 2;
    if ((u64)a->blocks[middle].code <= pc) low = middle;
    else high = middle;
  }
  const JitBlock *b = &a->blocks[low];
  return a->count && pc - (u64)b->code < b->size ? b : NULL;
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
  const JitArena *a = arena_of(j, b->code);
  return 1 + ((u32)(a - j->arenas) << 28 | (u32)(b - a->blocks));
}

/* --- by the low bits of an indirect branch's target --- */

/* One load less than a branch that is taken: a call and a return cost 1.7 ns instead of 2.3.
 * mov ecx, gs:[target + 2]; lea ecx, [rcx - bits 16 to 47]; then RCX from where it lies, or from beyond
 * the Cpu. */
void jit_write_check(Code *k, const JitArena *a, u64 rip, bool shared) {
  static const u8 load[] = {CHECK_LOAD};
  put8(k, 0x65), put8(k, 0x8b);
  put_gs(k, RCX, CPU_FIELD(js.target) + 2);
  put8(k, 0x8d), put8(k, 0x89);
  put32(k, -(u32)(rip >> 16));
  if (!shared) {
    put_bytes(k, load, sizeof load);
    put32(k, CPU_FIELD(poll.rcx));
    return;
  }
  put8(k, 0xe3), put8(k, 5); /* jrcxz over the jump: CHECK_BRANCH, CHECK_JUMP */
  jump(k, a->miss);
  load_gs(k, RCX, CPU_FIELD(poll.rcx));
}

/* Blocks that direct branches found first have none, others were alone.  False: no room. */
static bool need_check(Jit *j, JitBlock *b, bool shared) {
  enum { SIZE = NUMBER_SIZE + CHECK_SIZE + JUMP_BYTES };
  JitArena *a = arena_of(j, b->code);
  if (b->check && b->shared >= shared) return true;
  if (!has_room(a)) return false;
  Code k = {jit_cold(a, SIZE) + NUMBER_SIZE};
  b->check = k.at;
  b->shared = shared;
  jit_write_check(&k, a, b->rip, shared);
  jump(&k, jit_entry(b));
  j->sole_count += !shared;
  note_number(b, number_of(j, b));
  return true;
}

/* The first block that branches through a slot come to, or NULL. */
static JitBlock *first_at(const Jit *j, u64 target) {
  u32 number;
  if (target == (u64)j->arenas[0].miss) return NULL;
  memcpy(&number, (const u8 *)target - NUMBER_SIZE, sizeof number);
  return numbered(j, number);
}

/* Of blocks that share a slot the newest comes first; its check leads to the one before it. */
static bool chain(Jit *j, JitBlock *b, const JitBlock *before) {
  JitArena *a = arena_of(j, b->code);
  u8 *site = b->check + CHECK_JUMP;
  s64 distance = before->check - (site + 4);
  b->chain = number_of(j, before);
  if (distance == (s32)distance) {
    patch32(site, before->check);
    return true;
  }
  if (!has_room(a)) return false;
  Code k = {jit_cold(a, FAR_JUMP)}; /* another arena: jmp [rip]; address */
  patch32(site, k.at);
  put8(&k, 0xff), put8(&k, 0x25), put32(&k, 0), put64(&k, (u64)before->check);
  return true;
}

void jit_enter_target(Cpu *c, JitBlock *b) {
  Jit *j = c->jit;
  u64 *target = &cpu_targets(c)[b->rip & (TARGET_SIZE - 1)];
  JitBlock *first = first_at(j, *target);
  u32 length = 0;
  if (first == b || !need_check(j, b, first || jit_shares(j))) return;
  if (first && !need_check(j, first, true)) return;
  for (const JitBlock *at = first; at; at = at->chain ? numbered(j, at->chain) : NULL) length++;
  if (length == 0 || length > CHAIN_MAX || !chain(j, b, first)) {
    b->chain = 0;
    if (b->shared) patch32(b->check + CHECK_JUMP, arena_of(j, b->code)->miss);
  }
  *target = (u64)b->check;
}

/* Indirect branches pass it by. */
static void leave_targets(Cpu *c, JitBlock *b) {
  static const u8 nop[2] = {0x66, 0x90};
  u64 *target = &cpu_targets(c)[b->rip & (TARGET_SIZE - 1)];
  if (!b->check) return;
  const JitBlock *before = b->chain ? numbered(c->jit, b->chain) : NULL;
  if (*target == (u64)b->check) *target = (u64)(before ? before->check : c->jit->arenas[0].miss);
  if (b->shared) memcpy(b->check + CHECK_BRANCH, nop, sizeof nop);
}

/* --- exits --- */

u32 jit_exit(Jit *j, u8 *site, u64 target) {
  j->exits[j->exit_count] = (JitExit){.target = target, .site = site};
  return j->exit_count++;
}

void jit_write_stub(Jit *j, JitArena *a, u32 exit) {
  Code k = {jit_cold(a, STUB_SIZE)};
  j->exits[exit].stub = (s32)(k.at - j->exits[exit].site);
  set_gs32(&k, CPU_FIELD(js.exit), exit);
  jump(&k, a->link);
}

void jit_to_stub(const JitExit *x) { patch32(x->site, x->site + x->stub); }

/* Whether the block lies where the exit's jump was: see jit_block_behind(). */
static bool in_place(const JitExit *x, const JitBlock *to) { return jit_entry(to) == x->site - 1; }

void jit_link(Jit *j, u32 exit, JitBlock *to) {
  JitExit *x = &j->exits[exit];
  s64 distance = jit_entry(to) - (x->site + 4);
  if (distance != (s32)distance) return;
  if (!in_place(x, to)) patch32(x->site, jit_entry(to));
  x->next = to->links;
  to->links = exit;
}

/* The exit goes to its stub again; false when there is no room to write one. */
static bool unlink_exit(Jit *j, u32 exit, const JitBlock *from) {
  JitExit *x = &j->exits[exit];
  JitArena *a = arena_of(j, x->site);
  if (!x->stub) {
    if (!has_room(a)) return false;
    jit_write_stub(j, a, exit);
  }
  if (in_place(x, from)) x->site[-1] = JUMP_BYTE;
  jit_to_stub(x);
  return true;
}

/* --- forgetting --- */

static bool drop_block(Cpu *c, JitBlock *b) {
  Jit *j = c->jit;
  leave_targets(c, b);
  for (u32 exit = b->links; exit; exit = j->exits[exit].next)
    if (!unlink_exit(j, exit, b)) return false;
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

bool jit_refuses(const Jit *j, u64 rip) { return j->refused[hash(rip) % REFUSED_SIZE] == ~rip; }

void jit_refuse(Jit *j, u64 rip) { j->refused[hash(rip) % REFUSED_SIZE] = ~rip; }

void jit_drop(Cpu *c, u64 start, u64 end) {
  bool ok = true;
  if (!c->jit) return;
  memset(c->jit->refused, 0, sizeof c->jit->refused);
  if (!c->jit->block_count) return;
  if ((end - start) >> GUEST_PAGE_BITS >= JIT_PAGES) {
    for (u32 i = 0; i < JIT_PAGES && ok; i++) ok = drop_listed(c, &c->jit->pages[i], start, end);
  } else {
    for (u64 page = start; page < end && ok; page += GUEST_PAGE)
      ok = drop_listed(c, page_list(c->jit, page), start, end);
  }
  if (!ok) jit_flush(c);
}

#endif
