/* What of a fault follows from the instruction and the registers, whoever ran it. */
#include "cpu.h"
#include "decode.h"
#include "forms.h"
#include "memory.h"
#include "run.h"
#include "segment.h"

static u64 register_value(const Cpu *c, s8 number) { return number < 0 ? 0 : c->gpr[number]; }

/* Without the base of FS and GS, whose faults are #GP in any case. */
static u64 effective_address(const Cpu *c, const Insn *in) {
  u64 ea =
      register_value(c, in->base) + (register_value(c, in->index) << in->scale) + (u64)in->disp;
  return in->addr_size == 4 ? (u32)ea : ea;
}

/* Whether the address that is not canonical is in the stack segment (SDM volume 1, 3.3.7.1).  Without
 * an implied operand it must be the one that ModRM names, also where bit strings and gathers go on. */
static bool is_stack_fault(const Cpu *c, const Insn *in, const FormDef *f) {
  bool implied = f->flags & FORM_STACK;
  bool operand = in->has_mem && !(f->flags & FORM_ADDRESS) &&
                 (!implied || !is_canonical(effective_address(c, in)));
  return operand ? insn_segment(in) == SS : f->flags & FORM_STACK;
}

static const FormDef *form_at(Cpu *c, u64 rip, Insn *in) {
  u8 bytes[DECODE_MAX];
  u32 got = memory_fetch(c->mem, code_address(c, rip), bytes, sizeof bytes);
  return decode(in, bytes, got, c->mode) == DECODE_OK ? form_find(in, c->model) : NULL;
}

bool insn_updates_memory(Cpu *c, u64 rip) {
  Insn in;
  const FormDef *f = form_at(c, rip, &in);
  return f && in.has_mem && f->flags & FORM_UPDATE;
}

void fault_refine(Cpu *c) {
  bool read = c->stop_vector == EXC_PF && !(c->stop_error & (PF_WRITE | PF_FETCH));
  if (!read && c->stop_vector != EXC_ADDRESS) return;
  Insn in;
  const FormDef *f = form_at(c, c->rip, &in);
  /* An update's faults are reported as writes, while the linear mode's read comes first. */
  if (read && f && in.has_mem && f->flags & FORM_UPDATE) c->stop_error |= PF_WRITE;
  if (!read) c->stop_vector = f && is_stack_fault(c, &in, f) ? EXC_SS : EXC_GP;
}
