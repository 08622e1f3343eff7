/* The native side of replay/log.py, where the format is described: system calls that the engine makes itself
 * are recorded here, and replayed.
 *
 * A tape is used by one thread at a time (the baton), so nothing is locked.
 */
#ifndef BLINK_TAPE_H
#define BLINK_TAPE_H
#include "cpu.h"
#include "syscall_native.h"

enum { TAPE_CALLS = 512 };

typedef struct Tape {
  u8 *base; /* the whole log */
  u64 limit;
  bool recording;
  u8 left[TAPE_CALLS]; /* calls that are left to Python */
  u64 others;          /* recording: instructions of all other threads */
  u64 at;              /* replaying: where the next record is */
} Tape;

/* What a call wrote, or may have. */
typedef struct {
  u64 addr, length;
} TapeRange;

/* Whether a call may be made and recorded here. */
bool tape_takes(const Tape *tape, u32 number);
/* `filled` as in NativeCall; with `part`, the call was interrupted and Python tells the rest. */
void tape_record(Cpu *c, u32 number, s64 result, u32 filled, const TapeRange *ranges, u32 count,
                 bool part);
/* The call that RAX names is the next record: done.  false: Python must look. */
bool tape_replay(Cpu *c);

#endif
