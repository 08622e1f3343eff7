/* Time stamps, MXCSR. */
#define _GNU_SOURCE
#include <sched.h>
#include <time.h>

#include "bodies.h"
#include "fp.h"
#include "memory.h"
#include "run.h"

/* The host's counter where it has one, so that guests agree with clock_gettime about durations.  While a
 * program is recorded or replayed, a number that grows each time: the recorder sets it to the time now
 * and then, and threads take turns. */
u64 read_tsc(Cpu *c) {
  enum { STEP = 256 };
  if (c->mem->clock) return c->mem->clock += STEP;
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
#endif
}

u32 read_tsc_aux(Cpu *c) {
  if (c->mem->clock) return 0;
  unsigned cpu = 0, node = 0;
  getcpu(&cpu, &node);
  return node << 12 | cpu;
}

void memory_fence(Cpu *c) {
  (void)c;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void mxcsr_load(Cpu *c, u32 value) {
  (void)c;
  mxcsr_write(value);
}

u32 mxcsr_store(Cpu *c) {
  (void)c;
  return mxcsr_read();
}
