/* Memory operands that cannot be copied as they stand: with a segment, or out of reach of RIP. */
#include "jit.h"

#if defined(__x86_64__)

#include "cpu_model.h"
#include "forms.h"
#include "jit_maker.h"

/* A register that the instruction does not use, or NO_REG.  RBP is last: an address on it is in the
 * stack segment, whose faults are other ones.  CMPXCHG16B and the like use RAX to RBX. */
static u8 scratch(const Maker *m, const Insn *in) {
  static const u8 candidates[] = {RSI, RDI, RBP};
  const FormDef *f = form_find(in, m->c->model);
  int reg = f && f->a == FIELD_INDEX ? -1 : in->reg & 15; /* vector registers are no matter */
  int vvvv = f && f->v == FIELD_INDEX ? -1 : in->vvvv;
  int index = in->vsib ? -1 : in->index;
  for (u32 i = 0; i < sizeof candidates; i++) {
    int r = candidates[i];
    if (r != reg && r != vvvv && r != in->base && r != index) return (u8)r;
  }
  return NO_REG;
}

u32 jit_modrm_at(const Insn *in) {
  bool sib = in->mod != 3 && (in->modrm & 7) == 4;
  return in->len - in->imm_size - in->disp_size - sib - 1u;
}

static bool is_segment(u8 byte) { return byte == 0x64 || byte == 0x65; }

/* A VEX instruction with [borrowed + disp32] as its operand, and its vector index if it has one. */
static void rebuilt_vex(Code *k, const u8 *bytes, const Insn *in, u8 borrowed, u32 disp) {
  u32 high = in->vsib && in->index >= 8;
  put8(k, 0xc4);
  put8(k, (u8)((in->reg < 8) << 7 | !high << 6 | 1 << 5 | in->map));
  put8(k, (u8)(in->w << 7 | (~in->vvvv & 15) << 3 | in->l << 2 | in->pp));
  put8(k, in->opcode);
  put8(k, modrm(2, in->modrm >> 3, in->vsib ? 4 : borrowed));
  if (in->vsib) put8(k, (u8)(in->scale << 6 | (in->index & 7) << 3 | borrowed));
  put32(k, disp);
  put_bytes(k, bytes + in->len - in->imm_size, in->imm_size);
}

/* The instruction with [borrowed + disp32] as its operand. */
static void rebuilt(Code *k, const u8 *bytes, const Insn *in, u8 borrowed, u32 disp) {
  if (in->enc == ENC_VEX) {
    rebuilt_vex(k, bytes, in, borrowed, disp);
    return;
  }
  u32 modrm_byte = jit_modrm_at(in), opcode = modrm_byte - (in->map > MAP_0F ? 3 : 1 + in->map);
  for (u32 i = 0; i < opcode; i++) {
    bool rex = (bytes[i] & 0xf0) == 0x40; /* one that is not last counts for nothing */
    if (!rex && !is_segment(bytes[i])) put8(k, bytes[i]);
  }
  if (in->rex) put8(k, in->rex & 0xfc);
  put_bytes(k, bytes + opcode, modrm_byte - opcode);
  put8(k, modrm(2, in->modrm >> 3, borrowed));
  put32(k, disp);
  put_bytes(k, bytes + in->len - in->imm_size, in->imm_size);
}

/* lea borrowed, [borrowed + reg << scale] */
static void add_register(Code *k, u8 borrowed, u8 reg, u8 scale) {
  u8 base = borrowed, index = reg;
  if (reg == RSP) base = RSP, index = borrowed;
  put8(k, (u8)(0x48 | (index >> 3) << 1 | base >> 3));
  put8(k, 0x8d);
  put8(k, modrm(1, borrowed, 4));
  put8(k, (u8)(scale << 6 | (index & 7) << 3 | (base & 7)));
  put8(k, 0);
}

static bool with_segment(Maker *m, const u8 *bytes, const Insn *in) {
  u8 r = scratch(m, in);
  if (r == NO_REG) return false;
  lend(m, r);
  load_gs(&m->k, r, in->seg == 1 + FS ? CPU_FIELD(fs_base) : CPU_FIELD(gs_base));
  if (in->base >= 0) add_register(&m->k, r, (u8)in->base, 0);
  if (in->index >= 0 && !in->vsib) add_register(&m->k, r, (u8)in->index, in->scale);
  rebuilt(&m->k, bytes, in, r, (u32)in->disp);
  load_gs(&m->k, r, CPU_FIELD(poll.lent));
  return true;
}

static bool with_address(Maker *m, const u8 *bytes, const Insn *in, u64 address) {
  u8 r = scratch(m, in);
  if (r == NO_REG) return false;
  lend(m, r);
  set_reg(&m->k, r, address);
  rebuilt(&m->k, bytes, in, r, 0);
  load_gs(&m->k, r, CPU_FIELD(poll.lent));
  return true;
}

bool jit_copy(Maker *m, const u8 *bytes, const Insn *in) {
  bool plain = in->enc != ENC_EVEX && in->disp_size != 8 && in->addr_size == 8;
  if (in->has_mem && in->seg) return plain && !in->rip_relative && with_segment(m, bytes, in);
  if (in->rip_relative) {
    u64 address = m->rip + in->len + (u64)in->disp;
    s64 disp = (s64)(address - ((u64)m->k.at + in->len));
    if (in->addr_size != 8) return false;
    if (disp == (s32)disp) {
      put_insn(&m->k, bytes, in->len);
      u32 value = (u32)disp;
      memcpy(m->k.at - in->imm_size - 4, &value, 4);
      return true;
    }
    return plain && with_address(m, bytes, in, address);
  }
  put_insn(&m->k, bytes, in->len);
  return true;
}

#endif
