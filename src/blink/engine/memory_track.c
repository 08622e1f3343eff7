/* Which private pages were written: a vfork child notes them for its parent. */
#include "memory_impl.h"

#include <errno.h>
#include <sys/mman.h>

int memory_track_begin(Memory *mem) {
  const u8 mask = PAGE_W | PAGE_SHARED | PAGE_TRACK;
  int r = 0;
  memory_lock(mem);
  mem->tracking = true;
  for (u64 at = 0, stop; at < GUEST_TOP && r == 0; at = stop) {
    u8 flags;
    stop = memory_run(mem, at, GUEST_TOP, mask, &flags);
    if (flags != PAGE_W) continue;
    if (!memory_split_leaves(mem, at, stop)) {
      r = -ENOMEM;
    } else if (mprotect(memory_host(mem, at), stop - at, PROT_READ) != 0) {
      r = -errno;
    } else {
      memory_set_flags(mem, at, stop, (u8)~PAGE_DIRTY, PAGE_TRACK);
    }
  }
  memory_tlb_changed(mem);
  memory_unlock(mem);
  if (r != 0) memory_track_end(mem);
  return r;
}

static void untrack(Memory *mem, u64 start, u64 end, u8 flags) {
  if (flags == 0 || !memory_split_leaves(mem, start, end)) return;
  memory_set_flags(mem, start, end, (u8) ~(PAGE_TRACK | PAGE_DIRTY), 0);
  if ((flags & PAGE_TRACK) != 0) memory_apply_host(mem, start, end);
}

void memory_track_end(Memory *mem) {
  memory_lock(mem);
  mem->tracking = false;
  for (u64 at = 0, stop; at < GUEST_TOP; at = stop) {
    u8 flags;
    stop = memory_run(mem, at, GUEST_TOP, PAGE_TRACK | PAGE_DIRTY, &flags);
    untrack(mem, at, stop, flags);
  }
  memory_unlock(mem);
}

u64 memory_dirty_next(const Memory *mem, u64 from) {
  from &= GUEST_PAGE_MASK;
  if (from >= GUEST_TOP) return GUEST_TOP;
  u8 dirty;
  u64 end = memory_run(mem, from, GUEST_TOP, PAGE_DIRTY, &dirty);
  return dirty != 0 ? from : end;
}
