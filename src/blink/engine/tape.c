#include "tape.h"

#include <string.h>
#include <time.h>

#include "memory.h"

enum { META = 1, BLOB, RUN, STOP, CALL, END, PART }; /* replay/log.py */
enum { USED_AT = 16, TIME_AT = 24, PAGE = 4096, SLACK = 64 << 20 };

typedef struct {
  u32 size;
  u16 kind, stop;
  u32 tid, number;
  u64 icount, clock;
} Record;

static u64 *word_at(const Tape *tape, u64 at) { return (u64 *)(void *)(tape->base + at); }

static const Record *record_at(const Tape *tape, u64 at) {
  return (const Record *)(const void *)(tape->base + at);
}

/* --- recording --- */

bool tape_takes(const Tape *tape, u32 number) {
  if (!tape->recording || number >= TAPE_CALLS || tape->left[number]) return false;
  return *word_at(tape, USED_AT) + SLACK < tape->limit;
}

static u64 now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

/* Appends address, length and bytes of a range; those that cannot be read were not written. */
static u8 *put_range(Memory *mem, u8 *p, u64 addr, u64 length) {
  u64 fault, head[2] = {addr, length};
  if (!length || !memory_read(mem, addr, p + sizeof head, length, true, &fault)) return p;
  memcpy(p, head, sizeof head);
  return p + sizeof head + ((length + 7) & ~(u64)7);
}

static u8 *put_ranges(Memory *mem, u8 *p, s64 result, u32 filled, const TapeRange *ranges,
                      u32 count) {
  u64 left = result > 0 ? (u64)result : 0;
  for (u32 i = 0; i < count; i++) {
    u64 length = ranges[i].length;
    if (filled == FILLS_ALL || (filled == FILLS_FIRST && i == 0)) {
      if (length > left) length = left;
      left -= length;
    }
    p = put_range(mem, p, ranges[i].addr, length);
  }
  return p;
}

void tape_record(Cpu *c, u32 number, s64 result, u32 filled, const TapeRange *ranges, u32 count,
                 bool part) {
  Tape *tape = c->tape;
  Memory *mem = c->mem;
  u64 *used = word_at(tape, USED_AT), clock = now();
  u8 *start = tape->base + *used, *p = start + sizeof(Record) + sizeof result;
  if (clock > mem->clock) mem->clock = clock;
  p = put_ranges(mem, p, result, filled, ranges, count);
  Record r = {(u32)(p - start), part ? PART : CALL, 0, c->tape_tid, number, c->icount, mem->clock};
  memcpy(start, &r, sizeof r);
  memcpy(start + sizeof r, &result, sizeof result);
  *word_at(tape, TIME_AT) = tape->others + c->icount;
  __atomic_store_n(used, *used + r.size, __ATOMIC_RELEASE);
}

/* --- replaying --- */

static const Record *next_record(Tape *tape) {
  u64 used = __atomic_load_n(word_at(tape, USED_AT), __ATOMIC_ACQUIRE);
  while (tape->at + sizeof(Record) <= used) {
    const Record *r = record_at(tape, tape->at);
    if (r->kind != BLOB) return r->size <= used - tape->at ? r : NULL;
    u64 behind = r->clock + ((r->icount + PAGE - 1) & ~(u64)(PAGE - 1));
    if (behind <= tape->at) return NULL;
    tape->at = behind;
  }
  return NULL;
}

static bool apply(Memory *mem, const Record *r) {
  const u8 *p = (const u8 *)r + sizeof *r + sizeof(u64), *end = (const u8 *)r + r->size;
  while (p < end) {
    u64 head[2], fault;
    if ((u64)(end - p) < sizeof head) return false;
    memcpy(head, p, sizeof head);
    p += sizeof head;
    if (head[1] > (u64)(end - p)) return false;
    if (!memory_write(mem, head[0], p, head[1], true, &fault)) return false;
    p += (head[1] + 7) & ~(u64)7;
  }
  return true;
}

/* Whether an instruction stops the Cpu where the record was made. */
static bool stops_itself(const Record *r) {
  bool quiet = r->stop == STOP_NONE || r->stop == STOP_INTERRUPT;
  return r->kind == CALL || r->kind == PART || (r->kind == STOP && !quiet);
}

/* How far this thread may run now: to the next record, if that is its own.  Where an instruction will stop
 * it, there is room behind: code that need not stop exactly is translated. */
static u64 next_stop(Cpu *c) {
  enum { ROOM = 1 << 20 };
  const Record *r = next_record(c->tape);
  if (!r || r->tid != c->tape_tid || r->icount < c->icount) return c->icount;
  u64 end = r->icount + (stops_itself(r) ? ROOM : 0);
  return end < c->tape_end ? end : c->tape_end;
}

bool tape_replay(Cpu *c) {
  Tape *tape = c->tape;
  const Record *r = next_record(tape);
  if (!r || r->kind != CALL || r->tid != c->tape_tid || r->icount != c->icount) return false;
  if (r->number != (u32)c->gpr[RAX] || r->number >= TAPE_CALLS || tape->left[r->number])
    return false;
  if (!apply(c->mem, r)) return false;
  memcpy(&c->gpr[RAX], (const u8 *)r + sizeof *r, sizeof(u64));
  c->mem->clock = r->clock;
  tape->at += r->size;
  c->deadline = next_stop(c);
  return true;
}
