/* The generated table of forms: from a decoded instruction to the handler and its record's fields. */
#ifndef BLINK_FORMS_H
#define BLINK_FORMS_H
#include "cpu.h"

/* How a register's number becomes a record field. */
enum { FIELD_NONE, FIELD_GPR8, FIELD_GPR, FIELD_INDEX, FIELD_LOW3 };
enum { MOD_ANY, MOD_MEM, MOD_REG };
/* In order, so that no two share a bit. */
enum {
  FORM_END = 1 << 0,       /* ends a block */
  FORM_LINK = 1 << 1,      /* jumps to a relative target */
  FORM_TWO_LINKS = 1 << 2, /* taken and not taken */
  FORM_AGAIN = 1 << 3,     /* the taken link is the instruction itself */
  FORM_NEXT_IP = 1 << 4,   /* imm holds the address of the next instruction */
  FORM_STRING = 1 << 5,    /* base holds the source segment's base */
  FORM_ADDRESS = 1 << 6,   /* LEA: no segment base */
  FORM_ST = 1 << 7,        /* b is ModRM & 7 */
  FORM_OREG = 1 << 8,      /* b is the register in the opcode */
  FORM_NO_REX_B = 1 << 9,  /* matches only without REX.B */
  FORM_UPDATE = 1 << 10,   /* reads and writes its ModRM operand */
  FORM_POP = 1 << 11,      /* an RSP-based address counts from where RSP goes */
  FORM_SWAP = 1 << 12,     /* register form: a and b change places */
  FORM_COPY = 1 << 13,     /* the translator copies it */
  FORM_SYSCALL = 1 << 14,
  FORM_STACK = 1 << 15,    /* an implied operand is in the stack segment */
  FORM_STORE_RM = 1 << 16, /* writes its ModRM operand */
  FORM_STORE = 1 << 17,    /* may write memory besides its ModRM operand */
  FORM_VECTOR = 1 << 18,   /* VEX on vector registers: needs XCR0's SSE and AVX bits */
  FORM_X87 = 1 << 19,      /* imm tells the x87 which instruction this is: x87_mark() */
  FORM_VOLATILE = 1 << 20, /* another result each time */
  FORM_WAIT = 1 << 21,     /* x87_wait() before anything else */
  FORM_CPL0 = 1 << 22,     /* #GP(0) elsewhere, before anything else */
  FORM_HOST_X87 = 1 << 23  /* the translator copies it to where the host's x87 holds the guest's */
};

typedef struct {
  u8 pp, w, l, mask, value, mod, modes, asize;
  u8 a, b, v;
  u8 cc;         /* Jcc: the condition; else 255 */
  u8 feature;    /* index into cpu_features */
  u16 undefined; /* status flags that it leaves undefined */
  u32 flags;
  u16 access[3];   /* bytes of the memory operand by operand size, 0 for what the body accesses */
  u16 plain[3][2]; /* by operand size 16, 32, 64 and register or memory */
  u16 locked[3];
  u16 load; /* handler that loads the memory operand into VEC_OPERAND first; 0: none */
} FormDef;

typedef struct {
  u16 first, count;
} FormRange;

/* A bit of CPUID; number 0 stands for all that every x86-64 CPU has. */
typedef struct {
  u32 leaf, sub;
  u8 reg, bit; /* reg: EAX, EBX, ECX, EDX = 0..3 */
} CpuFeature;

enum { FORM_ANY = 255 };

extern const FormDef form_table[];
extern const u16 form_candidates[];
extern const FormRange form_index[2][3][8][256]; /* 64-bit mode, others; by enc, map, opcode */
extern const u16 fuse_row[];                     /* by handler: its row in `fused`, or 0 */
extern const u16 fused[][16];
/* `tail` is a fused pair; the handler that does `lead` before it as well, or 0. */
u16 led_handler(u32 lead, u32 tail);
/* The handler that does both of two adjacent instructions, or 0. */
u16 couple_handler(u32 first, u32 second);
/* The form of a decoded instruction on a CPU model, or NULL: TZCNT is BSF where it is not known. */
struct Insn;
const FormDef *form_find(const struct Insn *in, const CpuModel *model);
/* Whether its prefixes fit the form; else it is an invalid encoding. */
bool form_allows(const FormDef *f, const struct Insn *in);
/* Whether there are forms of this VEX opcode and prefix, but not with these L, W and ModRM: #UD. */
bool form_excludes(const struct Insn *in);

extern const CpuFeature cpu_features[];
bool host_has(u32 feature); /* host_cpu.c */
bool host_has_ymm(void);    /* fp_extra.c: AVX, and the system keeps its state */

extern const char *const form_names[];
extern const u32 form_count;
extern Handler *const h_handlers_linear[];
extern Handler *const h_handlers_paged[];

#endif
