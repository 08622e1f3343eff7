/* Some pages with holes around them, where mappings are made, moved and named. */
#ifndef AREA_H
#define AREA_H
#include "calls.h"
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, FIXED = MREMAP_MAYMOVE | MREMAP_FIXED, RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC };
#define BAD ((void *)8)

static char *area; /* where all happens, with holes around */
enum { AREA = 64 };

/* The mappings of the area, by pages. */
static void layout(void) {
  char line[512];
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) {
    unsigned long start, end;
    char perms[8], *name = strchr(line, '[') ? strchr(line, '[') : strrchr(line, '/');
    sscanf(line, "%lx-%lx %7s", &start, &end, perms);
    if (start < (unsigned long)area || end > (unsigned long)area + AREA * PAGE) continue;
    long first = (start - (unsigned long)area) / PAGE, last = (end - (unsigned long)area) / PAGE;
    printf("%ld-%ld %s %s", first, last, perms, name ? name : "\n");
  }
  fclose(maps);
}

static char *at(long page) { return area + page * PAGE; }

static char *put(long page, long count, int prot, int type) {
  char *p = mmap(at(page), count * PAGE, prot, MAP_FIXED | type | MAP_ANONYMOUS, -1, 0);
  if (prot & PROT_WRITE) for (long i = 0; i < count; i++) p[i * PAGE] = 'A' + page + i;
  return p;
}

static void fresh(void) { munmap(area, AREA * PAGE); }

static long move(long from, long count, long to, int flags) {
  char *p = (char *)S(mremap, at(from), count * PAGE, count * PAGE, flags, at(to));
  return p == MAP_FAILED ? -1 : (p - area) / PAGE;
}

static void three(void) { /* pages 0-1, 2, a hole, 5-6 */
  fresh(), put(0, 2, RW, MAP_PRIVATE), put(2, 1, RW, MAP_SHARED), put(5, 2, RW, MAP_PRIVATE), mprotect(at(6), PAGE, PROT_READ);
}

static void begin(void) {
  setlinebuf(stdout);
  area = mmap(NULL, (AREA + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(area, (AREA + 2) * PAGE), area += PAGE;
}

#endif
