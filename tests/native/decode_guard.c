/* Decodes cases that end right before an unmapped page, with 0 to 32 bytes to read; built with the
 * sanitizers.  Usage: decode_guard SEED SECONDS.
 *
 * Also checks what a shorter input may change: an instruction of `len` bytes is truncated below that
 * and the same from there on; an invalid one may be truncated first and then stays invalid; one that
 * is too long is truncated up to 14 bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "decode.h"
#include "decode_cases.h"

enum { PAGE = 4096 };

static u8 *page_end;

static int decode_at_end(Insn *out, const u8 *bytes, size_t n, int mode) {
  memcpy(page_end - n, bytes, n);
  return decode(out, page_end - n, n, mode);
}

/* What n bytes of a case must give when all of it gives `full`. */
static bool may_be(int status, int full, size_t n, size_t len) {
  switch (full) {
  case DECODE_OK: return status == (n < len ? DECODE_TRUNCATED : DECODE_OK);
  case DECODE_TOO_LONG: return status == (n < DECODE_MAX ? DECODE_TRUNCATED : DECODE_TOO_LONG);
  default: return status == DECODE_INVALID || (status == DECODE_TRUNCATED && n < DECODE_MAX);
  }
}

static bool same_fields(const Insn *a, const Insn *b) {
  return !memcmp(a, b, offsetof(Insn, imm_size) + 1);
}

static bool check(const u8 *bytes, int mode) {
  Insn whole, part;
  bool invalid = false;
  int full = decode_at_end(&whole, bytes, CASE_BYTES, mode);
  for (size_t n = 0; n <= CASE_BYTES; n++) {
    int status = decode_at_end(&part, bytes, n, mode);
    bool good = may_be(status, full, n, whole.len) && !(invalid && status != DECODE_INVALID);
    if (status == DECODE_OK && good) good = same_fields(&whole, &part);
    invalid |= status == DECODE_INVALID;
    if (good) continue;
    printf("DIFFERENT mode %d, status %d, with %zu bytes %d:", mode, full, n, status);
    for (int i = 0; i < 16; i++) printf(" %02x", bytes[i]);
    printf("\n");
    return false;
  }
  return true;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  static const int modes[3] = {16, 32, 64};
  if (argc != 3) return 2;
  Rng rng = {strtoull(argv[1], NULL, 0)};
  u8 bytes[CASE_BYTES];
  u64 cases = 0;
  u8 *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || munmap(pages + PAGE, PAGE)) return 2;
  page_end = pages + PAGE;
  for (double end = now() + atof(argv[2]); now() < end;) {
    for (int i = 0; i < 1000; i++, cases++) {
      case_make(&rng, bytes);
      if (!check(bytes, modes[i % 3])) return 1;
    }
  }
  printf("seed %s, %llu cases\n", argv[1], (unsigned long long)cases);
  return 0;
}
