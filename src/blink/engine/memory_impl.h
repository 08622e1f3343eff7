/* What the memory_*.c files share; nobody else includes this. */
#ifndef BLINK_MEMORY_IMPL_H
#define BLINK_MEMORY_IMPL_H
#include "memory.h"

static inline void *memory_host(const Memory *mem, u64 addr) { return (void *)(addr + mem->skew); }

/* Rounds [addr, addr + len) to pages, clipped to GUEST_TOP; false when nothing is left. */
static inline bool memory_clip(u64 addr, u64 len, u64 *start, u64 *end) {
  if (len == 0 || addr >= GUEST_TOP) return false;
  *start = addr & GUEST_PAGE_MASK;
  *end = len > GUEST_TOP - addr ? GUEST_TOP : (addr + len + GUEST_PAGE - 1) & GUEST_PAGE_MASK;
  return true;
}

/* A spin lock that yields: holders only make system calls on mappings, never touch guest memory
 * outside a guard and never wait for the GIL. */
void memory_lock(Memory *mem);
void memory_unlock(Memory *mem);

/* --- All below need the lock; addresses are page-aligned and at most GUEST_TOP. --- */

/* Makes leaves where [start, end) begins or ends inside one, so that memory_set_flags() cannot
 * fail.  false when out of memory. */
bool memory_split_leaves(Memory *mem, u64 start, u64 end);
/* flags = (flags & keep) | set for each page; the leaves must have been split. */
void memory_set_flags(Memory *mem, u64 start, u64 end, u8 keep, u8 set);
void memory_drop_leaves(Memory *mem);

/* The host protection of a page with these flags. */
int memory_host_prot(u8 flags);
/* mprotect(2) by the flags: 0 or -errno. */
int memory_apply_host(Memory *mem, u64 start, u64 end);

/* Forgets CODE without touching host protection. */
void memory_drop_code(Memory *mem, u64 start, u64 end);
/* Lifts CODE and TRACK from writable pages.  *code is set when a page had CODE. */
bool memory_lift(Memory *mem, u64 start, u64 end, bool *code);
/* Attached Cpus must drop what they decoded from a range, or their TLBs, before they go on. */
void memory_code_changed(Memory *mem, u64 start, u64 end);
void memory_tlb_changed(Memory *mem);
/* Makes all attached Cpus look at the epochs soon. */
void memory_kick(Memory *mem);

/* Pages that are written too often to be protected (memory_hot.c): a store met code there; the pages of
 * a range are such no more, and whether there were any. */
bool memory_is_hot(Memory *mem, u64 page);
void memory_heat(Memory *mem, u64 page);
bool memory_cool_range(Memory *mem, u64 start, u64 end);

/* Sets CODE on a mapped page and write-protects it; false when the host has no room for that. */
bool memory_guard_code(Memory *mem, u64 page);

/* Files that are mapped more than once: memory_shared.c.  The mapping of `fd` at [start, end) is new;
 * a range is unmapped, or about to be; a mapping moves or changes its size (old_end == old: is
 * duplicated); code was found on a page: marks the others that show the same page of the file, false
 * when one cannot be protected. */
void memory_shared_add(Memory *mem, u64 start, u64 end, int fd, u64 offset);
void memory_shared_cut(Memory *mem, u64 start, u64 end);
void memory_shared_move(Memory *mem, u64 old, u64 old_end, u64 start, u64 end);
bool memory_shared_mark(Memory *mem, u64 page);
void memory_shared_clear(Memory *mem);
/* Calls `act` for the other ranges that show the pages of this one. */
void memory_shared_each(Memory *mem, u64 start, u64 end, void (*act)(Memory *, u64, u64));

/* munmap(2) of the mapped pages of a range. */
int memory_unmap_locked(Memory *mem, u64 start, u64 end);

#endif
