/* The page-flag table: a root of uniform values or leaves.  A reservation of terabytes changes one
 * root entry a gigabyte and at most two leaves. */
#include "memory_impl.h"

#include <string.h>
#include <sys/mman.h>

#define LEAF_SPAN ((u64)LEAF_PAGES << GUEST_PAGE_BITS)
#define SPREAD ((u64)0x0101010101010101)

/* The index behind the last byte, from i on, whose masked value is `value`. */
static u64 leaf_run(const u8 *leaf, u64 i, u64 n, u8 mask, u8 value) {
  u64 wide_mask = mask * SPREAD, wide = value * SPREAD;
  while (i < n) {
    u64 word;
    if (i + sizeof word <= n) {
      memcpy(&word, leaf + i, sizeof word);
      if ((word & wide_mask) == wide) {
        i += sizeof word;
        continue;
      }
    }
    if ((leaf[i] & mask) != value) break;
    i++;
  }
  return i;
}

/* Where entries that equal `entry`, which stands for that of `addr`, end.  Most of a guest's terabytes are
 * one long run of zeros, which exec looks through some forty times. */
static u64 root_run(const Memory *mem, u64 addr, u64 end, uintptr_t entry) {
  u64 i = addr / LEAF_SPAN + 1, n = (end + LEAF_SPAN - 1) / LEAF_SPAN;
  while (i < n && __atomic_load_n(&mem->root[i], __ATOMIC_RELAXED) == entry) i++;
  return i < n ? i * LEAF_SPAN : end;
}

u64 memory_run(const Memory *mem, u64 addr, u64 end, u8 mask, u8 *value) {
  u8 want = memory_flags(mem, addr) & mask;
  *value = want;
  while (addr < end) {
    u64 leaf_end = (addr | (LEAF_SPAN - 1)) + 1;
    u64 stop = leaf_end < end ? leaf_end : end;
    uintptr_t entry = __atomic_load_n(&mem->root[addr / LEAF_SPAN], __ATOMIC_ACQUIRE);
    if (entry < 256) {
      if ((entry & mask) != want) return addr;
      stop = root_run(mem, addr, end, entry);
    } else {
      u64 first = (addr % LEAF_SPAN) >> GUEST_PAGE_BITS;
      u64 n = first + ((stop - addr) >> GUEST_PAGE_BITS);
      u64 i = leaf_run((const u8 *)entry, first, n, mask, want);
      if (i < n) return addr + ((i - first) << GUEST_PAGE_BITS);
    }
    addr = stop;
  }
  return end;
}

/* Leaves come from mmap: a leaf of zeros costs nothing until its pages are used. */
static bool make_leaf(Memory *mem, u64 addr) {
  uintptr_t *slot = &mem->root[addr / LEAF_SPAN];
  if (*slot >= 256) return true;
  void *leaf = mmap(NULL, LEAF_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (leaf == MAP_FAILED) return false;
  if (*slot != 0) memset(leaf, (int)*slot, LEAF_PAGES);
  __atomic_store_n(slot, (uintptr_t)leaf, __ATOMIC_RELEASE);
  return true;
}

bool memory_split_leaves(Memory *mem, u64 start, u64 end) {
  if (start % LEAF_SPAN != 0 && !make_leaf(mem, start)) return false;
  return end % LEAF_SPAN == 0 || make_leaf(mem, end);
}

static void set_leaf(u8 *leaf, u64 n, u8 keep, u8 set) {
  if (keep == 0) {
    memset(leaf, set, n);
    return;
  }
  for (u64 i = 0; i < n; i++) {
    u8 value = (leaf[i] & keep) | set;
    if (value != leaf[i]) leaf[i] = value;
  }
}

void memory_set_flags(Memory *mem, u64 start, u64 end, u8 keep, u8 set) {
  while (start < end) {
    u64 leaf_end = (start | (LEAF_SPAN - 1)) + 1;
    u64 stop = leaf_end < end ? leaf_end : end;
    uintptr_t *slot = &mem->root[start / LEAF_SPAN];
    if (*slot < 256) {
      __atomic_store_n(slot, (*slot & keep) | set, __ATOMIC_RELEASE);
    } else {
      u8 *leaf = (u8 *)*slot + ((start % LEAF_SPAN) >> GUEST_PAGE_BITS);
      set_leaf(leaf, (stop - start) >> GUEST_PAGE_BITS, keep, set);
    }
    start = stop;
  }
}

void memory_drop_leaves(Memory *mem) {
  for (u64 i = 0; i < ROOT_SIZE; i++) {
    if (mem->root[i] >= 256) munmap((void *)mem->root[i], LEAF_PAGES);
    if (mem->root[i] != 0) mem->root[i] = 0;
  }
}
