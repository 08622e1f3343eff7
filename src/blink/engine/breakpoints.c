/* Breakpoints: sorted addresses before which blocks end. */
#include <stdlib.h>
#include <string.h>

#include "jit.h"
#include "run.h"

static int ascending(const void *a, const void *b) {
  u64 x = *(const u64 *)a, y = *(const u64 *)b;
  return x < y ? -1 : x > y;
}

bool cpu_breakpoint_at(const Cpu *c, u64 rip) {
  return c->breakpoint_count &&
         bsearch(&rip, c->breakpoints, c->breakpoint_count, sizeof rip, ascending);
}

/* Blocks that hold a breakpoint, or that ended before it. */
static void drop_breakpoints(Cpu *c) {
  for (u32 i = 0; i < c->breakpoint_count; i++) {
    u64 at = c->breakpoints[i];
    jit_drop(c, at, at + 1);
    jit_drop(c, at - 1, at);
  }
}

static bool breaks_there_already(const Cpu *c, const u64 *list, u32 count) {
  return count == c->breakpoint_count &&
         (!count || !memcmp(list, c->breakpoints, count * sizeof *list));
}

void cpu_break_at(Cpu *c, u64 *list, u32 count) {
  qsort(list, count, sizeof *list, ascending);
  if (breaks_there_already(c, list, count)) {
    free(list);
    return;
  }
  drop_breakpoints(c);
  free(c->breakpoints);
  c->breakpoints = list;
  c->breakpoint_count = count;
  drop_breakpoints(c);
  cache_flush_records(c);
}
