/* Memory: life, attached Cpus, host protection, and the slow path of paged mode. */
#include "memory_impl.h"
#include "run.h"
#include "watch.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

Memory *memory_new(bool paged) {
  Memory *mem = calloc(1, sizeof *mem);
  uintptr_t *root = calloc(ROOT_SIZE, sizeof *root);
  if (mem == NULL || root == NULL) {
    free(mem), free(root);
    return NULL;
  }
  mem->root = root;
  mem->paged = paged;
  mem->skew = paged ? PAGED_SKEW : 0;
  return mem;
}

void memory_free(Memory *mem) {
  memory_reset(mem);
  free(mem->root);
  free(mem);
}

void memory_reset(Memory *mem) {
  memory_lock(mem);
  memory_unmap_locked(mem, 0, GUEST_TOP);
  memory_drop_leaves(mem);
  memory_shared_clear(mem);
  mem->tracking = false;
  memory_code_changed(mem, 0, GUEST_TOP);
  memory_tlb_changed(mem);
  memory_unlock(mem);
}

void memory_lock(Memory *mem) {
  while (__atomic_exchange_n(&mem->lock, 1, __ATOMIC_ACQUIRE) != 0)
    while (mem->lock != 0) sched_yield();
}

void memory_unlock(Memory *mem) { __atomic_store_n(&mem->lock, 0, __ATOMIC_RELEASE); }

void memory_fork_begin(Memory *mem) { memory_lock(mem); }

void memory_fork_end(Memory *mem) { memory_unlock(mem); }

/* --- Attached Cpus --- */

void memory_flush_tlb(Cpu *c) {
  /* The epoch first: a change that comes meanwhile must be seen next time. */
  c->tlb_epoch = __atomic_load_n(&c->mem->tlb_epoch, __ATOMIC_ACQUIRE);
  memset(c->tlb, 0xff, sizeof c->tlb);
}

void memory_attach(Memory *mem, Cpu *c) {
  memory_lock(mem);
  c->mem = mem;
  c->next_attached = mem->cpus;
  mem->cpus = c;
  memory_unlock(mem);
  memory_flush_tlb(c);
}

void memory_detach(Cpu *c) {
  Memory *mem = c->mem;
  if (mem == NULL) return;
  memory_lock(mem);
  for (Cpu **link = &mem->cpus; *link != NULL; link = &(*link)->next_attached) {
    if (*link != c) continue;
    *link = c->next_attached;
    break;
  }
  memory_unlock(mem);
  c->mem = NULL;
  c->next_attached = NULL;
}

/* Interpreters look at their limit, translated code writes to its poll page. */
void memory_kick(Memory *mem) {
  for (Cpu *c = mem->cpus; c != NULL; c = c->next_attached) {
    c->limit = 0;
    if (!c->js.active) continue;
    c->js.closed = 1;
    mprotect(&c->poll, sizeof c->poll, PROT_READ);
  }
}

void memory_tlb_changed(Memory *mem) {
  if (!mem->paged) return;
  __atomic_add_fetch(&mem->tlb_epoch, 1, __ATOMIC_SEQ_CST);
  memory_kick(mem);
}

/* --- Host protection --- */

int memory_host_prot(u8 flags) {
  if ((flags & PAGE_PROT) == 0) return PROT_NONE;
  return (flags & PAGE_W) != 0 && (flags & PAGE_GUARDED) == 0 ? PROT_READ | PROT_WRITE : PROT_READ;
}

int memory_apply_host(Memory *mem, u64 start, u64 end) {
  int result = 0;
  for (u64 stop; start < end; start = stop) {
    u8 flags;
    stop = memory_run(mem, start, end, PAGE_MAPPED | PAGE_PROT | PAGE_GUARDED, &flags);
    if ((flags & PAGE_MAPPED) == 0) continue;
    if (mprotect(memory_host(mem, start), stop - start, memory_host_prot(flags)) != 0)
      result = -errno;
  }
  return result;
}

/* --- Paged mode --- */

static NORETURN void page_fault(Cpu *c, u64 addr, u8 flags, u32 access) {
  u64 error = PF_USER;
  if ((flags & PAGE_PROT) != 0) error |= PF_PRESENT;
  if (access == PAGE_W) error |= PF_WRITE;
  if (access == PAGE_X) error |= PF_FETCH;
  cpu_fault(c, EXC_PF, error, addr);
}

static void fill_tlb(Cpu *c, u64 page, u8 flags) {
  TlbEntry *e = &c->tlb[(page >> GUEST_PAGE_BITS) & (TLB_SIZE - 1)];
  bool write = (flags & PAGE_W) != 0 && (flags & PAGE_GUARDED) == 0;
  e->read = (flags & PAGE_PROT) != 0 ? page : ~(u64)0;
  e->write = write ? page : ~(u64)0;
  e->exec = (flags & PAGE_X) != 0 ? page : ~(u64)0;
}

static void check_page(Cpu *c, u64 page, u64 addr, u32 access) {
  Memory *mem = c->mem;
  u8 flags = memory_flags(mem, page);
  u8 need = access == PAGE_R ? PAGE_PROT : (u8)access;
  bool was_code;
  if ((flags & need) == 0) page_fault(c, addr, flags, access);
  if (access == PAGE_W && (flags & PAGE_GUARDED) != 0) {
    if (!memory_write_fault(mem, page, &was_code)) page_fault(c, addr, flags, access);
    if (was_code) cpu_code_written(c); /* what follows this instruction may be new */
    flags = memory_flags(mem, page);
  }
  if (!c->checked) fill_tlb(c, page, flags);
}

void *mem_slow(Cpu *c, u64 addr, u32 size, u32 access) {
  u64 end = addr + size - 1;
  if (!is_canonical(addr) || !is_canonical(end)) cpu_fault(c, EXC_ADDRESS, 0, 0);
  memory_sync(c);
  check_page(c, addr & GUEST_PAGE_MASK, addr, access);
  for (u64 page = addr & GUEST_PAGE_MASK; page != (end & GUEST_PAGE_MASK);) {
    page += GUEST_PAGE;
    check_page(c, page, page, access);
  }
  if (unlikely(c->checked)) cpu_observe(c, addr, size, access);
  return memory_host(c->mem, addr);
}
