/* Writing x86-64 machine code.  `gs` operands are fields of the Cpu. */
#ifndef BLINK_JIT_EMIT_H
#define BLINK_JIT_EMIT_H
#include <stddef.h>
#include <string.h>

#include "cpu.h"

typedef struct {
  u8 *at;
} Code;

#define CPU_FIELD(field) ((u32)offsetof(Cpu, field))

static inline void put8(Code *k, u8 v) { *k->at++ = v; }
static inline void put32(Code *k, u32 v) {
  memcpy(k->at, &v, 4);
  k->at += 4;
}
static inline void put64(Code *k, u64 v) {
  memcpy(k->at, &v, 8);
  k->at += 8;
}
static inline void put_bytes(Code *k, const u8 *bytes, u32 n) {
  memcpy(k->at, bytes, n);
  k->at += n;
}

/* An instruction of at most 15 bytes; 16 are read and written. */
static inline void put_insn(Code *k, const u8 *bytes, u32 n) {
  memcpy(k->at, bytes, 16);
  k->at += n;
}

static inline u8 modrm(u8 mod, u8 reg, u8 rm) { return (u8)(mod << 6 | (reg & 7) << 3 | (rm & 7)); }

/* An operand at an absolute GS offset: ModRM with SIB and no base. */
static inline void put_gs(Code *k, u8 reg, u32 field) {
  put8(k, modrm(0, reg, 4));
  put8(k, 0x25);
  put32(k, field);
}

/* mov gs:[field], reg / mov reg, gs:[field] */
static inline void store_gs(Code *k, u32 field, u8 reg) {
  put8(k, 0x65), put8(k, (u8)(0x48 | (reg >> 3) << 2)), put8(k, 0x89);
  put_gs(k, reg, field);
}
static inline void load_gs(Code *k, u8 reg, u32 field) {
  put8(k, 0x65), put8(k, (u8)(0x48 | (reg >> 3) << 2)), put8(k, 0x8b);
  put_gs(k, reg, field);
}

/* movq mm0, gs:[field] and its inverse; paddq mm0, gs:[field] */
enum { MMX_LOAD = 0x6f, MMX_STORE = 0x7f, MMX_ADD = 0xd4 };
static inline void count_gs(Code *k, u8 opcode, u32 field) {
  put8(k, 0x65), put8(k, 0x0f), put8(k, opcode);
  put_gs(k, 0, field);
}

/* mov dword gs:[field], value */
static inline void set_gs32(Code *k, u32 field, u32 value) {
  put8(k, 0x65), put8(k, 0xc7);
  put_gs(k, 0, field);
  put32(k, value);
}
static inline void set_gs64(Code *k, u32 field, u64 value) {
  set_gs32(k, field, (u32)value);
  set_gs32(k, field + 4, (u32)(value >> 32));
}

/* mov reg, value */
static inline void set_reg(Code *k, u8 reg, u64 value) {
  put8(k, (u8)(0x48 | reg >> 3)), put8(k, (u8)(0xb8 | (reg & 7)));
  put64(k, value);
}

/* jmp rel32; the address of the displacement */
enum { JUMP_BYTE = 0xe9, JUMP_BYTES = 5 };
static inline u8 *jump(Code *k, const u8 *to) {
  put8(k, JUMP_BYTE);
  put32(k, (u32)(to - (k->at + 4)));
  return k->at - 4;
}
/* jmp qword gs:[field] */
static inline void jump_gs(Code *k, u32 field) {
  put8(k, 0x65), put8(k, 0xff);
  put_gs(k, 4, field);
}
static inline void patch32(u8 *where, const u8 *to) {
  u32 v = (u32)(to - (where + 4));
  __atomic_store(((u32 *)(void *)where), &v, __ATOMIC_RELEASE);
}

#endif
