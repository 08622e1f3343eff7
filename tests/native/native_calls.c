/* The native path of system calls over real guest memory, with a table that the test makes: loaded by
 * test_syscall_native.py through ctypes. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hostcall.h"
#include "memory.h"
#include "run.h"
#include "syscall_native.h"

#define API __attribute__((visibility("default")))

/* No guest code runs here. */
void cpu_fault(Cpu *c, u32 vector, u64 error, u64 addr)
{
  (void)c, (void)vector, (void)error, (void)addr;
  abort();
}

void cpu_code_written(Cpu *c)
{
  (void)c;
  abort();
}

void cpu_observe(Cpu *c, u64 addr, u32 size, u32 access)
{
  (void)c, (void)addr, (void)size, (void)access;
  abort();
}

API Cpu *test_new(bool paged)
{
  Cpu *c = aligned_alloc(4096, (sizeof(Cpu) + 4095) & ~(size_t)4095);
  memset(c, 0, sizeof *c);
  memory_attach(memory_new(paged), c);
  return c;
}

API void test_free(Cpu *c)
{
  Memory *mem = c->mem;
  memory_detach(c);
  memory_free(mem);
  free(c);
}

API int test_map(Cpu *c, u64 addr, u64 len, u32 prot)
{
  return memory_map(c->mem, addr, len, prot, 0x22 /* private, anonymous */, -1, 0);
}

API bool test_write(Cpu *c, u64 addr, const void *data, u64 len)
{
  u64 fault;
  return memory_write(c->mem, addr, data, len, true, &fault);
}

API bool test_read(Cpu *c, u64 addr, void *data, u64 len)
{
  u64 fault;
  return memory_read(c->mem, addr, data, len, true, &fault);
}

API bool test_mark_code(Cpu *c, u64 addr) { return memory_mark_code(c->mem, addr); }

API u32 test_flags(Cpu *c, u64 addr) { return memory_flags(c->mem, addr); }

static const u8 places[6] = {RDI, RSI, RDX, R10, R8, R9};

/* out: RAX, c->stop, stop_error, interrupt, the counter of native calls. */
API bool test_call(Cpu *c, u64 number, const u64 args[6], u32 interrupt, s64 out[5])
{
  for (int i = 0; i < 6; i++) c->gpr[places[i]] = args[i];
  c->gpr[RAX] = number;
  c->stop = STOP_NONE;
  c->interrupt = interrupt;
  bool done = syscall_native(c);
  out[0] = (s64)c->gpr[RAX];
  out[1] = c->stop;
  out[2] = (s64)c->stop_error;
  out[3] = c->interrupt;
  out[4] = (s64)c->counters[COUNT_NATIVE];
  return done;
}

API void test_settings(u32 low, u32 high, bool paths)
{
  u32 fds[HIDDEN_FDS], count = 0;
  for (u32 fd = low; fd < high; fd++) fds[count++] = fd;
  native_hide(fds, count);
  native_paths = paths;
}

static u64 now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

/* A function, as in libc: the first return after a system call is mispredicted on many hosts. */
static NOINLINE s64 plain_call(u64 number, const u64 a[6])
{
  s64 result = host_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  __asm__ volatile("");
  return result;
}

/* Nanoseconds of `rounds` calls: natively, and plainly with the same arguments (linear memory). */
API void test_time(Cpu *c, u64 number, const u64 a[6], u64 rounds, u64 out[2])
{
  s64 ignored[5];
  test_call(c, number, a, 0, ignored);
  u64 start = now();
  for (u64 i = 0; i < rounds; i++) {
    c->gpr[RAX] = number;
    syscall_native(c);
  }
  out[0] = now() - start;
  start = now();
  for (u64 i = 0; i < rounds; i++) plain_call(number, a);
  out[1] = now() - start;
}
