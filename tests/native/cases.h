/* Cases of the instruction tests, as they travel: the records of tests/isa/hostcpu.py, for the host
 * (hostcpu.c) and the engine (enginecpus.c). */
#ifndef CASES_H
#define CASES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The guest's memory in every case; tests/isa/cpustate.py has the same numbers.
 * "Flat" offsets count through HIGH, then LOW; the page behind HIGH_RW is read-only, all around is
 * unmapped. */
#define CODE_BASE 0x135700000000ull
#define CODE_LOW 0x13570000ull /* for 16 and 32-bit code */
#define HIGH_BASE 0x135700100000ull
#define LOW_BASE 0x24600000ull
enum {
  CODE_SIZE = 0x10000,
  HIGH_RW_SIZE = 0x2000,
  HIGH_SIZE = 0x3000,
  LOW_SIZE = 0x1000,
  FLAT_SIZE = HIGH_SIZE + LOW_SIZE,
  SLOT_HALF = 4 << 20, /* bytes of input, then as many of output */
  SLOTS = 2,
  CODE_MAX = 64,
  INT3 = 0xcc /* all around the code */
};
enum { FX_SIZE = 512 };
enum { NO_FAULT = -1, TOO_LONG = -2 };

typedef struct {
  uint32_t size; /* of this record with its patches */
  uint32_t code_len;
  uint32_t patches;
  uint16_t run;  /* not one instruction, but all up to INT3 */
  uint16_t vary; /* VARY_*: what a variant may have otherwise */
  uint8_t code[CODE_MAX];
  uint64_t gpr[16], rip, rflags, fs_base, gs_base;
  uint8_t fx[FX_SIZE], ymmh[256];
  uint64_t code_base, stack_base, stack_mask; /* of CS, of SS */
  uint16_t seg[6];                            /* ES CS SS DS FS GS */
  uint16_t mode;
  uint16_t undefined; /* EFLAGS that the instruction leaves undefined */
} Input;

enum { VARY_FLAGS = 1, VARY_VECTORS = 2, VARY_X87 = 4, VARY_GPRS = 8, VARY_MEMORY = 16 };

typedef struct {
  uint64_t addr, len; /* len bytes follow, padded to 8 */
} Patch;

typedef struct {
  uint32_t size; /* of this record with its dirty bytes */
  int32_t vector;
  uint64_t error, addr; /* of the fault: error code, CR2 */
  uint64_t gpr[16], rip, rflags, fs_base, gs_base;
  uint8_t fx[FX_SIZE], ymmh[256];
  uint32_t dirty_off,
      dirty_len; /* flat range that differs from the input, bytes follow, padded to 8 */
  uint16_t seg[6];
  uint32_t pad;
} Output;

static inline uint64_t pad8(uint64_t n) { return (n + 7) & ~7ull; }

/* The flat offset of a guest data address, or FLAT_SIZE. */
static inline uint64_t flat_offset(uint64_t addr) {
  if (addr - HIGH_BASE < HIGH_SIZE) return addr - HIGH_BASE;
  if (addr - LOW_BASE < LOW_SIZE) return HIGH_SIZE + (addr - LOW_BASE);
  return FLAT_SIZE;
}

/* The opcode byte behind the prefixes (0 for other maps), and whether F2/F3 is among them. */
static inline uint8_t opcode_of(const Input *in, bool *rep, uint8_t *second) {
  static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                     0x66, 0x67, 0xf0, 0xf2, 0xf3};
  uint32_t i = 0;
  *rep = false;
  for (; i < in->code_len; i++) {
    uint8_t b = in->code[i];
    bool rex = in->mode == 64 && (b & 0xf0) == 0x40;
    *rep = *rep || b == 0xf2 || b == 0xf3;
    if (!rex && !memchr(prefixes, b, sizeof prefixes)) break;
  }
  *second = i + 1 < in->code_len ? in->code[i + 1] : 0;
  return i < in->code_len ? in->code[i] : 0;
}

static inline bool is_string(uint8_t op) {
  return (op >= 0xa4 && op <= 0xa7) || (op >= 0xaa && op <= 0xaf);
}

/* Stores what differs from `before` behind the record; its offset and length into it. */
static inline void save_dirty(Output *out, const uint8_t *flat, const uint8_t *before) {
  uint32_t lo = 0, hi = FLAT_SIZE;
  while (lo < FLAT_SIZE && memcmp(flat + lo, before + lo, 64) == 0) lo += 64;
  while (hi > lo && memcmp(flat + hi - 64, before + hi - 64, 64) == 0) hi -= 64;
  while (lo < hi && flat[lo] == before[lo]) lo++;
  while (hi > lo && flat[hi - 1] == before[hi - 1]) hi--;
  out->dirty_off = lo < hi ? lo : 0;
  out->dirty_len = hi - lo;
  memcpy(out + 1, flat + lo, hi - lo);
  out->size = (uint32_t)(sizeof *out + pad8(out->dirty_len));
}

#endif
