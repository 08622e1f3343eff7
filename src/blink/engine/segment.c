/* See segment.h. */
#include "segment.h"

#include <string.h>

#include "bodies.h"
#include "memory.h"
#include "run.h"

/* --- descriptors --- */

static Descriptor unpack(u64 raw) {
  Descriptor d = {.rights = raw >> 40 & 0xf0ff};
  d.base = (raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000);
  d.limit = (raw & 0xffff) | (raw >> 32 & 0xf0000);
  if (d.rights & SEG_PAGES) d.limit = d.limit << 12 | 0xfff;
  return d;
}

/* Linux' GDT as far as user mode may use it; the last one tells the processor's number by its limit. */
static u64 linux_gdt(Cpu *c, u32 index) {
  switch (index) {
  case 4: return 0x00cffb000000ffff;
  case 5: return 0x00cff3000000ffff;
  case 6: return 0x00affb000000ffff;
  case 15: {
    u64 aux = read_tsc_aux(c);
    return 0x0040f50000000000 | (aux & 0xffff) | (aux & 0xf0000) << 32;
  }
  default: return 0; /* the kernel's, or none */
  }
}

enum { LINUX_GDT_LIMIT = 127 };

static u64 table_read(Cpu *c, u64 address) {
  u64 raw, fault;
  if (!memory_read(c->mem, address, &raw, sizeof raw, true, &fault)) cpu_fault(c, EXC_PF, 0, fault);
  return raw;
}

bool descriptor_find(Cpu *c, u16 selector, Descriptor *d) {
  const SystemTable *table = selector & 4 ? &c->ldt : &c->gdt;
  bool built_in = c->user && !(selector & 4);
  u32 limit = built_in ? LINUX_GDT_LIMIT : table->limit;
  if (selector < 4 || (selector | 7u) > limit) return false;
  if (selector & 4 && !(table->rights & SEG_PRESENT)) return false;
  u64 at = table->base + (selector & ~7u);
  *d = unpack(built_in ? linux_gdt(c, selector >> 3) : table_read(c, at));
  d->at = built_in ? 0 : at;
  return true;
}

void segment_set(Cpu *c, u32 which, u16 selector, const Descriptor *d) {
  u8 type = (u8)d->rights | SEG_ACCESSED;
  u64 fault;
  if (d->at && !(d->rights & SEG_ACCESSED)) memory_write(c->mem, d->at + 5, &type, 1, true, &fault);
  c->seg[which] = selector;
  c->seg_base[which] = d->base;
  c->seg_limit[which] = d->limit;
  c->seg_rights[which] = d->rights | (d->rights & SEG_PRESENT ? SEG_ACCESSED : 0);
  if (which <= SS) cpu_mode_changed(c);
}

void stack_segment_check(Cpu *c, u16 selector, u32 cpl, bool wide, Descriptor *d) {
  if (selector < 4) {
    if (!wide || cpl == 3 || (selector & 3u) != cpl) fault_here(c, EXC_GP, 0);
    *d = (Descriptor){0};
    return;
  }
  if (!descriptor_find(c, selector, d)) fault_here(c, EXC_GP, selector_error(selector));
  bool data = (d->rights & (SEG_MEMORY | SEG_CODE | SEG_RW)) == (SEG_MEMORY | SEG_RW);
  if (!data || (selector & 3u) != cpl || seg_dpl(d->rights) != cpl)
    fault_here(c, EXC_GP, selector_error(selector));
  if (!(d->rights & SEG_PRESENT)) fault_here(c, EXC_SS, selector_error(selector));
}

static void data_segment_check(Cpu *c, u16 selector, Descriptor *d) {
  u64 error = selector_error(selector);
  if (!descriptor_find(c, selector, d)) fault_here(c, EXC_GP, error);
  u32 kind = d->rights & (SEG_MEMORY | SEG_CODE | SEG_RW);
  bool readable = kind & SEG_MEMORY && kind != (SEG_MEMORY | SEG_CODE);
  bool conforming = (d->rights & (SEG_CODE | SEG_DOWN)) == (SEG_CODE | SEG_DOWN);
  u32 dpl = seg_dpl(d->rights), rpl = selector & 3u;
  if (!readable || (!conforming && (rpl > dpl || c->cpl > dpl))) fault_here(c, EXC_GP, error);
  if (!(d->rights & SEG_PRESENT)) fault_here(c, EXC_NP, error);
}

static void load_real(Cpu *c, u32 which, u16 selector) {
  Descriptor d = {selector * 16ul, 0, c->seg_limit[which], c->seg_rights[which]};
  if (c->eflags & FLAG_VM) d.limit = 0xffff, d.rights = 0xf3;
  segment_set(c, which, selector, &d);
}

/* MOV and POP to a segment register, LDS and its like. */
void load_segment(Cpu *c, u32 which, u16 selector) {
  Descriptor d = {0};
  if (is_real(c)) {
    load_real(c, which, selector);
    return;
  }
  if (which == SS) stack_segment_check(c, selector, c->cpl, c->mode == 64, &d);
  else if (selector >= 4) data_segment_check(c, selector, &d);
  segment_set(c, which, selector, &d);
}

/* --- addresses of 16 and 32-bit code --- */

static bool inside(const Cpu *c, u32 seg, u32 offset, u32 bytes) {
  u64 last = (u64)offset + bytes - 1, limit = c->seg_limit[seg];
  u16 rights = c->seg_rights[seg];
  if ((rights & (SEG_CODE | SEG_DOWN)) != SEG_DOWN) return last <= limit;
  return offset > limit && last <= (rights & SEG_BIG ? 0xffffffff : 0xffff);
}

u64 segment_address(Cpu *c, u8 seg, u32 offset, u32 access) {
  u16 rights = c->seg_rights[seg];
  u32 bytes = access & (ACCESS_WRITE - 1);
  u32 kind = rights & (SEG_CODE | SEG_RW);
  bool allowed = access & ACCESS_WRITE ? kind == SEG_RW : kind != SEG_CODE;
  bool good = !bytes || (rights & SEG_PRESENT && allowed && inside(c, seg, offset, bytes));
  if (unlikely(!good)) fault_here(c, seg == SS ? EXC_SS : EXC_GP, 0);
  return (u32)(c->seg_base[seg] + offset);
}

/* The decoder has left the segment's number in v, and the size of addresses in scale. */
u64 operand_address(Cpu *c, u32 offset, u32 access) {
  const Rec *r = c->cur;
  return segment_address(c, r->v, r->scale == 2 ? (u16)offset : offset, access);
}

/* --- modes --- */

/* Code of several segments may lie at the same RIP: each gets a number, which addresses that are not
 * canonical carry, so that 64-bit code never meets them. */
static u64 context_key(Cpu *c) {
  CodeContext now = {c->seg_base[CS], c->seg_limit[CS],
                     c->mode | (is_real(c) ? 1 : 0) | c->cpl * 256u};
  u32 i = 0;
  while (i < c->context_count && memcmp(&c->contexts[i], &now, sizeof now)) i++;
  if (i == CONTEXTS) {
    cache_flush(c);
    i = c->context_count = 0;
  }
  c->contexts[i] = now;
  if (i == c->context_count) c->context_count++;
  return (u64)(0x400000 + i) << 40;
}

void cpu_mode_changed(Cpu *c) {
  u16 cs = c->seg_rights[CS];
  bool wide = c->efer & EFER_LMA && cs & SEG_LONG;
  c->mode = wide ? 64 : cs & SEG_BIG ? 32 : 16;
  c->rip_mask = wide ? ~(u64)0 : 0xffffffff;
  c->stack_mask = wide ? ~(u64)0 : c->seg_rights[SS] & SEG_BIG ? 0xffffffff : 0xffff;
  c->code_limit = c->seg_limit[CS];
  c->code_key = wide ? 0 : context_key(c);
}

static void set_all(Cpu *c, u32 first, u32 last, u16 selector, u32 limit, u16 rights) {
  for (u32 i = first; i <= last; i++) {
    c->seg[i] = selector;
    c->seg_base[i] = 0;
    c->seg_limit[i] = limit;
    c->seg_rights[i] = rights;
  }
}

void segments_reset(Cpu *c, u32 mode) {
  bool real = mode == 16;
  c->user = !real;
  c->cpl = real ? 0 : 3;
  c->cr0 = real ? CR0_ET : 0x80050033;
  c->cr2 = c->cr3 = c->cr4 = c->cr8 = 0;
  c->efer = real ? 0 : EFER_LMA | 1;
  c->eflags &= ~(u32)FLAG_VM;
  memset(c->dr, 0, sizeof c->dr);
  c->gdt = (SystemTable){real ? 0 : 0xfffffffffffe0000, real ? 0xffff : 0, 0, 0};
  c->idt = (SystemTable){real ? 0 : 0xffffffffffff0000, real ? 0x3ff : 0, 0, 0};
  c->ldt = (SystemTable){0};
  c->tr = (SystemTable){0, 0, real ? 0 : 0x40, 0};
  if (real) {
    set_all(c, ES, GS, 0, 0xffff, 0x93);
  } else {
    u16 data = mode == 32 ? 0x2b : 0;
    set_all(c, ES, DS, data, data ? ~0u : 0, data ? 0xc0f3 : 0);
    set_all(c, SS, SS, 0x2b, ~0u, 0xc0f3);
    set_all(c, CS, CS, mode == 32 ? 0x23 : 0x33, ~0u, mode == 32 ? 0xc0fb : 0xa0fb);
    set_all(c, FS, GS, 0, 0, 0);
  }
  cpu_mode_changed(c);
}

/* --- LAR, LSL, VERR, VERW --- */

/* The system descriptors that LAR and LSL know, as bits by type: with gates, and without. */
enum { LAR_TYPES = 0x1a3e, LSL_TYPES = 0x0a0e, LAR_LONG = 0x1a04, LSL_LONG = 0x0a04 };

static bool visible(const Cpu *c, u16 selector, const Descriptor *d, u32 types) {
  bool conforming =
      (d->rights & (SEG_MEMORY | SEG_CODE | SEG_DOWN)) == (SEG_MEMORY | SEG_CODE | SEG_DOWN);
  u32 dpl = seg_dpl(d->rights);
  if (!(d->rights & SEG_MEMORY) && !(types >> (d->rights & 15) & 1)) return false;
  return conforming || (c->cpl <= dpl && (selector & 3u) <= dpl);
}

void require_protected(Cpu *c) {
  if (is_real(c)) fault_here(c, EXC_UD, 0);
}

u64 access_rights(Cpu *c, u16 selector) {
  Descriptor d;
  bool wide = c->efer & EFER_LMA;
  require_protected(c);
  if (!descriptor_find(c, selector, &d)) return ~(u64)0;
  if (!visible(c, selector, &d, wide ? LAR_LONG : LAR_TYPES)) return ~(u64)0;
  u32 limit = d.rights & SEG_PAGES ? d.limit >> 12 : d.limit; /* its top bits are shown, too */
  return (u64)d.rights << 8 | (limit & 0xf0000);
}

u64 segment_limit(Cpu *c, u16 selector) {
  Descriptor d;
  bool wide = c->efer & EFER_LMA;
  require_protected(c);
  if (!descriptor_find(c, selector, &d)) return ~(u64)0;
  return visible(c, selector, &d, wide ? LSL_LONG : LSL_TYPES) ? d.limit : ~(u64)0;
}

u8 verify_segment(Cpu *c, u16 selector, u32 write) {
  Descriptor d;
  require_protected(c);
  if (!descriptor_find(c, selector, &d) || !visible(c, selector, &d, 0)) return 0;
  u32 kind = d.rights & (SEG_CODE | SEG_RW);
  return write ? kind == SEG_RW : kind != SEG_CODE;
}

/* --- privilege --- */

static u32 iopl(const Cpu *c) { return c->eflags >> 12 & 3; }

void require_cpl0(Cpu *c) {
  if (c->cpl) fault_here(c, EXC_GP, 0);
}

void require_io(Cpu *c) {
  if (c->cpl > iopl(c)) fault_here(c, EXC_GP, 0);
}

void require_table(Cpu *c) {
  require_protected(c);
  require_cpl0(c);
}

/* What POPF and IRET may change. */
u32 flags_writable(Cpu *c) {
  u32 mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
  if (c->cpl == 0) mask |= FLAG_IOPL;
  return c->cpl <= iopl(c) ? mask | FLAG_IF : mask;
}

/* PUSHF and POPF in virtual 8086 mode need IOPL 3. */
void require_vm_io(Cpu *c) {
  if (c->eflags & FLAG_VM && iopl(c) < 3) fault_here(c, EXC_GP, 0);
}

/* --- control registers and tables, at CPL 0 --- */

static u64 *control(Cpu *c, u32 n) {
  switch (n) {
  case 0: return &c->cr0;
  case 2: return &c->cr2;
  case 3: return &c->cr3;
  case 4: return &c->cr4;
  case 8: return &c->cr8;
  default: fault_here(c, EXC_UD, 0);
  }
}

u64 control_read(Cpu *c, u8 n) {
  const u64 *field = control(c, n);
  require_cpl0(c);
  return *field;
}

void control_write(Cpu *c, u8 n, u64 value) {
  u64 *field = control(c, n);
  require_cpl0(c);
  bool paging = value >> 31 & 1, unprotected = !(value & CR0_PE);
  if (n == 0 && paging && unprotected) fault_here(c, EXC_GP, 0);
  *field = n == 0 ? value | CR0_ET : value;
  if (n == 0) cpu_mode_changed(c);
}

u64 debug_read(Cpu *c, u8 n) {
  if (n >= 8) fault_here(c, EXC_UD, 0);
  require_cpl0(c);
  return c->dr[n];
}

void debug_write(Cpu *c, u8 n, u64 value) {
  if (n >= 8) fault_here(c, EXC_UD, 0);
  require_cpl0(c);
  c->dr[n] = value;
}

/* LMSW sets PE, MP, EM and TS, and never clears PE. */
void machine_status_load(Cpu *c, u16 value) {
  require_cpl0(c);
  u64 keep = c->cr0 & ~(u64)(CR0_MP | CR0_EM | CR0_TS);
  c->cr0 = keep | (value & 15u);
  cpu_mode_changed(c);
}

void task_switched_clear(Cpu *c) {
  require_cpl0(c);
  c->cr0 &= ~(u64)CR0_TS;
}

void table_load(Cpu *c, u32 interrupts, u16 limit, u64 base) {
  *(interrupts ? &c->idt : &c->gdt) = (SystemTable){base, limit, 0, 0};
}

/* LLDT and LTR. */
void system_segment_load(Cpu *c, u32 task, u16 selector) {
  enum { LDT = 2, TSS16 = 1, TSS = 9, BUSY = 2 };
  Descriptor d = {0};
  require_table(c);
  SystemTable *to = task ? &c->tr : &c->ldt;
  if (selector < 4 && !task) {
    *to = (SystemTable){0, 0, selector, 0};
    return;
  }
  bool found = !(selector & 4) && descriptor_find(c, selector, &d);
  u32 type = d.rights & 31;
  bool right = task ? type == TSS || type == TSS16 : type == LDT;
  if (!found || !right) fault_here(c, EXC_GP, selector_error(selector));
  if (!(d.rights & SEG_PRESENT)) fault_here(c, EXC_NP, selector_error(selector));
  if (c->efer & EFER_LMA) d.base |= table_read(c, d.at + 8) << 32;
  u64 fault;
  u8 busy = (u8)d.rights | BUSY;
  if (task) memory_write(c->mem, d.at + 5, &busy, 1, true, &fault);
  *to = (SystemTable){d.base, d.limit, selector, d.rights};
}

void port_access(Cpu *c) {
  require_io(c);
  cpu_leave_before(c, STOP_PORT);
}

void interrupt_flag(Cpu *c, u32 on) {
  require_io(c);
  c->eflags = on ? c->eflags | FLAG_IF : c->eflags & ~(u32)FLAG_IF;
}
