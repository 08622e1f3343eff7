/* Where our decoder and Zydis 4.0 differ on purpose: every entry says why we are right, or why it
 * does not matter.  A difference that no entry explains fails the test. */
#ifndef DECODE_EXCEPTIONS_H
#define DECODE_EXCEPTIONS_H
#include <Zydis/Zydis.h>

#include "decode.h"

typedef struct {
  const char *why;
  u64 count;
} Exception;

enum {
  NEWER,
  RESERVED_NOP,
  FORM_DETAIL,
  HIGH_V_IGNORED,
  CONTROL_REGISTER,
  VENDOR,
  SYSCALL_64,
  EXCEPTIONS
};

static Exception exceptions[EXCEPTIONS] = {
    [NEWER] = {"we accept: defined by Intel after Zydis 4.0", 0},
    [RESERVED_NOP] = {"we accept: 0F 1A/1B without MPX are NOPs whatever their operands", 0},
    [FORM_DETAIL] = {"we accept: W, L, vvvv, masking, broadcast, register clashes are the form's",
                     0},
    [HIGH_V_IGNORED] = {"we accept: EVEX.V' is ignored outside 64-bit mode (measured)", 0},
    [CONTROL_REGISTER] = {"we accept: which of CR8..15 and DR8..15 exist is the form's", 0},
    [VENDOR] = {"we reject: 3DNow!, XOP, FMA4, TBM, LWP, PadLock, Knights Corner", 0},
    [SYSCALL_64] = {"we reject: SYSCALL and SYSRET outside 64-bit mode (AMD only)", 0},
};

/* Instructions that Zydis 4.0 does not know yet.  `pps` has bit pp; `mod` is 'm', 'r' or 0. */
typedef struct {
  u8 enc, map, first, last, pps;
  char mod;
  const char *name;
} Newer;

static const Newer newer[] = {
    {ENC_LEGACY, 1, 0x01, 0x01, 15, 'r', "WRMSRNS RDMSRLIST WRMSRLIST"},
    {ENC_LEGACY, 2, 0xF8, 0xF8, 12, 'r', "URDMSR UWRMSR"},
    {ENC_LEGACY, 2, 0xFC, 0xFC, 15, 'm', "RAO-INT"},
    {ENC_VEX, 2, 0x50, 0x51, 13, 0, "AVX-VNNI-INT8"},
    {ENC_VEX, 2, 0x5C, 0x5C, 8, 'r', "AMX-FP16"},
    {ENC_VEX, 2, 0x6C, 0x6C, 3, 'r', "AMX-COMPLEX"},
    {ENC_VEX, 2, 0x72, 0x72, 4, 0, "AVX-NE-CONVERT"},
    {ENC_VEX, 2, 0xB0, 0xB1, 15, 'm', "AVX-NE-CONVERT"},
    {ENC_VEX, 2, 0xB4, 0xB5, 2, 0, "AVX-IFMA"},
    {ENC_VEX, 2, 0xCB, 0xCD, 8, 'r', "SHA512"},
    {ENC_VEX, 2, 0xD2, 0xD3, 7, 0, "AVX-VNNI-INT16"},
    {ENC_VEX, 2, 0xDA, 0xDA, 15, 0, "SM3 SM4"},
    {ENC_VEX, 2, 0xE0, 0xEF, 2, 'm', "CMPCCXADD"},
    {ENC_VEX, 3, 0xDE, 0xDE, 2, 0, "SM3"},
};

static bool is_newer(const Insn *in) {
  for (size_t i = 0; i < sizeof newer / sizeof *newer; i++) {
    const Newer *n = &newer[i];
    if (n->enc != in->enc || n->map != in->map || !(n->pps >> in->pp & 1)) continue;
    if (in->opcode < n->first || in->opcode > n->last) continue;
    if (n->mod && (n->mod == 'm') != (in->mod != 3)) continue;
    return n->enc != ENC_LEGACY || n->map != 1 || in->modrm == 0xC6;
  }
  return false;
}

/* The exception that covers what we reject and Zydis accepts, or EXCEPTIONS. */
static int explain_rejected(int mode, const ZydisDecodedInstruction *theirs) {
  switch (theirs->meta.isa_ext) {
  case ZYDIS_ISA_EXT_AMD3DNOW:
  case ZYDIS_ISA_EXT_XOP:
  case ZYDIS_ISA_EXT_FMA4:
  case ZYDIS_ISA_EXT_TBM:
  case ZYDIS_ISA_EXT_PADLOCK:
  case ZYDIS_ISA_EXT_KNC:
  case ZYDIS_ISA_EXT_KNCE:
  case ZYDIS_ISA_EXT_KNCV: return VENDOR;
  default: break;
  }
  if (mode == 64) return EXCEPTIONS;
  bool amd =
      theirs->mnemonic == ZYDIS_MNEMONIC_SYSCALL || theirs->mnemonic == ZYDIS_MNEMONIC_SYSRET;
  return amd ? SYSCALL_64 : EXCEPTIONS;
}

#endif
