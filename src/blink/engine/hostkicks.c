/* Kicks: a thread leaves run(), or a host call, with no signal to deliver.
 *
 * Those that come again and again are sent by a thread that lives as long as they do.  Lost: a POSIX
 * timer, which takes one of the numbers that timer_create(2) gives to the guest; the interval timers,
 * which are the guest's own; a process, which the guest could wait for.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include "hostcall.h"
#include "hostsig.h"

enum { STACK = 64 << 10, MASK_SIZE = 8 };

static const char kick_mark; /* its address marks a kick */
static volatile bool kicked; /* some thread, some time */

int host_sig_kick(int tid) {
  siginfo_t info = {.si_signo = SIGTRAP, .si_code = SI_QUEUE};
  info.si_value.sival_ptr = (void *)&kick_mark;
  kicked = true;
  u64 pid = (u64)host_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
  return (int)host_syscall(SYS_rt_tgsigqueueinfo, pid, (u64)tid, SIGTRAP, (u64)&info, 0, 0);
}

/* Beyond RLIMIT_SIGPENDING, which the guest may set to 0, the kernel keeps no siginfo of a signal: it
 * arrives as if process 0 had sent it. */
bool host_sig_is_kick(const siginfo_t *info) {
  if (info->si_signo != SIGTRAP) return false;
  if (info->si_code == SI_QUEUE) return info->si_value.sival_ptr == &kick_mark;
  return kicked && info->si_code == SI_USER && info->si_pid == 0;
}

static void *kick_on(void *argument) {
  Kicks *k = argument;
  u64 second = 1000000000;
  struct timespec each = {(time_t)(k->nanoseconds / second), (long)(k->nanoseconds % second)};
  while (k->stop == 0) {
    s64 r = host_syscall(SYS_futex, (u64)&k->stop, FUTEX_WAIT_PRIVATE, 0, (u64)&each, 0, 0);
    if (r == -ETIMEDOUT) host_sig_kick(k->tid);
  }
  return NULL;
}

/* The new thread takes no signals: they are the guest's. */
static int make_thread(Kicks *k) {
  u64 all = ~(u64)0, mask;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (u64)&all, (u64)&mask, MASK_SIZE, 0, 0);
  int error = pthread_create(&k->thread, &attributes, kick_on, k);
  host_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (u64)&mask, 0, MASK_SIZE, 0, 0);
  pthread_attr_destroy(&attributes);
  return error;
}

static void end_thread(Kicks *k) {
  k->stop = 1;
  host_syscall(SYS_futex, (u64)&k->stop, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
  pthread_join(k->thread, NULL);
}

int host_sig_kicks(KickHow how, u64 nanoseconds) {
  Kicks *k = &host_thread()->kicks;
  if (k->how != KICK_NEVER) end_thread(k);
  int ended = (int)k->ended;
  int tid = (int)host_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
  *k = (Kicks){.how = how, .tid = tid, .nanoseconds = nanoseconds};
  int error = how == KICK_NEVER ? 0 : make_thread(k);
  if (error != 0) k->how = KICK_NEVER;
  return error != 0 ? -error : ended;
}
