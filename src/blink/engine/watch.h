/* Watchpoints: ranges of guest memory that stop the Cpu before an instruction accesses them. */
#ifndef BLINK_WATCH_H
#define BLINK_WATCH_H
#include "cpu.h"

/* Takes over the list.  false, with nothing changed, while the doctor works. */
bool cpu_set_watches(Cpu *c, Watch *list, u32 count);
/* Whether accesses are looked at may have changed. */
void watch_changed(Cpu *c);
/* Before an access of an instruction, which is allowed.  May leave run(). */
void cpu_observe(Cpu *c, u64 addr, u32 size, u32 access);

#endif
