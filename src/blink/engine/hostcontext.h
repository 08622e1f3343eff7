/* What a host signal context says about a fault, by host architecture. */
#ifndef BLINK_HOSTCONTEXT_H
#define BLINK_HOSTCONTEXT_H
#include <ucontext.h>

#include "memory.h"

/* The page-fault error code (PF_PRESENT, PF_WRITE), as far as the host tells. */
static inline u64 host_fault_error(const ucontext_t *uc) {
#if defined(__x86_64__)
  return (u64)uc->uc_mcontext.gregs[REG_ERR] & (PF_PRESENT | PF_WRITE);
#else
  (void)uc;
  return 0;
#endif
}

/* The exception's vector, where a fault in translated code is one of the host's own kinds. */
static inline u32 host_fault_vector(const ucontext_t *uc) {
#if defined(__x86_64__)
  return (u32)uc->uc_mcontext.gregs[REG_TRAPNO];
#else
  (void)uc;
  return 0;
#endif
}

static inline u64 host_context_pc(const ucontext_t *uc) {
#if defined(__x86_64__)
  return (u64)uc->uc_mcontext.gregs[REG_RIP];
#else
  (void)uc;
  return 0;
#endif
}

/* The guest's MXCSR where the host register holds it, else `otherwise`.  (Linux resets the register
 * when it delivers a signal, so leaving by longjmp would lose it.) */
static inline u32 host_context_mxcsr(const ucontext_t *uc, u32 otherwise) {
#if defined(__x86_64__) && !defined(BLINK_PORTABLE_FP)
  return uc->uc_mcontext.fpregs ? uc->uc_mcontext.fpregs->mxcsr : otherwise;
#else
  (void)uc;
  return otherwise;
#endif
}

#endif
