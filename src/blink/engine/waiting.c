/* TPAUSE and UMWAIT. */
#define _GNU_SOURCE
#include <sched.h>

#include "bodies.h"

/* Linux' default of IA32_UMWAIT_CONTROL, in units of the time stamp. */
enum { LONGEST_WAIT = 100000 };

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/* An interrupt ends the wait, as it does in hardware. */
u8 pause_until(Cpu *c, u64 deadline) {
  u64 start = read_tsc(c), now = start;
  while (now < deadline && now - start < LONGEST_WAIT && !c->interrupt) {
    relax();
    now = read_tsc(c);
  }
  return now < deadline && now - start >= LONGEST_WAIT;
}

void give_way(Cpu *c) {
  (void)c;
  sched_yield();
}
