/* Images of the x87, SSE and AVX state in memory: FXSAVE and XSAVE (SDM volume 1, 10.5 and 13). */
#ifndef BLINK_XSAVE_H
#define BLINK_XSAVE_H
#include "cpu.h"

/* State components, as bits of XCR0, XSTATE_BV and instruction masks. */
enum { XSTATE_X87 = 1, XSTATE_SSE = 2, XSTATE_AVX = 4 };

/* The standard format.  Of state components 2 and up only AVX is there, so that the compacted format
 * has the same offsets. */
typedef struct {
  u16 cw, sw;
  u8 tags, pad;
  u16 fop;
  u64 fip, fdp;
  u32 mxcsr, mxcsr_mask;
  u8 st[8][16];
  V128 xmm[16];
  u8 unused[96];
  u64 xstate_bv, xcomp_bv, reserved[6];
  V128 ymmh[16]; /* the upper halves */
} XsaveArea;

enum { FXSAVE_SIZE = 512, XSAVE_HEADER_END = 576, XSAVE_SIZE = 832 };
_Static_assert(offsetof(XsaveArea, xstate_bv) == FXSAVE_SIZE, "XSAVE header");
_Static_assert(offsetof(XsaveArea, ymmh) == XSAVE_HEADER_END, "AVX state");
_Static_assert(sizeof(XsaveArea) == XSAVE_SIZE, "XSAVE area");

typedef enum { XSAVE, XSAVEOPT, XSAVEC } XsaveKind;

/* Inside run(), between mxcsr_enter() and mxcsr_leave().  Images are host pointers of which every
 * page was touched.  `wide`: REX.W, 64-bit instruction and data pointers.  The loads raise #GP.
 * FXSAVE leaves the last 96 bytes alone. */
void x87_fxsave(Cpu *c, void *image, u32 wide);
void x87_fxrstor(Cpu *c, const void *image, u32 wide);
/* `components` within XCR0. */
void xsave_image(Cpu *c, void *image, u64 components, XsaveKind kind, bool wide);
void xrstor_image(Cpu *c, const void *image, u64 components, bool wide);
/* How much of an area of `components` XSAVE writes; how much of this one (of which at least
 * XSAVE_HEADER_END bytes are there) XRSTOR reads. */
u32 xsave_length(u64 components);
u32 xrstor_length(const void *image, u64 components);

/* The same outside run(), where the guest's MXCSR is in c->mxcsr: signal frames, debuggers.  The
 * loads return false and change nothing where the instruction raises #GP. */
void x87_save_image(const Cpu *c, void *image, bool wide);
bool x87_load_image(Cpu *c, const void *image, bool wide);
void xsave_state(const Cpu *c, void *image, u64 components, XsaveKind kind, bool wide);
bool xrstor_state(Cpu *c, const void *image, u64 components, bool wide);
/* Components that are not in their initial state, MXCSR apart, about which the instructions differ. */
u64 xstate_in_use(const Cpu *c);
/* Initial values. */
void xstate_init(Cpu *c, u64 components);

#endif
