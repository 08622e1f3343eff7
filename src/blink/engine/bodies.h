/* Hand-written instruction bodies: the targets of s.call() in the instruction set.
 *
 * Those that touch memory are compiled twice, as handlers are; BODY picks the twin of this mode.
 */
#ifndef BLINK_BODIES_H
#define BLINK_BODIES_H
#include "cpu.h"

#if BLINK_PAGED
#define BODY(name) name##_paged
#else
#define BODY(name) name##_linear
#endif

/* --- muldiv.c: 128 by 64 bits; the divisor is not zero --- */
u64 udiv128(Cpu *c, u64 high, u64 low, u64 divisor); /* high < divisor */
u64 urem128(Cpu *c, u64 high, u64 low, u64 divisor);
u8 idiv128_overflows(Cpu *c, u64 high, u64 low, u64 divisor);
u64 idiv128(Cpu *c, u64 high, u64 low, u64 divisor); /* does not overflow */
u64 irem128(Cpu *c, u64 high, u64 low, u64 divisor);

/* --- cpu_model.c --- */
void cpuid_body(Cpu *c);
u64 xgetbv(Cpu *c, u32 index);

/* --- system.c --- */
u64 read_tsc(Cpu *c);
u32 read_tsc_aux(Cpu *c);
void memory_fence(Cpu *c);
void mxcsr_load(Cpu *c, u32 value);
u32 mxcsr_store(Cpu *c);

/* --- segment.c --- */
/* The linear address of `access` bytes (or ACCESS_WRITE) at an offset; #GP or #SS. */
u64 segment_address(Cpu *c, u8 seg, u32 offset, u32 access);
/* The same in the segment of the instruction's memory operand. */
u64 operand_address(Cpu *c, u32 offset, u32 access);
void load_segment(Cpu *c, u32 which, u16 selector);
u64 access_rights(Cpu *c, u16 selector); /* LAR, LSL: all ones when there is no answer */
u64 segment_limit(Cpu *c, u16 selector);
u8 verify_segment(Cpu *c, u16 selector, u32 write);
void require_cpl0(Cpu *c); /* else #GP(0) */
void require_io(Cpu *c);   /* CPL <= IOPL */
void require_table(Cpu *c);
void require_protected(Cpu *c); /* else #UD */
void require_vm_io(Cpu *c);
u32 flags_writable(Cpu *c);
u64 control_read(Cpu *c, u8 n);
void control_write(Cpu *c, u8 n, u64 value);
u64 debug_read(Cpu *c, u8 n);
void debug_write(Cpu *c, u8 n, u64 value);
void machine_status_load(Cpu *c, u16 value);
void task_switched_clear(Cpu *c);
void table_load(Cpu *c, u32 interrupts, u16 limit, u64 base);
void system_segment_load(Cpu *c, u32 task, u16 selector);
void interrupt_flag(Cpu *c, u32 on);
void port_access(Cpu *c); /* leaves run() for the devices, at the instruction */

/* --- far.c --- */
#define far_jump BODY(far_jump)
#define far_call BODY(far_call)
#define far_return BODY(far_return)
#define interrupt_return BODY(interrupt_return)
#define software_interrupt BODY(software_interrupt)
#define overflow_interrupt BODY(overflow_interrupt)
#define go_on BODY(go_on)
void far_jump(Cpu *c, u16 selector, u64 offset);
void far_call(Cpu *c, u16 selector, u64 offset, u32 bytes);
void far_return(Cpu *c, u32 bytes, u16 extra);
void interrupt_return(Cpu *c, u32 bytes);
void software_interrupt(Cpu *c, u8 vector);
void overflow_interrupt(Cpu *c, u8 overflow);
void go_on(Cpu *c); /* at the next instruction */

/* --- bmi.c --- */
u64 deposit_bits(Cpu *c, u64 source, u64 mask);
u64 extract_bits(Cpu *c, u64 source, u64 mask);

/* --- polynomial.c --- */
V128 carryless_product(Cpu *c, u64 a, u64 b);
V128 invert_bytes(Cpu *c, V128 v); /* in GF(2^8), each byte by itself */

/* --- entropy.c --- */
u64 random_bits(Cpu *c);

/* --- waiting.c --- */
u8 pause_until(Cpu *c, u64 deadline); /* of the time stamp; 1 if the system's limit came first */
void give_way(Cpu *c);

/* --- sse42.c; `control`: the immediate, la and lb: elements of a and b --- */
u16 compare_strings(Cpu *c, V128 a, V128 b, u8 la, u8 lb, u8 control);
u8 string_length(Cpu *c, V128 v, u8 control);
u32 string_flags(Cpu *c, u16 found, u8 la, u8 lb, u8 control);
u32 string_index(Cpu *c, u16 found, u8 control);
V128 string_mask(Cpu *c, u16 found, u8 control);
u32 crc32c(Cpu *c, u32 crc, u64 data, u32 bits); /* the low `bits` bits of data */

/* --- bodies_mem.c --- */
#define fxsave_body BODY(fxsave_body)
#define fxrstor_body BODY(fxrstor_body)
#define xsave_body BODY(xsave_body)
#define xrstor_body BODY(xrstor_body)
void fxsave_body(Cpu *c, u64 address, u32 wide);
void fxrstor_body(Cpu *c, u64 address, u32 wide);
/* `mask` is EDX:EAX, `kind` an XsaveKind; the address is aligned. */
void xsave_body(Cpu *c, u64 address, u64 mask, u32 kind, u32 wide);
void xrstor_body(Cpu *c, u64 address, u64 mask, u32 wide);

/* ENTER with operands of `bytes` bytes. */
void enter_frame_linear(Cpu *c, u16 size, u8 level, u32 bytes);
void enter_frame_paged(Cpu *c, u16 size, u8 level, u32 bytes);

/* x87 images: FLDENV, FNSTENV, FRSTOR, FNSAVE; `bits` is 16 or 32.  store80: FSTP m80, FBSTP. */
#define fldenv_image BODY(fldenv_image)
#define fnstenv_image BODY(fnstenv_image)
#define frstor_image BODY(frstor_image)
#define fnsave_image BODY(fnsave_image)
#define enter_frame BODY(enter_frame)
#define store80 BODY(store80)
#define check_store BODY(check_store)
void fldenv_image(Cpu *c, u64 address, u32 bits);
void fnstenv_image(Cpu *c, u64 address, u32 bits);
void frstor_image(Cpu *c, u64 address, u32 bits);
void fnsave_image(Cpu *c, u64 address, u32 bits);
void check_store(Cpu *c, u64 address, u32 size); /* fault now if a store would */
void store80(Cpu *c, u64 address, u64 low, u16 high);

/* VGATHER* and VPGATHER* of `n` lanes: vector registers a (destination), i (indices of `index_bits`), v
 * (mask).  `how`: the address size in bytes, and 1 + the segment register's number times 256. */
#define gather32 BODY(gather32)
#define gather64 BODY(gather64)
void gather32(Cpu *c, u64 base, u8 a, u8 i, u8 v, u8 scale, u32 how, u32 index_bits, u32 n);
void gather64(Cpu *c, u64 base, u8 a, u8 i, u8 v, u8 scale, u32 how, u32 index_bits, u32 n);

/* BTS, BTR, BTC (operation 0, 1, 2) on a bit string in memory, atomically.  The old bit. */
#define bit_string16 BODY(bit_string16)
#define bit_string32 BODY(bit_string32)
#define bit_string64 BODY(bit_string64)
u8 bit_string16(Cpu *c, u64 address, u16 bit, u32 operation);
u8 bit_string32(Cpu *c, u64 address, u32 bit, u32 operation);
u8 bit_string64(Cpu *c, u64 address, u64 bit, u32 operation);

/* --- strings.c: as many elements as possible; 1 while some remain (an interrupt came) --- */
#define STRING_BODIES(X) \
  X(rep_movs) X(rep_stos) X(rep_lods) X(repe_scas) X(repne_scas) X(repe_cmps) X(repne_cmps)
#define STRING_DECLARE(name)             \
  u8 name##8_linear(Cpu * c, u64 base);  \
  u8 name##16_linear(Cpu * c, u64 base); \
  u8 name##32_linear(Cpu * c, u64 base); \
  u8 name##64_linear(Cpu * c, u64 base); \
  u8 name##8_paged(Cpu * c, u64 base);   \
  u8 name##16_paged(Cpu * c, u64 base);  \
  u8 name##32_paged(Cpu * c, u64 base);  \
  u8 name##64_paged(Cpu * c, u64 base);
STRING_BODIES(STRING_DECLARE)

#endif
