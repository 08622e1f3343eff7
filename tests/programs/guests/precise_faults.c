/* Faults in the middle of straight code, in branches and around borrowed registers: the frame's
 * registers, RIP, flags and words of the trap, all normalised so that two runs can be compared. */
#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096 };
static char *area, *stack; /* each: a page, then (area) or before (stack) one without access */
static char guarded[3 * PAGE] __attribute__((aligned(4096), used));
extern char snippets[], snippets_end[], resume[];
unsigned long saved_rsp, target, area_address, area_end, stack_low, through_fs;
void enter(void);

/* All registers hold something to recognise; RDI: area, RSI: its end, RSP: the middle of the stack. */
__asm__(
    ".text\n"
    "enter: push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, saved_rsp(%rip)\n"
    "mov $0x1001, %eax; mov $0x1002, %ecx; mov $0x1003, %edx; mov $0x1004, %ebx; mov $0x1005, %ebp\n"
    "mov area_address(%rip), %rdi; mov area_end(%rip), %rsi; mov $0x1008, %r8d; mov $0x1009, %r9d\n"
    "mov $0x100a, %r10d; mov $0x100b, %r11d; mov $0x100c, %r12d; mov $0x100d, %r13d\n"
    "mov $0x100e, %r14d; mov $0x100f, %r15d; mov stack_low(%rip), %rsp; lea 2048(%rsp), %rsp\n"
    "jmp *target(%rip)\n"
    "resume: mov saved_rsp(%rip), %rsp; cld\n"
    "movl $0x1f80, -4(%rsp); ldmxcsr -4(%rsp)\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
    ".globl resume\n");

#define SNIPPET(name, code) \
  extern char s_##name[];   \
  __asm__("s_" #name ": " code "; jmp resume\n");

__asm__(".text\nsnippets:\n");
SNIPPET(store, "add $1, %eax; stc; mov %ecx, (%rsi); add $1, %eax")
SNIPPET(load, "xor %eax, %eax; mov 8(%rsi), %rax")
SNIPPET(across, "cmp $5, %edx; mov -4(%rsi), %rax")
SNIPPET(update, "lock incl (%rsi)")
SNIPPET(relative, "mov $7, %eax; add %eax, guarded+4096(%rip)")
SNIPPET(push, "mov stack_low(%rip), %rsp; push %rax")
SNIPPET(push_memory, "mov stack_low(%rip), %rsp; push (%rdi)")
SNIPPET(pop, "mov area_end(%rip), %rsp; pop %rax")
SNIPPET(call, "mov stack_low(%rip), %rsp; call resume")
SNIPPET(call_register, "mov stack_low(%rip), %rsp; lea resume(%rip), %rax; call *%rax")
SNIPPET(call_memory, "mov stack_low(%rip), %rsp; lea resume(%rip), %rax; mov %rax, (%rdi); call *(%rdi)")
SNIPPET(call_unreadable, "call *(%rsi)")
SNIPPET(jump_unreadable, "mov $2, %ecx; jmp *(%rsi,%rcx,8)")
SNIPPET(jump_by_rcx, "mov %rsi, %rcx; jmp *8(%rcx)")
SNIPPET(ret, "mov area_end(%rip), %rsp; ret")
SNIPPET(ret_drop, "mov area_end(%rip), %rsp; ret $24")
SNIPPET(leave, "mov area_end(%rip), %rbp; leave")
SNIPPET(enter, "mov stack_low(%rip), %rsp; enter $16, $0")
SNIPPET(jump_away, "jmp *%rsi")
SNIPPET(call_away, "call *%rsi")
SNIPPET(ret_away, "push %rsi; ret")
SNIPPET(gs_load, "mov %gs:4096, %rax")
SNIPPET(gs_store, "cmp $9, %ebx; mov $0, %ecx; mov %rsi, %gs:4096(,%rcx,8)")
SNIPPET(gs_update, "mov $4088, %ebp; lock xadd %rax, %gs:9(%rbp)")
SNIPPET(gs_scratch, "mov $2048, %edi; mov $512, %ebp; mov %sil, %gs:(%rdi,%rbp,4)")
SNIPPET(gs_bh, "mov $2048, %ebp; mov $512, %esi; mov %bh, %gs:(%rbp,%rsi,4)")
SNIPPET(gs_push, "push %gs:4096")
SNIPPET(gs_call, "call *%gs:4096")
SNIPPET(gs_call_stack, "mov stack_low(%rip), %rsp; lea resume(%rip), %rax; mov %rax, (%rdi); call *%gs:0")
SNIPPET(gs_wide, "cmpxchg16b %gs:4096")
SNIPPET(fs_load, "mov through_fs(%rip), %rdx; mov %fs:(%rdx), %ecx")
SNIPPET(fs_store, "mov through_fs(%rip), %rbp; mov %rbp, %fs:8(%rbp)")
SNIPPET(divide, "xor %ecx, %ecx; mov $3, %edx; div %ecx")
SNIPPET(divide_memory, "movl $0, (%rdi); idivl (%rdi)")
SNIPPET(overflow, "mov $-1, %ecx; mov $0x80000000, %eax; cltd; idiv %ecx")
SNIPPET(undefined, "inc %eax; ud2")
SNIPPET(breakpoint, "inc %eax; int3; nop")
SNIPPET(privileged, "inc %eax; hlt")
SNIPPET(port, "inc %eax; in %dx, %al")
SNIPPET(aligned, "movaps 8(%rdi), %xmm1")
SNIPPET(canonical, "mov $1, %eax; shl $62, %rax; mov (%rax), %ecx")
SNIPPET(canonical_stack, "mov $1, %ebp; shl $62, %rbp; mov (%rbp), %ecx")
SNIPPET(rep_out, "lea -16(%rsi), %rdi; mov area_address(%rip), %rsi; mov $64, %ecx; rep movsb")
SNIPPET(rep_down, "std; lea 4(%rdi), %rdi; mov area_end(%rip), %rsi; sub $1, %rsi; mov $64, %ecx; "
                  "mov stack_low(%rip), %rdi; add $7, %rdi; rep movsb")
/* Flags at the fault: Intel's of before, AMD's of the last comparison: made the same. */
SNIPPET(rep_compare, "mov %rdi, %rsi; mov area_end(%rip), %rdi; sub $9, %rdi; mov $64, %ecx; "
                     "cmp %ecx, %ecx; repe cmpsb")
SNIPPET(sse_divide, "movl $0x1d80, (%rdi); ldmxcsr (%rdi); xorps %xmm0, %xmm0; mov $3, %eax; "
                    "cvtsi2ss %eax, %xmm1; divss %xmm0, %xmm1")
SNIPPET(sse_load, "mov $0x1234, %eax; movd %eax, %xmm3; movups -8(%rsi), %xmm3")
SNIPPET(behind_jump, "cmp %eax, %eax; jne resume; jb resume; mov %eax, (%rsi)")
SNIPPET(behind_loop, "mov $3, %ecx; 1: inc %eax; loop 1b; mov %eax, (%rsi)")
SNIPPET(in_callee, "call 2f; jmp resume; 2: mov (%rsi), %eax; ret")
SNIPPET(after_return, "call 3f; mov (%rsi), %eax; jmp resume; 3: mov $5, %eax; ret")
__asm__("snippets_end:\n");

static void show(const char *name, unsigned long value) {
  char *p = (char *)value;
  if (p >= area && p <= area + 2 * PAGE)
    printf(" %s=area+%lx", name, (long)(p - area));
  else if (p >= stack && p < stack + 2 * PAGE)
    printf(" %s=stack+%lx", name, (long)(p - stack));
  else if (p >= snippets && p < snippets_end)
    printf(" %s=code+%lx", name, (long)(p - snippets));
  else if (p >= guarded && p < guarded + sizeof guarded)
    printf(" %s=guarded+%lx", name, (long)(p - guarded));
  else if (p == resume)
    printf(" %s=resume", name);
  else if (value == through_fs)
    printf(" %s=through_fs", name);
  else
    printf(" %s=%lx", name, value);
}

static void report(int signo, siginfo_t *info, void *context) {
  static const char *const names[] = {"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
                                      "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"};
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  printf(" signal %d code %d trap %lld error %llx", signo, info->si_code, g[REG_TRAPNO],
         g[REG_ERR] & ~1ull);
  show("addr", (unsigned long)info->si_addr);
  for (int i = 0; i < 17; i++) show(names[i], (unsigned long)g[i]);
  printf(" flags=%llx xmm3=%x\n", g[REG_EFL] & 0xcc5, /* not AF */ uc->uc_mcontext.fpregs->_xmm[3].element[0]);
  memset(g, 0x5a, 16 * sizeof *g);
  g[REG_RIP] = (greg_t)resume;
  g[REG_RSP] = (greg_t)saved_rsp;
}

static void try(const char *name, char *code) {
  for (int round = 0; round < 2; round++) { /* new code, and code that is known */
    printf("%s:", name);
    memset(area, 0, PAGE);
    target = (unsigned long)code;
    __asm__ volatile("pxor %%xmm3, %%xmm3" ::: "xmm3");
    enter();
  }
}

#define TRY(name) try(#name, s_##name)

int main(void) {
  static char alternate[1 << 16];
  stack_t ss = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct sigaction sa = {.sa_sigaction = report, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  int list[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
  sigaltstack(&ss, NULL);
  for (int i = 0; i < 5; i++) sigaction(list[i], &sa, NULL);
  area = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(stack + PAGE, 0, PAGE);
  mprotect(area + PAGE, PAGE, PROT_NONE);
  mprotect(stack, PAGE, PROT_NONE);
  mprotect(guarded + PAGE, PAGE, PROT_NONE);
  area_address = (unsigned long)area;
  area_end = area_address + PAGE;
  stack_low = (unsigned long)stack + PAGE;
  unsigned long fs;
  syscall(SYS_arch_prctl, ARCH_GET_FS, &fs);
  syscall(SYS_arch_prctl, ARCH_SET_GS, area);
  through_fs = area_end - fs;
  TRY(store), TRY(load), TRY(across), TRY(update), TRY(relative);
  TRY(push), TRY(push_memory), TRY(pop), TRY(call), TRY(call_register), TRY(call_memory);
  TRY(call_unreadable), TRY(jump_unreadable), TRY(jump_by_rcx), TRY(ret), TRY(ret_drop);
  TRY(leave), TRY(enter), TRY(jump_away), TRY(call_away), TRY(ret_away);
  TRY(gs_load), TRY(gs_store), TRY(gs_update), TRY(gs_scratch), TRY(gs_bh), TRY(gs_push);
  TRY(gs_call), TRY(gs_call_stack), TRY(gs_wide), TRY(fs_load), TRY(fs_store);
  TRY(divide), TRY(divide_memory), TRY(overflow), TRY(undefined), TRY(breakpoint);
  TRY(privileged), TRY(port), TRY(aligned), TRY(canonical);
  TRY(rep_out), TRY(rep_down), TRY(rep_compare), TRY(sse_divide), TRY(sse_load);
  TRY(behind_jump), TRY(behind_loop), TRY(in_callee), TRY(after_return);
  TRY(canonical_stack);
  return 0;
}
