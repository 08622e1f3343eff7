/* See decode.h.
 *
 * One pass without bounds checks over at least DECODE_SLACK readable bytes (a short input is first
 * copied and padded); how far the pass went is compared with what was given at the end.  The tables
 * are generated: 16 attribute bits an opcode, and masks of the forms that exist.
 *
 * Speed (measured on bash's text, Zen 5): sizes are chosen by branches, because a predicted branch
 * lets the next instruction start early, where table look-ups make one long chain of loads (10 %
 * slower).  Cold functions take and return the position by value, so that it stays in a register.
 */
#include "decode.h"

typedef struct {
  u64 regs[4]; /* [pp], bit ModRM & 63: register forms */
  u32 mem;     /* bit pp * 8 + ModRM.reg: memory forms; bit pp * 8: no ModRM */
  u8 lock;     /* bit ModRM.reg: LOCK may precede the memory form */
} DecodeCheck;

#include "_generated_maps.h"

/* The most that a pass reads: 15 prefixes and what ends them, EVEX, opcode, ModRM, SIB, disp32, imm
 * (16 + 3 + 1 + 1 + 1 + 4 + 4; without EVEX, 16 + 2 + 8), rounded up. */
enum { DECODE_SLACK = 32 };

typedef u16 __attribute__((aligned(1), may_alias)) Near16;
typedef u32 __attribute__((aligned(1), may_alias)) Near32;
typedef u64 __attribute__((aligned(1), may_alias)) Near64;

typedef struct {
  const u8 *p; /* the next byte */
  Insn *in;
  const u16 (*attrs)[256]; /* this mode's rows */
  u32 attr;                /* of the opcode */
  u32 r, x, b;             /* register extensions as 0 or 8; r with EVEX.R' as 16 */
  u32 high;                /* EVEX.V' as 0 or 16 */
} Cursor;

static ALWAYS_INLINE u32 attr_kind(u32 attr) { return attr >> ATTR_KIND_SHIFT; }

static ALWAYS_INLINE s64 take(Cursor *c, u32 size) {
  const u8 *p = c->p;
  c->p += size;
  switch (size) {
  case 1: return (s8)*p;
  case 2: return (s16) * (const Near16 *)p;
  case 4: return (s32) * (const Near32 *)p;
  default: return (s64) * (const Near64 *)p;
  }
}

/* Notes one legacy or REX prefix.  A REX byte counts only when the opcode follows, so any other
 * prefix forgets it. */
static ALWAYS_INLINE void note_prefix(Insn *in, u8 byte) {
  u8 rex = 0;
  switch (byte) {
  case 0x66: in->has_66 = true; break;
  case 0x67: in->has_67 = true; break;
  case 0xF0: in->lock = true; break;
  case 0xF2: in->repne = true, in->rep = false; break;
  case 0xF3: in->rep = true, in->repne = false; break;
  case 0x64:
  case 0x65: in->seg = 1 + (byte & 7); break;
  case 0x26:
  case 0x2E:
  case 0x36:
  case 0x3E:
    if (in->mode != 64) in->seg = 1 + (byte >> 3 & 3);
    break;
  default: rex = byte;
  }
  in->rex = rex;
}

/* Reads prefixes from `p` and returns where the opcode is, or one past DECODE_MAX prefixes. */
static NOINLINE const u8 *read_prefixes(Insn *in, const u8 *p, const u16 attrs[256]) {
  const u8 *end = p + DECODE_MAX + 1;
  for (; p < end && attr_kind(attrs[*p]) == KIND_PREFIX; p++) note_prefix(in, *p);
  in->pp = in->rep ? PP_F3 : in->repne ? PP_F2 : in->has_66 ? PP_66 : PP_NONE;
  return p;
}

/* Reads prefixes and the first opcode byte, fast when there is no prefix but REX.  Fails when nothing
 * but prefixes fits. */
static ALWAYS_INLINE bool read_start(Cursor *c) {
  const u16 *attrs = c->attrs[decode_legacy_rows[MAP_ONE_BYTE]];
  const u8 *p = c->p;
  if (c->in->mode == 64 && (*p & 0xF0) == 0x40) c->in->rex = *p++;
  if (unlikely(attr_kind(attrs[*p]) == KIND_PREFIX)) {
    p = read_prefixes(c->in, c->p, attrs);
    if (p - c->p > DECODE_MAX) {
      c->p = p;
      return false;
    }
  }
  c->in->opcode = *p;
  c->attr = attrs[*p];
  c->p = p + 1;
  return true;
}

static ALWAYS_INLINE void select_row(Cursor *c, const u8 *rows, u32 map) {
  u8 opcode = *c->p++;
  c->in->map = map;
  c->in->opcode = opcode;
  c->attr = c->attrs[rows[map]][opcode];
}

static ALWAYS_INLINE void read_opcode(Cursor *c) {
  Insn *in = c->in;
  u32 rex = in->rex;
  in->w = (rex & 8) != 0;
  c->r = rex << 1 & 8;
  c->x = rex << 2 & 8;
  c->b = rex << 3 & 8;
  if (attr_kind(c->attr) != KIND_ESCAPE) return;
  u32 map = MAP_0F;
  if ((*c->p & 0xFD) == 0x38) map = *c->p++ == 0x38 ? MAP_0F38 : MAP_0F3A;
  select_row(c, decode_legacy_rows, map);
}

/* `vvvv` is inverted.  Outside 64-bit mode there are eight registers and every extension bit is
 * ignored (R and X cannot be set there), but an unused vvvv must be all ones (measured on Zen 5). */
static void set_registers(Cursor *c, u32 vvvv) {
  Insn *in = c->in;
  u32 number = ~vvvv & 15;
  if (in->mode != 64) c->r = c->b = c->high = 0;
  in->has_vvvv = number || c->high;
  in->vvvv = in->mode == 64 ? number | c->high : number & 7;
}

static void read_vex(Cursor *c) {
  Insn *in = c->in;
  u32 first = *c->p++, map = MAP_0F;
  in->enc = ENC_VEX;
  c->r = ~first >> 4 & 8;
  if (in->opcode == 0xC4) {
    map = first & 31;
    c->x = ~first >> 3 & 8;
    c->b = ~first >> 2 & 8;
    first = *c->p++;
    in->w = first >> 7;
  }
  in->l = first >> 2 & 1;
  in->pp = first & 3;
  set_registers(c, first >> 3);
  select_row(c, decode_vex_rows, map);
}

static bool read_evex(Cursor *c) {
  Insn *in = c->in;
  u32 p0 = c->p[0], p1 = c->p[1], p2 = c->p[2];
  c->p += 3;
  if ((p0 & 8) || !(p1 & 4) || (p2 & 0x87) == 0x80) return false; /* fixed bits; z without mask */
  in->enc = ENC_EVEX;
  c->r = (~p0 >> 4 & 8) | (~p0 & 16);
  c->x = ~p0 >> 3 & 8;
  c->b = ~p0 >> 2 & 8;
  c->high = ~p2 << 1 & 16;
  in->w = p1 >> 7;
  in->pp = p1 & 3;
  in->l = p2 >> 5 & 3;
  in->evex_z = p2 >> 7;
  in->evex_b = p2 >> 4 & 1;
  in->aaa = p2 & 7;
  set_registers(c, p1 >> 3);
  select_row(c, decode_evex_rows, p0 & 7);
  return true;
}

/* VEX and EVEX: no legacy prefix that they encode themselves, no LOCK, no REX may come before. */
static bool read_vector_opcode(Cursor *c) {
  Insn *in = c->in;
  if (in->has_66 || in->rep || in->repne || in->lock || in->rex) return false;
  if (in->opcode == 0x62) return read_evex(c);
  read_vex(c);
  return true;
}

static ALWAYS_INLINE void set_sizes(Insn *in) {
  if (likely(in->mode == 64)) {
    in->addr_size = in->has_67 ? 4 : 8;
    in->osz = in->w ? 8 : in->has_66 ? 2 : 4;
  } else {
    in->addr_size = (in->mode == 32) != in->has_67 ? 4 : 2;
    in->osz = (in->mode == 32) != in->has_66 || in->enc != ENC_LEGACY ? 4 : 2;
  }
}

/* Whether this (opcode, mandatory prefix, ModRM, LOCK) exists. */
static ALWAYS_INLINE bool is_defined(const Cursor *c) {
  const Insn *in = c->in;
  const DecodeCheck *check = &decode_checks[c->attr & ATTR_CHECK];
  u32 reg = in->modrm >> 3 & 7;
  bool memory = in->mod != 3;
  if (unlikely(in->lock) && !(memory && (check->lock >> reg & 1))) return false;
  if (!memory) return check->regs[in->pp] >> (in->modrm & 63) & 1;
  return check->mem >> (in->pp * 8 + reg) & 1;
}

static ALWAYS_INLINE void read_disp(Cursor *c, u32 size) {
  c->in->disp = take(c, size);
  c->in->disp_size = size;
}

/* 16-bit addressing, SDM volume 2 table 2-1: BX+SI BX+DI BP+SI BP+DI SI DI BP BX. */
static NOINLINE const u8 *read_memory16(Insn *in, const u8 *p) {
  static const s8 bases[8] = {3, 3, 5, 5, 6, 7, 5, 3};
  static const s8 indices[8] = {6, 7, 6, 7, -1, -1, -1, -1};
  Cursor c = {.p = p, .in = in};
  u32 form = in->modrm & 7;
  bool absolute = in->mod == 0 && form == 6;
  in->base = absolute ? -1 : bases[form];
  in->index = indices[form];
  if (absolute || in->mod == 2) {
    read_disp(&c, 2);
  } else if (in->mod == 1) {
    read_disp(&c, 1);
  }
  return c.p;
}

static ALWAYS_INLINE void read_sib(Cursor *c) {
  Insn *in = c->in;
  u8 sib = *c->p++;
  u32 index = (sib >> 3 & 7) | c->x;
  in->scale = sib >> 6;
  in->base = (sib & 7) | c->b;
  if (unlikely(attr_kind(c->attr) == KIND_VSIB)) {
    in->vsib = true;
    in->index = index | c->high;
    if (c->high) in->has_vvvv = in->vvvv &= 15; /* V' is the index's here, not vvvv's */
  } else if (index != 4) {
    in->index = index;
  }
}

/* 32 and 64-bit addressing, SDM volume 2 tables 2-2 and 2-3. */
static ALWAYS_INLINE void read_memory(Cursor *c) {
  Insn *in = c->in;
  bool sib = (in->modrm & 7) == 4;
  in->base = in->rm;
  if (sib) read_sib(c);
  if (in->mod == 1) {
    read_disp(c, 1);
  } else if (in->mod == 2) {
    read_disp(c, 4);
  } else if ((in->base & 7) == 5) {
    in->base = -1;
    in->rip_relative = !sib && in->mode == 64;
    read_disp(c, 4);
  }
}

/* Vector indices and tile rows need a SIB byte; 16-bit addressing has none. */
static ALWAYS_INLINE bool lacks_sib(const Cursor *c) {
  u32 kind = attr_kind(c->attr);
  if (likely(kind != KIND_VSIB && kind != KIND_SIB)) return false;
  return (c->in->modrm & 7) != 4 || c->in->addr_size == 2;
}

static ALWAYS_INLINE bool read_modrm(Cursor *c) {
  Insn *in = c->in;
  u8 byte = *c->p++;
  in->has_modrm = true;
  in->modrm = byte;
  in->mod = attr_kind(c->attr) == KIND_REGS ? 3 : byte >> 6;
  in->reg = (byte >> 3 & 7) | c->r;
  in->rm = (byte & 7) | c->b;
  if (!is_defined(c)) return false;
  if (in->mod == 3) return true;
  if (lacks_sib(c)) return false;
  in->has_mem = true;
  if (unlikely(in->addr_size == 2)) {
    c->p = read_memory16(in, c->p);
  } else {
    read_memory(c);
  }
  return true;
}

static ALWAYS_INLINE void read_imm(Cursor *c, u32 size) {
  c->in->imm = take(c, size);
  c->in->imm_size = size;
  c->in->nimm = 1;
}

static ALWAYS_INLINE void read_imm2(Cursor *c, u32 size) {
  c->in->imm2 = take(c, size) & (size == 1 ? 0xFF : 0xFFFF);
  c->in->nimm = 2;
}

/* The rarer immediates; `z` is the size of IZ. */
static NOINLINE const u8 *read_odd_immediate(Insn *in, const u8 *p, u32 kind, u32 z) {
  Cursor c = {.p = p, .in = in};
  bool test = (in->modrm >> 3 & 6) == 0;
  switch (kind) {
  case IMM_IW: read_imm(&c, 2); break;
  case IMM_IV: read_imm(&c, in->osz); break;
  case IMM_AP: read_imm(&c, z), read_imm2(&c, 2); break;
  case IMM_ENTER: read_imm(&c, 2), read_imm2(&c, 1); break;
  case IMM_MOFFS: in->has_mem = true, read_disp(&c, in->addr_size); break;
  case IMM_TEST_IB:
    if (test) read_imm(&c, 1);
    break;
  case IMM_TEST_IZ:
    if (test) read_imm(&c, z);
    break;
  case IMM_SSE4A:
    if (in->pp != PP_NONE) read_imm(&c, 1), read_imm2(&c, 1);
    break;
  }
  return c.p;
}

static ALWAYS_INLINE void read_immediate(Cursor *c) {
  Insn *in = c->in;
  u32 kind = c->attr >> ATTR_IMM_SHIFT & 15;
  u32 z = in->osz == 2 ? 2 : 4;
  if (likely(kind == IMM_NONE)) return;
  if (kind == IMM_IB || kind == IMM_JB) {
    read_imm(c, 1);
  } else if (kind == IMM_IZ) {
    read_imm(c, z);
  } else if (kind == IMM_JZ) {
    read_imm(c, in->mode == 64 ? 4 : z);
  } else {
    c->p = read_odd_immediate(in, c->p, kind, z);
  }
}

/* What follows the opcode. */
static ALWAYS_INLINE bool read_operands(Cursor *c) {
  Insn *in = c->in;
  in->oreg = (in->opcode & 7) | c->b;
  set_sizes(in);
  if (c->attr & ATTR_MODRM ? !read_modrm(c) : !is_defined(c)) return false;
  read_immediate(c);
  return true;
}

static NOINLINE bool read_vector(Insn *in, const u8 **p, const u16 (*attrs)[256]) {
  Cursor c = {.p = *p, .in = in, .attrs = attrs};
  bool good = read_vector_opcode(&c) && read_operands(&c);
  *p = c.p;
  if (in->enc == ENC_VEX) return good;
  in->disp8 = in->disp_size == 1;
  if (in->mod == 3) in->rm |= c.x << 1;
  /* L'L = 3 is no length, only a rounding mode. */
  return good && (in->l != 3 || (in->evex_b && in->mod == 3));
}

/* Outside 64-bit mode C4, C5 and 62 are LES, LDS and BOUND unless a register ModRM would follow. */
static ALWAYS_INLINE bool read_insn(Cursor *c) {
  if (!read_start(c)) return false;
  if (unlikely(attr_kind(c->attr) == KIND_VEX) && (c->in->mode == 64 || *c->p >= 0xC0)) {
    const u8 *p = c->p;
    bool good = read_vector(c->in, &p, c->attrs);
    /* The byte that told VEX from LDS counts, too: it may be the sixteenth. */
    c->p = p + (p == c->p && c->in->mode != 64);
    return good;
  }
  read_opcode(c);
  return read_operands(c);
}

static NOINLINE const u8 *pad(u8 *copy, const u8 *bytes, size_t n) {
  for (size_t i = 0; i < DECODE_SLACK; i++) copy[i] = i < n ? bytes[i] : 0;
  return copy;
}

int decode(Insn *out, const u8 *bytes, size_t n, int mode) {
  u8 copy[DECODE_SLACK];
  if (unlikely(n < DECODE_SLACK)) bytes = pad(copy, bytes, n);
  *out = (Insn){.mode = mode, .base = -1, .index = -1};
  Cursor c = {.p = bytes, .in = out, .attrs = decode_attrs + (mode == 64 ? DECODE_ROWS : 0)};
  bool good = read_insn(&c);
  size_t used = c.p - bytes;
  /* Past the end, a verdict rests on padding. */
  if (unlikely(used > n || used > DECODE_MAX)) {
    return n < DECODE_MAX ? DECODE_TRUNCATED : DECODE_TOO_LONG;
  }
  out->len = used;
  return good ? DECODE_OK : DECODE_INVALID;
}
