/* How much of the guest is resident: the sum of Rss over our mappings in /proc/self/smaps. */
#include "memory_impl.h"

#include <stdio.h>

u64 memory_rss(const Memory *mem) {
  FILE *maps = fopen("/proc/self/smaps", "re");
  if (maps == NULL) return 0;
  char line[512];
  unsigned long long start, end, kib;
  bool ours = false;
  u64 total = 0;
  while (fgets(line, sizeof line, maps) != NULL) {
    if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
      ours = start >= mem->skew && (memory_flags(mem, start - mem->skew) & PAGE_MAPPED) != 0;
    else if (ours && sscanf(line, "Rss: %llu kB", &kib) == 1) total += kib << 10;
  }
  fclose(maps);
  return total;
}
