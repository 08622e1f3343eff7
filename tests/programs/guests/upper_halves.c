/* The upper halves of vector registers: over system calls, faults, signals, new threads and forks, beside
 * SSE code that keeps them, and after VZEROUPPER. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef unsigned char Registers[16][32] __attribute__((aligned(32)));
static Registers before, after;
static unsigned long number = SYS_getppid;
static char *nowhere;

#define EACH(X) \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD(n) "vmovdqa " #n "*32(%0), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqa %%ymm" #n ", " #n "*32(%1)\n\t"
#define CLOBBERED(n) "xmm" #n,

/* All registers loaded, `code`, all stored. */
#define AROUND(code)                                                    \
  __asm__ volatile(EACH(LOAD) code "\n\t" EACH(STORE) "vzeroupper"      \
                   :                                                    \
                   : "r"(before), "r"(after), "m"(number), "m"(nowhere) \
                   : EACH(CLOBBERED) "rax", "rcx", "rdx", "r11", "memory")

static void fill(unsigned seed) {
  unsigned char *p = before[0];
  for (unsigned i = 0; i < sizeof before; i++) p[i] = (unsigned char)((seed + i) * 37 >> 2);
}

static void tell(const char *what) {
  unsigned same = 0, zero = 0;
  static const unsigned char zeros[16];
  for (int i = 0; i < 16; i++) {
    same |= (unsigned)!memcmp(before[i], after[i], 32) << i;
    zero |= (unsigned)!memcmp(after[i] + 16, zeros, 16) << i;
  }
  printf("%s: same %04x, upper halves zero %04x\n", what, same, zero);
}

static void spoil(int signo) {
  __asm__ volatile("vpcmpeqb %%ymm0, %%ymm0, %%ymm0; vmovdqa %%ymm0, %%ymm7" ::: "xmm0", "xmm7");
  (void)signo;
}

/* The handler spoils the registers, too, and brings the page: the instruction runs again. */
static void bring(int signo) {
  printf("stored before the fault: %d\n", nowhere[4080] | nowhere[4095]);
  mmap(nowhere + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  spoil(signo);
}

static void fault(void) {
  nowhere = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(nowhere + 4096, 4096);
  signal(SIGSEGV, bring);
  AROUND("mov %3, %%rax; vmovdqu %%ymm3, 4080(%%rax)");
  tell("fault");
  printf("stored after it: %d\n", !memcmp(nowhere + 4080, before[3], 32));
}

static void *thread(void *unused) {
  (void)unused;
  fill(9);
  AROUND("mov %2, %%rax; syscall");
  tell("thread");
  return NULL;
}

int main(void) {
  pthread_t other;
  fill(1);
  AROUND("mov %2, %%rax; syscall");
  tell("native system call");
  number = SYS_rt_sigpending;
  AROUND("push %%rdi; push %%rsi; xor %%edi, %%edi; mov %2, %%rax; mov $8, %%esi; syscall; pop %%rsi;"
         "pop %%rdi");
  tell("system call of the kernel's own");
  signal(SIGUSR1, spoil);
  number = SYS_kill;
  fill(2);
  long me = getpid();
  __asm__ volatile("" ::"r"(me));
  register long pid __asm__("rdi") = me;
  register long signo __asm__("rsi") = SIGUSR1;
  __asm__ volatile("lea %c[before](%%rip), %%r8; lea %c[after](%%rip), %%r9\n\t"
#define LOAD8(n) "vmovdqa " #n "*32(%%r8), %%ymm" #n "\n\t"
#define STORE9(n) "vmovdqa %%ymm" #n ", " #n "*32(%%r9)\n\t"
                   EACH(LOAD8) "mov $62, %%eax; syscall\n\t" EACH(STORE9) "vzeroupper"
                   :
                   : "r"(pid), "r"(signo), [before] "i"(before), [after] "i"(after)
                   : EACH(CLOBBERED) "rax", "rcx", "r8", "r9", "r11", "memory");
  tell("signal");
  fault();
  fill(3);
  AROUND("paddb %%xmm1, %%xmm2; sqrtps %%xmm3, %%xmm3; movaps %%xmm4, %%xmm5");
  tell("SSE");
  AROUND("vpaddb %%xmm1, %%xmm2, %%xmm2; vaddss %%xmm3, %%xmm3, %%xmm3");
  tell("VEX.128");
  AROUND("fld1; fstp %%st; vmovd %%xmm1, %%eax;");
  tell("x87 between");
  AROUND("vzeroupper");
  tell("VZEROUPPER");
  AROUND("vzeroall");
  tell("VZEROALL");
  number = SYS_getppid;
  pthread_create(&other, NULL, thread, NULL);
  pthread_join(other, NULL);
  fill(4);
  fflush(stdout);
  number = SYS_fork;
  AROUND("mov %2, %%rax; syscall; mov %%rax, %2");
  tell(number ? "parent" : "child");
  if (number) waitpid((pid_t)number, NULL, 0);
  fflush(stdout);
  _exit(0);
}
