/* Control and status words, FSTENV and FSAVE images, and what MMX does to the x87 state. */
#include <string.h>

#include "x87_impl.h"

/* --- Words --- */

void x87_fninit(Cpu *c) {
  X87 *x87 = &c->x87;
  x87->cw = X87_CW_INIT;
  x87->sw = x87->top = x87->tags = 0;
  x87_set_pointers(c, (X87Pointers){0});
}

void x87_fnclex(Cpu *c) { c->x87.sw &= X87_CONDITION; }
u16 x87_fnstcw(Cpu *c) { return c->x87.cw; }
u16 x87_fnstsw(Cpu *c) { return status_word(c); }

void x87_fldcw(Cpu *c, u16 cw) {
  wait(c);
  c->x87.cw = sane_control(cw);
}

/* --- FSTENV, FSAVE: SDM volume 1, 8.1.10 --- */

/* Protected-mode formats: seven words, or seven doublewords whose reserved upper halves are ones. */
typedef struct {
  u32 cw, sw, tw, fip, fcs_fop, fdp, fds;
} Environment; /* FOP is in the upper half of the wide one's fcs_fop */

/* Two bits for each physical register: 0 valid, 1 zero, 2 special, 3 empty. */
static u32 full_tags(const Cpu *c) {
  u32 tags = 0;
  for (u32 n = 0; n < 8; n++) {
    u32 i = (n - c->x87.top) & 7, class = f80_examine(get(c, i)) & (X87_C0 | X87_C2 | X87_C3);
    u32 tag = empty(c, i) ? 3 : class == X87_C2 ? 0 : class == X87_C3 ? 1 : 2;
    tags |= tag << (2 * n);
  }
  return tags;
}

static void load_full_tags(Cpu *c, u32 tags) {
  c->x87.tags = 0;
  for (u32 n = 0; n < 8; n++) c->x87.tags |= ((tags >> (2 * n) & 3) != 3) << n;
}

static u32 store_environment(const Cpu *c, void *image, u32 bits) {
  X87Pointers p = x87_pointers(c);
  Environment e = {c->x87.cw,  status_word(c), full_tags(c), (u32)p.fip, p.fcs | (u32)p.fop << 16,
                   (u32)p.fdp, p.fds};
  u32 wide[] = {e.cw | 0xffff0000, e.sw | 0xffff0000, e.tw | 0xffff0000, e.fip, e.fcs_fop, e.fdp,
                e.fds | 0xffff0000};
  u16 narrow[] = {(u16)e.cw, (u16)e.sw, (u16)e.tw, (u16)e.fip, p.fcs, (u16)e.fdp, p.fds};
  u32 size = bits == 16 ? sizeof narrow : sizeof wide;
  memcpy(image, bits == 16 ? (void *)narrow : (void *)wide, size);
  return size;
}

static u32 load_environment(Cpu *c, const void *image, u32 bits) {
  u32 wide[7];
  u16 narrow[7];
  u32 size = bits == 16 ? sizeof narrow : sizeof wide;
  memcpy(bits == 16 ? (void *)narrow : (void *)wide, image, size);
  for (u32 i = 0; bits == 16 && i < 7; i++) wide[i] = narrow[i];
  c->x87.cw = sane_control((u16)wide[0]);
  load_status(&c->x87, (u16)wide[1]);
  load_full_tags(c, wide[2]);
  X87Pointers p = {wide[3], wide[5], (u16)(wide[4] >> 16), (u16)wide[4], (u16)wide[6]};
  x87_set_pointers(c, p);
  return size;
}

void x87_fnstenv(Cpu *c, void *image, u32 bits) {
  store_environment(c, image, bits);
  c->x87.cw |= X87_EXCEPTIONS;
}

void x87_fldenv(Cpu *c, const void *image, u32 bits) {
  wait(c);
  load_environment(c, image, bits);
}

void x87_fnsave(Cpu *c, void *image, u32 bits) {
  u8 buffer[108], *to = buffer + store_environment(c, buffer, bits);
  for (u32 i = 0; i < 8; i++, to += 10) memcpy(to, c->x87.st[physical(c, i)], 10);
  memcpy(image, buffer, (size_t)(to - buffer));
  x87_fninit(c);
}

void x87_frstor(Cpu *c, const void *image, u32 bits) {
  u8 buffer[108];
  wait(c);
  memcpy(buffer, image, bits == 16 ? 94 : 108);
  const u8 *from = buffer + load_environment(c, buffer, bits);
  for (u32 i = 0; i < 8; i++, from += 10) memcpy(c->x87.st[physical(c, i)], from, 10);
}

/* --- MMX --- */

void x87_mmx_enter(Cpu *c) {
  wait(c);
  c->x87.top = 0;
  c->x87.tags = 0xff;
}

void x87_emms(Cpu *c) {
  wait(c);
  c->x87.tags = 0;
}
