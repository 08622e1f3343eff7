/* Atomic access to guest memory from outside of instruction handlers. */
#ifndef BLINK_MEMORY_ATOMIC_H
#define BLINK_MEMORY_ATOMIC_H
#include "memory.h"

/* Stores `desired` in an aligned word if it holds *seen; what it held goes to *seen.  false with the
 * first inaccessible address in *fault. */
bool memory_compare_exchange(Memory *mem, u64 addr, u32 *seen, u32 desired, u64 *fault);

#endif
