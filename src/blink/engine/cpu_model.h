/* CPU models: what CPUID reports, and which instructions there are. */
#ifndef BLINK_CPU_MODEL_H
#define BLINK_CPU_MODEL_H
#include "_generated_features.h"
#include "cpu.h"

enum { CPUID_ANY = 0xffffffff }; /* the subleaf does not matter */

typedef struct {
  u32 leaf, sub, eax, ebx, ecx, edx;
} CpuidLeaf;

struct CpuModel {
  const char *name;
  u64 features[FEATURE_WORDS]; /* bits by feature number; bit 0 is always set */
  u64 xcr0;
  const CpuidLeaf *leaves;
  u32 leaf_count;
};

/* The first has everything, and is what a new Cpu is. */
extern const CpuModel cpu_models[];
extern const u32 cpu_model_count;

static inline bool model_has(const CpuModel *m, u32 feature) {
  return m->features[feature / 64] >> feature % 64 & 1;
}

/* The model of that name, or NULL. */
const CpuModel *cpu_model(const char *name);
/* Makes the Cpu such a model; its code is decoded anew. */
void cpu_set_model(Cpu *c, const CpuModel *model);

#endif
