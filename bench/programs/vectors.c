/* Kernels of vector instructions over 4 KiB.  usage: vectors KERNEL ROUNDS
 * The bodies are plain arithmetic on vector types, compiled for each instruction set.  AVX2 is used
 * only if CPUID reports it; the fallback computes the same, of each vector one half after the other.
 * Standard error gets `path: NAME`. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 4096 };
static _Alignas(64) unsigned char buffer[SIZE];

#define VECTOR(type, bytes) type __attribute__((vector_size(bytes)))

/* Xorshift on 32-bit lanes, products of 16-bit lanes, comparisons and minima of 8-bit lanes.
 * Vector i goes into sum i % parts: two parts of 16 bytes are one of 32. */
#define INTEGER(name, attributes, bytes, parts)                                                    \
  attributes static void name(long rounds) {                                                       \
    typedef VECTOR(uint32_t, bytes) Words;                                                         \
    typedef VECTOR(uint16_t, bytes) Halves;                                                        \
    typedef VECTOR(uint8_t, bytes) Octets;                                                         \
    Words *at = (Words *)buffer, sums[parts] = {{1}};                                              \
    for (; rounds > 0; rounds--) {                                                                 \
      for (unsigned i = 0; i < SIZE / bytes; i++) {                                                \
        Words w = at[i], sum = sums[i % parts];                                                    \
        w ^= w << 13, w ^= w >> 17, w ^= w << 5;                                                   \
        Halves h = (Halves)w * 40503 + (Halves)sum;                                                \
        Octets a = (Octets)h, b = (Octets)w, least = b ^ ((a ^ b) & (Octets)(a < b));              \
        sums[i % parts] = sum + ((Words)least ^ ((w > sum) & (Words)a));                           \
        at[i] = w + (Words)h;                                                                      \
      }                                                                                            \
    }                                                                                              \
    for (int part = 0; part < parts; part++) at[part] ^= sums[part];                               \
  }

/* Single and double precision: products, sums, quotients, comparisons, conversions. */
#define FLOAT(name, attributes, bytes, parts)                                                      \
  attributes static void name(long rounds) {                                                       \
    typedef VECTOR(float, bytes) Singles;                                                          \
    typedef VECTOR(double, bytes) Doubles;                                                         \
    typedef VECTOR(int32_t, bytes) Words;                                                          \
    Words *at = (Words *)buffer;                                                                   \
    Doubles totals[parts] = {{1.0}};                                                               \
    for (; rounds > 0; rounds--) {                                                                 \
      for (unsigned i = 0; i < SIZE / bytes; i++) {                                                \
        Singles x = __builtin_convertvector(at[i] & 0xffff, Singles) * 0.25f + 3.0f;               \
        Singles y = x * x - 7.0f * x, z = y / (x + 1.0f);                                          \
        Words both = (Words)z ^ (Words)y;                                                          \
        Doubles d = (Doubles)((both & 0x000fffff) | 0x3ff00000);                                   \
        totals[i % parts] = totals[i % parts] * 0.5 + d * (d - 0.75);                              \
        at[i] += both + (((z < y) & (Words)x) | (~(z < y) & (Words)z));                            \
      }                                                                                            \
    }                                                                                              \
    for (int part = 0; part < parts; part++) at[part] ^= (Words)totals[part];                      \
  }

/* Bytes put in another order within each 16, mixed with their neighbours. */
#define SHUFFLE(name, attributes)                                                                  \
  attributes static void name(long rounds) {                                                       \
    typedef VECTOR(uint8_t, 16) Octets;                                                            \
    const Octets order = {7, 2, 13, 8, 3, 14, 9, 4, 15, 10, 5, 0, 11, 6, 1, 12};                   \
    Octets *at = (Octets *)buffer, carried = order;                                                \
    for (; rounds > 0; rounds--) {                                                                 \
      for (unsigned i = 0; i < SIZE / 16; i++) {                                                   \
        Octets mixed = __builtin_shuffle(at[i], order) + carried;                                  \
        carried = __builtin_shuffle(mixed, mixed & 15) ^ at[i];                                    \
        at[i] = mixed;                                                                             \
      }                                                                                            \
    }                                                                                              \
    at[0] ^= carried;                                                                              \
  }

#define FOR_AVX2 __attribute__((target("avx2")))
#define FOR_SSSE3 __attribute__((target("ssse3")))
INTEGER(sse2_integer, , 16, 1)
FLOAT(sse2_float, , 16, 1)
SHUFFLE(sse2_shuffle, )
SHUFFLE(ssse3_shuffle, FOR_SSSE3)
INTEGER(avx2_integer, FOR_AVX2, 32, 1)
INTEGER(plain_integer, , 16, 2)
FLOAT(avx2_float, FOR_AVX2, 32, 1)
FLOAT(plain_float, , 16, 2)

static const struct {
  const char *name, *path, *otherwise;
  void (*best)(long), (*fallback)(long);
} KERNELS[] = {
    {"sse2-integer", "sse2", "sse2", sse2_integer, sse2_integer},
    {"sse2-float", "sse2", "sse2", sse2_float, sse2_float},
    {"ssse3-shuffle", "ssse3", "sse2", ssse3_shuffle, sse2_shuffle},
    {"avx2-integer", "avx2", "sse2", avx2_integer, plain_integer},
    {"avx2-float", "avx2", "sse2", avx2_float, plain_float},
};

static int supported(const char *path) {
  if (!strcmp(path, "avx2")) return __builtin_cpu_supports("avx2");
  if (!strcmp(path, "ssse3")) return __builtin_cpu_supports("ssse3");
  return 1;
}

static unsigned long checksum(void) {
  unsigned long sum = 0;
  for (int i = 0; i < SIZE; i++) sum = sum * 31 + buffer[i];
  return sum;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  for (int i = 0; i < SIZE; i++) buffer[i] = (unsigned char)(i * 37 + (i >> 8));
  for (size_t k = 0; k < sizeof KERNELS / sizeof *KERNELS; k++) {
    if (strcmp(argv[1], KERNELS[k].name)) continue;
    int best = supported(KERNELS[k].path);
    fprintf(stderr, "path: %s\n", best ? KERNELS[k].path : KERNELS[k].otherwise);
    (best ? KERNELS[k].best : KERNELS[k].fallback)(atol(argv[2]));
    printf("%lu\n", checksum());
    return 0;
  }
  return 2;
}
