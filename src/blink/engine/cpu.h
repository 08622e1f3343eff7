/* The state of one guest CPU, the pre-decoded record, and why run() stopped.
 *
 * Python learns the layout from cpu_layout.c (name, offset, size); no offset is written down twice.
 * Nothing here is global: a second CPU, or a new image after exec, shares nothing by accident.
 */
#ifndef BLINK_CPU_H
#define BLINK_CPU_H
#include "types.h"

typedef struct Cpu Cpu;
typedef struct Rec Rec;
typedef struct Memory Memory;
typedef struct Cache Cache;
typedef struct CpuModel CpuModel;

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
enum { ES, CS, SS, DS, FS, GS };

/* Two more slots behind the 16 registers let one effective-address form serve all:
 * an absent base or index reads GPR_ZERO; segment overrides and 16/32-bit addressing are computed
 * by a record of their own into GPR_EA. */
enum { GPR_ZERO = 16, GPR_EA = 17, GPR_SLOTS = 18 };

/* Behind the vector registers, a memory operand that a record of its own has loaded. */
enum { VEC_OPERAND = 32, VEC_SLOTS = 33 };

/* Status flags are lazy.  CC_SUB*: flags of cc_a - cc_b, both sign-extended (also logic operations,
 * as result - 0).  CC_ADD*: flags of cc_a + cc_b.  CC_RES*: ZF, SF, PF of cc_a; CF, OF and AF are in
 * cc_b at their EFLAGS positions.  CC_FLAGS: all are in eflags.  The two low bits are log2(bytes). */
enum { CC_SUB8, CC_SUB16, CC_SUB32, CC_SUB64 };
enum { CC_ADD8 = CC_SUB64 + 1, CC_ADD16, CC_ADD32, CC_ADD64 };
enum { CC_RES8 = CC_ADD64 + 1, CC_RES16, CC_RES32, CC_RES64, CC_FLAGS };

enum { FLAG_CF = 1 << 0, FLAG_ONE = 1 << 1, FLAG_PF = 1 << 2, FLAG_AF = 1 << 4, FLAG_ZF = 1 << 6 };
enum { FLAG_SF = 1 << 7, FLAG_TF = 1 << 8, FLAG_IF = 1 << 9, FLAG_DF = 1 << 10, FLAG_OF = 1 << 11 };
enum { FLAG_IOPL = 3 << 12, FLAG_NT = 1 << 14, FLAG_RF = 1 << 16, FLAG_VM = 1 << 17 };
enum { FLAG_AC = 1 << 18, FLAG_ID = 1 << 21 };
enum { FLAGS_STATUS = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF };

/* Exception vectors (Intel SDM volume 3, table 6-1). */
enum { EXC_DE = 0, EXC_DB = 1, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5, EXC_UD = 6, EXC_NM = 7 };
enum { EXC_TS = 10, EXC_NP = 11 };
enum { EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_MF = 16, EXC_AC = 17, EXC_XM = 19 };
enum { EXC_ADDRESS = 256 }; /* an address is not canonical: fault_refine knows #SS from #GP */

/* Why run() returned. */
typedef enum {
  STOP_NONE,
  STOP_SYSCALL,             /* rip is behind the instruction; Python handles the call */
  STOP_SYSCALL_INTERRUPTED, /* a native call got EINTR, or never began: stop_error says which */
  STOP_FAULT,               /* stop_vector, stop_error, stop_addr; rip is at the instruction */
  STOP_INT,                 /* INT n: stop_vector = n; rip is behind the instruction */
  STOP_BUDGET,              /* exactly `budget` instructions retired */
  STOP_INTERRUPT,           /* someone raised cpu->interrupt */
  STOP_HALT,
  STOP_UNIMPLEMENTED, /* a valid encoding that no spec implements; rip is at the instruction */
  STOP_BREAKPOINT,    /* rip is at a breakpoint that was set through the API */
  STOP_PORT,          /* port I/O */
  STOP_WATCHPOINT,    /* rip is before an access of stop_size bytes at stop_addr */
  STOP_DIFFERENCE     /* the doctor found one; the state is that before it */
} Stop;

typedef const Rec *Handler(Cpu *, const Rec *);

/* One pre-decoded instruction: 32 bytes.  Register fields are byte offsets into gpr[] for general
 * registers (so that AH..BH are offsets too) and indices for all other files. */
struct Rec {
  Handler *fn;
  union {
    u64 disp;        /* displacement of the memory operand; RIP-relative ones are absolute */
    const Rec *link; /* branches: the record to go to when taken */
  };
  union {
    u64 imm;          /* immediate, sign-extended; return address of calls; target of stubs */
    const Rec *link2; /* conditional branches: the record to go to when not taken */
  };
  u8 a;     /* ModRM.reg */
  u8 b;     /* ModRM.rm as a register, or the register in the opcode */
  u8 v;     /* VEX.vvvv */
  u8 base;  /* byte offset into gpr[] */
  u8 index; /* byte offset into gpr[] */
  u8 scale; /* 0..3 */
  u8 len;   /* length in bytes; 0 for helper records (effective address, stubs) */
  u8 n;     /* terminators: instructions in the block up to and including this one */
};

typedef struct {
  u16 cw, sw; /* sw without TOP; TOP is `top` */
  u8 top;
  u8 tags; /* bit i: physical register i is not empty */
  u16 fop, fcs, fds;
  u64 fip, fdp;
  u64 last;     /* the last instruction, as x87_mark() packs it; 0: fop, fcs and fip hold */
  u8 st[8][16]; /* physical registers, 10 bytes each */
} X87;

enum { TLB_SIZE = 512 };
typedef struct {
  u64 read, write, exec; /* page address when that access is allowed, else ~0 */
} TlbEntry;

enum { JUMP_SIZE = 4096 };
typedef struct {
  u64 key; /* RIP | Cpu.code_key */
  const Rec *rec;
} JumpEntry;

static inline u32 jump_index(u64 key) { return (key ^ key >> 12) & (JUMP_SIZE - 1); }

/* What a block of 16 or 32-bit code depends on beside its RIP. */
enum { CONTEXTS = 64 };
typedef struct {
  u64 base;
  u32 limit, mode;
} CodeContext;

/* What translated code reaches through the host's GS base, which points at the Cpu. */
typedef struct {
  u64 host_rsp;
  u64 flags;  /* EFLAGS at entry and exit */
  u64 entry;  /* host code to enter */
  u64 target; /* of an indirect branch */
  u32 exit;   /* the direct branch to link: an index */
  u32 exit_reason;
  u32 active;     /* translated code is running, or about to */
  u32 closed;     /* the poll page may be read-only */
  u32 missed;     /* an indirect branch to `target` found another block alone in its slot */
  u32 wide;       /* VEX instructions were translated: upper halves are in host registers, too */
  u64 count_base; /* icount = count_base + count, */
  u64 count;      /* which is in MM0 while translated code runs, and negative until it must leave */
  u64 compare_rax, compare_rcx; /* the guest's, while a block compares its source */
  u64 compares;                 /* until the next tick */
  u32 x87;                      /* x87 instructions were translated: `x87_in` is kept ready */
  u32 x87_away; /* the guest's x87 state is in the Cpu; 0: in the host's x87, as jit_x87.c tells */
  u8 x87_in[112];               /* what FRSTOR loads */
  _Alignas(16) u8 x87_out[512]; /* what FXSAVE stored */
} JitState;

/* The most instructions of one block of translated code. */
enum { BLOCK_INSNS = 64 };

/* Before each Cpu lies so much address space that nobody can access: translated code that counts
 * loads from gs:[reg * 8 + field - LIMIT_SPAN], where reg is 0xffff, or 0 when it must leave.  Before
 * that lie the targets of indirect branches: host code by the low 16 bits of the guest's address. */
enum { LIMIT_SPAN = 0xffff * 8, CPU_GUARD = 0x80000, TARGET_SIZE = 1 << 16 };
/* Behind it lies so much: see jit_write_check(). */
#define CPU_BEYOND ((u64)1 << 32)

/* A page that is read-only while an interrupt waits, so that translated code stops at its next store
 * there.  It is the first thing that an indirect branch does, and what a branch back does. */
enum { POLL_PAGE = 4096 };
typedef struct {
  _Alignas(POLL_PAGE) u64 lent; /* a register that a rewritten memory operand borrows */
  u64 back;                     /* whatever */
  u64 unused[POLL_PAGE / 8 - 3];
  u64 rcx; /* the guest's, while an indirect branch uses it; nothing that can be read is behind it */
} JitPoll;

typedef struct Jit Jit;
typedef struct Doctor Doctor;

enum { WATCH_READ = 1, WATCH_WRITE = 2 };
typedef struct {
  u64 start, length;
  u32 kind; /* WATCH_* */
} Watch;

/* Where a watchpoint stopped: going on from there passes it. */
typedef struct {
  u64 rip, icount, rcx;
} WatchPlace;

/* GDTR, IDTR; LDTR and TR with their hidden parts.  `rights` as in Cpu.seg_rights. */
typedef struct {
  u64 base;
  u32 limit;
  u16 selector, rights;
} SystemTable;

struct Cpu {
  u64 gpr[GPR_SLOTS];
  u64 rip;
  u64 cc_a; /* not beside cc_b: gcc would store the two as one slow vector */
  u32 cc_op;
  u32 eflags; /* status flags here are valid only when cc_op == CC_FLAGS */
  u64 cc_b;
  u64 icount;         /* instructions retired since creation */
  volatile u64 limit; /* leave when icount passes it; raising an interrupt sets it to 0 */
  u64 deadline;       /* the true limit */
  volatile u32 interrupt;
  const Rec *cur; /* record of the last instruction begun that may fault */
  Memory *mem;
  Cache *cache;
  void *escape; /* jmp_buf of run(); faults leave through it */
  union {       /* the bases of ES, CS, SS and DS count outside of 64-bit mode only */
    u64 seg_base[6];
    struct {
      u64 low_bases[4], fs_base, gs_base;
    };
  };
  u32 seg_limit[6];  /* the last offset; expand-down: the one before the first */
  u16 seg_rights[6]; /* bits 40 to 55 of the descriptor; without P the segment is unusable */
  u16 seg[6];        /* selectors */
  SystemTable gdt, idt, ldt, tr;
  u64 cr0, cr2, cr3, cr4, cr8, efer;
  u64 dr[8];
  u8 cpl;
  bool user;      /* a process under Linux: its descriptors, no privileged state */
  u32 mode;       /* 16, 32 or 64; this and what follows derives from the above */
  u32 code_limit; /* seg_limit[CS] */
  u64 stack_mask; /* of RSP, the bits that address the stack: 16, 32 or 64 */
  u64 rip_mask;   /* of RIP, 32 or 64 */
  u64 code_key;   /* RIP | code_key tells code segments apart: see cpu_mode_changed() */
  u32 mxcsr;      /* the guest's; in the host's register while running */
  u64 xcr0;
  u64 entropy; /* 0: RDRAND asks the host; else the state of a sequence (entropy.c) */
  X87 x87;
  /* why we stopped */
  u32 stop, stop_vector;
  u64 stop_error, stop_addr;
  u32 stop_signo, stop_code; /* host siginfo of a memory fault */
  u64 stop_size;             /* at a watchpoint */
  u64 counters[16];          /* statistics for -Z */
  _Alignas(64) V512 vec[VEC_SLOTS];
  TlbEntry tlb[TLB_SIZE]; /* paged mode only */
  u64 tlb_epoch;          /* memory.c: mem->tlb_epoch when the TLB was last emptied */
  Cpu *next_attached;     /* memory.c: list of the Cpus of one Memory */
  bool native;            /* the engine may run passthrough system calls itself */
  const CpuModel *model;
  u64 *breakpoints; /* sorted addresses */
  u32 breakpoint_count;
  u64 resume_at;              /* do not stop at this breakpoint again when continuing from it */
  JumpEntry jumps[JUMP_SIZE]; /* targets of indirect branches, direct-mapped */
  CodeContext contexts[CONTEXTS];
  u32 context_count;
  Jit *jit; /* the translator, or NULL */
  JitState js;
  bool checked; /* linear memory, too, is interpreted by the handlers of paged memory: watch.c */
  Watch *watches;
  u32 watch_count;
  WatchPlace watch_passed;
  Doctor *doctor;    /* compares the translator with the interpreter, or NULL */
  u64 beyond;        /* bytes behind that nobody can access: CPU_BEYOND, or none */
  bool counting;     /* translated code counts instructions */
  struct Tape *tape; /* where system calls are recorded, or replayed from, or NULL: tape.h */
  u64 tape_end;      /* replaying: the icount at which to stop at the latest */
  u32 tape_tid;      /* the thread's number there */
  u64 counts[BLOCK_INSNS + 1]; /* counts[n] == n: what translated code adds */
  JitPoll poll;                /* at the end */
};

static inline u64 *cpu_targets(const Cpu *c) { return (u64 *)((u64)c - CPU_GUARD) - TARGET_SIZE; }

#endif
