/* Guest memory: page flags, host mappings, fault-guarded access, and the loads and stores of
 * instruction handlers.
 *
 * Two modes.  Linear: host address = guest address, and the host's page protection is the check.
 * Paged: host address = guest address + PAGED_SKEW, and every access is checked in software against
 * the page flags through a TLB.  Both modes give host pages the guest's protection (W implies R, as
 * on x86; X becomes R), so that the host kernel, too, refuses a system call's bad pointer.  Writable
 * pages with CODE or TRACK lose host write permission until memory_write_fault() gives it back.
 *
 * Threads: flag bytes are read without a lock and changed under one.  A change that another Cpu must
 * notice bumps code_epoch or tlb_epoch and then sets limit = 0 in every attached Cpu.  A Cpu that
 * starts to run must store its limit first and compare the epochs after that.
 */
#ifndef BLINK_MEMORY_H
#define BLINK_MEMORY_H
#include "cpu.h"

#define GUEST_PAGE_BITS 12
#define GUEST_PAGE ((u64)1 << GUEST_PAGE_BITS)
#define GUEST_PAGE_MASK (~(GUEST_PAGE - 1))
#define GUEST_TOP ((u64)0x200000000000)
#define PAGED_SKEW ((u64)0x200000000000)

enum {
  PAGE_R = 1,
  PAGE_W = 2,
  PAGE_X = 4,
  PAGE_CODE = 8, /* records were decoded from it */
  PAGE_MAPPED = 16,
  PAGE_TRACK = 32, /* host-write-protected until the first write, which makes it DIRTY */
  PAGE_SHARED = 64,
  PAGE_DIRTY = 128, /* written since memory_track_begin() */
  PAGE_PROT = PAGE_R | PAGE_W | PAGE_X,
  PAGE_GUARDED = PAGE_CODE | PAGE_TRACK
};

/* Error code bits of a page fault (Intel SDM volume 3, 4.7). */
enum { PF_PRESENT = 1, PF_WRITE = 2, PF_USER = 4, PF_FETCH = 16 };

/* The flag table has two levels.  A root entry below 256 is the flag byte of all its pages; else it
 * is the address of a leaf, one byte a page. */
enum { LEAF_BITS = 18, LEAF_PAGES = 1 << LEAF_BITS, ROOT_SIZE = 1 << (45 - 12 - LEAF_BITS) };

typedef struct Shared Shared;

/* The latest changes of code, for those who decoded it: entry `epoch` % CODE_CHANGES led from that
 * epoch to the next. */
enum { CODE_CHANGES = 256 };
typedef struct {
  u64 start, end;
} CodeRange;

/* How often a store met code on a page: memory_hot.c. */
enum { HEAT_SIZE = 256 };
typedef struct {
  u64 page;
  u16 faults, level;
  u32 ticks; /* how long it stays hot; 0: it is not */
} PageHeat;

struct Memory {
  u64 skew; /* host address - guest address */
  bool paged;
  bool tracking;
  volatile u32 lock;
  volatile u64 code_epoch; /* grows whenever decoded code became invalid */
  volatile u64 tlb_epoch;  /* grows whenever a TLB entry may have become too permissive */
  Cpu *cpus;               /* attached ones, linked by next_attached */
  uintptr_t *root;         /* ROOT_SIZE entries */
  Shared *shared;          /* shared mappings of files: memory_shared.c */
  CodeRange changes[CODE_CHANGES];
  u64 clock;     /* 0: RDTSC asks the host; else what it returned last */
  bool compares; /* there is a translator, whose code can compare its source */
  u32 hot_count;
  PageHeat heat[HEAT_SIZE];
};

/* --- Life --- */

/* NULL when out of memory. */
Memory *memory_new(bool paged);
/* Unmaps all guest pages.  No Cpu may be attached any more. */
void memory_free(Memory *mem);
/* Unmaps all guest pages and forgets their flags (execve).  Cpus stay attached; none may run. */
void memory_reset(Memory *mem);
/* Sets c->mem and empties the TLB of c. */
void memory_attach(Memory *mem, Cpu *c);
void memory_detach(Cpu *c);
/* Hold the lock over fork(): the thread that forks calls memory_fork_begin() before it, and
 * memory_fork_end() after it in both processes. */
void memory_fork_begin(Memory *mem);
void memory_fork_end(Memory *mem);

/* --- Page flags --- */

/* The flag byte of the page of `addr`; 0 for every address that is not mapped. */
static inline u8 memory_flags(const Memory *mem, u64 addr) {
  if (unlikely(addr >= GUEST_TOP)) return 0;
  u64 page = addr >> GUEST_PAGE_BITS;
  uintptr_t entry = __atomic_load_n(&mem->root[page >> LEAF_BITS], __ATOMIC_ACQUIRE);
  if (entry < 256) return (u8)entry;
  return __atomic_load_n((const u8 *)entry + (page & (LEAF_PAGES - 1)), __ATOMIC_RELAXED);
}

/* The end of the run of pages that share flags & mask with the page of `addr`, at most `end` (both
 * page-aligned, end <= GUEST_TOP); the shared value goes to *value.  Runs of gigabytes are cheap. */
u64 memory_run(const Memory *mem, u64 addr, u64 end, u8 mask, u8 *value);

/* Whether each page of the range has one of the flags in `need` at least; false with the first
 * address that has not in *fault. */
bool memory_check_flags(const Memory *mem, u64 addr, u64 len, u8 need, u64 *fault);

/* --- Mappings: 0 or -errno.  Addresses are guest addresses, page-aligned; lengths are bytes, rounded
 * up to pages.  Host areas inside a range count as unmapped; map and remap give -EEXIST there. --- */

/* `prot` in PAGE_R|W|X; `flags` as for mmap(2), of which MAP_FIXED is implied. */
int memory_map(Memory *mem, u64 addr, u64 len, u32 prot, u32 flags, int fd, u64 offset);
int memory_unmap(Memory *mem, u64 addr, u64 len);
/* -ENOMEM at the first unmapped page, with the pages before it changed, as mprotect(2) does. */
int memory_protect(Memory *mem, u64 addr, u64 len, u32 prot);
/* Moves (new != old) or resizes in place; old_len 0 duplicates a shared mapping. */
int memory_remap(Memory *mem, u64 old, u64 old_len, u64 new_addr, u64 new_len);

/* --- Code and write tracking --- */

/* Notes that records are being decoded from the page of `addr`; call it before reading the bytes and
 * drop the block if code_epoch moved meanwhile.  false: a writable page is not protected, because it
 * is written too often or the host has no room (vm.max_map_count), so nobody will tell when it
 * changes. */
bool memory_mark_code(Memory *mem, u64 addr);
/* Code that compares its source ran for a while: pages that are not protected may be tried again. */
void memory_tick(Memory *mem);
/* The next range of which decoded code is invalid since *epoch, which moves on; false when there is
 * none.  Who is far behind gets the whole address space. */
bool memory_code_next(const Memory *mem, u64 *epoch, CodeRange *range);
/* Bytes or permissions changed: forgets CODE in the range, bumps code_epoch if there was any. */
void memory_invalidate(Memory *mem, u64 addr, u64 len);
/* Before somebody else (the host kernel) writes there: lifts CODE and TRACK protection. */
void memory_prepare_write(Memory *mem, u64 addr, u64 len);
/* A store to guest address `addr` met a write-protected host page (SIGSEGV, never SIGBUS).  true: it
 * was our protection (CODE, TRACK), now lifted, so retry; *was_code tells that code_epoch moved.
 * false: the guest's own fault.  Safe in the signal handler; both modes need it. */
bool memory_write_fault(Memory *mem, u64 addr, bool *was_code);

/* Write-protects all writable private pages.  0 or -errno. */
int memory_track_begin(Memory *mem);
void memory_track_end(Memory *mem);
/* The first DIRTY page at or above `from`, or GUEST_TOP. */
u64 memory_dirty_next(const Memory *mem, u64 from);

/* --- Guarded access from the engine and Python: true, or false with the first inaccessible guest
 * address in *fault.  Unbacked pages (past the end of a file) count as inaccessible.  `force` ignores
 * the guest's protection, but pages must be mapped. --- */

bool memory_read(Memory *mem, u64 addr, void *dst, u64 len, bool force, u64 *fault);
bool memory_write(Memory *mem, u64 addr, const void *src, u64 len, bool force, u64 *fault);
bool memory_zero(Memory *mem, u64 addr, u64 len, u64 *fault);
bool memory_probe(Memory *mem, u64 addr, u64 len, bool write, u64 *fault);
/* Copies a string of at most `limit` bytes without its NUL; its length, `limit` if there is no NUL
 * among the first `limit` bytes, or -1 with *fault. */
s64 memory_read_cstr(Memory *mem, u64 addr, char *dst, u64 limit, u64 *fault);
/* Instruction fetch: copies up to `len` bytes and stops at the first page that is not executable or
 * not backed.  The number of bytes copied. */
u32 memory_fetch(Memory *mem, u64 addr, void *dst, u32 len);

/* Resident bytes of the guest.  Slow: reads /proc/self/smaps. */
u64 memory_rss(const Memory *mem);

/* The SIGSEGV and SIGBUS handler asks this first.  Does not return if this thread is in a guarded
 * access; false otherwise.  The handler must be installed with SA_NODEFER and an empty mask. */
bool memory_guard_fault(void *host_addr, int signo);

/* --- The handlers' side --- */

NORETURN void cpu_fault(Cpu *c, u32 vector, u64 error, u64 addr); /* run.c */

void memory_flush_tlb(Cpu *c);

/* Before a Cpu runs, and when it finds limit == 0. */
static inline void memory_sync(Cpu *c) {
  if (unlikely(c->tlb_epoch != c->mem->tlb_epoch)) memory_flush_tlb(c);
}

/* Whether bits 48 to 63 are copies of bit 47 (SDM volume 1, 3.3.7.1). */
static inline bool is_canonical(u64 addr) { return (u64)((s64)(addr << 16) >> 16) == addr; }

/* TLB miss, page crossing, or a fault.  `access` is one of PAGE_R, PAGE_W, PAGE_X.  The host
 * address; leaves by cpu_fault: EXC_ADDRESS when not canonical, else #PF with the first bad address; leaves
 * by cpu_code_written when a store meets decoded code. */
__attribute__((cold, noinline)) void *mem_slow(Cpu *c, u64 addr, u32 size, u32 access);

typedef u16 __attribute__((may_alias, aligned(1))) mem_u16;
typedef u32 __attribute__((may_alias, aligned(1))) mem_u32;
typedef u64 __attribute__((may_alias, aligned(1))) mem_u64;
typedef long long __attribute__((vector_size(16), may_alias, aligned(1))) mem_v128;

#if BLINK_PAGED

/* One compare finds both a miss and a page crossing: the entry of the first byte's page never holds
 * the tag of the next page, which has another index. */
static ALWAYS_INLINE void *mem_rd(Cpu *c, u64 addr, u32 size) {
  const TlbEntry *e = &c->tlb[(addr >> GUEST_PAGE_BITS) & (TLB_SIZE - 1)];
  if (unlikely(e->read != ((addr + size - 1) & GUEST_PAGE_MASK)))
    return mem_slow(c, addr, size, PAGE_R);
  return (void *)(addr + PAGED_SKEW);
}

static ALWAYS_INLINE void *mem_wr(Cpu *c, u64 addr, u32 size) {
  const TlbEntry *e = &c->tlb[(addr >> GUEST_PAGE_BITS) & (TLB_SIZE - 1)];
  if (unlikely(e->write != ((addr + size - 1) & GUEST_PAGE_MASK)))
    return mem_slow(c, addr, size, PAGE_W);
  return (void *)(addr + PAGED_SKEW);
}

#else

static ALWAYS_INLINE void *mem_rd(Cpu *c, u64 addr, u32 size) {
  (void)c, (void)size;
  return (void *)addr;
}

static ALWAYS_INLINE void *mem_wr(Cpu *c, u64 addr, u32 size) {
  (void)c, (void)size;
  return (void *)addr;
}

#endif

/* Volatile: a load that must fault is never dropped, and no store moves over another. */
static ALWAYS_INLINE u8 LOAD8(Cpu *c, u64 addr) { return *(const volatile u8 *)mem_rd(c, addr, 1); }

static ALWAYS_INLINE u16 LOAD16(Cpu *c, u64 addr) {
  return *(const volatile mem_u16 *)mem_rd(c, addr, 2);
}

static ALWAYS_INLINE u32 LOAD32(Cpu *c, u64 addr) {
  return *(const volatile mem_u32 *)mem_rd(c, addr, 4);
}

static ALWAYS_INLINE u64 LOAD64(Cpu *c, u64 addr) {
  return *(const volatile mem_u64 *)mem_rd(c, addr, 8);
}

static ALWAYS_INLINE V128 LOAD128(Cpu *c, u64 addr) {
  mem_v128 v = *(const volatile mem_v128 *)mem_rd(c, addr, 16);
  V128 out;
  __builtin_memcpy(&out, &v, sizeof out);
  return out;
}

static ALWAYS_INLINE void STORE8(Cpu *c, u64 addr, u8 v) { *(volatile u8 *)mem_wr(c, addr, 1) = v; }

static ALWAYS_INLINE void STORE16(Cpu *c, u64 addr, u16 v) {
  *(volatile mem_u16 *)mem_wr(c, addr, 2) = v;
}

static ALWAYS_INLINE void STORE32(Cpu *c, u64 addr, u32 v) {
  *(volatile mem_u32 *)mem_wr(c, addr, 4) = v;
}

static ALWAYS_INLINE void STORE64(Cpu *c, u64 addr, u64 v) {
  *(volatile mem_u64 *)mem_wr(c, addr, 8) = v;
}

static ALWAYS_INLINE void STORE128(Cpu *c, u64 addr, V128 v) {
  mem_v128 out;
  __builtin_memcpy(&out, &v, sizeof out);
  *(volatile mem_v128 *)mem_wr(c, addr, 16) = out;
}

#endif
