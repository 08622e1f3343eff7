/* Pages that are written as often as their code runs.
 *
 * Each store to a write-protected page costs a signal, two mprotect(2) and new translations.  After
 * HOT_AFTER of them a page is hot: it stays writable, and what is translated from it compares its
 * source with what it was made from each time it runs.  After some ticks (of blocks that compared)
 * the page is protected again; if it is written again, it is hot for twice as long.
 */
#include "memory_impl.h"

enum { HOT_AFTER = 6, LEVEL_MAX = 8, WAYS = 4 };

static u32 first_way(u64 page) {
  return (u32)((page >> GUEST_PAGE_BITS) * 0x9e3779b97f4a7c15ull >> 56) & ~(u32)(WAYS - 1);
}

static PageHeat *find(Memory *mem, u64 page) {
  PageHeat *e = &mem->heat[first_way(page)];
  for (u32 i = 0; i < WAYS; i++)
    if (e[i].faults != 0 && e[i].page == page) return &e[i];
  return NULL;
}

/* In place of the coolest of its neighbours; NULL when all are hot. */
static PageHeat *enter(Memory *mem, u64 page) {
  PageHeat *e = &mem->heat[first_way(page)], *best = NULL;
  for (u32 i = 0; i < WAYS; i++)
    if (e[i].ticks == 0 && (best == NULL || e[i].faults < best->faults)) best = &e[i];
  if (best != NULL) *best = (PageHeat){.page = page};
  return best;
}

bool memory_is_hot(Memory *mem, u64 page) {
  if (mem->hot_count == 0) return false;
  const PageHeat *e = find(mem, page);
  return e != NULL && e->ticks != 0;
}

void memory_heat(Memory *mem, u64 page) {
  if (!mem->compares) return;
  PageHeat *e = find(mem, page);
  if (e == NULL) e = enter(mem, page);
  if (e == NULL || e->ticks != 0 || ++e->faults < HOT_AFTER) return;
  e->ticks = 1u << e->level;
  if (e->level < LEVEL_MAX) e->level++;
  mem->hot_count++;
}

static void cool(Memory *mem, PageHeat *e) {
  e->ticks = 0;
  e->faults = HOT_AFTER - 1; /* the next store makes it hot again */
  mem->hot_count--;
}

bool memory_cool_range(Memory *mem, u64 start, u64 end) {
  bool any = false;
  for (u32 i = 0; i < HEAT_SIZE && mem->hot_count != 0; i++) {
    PageHeat *e = &mem->heat[i];
    if (e->ticks == 0 || e->page < start || e->page >= end) continue;
    cool(mem, e);
    any = true;
  }
  return any;
}

void memory_tick(Memory *mem) {
  memory_lock(mem);
  for (u32 i = 0; i < HEAT_SIZE && mem->hot_count != 0; i++) {
    PageHeat *e = &mem->heat[i];
    if (e->ticks == 0 || --e->ticks != 0) continue;
    cool(mem, e);
    memory_code_changed(mem, e->page, e->page + GUEST_PAGE);
  }
  memory_unlock(mem);
}
