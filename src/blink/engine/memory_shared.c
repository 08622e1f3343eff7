/* Pages of one file that are mapped twice: code may be written through the other mapping, as JIT
 * compilers do that never have memory writable and executable at one address.
 *
 * Every MAP_SHARED mapping of a file is noted.  When code is found on a page of one, the same page
 * of the file is write-protected wherever else it is mapped, as code too; a store to one then changes
 * all of them.  A page that is mapped later makes the code of its file be found anew at once.
 * Not seen: write(2) to the file itself, other processes, and private mappings.
 */
#include "memory_impl.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct Shared {
  u64 start, end;
  u64 device, inode, offset;
  Shared *next;
};

static void insert(Memory *mem, Shared s) {
  Shared *copy = malloc(sizeof *copy);
  if (copy == NULL) return; /* then its stores stay unseen, as on CPUs without coherent code */
  s.next = mem->shared;
  *copy = s;
  mem->shared = copy;
}

static bool has_code(const Memory *mem, u64 start, u64 end) {
  while (start < end) {
    u8 code;
    start = memory_run(mem, start, end, PAGE_CODE, &code);
    if (code != 0) return true;
  }
  return false;
}

void memory_shared_add(Memory *mem, u64 start, u64 end, int fd, u64 offset) {
  struct stat st;
  if (fstat(fd, &st) != 0) return;
  for (const Shared *s = mem->shared; s != NULL; s = s->next)
    if (s->device == st.st_dev && s->inode == st.st_ino && has_code(mem, s->start, s->end))
      memory_code_changed(mem, s->start, s->end);
  insert(
      mem,
      (Shared){
          .start = start, .end = end, .device = st.st_dev, .inode = st.st_ino, .offset = offset});
}

void memory_shared_cut(Memory *mem, u64 start, u64 end) {
  Shared *old = mem->shared;
  mem->shared = NULL;
  for (Shared *s; (s = old) != NULL;) {
    old = s->next;
    if (s->end <= start || s->start >= end) {
      s->next = mem->shared;
      mem->shared = s;
      continue;
    }
    Shared head = *s, tail = *s;
    head.end = start;
    tail.start = end;
    tail.offset += end - s->start;
    if (s->start < start) insert(mem, head);
    if (s->end > end) insert(mem, tail);
    free(s);
  }
}

static Shared *find(const Memory *mem, u64 page) {
  Shared *s = mem->shared;
  while (s != NULL && (page < s->start || page >= s->end)) s = s->next;
  return s;
}

void memory_shared_move(Memory *mem, u64 old, u64 old_end, u64 start, u64 end) {
  const Shared *from = find(mem, old);
  Shared moved = {.start = start, .end = end};
  if (from != NULL) {
    moved.device = from->device;
    moved.inode = from->inode;
    moved.offset = from->offset + (old - from->start);
  }
  memory_shared_cut(mem, old, old_end);
  memory_shared_cut(mem, start, end);
  if (from != NULL) insert(mem, moved);
}

bool memory_shared_mark(Memory *mem, u64 page) {
  const Shared *s = find(mem, page);
  bool ok = true;
  if (s == NULL) return true;
  u64 offset = s->offset + (page - s->start);
  for (const Shared *t = mem->shared; t != NULL; t = t->next) {
    bool same = t->device == s->device && t->inode == s->inode;
    if (!same || offset < t->offset || offset - t->offset >= t->end - t->start) continue;
    u64 other = t->start + (offset - t->offset);
    if (other != page) ok &= memory_guard_code(mem, other);
  }
  return ok;
}

static u64 least(u64 a, u64 b) { return a < b ? a : b; }
static u64 most(u64 a, u64 b) { return a > b ? a : b; }

/* The pages of the file behind [start, end), where `t` shows them. */
static void each_in(Memory *mem, const Shared *s, const Shared *t, CodeRange r,
                    void (*act)(Memory *, u64, u64)) {
  if (t->device != s->device || t->inode != s->inode) return;
  u64 first = most(s->offset + (r.start - s->start), t->offset);
  u64 last = least(s->offset + (r.end - s->start), t->offset + (t->end - t->start));
  if (first < last) act(mem, t->start + (first - t->offset), t->start + (last - t->offset));
}

void memory_shared_each(Memory *mem, u64 start, u64 end, void (*act)(Memory *, u64, u64)) {
  for (const Shared *s = mem->shared; s != NULL; s = s->next) {
    CodeRange r = {most(start, s->start), least(end, s->end)};
    for (const Shared *t = mem->shared; t != NULL && r.start < r.end; t = t->next)
      if (t != s) each_in(mem, s, t, r, act);
  }
}

void memory_shared_clear(Memory *mem) { memory_shared_cut(mem, 0, GUEST_TOP); }
