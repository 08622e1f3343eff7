/* Guarded access: the engine and Python touch guest memory only here, and a fault comes back as an
 * address instead of a signal.
 *
 * The guard is a __builtin_setjmp (five words, no system call) rather than sigsetjmp with the signal
 * mask; the price is that the handler must not block signals, see memory_guard_fault(). */
#include "memory_atomic.h"
#include "memory_impl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct {
  void *dst;
  const void *src;
  u64 len;
} Span;

typedef void Body(const Span *);

typedef struct Guard {
  void *env[5];
  struct Guard *outer;
  u64 low, high; /* host addresses at which a fault is expected */
  u64 fault;
  int signo;
} Guard;

static _Thread_local Guard *volatile active;

/* Runs body(span); false, with the guard's fault and signo set, when it met an inaccessible page. */
static NOINLINE bool guarded(Guard *guard, Body *body, const Span *span) {
  guard->outer = active;
  if (__builtin_setjmp(guard->env) != 0) {
    active = active->outer;
    return false;
  }
  active = guard;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  body(span);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
  active = guard->outer;
  return true;
}

bool memory_guard_fault(void *host_addr, int signo) {
  Guard *guard = active;
  u64 addr = (u64)host_addr;
  if (guard == NULL || addr < guard->low || addr >= guard->high) return false;
  guard->fault = addr;
  guard->signo = signo;
  __builtin_longjmp(guard->env, 1);
}

static void copy_body(const Span *span) { memcpy(span->dst, span->src, span->len); }

static void zero_body(const Span *span) { memset(span->dst, 0, span->len); }

/* Reads one byte of each page. */
static void touch_body(const Span *span) {
  u64 at = (u64)span->src, end = at + span->len;
  for (; at < end; at = (at | (GUEST_PAGE - 1)) + 1) (void)*(const volatile u8 *)at;
}

static Guard guard_for(const Memory *mem, u64 addr, u64 len) {
  return (Guard){.low = addr + mem->skew, .high = addr + mem->skew + len};
}

bool memory_check_flags(const Memory *mem, u64 addr, u64 len, u8 need, u64 *fault) {
  u64 start, end;
  *fault = addr;
  if (len == 0) return true;
  if (!memory_clip(addr, len, &start, &end)) return false;
  for (u64 stop; start < end; start = stop) {
    u8 flags;
    stop = memory_run(mem, start, end, need, &flags);
    *fault = start > addr ? start : addr;
    if (flags == 0) return false;
  }
  *fault = GUEST_TOP;
  return len <= GUEST_TOP - addr;
}

static bool touch(const Memory *mem, u64 addr, u64 len, Guard *guard) {
  *guard = guard_for(mem, addr, len);
  return guarded(guard, touch_body, &(Span){.src = memory_host(mem, addr), .len = len});
}

/* memcpy may access the end of a range first, so the address that it faulted at is not the first bad
 * one: touch page by page.  If no page fails now, the mapping changed meanwhile. */
static u64 first_bad(const Memory *mem, u64 addr, u64 len, u64 otherwise) {
  Guard guard;
  for (u64 at = addr, next; at < addr + len; at = next) {
    next = (at | (GUEST_PAGE - 1)) + 1;
    if (!touch(mem, at, 1, &guard)) return at;
  }
  return otherwise;
}

static bool copy_in(const Memory *mem, u64 addr, void *dst, u64 len, u64 *fault) {
  Guard guard = guard_for(mem, addr, len);
  Span span = {.dst = dst, .src = memory_host(mem, addr), .len = len};
  if (guarded(&guard, copy_body, &span)) return true;
  *fault = first_bad(mem, addr, len, guard.fault - mem->skew);
  return false;
}

/* Protection that another thread's decoder put back between prepare and copy is no fault: lift it and
 * begin again. */
static bool put(Memory *mem, u64 addr, Body *body, const void *src, u64 len, u64 *fault) {
  Guard guard = guard_for(mem, addr, len);
  Span span = {.dst = memory_host(mem, addr), .src = src, .len = len};
  for (bool retry = true, code; retry;) {
    if (!memory_check_flags(mem, addr, len, PAGE_W, fault)) return false;
    memory_prepare_write(mem, addr, len);
    if (guarded(&guard, body, &span)) return true;
    retry = guard.signo == SIGSEGV && memory_write_fault(mem, guard.fault - mem->skew, &code);
  }
  *fault = first_bad(mem, addr, len, guard.fault - mem->skew);
  return false;
}

/* --- Ignoring the guest's protection: the host's is opened for a moment, under the lock. --- */

/* A shared page that the guest may not write is the file's, not the guest's: ptrace(2) refuses too. */
static bool open_host(Memory *mem, u64 start, u64 end, int prot, u64 *fault) {
  for (u64 stop; start < end; start = stop) {
    u8 flags;
    stop = memory_run(mem, start, end, PAGE_PROT | PAGE_GUARDED | PAGE_SHARED, &flags);
    bool refused = (prot & PROT_WRITE) != 0 && (flags & (PAGE_W | PAGE_SHARED)) == PAGE_SHARED;
    if ((memory_host_prot(flags) & prot) == prot) continue;
    if (!refused && mprotect(memory_host(mem, start), stop - start, prot) == 0) continue;
    *fault = start;
    return false;
  }
  return true;
}

static bool force_locked(Memory *mem, u64 addr, u64 len, int prot, const Span *span, u64 *fault) {
  u64 start, end;
  if (!memory_clip(addr, len, &start, &end)) return false;
  Guard guard = guard_for(mem, addr, len);
  bool ok = open_host(mem, start, end, prot, fault);
  if (*fault < addr) *fault = addr;
  if (ok && !guarded(&guard, copy_body, span)) {
    *fault = first_bad(mem, addr, len, guard.fault - mem->skew);
    ok = false;
  }
  memory_apply_host(mem, start, end);
  return ok;
}

static bool force_read(Memory *mem, u64 addr, void *dst, u64 len, u64 *fault) {
  Span span = {.dst = dst, .src = memory_host(mem, addr), .len = len};
  memory_lock(mem);
  bool ok = force_locked(mem, addr, len, PROT_READ, &span, fault);
  memory_unlock(mem);
  return ok;
}

static bool force_write(Memory *mem, u64 addr, const void *src, u64 len, u64 *fault) {
  u64 start, end;
  bool code = false;
  Span span = {.dst = memory_host(mem, addr), .src = src, .len = len};
  if (!memory_clip(addr, len, &start, &end)) return false;
  memory_lock(mem);
  bool ok = memory_lift(mem, start, end, &code) &&
            force_locked(mem, addr, len, PROT_READ | PROT_WRITE, &span, fault);
  if (code) memory_code_changed(mem, start, end);
  memory_drop_code(mem, start, end);
  if (mem->tracking && memory_split_leaves(mem, start, end))
    memory_set_flags(mem, start, end, 0xff, PAGE_DIRTY);
  memory_unlock(mem);
  return ok;
}

/* --- The interface --- */

bool memory_read(Memory *mem, u64 addr, void *dst, u64 len, bool force, u64 *fault) {
  if (!memory_check_flags(mem, addr, len, force ? PAGE_MAPPED : PAGE_PROT, fault)) return false;
  if (len == 0) return true;
  if (force && !memory_check_flags(mem, addr, len, PAGE_PROT, fault))
    return force_read(mem, addr, dst, len, fault);
  return copy_in(mem, addr, dst, len, fault);
}

bool memory_write(Memory *mem, u64 addr, const void *src, u64 len, bool force, u64 *fault) {
  if (!memory_check_flags(mem, addr, len, force ? PAGE_MAPPED : PAGE_W, fault)) return false;
  if (len == 0) return true;
  if (force && !memory_check_flags(mem, addr, len, PAGE_W, fault))
    return force_write(mem, addr, src, len, fault);
  return put(mem, addr, copy_body, src, len, fault);
}

bool memory_zero(Memory *mem, u64 addr, u64 len, u64 *fault) {
  return len == 0 || put(mem, addr, zero_body, NULL, len, fault);
}

/* --- Atomic access --- */

typedef struct {
  u32 *seen; /* the expected value, then what was there */
  u32 desired;
} Exchange;

static void exchange_body(const Span *span) {
  const Exchange *x = span->src;
  __atomic_compare_exchange_n((u32 *)span->dst, x->seen, x->desired, false, __ATOMIC_SEQ_CST,
                              __ATOMIC_SEQ_CST);
}

bool memory_compare_exchange(Memory *mem, u64 addr, u32 *seen, u32 desired, u64 *fault) {
  Exchange x = {seen, desired};
  return put(mem, addr, exchange_body, &x, sizeof *seen, fault);
}

bool memory_probe(Memory *mem, u64 addr, u64 len, bool write, u64 *fault) {
  Guard guard;
  if (!memory_check_flags(mem, addr, len, write ? PAGE_W : PAGE_PROT, fault)) return false;
  if (len == 0 || touch(mem, addr, len, &guard)) return true;
  *fault = guard.fault - mem->skew; /* touch_body goes upwards: this is the first */
  return false;
}

s64 memory_read_cstr(Memory *mem, u64 addr, char *dst, u64 limit, u64 *fault) {
  const u64 step = 256; /* most strings are short; a step never crosses a page */
  for (u64 done = 0, n; done < limit; done += n) {
    u64 at = addr + done;
    n = step - (at & (step - 1));
    if (n > limit - done) n = limit - done;
    if (!memory_read(mem, at, dst + done, n, false, fault)) return -1;
    const char *nul = memchr(dst + done, 0, n);
    if (nul != NULL) return nul - dst;
  }
  return (s64)limit;
}

u32 memory_fetch(Memory *mem, u64 addr, void *dst, u32 len) {
  u64 fault;
  for (u32 done = 0, n; done < len; done += n) {
    u64 at = addr + done, left = GUEST_PAGE - (at & (GUEST_PAGE - 1));
    n = left < len - done ? (u32)left : len - done;
    if ((memory_flags(mem, at) & PAGE_X) == 0) return done;
    if (!copy_in(mem, at, (u8 *)dst + done, n, &fault)) return done;
  }
  return len;
}
