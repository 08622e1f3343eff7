/* futex with requeue, bitsets and priority inheritance; robust lists, set_tid_address, tgkill. */
#include "calls.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif
enum { PRIVATE = FUTEX_PRIVATE_FLAG };

static unsigned word, other, pi;
static volatile int ready, got, release;

static long futex(unsigned *at, int op, long v, const void *t, unsigned *at2, long v3) {
  return syscall(SYS_futex, at, op, v, t, at2, v3);
}
static pid_t me(void) { return (pid_t)syscall(SYS_gettid); }
static void nap(int ms) { usleep(ms * 1000); }

typedef void *Body(void *);
static pthread_t run(Body *body, void *argument) {
  pthread_t t;
  int before = ready;
  pthread_create(&t, NULL, body, argument);
  while (ready == before) nap(1);
  nap(100); /* until it sleeps in its call */
  return t;
}
static long join(pthread_t t) {
  void *result;
  pthread_join(t, &result);
  return (long)result;
}
static void *waits(void *bits) {
  ready++;
  long r = futex(&word, FUTEX_WAIT_BITSET | PRIVATE, 0, NULL, NULL, (long)bits);
  return (void *)(r ? -(long)errno : (long)bits);
}

static struct timespec after(clockid_t clock, long ms) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_nsec += ms * 1000000;
  t.tv_sec += t.tv_nsec / 1000000000, t.tv_nsec %= 1000000000;
  return t;
}

static void waiting(void) {
  TITLE("wait and wake");
  struct timespec t = after(CLOCK_MONOTONIC, 20), past = {1, 0}, bad = {0, 1000000000};
  T(futex(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, 1));
  t = after(CLOCK_REALTIME, 20);
  T(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, 1));
  T(futex(&word, FUTEX_WAIT_BITSET, 0, &past, NULL, 1));
  T(futex(&word, FUTEX_WAIT_BITSET, 0, &bad, NULL, 1));
  T(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
  T(futex(&word, FUTEX_WAIT_BITSET, 9, NULL, NULL, 1));
  T(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
  T(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
  T(futex((unsigned *)BAD, FUTEX_WAKE, 1, NULL, NULL, 0));
  T(futex((unsigned *)BAD, FUTEX_WAKE | PRIVATE, 1, NULL, NULL, 0));
  T(futex((unsigned *)((char *)&word + 2), FUTEX_WAIT, 0, NULL, NULL, 0));
  T(futex(&word, 2, 0, NULL, NULL, 0));
  pthread_t a = run(waits, (void *)1), b = run(waits, (void *)6);
  T(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, INT_MAX, NULL, NULL, 8));
  T(futex(&word, FUTEX_WAKE_BITSET | PRIVATE, INT_MAX, NULL, NULL, 4)), V(join(b));
  T(futex(&word, FUTEX_WAKE | PRIVATE, INT_MAX, NULL, NULL, 0)), V(join(a));
}

static void requeues(void) {
  TITLE("requeue");
  pthread_t t[4];
  for (long i = 0; i < 4; i++) t[i] = run(waits, (void *)-1L);
  T(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, (void *)1L, &other, 5));
  T(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, -1, (void *)1L, &other, 0));
  T(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, (void *)-1L, &other, 0));
  T(futex(&word, FUTEX_CMP_REQUEUE | PRIVATE, 1, (void *)1L, &other, 0));
  T(futex(&other, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0));
  T(futex(&word, FUTEX_REQUEUE | PRIVATE, 0, (void *)9L, &other, 0));
  T(futex(&word, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0));
  T(futex(&other, FUTEX_WAKE | PRIVATE, 9, NULL, NULL, 0));
  for (int i = 0; i < 4; i++) V(join(t[i]));
  unsigned values[] = {5, 5, 0xfff, 0xf0, 3};
  for (int op = FUTEX_OP_SET; op <= FUTEX_OP_XOR; op++)
    for (int cmp = FUTEX_OP_CMP_EQ; cmp <= FUTEX_OP_CMP_GE; cmp++) {
      other = values[op];
      V(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(op, 6, cmp, 5)));
      V(other);
    }
  T(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(5, 6, 0, 5)));
  T(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, &other, FUTEX_OP(FUTEX_OP_OPARG_SHIFT, 6, 0, 5)));
  V(other);
  T(futex(&word, FUTEX_WAKE_OP, 1, (void *)1L, BAD, 0));
  other = 0;
}

static void *holds(void *unused) {
  V(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  ready++;
  while (!release) nap(1);
  nap(60);
  return (void *)futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
}

static void inherits(void) {
  TITLE("priority inheritance");
  struct timespec bad = {0, -1}, soon;
  T(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0)), V(pi == (unsigned)me());
  T(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0)), V(pi);
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_LOCK_PI2 | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex((unsigned *)BAD, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, &bad, NULL, 0));
  pi = 4194300; /* no thread has this number */
  T(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  pi = 0;
  pthread_t t = run(holds, NULL);
  T(futex(&pi, FUTEX_TRYLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  soon = after(CLOCK_REALTIME, 20);
  T(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, &soon, NULL, 0));
  soon = after(CLOCK_MONOTONIC, 20);
  T(futex(&pi, FUTEX_LOCK_PI2 | PRIVATE, 0, &soon, NULL, 0));
  T(futex(&pi, FUTEX_WAIT | PRIVATE, 12345, NULL, NULL, 0));
  release = 1;
  T(futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0)), V(join(t));
  V((pi & FUTEX_TID_MASK) == (unsigned)me());
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0)), V(pi);
}

static void *waits_for_lock(void *unused) {
  ready++;
  long r = futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &pi, 0);
  long mine = (pi & FUTEX_TID_MASK) == (unsigned)me();
  futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0);
  return (void *)(r ? -(long)errno : 10 + mine);
}

static void requeues_to_locks(void) {
  TITLE("requeue to a lock");
  struct timespec soon = after(CLOCK_MONOTONIC, 20);
  T(futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, &soon, &pi, 0));
  T(futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 3, NULL, &pi, 0));
  T(futex(&word, FUTEX_WAIT_REQUEUE_PI | PRIVATE, 0, NULL, &word, 0));
  T(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 2, (void *)1L, &pi, 0));
  T(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)1L, &word, 0));
  T(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)1L, &pi, 5));
  pthread_t a = run(waits_for_lock, NULL), b = run(waits_for_lock, NULL);
  futex(&pi, FUTEX_LOCK_PI | PRIVATE, 0, NULL, NULL, 0);
  T(futex(&word, FUTEX_CMP_REQUEUE_PI | PRIVATE, 1, (void *)9L, &pi, 0));
  T(futex(&pi, FUTEX_UNLOCK_PI | PRIVATE, 0, NULL, NULL, 0));
  V(join(a) + join(b)), V(pi);
}

/* --- robust lists --- */

typedef struct {
  struct robust_list link;
  unsigned lock;
} Held;
typedef struct {
  struct robust_list_head head;
  Held held[3], pending;
} Robust;

static void hold(Robust *r, pid_t owner) {
  *r = (Robust){.head = {.futex_offset = offsetof(Held, lock)}};
  r->head.list.next = &r->held[0].link;
  for (int i = 0; i < 3; i++) {
    r->held[i].link.next = i < 2 ? &r->held[i + 1].link : &r->head.list;
    r->held[i].lock = (unsigned)owner | (i == 1 ? FUTEX_WAITERS : 0);
  }
  r->held[2].lock = 1234; /* another's */
  r->pending.lock = (unsigned)owner;
  r->head.list_op_pending = &r->pending.link;
}

static void *dies(void *robust) {
  hold(robust, me());
  V(S(set_robust_list, robust, sizeof(struct robust_list_head)));
  ready++;
  nap(500);
  return NULL;
}

static void tell(const Robust *r) {
  for (int i = 0; i < 3; i++) V(r->held[i].lock & ~FUTEX_TID_MASK), V(r->held[i].lock == 1234);
  V(r->pending.lock & ~FUTEX_TID_MASK);
}

static void robust_lists(void) {
  TITLE("robust lists");
  static Robust r;
  void *head;
  long size = 0;
  T(S(set_robust_list, &r, 23L));
  T(S(set_robust_list, BAD, 24L));
  T(S(get_robust_list, 0, &head, &size)), V(head == BAD), V(size);
  T(S(set_robust_list, NULL, 24L));
  T(S(get_robust_list, 0, BAD, &size));
  T(S(get_robust_list, 0, &head, BAD));
  T(S(get_robust_list, 4194300, &head, &size));
  pthread_t t = run(dies, &r);
  pid_t owner = (pid_t)r.held[0].lock;
  T(S(get_robust_list, owner, &head, &size)), V(head == &r);
  unsigned seen = r.held[1].lock;
  T(futex(&r.held[1].lock, FUTEX_WAIT, seen, NULL, NULL, 0));
  join(t), tell(&r);
  Robust *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    hold(shared, me());
    S(set_robust_list, shared, 24L);
    _exit(0);
  }
  waitpid(child, NULL, 0), tell(shared);
  fflush(stdout), child = fork();
  if (child == 0) {
    hold(shared, me());
    S(set_robust_list, shared, 24L);
    execl("/bin/true", "true", NULL);
  }
  waitpid(child, NULL, 0), tell(shared);
  fflush(stdout), child = fork();
  if (child == 0) {
    hold(shared, me());
    S(set_robust_list, shared, 24L);
    raise(SIGTERM);
  }
  waitpid(child, NULL, 0);
  unsigned killed = shared->held[1].lock & ~FUTEX_TID_MASK;
  V(killed);
}

/* --- thread numbers and signals --- */

static int cleared = 77;
static void *sets_address(void *unused) {
  V(S(set_tid_address, &cleared) == me());
  cleared = 77, ready++;
  nap(50);
  return NULL;
}

static void on(int signo) { got = signo; }
static volatile int target;
static void *takes(void *unused) {
  target = me(), ready++;
  while (!got) nap(1);
  return (void *)(long)got;
}

static void numbers(void) {
  TITLE("set_tid_address and tgkill");
  V(S(set_tid_address, NULL) == getpid());
  pthread_t t;
  pthread_attr_t detached;
  pthread_attr_init(&detached), pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  int before = ready;
  pthread_create(&t, &detached, sets_address, NULL);
  while (ready == before) nap(1);
  while (cleared) futex((unsigned *)&cleared, FUTEX_WAIT, 77, NULL, NULL, 0);
  V(cleared);
  signal(SIGUSR1, on);
  t = run(takes, NULL);
  T(S(tgkill, getpid(), target, 0));
  T(S(tgkill, getppid(), target, 0));
  T(S(tgkill, getpid(), 4194300, SIGUSR1));
  T(S(tgkill, 0, target, SIGUSR1));
  T(S(tgkill, -1, target, SIGUSR1));
  T(S(tgkill, getpid(), 0, SIGUSR1));
  T(S(tgkill, getpid(), -1, SIGUSR1));
  T(S(tgkill, getpid(), target, 65));
  T(S(tgkill, getpid(), target, -1));
  T(S(tkill, 0, SIGUSR1));
  T(S(tkill, 4194300, SIGUSR1));
  T(S(tkill, target, 65));
  T(S(tkill, target, 0));
  V(got);
  T(S(tgkill, getpid(), target, SIGUSR1)), V(join(t));
  got = 0;
  t = run(takes, NULL);
  T(S(tkill, target, SIGUSR1)), V(join(t));
  got = 0;
  T(S(tgkill, getpid(), getpid(), SIGUSR1)), V(got);
}

int main(void) {
  start();
  waiting();
  requeues();
  inherits();
  requeues_to_locks();
  robust_lists();
  numbers();
  return 0;
}
