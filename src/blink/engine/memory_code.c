/* Code that was decoded from guest memory: its pages are write-protected, and whoever changes one
 * notes the range for the Cpus, which forget what they made of it before they go on. */
#include "memory_impl.h"

#include <sys/mman.h>

/* --- What changed --- */

static void note(Memory *mem, u64 start, u64 end) {
  CodeRange *r = &mem->changes[mem->code_epoch % CODE_CHANGES];
  __atomic_store_n(&r->start, start, __ATOMIC_RELAXED);
  __atomic_store_n(&r->end, end, __ATOMIC_RELAXED);
  __atomic_add_fetch(&mem->code_epoch, 1, __ATOMIC_SEQ_CST);
}

void memory_code_changed(Memory *mem, u64 start, u64 end) {
  note(mem, start, end);
  memory_shared_each(mem, start, end, note);
  memory_kick(mem);
}

bool memory_code_next(const Memory *mem, u64 *epoch, CodeRange *range) {
  u64 now = __atomic_load_n(&mem->code_epoch, __ATOMIC_ACQUIRE);
  if (*epoch == now) return false;
  const CodeRange *r = &mem->changes[*epoch % CODE_CHANGES];
  range->start = __atomic_load_n(&r->start, __ATOMIC_RELAXED);
  range->end = __atomic_load_n(&r->end, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  now = __atomic_load_n(&mem->code_epoch, __ATOMIC_RELAXED);
  if (now - *epoch < CODE_CHANGES) {
    ++*epoch;
  } else { /* overwritten */
    *range = (CodeRange){0, GUEST_TOP};
    *epoch = now;
  }
  return true;
}

/* --- Marking and forgetting --- */

bool memory_guard_code(Memory *mem, u64 page) {
  u8 flags = memory_flags(mem, page);
  if (memory_is_hot(mem, page)) return false;
  bool ok = (flags & PAGE_MAPPED) != 0 && memory_split_leaves(mem, page, page + GUEST_PAGE);
  bool protect = ok && (flags & PAGE_W) != 0 && (flags & PAGE_GUARDED) == 0;
  if (protect) ok = mprotect(memory_host(mem, page), GUEST_PAGE, PROT_READ) == 0;
  if (ok) memory_set_flags(mem, page, page + GUEST_PAGE, 0xff, PAGE_CODE);
  if (ok && protect) memory_tlb_changed(mem);
  return ok;
}

bool memory_mark_code(Memory *mem, u64 addr) {
  u64 page = addr & GUEST_PAGE_MASK;
  if ((memory_flags(mem, page) & (PAGE_CODE | PAGE_SHARED)) == PAGE_CODE) return true;
  memory_lock(mem);
  bool ok = memory_guard_code(mem, page);
  if ((memory_flags(mem, page) & PAGE_SHARED) != 0) ok &= memory_shared_mark(mem, page);
  memory_unlock(mem);
  return ok;
}

/* Whether any page of the range has one of the flags in `mask`. */
static bool any_flags(const Memory *mem, u64 start, u64 end, u8 mask) {
  while (start < end) {
    u8 flags;
    start = memory_run(mem, start, end, mask, &flags);
    if (flags != 0) return true;
  }
  return false;
}

void memory_drop_code(Memory *mem, u64 start, u64 end) {
  u64 first = start;
  bool any = memory_cool_range(mem, start, end);
  for (u64 stop; start < end; start = stop) {
    u8 code;
    stop = memory_run(mem, start, end, PAGE_CODE, &code);
    if (code == 0) continue;
    any = true; /* even if, for want of memory, the page keeps its flag */
    if (memory_split_leaves(mem, start, stop))
      memory_set_flags(mem, start, stop, (u8)~PAGE_CODE, 0);
  }
  if (any) memory_code_changed(mem, first, end);
}

void memory_invalidate(Memory *mem, u64 addr, u64 len) {
  u64 start, end;
  if (!memory_clip(addr, len, &start, &end)) return;
  if (mem->hot_count == 0 && !any_flags(mem, start, end, PAGE_CODE)) return;
  memory_lock(mem);
  for (u64 stop; start < end; start = stop) {
    u8 code;
    stop = memory_run(mem, start, end, PAGE_CODE, &code);
    if (code == 0) continue;
    memory_drop_code(mem, start, stop);
    memory_apply_host(mem, start, stop);
  }
  if (memory_cool_range(mem, addr & GUEST_PAGE_MASK, end))
    memory_code_changed(mem, addr & GUEST_PAGE_MASK, end);
  memory_unlock(mem);
}

bool memory_lift(Memory *mem, u64 start, u64 end, bool *code) {
  for (u64 stop; start < end; start = stop) {
    u8 flags;
    stop = memory_run(mem, start, end, PAGE_W | PAGE_GUARDED, &flags);
    if ((flags & PAGE_W) == 0 || (flags & PAGE_GUARDED) == 0) continue;
    if (!memory_split_leaves(mem, start, stop)) return false;
    if (mprotect(memory_host(mem, start), stop - start, PROT_READ | PROT_WRITE) != 0) return false;
    u8 dirty = (flags & PAGE_TRACK) != 0 ? PAGE_DIRTY : 0;
    memory_set_flags(mem, start, stop, (u8)~PAGE_GUARDED, dirty);
    *code |= (flags & PAGE_CODE) != 0;
  }
  return true;
}

void memory_prepare_write(Memory *mem, u64 addr, u64 len) {
  u64 start, end;
  bool code = false;
  if (!memory_clip(addr, len, &start, &end)) return;
  if (!any_flags(mem, start, end, PAGE_GUARDED)) return;
  memory_lock(mem);
  memory_lift(mem, start, end, &code);
  if (code) memory_code_changed(mem, start, end);
  memory_unlock(mem);
}

/* The page may be unguarded already, by another thread that faulted at the same time; protecting it
 * once more then proves that a retry makes progress. */
static bool lift_page(Memory *mem, u64 page, bool *code) {
  u64 end = page + GUEST_PAGE;
  if ((memory_flags(mem, page) & PAGE_GUARDED) == 0)
    return mprotect(memory_host(mem, page), GUEST_PAGE, PROT_READ | PROT_WRITE) == 0;
  bool ok = memory_lift(mem, page, end, code);
  if (!ok) { /* vm.max_map_count: lifting whole runs merges host mappings instead of splitting one */
    u64 span = (u64)LEAF_PAGES << GUEST_PAGE_BITS;
    page &= ~(span - 1);
    end = page + span;
    ok = memory_lift(mem, page, end, code);
  }
  if (*code) {
    memory_heat(mem, page);
    memory_code_changed(mem, page, end);
  }
  return ok;
}

bool memory_write_fault(Memory *mem, u64 addr, bool *was_code) {
  u64 page = addr & GUEST_PAGE_MASK;
  bool ok = false;
  *was_code = false;
  if ((memory_flags(mem, page) & PAGE_W) == 0) return false;
  memory_lock(mem);
  if ((memory_flags(mem, page) & PAGE_W) != 0) ok = lift_page(mem, page, was_code);
  memory_unlock(mem);
  return ok;
}
