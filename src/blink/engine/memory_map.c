/* Mappings: the host's mmap family inside the guest range, with the page flags kept in step. */
#define _GNU_SOURCE
#include "memory_impl.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Rounds the end up to a page: 0, -EINVAL for an empty range or a stray low bit, -ENOMEM for a range
 * that leaves the guest space. */
static int page_range(u64 addr, u64 len, u64 *end) {
  if (addr % GUEST_PAGE != 0 || len == 0) return -EINVAL;
  if (addr >= GUEST_TOP || len > GUEST_TOP - addr) return -ENOMEM;
  *end = (addr + len + GUEST_PAGE - 1) & GUEST_PAGE_MASK;
  return 0;
}

typedef struct {
  u32 prot, flags;
  int fd;
  u64 offset;
} Backing;

/* Kernels before 4.17 take MAP_FIXED_NOREPLACE for a hint and may answer with another address. */
static int map_exactly(const Memory *mem, u64 addr, u64 len, const Backing *b) {
  void *want = memory_host(mem, addr);
  void *got = mmap(want, len, (int)b->prot, (int)b->flags, b->fd, (off_t)b->offset);
  if (got == MAP_FAILED) return -errno;
  if (got == want) return 0;
  munmap(got, len);
  return -EEXIST;
}

static void unclaim(Memory *mem, u64 start, u64 end) {
  for (u64 stop; start < end; start = stop) {
    u8 mapped;
    stop = memory_run(mem, start, end, PAGE_MAPPED, &mapped);
    if (mapped == 0) munmap(memory_host(mem, start), stop - start);
  }
}

/* Puts placeholders where nothing of the guest is mapped; after that MAP_FIXED over the whole range
 * replaces only guest pages.  -EEXIST when something of the host is there. */
static int claim(Memory *mem, u64 start, u64 end) {
  const u32 flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  const Backing none = {.prot = PROT_NONE, .flags = flags, .fd = -1};
  for (u64 at = start, stop; at < end; at = stop) {
    u8 mapped;
    stop = memory_run(mem, at, end, PAGE_MAPPED, &mapped);
    int r = mapped != 0 ? 0 : map_exactly(mem, at, stop - at, &none);
    if (r != 0) {
      unclaim(mem, start, at);
      return r;
    }
  }
  return 0;
}

static int place(Memory *mem, u64 start, u64 end, Backing b) {
  u8 mapped;
  bool mixed = memory_run(mem, start, end, PAGE_MAPPED, &mapped) != end;
  int r = mixed ? claim(mem, start, end) : 0;
  if (r != 0) return r;
  b.flags |= mixed || mapped != 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
  r = map_exactly(mem, start, end - start, &b);
  if (r != 0 && mixed) unclaim(mem, start, end);
  return r;
}

static int map_locked(Memory *mem, u64 start, u64 end, u8 flags, const Backing *b) {
  if (!memory_split_leaves(mem, start, end)) return -ENOMEM;
  int r = place(mem, start, end, *b);
  if (r != 0) return r;
  memory_drop_code(mem, start, end);
  memory_set_flags(mem, start, end, 0, flags);
  memory_shared_cut(mem, start, end);
  bool file = (flags & PAGE_SHARED) != 0 && (b->flags & MAP_ANONYMOUS) == 0;
  if (file) memory_shared_add(mem, start, end, b->fd, b->offset);
  memory_tlb_changed(mem);
  return 0;
}

/* What we pass on; the other flags say where to map, or let a mapping grow behind our back. */
enum {
  KEPT_FLAGS = MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_POPULATE |
               MAP_NONBLOCK | MAP_LOCKED
};

int memory_map(Memory *mem, u64 addr, u64 len, u32 prot, u32 flags, int fd, u64 offset) {
  u64 end;
  u32 kind = flags & (MAP_SHARED | MAP_PRIVATE); /* both bits: MAP_SHARED_VALIDATE */
  int r = page_range(addr, len, &end);
  if ((prot & ~(u32)PAGE_PROT) != 0 || kind == 0) r = -EINVAL;
  /* Pages of 2 MiB would not fit the flag table; answer like a host that reserved none. */
  if (r == 0 && (flags & MAP_HUGETLB) != 0) r = -ENOMEM;
  if (r != 0) return r;
  u8 page = (u8)(PAGE_MAPPED | prot | ((kind & MAP_SHARED) != 0 ? PAGE_SHARED : 0));
  u32 host = (u32)memory_host_prot(page);
  Backing b = {.prot = host, .flags = flags & KEPT_FLAGS, .fd = fd, .offset = offset};
  memory_lock(mem);
  r = map_locked(mem, addr, end, page, &b);
  memory_unlock(mem);
  return r;
}

int memory_unmap_locked(Memory *mem, u64 start, u64 end) {
  bool any = false;
  int r = 0;
  if (!memory_split_leaves(mem, start, end)) return -ENOMEM;
  for (u64 stop; start < end && r == 0; start = stop) {
    u8 mapped;
    stop = memory_run(mem, start, end, PAGE_MAPPED, &mapped);
    if (mapped == 0) continue;
    if (munmap(memory_host(mem, start), stop - start) != 0) {
      r = -errno;
      continue;
    }
    memory_drop_code(mem, start, stop);
    memory_set_flags(mem, start, stop, 0, 0);
    memory_shared_cut(mem, start, stop);
    any = true;
  }
  if (any) memory_tlb_changed(mem);
  return r;
}

int memory_unmap(Memory *mem, u64 addr, u64 len) {
  u64 end;
  if (page_range(addr, len, &end) != 0) return -EINVAL;
  memory_lock(mem);
  int r = memory_unmap_locked(mem, addr, end);
  memory_unlock(mem);
  return r;
}

/* The new flags of pages of which only SHARED and DIRTY are known.  While writes are tracked, a page
 * that becomes writable is tracked from then on. */
static u8 protected_flags(const Memory *mem, u8 old, u32 prot) {
  bool track = mem->tracking && (prot & PAGE_W) != 0 && (old & (PAGE_SHARED | PAGE_DIRTY)) == 0;
  return (u8)(PAGE_MAPPED | prot | old | (track ? PAGE_TRACK : 0));
}

static int protect_host(Memory *mem, u64 start, u64 end, u32 prot) {
  for (u64 at = start, stop; at < end; at = stop) {
    u8 old;
    stop = memory_run(mem, at, end, PAGE_SHARED | PAGE_DIRTY, &old);
    int host = memory_host_prot(protected_flags(mem, old, prot));
    if (mprotect(memory_host(mem, at), stop - at, host) == 0) continue;
    int r = -errno;
    memory_apply_host(mem, start, stop); /* back to what the unchanged flags say */
    return r;
  }
  return 0;
}

static int protect_locked(Memory *mem, u64 start, u64 end, u32 prot) {
  if (!memory_split_leaves(mem, start, end)) return -ENOMEM;
  int r = protect_host(mem, start, end, prot);
  if (r != 0) return r;
  memory_drop_code(mem, start, end);
  for (u64 stop; start < end; start = stop) {
    u8 old;
    stop = memory_run(mem, start, end, PAGE_SHARED | PAGE_DIRTY, &old);
    memory_set_flags(mem, start, stop, 0, protected_flags(mem, old, prot));
  }
  memory_tlb_changed(mem);
  return 0;
}

int memory_protect(Memory *mem, u64 addr, u64 len, u32 prot) {
  u64 end;
  u8 mapped;
  if ((prot & ~(u32)PAGE_PROT) != 0 || addr % GUEST_PAGE != 0) return -EINVAL;
  if (len == 0) return 0;
  if (page_range(addr, len, &end) != 0) return -ENOMEM;
  memory_lock(mem);
  u64 stop = memory_run(mem, addr, end, PAGE_MAPPED, &mapped);
  if (mapped == 0) stop = addr;
  int r = stop > addr ? protect_locked(mem, addr, stop, prot) : 0;
  memory_unlock(mem);
  return r == 0 && stop < end ? -ENOMEM : r;
}

/* --- mremap --- */

typedef struct {
  u64 old, old_end, new_addr, new_end;
} Move;

static int remap_host(const Memory *mem, const Move *m, int flags) {
  void *got = mremap(memory_host(mem, m->old), m->old_end - m->old, m->new_end - m->new_addr, flags,
                     memory_host(mem, m->new_addr));
  return got == MAP_FAILED ? -errno : 0;
}

/* Copies flags page by page in runs, then those of the last page over what was added. */
static void move_flags(Memory *mem, const Move *m) {
  u64 at = m->new_addr;
  u8 flags = memory_flags(mem, m->old);
  for (u64 from = m->old, stop; from < m->old_end && at < m->new_end; from = stop) {
    u64 limit = m->new_end - at < m->old_end - from ? from + (m->new_end - at) : m->old_end;
    stop = memory_run(mem, from, limit, 0xff, &flags);
    memory_set_flags(mem, at, at + (stop - from), 0, flags);
    at += stop - from;
  }
  memory_set_flags(mem, at, m->new_end, 0, flags);
}

static int remap_move(Memory *mem, const Move *m) {
  if (m->old < m->new_end && m->new_addr < m->old_end) return -EINVAL;
  int r = claim(mem, m->new_addr, m->new_end);
  if (r != 0) return r;
  r = remap_host(mem, m, MREMAP_MAYMOVE | MREMAP_FIXED);
  if (r != 0) {
    unclaim(mem, m->new_addr, m->new_end);
    return r;
  }
  memory_drop_code(mem, m->new_addr, m->new_end);
  move_flags(mem, m);
  memory_set_flags(mem, m->old, m->old_end, 0, 0);
  memory_shared_move(mem, m->old, m->old_end, m->new_addr, m->new_end);
  return 0;
}

static int remap_in_place(Memory *mem, const Move *m) {
  if (m->new_end <= m->old_end)
    return m->new_end == m->old_end ? 0 : memory_unmap_locked(mem, m->new_end, m->old_end);
  int r = remap_host(mem, m, 0);
  if (r != 0) return r;
  memory_set_flags(mem, m->old_end, m->new_end, 0, memory_flags(mem, m->old_end - GUEST_PAGE));
  memory_shared_move(mem, m->old, m->old_end, m->old, m->new_end);
  return 0;
}

/* Guards split host mappings, and mremap(2) works on one: lift them first. */
static int remap_locked(Memory *mem, const Move *m) {
  bool code = false;
  if ((memory_flags(mem, m->old) & PAGE_MAPPED) == 0) return -EFAULT;
  if (!memory_split_leaves(mem, m->old, m->old_end)) return -ENOMEM;
  if (!memory_split_leaves(mem, m->new_addr, m->new_end)) return -ENOMEM;
  if (!memory_lift(mem, m->old, m->old_end, &code)) return -ENOMEM;
  if (code) memory_code_changed(mem, m->old, m->old_end);
  memory_drop_code(mem, m->old, m->old_end);
  int r = m->new_addr == m->old ? remap_in_place(mem, m) : remap_move(mem, m);
  memory_tlb_changed(mem);
  return r;
}

int memory_remap(Memory *mem, u64 old, u64 old_len, u64 new_addr, u64 new_len) {
  Move m = {.old = old, .old_end = old, .new_addr = new_addr};
  if (old % GUEST_PAGE != 0) return -EINVAL;
  if (page_range(old, old_len != 0 ? old_len : GUEST_PAGE, &m.old_end) != 0) return -EFAULT;
  if (page_range(new_addr, new_len, &m.new_end) != 0) return -EINVAL;
  if (old_len == 0) {
    if (new_addr == old) return -EINVAL;
    m.old_end = old;
  }
  memory_lock(mem);
  int r = remap_locked(mem, &m);
  memory_unlock(mem);
  return r;
}
