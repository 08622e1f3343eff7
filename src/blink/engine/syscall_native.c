/* Translates the arguments of a passthrough system call and runs it on the host. */
#include "syscall_native.h"

#include <errno.h>
#include <string.h>

#include "hostcall.h"
#include "hostsig.h"
#include "memory.h"
#include "run.h"
#include "tape.h"

#if defined(__x86_64__)
#include "_generated_syscalls.h"
#else
/* Numbers, structures and flags differ on other hosts: all calls go to Python. */
static const NativeCall native_calls[1];
#endif

#define BAD_ADDRESS ((u64)0x1000)          /* nobody maps it */
#define MAX_TRANSFER ((u64)0x7ffff000)     /* the host moves no more bytes in one call */
#define USER_TOP (((u64)1 << 47) - 0x1000) /* Linux keeps the last page free */

enum {
  NATIVE_CALLS = sizeof native_calls / sizeof *native_calls,
  IOV_LIMIT = 1024,
  PATH_LIMIT = 4096
};

typedef struct {
  u64 base, length;
} Iovec;

/* The guest's registers, and what goes to the host in their place. */
typedef struct {
  Cpu *cpu;
  const NativeCall *call;
  u64 guest[6], host[6];
  Iovec *iovecs;
  u64 sigset;
  TapeRange *ranges; /* what the host may write, if somebody wants to know */
  u32 range_count;
} Translation;

u32 native_hidden_low = ~(u32)0, native_hidden_count, native_hidden[HIDDEN_FDS];
bool native_paths;

/* Bytes behind a pointer; ~0 when that is absurd. */
static u64 extent(const Translation *t, const NativeArg *arg) {
  u64 value, bytes, unread;
  u32 word = 0;
  if (arg->length == LENGTH_CONST) return arg->unit;
  value = t->guest[arg->from];
  if (arg->length == LENGTH_ARG)
    return __builtin_mul_overflow(value, arg->unit, &bytes) ? ~(u64)0 : bytes;
  if (arg->length == LENGTH_ARG32) return (u64)(u32)value * arg->unit;
  if (arg->length == LENGTH_BITS) return ((u64)(u32)value + 63) / 64 * 8;
  return memory_read(t->cpu->mem, value, &word, sizeof word, false, &unread) ? word : 0;
}

/* Most buffers lie in one or two pages that nothing guards. */
static inline void prepare_out(Memory *mem, u64 addr, u64 bytes) {
  u64 last = addr + bytes - 1;
  u8 flags = memory_flags(mem, addr) | memory_flags(mem, last);
  if (unlikely(last - addr >= GUEST_PAGE || (flags & PAGE_GUARDED) != 0))
    memory_prepare_write(mem, addr, bytes);
}

/* The guest cannot have it; what is no address of user programs at all the host refuses by itself. */
static NOINLINE u64 outside(u64 addr) {
  return addr >= USER_TOP ? addr : BAD_ADDRESS | (addr & (GUEST_PAGE - 1));
}

static inline u64 smaller(u64 a, u64 b) { return a < b ? a : b; }

static inline u64 host_pointer(Translation *t, u64 addr, u64 bytes, bool write) {
  Memory *mem = t->cpu->mem;
  if (addr == 0) return 0;
  if (unlikely(addr >= GUEST_TOP)) return outside(addr);
  if (write && bytes != 0) {
    bytes = smaller(smaller(bytes, MAX_TRANSFER), GUEST_TOP - addr);
    prepare_out(mem, addr, bytes);
    if (unlikely(t->ranges != NULL)) t->ranges[t->range_count++] = (TapeRange){addr, bytes};
  }
  return addr + mem->skew;
}

/* An array that cannot be read to its end: the host checks lengths as it reads. */
static NOINLINE u64 broken_iovecs(const Translation *t, u64 addr, u32 count) {
  u64 unread;
  Iovec v;
  for (u32 i = 0; i < count; i++) {
    if (!memory_read(t->cpu->mem, addr + i * sizeof v, &v, sizeof v, false, &unread)) break;
    if ((s64)v.length >= 0) continue;
    memset(t->iovecs, 0xff, count * sizeof v); /* EINVAL, when the host gets to it */
    return (u64)t->iovecs;
  }
  return BAD_ADDRESS;
}

/* Copies the array, so that nobody changes it behind our back.  The host looks at 32 bits of the count
 * (all of readv(2)'s family), and refuses an absurd one before it looks at the array. */
static u64 host_iovecs(Translation *t, u64 addr, u32 count, bool write) {
  Memory *mem = t->cpu->mem;
  u64 unread;
  if (addr == 0 || count == 0 || count > IOV_LIMIT) return host_pointer(t, addr, 0, false);
  if (!memory_read(mem, addr, t->iovecs, count * sizeof(Iovec), false, &unread))
    return broken_iovecs(t, addr, count);
  for (u32 i = 0; i < count; i++) {
    Iovec *v = &t->iovecs[i];
    v->base = host_pointer(t, v->base, v->length, write);
  }
  return (u64)t->iovecs;
}

void native_hide(const u32 *fds, u32 count) {
  native_hidden_low = ~(u32)0;
  native_hidden_count = count;
  for (u32 i = 0; i < count; i++) {
    native_hidden[i] = fds[i];
    if (fds[i] < native_hidden_low) native_hidden_low = fds[i];
  }
}

static inline bool is_hidden(u64 value) {
  u32 fd = (u32)value;
  if (likely(fd < native_hidden_low)) return false;
  for (u32 i = 0; i < native_hidden_count; i++)
    if (native_hidden[i] == fd) return true;
  return false;
}

u64 native_watched;

static inline bool is_watched(const NativeCall *call, u64 value) {
  u32 fd = (u32)value;
  return unlikely(native_watched != 0) && fd < 64 && native_watched >> fd & 1 && call->count > 0 &&
         call->args[0].kind == ARG_FD;
}

static inline u64 host_fd(u64 value) { return is_hidden(value) ? ~(u64)0 : value; }

/* The host never blocks the synchronous five: see hostsig.h. */
static u64 host_sigset(Translation *t, u64 addr) {
  u64 unread;
  if (addr == 0) return 0;
  if (!memory_read(t->cpu->mem, addr, &t->sigset, sizeof t->sigset, false, &unread))
    return BAD_ADDRESS;
  t->sigset &= ~SYNC_MASK;
  return (u64)&t->sigset;
}

/* Comparisons, no switch: an indirect jump right after the host kernel was entered is not predicted. */
static inline u64 host_argument(Translation *t, const NativeArg *arg, u64 value) {
  if (arg->kind == ARG_VALUE) return value;
  if (arg->kind == ARG_FD) return host_fd(value);
  if (arg->kind <= ARG_OUT) return host_pointer(t, value, extent(t, arg), arg->kind == ARG_OUT);
  if (arg->kind <= ARG_IOV_OUT)
    return host_iovecs(t, value, (u32)t->guest[arg->from], arg->kind == ARG_IOV_OUT);
  if (arg->kind == ARG_PATH) return host_pointer(t, value, 0, false);
  return arg->kind == ARG_SIGSET ? host_sigset(t, value) : value;
}

static bool is_word(const char *at, u64 length, const char *word) {
  return strlen(word) == length && memcmp(at, word, length) == 0;
}

/* Without a root, a path leads into /proc only by a part of that name, or by /dev/fd. */
static bool names_proc(const char *path, u64 length) {
  for (u64 start = 0, i = 0; i <= length; i++) {
    if (i < length && path[i] != '/') continue;
    if (is_word(path + start, i - start, "proc") || is_word(path + start, i - start, "fd"))
      return true;
    start = i + 1;
  }
  return false;
}

/* A bad pointer is the host's to refuse, and an empty path names no file but a descriptor's. */
static NOINLINE bool is_plain_path(Memory *mem, u64 addr) {
  char path[PATH_LIMIT];
  u64 unread;
  if (addr == 0) return true;
  s64 length = memory_read_cstr(mem, addr, path, native_paths ? sizeof path : 1, &unread);
  return length <= 0 || (native_paths && !names_proc(path, (u64)length));
}

static const NativeArg *find_variant(const NativeCall *call, u32 value) {
  for (u32 i = 0; i < call->variant_count; i++)
    if (call->variants[i].value == value) return &call->variants[i].arg;
  return NULL;
}

/* What an argument is in this call; NULL when Python must look at it. */
static const NativeArg *settle(const Translation *t, const NativeArg *arg, u64 value) {
  if (arg->kind == ARG_PATH) return is_plain_path(t->cpu->mem, value) ? arg : NULL;
  if (arg->kind == ARG_NEW_FD) return is_hidden(value) ? NULL : arg;
  if (arg->kind == ARG_NULL) return value == 0 ? arg : NULL;
  if (arg->kind == ARG_BY) return find_variant(t->call, (u32)t->guest[arg->from]);
  return arg;
}

static bool translate(Translation *t) {
  for (u32 i = 0; i < t->call->count; i++) {
    const NativeArg *arg = &t->call->args[i];
    if (arg->kind >= ARG_PATH && (arg = settle(t, arg, t->guest[i])) == NULL) return false;
    t->host[i] = host_argument(t, arg, t->guest[i]);
  }
  return true;
}

static inline bool allowed(const NativeCall *call) {
  return call->native == NATIVE_ALWAYS || (call->native == NATIVE_UNLESS_POLICY && native_paths);
}

static bool interrupted(Cpu *c, s64 result) {
  c->interrupt = 0; /* this stop stands for it; the thread's own word stays until the take */
  c->stop = STOP_SYSCALL_INTERRUPTED;
  c->stop_error = (u64)result;
  return false;
}

/* `ranges`: where to note what the host may write, for the tape; or NULL. */
static ALWAYS_INLINE bool make_call(Cpu *c, TapeRange *ranges) {
  const u64 *r = c->gpr;
  u32 number = (u32)r[RAX]; /* Linux looks at the low half only */
  if (number >= NATIVE_CALLS || !allowed(&native_calls[number])) return false;
  const NativeCall *call = &native_calls[number];
  if (is_watched(call, r[RDI])) return false;
  Iovec iovecs[IOV_LIMIT];
  Translation t = {.cpu = c,
                   .call = call,
                   .guest = {r[RDI], r[RSI], r[RDX], r[R10], r[R8], r[R9]},
                   .iovecs = iovecs,
                   .ranges = ranges};
  if (!translate(&t)) return false;
  s64 result = hostcall(&c->interrupt, number, t.host);
  bool stopped = result == -EINTR || result == -HOST_ERESTARTSYS;
  if (ranges) tape_record(c, number, result, call->filled, ranges, t.range_count, stopped);
  if (unlikely(stopped)) return interrupted(c, result);
  c->gpr[RAX] = (u64)result;
  c->counters[COUNT_NATIVE]++;
  return true;
}

static NOINLINE bool syscall_on_tape(Cpu *c) {
  TapeRange ranges[IOV_LIMIT + 6];
  if (!c->tape->recording) return tape_replay(c);
  return tape_takes(c->tape, (u32)c->gpr[RAX]) && make_call(c, ranges);
}

bool syscall_native(Cpu *c) {
  return unlikely(c->tape != NULL) ? syscall_on_tape(c) : make_call(c, NULL);
}
