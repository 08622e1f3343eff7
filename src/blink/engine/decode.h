/* The instruction-stream decoder: bytes to the fields of one x86 instruction, in every mode and map.
 *
 * It knows lengths, operands and which (map, opcode, mandatory prefix, ModRM) combinations exist
 * (isa/maps.py).  What only an instruction's definition can know stays with the forms: VEX.W, VEX.L,
 * an unused vvvv, masking, broadcast and rounding, CPUID features, privilege.
 *
 * Facts: Intel SDM volume 2, chapters 2 (formats, VEX, EVEX) and appendix A (opcode maps).  Where the
 * vendors differ, Intel is followed: in 64-bit mode near branches always have a 32-bit displacement
 * (AMD lets 66 shorten it), SYSCALL exists there only, 0F 0D with a register is a NOP.  66/F2/F3/REX/
 * LOCK before VEX or EVEX is #UD.  UD0, UD1 and UD2 decode: their forms raise #UD.  Real and virtual
 * 8086 mode are mode 16; that VEX and EVEX are #UD there is for the caller to know.
 */
#ifndef BLINK_DECODE_H
#define BLINK_DECODE_H
#include "types.h"

enum DecodeStatus {
  DECODE_OK,
  DECODE_TRUNCATED, /* more bytes are needed than were given */
  DECODE_INVALID,   /* #UD */
  DECODE_TOO_LONG   /* over 15 bytes: #GP(0) */
};

enum { DECODE_MAX = 15 };

enum { ENC_LEGACY, ENC_VEX, ENC_EVEX };

/* Opcode maps, numbered as VEX.mmmmm and EVEX.mmm number them. */
enum { MAP_ONE_BYTE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_5 = 5, MAP_6 = 6 };

/* Insn.pp, numbered as VEX.pp.  Legacy: the last of F2 and F3 wins, and either beats 66. */
enum { PP_NONE, PP_66, PP_F3, PP_F2 };

typedef struct Insn {
  s64 disp; /* sign-extended, also moffs: cut the sum to addr_size; EVEX: see disp8 */
  s64 imm;  /* first immediate or relative displacement, sign-extended from imm_size */
  s64 imm2; /* ENTER's level, a far pointer's selector, EXTRQ's index; zero-extended */
  u8 len;   /* 1..15 */
  u8 mode;  /* 16, 32, 64 */
  u8 enc;   /* ENC_* */
  u8 map;   /* MAP_* */
  u8 opcode;
  u8 pp;       /* PP_* */
  bool has_66; /* the legacy prefixes as they stand, whatever pp made of them */
  bool has_67;
  bool lock;     /* only on a lockable instruction with a memory destination */
  bool rep;      /* F3, when it is the last of F2 and F3 */
  bool repne;    /* F2, likewise */
  u8 seg;        /* 0 none, 1 + ES.. ; the last one wins; ES CS SS DS ignored in 64-bit mode */
  u8 rex;        /* the raw byte, or 0; one that is not last before the opcode counts as absent */
  bool w;        /* REX.W, VEX.W, EVEX.W */
  u8 l;          /* VEX.L or EVEX.L'L raw; 3 only when EVEX.b makes it a rounding mode */
  u8 vvvv;       /* a register number (not inverted): 0..15, EVEX 0..31, 0..7 outside 64-bit mode */
  bool has_vvvv; /* the raw field is not the "unused" pattern: #UD for a form without vvvv */
  bool evex_b;
  bool evex_z;
  u8 aaa;
  bool has_modrm;
  u8 modrm;     /* raw */
  u8 mod;       /* 3 for MOV to and from control and debug registers, which ignore it */
  u8 reg;       /* ModRM.reg extended by R (EVEX: R', so 0..31) */
  u8 rm;        /* ModRM.rm extended by B (EVEX and mod 3: X too, 0..31: & 15 when it is a GPR) */
  u8 oreg;      /* opcode & 7 extended by REX.B */
  bool has_mem; /* ModRM memory operand or moffs; not the implied ones of string instructions */
  bool rip_relative; /* disp counts from the next instruction; base is -1 */
  bool vsib;         /* index is a vector register, never absent, EVEX 0..31 */
  bool disp8;        /* EVEX: disp is a raw disp8, to be scaled by the form's N */
  s8 base;           /* register number or -1 */
  s8 index;          /* register number or -1 */
  u8 scale;          /* log2: 0..3 */
  u8 disp_size;      /* 0, 1, 2, 4, 8 bytes */
  u8 addr_size;      /* 2, 4, 8 bytes */
  u8 osz;            /* 2, 4, 8 by 66, W and mode, not knowing of default-64 or byte operations */
  u8 nimm;           /* 0..2 */
  u8 imm_size;       /* bytes of the first immediate: 0, 1, 2, 4, 8 */
} Insn;

/* Decodes the instruction at `bytes`, of which `n` may be read; more than DECODE_MAX is welcome.
 * `out` is meaningful only after DECODE_OK.  When the bytes given already prove an instruction
 * invalid, it is DECODE_INVALID, though its tail may be missing. */
int decode(Insn *out, const u8 *bytes, size_t n, int mode);

/* The segment register (ES..GS) of the ModRM memory operand: the override, else SS for addresses
 * based on SP or BP, else DS. */
static inline u8 insn_segment(const Insn *in) {
  enum { SEG_SS = 2, SEG_DS = 3 };
  if (in->seg) return in->seg - 1;
  return in->base == 4 || in->base == 5 ? SEG_SS : SEG_DS;
}

#endif
