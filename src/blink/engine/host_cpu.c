/* What the host's CPU can do, so that the translator copies no instruction that it lacks.
 *
 * LZCNT and TZCNT would not even fault there: they are BSR and BSF on older CPUs.
 */
#include "forms.h"

#if defined(__x86_64__)
#include <cpuid.h>

static bool ask(const CpuFeature *f) {
  u32 r[4] = {0};
  if (!__get_cpuid_count(f->leaf, f->sub, &r[0], &r[1], &r[2], &r[3])) return false;
  return r[f->reg] >> f->bit & 1;
}

#else
static bool ask(const CpuFeature *f) {
  (void)f;
  return false;
}
#endif

/* CPUID is slow in virtual machines: each feature is asked for once, when an instruction needs it.
 * Threads that ask at the same time find the same. */
bool host_has(u32 feature) {
  enum { UNKNOWN, NO, YES };
  static u8 answers[256];
  if (!feature) return true;
  u8 answer = __atomic_load_n(&answers[feature], __ATOMIC_RELAXED);
  if (answer == UNKNOWN) {
    answer = ask(&cpu_features[feature]) ? YES : NO;
    __atomic_store_n(&answers[feature], answer, __ATOMIC_RELAXED);
  }
  return answer == YES;
}
