/* CPUID and XGETBV, and the choice of the model that they describe. */
#include "cpu_model.h"

#include <string.h>

#include "bodies.h"
#include "fp.h"
#include "run.h"
#include "xsave.h"

const CpuModel *cpu_model(const char *name) {
  for (u32 i = 0; i < cpu_model_count; i++)
    if (!strcmp(cpu_models[i].name, name)) return &cpu_models[i];
  return NULL;
}

void cpu_set_model(Cpu *c, const CpuModel *model) {
  c->model = model;
  c->xcr0 = model->xcr0;
  cache_flush(c);
}

/* The leaves are generated from isa/cpuid.py; unknown ones read as zero, as on AMD. */
void cpuid_body(Cpu *c) {
  u32 leaf = (u32)c->gpr[RAX], sub = (u32)c->gpr[RCX];
  CpuidLeaf found = {0};
  for (u32 i = 0; i < c->model->leaf_count; i++) {
    const CpuidLeaf *l = &c->model->leaves[i];
    if (l->leaf == leaf && (l->sub == CPUID_ANY || l->sub == sub)) found = *l;
  }
  c->gpr[RAX] = found.eax;
  c->gpr[RBX] = found.ebx;
  c->gpr[RCX] = found.ecx;
  c->gpr[RDX] = found.edx;
}

/* XCR0 (index 0), or which of its components are not in their initial state (1); else #GP. */
u64 xgetbv(Cpu *c, u32 index) {
  if (!index) return c->xcr0;
  if (index > 1 || !model_has(c->model, FEATURE_XGETBV1)) fault_here(c, EXC_GP, 0);
  return c->xcr0 & (xstate_in_use(c) | (mxcsr_read() == MXCSR_INIT ? 0u : XSTATE_SSE));
}
