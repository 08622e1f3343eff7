/* Code on pages that are written all the time: data beside it, itself changed, by other threads. */
#include <cpuid.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, RWX = PROT_READ | PROT_WRITE | PROT_EXEC, RX = PROT_READ | PROT_EXEC };
typedef unsigned char u8;
typedef int Function(void);

static u8 *map(void) {
  return mmap(NULL, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int call(void *code) { return ((Function *)code)(); }

/* mov eax, value; ret */
static void returning(u8 *at, int value) {
  at[0] = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}

/* inc dword [rip + 0x100]; mov eax, [rip + 0xfa]; ret */
static const u8 counting[] = {0xff, 0x05, 0, 1, 0, 0, 0x8b, 0x05, 0xfa, 0, 0, 0, 0xc3};

static void data_beside_code(int rounds) {
  u8 *code = map();
  memcpy(code, counting, sizeof counting);
  int last = 0;
  for (int i = 0; i < rounds; i++) last = call(code);
  printf("data beside code: %d\n", last);
}

static void patched(int rounds) {
  u8 *code = map();
  long sum = 0;
  for (int i = 0; i < rounds; i++) {
    returning(code + i % 3, i);
    sum += (long)call(code + i % 3) * (i + 1);
  }
  for (int i = 0; i < 3 * rounds; i++) sum += call(code + (rounds - 1) % 3);
  printf("patched: %ld\n", sum);
}

/* mov [rip + 1], edi; mov eax, 0; ret: each call changes the instruction that it runs next. */
static void changes_itself(int rounds) {
  static const u8 body[] = {0x89, 0x3d, 1, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3};
  u8 *code = map();
  long sum = 0;
  memcpy(code + PAGE - sizeof body, body, sizeof body);
  int (*change)(int) = (void *)(code + PAGE - sizeof body);
  for (int i = 0; i < rounds; i++) sum += (long)change(i * 3) * (i + 1);
  printf("changes itself: %ld\n", sum);
}

/* mov ecx, n; loop: inc dword [rip + data]; add eax, imm8; xor byte [imm8], 3; dec ecx; jnz loop */
static void changes_its_loop(int rounds) {
  static const u8 body[] = {0xb9, 0,    0,    0, 0,    0x31, 0xc0, 0xff, 0x05, 0x80, 0,    0,
                            0,    0x83, 0xc0, 1, 0x80, 0x35, 0xf8, 0xff, 0xff, 0xff, 0x03, 0xff,
                            0xc9, 0x75, 0xec, 0xc3};
  u8 *code = map();
  memcpy(code, body, sizeof body);
  memcpy(code + 1, &rounds, 4);
  int a = call(code), b = call(code);
  printf("changes its loop: %d %d\n", a, b);
}

static long nested(long n) {
  long local(void) { return n * 3; }
  long (*volatile pointer)(void) = local; /* a trampoline on the stack */
  return pointer();
}

static sigjmp_buf again;
static volatile uintptr_t fault_at, fault_ip;

static void on_fault(int signo, siginfo_t *info, void *context) {
  fault_at = (uintptr_t)info->si_addr;
  fault_ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  siglongjmp(again, 1);
}

static void try(u8 *code, const char *what) {
  if (sigsetjmp(again, 1)) {
    printf("%s: fault at +%ld, rip +%ld\n", what, (long)(fault_at - (uintptr_t)code),
           (long)(fault_ip - (uintptr_t)code));
    return;
  }
  int value = call(code + 16);
  printf("%s: %d\n", what, value);
}

/* A page that is hot loses its code's permission, its content, itself. */
static void hot_page_changes(void) {
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  u8 *code = map();
  sigaction(SIGSEGV, &action, NULL);
  for (int round = 0; round < 3; round++) {
    memcpy(code + 16, counting, sizeof counting);
    for (int i = 0; i < 300; i++) call(code + 16);
    try(code, "hot");
    mprotect(code, PAGE, PROT_READ | PROT_WRITE);
    try(code, "not executable");
    mprotect(code, PAGE, RWX);
    try(code, "executable");
    for (int i = 0; i < 300; i++) call(code + 16);
    mmap(code, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    returning(code + 16, 1000 + round);
    try(code, "mapped over");
    int pipes[2];
    pipe(pipes);
    for (int i = 0; i < 100; i++) {
      u8 text[6];
      returning(text, i);
      write(pipes[1], text, 6);
      read(pipes[0], code + 16, 6);
      if (call(code + 16) != i) printf("read: not %d\n", i);
    }
    close(pipes[0]), close(pipes[1]);
    munmap(code, PAGE);
    try(code, "unmapped");
    mmap(code, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }
}

/* --- threads --- */

enum { RUNNERS = 3, GENERATIONS = 200, SLOTS = 4 };
static u8 *shared;
static atomic_int generation, acknowledged[RUNNERS], wrong, done;

static void serialize(void) {
  unsigned a, b, c, d;
  __cpuid(0, a, b, c, d);
}

/* Runs what the patcher published: with what a processor asks for, it is never the old code. */
static void *runner(void *argument) {
  int self = (int)(intptr_t)argument, seen = 0;
  while (seen < GENERATIONS) {
    int now = atomic_load(&generation);
    call(shared + 1024); /* counts on the same page */
    if (now == seen) {
      sched_yield();
      continue;
    }
    serialize();
    if (call(shared + now % SLOTS * 64) != now) atomic_fetch_add(&wrong, 1);
    seen = now;
    atomic_store(&acknowledged[self], seen);
  }
  return NULL;
}

static void *patcher(void *argument) {
  for (int next = 1; next <= GENERATIONS; next++) {
    returning(shared + next % SLOTS * 64, next);
    atomic_store(&generation, next);
    for (int i = 0; i < RUNNERS; i++)
      while (atomic_load(&acknowledged[i]) < next) sched_yield();
  }
  return NULL;
}

/* A 4-byte aligned immediate may change at any time: who runs it sees an old or a new one. */
static void *watcher(void *argument) {
  int last = 0;
  while (!atomic_load(&done)) {
    int value = call(shared + 2048 - 1);
    if (value < last) atomic_fetch_add(&wrong, 1);
    last = value;
    sched_yield();
  }
  return NULL;
}

static void *counter(void *argument) {
  for (int i = 1; i <= 5000; i++) atomic_store((atomic_int *)(shared + 2048), i);
  atomic_store(&done, 1);
  return NULL;
}

static void threads(void) {
  pthread_t t[RUNNERS + 4];
  int n = 0;
  shared = map();
  memcpy(shared + 1024, counting, sizeof counting);
  returning(shared + 2048 - 1, 0);
  for (intptr_t i = 0; i < RUNNERS; i++) pthread_create(&t[n++], NULL, runner, (void *)i);
  pthread_create(&t[n++], NULL, patcher, NULL);
  pthread_create(&t[n++], NULL, watcher, NULL);
  pthread_create(&t[n++], NULL, watcher, NULL);
  pthread_create(&t[n++], NULL, counter, NULL);
  while (n > 0) pthread_join(t[--n], NULL);
  printf("threads: %d wrong, %d\n", wrong, call(shared + 2048 - 1));
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 20000;
  long sum = 0;
  data_beside_code(rounds), patched(rounds), changes_itself(rounds), changes_its_loop(rounds);
  for (int i = 0; i < rounds; i++) sum += nested(i);
  printf("trampolines: %ld\n", sum);
  hot_page_changes();
  threads();
  return 0;
}
