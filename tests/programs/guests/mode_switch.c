/* A 64-bit program that calls 32-bit code: CS 23h, and back by a far return; what segments it sees. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char *low(unsigned long address, int prot) {
  void *p = mmap((void *)address, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return p;
}

/* mov eax, esp; inc edx (42 in 32-bit code, a REX prefix in 64-bit code); pusha; popa; retf */
static const unsigned char narrow[] = {0x89, 0xe0, 0x42, 0x60, 0x61, 0xcb};

static unsigned long call_narrow(unsigned char *stack, unsigned long *edx) {
  static struct {
    unsigned offset;
    unsigned short selector;
  } __attribute__((packed)) target = {0x10000000, 0x23};
  unsigned long rax;
  __asm__ volatile("mov %%rsp, %%r15; mov %3, %%rsp; lcall *%2; mov %%r15, %%rsp"
                   : "=&a"(rax), "+d"(*edx)
                   : "m"(target), "r"(stack)
                   : "memory", "rcx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                     "r14", "r15");
  return rax;
}

static void show_limits(void) {
  for (unsigned selector = 0x20; selector < 0x40; selector += 8) {
    unsigned long rights = 0, limit = 0;
    unsigned char found;
    __asm__("lar %2, %0; setz %1" : "+r"(rights), "=q"(found) : "r"((unsigned long)selector));
    __asm__("lsl %1, %0" : "+r"(limit) : "r"((unsigned long)selector));
    printf("%x: %d %lx %lx\n", selector, found, rights, limit);
  }
}

int main(void) {
  unsigned long edx = 41;
  memcpy(low(0x10000000, PROT_READ | PROT_WRITE | PROT_EXEC), narrow, sizeof narrow);
  unsigned char *stack = low(0x11000000, PROT_READ | PROT_WRITE);
  printf("esp %lx", call_narrow(stack + 4080, &edx));
  printf(" edx %lu\n", edx);
  unsigned short cs, ss, ds;
  __asm__("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2" : "=r"(cs), "=r"(ss), "=r"(ds));
  printf("cs %x ss %x ds %x\n", cs, ss, ds);
  show_limits();
  return 0;
}
