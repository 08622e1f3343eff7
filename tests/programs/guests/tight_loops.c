/* Signals against code that does nothing but run: each loop must be interrupted soon, with its
 * registers, flags and red zone untouched, and go on (or not) as the handler says. */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf out;
static volatile long ticks;
static double longest;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void timer(long first, long each) {
  struct itimerval t = {{0, each}, {0, first}};
  setitimer(ITIMER_REAL, &t, NULL);
}

static void on(void *handler, int flags) {
  struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
  sigaction(SIGALRM, &sa, NULL);
}

/* --- out of endless loops --- */

static void jump_out(int signo) { siglongjmp(out, 1); }

extern char tail[];
__asm__(
    ".text\n"
    "itself: jmp itself\n"
    "conditional: xor %eax, %eax; 1: je 1b\n"
    "pair: 1: jmp 2f; nop; 2: jmp 1b\n"
    "counted: xor %ecx, %ecx; 1: loop 1b; jmp counted\n"
    "zero: xor %ecx, %ecx; 1: jrcxz 1b\n"
    "computed: lea computed(%rip), %rax; 1: jmp *%rax\n"
    "by_memory: lea -8(%rsp), %rdx; lea 1f(%rip), %rax; mov %rax, (%rdx); 1: jmp *(%rdx)\n"
    "returns: lea 1f(%rip), %rax; 1: push %rax; ret\n"
    "calls: 1: call 2f; jmp 1b; 2: ret\n"
    "calls_back: jmp 1f; 2: ret; 1: call 2b; call 2b; jmp 1b\n"
    "forwards: lea forwards(%rip), %rax; test %eax, %eax; je 1f; nop; 1: jmp 2f; ud2; 2: jmp *%rax\n"
    "strings: xor %ecx, %ecx; 1: rep movsb; jmp 1b\n"
    "x87: fldz; 1: fadd %st(0), %st(0); jmp 1b\n"
    "cpuid: xor %eax, %eax; xor %ecx, %ecx; push %rbx; cpuid; pop %rbx; jmp cpuid\n");
void itself(void), conditional(void), pair(void), counted(void), zero(void), computed(void);
void by_memory(void), returns(void), calls(void), calls_back(void), forwards(void), strings(void);
void x87(void), cpuid(void);

__attribute__((noinline)) static long recursive(volatile long *depth) {
  *depth += 1;
  return *depth % 5000 ? recursive(depth) + *depth : 1;
}

static void recursion(void) {
  volatile long depth = 0;
  for (;;) recursive(&depth);
}

static void leave(const char *name, void (*loop)(void)) {
  for (int i = 0; i < 20; i++) {
    double begin = now();
    if (!sigsetjmp(out, 1)) {
      timer(1000, 0);
      loop();
    }
    __asm__ volatile("fninit");
    double took = now() - begin;
    if (took > longest) longest = took;
  }
  printf("%s: left\n", name);
}

#define LEAVE(name) leave(#name, name)

/* --- a handler that changes every register --- */

extern char wait_here[], changed[];
static void change(int signo, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  if (g[REG_RIP] < (greg_t)wait_here || g[REG_RIP] >= (greg_t)changed) return;
  for (int i = REG_R8; i <= REG_RCX; i++)
    if (i != REG_RSP && i != REG_RDI) g[i] = 0x1111111100000000 + i;
  g[REG_EFL] |= 0x8d5;
  uc->uc_mcontext.fpregs->_xmm[9].element[2] = 0x99887766;
}

static void take_over(void) {
  unsigned long seen[20];
  on(change, 0);
  timer(1000, 1000);
  __asm__ volatile(
      "push %%rbx; push %%rbp; xor %%eax, %%eax; clc\n"
      "wait_here: jnc wait_here\n"
      "changed: mov %%rax, (%%rdi); mov %%rcx, 8(%%rdi); mov %%rdx, 16(%%rdi); mov %%rbx, 24(%%rdi)\n"
      "mov %%rbp, 32(%%rdi); mov %%rsi, 40(%%rdi); mov %%r8, 48(%%rdi); mov %%r9, 56(%%rdi)\n"
      "mov %%r10, 64(%%rdi); mov %%r11, 72(%%rdi); mov %%r12, 80(%%rdi); mov %%r13, 88(%%rdi)\n"
      "mov %%r14, 96(%%rdi); mov %%r15, 104(%%rdi); movups %%xmm9, 112(%%rdi)\n"
      "pushf; pop 128(%%rdi); pop %%rbp; pop %%rbx\n" ::"D"(seen)
      : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm9",
        "memory");
  timer(0, 0);
  for (int i = 0; i < 14; i++) printf("%lx ", seen[i]);
  printf("%x flags %lx\n", (unsigned)seen[15], seen[16] & 0x8d5);
}

/* --- registers, flags and the red zone survive --- */

static void count(int signo) { ticks++; }

/* Works on all registers and below RSP for n rounds; a checksum. */
unsigned long churn(unsigned long n);
__asm__(
    ".text\n"
    "churn: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov $1, %eax; mov $2, %ecx; mov $3, %edx; mov $4, %ebx; mov $5, %ebp; mov $6, %esi\n"
    "mov $8, %r8d; mov $9, %r9d; mov $10, %r10d; mov $11, %r11d; mov $12, %r12d; mov $13, %r13d\n"
    "mov $14, %r14d; mov $15, %r15d; movq %rax, %xmm7\n"
    "1: mov %rax, -8(%rsp); mov %rcx, -128(%rsp); add %rbx, %rax; adc %rbp, %rcx; sbb %rsi, %rdx\n"
    "lea 2f(%rip), %rbx; jmp *%rbx; ud2\n"
    "2: setc %bl; xor -8(%rsp), %r8; add -128(%rsp), %r9; adc %r8, %r10; rcl $3, %r11\n"
    "jc 3f; xor %r12, %r13; 3: adc %r13, %r14; jo 4f; not %r15; 4: rol $5, %r15; sbb %rax, %rbp\n"
    "paddq %xmm7, %xmm7; movq %rax, %xmm6; pxor %xmm6, %xmm7; movzbl %bl, %ebx\n"
    "dec %rdi; jnz 1b\n"
    "movq %xmm7, %rdi; xor %rdi, %rax; xor %rcx, %rax; add %rdx, %rax; xor %rbp, %rax; add %r8, %rax\n"
    "xor %r9, %rax; add %r10, %rax; xor %r11, %rax; add %r13, %rax; xor %r14, %rax; add %r15, %rax\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");

static void survive(void) {
  on(count, 0);
  unsigned long wanted = churn(100000);
  int same = 0, rounds = 0;
  timer(300, 300);
  for (ticks = 0; ticks < 300; rounds++) same += churn(100000) == wanted;
  timer(0, 0);
  printf("churn %lx %s\n", wanted, same == rounds ? "each time" : "CHANGED");
}

/* --- stacks of 2 KiB, switched by hand, signals on an alternate stack --- */

enum { STACKS = 64, STACK = 2048 };
static char stacks[STACKS][STACK] __attribute__((aligned(64)));
static void *saved[STACKS], *main_stack;
static long work[STACKS];
void switch_to(void **from, void *to);
__asm__(
    ".text\n"
    "switch_to: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, (%rdi); mov %rsi, %rsp\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");
static int current;

static void routine(void) {
  int me = current;
  for (;;) {
    for (int i = 0; i < 50; i++) work[me] = work[me] * 31 + i + me;
    int next = (me + 1) % STACKS;
    current = next;
    switch_to(&saved[me], next ? saved[next] : main_stack);
  }
}

static void goroutines(void) {
  static char alternate[1 << 14];
  stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
  sigaltstack(&ss, NULL);
  on(count, SA_ONSTACK);
  for (int i = 1; i < STACKS; i++) {
    void **top = (void **)(stacks[i] + STACK - 64);
    *--top = 0;
    *--top = routine;
    saved[i] = top - 6;
  }
  timer(300, 300);
  for (long turn = 0; turn < 5000 || ticks < 600; turn++) {
    if (turn == 5000) memset(work, 0, sizeof work);
    current = 1;
    switch_to(&main_stack, saved[1]);
    if (turn == 4999) {
      unsigned long sum = 0;
      for (int i = 0; i < STACKS; i++) sum = sum * 17 + work[i];
      printf("goroutines %lx\n", sum);
    }
  }
  timer(0, 0);
}

__attribute__((noinline)) static long deep(long n) {
  volatile char frame[16];
  frame[n & 15] = n;
  return n ? deep(n - 1) + frame[n & 15] : 0;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 4096);
  on(jump_out, 0);
  LEAVE(itself), LEAVE(conditional), LEAVE(pair), LEAVE(counted), LEAVE(zero), LEAVE(computed);
  LEAVE(by_memory), LEAVE(returns), LEAVE(calls), LEAVE(calls_back), LEAVE(forwards);
  LEAVE(strings), LEAVE(x87), LEAVE(cpuid), LEAVE(recursion);
  printf("longest %s\n", longest < 2 ? "short" : "LONG");
  take_over();
  survive();
  ticks = 0;
  goroutines();
  printf("deep %ld\n", deep(60000));
  return 0;
}
