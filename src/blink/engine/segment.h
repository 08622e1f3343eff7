/* Segment registers, descriptors, privilege: what 16 and 32-bit code rests on, and far transfers.
 *
 * Facts: Intel SDM volume 3, chapters 3, 5 and 20.  A process under Linux (Cpu.user) has the
 * descriptors that Linux gives it, which no memory of its own holds; the values of SGDT and its like
 * are those that Linux shows where the CPU has UMIP.  LDT entries are read from guest memory always.
 */
#ifndef BLINK_SEGMENT_H
#define BLINK_SEGMENT_H
#include "cpu.h"

/* Bits 40 to 55 of a descriptor. */
enum {
  SEG_ACCESSED = 0x1,
  SEG_RW = 0x2,   /* data: writable; code: readable */
  SEG_DOWN = 0x4, /* data: expands down; code: conforming */
  SEG_CODE = 0x8,
  SEG_MEMORY = 0x10, /* S: code or data, no system segment */
  SEG_PRESENT = 0x80,
  SEG_LONG = 0x2000,
  SEG_BIG = 0x4000,
  SEG_PAGES = 0x8000
};
static inline u32 seg_dpl(u16 rights) { return rights >> 5 & 3; }

enum { CR0_PE = 1, CR0_MP = 2, CR0_EM = 4, CR0_TS = 8, CR0_ET = 16, CR0_AM = 1 << 18 };
enum { EFER_LMA = 1 << 10 };

/* The error code of a fault that a selector causes. */
static inline u64 selector_error(u16 selector) { return selector & 0xfffc; }

/* Real and virtual 8086 mode: a selector is an address / 16. */
static inline bool is_real(const Cpu *c) { return !(c->cr0 & CR0_PE) || c->eflags & FLAG_VM; }

/* The linear address of RIP. */
static inline u64 code_address(const Cpu *c, u64 rip) {
  return c->mode == 64 ? rip : (u32)(c->seg_base[CS] + rip);
}

typedef struct {
  u64 base;
  u64 at; /* its own address in guest memory, or 0 */
  u32 limit;
  u16 rights;
} Descriptor;

/* false when the selector is null or beyond its table. */
bool descriptor_find(Cpu *c, u16 selector, Descriptor *d);
/* Puts a descriptor into a segment register, marks it as accessed; no checks. */
void segment_set(Cpu *c, u32 which, u16 selector, const Descriptor *d);
/* What a stack segment of privilege `cpl` must be; else faults. */
void stack_segment_check(Cpu *c, u16 selector, u32 cpl, bool wide, Descriptor *d);

/* The selectors and descriptors of a process in 64 or 32-bit mode; 16: real mode after a reset. */
void segments_reset(Cpu *c, u32 mode);
/* Recomputes what derives from CS, SS, CR0 and EFER. */
void cpu_mode_changed(Cpu *c);

/* The caller is 16 or 32-bit code.  #GP or #SS when `access` bytes at `offset` are not the segment's;
 * no check for 0 bytes. */
enum { ACCESS_WRITE = 1 << 16 };

#endif
