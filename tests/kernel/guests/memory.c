/* mmap and its relatives: placement, protection, errors. */
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

enum { P = 4096 };
static sigjmp_buf out;
static siginfo_t seen;

static void on_fault(int signo, siginfo_t *info, void *context) {
  (void)context, (void)signo;
  seen = *info;
  siglongjmp(out, 1);
}

/* 0 if the byte can be read (and written), else signal * 10 + si_code. */
static int touch(volatile char *at, int write) {
  if (sigsetjmp(out, 1)) return seen.si_signo * 10 + seen.si_code;
  char c = *at;
  if (write) *at = c;
  return 0;
}

static char *anon(size_t pages) {
  return mmap(NULL, pages * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void errors(void) {
  T(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  T(mmap(NULL, P, PROT_READ, MAP_ANONYMOUS, -1, 0));
  T(mmap(NULL, P, PROT_READ, MAP_PRIVATE, 99, 0));
  T(syscall(SYS_mmap, NULL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 5));
  T(mmap((void *)5, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  T(mmap(NULL, (size_t)1 << 62, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  T(mmap(NULL, -1UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  int ro = open("/etc/passwd", O_RDONLY);
  T(mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
  int dir = open("/", O_RDONLY | O_DIRECTORY);
  T(mmap(NULL, P, PROT_READ, MAP_PRIVATE, dir, 0));
  T(munmap((void *)1, P));
  T(munmap((void *)P, 0));
  T(munmap((void *)(1UL << 62), P));
  T(mprotect((void *)1, P, PROT_READ));
  T(mprotect((void *)(1UL << 40), P, PROT_READ));
  char *p = anon(1);
  T(mprotect(p, P, 0x100));
  T(mprotect(p, 0, PROT_READ));
  T(mprotect(p, P, PROT_READ | PROT_GROWSDOWN));
  T(mprotect(p, P, PROT_GROWSUP | PROT_GROWSDOWN));
  close(ro);
  close(dir);
}

static void protection(void) {
  char *p = anon(6);
  strcpy(p + 3 * P, "kept");
  T(touch(p, 1));
  T(mprotect(p + P, 2 * P, PROT_NONE));
  T(touch(p + P, 0));
  V(seen.si_addr == p + P);
  T(mprotect(p + 3 * P, P, PROT_READ));
  T(touch(p + 3 * P, 0));
  T(touch(p + 3 * P, 1));
  V(strcmp(p + 3 * P, "kept"));
  T(mprotect(p, 6 * P, PROT_READ | PROT_WRITE));
  T(touch(p + P, 1));
  T(munmap(p + 2 * P, P));
  T(touch(p + 2 * P, 0));
  V(seen.si_addr == p + 2 * P);
  T(mprotect(p, 6 * P, PROT_READ));
  T(touch(p, 1));
  T(touch(p + 4 * P, 1));
  T(munmap(p, 6 * P));
  T(touch(p, 0));
}

static void fixed(void) {
  char *p = anon(4);
  p[P] = 7;
  T(mmap(p + P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + P);
  V(p[P]);
  T(mmap(p, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  munmap(p + 2 * P, P);
  T(mmap(p + 2 * P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
    p + 2 * P);
  munmap(p, 4 * P);
  T(mmap(p, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == p); /* a hint */
  void *low = mmap(NULL, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  V((unsigned long)low < 1UL << 31);
}

static void files(void) {
  int fd = memfd_create("check", MFD_CLOEXEC);
  V(fcntl(fd, F_GETFD));
  T(ftruncate(fd, P + 100));
  T(pwrite(fd, "abcdef", 6, 0));
  char *shared = mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(NULL, 2 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char *second = mmap(NULL, P, PROT_READ, MAP_SHARED_VALIDATE, fd, P);
  private[0] = 'P';
  shared[1] = 'S';
  printf("%.6s %.6s\n", shared, private);
  T(touch(second, 0));
  T(ftruncate(fd, 100));
  T(touch(shared + P, 0));
  V(seen.si_addr == shared + P);
  T(msync(shared, P, MS_SYNC));
  T(msync(shared, P, MS_SYNC | MS_ASYNC));
  T(msync(shared + 1, P, MS_SYNC));
  T(msync((void *)(1UL << 40), P, MS_SYNC));
  T(memfd_create("x", 0x4000));
  T(syscall(SYS_memfd_create, BAD, 0));
  pid_t child = fork();
  if (child == 0) {
    shared[2] = private[2] = 'C';
    _exit(0);
  }
  waitpid(child, NULL, 0);
  printf("%.6s %.6s\n", shared, private);
}

static void remaps(void) {
  char *p = anon(4);
  strcpy(p, "data");
  strcpy(p + 3 * P, "last");
  T(mremap(p, 4 * P, 2 * P, 0) == p);
  T(touch(p + 2 * P, 0));
  T(mremap(p, 2 * P, 4 * P, 0) == p);
  T(touch(p + 3 * P, 1));
  V(p[3 * P]);
  mmap(p + 4 * P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  T(mremap(p, 4 * P, 8 * P, 0));
  char *moved = mremap(p, 4 * P, 8 * P, MREMAP_MAYMOVE);
  V(moved != p);
  puts(moved);
  T(touch(p, 0));
  T(touch(moved + 7 * P, 1));
  char *target = anon(8);
  T(mremap(moved, 8 * P, 8 * P, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
  puts(target);
  T(mremap(target, P, P, MREMAP_FIXED, target));
  T(mremap(target, P, P, MREMAP_MAYMOVE | MREMAP_FIXED, target));
  T(mremap(target, P, P, 64));
  T(mremap(target + 1, P, P, 0));
  T(mremap(target, P, 0, 0));
  T(mremap((void *)(1UL << 40), P, 2 * P, MREMAP_MAYMOVE));
  T(mremap(target, 0, P, MREMAP_MAYMOVE));
  char *left = mremap(target, 2 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
  puts(left);
  V(target[0]);
  T(mremap(target, P, 2 * P, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
  char *s = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *twin = mremap(s, 0, P, MREMAP_MAYMOVE);
  strcpy(s, "twin");
  puts(twin);
}

static void advice(void) {
  char *p = anon(4);
  memset(p, 1, 4 * P);
  T(madvise(p, 2 * P, MADV_DONTNEED));
  V(p[0] + p[P] + p[2 * P]);
  T(madvise(p + 1, P, MADV_DONTNEED));
  T(madvise(p, P, 77));
  T(madvise(p, 0, MADV_NORMAL));
  T(madvise((void *)(1UL << 40), P, MADV_DONTNEED));
  T(madvise((void *)(1UL << 62), P, MADV_NORMAL));
  T(madvise(p, P, MADV_WIPEONFORK));
  T(madvise(p + P, P, MADV_DONTFORK));
  p[0] = 5;
  pid_t child = fork();
  if (child == 0) {
    V(p[0]);
    T(touch(p + P, 0));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  V(p[0]);
  T(touch(p + P, 0));
  T(madvise(p + P, P, MADV_DOFORK));
  T(madvise(p, P, MADV_KEEPONFORK));
  T(madvise(p, P, MADV_HUGEPAGE) == 0 || errno == EINVAL);
  unsigned char vec[4];
  T(mincore(p, 4 * P, vec));
  V(vec[2] & 1);
  T(mincore(p + 1, P, vec));
  T(mincore(p, 4 * P, BAD));
  munmap(p, P);
  T(mincore(p, P, vec));
  T(mincore((void *)(1UL << 62), P, vec));
  T(mlock(p + P, P));
  T(mlock2(p + 2 * P, P, MLOCK_ONFAULT));
  T(mlock2(p + 2 * P, P, 8));
  T(munlock(p + P, 2 * P));
  T(mlock(p, P));
  T(munlock(p, P));
  T(mlockall(0));
  T(mlockall(64));
  T(munlockall());
}

static void heap(void) {
  char *start = sbrk(0);
  V(sbrk(3 * P) == start);
  T(touch(start + 2 * P, 1));
  V(brk(start));
  T(sbrk(0) == start);
  V(syscall(SYS_brk, 0) == (long)start);
  V(syscall(SYS_brk, 1UL << 62) == (long)start);
}

static void keys(void) {
  char *p = anon(1);
  T(syscall(SYS_pkey_mprotect, p, P, PROT_READ, -1));
  T(touch(p, 1));
  T(syscall(SYS_pkey_alloc, 1, 0));
}

static void stack(void) {
  char *p = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
  T(touch(p - 1, 1));
  T(touch(p - 3 * P, 1));
  T(mprotect(p, P, PROT_READ | PROT_GROWSDOWN));
  T(touch(p - 3 * P, 1));
}

static void sysv(void) {
  int id = shmget(IPC_PRIVATE, 2 * P, IPC_CREAT | 0600);
  char *p = shmat(id, NULL, 0);
  char *q = shmat(id, NULL, SHM_RDONLY);
  strcpy(p, "shared");
  puts(q);
  T(touch(q, 1));
  T(shmat(id, p, 0));
  T(shmat(id, p + 2 * P + 1, 0));
  T(shmat(-1, NULL, 0));
  struct shmid_ds ds;
  T(shmctl(id, IPC_STAT, &ds));
  V(ds.shm_nattch);
  T(shmdt(q));
  T(touch(q, 0));
  T(shmdt(q));
  T(shmctl(id, IPC_STAT, &ds));
  V(ds.shm_nattch);
  T(shmctl(id, IPC_RMID, NULL));
  T(shmdt(p));
}

int main(void) {
  start();
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, NULL);
  sigaction(SIGBUS, &sa, NULL);
  errors();
  protection();
  fixed();
  files();
  remaps();
  advice();
  heap();
  keys();
  stack();
  sysv();
  return 0;
}
