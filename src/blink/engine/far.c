/* build: twice */
/* Far jumps, calls and returns, IRET, INT: they change CS, and with it the mode.
 *
 * Each leaves the next RIP in c->rip; registers change after the last access that may fault.  Gates,
 * task switches and virtual 8086 entry are for whoever runs the PC: run() says that they are not
 * implemented.  Facts: Intel SDM volume 2, CALL, RET, IRET, INT. */
#include "bodies.h"
#include "memory.h"
#include "run.h"
#include "segment.h"

typedef enum { GO_TO, COME_BACK } Way;

typedef struct {
  Descriptor d;
  u16 selector;
  u32 cpl;
} Code;

static bool wide(const Cpu *c, const Code *to) {
  return c->efer & EFER_LMA && to->d.rights & SEG_LONG;
}

static bool may_enter(const Cpu *c, u16 selector, u16 rights, Way way) {
  u32 rpl = selector & 3u, dpl = seg_dpl(rights);
  bool conforming = rights & SEG_DOWN;
  if (way == COME_BACK) return rpl >= c->cpl && (conforming ? dpl <= rpl : dpl == rpl);
  return conforming ? dpl <= c->cpl : dpl == c->cpl && rpl <= c->cpl;
}

/* A gate or a task that the guest may use; else it is no segment to go to. */
static void refuse_system(Cpu *c, u16 selector, const Descriptor *d, Way way) {
  u32 dpl = seg_dpl(d->rights), rpl = selector & 3u, type = d->rights & 15;
  bool known = 0x1a3a >> type & 1;
  if (way == GO_TO && known && dpl >= c->cpl && dpl >= rpl) cpu_unimplemented(c);
  fault_here(c, EXC_GP, selector_error(selector));
}

static Code code_segment(Cpu *c, u16 selector, Way way) {
  u64 error = selector_error(selector);
  Code to = {.selector = selector, .cpl = c->cpl};
  if (is_real(c)) {
    to.d = (Descriptor){selector * 16ul, 0, c->seg_limit[CS], c->seg_rights[CS]};
    return to;
  }
  if (!descriptor_find(c, selector, &to.d)) fault_here(c, EXC_GP, error);
  if (!(to.d.rights & SEG_MEMORY)) refuse_system(c, selector, &to.d, way);
  bool both = wide(c, &to) && to.d.rights & SEG_BIG;
  if (!(to.d.rights & SEG_CODE) || both || !may_enter(c, selector, to.d.rights, way))
    fault_here(c, EXC_GP, error);
  if (!(to.d.rights & SEG_PRESENT)) fault_here(c, EXC_NP, error);
  if (way == COME_BACK) to.cpl = selector & 3u;
  to.selector = (u16)((selector & ~3u) | to.cpl);
  return to;
}

static void check_target(Cpu *c, const Code *to, u64 offset) {
  bool good = wide(c, to) ? is_canonical(offset) : offset <= to->d.limit;
  if (!good) fault_here(c, EXC_GP, 0);
}

static void enter_code(Cpu *c, const Code *to, u64 offset) {
  c->cpl = (u8)to->cpl;
  c->rip = offset;
  segment_set(c, CS, to->selector, &to->d);
}

/* --- the stack --- */

typedef struct {
  bool wide; /* flat, in 64-bit mode; else in SS */
  u64 mask;
} Stack;

static Stack stack_of(const Cpu *c, bool wide) {
  u64 narrow = c->seg_rights[SS] & SEG_BIG ? 0xffffffff : 0xffff;
  return (Stack){wide, wide ? ~(u64)0 : narrow};
}

static Stack stack_now(const Cpu *c) { return stack_of(c, c->mode == 64); }

static u64 stack_address(Cpu *c, Stack stack, u64 sp, u32 access) {
  return stack.wide ? sp : segment_address(c, SS, (u32)(sp & stack.mask), access);
}

static u64 push(Cpu *c, Stack stack, u64 sp, u64 value, u32 bytes) {
  sp -= bytes;
  u64 at = stack_address(c, stack, sp, bytes | ACCESS_WRITE);
  if (bytes == 2) STORE16(c, at, (u16)value);
  else if (bytes == 4) STORE32(c, at, (u32)value);
  else STORE64(c, at, value);
  return sp;
}

static u64 word_at(Cpu *c, u64 sp, u32 bytes) {
  u64 at = stack_address(c, stack_now(c), sp, bytes);
  if (bytes == 2) return LOAD16(c, at);
  return bytes == 4 ? LOAD32(c, at) : LOAD64(c, at);
}

/* The address of a return: CPUs read the upper words first, which shows when a page is missing. */
typedef struct {
  u64 offset, flags, sp;
  u64 outer_sp;
  u16 selector, outer_ss;
  bool outward; /* the last two were there, too */
} Frame;

/* `extra` bytes lie between CS and the outer stack pointer. */
static Frame pop_frame(Cpu *c, u32 bytes, bool interrupt, u32 extra) {
  Frame f = {0};
  u64 sp = c->gpr[RSP];
  if (interrupt) f.flags = word_at(c, sp + 2 * bytes, bytes);
  f.selector = (u16)word_at(c, sp + bytes, bytes);
  f.offset = word_at(c, sp, bytes);
  f.sp = sp + (interrupt ? 3 : 2) * bytes + extra;
  f.outward = !is_real(c) && ((f.selector & 3u) != c->cpl || (interrupt && c->mode == 64));
  if (!f.outward) return f;
  f.outer_ss = (u16)word_at(c, f.sp + bytes, bytes);
  f.outer_sp = word_at(c, f.sp, bytes) + extra;
  return f;
}

static void set_stack_pointer(Cpu *c, u64 sp) {
  u64 keep = c->mode == 64 ? 0 : (u32)~c->stack_mask;
  c->gpr[RSP] = (c->gpr[RSP] & keep) | (sp & c->stack_mask);
}

/* --- the instructions --- */

void far_jump(Cpu *c, u16 selector, u64 offset) {
  Code to = code_segment(c, selector, GO_TO);
  check_target(c, &to, offset);
  enter_code(c, &to, offset);
  set_stack_pointer(c, c->gpr[RSP]); /* 64-bit mode left: no upper half (measured on Zen 5) */
}

static u64 next_rip(const Cpu *c) { return rec_rip(c->cur) + c->cur->len; }

void go_on(Cpu *c) { c->rip = next_rip(c); }

void far_call(Cpu *c, u16 selector, u64 offset, u32 bytes) {
  Code to = code_segment(c, selector, GO_TO);
  Stack stack = stack_of(c, wide(c, &to)); /* that of the new mode, as on AMD */
  u64 sp = push(c, stack, c->gpr[RSP], c->seg[CS], bytes);
  sp = push(c, stack, sp, next_rip(c), bytes);
  check_target(c, &to, offset);
  enter_code(c, &to, offset);
  set_stack_pointer(c, sp);
}

/* Data segments that the outer level may not use become null. */
static void drop_inner_segments(Cpu *c, u32 cpl) {
  static const u8 data[] = {ES, DS, FS, GS};
  for (u32 i = 0; i < sizeof data; i++) {
    u16 rights = c->seg_rights[data[i]];
    bool conforming = (rights & (SEG_CODE | SEG_DOWN)) == (SEG_CODE | SEG_DOWN);
    if (rights & SEG_PRESENT && !conforming && seg_dpl(rights) < cpl)
      segment_set(c, data[i], 0, &(Descriptor){0});
  }
}

/* The stack of the outer level, whose SS and SP the inner one holds. */
static void return_outward(Cpu *c, const Code *to, const Frame *f) {
  Descriptor stack;
  bool outer = to->cpl > c->cpl;
  stack_segment_check(c, f->outer_ss, to->cpl, wide(c, to), &stack);
  check_target(c, to, f->offset);
  enter_code(c, to, f->offset);
  segment_set(c, SS, f->outer_ss, &stack);
  set_stack_pointer(c, f->outer_sp);
  if (outer) drop_inner_segments(c, to->cpl);
}

static void return_to(Cpu *c, const Frame *f) {
  Code to = code_segment(c, f->selector, COME_BACK);
  if (f->outward) {
    return_outward(c, &to, f);
    return;
  }
  check_target(c, &to, f->offset);
  enter_code(c, &to, f->offset);
  set_stack_pointer(c, f->sp);
}

void far_return(Cpu *c, u32 bytes, u16 extra) {
  Frame f = pop_frame(c, bytes, false, extra);
  return_to(c, &f);
}

static void set_flags(Cpu *c, u64 value, u32 mask) {
  c->eflags = (flags_word(c) & ~mask) | ((u32)value & mask);
  c->cc_op = CC_FLAGS;
}

void interrupt_return(Cpu *c, u32 bytes) {
  require_vm_io(c);
  if (!is_real(c) && c->eflags & FLAG_NT) {
    if (c->efer & EFER_LMA) fault_here(c, EXC_GP, 0);
    cpu_unimplemented(c);
  }
  Frame f = pop_frame(c, bytes, true, 0);
  u32 mask = (flags_writable(c) | FLAG_RF) & (bytes == 2 ? 0xffff : ~0u);
  if (!is_real(c) && bytes > 2 && f.flags & FLAG_VM && !c->cpl) cpu_unimplemented(c);
  return_to(c, &f);
  set_flags(c, f.flags, mask);
}

/* Through the interrupt vector table. */
static void interrupt_real(Cpu *c, u8 vector) {
  if (vector * 4u + 3 > c->idt.limit) fault_here(c, EXC_GP, vector * 8u + 2);
  u32 entry = LOAD32(c, c->idt.base + vector * 4u);
  Code to = code_segment(c, (u16)(entry >> 16), GO_TO);
  Stack stack = stack_now(c);
  u64 sp = push(c, stack, c->gpr[RSP], flags_word(c), 2);
  sp = push(c, stack, sp, c->seg[CS], 2);
  sp = push(c, stack, sp, next_rip(c), 2);
  set_stack_pointer(c, sp);
  c->eflags &= ~(u32)(FLAG_IF | FLAG_TF | FLAG_AC);
  enter_code(c, &to, entry & 0xffff);
}

/* Vectors whose gates Linux lets programs use: INT3, INTO and the old system call. */
static bool is_open(u8 vector) { return vector == EXC_BP || vector == EXC_OF || vector == 0x80; }

/* INT n and INTO; in protected mode run() returns STOP_INT, and its caller knows the gates. */
void software_interrupt(Cpu *c, u8 vector) {
  if (!(c->cr0 & CR0_PE)) {
    interrupt_real(c, vector);
    return;
  }
  if (c->user && !is_open(vector)) fault_here(c, EXC_GP, vector * 8u + 2);
  c->rip = next_rip(c);
  c->stop = STOP_INT;
  c->stop_vector = vector;
}

void overflow_interrupt(Cpu *c, u8 overflow) {
  if (overflow) software_interrupt(c, EXC_OF);
  else go_on(c);
}
