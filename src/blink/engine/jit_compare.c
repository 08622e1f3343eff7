/* Blocks of pages that are not protected compare their source with what they were made from. */
#include "jit.h"

#if defined(__x86_64__)

#include "jit_impl.h"

/* jrcxz over a jump to `bad` */
static void unless_zero(Code *k, const u8 *bad) {
  put8(k, 0xe3), put8(k, 5);
  jump(k, bad);
}

/* RCX: the difference of `size` bytes (8, 4, 2, 1) of guest memory and `value`; spends RAX. */
static void difference(Code *k, u64 address, u32 size, u64 value) {
  static const u8 loads[9][4] = {[8] = {0x48, 0x8b, 0x09},
                                 [4] = {0x8b, 0x09},
                                 [2] = {0x0f, 0xb7, 0x09},
                                 [1] = {0x0f, 0xb6, 0x09}};
  set_reg(k, RCX, address);
  put_bytes(k, loads[size], size == 4 ? 2 : 3);
  set_reg(k, RAX, -value);
  put8(k, 0x48), put8(k, 0x8d), put8(k, 0x0c), put8(k, 0x01); /* lea rcx, [rcx + rax] */
}

/* Where the next comparison begins, and its size: the last 8 bytes may overlap. */
static u32 piece(u32 *at, u32 length) {
  u32 left = length - *at, size = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
  if (length < 8 || left >= 8) return size;
  *at = length - 8;
  return 8;
}

void jit_write_compare(Code *k, const JitSource *s) {
  u8 *bad = k->at;
  set_gs64(k, CPU_FIELD(rip), s->rip);
  jump(k, s->stale);
  patch32(s->entry + 1, k->at);
  store_gs(k, CPU_FIELD(js.compare_rax), RAX);
  store_gs(k, CPU_FIELD(js.compare_rcx), RCX);
  load_gs(k, RCX, CPU_FIELD(js.compares));
  put8(k, 0x48), put8(k, 0x8d), put8(k, 0x49), put8(k, 0xff); /* lea rcx, [rcx - 1] */
  store_gs(k, CPU_FIELD(js.compares), RCX);
  put8(k, 0xe3), put8(k, 2), put8(k, 0xeb), put8(k, 5); /* zero: bad */
  jump(k, bad);
  for (u32 at = 0, size; at < s->length; at += size) {
    u64 value = 0;
    size = piece(&at, s->length);
    memcpy(&value, s->bytes + at, size);
    difference(k, s->rip + at, size, value);
    unless_zero(k, bad);
  }
  load_gs(k, RAX, CPU_FIELD(js.compare_rax));
  load_gs(k, RCX, CPU_FIELD(js.compare_rcx));
  jump(k, s->entry + 5);
}

#endif
