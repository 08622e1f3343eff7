/* The doctor: runs each block interpreted, undoes it, runs it translated, and compares. */
#ifndef BLINK_DOCTOR_H
#define BLINK_DOCTOR_H
#include "cpu.h"

/* What the two are compared by. */
typedef struct {
  u64 gpr[16], rip, icount;
  u32 eflags, mxcsr;
  V128 vec[16][2];
  u32 stop, vector;
  u64 addr;
} DoctorState;

enum { DOCTOR_NOTES = 8, DOCTOR_BYTES = 64 };

/* An access of the block: the bytes before it, and at the end in both runs. */
typedef struct {
  u64 addr;
  u32 size;
  bool write;
  u8 before[DOCTOR_BYTES], wanted[DOCTOR_BYTES], got[DOCTOR_BYTES];
} DoctorNote;

/* A difference: the states before, after interpretation, after translation.  `undefined`: status
 * flags that some instruction leaves undefined. */
typedef struct {
  DoctorState before, wanted, got;
  u32 insns, undefined, note_count;
  DoctorNote notes[DOCTOR_NOTES];
} DoctorFinding;

/* false: this Cpu does not translate, or has watchpoints. */
bool doctor_start(Cpu *c);
void doctor_free(Cpu *c);
/* One block.  Leaves as run_translated() does; STOP_DIFFERENCE: see doctor_finding(). */
void doctor_turn(Cpu *c);
/* In the child of a fork: no other thread is at work. */
void doctor_after_fork(void);
void doctor_note(Cpu *c, u64 addr, u32 size, u32 access);
const DoctorFinding *doctor_finding(const Cpu *c);
u64 doctor_compared(const Cpu *c);
/* The most instructions in a block now. */
u32 doctor_most(const Cpu *c);

#endif
