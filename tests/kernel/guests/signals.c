/* Signals: frames, masks, alternate stacks, restarts, waiting. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int count, last, nested, max_nested;
static volatile long code, value, sender_ok;

static void simple(int signo) {
  count++;
  last = signo;
}

static void detailed(int signo, siginfo_t *info, void *context) {
  (void)context;
  last = signo;
  code = info->si_code;
  value = info->si_value.sival_int;
  sender_ok = info->si_pid == getpid();
}

static void set(int signo, void *handler, int flags) {
  struct sigaction sa = {.sa_flags = flags};
  sa.sa_handler = handler;
  sigaction(signo, &sa, NULL);
}

static sigset_t just(int signo) {
  sigset_t s;
  sigemptyset(&s);
  if (signo) sigaddset(&s, signo);
  return s;
}

static void actions(void) {
  struct sigaction old;
  T(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 7));
  T(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
  T(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
  T(syscall(SYS_rt_sigaction, SIGUSR1, BAD, NULL, 8));
  T(syscall(SYS_rt_sigaction, SIGUSR1, NULL, BAD, 8));
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  T(sigaction(SIGKILL, &ignore, NULL));
  T(sigaction(SIGKILL, NULL, &old));
  set(SIGUSR1, simple, SA_RESTART | SA_NODEFER | SA_ONSTACK);
  T(sigaction(SIGUSR1, &ignore, &old));
  V(old.sa_handler == simple);
  V(old.sa_flags);
  T(raise(SIGUSR1));
  V(count);
  T(kill(getpid(), SIGCHLD));
}

static void sending(void) {
  set(SIGUSR1, detailed, SA_SIGINFO);
  T(kill(getpid(), SIGUSR1));
  printf("%d %ld %ld\n", last, code, sender_ok);
  T(raise(SIGUSR1));
  printf("%d %ld %ld\n", last, code, sender_ok);
  union sigval v = {.sival_int = 42};
  T(sigqueue(getpid(), SIGUSR1, v));
  printf("%d %ld %ld %ld\n", last, code, value, sender_ok);
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = -5};
  info.si_value.sival_int = 9;
  T(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
  printf("%ld %ld\n", code, value);
  T(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &info));
  T(syscall(SYS_tkill, gettid(), SIGUSR1));
  printf("%ld\n", code);
  T(syscall(SYS_tgkill, getpid(), gettid(), 0));
  T(syscall(SYS_tgkill, getpid(), -1, SIGUSR1));
  T(syscall(SYS_tgkill, 1, gettid(), SIGUSR1));
  T(kill(getpid(), 65));
  T(kill(getpid(), -1));
  T(kill(0x7ffffff0, 0));
  T(kill(getpid(), 0));
  T(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD));
}

static void masks(void) {
  sigset_t usr1 = just(SIGUSR1), old, pending;
  set(SIGUSR1, simple, 0);
  T(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &usr1, &old, 4));
  T(syscall(SYS_rt_sigprocmask, 9, &usr1, NULL, 8));
  T(syscall(SYS_rt_sigprocmask, 9, NULL, &old, 8));
  T(syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD, NULL, 8));
  T(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, BAD, 8));
  T(sigprocmask(SIG_BLOCK, &usr1, &old));
  V(sigismember(&old, SIGUSR1));
  count = 0;
  raise(SIGUSR1);
  raise(SIGUSR1);
  V(count);
  T(sigpending(&pending));
  V(sigismember(&pending, SIGUSR1));
  V(sigismember(&pending, SIGUSR2));
  T(syscall(SYS_rt_sigpending, &pending, 9));
  T(syscall(SYS_rt_sigpending, BAD, 8));
  T(sigprocmask(SIG_UNBLOCK, &usr1, NULL));
  V(count);
  sigset_t all;
  sigfillset(&all);
  T(sigprocmask(SIG_SETMASK, &all, NULL));
  T(sigprocmask(SIG_SETMASK, &old, &all));
  V(sigismember(&all, SIGKILL));
  V(sigismember(&all, SIGTERM));
  sigset_t segv = just(SIGSEGV);
  set(SIGSEGV, simple, 0);
  count = 0;
  sigprocmask(SIG_BLOCK, &segv, NULL);
  kill(getpid(), SIGSEGV);
  sigpending(&pending);
  V(sigismember(&pending, SIGSEGV));
  V(count);
  sigprocmask(SIG_UNBLOCK, &segv, NULL);
  V(count);
  set(SIGSEGV, SIG_DFL, 0);
}

/* A signal that a call lets in is handled before the call returns, however often. */
static void at_once(void) {
  sigset_t usr1 = just(SIGUSR1), none = just(0), pending;
  int wrong = 0;
  set(SIGUSR1, simple, 0);
  for (int i = 0; i < 100; i++) {
    sigprocmask(SIG_SETMASK, &usr1, NULL), count = 0;
    kill(getpid(), SIGUSR1), sigpending(&pending);
    wrong += count != 0 || !sigismember(&pending, SIGUSR1);
    sigprocmask(SIG_SETMASK, &none, NULL);
    wrong += count != 1;
  }
  V(wrong);
}

static void nest(int signo) {
  nested++;
  if (nested > max_nested) max_nested = nested;
  if (count++ < 3) raise(signo);
  nested--;
}

static void other(int signo) {
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("handler %d: usr1 %d usr2 %d term %d\n", signo, sigismember(&now, SIGUSR1),
         sigismember(&now, SIGUSR2), sigismember(&now, SIGTERM));
}

static void nesting(void) {
  count = 0;
  set(SIGUSR1, nest, 0);
  raise(SIGUSR1);
  V(max_nested);
  V(count);
  count = max_nested = 0;
  set(SIGUSR1, nest, SA_NODEFER);
  raise(SIGUSR1);
  V(max_nested);
  struct sigaction sa = {.sa_handler = other};
  sigaddset(&sa.sa_mask, SIGTERM);
  sigaction(SIGUSR1, &sa, NULL);
  raise(SIGUSR1);
  set(SIGUSR2, other, SA_RESETHAND);
  raise(SIGUSR2);
  struct sigaction now;
  sigaction(SIGUSR2, NULL, &now);
  V(now.sa_handler == SIG_DFL);
  sigset_t both = just(SIGUSR1);
  sigaddset(&both, SIGUSR2);
  set(SIGUSR2, other, 0);
  sigprocmask(SIG_BLOCK, &both, NULL);
  raise(SIGUSR2);
  raise(SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &both, NULL);
}

static char area[65536] __attribute__((aligned(16)));
static volatile int on_area;
static stack_t inside;

static void on_altstack(int signo) {
  char here;
  (void)signo;
  on_area = &here >= area && &here < area + sizeof area;
  sigaltstack(NULL, &inside);
  stack_t other_stack = {.ss_sp = area, .ss_size = sizeof area};
  T(sigaltstack(&other_stack, NULL));
}

static void altstack(void) {
  stack_t st = {.ss_sp = area, .ss_size = 1000}, old;
  T(sigaltstack(&st, NULL));
  st.ss_size = sizeof area;
  st.ss_flags = 77;
  T(sigaltstack(&st, NULL));
  st.ss_flags = 0;
  T(sigaltstack(&st, &old));
  V(old.ss_flags);
  set(SIGUSR1, on_altstack, SA_ONSTACK);
  raise(SIGUSR1);
  V(on_area);
  V(inside.ss_flags);
  V(inside.ss_sp == area);
  set(SIGUSR1, on_altstack, 0);
  st.ss_flags = SS_DISABLE;
  T(sigaltstack(&st, &old));
  raise(SIGUSR1);
  V(on_area);
  V(old.ss_flags);
  st.ss_flags = 1 << 31;
  st.ss_sp = area;
  T(sigaltstack(&st, NULL));
  set(SIGUSR1, on_altstack, SA_ONSTACK);
  raise(SIGUSR1);
  V(on_area);
  V(inside.ss_flags);
  T(sigaltstack(NULL, &old));
  V(old.ss_flags);
  V(old.ss_size == sizeof area);
  T(sigaltstack(BAD, NULL));
  T(sigaltstack(NULL, BAD));
  st.ss_flags = SS_DISABLE;
  sigaltstack(&st, NULL);
}

static int reader, writer;

static void write_one(int signo) {
  (void)signo;
  count++;
  if (write(writer, "x", 1) != 1) abort();
}

static void later(void) {
  struct itimerval t = {.it_value.tv_usec = 50000};
  setitimer(ITIMER_REAL, &t, NULL);
}

static void restarts(void) {
  int fds[2];
  char c;
  if (pipe(fds)) abort();
  reader = fds[0], writer = fds[1];
  set(SIGALRM, write_one, SA_RESTART);
  count = 0;
  later();
  T(read(reader, &c, 1));
  V(count);
  set(SIGALRM, simple, 0);
  later();
  T(read(reader, &c, 1));
  later();
  T(pause());
  set(SIGALRM, simple, SA_RESTART);
  later();
  T(pause());
  later();
  struct timespec ts = {5, 0}, left;
  T(nanosleep(&ts, &left));
  V(left.tv_sec);
  later();
  T(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &left));
  sigset_t none = just(0), alarm_set = just(SIGALRM);
  later();
  T(sigsuspend(&none));
  sigprocmask(SIG_BLOCK, &alarm_set, NULL);
  later();
  count = 0;
  T(sigsuspend(&none));
  V(count);
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  V(sigismember(&now, SIGALRM));
  T(syscall(SYS_rt_sigsuspend, BAD, 8));
  T(syscall(SYS_rt_sigsuspend, &none, 7));
  siginfo_t info;
  later();
  T(sigwaitinfo(&alarm_set, &info));
  V(info.si_code);
  ts = (struct timespec){0, 1000000};
  T(sigtimedwait(&alarm_set, &info, &ts));
  ts.tv_nsec = -1;
  T(sigtimedwait(&alarm_set, &info, &ts));
  T(syscall(SYS_rt_sigtimedwait, &alarm_set, &info, NULL, 7));
  raise(SIGALRM);
  ts.tv_nsec = 0;
  T(sigtimedwait(&alarm_set, &info, &ts));
  sigprocmask(SIG_UNBLOCK, &alarm_set, NULL);
  set(SIGCHLD, simple, 0);
  count = 0;
  pid_t child = fork();
  if (child == 0) {
    usleep(50000);
    _exit(3);
  }
  int status;
  pid_t got = wait(&status);
  V(got == child || errno == EINTR);
  while (got != child) got = wait(&status);
  V(count);
  V(status);
  set(SIGCHLD, SIG_DFL, 0);
  set(SIGALRM, simple, SA_RESTART);
  child = fork();
  if (child == 0) {
    usleep(150000);
    _exit(4);
  }
  count = 0;
  later();
  T(wait(&status) == child);
  V(count);
}

static void real_time(int signo, siginfo_t *info, void *context) {
  (void)context;
  printf("rt+%d %d\n", signo - SIGRTMIN, info->si_value.sival_int);
}

static void queues(void) {
  sigset_t s = just(SIGRTMIN);
  sigaddset(&s, SIGRTMIN + 1);
  set(SIGRTMIN, real_time, SA_SIGINFO);
  set(SIGRTMIN + 1, real_time, SA_SIGINFO);
  sigprocmask(SIG_BLOCK, &s, NULL);
  for (int i = 0; i < 3; i++) {
    union sigval v = {.sival_int = i};
    sigqueue(getpid(), SIGRTMIN + 1, v);
    sigqueue(getpid(), SIGRTMIN, v);
  }
  sigset_t pending;
  sigpending(&pending);
  V(sigismember(&pending, SIGRTMIN));
  sigprocmask(SIG_UNBLOCK, &s, NULL);
}

static sigjmp_buf out;

static void jump(int signo) {
  siglongjmp(out, signo);
}

static void skip(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)signo, (void)info;
  uc->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
  uc->uc_mcontext.gregs[REG_RBX] = 1234;
  uc->uc_mcontext.fpregs->_xmm[7].element[0] = 77;
  sigaddset(&uc->uc_sigmask, SIGUSR2);
}

static void clobber(int signo) {
  (void)signo;
  __asm__ volatile("fninit; fldz; fldz; pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm1;"
                   "movaps %%xmm0, %%xmm15" ::: "memory");
}

static void contexts(void) {
  set(SIGUSR1, jump, 0);
  int jumped = sigsetjmp(out, 1);
  if (!jumped) raise(SIGUSR1);
  V(jumped);
  set(SIGILL, skip, SA_SIGINFO);
  long rbx;
  int xmm7;
  __asm__ volatile("ud2; mov %%rbx, %0; movd %%xmm7, %1" : "=r"(rbx), "=r"(xmm7)::"rbx", "xmm7");
  V(rbx);
  V(xmm7);
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  V(sigismember(&now, SIGUSR2));
  sigdelset(&now, SIGUSR2);
  sigprocmask(SIG_SETMASK, &now, NULL);
  set(SIGUSR1, clobber, 0);
  double a = 1.5, b;
  long double x = 3.25L, y;
  pid_t pid = getpid();
  __asm__ volatile("movsd %2, %%xmm15; fldt %3; mov $62, %%eax; syscall; movsd %%xmm15, %0; fstpt %1"
                   : "=m"(b), "=m"(y)
                   : "m"(a), "m"(x), "D"((long)pid), "S"((long)SIGUSR1)
                   : "rax", "rcx", "r11", "xmm15", "xmm0", "xmm1", "memory", "st");
  printf("%g %Lg\n", b, y);
}

static void direction(int signo, siginfo_t *info, void *context) {
  unsigned long flags;
  ucontext_t *uc = context;
  (void)signo, (void)info;
  __asm__ volatile("pushf; pop %0" : "=r"(flags));
  printf("DF %lu in the handler, %lld outside\n", flags >> 10 & 1,
         uc->uc_mcontext.gregs[REG_EFL] >> 10 & 1);
  V((unsigned long)__builtin_frame_address(0) % 16);
  V(uc->uc_flags & 6);
  V(uc->uc_mcontext.fpregs->cwd);
}

static void flags(void) {
  set(SIGTRAP, direction, SA_SIGINFO);
  __asm__ volatile("std; int3; cld");
}

int main(void) {
  start();
  actions();
  sending();
  masks();
  at_once();
  nesting();
  altstack();
  restarts();
  queues();
  contexts();
  flags();
  return 0;
}
