/* Identity, prctl, arch_prctl, scheduling, futexes, time, system. */
#include "check.h"
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

static void identity(void) {
  OK(getpid());
  OK(getppid());
  V(gettid() == getpid());
  V(getpgrp() == getpgid(0));
  T(getpgid(0x7ffffff0));
  T(getsid(0x7ffffff0));
  OK(getsid(0));
  uid_t r, e, s;
  T(getresuid(&r, &e, &s));
  V(r == getuid() && e == geteuid());
  T(getresgid(&r, &e, &s));
  V(r == getgid() && e == getegid());
  T(syscall(SYS_getresuid, BAD, &e, &s));
  T(getgroups(-1, NULL));
  OK(getgroups(0, NULL));
  gid_t groups[70000];
  OK(getgroups(65536, groups));
  T(setpgid(0x7ffffff0, 0));
  T(setpgid(0, -5));
  T(setresuid(-1, -1, -1));
  T(setreuid(-1, -1));
  T(setresgid(-1, -1, -1));
  V(syscall(SYS_setfsuid, -1) == geteuid());
  V(syscall(SYS_setfsgid, -1) == getegid());
  mode_t old = umask(027);
  T(umask(old));
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  T(syscall(SYS_capget, &header, data));
  T(syscall(SYS_capset, &header, data));
  header.version = 5;
  T(syscall(SYS_capget, &header, data));
  V(header.version == _LINUX_CAPABILITY_VERSION_3);
  T(syscall(SYS_capget, BAD, data));
  pid_t child = fork();
  if (child == 0) {
    T(setsid() == getpid());
    T(setsid());
    T(getpgrp() == getpid());
    if (getuid() == 0) {
      gid_t list[2] = {5, 7};
      T(setgroups(2, list));
      T(getgroups(2, groups));
      V(groups[1]);
      T(getgroups(1, groups));
      T(setgid(1234));
      T(setuid(4321));
      V(getuid());
      V(getegid());
      T(setuid(0));
      T(setgroups(2, list));
    }
    _exit(0);
  }
  waitpid(child, NULL, 0);
}

static void controls(void) {
  char name[17] = "";
  T(prctl(PR_SET_NAME, "a-rather-long-name"));
  T(prctl(PR_GET_NAME, name));
  puts(name);
  T(prctl(PR_SET_NAME, BAD));
  T(prctl(PR_GET_NAME, BAD));
  int signo = 5;
  T(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  T(prctl(PR_GET_PDEATHSIG, &signo));
  V(signo);
  T(prctl(PR_SET_PDEATHSIG, 0));
  T(prctl(PR_SET_PDEATHSIG, 99));
  T(prctl(PR_GET_PDEATHSIG, BAD));
  T(prctl(PR_SET_DUMPABLE, 0));
  T(prctl(PR_GET_DUMPABLE));
  T(prctl(PR_SET_DUMPABLE, 1));
  T(prctl(PR_SET_DUMPABLE, 9));
  T(prctl(PR_SET_KEEPCAPS, 1));
  T(prctl(PR_GET_KEEPCAPS));
  T(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
  T(prctl(PR_GET_CHILD_SUBREAPER, &signo, 0, 0, 0));
  V(signo);
  T(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0));
  T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  T(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  T(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  T(prctl(PR_CAPBSET_READ, 0));
  T(prctl(PR_CAPBSET_READ, 99));
  T(prctl(PR_SET_TIMERSLACK, 1234));
  T(prctl(PR_GET_TIMERSLACK));
  T(prctl(9999));
  int *address = NULL;
  T(syscall(SYS_set_tid_address, &signo) == gettid());
  T(prctl(PR_GET_TID_ADDRESS, &address) == 0 ? address == &signo : 1);
  unsigned long base;
  T(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
  V(base != 0);
  T(syscall(SYS_arch_prctl, ARCH_SET_FS, base));
  T(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x123000));
  T(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
  V(base);
  T(syscall(SYS_arch_prctl, ARCH_SET_FS, 1UL << 63));
  T(syscall(SYS_arch_prctl, ARCH_GET_FS, BAD));
  T(syscall(SYS_arch_prctl, 0x9999, 0));
  T(personality(0xffffffff));
  T(personality(ADDR_NO_RANDOMIZE));
  T(personality(0xffffffff) == ADDR_NO_RANDOMIZE);
}

static void scheduling(void) {
  cpu_set_t set;
  T(sched_getaffinity(0, sizeof set, &set));
  V(CPU_COUNT(&set) > 0);
  T(sched_setaffinity(0, sizeof set, &set));
  T(syscall(SYS_sched_getaffinity, 0, 3, &set));
  T(syscall(SYS_sched_getaffinity, 0, sizeof set, BAD));
  T(sched_getaffinity(0x7ffffff0, sizeof set, &set));
  T(sched_yield());
  struct sched_param param = {0};
  T(sched_getparam(0, &param));
  V(param.sched_priority);
  T(sched_setparam(0, &param));
  T(sched_getscheduler(0));
  T(sched_setscheduler(0, SCHED_OTHER, &param));
  T(sched_setscheduler(0, 77, &param));
  T(sched_get_priority_max(SCHED_FIFO));
  T(sched_get_priority_min(SCHED_FIFO));
  T(sched_get_priority_min(77));
  struct timespec ts;
  OK(sched_rr_get_interval(0, &ts));
  T(sched_rr_get_interval(-1, &ts));
  char attr[64] = {48};
  T(syscall(SYS_sched_getattr, 0, attr, sizeof attr, 0));
  T(syscall(SYS_sched_setattr, 0, attr, 0));
  T(syscall(SYS_sched_getattr, 0, attr, 3, 0));
  T(getpriority(PRIO_PROCESS, 0));
  T(setpriority(PRIO_PROCESS, 0, 3));
  T(getpriority(PRIO_PROCESS, 0));
  T(getpriority(9, 0));
  T(syscall(SYS_ioprio_get, 1, 0));
  T(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4));
  T(syscall(SYS_ioprio_get, 9, 0));
  unsigned cpu = 999, node = 999;
  T(getcpu(&cpu, &node));
  V(cpu < 999);
  OK(syscall(SYS_membarrier, 0, 0, 0));
  T(syscall(SYS_membarrier, 0, 1, 0));
}

static int word = 5, word2;

static void futexes(void) {
  struct timespec ts = {0, 1000000}, bad = {0, -1};
  T(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 4, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &ts, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &bad, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 5, BAD, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &ts, NULL, -1));
  T(syscall(SYS_futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &word2, 5));
  T(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &word2, 4));
  T(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, &word2, 0x1000));
  T(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
  T(syscall(SYS_futex, BAD, FUTEX_WAIT, 1, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, 99, 1, NULL, NULL, 0));
  int pi = 0;
  T(syscall(SYS_futex, &pi, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  V(pi == gettid());
  T(syscall(SYS_futex, &pi, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  T(syscall(SYS_futex, &pi, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
  V(pi);
  static struct robust_list_head head = {{&head.list}, 0, NULL};
  T(syscall(SYS_set_robust_list, &head, sizeof head));
  T(syscall(SYS_set_robust_list, &head, 3));
  void *got = NULL;
  size_t size = 0;
  T(syscall(SYS_get_robust_list, 0, &got, &size));
  V(got == &head && size == sizeof head);
  T(syscall(SYS_get_robust_list, 0, BAD, &size));
  T(syscall(SYS_get_robust_list, 0x7ffffff0, &got, &size));
}

static volatile int alarms;
static void on_alarm(int signo) {
  (void)signo;
  alarms++;
}

static void clocks(void) {
  struct timespec ts;
  for (int clock = 0; clock < 8; clock++) OK(clock_gettime(clock, &ts));
  T(clock_gettime(99, &ts));
  T(syscall(SYS_clock_gettime, 0, BAD));
  T(clock_getres(CLOCK_MONOTONIC, &ts));
  V(ts.tv_sec);
  T(clock_getres(99, &ts));
  T(syscall(SYS_clock_settime, 99, &ts));
  ts = (struct timespec){0, 1000000};
  T(nanosleep(&ts, NULL));
  ts.tv_nsec = 1000000000;
  T(nanosleep(&ts, NULL));
  T(syscall(SYS_nanosleep, BAD, NULL));
  clock_gettime(CLOCK_MONOTONIC, &ts);
  T(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
  T(syscall(SYS_clock_nanosleep, 99, 0, &ts, NULL));
  struct timeval tv;
  struct timezone tz;
  T(syscall(SYS_gettimeofday, &tv, &tz));
  T(syscall(SYS_gettimeofday, BAD, NULL));
  time_t now = 0;
  V(syscall(SYS_time, &now) == now);
  T(syscall(SYS_time, BAD));
  struct tms tms;
  OK(times(&tms));
  T(syscall(SYS_times, BAD));
  struct rusage usage;
  T(getrusage(RUSAGE_SELF, &usage));
  V(usage.ru_maxrss > 0);
  T(getrusage(RUSAGE_CHILDREN, &usage));
  T(getrusage(77, &usage));
}

static void timers(void) {
  signal(SIGALRM, on_alarm);
  signal(SIGVTALRM, on_alarm);
  T(alarm(100));
  T(alarm(0));
  struct itimerval value = {{0, 20000}, {0, 20000}}, old;
  T(setitimer(ITIMER_REAL, &value, &old));
  while (alarms < 3) pause();
  T(getitimer(ITIMER_REAL, &old));
  V(old.it_interval.tv_usec);
  memset(&value, 0, sizeof value);
  T(setitimer(ITIMER_REAL, &value, &old));
  T(setitimer(77, &value, &old));
  T(getitimer(77, &old));
  T(syscall(SYS_setitimer, ITIMER_REAL, BAD, NULL));
  alarms = 0;
  value.it_value.tv_usec = 10000;
  T(setitimer(ITIMER_VIRTUAL, &value, NULL));
  while (!alarms);
  timer_t timer;
  T(timer_create(CLOCK_MONOTONIC, NULL, &timer));
  T(timer_create(99, NULL, &timer));
  struct itimerspec spec = {{0, 10000000}, {0, 10000000}}, got;
  alarms = 0;
  T(timer_settime(timer, 0, &spec, NULL));
  while (alarms < 2) pause();
  T(timer_gettime(timer, &got));
  V(got.it_interval.tv_nsec);
  OK(timer_getoverrun(timer));
  T(timer_delete(timer));
  int absent = 12345;
  T(syscall(SYS_timer_delete, absent));
  T(syscall(SYS_timer_settime, absent, 0, &spec, NULL));
  T(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, BAD));
}

static void machine(void) {
  struct utsname name;
  T(uname(&name));
  printf("%s %s\n", name.sysname, name.machine);
  T(syscall(SYS_uname, BAD));
  struct sysinfo info;
  T(sysinfo(&info));
  V(info.totalram > 0 && info.mem_unit > 0);
  char bytes[16];
  T(getrandom(bytes, sizeof bytes, 0));
  T(getrandom(bytes, sizeof bytes, GRND_NONBLOCK | GRND_RANDOM));
  T(getrandom(bytes, sizeof bytes, 0x100));
  T(syscall(SYS_getrandom, BAD, 16, 0));
  T(syscall(SYS_sethostname, "x", -1));
  T(syscall(9999, 1));
}

int main(void) {
  start();
  identity();
  controls();
  scheduling();
  futexes();
  clocks();
  timers();
  machine();
  return 0;
}
