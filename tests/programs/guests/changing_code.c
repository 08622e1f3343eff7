/* Code that changes: by its own stores, by system calls, by other mappings, in children. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, RWX = PROT_READ | PROT_WRITE | PROT_EXEC, RX = PROT_READ | PROT_EXEC };
typedef int Function(void);
typedef unsigned char u8;

static u8 *map(size_t size, int prot) {
  return mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* mov eax, value; ret */
static void returning(u8 *at, int value) {
  at[0] = 0xb8;
  memcpy(at + 1, &value, 4);
  at[5] = 0xc3;
}

static int call(void *code) { return ((Function *)code)(); }

/* mov byte [rip + 3], 42; nop * n; mov eax, 1; ret: the store changes what follows at once. */
static void running_block(void) {
  static const u8 head[] = {0xc6, 0x05, 0, 0, 0, 0, 42}, tail[] = {0xb8, 1, 0, 0, 0, 0xc3};
  for (int nops = 0; nops < 100; nops += 33) {
    u8 *code = map(PAGE, RWX);
    memcpy(code, head, 7);
    memset(code + 7, 0x90, nops);
    memcpy(code + 7 + nops, tail, 6);
    code[2] = nops + 1;
    printf("running block, %d apart: %d", nops, call(code));
    code[7 + nops + 1] = 2;
    printf(" %d\n", call(code));
  }
}

static void patched(void) {
  u8 *code = map(PAGE, RWX);
  long sum = 0;
  for (int i = 0; i < 2000; i++) {
    if (i % 3) code[1] = i;
    else returning(code, i);
    sum += call(code) * (i + 1);
  }
  printf("patched: %ld\n", sum);
}

/* inc dword [rip + 0x100]; mov eax, [rip + 0x100 - 6]; ret */
static void data_beside_code(void) {
  static const u8 body[] = {0xff, 0x05, 0, 1, 0, 0, 0x8b, 0x05, 0xfa, 0, 0, 0, 0xc3};
  u8 *code = map(PAGE, RWX);
  memcpy(code, body, sizeof body);
  int last = 0;
  for (int i = 0; i < 1000; i++) last = call(code);
  printf("data beside code: %d\n", last);
}

static void protections(void) {
  u8 *code = map(PAGE, PROT_READ | PROT_WRITE);
  long sum = 0;
  for (int i = 0; i < 100; i++) {
    mprotect(code, PAGE, PROT_READ | PROT_WRITE);
    returning(code, i);
    mprotect(code, PAGE, RX);
    sum += call(code) + call(code);
  }
  printf("protections: %ld\n", sum);
}

static void mapped_over(void) {
  u8 *code = map(2 * PAGE, RWX), *other;
  returning(code, 1), returning(code + PAGE, 2);
  int a = call(code), b = call(code + PAGE);
  mmap(code, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  returning(code, 3);
  int c = call(code), d = call(code + PAGE);
  munmap(code, 2 * PAGE);
  other = mmap(code, 2 * PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  returning(other, 4), returning(other + PAGE, 5);
  int e = call(other), f = call(other + PAGE);
  u8 *moved = mremap(other, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, code + PAGE);
  printf("mapped over: %d %d %d %d %d %d %d\n", a, b, c, d, e, f, call(moved));
}

static void by_calls(void) {
  u8 *code = map(2 * PAGE, RWX), text[16], head[2];
  int pipes[2], values[6];
  pipe(pipes);
  returning(code, 1);
  values[0] = call(code);
  returning(text, 2), write(pipes[1], text, 6);
  read(pipes[0], code, 6), values[1] = call(code);
  returning(text, 3), write(pipes[1], text, 6);
  struct iovec two[] = {{head, 2}, {code + 2, 4}};
  readv(pipes[0], two, 2), values[2] = call(code);
  int file = memfd_create("code", 0);
  returning(text, 4), pwrite(file, text, 6, 0);
  pread(file, code, 6, 0), values[3] = call(code);
  returning(text, 0x15263748);
  memcpy(code + PAGE - 3, text, 6); /* across pages; only the second one changes */
  values[4] = call(code + PAGE - 3);
  write(pipes[1], "\7\7", 2);
  read(pipes[0], code + PAGE, 2), values[5] = call(code + PAGE - 3);
  printf("by calls:");
  for (int i = 0; i < 6; i++) printf(" %x", values[i]);
  puts("");
}

static void second_mapping(void) {
  int file = memfd_create("code", 0);
  ftruncate(file, 4 * PAGE);
  u8 *code = mmap(NULL, 2 * PAGE, RX, MAP_SHARED, file, PAGE);
  u8 *data = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  long sum = 0;
  for (int i = 0; i < 100; i++) {
    returning(data + PAGE, i), returning(data + 2 * PAGE, i * 3);
    sum += call(code) * 7 + call(code + PAGE);
  }
  u8 *late = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, PAGE);
  sum += call(code);
  mprotect(late, PAGE, PROT_READ | PROT_WRITE);
  returning(late, 1000);
  printf("second mapping: %ld %d", sum, call(code));
  munmap(data, 4 * PAGE);
  returning(late, 2000);
  printf(" %d", call(code));
  u8 *own = mmap(NULL, PAGE, RWX, MAP_PRIVATE, file, PAGE);
  returning(own, 5);
  printf(" %d %d\n", call(code), call(own));
}

static void edges(void) {
  u8 *code = map(3 * PAGE, RWX);
  munmap(code + 2 * PAGE, PAGE);
  returning(code + 2 * PAGE - 6, 11);
  memset(code, 0x90, PAGE); /* straight into the next page */
  returning(code + PAGE, 12);
  int a = call(code + 2 * PAGE - 6), b = call(code + 10);
  returning(code + PAGE, 13);
  printf("edges: %d %d %d\n", a, b, call(code + 10));
}

static void children(void) {
  u8 *code = map(PAGE, RWX);
  int status;
  returning(code, 20);
  int before = call(code);
  if (!fork()) {
    int kept = call(code);
    returning(code, 21);
    _exit(kept + call(code));
  }
  wait(&status);
  printf("fork: %d %d %d\n", before, WEXITSTATUS(status), call(code));
  if (!vfork()) {
    returning(code, 22); /* the parent's memory, too */
    _exit(call(code));
  }
  wait(&status);
  printf("vfork: %d %d\n", WEXITSTATUS(status), call(code));
  pid_t pid;
  char *args[] = {"true", NULL}, *again[] = {"self", "again", NULL};
  int error = posix_spawn(&pid, "/bin/true", NULL, NULL, args, NULL);
  waitpid(pid, &status, 0);
  printf("spawn: %d %d, absent %d\n", error, status,
         posix_spawn(&pid, "/absent", NULL, NULL, args, NULL));
  fflush(stdout);
  if (!fork()) execv("/proc/self/exe", again);
  wait(&status);
  printf("exec: %d\n", WEXITSTATUS(status));
}

static long nested(long n) {
  long local(void) { return n * 3; }
  long (*volatile pointer)(void) = local; /* a trampoline on the stack */
  return pointer();
}

static void much(void) {
  enum { COUNT = 60000 };
  u8 *code = map(COUNT * 16, RWX);
  unsigned long sum = 0;
  for (int i = 0; i < COUNT; i++) returning(code + 16 * i, i * 7);
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < COUNT; i++) sum = sum * 3 + call(code + 16 * ((i * 37) % COUNT));
  printf("much: %lx\n", sum);
}

int main(int argc, char **argv) {
  if (argc > 1) return 33;
  long sum = 0;
  running_block(), patched(), data_beside_code(), protections(), mapped_over(), by_calls();
  second_mapping(), edges(), children();
  for (int i = 0; i < 100; i++) sum += nested(i);
  printf("trampolines: %ld\n", sum);
  much();
  return 0;
}
