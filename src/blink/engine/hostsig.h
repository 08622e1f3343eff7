/* Host signals: the engine owns every disposition, and no guest signal runs a Python-level handler.
 *
 * A caught signal goes into its thread's box, one slot, and the handler leaves the thread with every
 * signal blocked, so nothing can overwrite it: later signals stay pending in the host kernel, in its
 * order and with its queue limits.  The kernel layer empties the box (host_sig_take), builds the
 * guest's frame and sets the guest's mask again (host_sig_setmask), which lets the next one in.
 *
 * SIGILL, SIGTRAP, SIGBUS, SIGFPE and SIGSEGV (the synchronous five) always have our handler and are
 * never blocked in the host, for a fault that meets a blocked signal kills the process.  When another
 * process sends one, the handler does what the guest's disposition and mask say: each has a slot of
 * its own, where it also waits while the guest blocks it.  Not covered: rt_sigtimedwait and signalfd
 * do not see one that waits there.
 */
#ifndef BLINK_HOSTSIG_H
#define BLINK_HOSTSIG_H
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>
#include "cpu.h"

typedef enum { SIG_HOW_DEFAULT, SIG_HOW_IGNORE, SIG_HOW_CATCH } SigHow;

enum { SIGINFO_SIZE = 128, SIGNAL_MAX = 64, SYNC_COUNT = 5 };

#define SIG_BIT(signo) ((u64)1 << ((signo)-1))
#define SYNC_MASK \
  (SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGBUS) | SIG_BIT(SIGFPE) | SIG_BIT(SIGSEGV))

/* A recorded signal.  The handler fills it only while signo is 0 and sets signo last. */
typedef struct {
  volatile u32 signo;
  u8 info[SIGINFO_SIZE];
} SigSlot;

/* Kicks that come again and again, from a thread that is there only for them. */
typedef enum {
  KICK_NEVER,
  KICK_ALWAYS, /* the thread leaves run() or a host call, or does not begin one */
  KICK_WAITS   /* a host call that waits ends; one that has not begun begins */
} KickHow;

typedef struct {
  volatile KickHow how;
  volatile u32 met, ended, stop;
  pthread_t thread;
  int tid; /* whom it kicks */
  u64 nanoseconds;
} Kicks;

/* One host thread.  It lies at the end of the mapping of its signal stack. */
typedef struct {
  volatile u32 interrupt; /* the blocking primitive's word: a signal is recorded, or a kick came */
  Cpu *volatile cpu;      /* the one that runs here, or NULL */
  volatile u64 held;      /* which of the synchronous five the guest blocks */
  SigSlot box;
  SigSlot sync[SYNC_COUNT];
  Kicks kicks;
  void *mapping;
  size_t mapping_size;
} HostThread;

/* Initial-exec: the handler may read it in any thread without an allocation. */
extern _Thread_local HostThread *host_thread_self
    __attribute__((visibility("hidden"), tls_model("initial-exec")));

/* Gives this thread its record and its guarded signal stack; no memory is fatal. */
HostThread *host_thread_register(void);

static inline HostThread *host_thread(void) {
  HostThread *t = host_thread_self;
  return likely(t) ? t : host_thread_register();
}

/* Tells that `c` runs in this thread (NULL: none).  Call it after c->limit and c->interrupt got their
 * values for this run: an interrupt that is already waiting is passed on to `c` here. */
void host_thread_set_cpu(Cpu *c);
static inline Cpu *host_thread_cpu(void) { return host_thread_self ? host_thread_self->cpu : NULL; }

/* A synchronous fault (run.c).  true: handled, go on at the context.  It may also longjmp away; the
 * signal mask is as it was at the fault.  false: not the guest's. */
bool engine_host_fault(siginfo_t *info, ucontext_t *uc);

/* Our handler for the synchronous five, where somebody else's (or none) is installed: for the users of
 * Memory and Cpu that never call host_sig_init, also under Python's faulthandler. */
void host_sig_ensure(void);

/* The inherited dispositions and mask, as bit masks.  NULL stands for "as they are now", except that
 * SIGPIPE and SIGXFSZ, which CPython ignores, count as default, and that handlers (SIGINT) do too.
 * Sets every disposition and the mask to them; they come back in *ignored and *blocked. */
void host_sig_init(const u64 *ignored_in, const u64 *blocked_in, u64 *ignored, u64 *blocked);

/* 0 or -EINVAL.  `flags`: SA_RESTART, SA_NOCLDSTOP, SA_NOCLDWAIT, as the guest gave them. */
int host_sig_set(int signo, SigHow how, u64 flags);

/* Empties a slot into `info` and clears the interrupt word.  The signal's number, or 0. */
int host_sig_take(u8 info[SIGINFO_SIZE]);

/* Sets the guest's mask; the one before goes to *old.  false, with nothing changed, when a signal
 * waits in the box: it was not blocked when it came, so it goes first.  Never false after a take. */
bool host_sig_setmask(u64 mask, u64 *old);

/* rt_sigpending plus those of the synchronous five that wait because the guest blocks them. */
u64 host_sig_pending(void);

/* In the child after fork, before it sets its mask (block all signals before fork): a signal that was
 * recorded but not taken is the parent's. */
void host_sig_after_fork(void);

/* Makes a thread leave run() or a blocking call, without a signal to deliver.  0 or -errno. */
int host_sig_kick(int tid);

/* Kicks this thread again and again with so many nanoseconds between.  How many waits the kicks before
 * have ended, or -errno. */
int host_sig_kicks(KickHow how, u64 nanoseconds);
bool host_sig_is_kick(const siginfo_t *info);

/* Gives a signal that was taken back to the host, for this thread: it waits until the mask lets it in.
 * 0 or -errno. */
int host_sig_return(int signo, const u8 info[SIGINFO_SIZE]);

/* Dies by `signo`'s default action; by exit status 128 + signo if that does not kill. */
NORETURN void host_sig_die(int signo);

/* Where the handler reports a fault of our own; 2 until it is told. */
extern int host_message_fd;

#endif
