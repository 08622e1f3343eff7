/* System calls that run without Python: same ABI as the host's, and no policy.
 *
 * The table is generated from the typed definitions (blink.codegen.emit_syscalls).  Pointers that are
 * not the guest's become an address that the host refuses, so that the host orders EBADF, EINVAL and
 * EFAULT as Linux does.  Page permissions are the host's business too: its pages have the guest's.
 */
#ifndef BLINK_SYSCALL_NATIVE_H
#define BLINK_SYSCALL_NATIVE_H
#include "cpu.h"

typedef enum {
  ARG_VALUE,
  ARG_FD,
  ARG_IN,      /* the host only reads there */
  ARG_OUT,     /* the host writes there; in-and-out too */
  ARG_IOV_IN,  /* an array of iovecs whose buffers the host reads */
  ARG_IOV_OUT, /* ... writes */
  ARG_PATH,    /* Python's unless it is empty, or native_paths is set and it cannot concern /proc */
  ARG_NEW_FD,  /* a number that the guest claims; Python's when it is ours */
  ARG_SIGSET,  /* a signal mask for the time of the call */
  ARG_NULL,    /* a structure that Python must look at, unless there is none */
  ARG_BY,      /* what the variant of argument `from`'s value says; Python's when there is none */
} NativeKind;

typedef enum {
  LENGTH_CONST, /* unit bytes */
  LENGTH_ARG,   /* argument `from`, 64 bits, times unit */
  LENGTH_ARG32, /* argument `from`, 32 bits, times unit */
  LENGTH_BITS,  /* argument `from`, 32 bits, in bits, rounded up to 8 bytes */
  LENGTH_REF,   /* the 32-bit word behind pointer argument `from` */
} NativeLength;

typedef struct {
  u8 kind;   /* NativeKind */
  u8 length; /* NativeLength */
  u8 from;
  u32 unit;
} NativeArg;

typedef struct {
  u32 value;
  NativeArg arg;
} NativeVariant;

typedef enum { NATIVE_NEVER, NATIVE_ALWAYS, NATIVE_UNLESS_POLICY } NativeWhen;

/* Whether the result says how many bytes of the ARG_OUT buffers are new. */
typedef enum { FILLS_AS_TOLD, FILLS_ALL, FILLS_FIRST } NativeFill;

typedef struct {
  u8 native; /* NativeWhen; unless policy: while native_paths is set */
  u8 filled; /* NativeFill */
  u8 count;
  NativeArg args[6];
  u8 variant_count;
  const NativeVariant *variants; /* in order of their values */
} NativeCall;

/* Runs the call that RAX names.  true: done, RAX is set.  false: Python must act; c->stop is
 * STOP_SYSCALL_INTERRUPTED, with stop_error -EINTR or -512 and RAX still the number, when a signal
 * ended the call or came first, else it is as it was. */
bool syscall_native(Cpu *c);

/* Our own descriptors; native_hidden_low is the lowest, ~0 when there are none. */
enum { HIDDEN_FDS = 64 };
extern u32 native_hidden_low, native_hidden_count, native_hidden[HIDDEN_FDS];
void native_hide(const u32 *fds, u32 count); /* at most HIDDEN_FDS */
/* Paths mean the same to the host as to the guest: no root, and no way into /proc but by name. */
extern bool native_paths;
/* Descriptors below 64, a bit each, that are virtual files: calls with one as first argument are Python's. */
extern u64 native_watched;

#endif
