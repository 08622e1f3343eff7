/* Instructions that are copied as they stand, and direct branches, known by their first bytes.
 *
 * Programs repeat themselves: what the decoder and the forms said of a prefix, REX, opcode and ModRM is
 * remembered, and the next such instruction needs neither.  Nothing here says what an instruction is.
 */
#include "jit.h"

#if defined(__x86_64__)

#include "jit_maker.h"

/* An instruction up to its ModRM. */
typedef struct {
  u32 key; /* all of it, in one number that is not 0 */
  u8 rex, map, opcode;
  bool prefix, has_modrm;
  const u8 *next; /* ModRM, or what is behind the opcode */
} Head;

static Head head_of(const Jit *j, const u8 *p) {
  u32 prefix = *p == 0x66 ? 1 : *p == 0xf2 ? 2 : *p == 0xf3 ? 3 : 0;
  Head h = {.prefix = prefix != 0};
  p += h.prefix;
  if ((*p & 0xf0) == 0x40) h.rex = *p++;
  if (*p == 0x0f) h.map = MAP_0F, p++;
  h.opcode = *p++;
  h.next = p;
  h.has_modrm = !j->no_modrm[h.map][h.opcode];
  h.key = 1u << 31 | prefix << 24 | (u32)h.map << 23 | (u32)(h.rex & 31) << 16;
  h.key |= (u32)h.opcode << 8 | (h.has_modrm ? *p : 0);
  return h;
}

static Quick *place(Jit *j, u32 key) {
  return &j->quick[key * 0x9e3779b1u >> 19 & (QUICK_SIZE - 1)];
}

/* ModRM, SIB and displacement. */
static u32 operand_length(const u8 *p) {
  u32 mod = *p >> 6, base = *p & 7, length = 1;
  if (mod == 3) return length;
  if (base == 4) length++, base = p[1] & 7;
  if (mod == 0) return length + (base == 5 ? 4 : 0);
  return length + (mod == 1 ? 1 : 4);
}

static bool is_rip_relative(const Head *h) { return h->has_modrm && (*h->next & 0xc7) == 5; }

void jit_learn(Jit *j, const u8 *bytes, const Insn *in, QuickKind kind, u16 undefined) {
  if (in->enc != ENC_LEGACY || in->map > MAP_0F) return;
  if (!in->has_modrm) j->no_modrm[in->map][in->opcode] = true;
  Head h = head_of(j, bytes);
  bool same = h.map == in->map && h.opcode == in->opcode && h.rex == in->rex;
  if (!same || h.has_modrm != in->has_modrm || (kind == QUICK_BRANCH && h.prefix)) return;
  if (h.has_modrm && in->mod != *h.next >> 6) return;
  u32 length = (u32)(h.next - bytes) + (h.has_modrm ? operand_length(h.next) : 0);
  *place(j, h.key) = (Quick){
      .key = h.key, .kind = (u8)kind, .tail = (u8)(in->len - length), .undefined = undefined};
}

static Outcome quick_branch(Maker *m, const Head *h, u32 length, u32 size) {
  s32 wide;
  memcpy(&wide, h->next, sizeof wide);
  Insn in = {.len = (u8)length, .map = h->map, .opcode = h->opcode};
  in.imm = size == 1 ? (s8)*h->next : wide;
  return jit_branch(m, &in);
}

/* The displacement counts from the copy; false when that does not reach. */
static bool relocate(const Maker *m, const u8 *bytes, const Head *h) {
  s32 disp;
  memcpy(&disp, h->next + 1, sizeof disp);
  s64 moved = disp + (s64)(m->rip - (u64)m->k.at);
  if (moved != (s32)moved) return false;
  disp = (s32)moved;
  memcpy(m->k.at + (h->next + 1 - bytes), &disp, sizeof disp);
  return true;
}

Outcome jit_quick(Maker *m, const u8 *bytes, u32 *length) {
  Head h = head_of(m->j, bytes);
  const Quick *q = place(m->j, h.key);
  if (q->key != h.key) return REFUSED;
  u32 n = (u32)(h.next - bytes) + (h.has_modrm ? operand_length(h.next) : 0) + q->tail;
  *length = n;
  if (q->kind == QUICK_BRANCH) return quick_branch(m, &h, n, q->tail);
  memcpy(m->k.at, bytes, 16);
  if (is_rip_relative(&h) && !relocate(m, bytes, &h)) return REFUSED;
  m->k.at += n;
  m->undefined |= q->undefined;
  return GO_ON;
}

#endif
