/* Host system calls without libc, and the one primitive for calls that may block.
 *
 * A signal that arrives between "nothing is pending" and the `syscall` instruction would be noticed
 * only when the call returns, perhaps never.  So hostcall() tests the interrupt word inside a marked
 * range that ends at the instruction, and the signal handler moves an interrupted host PC in that
 * range to hostcall_abort: the call then reports that a signal came first, and has done nothing.
 * A host kernel that restarts a call (ERESTARTSYS with SA_RESTART, ERESTARTNOINTR) has put the PC
 * back at the instruction when the handler runs: the same exit, so -HOST_ERESTARTSYS always means
 * "deliver the signal, then start the call anew", and -EINTR is for the guest to see.
 *
 * Lost: a flag that is tested by the caller (the race above); pselect-like masks (few calls have
 * them); an eventfd in every poll (read, wait4 and futex cannot poll).
 */
#ifndef BLINK_HOSTCALL_H
#define BLINK_HOSTCALL_H
#include "types.h"

enum { HOST_ERESTARTSYS = 512 };

/* The first address of the marked range, its last (the system call instruction itself), and where
 * the handler sends a PC that it finds between them, both included. */
extern const char hostcall_start[] __attribute__((visibility("hidden")));
extern const char hostcall_syscall[] __attribute__((visibility("hidden")));
extern const char hostcall_abort[] __attribute__((visibility("hidden")));

/* Runs host system call `nr` unless *interrupt is or becomes non-zero before it starts.  The result,
 * -errno, or -HOST_ERESTARTSYS.  errno is not touched. */
__attribute__((visibility("hidden"))) s64 hostcall(const volatile u32 *interrupt, u64 nr,
                                                   const u64 args[6]);

static inline bool hostcall_not_begun(uintptr_t pc) {
  return pc - (uintptr_t)hostcall_start <= (uintptr_t)(hostcall_syscall - hostcall_start);
}

/* A plain host system call: no check for signals, errno not touched (safe in handlers). */
static inline s64 host_syscall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5, u64 a6) {
#if defined(__x86_64__)
  s64 result;
  register u64 r10 __asm__("r10") = a4;
  register u64 r8 __asm__("r8") = a5;
  register u64 r9 __asm__("r9") = a6;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(nr), "D"(a1), "S"(a2), "d"(a3), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register u64 x8 __asm__("x8") = nr;
  register u64 x0 __asm__("x0") = a1;
  register u64 x1 __asm__("x1") = a2;
  register u64 x2 __asm__("x2") = a3;
  register u64 x3 __asm__("x3") = a4;
  register u64 x4 __asm__("x4") = a5;
  register u64 x5 __asm__("x5") = a6;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return (s64)x0;
#else
#error "hostcall: no system call instruction for this host"
#endif
}

#endif
