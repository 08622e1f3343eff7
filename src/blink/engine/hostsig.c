/* Host signal dispositions, the handlers, and each thread's record.
 *
 * All calls are raw: libc hides signals 32 and 33, which the guest's libc needs, and the handlers must
 * not touch errno.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "hostsig.h"
#include "jit.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "hostcall.h"
#include "memory.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#define SA_KERNEL_RESTORER 0x04000000

enum { HANDLER_STACK = 64 << 10, MASK_SIZE = 8 };

static const u64 ALL_BLOCKED = ~SYNC_MASK; /* as far as we ever block */
static const u64 GUEST_FLAGS = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT;

/* struct sigaction as rt_sigaction(2) takes it. */
typedef struct {
  uintptr_t handler;
  unsigned long flags;
  uintptr_t restorer;
  u64 mask;
} KernelAction;

_Thread_local HostThread *host_thread_self;
int host_message_fd = 2;

static volatile u8 sync_how[SYNC_COUNT]; /* the guest's dispositions of the synchronous five */

/* --- The kernel's calls --- */

#if defined(__x86_64__)
extern const char host_sigreturn[] __attribute__((visibility("hidden")));
__asm__(
    "  .text\n"
    "  .hidden host_sigreturn\n"
    "  .globl host_sigreturn\n"
    "  .type host_sigreturn, @function\n"
    "  nop\n" /* unwinders look one byte before a return address */
    "host_sigreturn:\n"
    "  movq $15, %rax\n" /* debuggers know a signal frame by these bytes */
    "  syscall\n"
    "  .size host_sigreturn, . - host_sigreturn\n");
#endif

static s64 call(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4) {
  return host_syscall(nr, a1, a2, a3, a4, 0, 0);
}

static void read_action(int signo, KernelAction *old) {
  if (call(SYS_rt_sigaction, (u64)signo, 0, (u64)old, MASK_SIZE) != 0) memset(old, 0, sizeof *old);
}

static int write_action(int signo, uintptr_t handler, u64 flags, u64 mask) {
  KernelAction new = {.handler = handler, .flags = flags, .mask = mask};
#if defined(__x86_64__)
  new.flags |= SA_KERNEL_RESTORER;
  new.restorer = (uintptr_t)host_sigreturn;
#endif
  return (int)call(SYS_rt_sigaction, (u64)signo, (u64) & new, 0, MASK_SIZE);
}

static u64 swap_mask(u64 mask) {
  u64 old = 0;
  call(SYS_rt_sigprocmask, SIG_SETMASK, (u64)&mask, (u64)&old, MASK_SIZE);
  return old;
}

static uintptr_t *context_pc(ucontext_t *uc) {
#if defined(__x86_64__)
  return (uintptr_t *)&uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
  return (uintptr_t *)&uc->uc_mcontext.pc;
#endif
}

/* The kernel's mask has 8 bytes; libc's sigset_t is longer than what lies there. */
static void set_context_mask(ucontext_t *uc, u64 mask) {
  memcpy(&uc->uc_sigmask, &mask, MASK_SIZE);
}

/* --- Dying --- */

NORETURN void host_sig_die(int signo) {
  u64 mask = ~SIG_BIT(signo);
  write_action(signo, (uintptr_t)SIG_DFL, 0, 0);
  u64 pid = (u64)call(SYS_getpid, 0, 0, 0, 0), tid = (u64)call(SYS_gettid, 0, 0, 0, 0);
  call(SYS_tgkill, pid, tid, (u64)signo, 0);
  swap_mask(mask);
  for (;;) call(SYS_exit_group, (u64)(128 + signo), 0, 0, 0);
}

static char *put_text(char *at, const char *text) {
  while (*text != 0) *at++ = *text++;
  return at;
}

static char *put_hex(char *at, u64 value) {
  int shift = 60;
  while (shift > 0 && value >> shift == 0) shift -= 4;
  at = put_text(at, "0x");
  for (; shift >= 0; shift -= 4) *at++ = "0123456789abcdef"[value >> shift & 15];
  return at;
}

static NORETURN void die_of_our_bug(int signo, u64 address, u64 pc) {
  char line[160], *at = put_text(line, "blink: internal error: signal ");
  if (signo >= 10) *at++ = (char)('0' + signo / 10);
  *at++ = (char)('0' + signo % 10);
  at = put_hex(put_text(at, " at address "), address);
  at = put_hex(put_text(at, " in our own code at "), pc);
  *at++ = '\n';
  call(SYS_write, (u64)host_message_fd, (u64)line, (u64)(at - line), 0);
  host_sig_die(signo);
}

/* --- Threads --- */

static pthread_key_t thread_key;
static pthread_once_t thread_key_once = PTHREAD_ONCE_INIT;

/* Hands a signal that this thread will not deliver back to the process.  Linux lets only a process's
 * first thread repeat what the kernel or kill(2) said of a signal (si_code >= 0), so from others
 * such a signal arrives as sent by us. */
static void requeue(int signo, const void *info) {
  u64 pid = (u64)call(SYS_getpid, 0, 0, 0, 0);
  if (call(SYS_rt_sigqueueinfo, pid, (u64)signo, (u64)info, 0) == -EPERM)
    call(SYS_kill, pid, (u64)signo, 0, 0);
}

/* The thread ends: no handler may find its record any more. */
static void thread_release(void *record) {
  HostThread *t = record;
  swap_mask(~(u64)0);
  host_sig_kicks(KICK_NEVER, 0);
  host_thread_self = NULL;
  if (t->box.signo != 0) requeue((int)t->box.signo, t->box.info);
  stack_t off = {.ss_flags = SS_DISABLE};
  sigaltstack(&off, NULL);
  munmap(t->mapping, t->mapping_size);
}

static void make_thread_key(void) { pthread_key_create(&thread_key, thread_release); }

/* One mapping: a guard page, the signal stack, the record. */
static HostThread *map_thread(size_t page) {
  _Static_assert(sizeof(HostThread) <= 4096, "the record fits in a page");
  size_t stack = (getauxval(AT_MINSIGSTKSZ) + HANDLER_STACK + page - 1) & ~(page - 1);
  size_t size = page + stack + page;
  char *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED || mprotect(base + page, stack + page, PROT_READ | PROT_WRITE) != 0)
    return NULL;
  stack_t alternate = {.ss_sp = base + page, .ss_size = stack};
  HostThread *t = (HostThread *)(base + page + stack);
  t->mapping = base;
  t->mapping_size = size;
  return sigaltstack(&alternate, NULL) == 0 ? t : NULL;
}

HostThread *host_thread_register(void) {
  HostThread *t = map_thread((size_t)sysconf(_SC_PAGESIZE));
  pthread_once(&thread_key_once, make_thread_key);
  if (t == NULL || pthread_setspecific(thread_key, t) != 0) {
    static const char message[] = "blink: no memory for a thread's signal stack\n";
    call(SYS_write, (u64)host_message_fd, (u64)message, sizeof message - 1, 0);
    host_sig_die(SIGABRT);
  }
  host_thread_self = t;
  return t;
}

static void raise_interrupt(HostThread *t) {
  t->interrupt = 1;
  Cpu *c = t->cpu;
  if (c == NULL) return;
  c->interrupt = 1;
  c->limit = 0;
  jit_interrupt(c);
}

void host_thread_set_cpu(Cpu *c) {
  HostThread *t = host_thread();
  t->cpu = c;
  /* The handler runs in this thread: it either saw the new cpu, or we see its interrupt. */
  if (c != NULL && t->interrupt) raise_interrupt(t);
}

/* --- Handlers --- */

static void fill(SigSlot *slot, int signo, const siginfo_t *info) {
  memcpy(slot->info, info, SIGINFO_SIZE);
  __atomic_signal_fence(__ATOMIC_RELEASE);
  slot->signo = (u32)signo;
}

/* Makes the thread notice: it leaves run(), and a host call that has not begun does not begin. */
static void wake(HostThread *t, ucontext_t *uc) {
  raise_interrupt(t);
  uintptr_t *pc = context_pc(uc);
  if (hostcall_not_begun(*pc)) *pc = (uintptr_t)hostcall_abort;
}

/* The handler of caught signals; it runs with all signals blocked. */
static void on_caught(int signo, siginfo_t *info, void *context) {
  HostThread *t = host_thread_self;
  if (t == NULL) { /* not a guest's thread: hand the signal on, and take no more of them */
    set_context_mask(context, ~(u64)0);
    requeue(signo, info);
    return;
  }
  fill(&t->box, signo, info);
  set_context_mask(context, ALL_BLOCKED);
  wake(t, context);
}

/* Whether a kick finds a host call that waited: the kernel has put the PC back, for it starts anew, and
 * left in RCX what SYSCALL left there.  Where SYSCALL spares RCX (FRED; other hosts), a thread that was
 * there more than once has begun as far as we can tell.  A call that gives EINTR needs nobody's help. */
static bool ends_wait(HostThread *t, ucontext_t *uc) {
  enum { SURE = 3 };
  uintptr_t at = (uintptr_t)hostcall_syscall;
  if (*context_pc(uc) != at) return false;
  bool sure = t->kicks.met++ >= SURE;
#if defined(__x86_64__)
  sure = sure || (uintptr_t)uc->uc_mcontext.gregs[REG_RCX] == at + 2;
#endif
  t->kicks.ended += sure;
  return sure;
}

static int sync_index(int signo) {
  switch (signo) {
  case SIGILL: return 0;
  case SIGTRAP: return 1;
  case SIGBUS: return 2;
  case SIGFPE: return 3;
  case SIGSEGV: return 4;
  default: return -1;
  }
}

/* Somebody sent one of the synchronous five.  As standard signals do, it merges with one that waits. */
static void on_sync_sent(int signo, siginfo_t *info, ucontext_t *uc) {
  HostThread *t = host_thread_self;
  int index = sync_index(signo);
  bool held = t != NULL && (t->held & SIG_BIT(signo)) != 0;
  u8 how = sync_how[index];
  if (host_sig_is_kick(info)) {
    if (t != NULL && (t->kicks.how != KICK_WAITS || ends_wait(t, uc))) wake(t, uc);
    return;
  }
  if (!held && how == SIG_HOW_IGNORE) return;
  if (!held && how == SIG_HOW_DEFAULT) host_sig_die(signo);
  if (t == NULL) {
    set_context_mask(uc, ~(u64)0);
    requeue(signo, info);
    return;
  }
  if (t->sync[index].signo == 0) fill(&t->sync[index], signo, info);
  if (!held) wake(t, uc);
}

/* Before returning to a context with its own mask: a signal that was caught in the meantime may have
 * filled the box, and then the context must go on with everything blocked. */
static void settle_context_mask(ucontext_t *uc) {
  swap_mask(ALL_BLOCKED);
  HostThread *t = host_thread_self;
  if (t != NULL && t->box.signo != 0) set_context_mask(uc, ALL_BLOCKED);
}

/* The handler of the synchronous five.  Nothing is blocked in it (SA_NODEFER, empty mask), so that
 * whoever handles a fault may leave by longjmp. */
static void on_sync(int signo, siginfo_t *info, void *context) {
  int saved = errno;
  if (info->si_code <= 0) {
    on_sync_sent(signo, info, context);
  } else {
    if (signo == SIGSEGV || signo == SIGBUS) memory_guard_fault(info->si_addr, signo);
    if (!engine_host_fault(info, context))
      die_of_our_bug(signo, (u64)info->si_addr, *context_pc(context));
  }
  settle_context_mask(context);
  errno = saved;
}

/* --- Dispositions --- */

static int install_sync(int signo, SigHow how, u64 flags) {
  u64 restart = how == SIG_HOW_CATCH ? flags & SA_RESTART : SA_RESTART;
  sync_how[sync_index(signo)] = (u8)how;
  return write_action(signo, (uintptr_t)on_sync, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | restart, 0);
}

int host_sig_set(int signo, SigHow how, u64 flags) {
  if (signo < 1 || signo > SIGNAL_MAX || how > SIG_HOW_CATCH) return -EINVAL;
  flags &= GUEST_FLAGS;
  int index = sync_index(signo);
  if (index >= 0) {
    if (how == SIG_HOW_IGNORE) host_thread()->sync[index].signo = 0;
    return install_sync(signo, how, flags);
  }
  if (how == SIG_HOW_CATCH)
    return write_action(signo, (uintptr_t)on_caught, SA_SIGINFO | SA_ONSTACK | flags, ~(u64)0);
  return write_action(signo, (uintptr_t)(how == SIG_HOW_IGNORE ? SIG_IGN : SIG_DFL), flags, 0);
}

void host_sig_ensure(void) {
  static const int five[SYNC_COUNT] = {SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV};
  for (int i = 0; i < SYNC_COUNT; i++) {
    KernelAction action;
    read_action(five[i], &action);
    if (action.handler != (uintptr_t)on_sync) install_sync(five[i], SIG_HOW_DEFAULT, 0);
  }
}

static u64 ignored_now(void) {
  u64 ignored = 0;
  for (int signo = 1; signo <= SIGNAL_MAX; signo++) {
    KernelAction action;
    read_action(signo, &action);
    if (action.handler == (uintptr_t)SIG_IGN) ignored |= SIG_BIT(signo);
  }
  return ignored & ~(SIG_BIT(SIGPIPE) | SIG_BIT(SIGXFSZ));
}

enum { NPTL_CANCEL = 32, NPTL_SETXID = 33 };

void host_sig_init(const u64 *ignored_in, const u64 *blocked_in, u64 *ignored, u64 *blocked) {
  HostThread *t = host_thread();
  u64 mask = swap_mask(ALL_BLOCKED);
  *ignored = ignored_in != NULL ? *ignored_in : ignored_now();
  *blocked = blocked_in != NULL ? *blocked_in : mask;
  for (int signo = 1; signo <= SIGNAL_MAX; signo++) {
    if (signo == NPTL_CANCEL || signo == NPTL_SETXID) continue; /* the host libc's own */
    SigHow how = *ignored & SIG_BIT(signo) ? SIG_HOW_IGNORE : SIG_HOW_DEFAULT;
    host_sig_set(signo, how, 0); /* SIGKILL and SIGSTOP refuse, and need nothing */
  }
  t->held = *blocked & SYNC_MASK;
  swap_mask(*blocked & ~SYNC_MASK);
}

/* --- What the kernel layer asks --- */

static bool deliverable(const HostThread *t, const SigSlot *slot) {
  return slot->signo != 0 && (t->held & SIG_BIT(slot->signo)) == 0;
}

static int empty(SigSlot *slot, u8 info[SIGINFO_SIZE]) {
  int signo = (int)slot->signo;
  memcpy(info, slot->info, SIGINFO_SIZE);
  __atomic_signal_fence(__ATOMIC_RELEASE);
  slot->signo = 0;
  return signo;
}

int host_sig_take(u8 info[SIGINFO_SIZE]) {
  HostThread *t = host_thread();
  t->interrupt = 0; /* first: what comes later sets it again */
  int signo = t->box.signo != 0 ? empty(&t->box, info) : 0;
  for (int i = 0; i < SYNC_COUNT; i++) {
    if (!deliverable(t, &t->sync[i])) continue;
    if (signo == 0) signo = empty(&t->sync[i], info);
    else raise_interrupt(t);
  }
  return signo;
}

/* The guest unblocked some of the synchronous five: those that waited act now. */
static void release_held(HostThread *t) {
  for (int i = 0; i < SYNC_COUNT; i++) {
    SigSlot *slot = &t->sync[i];
    if (!deliverable(t, slot)) continue;
    if (sync_how[i] == SIG_HOW_DEFAULT) host_sig_die((int)slot->signo);
    if (sync_how[i] == SIG_HOW_IGNORE) slot->signo = 0;
    else raise_interrupt(t);
  }
}

bool host_sig_setmask(u64 mask, u64 *old) {
  HostThread *t = host_thread();
  u64 host = mask & ~SYNC_MASK;
  u64 args[6] = {SIG_SETMASK, (u64)&host, (u64)old, MASK_SIZE};
  if (hostcall(&t->interrupt, SYS_rt_sigprocmask, args) != 0) {
    u64 before = swap_mask(ALL_BLOCKED); /* now the box stays as it is */
    if (t->box.signo != 0) return false;
    swap_mask(host); /* a kick, or one of the synchronous five */
    *old = before;
  }
  *old = (*old & ~SYNC_MASK) | t->held;
  t->held = mask & SYNC_MASK;
  release_held(t);
  return true;
}

u64 host_sig_pending(void) {
  HostThread *t = host_thread();
  u64 pending = 0;
  call(SYS_rt_sigpending, (u64)&pending, MASK_SIZE, 0, 0);
  for (int i = 0; i < SYNC_COUNT; i++)
    if (t->sync[i].signo != 0) pending |= SIG_BIT(t->sync[i].signo);
  return pending;
}

void host_sig_after_fork(void) {
  HostThread *t = host_thread();
  t->box.signo = 0;
  for (int i = 0; i < SYNC_COUNT; i++) t->sync[i].signo = 0;
  t->interrupt = 0;
  t->kicks.how = KICK_NEVER; /* their thread is the parent's */
}

int host_sig_return(int signo, const u8 info[SIGINFO_SIZE]) {
  u64 pid = (u64)call(SYS_getpid, 0, 0, 0, 0), tid = (u64)call(SYS_gettid, 0, 0, 0, 0);
  return (int)call(SYS_rt_tgsigqueueinfo, pid, tid, (u64)signo, (u64)info);
}
