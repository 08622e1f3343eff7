/* Threads, each part by name; what is printed does not depend on scheduling. */
#include "check.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { THREADS = 8, ROUNDS = 10000 };

typedef void *Body(void *);
static pthread_t run(Body *body, void *argument) {
  pthread_t thread;
  int error = pthread_create(&thread, NULL, body, argument);
  if (error) printf("pthread_create: %s\n", strerrorname_np(error)), exit(1);
  return thread;
}
static long join(pthread_t thread) {
  void *result = NULL;
  int error = pthread_join(thread, &result);
  if (error) printf("pthread_join: %s\n", strerrorname_np(error));
  return (long)result;
}
static void nap(long milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  while (nanosleep(&t, &t) != 0) {}
}
static pid_t tid(void) { return syscall(SYS_gettid); }

/* --- sums --- */
static atomic_long total;
static long plain, bytes[THREADS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_spinlock_t spin;
static unsigned char packed[THREADS];
static void *adder(void *argument) {
  long n = (long)argument;
  for (long i = 0; i < 20000; i++) {
    total += i;
    __atomic_fetch_xor(&bytes[0], i, __ATOMIC_SEQ_CST);
    long old = bytes[1];
    while (!__atomic_compare_exchange_n(&bytes[1], &old, old * 3 + 1, 0, 5, 5)) {}
    if (i % 16 == 0) {
      pthread_mutex_lock(&mutex);
      plain++;
      pthread_mutex_unlock(&mutex);
      pthread_spin_lock(&spin);
      bytes[2]++;
      pthread_spin_unlock(&spin);
    }
    __atomic_fetch_add(&packed[n], 1, __ATOMIC_SEQ_CST);
  }
  return (void *)(n * n);
}
static void sums(void) {
  pthread_t t[THREADS];
  long squares = 0;
  pthread_spin_init(&spin, 0);
  for (long i = 0; i < THREADS; i++) t[i] = run(adder, (void *)i);
  for (int i = 0; i < THREADS; i++) squares += join(t[i]);
  V(squares), V(total), V(plain), V(bytes[0]), V(bytes[1]), V(bytes[2]);
  for (int i = 0; i < THREADS; i++) V(packed[i]);
}

/* --- a ball between two threads --- */
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, hits[2];
static void *player(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != me) pthread_cond_wait(&cond, &mutex);
    hits[me]++;
    turn = !me;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}
static void ball(void) {
  pthread_t a = run(player, (void *)0), b = run(player, (void *)1);
  join(a), join(b);
  V(hits[0]), V(hits[1]), V(turn);
}

/* --- barriers, thread-local data, semaphores, once --- */
static pthread_barrier_t barrier;
static __thread long local = 7;
static pthread_key_t key;
static atomic_int destroyed, leaders, initialised;
static sem_t semaphore;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void init(void) { initialised++; }
static void destroy(void *value) { destroyed += (int)(long)value; }
static int phases[100];
static void *phased(void *argument) {
  long bad = 0;
  local += (long)argument;
  pthread_once(&once, init);
  pthread_setspecific(key, (void *)((long)argument + 1));
  for (int i = 0; i < 100; i++) {
    __atomic_fetch_add(&phases[i], 1, __ATOMIC_SEQ_CST);
    if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) leaders++;
    if (__atomic_load_n(&phases[i], __ATOMIC_SEQ_CST) != THREADS) bad++;
  }
  sem_wait(&semaphore);
  sem_post(&semaphore);
  if (local != 7 + (long)argument) bad++;
  errno = (int)(long)argument;
  sched_yield();
  if (errno != (int)(long)argument) bad++;
  return (void *)bad;
}
static void barriers(void) {
  pthread_t t[THREADS];
  long bad = 0;
  pthread_barrier_init(&barrier, NULL, THREADS);
  pthread_key_create(&key, destroy);
  sem_init(&semaphore, 0, 0);
  for (long i = 0; i < THREADS; i++) t[i] = run(phased, (void *)i);
  sem_post(&semaphore);
  for (int i = 0; i < THREADS; i++) bad += join(t[i]);
  V(bad), V(leaders), V(destroyed), V(initialised), V(local);
}

/* --- signals --- */
static atomic_int got_in[3], target[3], ready;
static __thread int me;
static void on_usr(int signo) { got_in[me]++; }
static void *listener(void *argument) {
  me = (int)(long)argument;
  target[me] = tid();
  ready++;
  while (!got_in[me]) nap(1);
  return (void *)(long)got_in[me];
}
static void *taker(void *argument) {
  sigset_t set;
  int signo = 0;
  sigemptyset(&set), sigaddset(&set, SIGUSR2);
  ready++;
  sigwait(&set, &signo);
  return (void *)(long)signo;
}
static atomic_int stop;
static void *spinner(void *argument) {
  me = 2;
  ready++;
  while (!stop) {}
  return (void *)(long)got_in[2];
}
static void on_spin(int signo) { got_in[me]++, stop = 1; }
static void signals_(void) {
  signal(SIGUSR1, on_usr);
  signal(SIGHUP, on_spin);
  pthread_t a = run(listener, (void *)1);
  while (ready < 1) nap(1);
  V(pthread_kill(a, SIGUSR1));
  V(join(a)), V(got_in[0]);
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  pthread_t b = run(taker, NULL);
  while (ready < 2) nap(1);
  kill(getpid(), SIGUSR2); /* the one that waits for it takes it */
  V(join(b));
  pthread_t c = run(spinner, NULL);
  while (ready < 3) nap(1);
  V(pthread_kill(c, SIGHUP));
  V(join(c));
  T(syscall(SYS_tgkill, getpid(), 1, 0));
  T(syscall(SYS_tgkill, getpid(), tid(), 0));
  sigset_t pending;
  pthread_kill(pthread_self(), SIGUSR2);
  sigpending(&pending);
  V(sigismember(&pending, SIGUSR2));
  V(tid() == getpid());
  stack_t stack;
  sigaltstack(NULL, &stack);
  V(stack.ss_flags);
}

/* --- ends --- */
static int pipes[2];
static void *in_read(void *argument) {
  char c;
  ready++;
  read(pipes[0], &c, 1);
  return NULL;
}
static void *in_futex(void *argument) {
  static int word;
  ready++;
  syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
  return NULL;
}
static void *in_sleep(void *argument) {
  ready++;
  nap(1000000);
  return NULL;
}
static void *in_loop(void *argument) {
  ready++;
  for (;;) __asm__ volatile("");
  return NULL;
}
static void *in_calls(void *argument) {
  ready++;
  for (;;) mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), getppid();
  return NULL;
}
static void crowd(void) {
  Body *all[] = {in_read, in_futex, in_sleep, in_loop, in_calls};
  pipe(pipes);
  for (int i = 0; i < 5; i++) run(all[i], NULL);
  while (ready < 5) nap(1);
  nap(20);
}
static void *leaver(void *argument) {
  crowd();
  puts("leaving");
  exit(5);
}
static void exits(void) { join(run(leaver, NULL)); }
static void dies(void) {
  crowd();
  puts("dying");
  raise(SIGTERM);
}
static void *faulter(void *argument) {
  crowd();
  puts("faulting");
  *(volatile int *)8 = 1;
  return NULL;
}
static void faults(void) { join(run(faulter, NULL)); }
static void *late(void *argument) {
  nap(50);
  puts("the last one");
  syscall(SYS_exit, 4); /* which of the two counts depends on the version of Linux */
  return NULL;
}
static void main_first(void) {
  run(late, NULL);
  fflush(stdout);
  syscall(SYS_exit, 4);
}
static void *execer(void *argument) {
  crowd();
  char *args[] = {"sh", "-c", "echo from the new program; test $PPID = $WANT && echo same parent; "
                  "test $$ = $ME && echo same process; exit 3", NULL};
  execv("/bin/sh", args);
  return NULL;
}
static void set_number(const char *name, int value) {
  char text[16];
  sprintf(text, "%d", value);
  setenv(name, text, 1);
}
static void execs(void) {
  set_number("WANT", getppid()), set_number("ME", getpid());
  join(run(execer, NULL));
}
static void execs_main(void) {
  set_number("WANT", getppid()), set_number("ME", getpid());
  execer(NULL);
}
static void *detached(void *argument) {
  pthread_detach(pthread_self());
  total++;
  return NULL;
}
static void detach(void) {
  for (int i = 0; i < 50; i++) run(detached, NULL);
  while (total < 50) nap(1);
  V(total);
}

/* --- robust locks --- */
static pthread_mutex_t robust;
static void *owner(void *argument) {
  pthread_mutex_lock(&robust);
  if (argument) ready++, nap(30);
  return NULL;
}
static void robusts(void) {
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &a);
  for (long waits = 0; waits < 2; waits++) {
    pthread_t t = run(owner, (void *)waits);
    if (waits) while (!ready) nap(1);
    else join(t);
    V(pthread_mutex_lock(&robust) == EOWNERDEAD);
    V(pthread_mutex_consistent(&robust));
    V(pthread_mutex_unlock(&robust));
    if (waits) join(t);
  }
  V(pthread_mutex_lock(&robust));
}

/* --- processes from threads --- */
static void *forker(void *argument) {
  pid_t pid = fork();
  if (pid == 0) {
    long sum = 0;
    pthread_t t[3];
    for (long i = 0; i < 3; i++) t[i] = run(detached, NULL), sum += i;
    while (total < 3) nap(1);
    _exit(tid() == getpid() ? 10 + sum : 1);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return (void *)(long)WEXITSTATUS(status);
}
static void *spawner(void *argument) {
  extern char **environ;
  char *args[] = {"sh", "-c", "exit 9", NULL}, *none[] = {"/nonexistent/program", NULL};
  pid_t pid;
  int status = 0;
  long missing = posix_spawn(&pid, none[0], NULL, NULL, none, environ);
  if (posix_spawn(&pid, "/bin/sh", NULL, NULL, args, environ) == 0) waitpid(pid, &status, 0);
  return (void *)(WEXITSTATUS(status) * 100 + missing);
}
static void forks(void) {
  crowd();
  for (int i = 0; i < 3; i++) V(join(run(forker, NULL)));
  pthread_t t[4];
  for (int i = 0; i < 4; i++) t[i] = run(i % 2 ? forker : spawner, NULL);
  for (int i = 0; i < 4; i++) V(join(t[i]));
  V(join(run(spawner, NULL)));
  fflush(stdout);
  _exit(0);
}

/* --- cancellation --- */
static int cleaned;
static void clean(void *argument) { cleaned += (int)(long)argument; }
static void *deep(int depth) {
  pthread_cleanup_push(clean, (void *)1L);
  if (depth) deep(depth - 1);
  else nap(100000);
  pthread_cleanup_pop(0);
  return NULL;
}
static void *cancelled(void *argument) {
  ready++;
  return deep(100);
}
static void *busy(void *argument) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
  ready++;
  for (;;) __asm__ volatile("");
}
static void cancels(void) {
  pthread_t a = run(cancelled, NULL), b = run(busy, NULL);
  while (ready < 2) nap(1);
  nap(10);
  V(pthread_cancel(a)), V(pthread_cancel(b));
  V(join(a) == (long)PTHREAD_CANCELED), V(join(b) == (long)PTHREAD_CANCELED);
  V(cleaned);
}

/* --- futexes --- */
static int word, other;
static void *waiter(void *bits) {
  ready++;
  long r = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, bits);
  return (void *)(r == 0 ? (long)bits : -errno);
}
static long wake_op(int op) {
  return syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1, &other, op);
}
static void futexes(void) {
  struct timespec soon = {0, 20000000}, bad = {0, -1};
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &soon, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 0, &bad, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT, 0, BAD, NULL, 0));
  T(syscall(SYS_futex, BAD, FUTEX_WAIT, 0, NULL, NULL, 0));
  T(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAKE, 0, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, 99, 0, NULL, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &soon, NULL, 0));
  T(syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
  pthread_t a = run(waiter, (void *)1), b = run(waiter, (void *)2);
  while (ready < 2) nap(1);
  nap(20);
  T(syscall(SYS_futex, &word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG, 9, NULL, NULL, 2));
  V(join(b));
  T(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 1L, &other, 7));
  T(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 1L, &other, 0));
  T(syscall(SYS_futex, &other, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0));
  V(join(a));
  T(wake_op(FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
  V(other);
  long head[3], length;
  T(syscall(SYS_get_robust_list, 0, head, &length));
  V(length);
  T(syscall(SYS_get_robust_list, 999999, head, &length));
}

/* --- clone itself --- */
static void clones(void) {
  T(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
  T(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0));
  T(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
}

/* --- code that one thread writes and others run --- */
static unsigned char *code;
static int (*volatile function)(void);
static atomic_int version, answers;
static void emit(int value) {
  unsigned char text[] = {0xb8, 0, 0, 0, 0, 0xc3}; /* mov eax, value; ret */
  memcpy(text + 1, &value, 4);
  memcpy(code + value % 8 * 64, text, sizeof text);
}
static void *caller(void *argument) {
  long wrong = 0;
  for (int last = 0; last < 300; answers++) {
    while (version == last) sched_yield();
    last = version;
    wrong += function() != last;
  }
  return (void *)wrong;
}
static void code_(void) {
  code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pthread_t a = run(caller, NULL), b = run(caller, NULL);
  for (int i = 1; i <= 300; i++) {
    emit(i);
    function = (int (*)(void))(code + i % 8 * 64);
    version = i;
    while (answers < 2 * i) sched_yield();
  }
  V(join(a)), V(join(b));
}

/* --- more threads than the translator has places near the code for --- */
static void *sleeper(void *argument) {
  pthread_barrier_wait(&barrier);
  return (void *)(long)(hits[0] + (long)argument);
}
static void many(void) {
  pthread_t t[60];
  long sum = 0;
  pthread_barrier_init(&barrier, NULL, 60);
  for (long i = 0; i < 60; i++) t[i] = run(sleeper, (void *)i);
  for (int i = 0; i < 60; i++) sum += join(t[i]);
  V(sum);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*part)(void);
  } parts[] = {{"sums", sums},       {"ball", ball},         {"barriers", barriers},
               {"signals", signals_}, {"exits", exits},       {"dies", dies},
               {"faults", faults},   {"main-first", main_first}, {"execs", execs},
               {"execs-main", execs_main}, {"detach", detach}, {"robusts", robusts},
               {"forks", forks},     {"cancels", cancels},   {"futexes", futexes},
               {"clones", clones},   {"code", code_},
               {"many", many}};
  start();
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
    if (argc > 1 && !strcmp(argv[1], parts[i].name)) parts[i].part();
  return 0;
}
