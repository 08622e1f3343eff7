/* Watchpoints.  While there are any, the Cpu interprets with the handlers of paged memory and an empty
 * TLB, so that every access comes through mem_slow(), with its address and size. */
#include "watch.h"

#include <stdlib.h>

#include "doctor.h"
#include "memory.h"
#include "run.h"

void watch_changed(Cpu *c) {
  c->checked = c->watch_count || c->doctor;
  memory_flush_tlb(c);
  cache_flush(c);
}

bool cpu_set_watches(Cpu *c, Watch *list, u32 count) {
  if (c->doctor) return false;
  free(c->watches);
  c->watches = list;
  c->watch_count = count;
  watch_changed(c);
  return true;
}

/* Names one execution of one instruction, and of one turn of a REP string. */
static WatchPlace place(const Cpu *c) {
  return (WatchPlace){rec_rip(c->cur), c->icount + rec_ordinal(c->cur), c->gpr[RCX]};
}

static bool same(WatchPlace a, WatchPlace b) {
  return a.rip == b.rip && a.icount == b.icount && a.rcx == b.rcx;
}

/* An update reaches memory once, for both. */
static u32 kinds(Cpu *c, u32 access) {
  if (access != PAGE_W) return WATCH_READ;
  return insn_updates_memory(c, rec_rip(c->cur)) ? WATCH_READ | WATCH_WRITE : WATCH_WRITE;
}

static const Watch *overlapping(const Cpu *c, u64 addr, u32 size, u32 from) {
  for (u32 i = from; i < c->watch_count; i++) {
    const Watch *w = &c->watches[i];
    if (addr - w->start < w->length || w->start - addr < size) return w;
  }
  return NULL;
}

void cpu_observe(Cpu *c, u64 addr, u32 size, u32 access) {
  if (c->doctor) doctor_note(c, addr, size, access);
  const Watch *w = overlapping(c, addr, size, 0);
  if (!w || !c->cur || same(place(c), c->watch_passed)) return;
  u32 kind = kinds(c, access);
  while (w && !(w->kind & kind)) w = overlapping(c, addr, size, (u32)(w - c->watches) + 1);
  if (!w) return;
  c->watch_passed = place(c);
  c->stop_addr = addr;
  c->stop_size = size;
  c->stop_error = access == PAGE_W ? PF_WRITE : 0;
  cpu_leave(c, STOP_WATCHPOINT);
}
