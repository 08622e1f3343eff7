/* Other processes and their memory; futexes one by one; NUMA policies; sealed pages. */
#include "calls.h"
#include <sys/eventfd.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#define SYS_futex_wait 455
#define SYS_futex_requeue 456
#endif
#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif
#define PAGE 4096
#define PRIVATE_WORD (2 | 128) /* FUTEX2_SIZE_U32 | FUTEX2_PRIVATE */

static char text[64], into[64];

static void *pages(int count, int prot) {
  return mmap(NULL, count * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void memory_of(const char *whose, pid_t pid) {
  TITLE(whose);
  strcpy(text, "from here");
  struct iovec local[2] = {{into, 5}, {into + 5, 20}}, remote = {text, 10}, bad = {BAD, 10};
  struct iovec high = {(void *)(1ul << 63), 8};
  T(S(process_vm_readv, pid, local, 2L, &remote, 1L, 0L)), BYTES(into, 9);
  T(S(process_vm_readv, pid, local, 2L, &bad, 1L, 0L)), T(S(process_vm_readv, pid, &bad, 1L, &remote, 1L, 0L));
  T(S(process_vm_readv, pid, local, 2L, &high, 1L, 0L));
  T(S(process_vm_readv, pid, BAD, 2L, &remote, 1L, 0L)), T(S(process_vm_readv, pid, local, 2L, BAD, 1L, 0L));
  T(S(process_vm_readv, pid, local, 2L, &remote, 1L, 1L)), T(S(process_vm_readv, pid, local, 2000L, &remote, 1L, 0L));
  T(S(process_vm_readv, pid, local, 0L, &remote, 1L, 0L)), T(S(process_vm_readv, pid, local, 1L, &remote, -1L, 0L));
  strcpy(into, "written by process_vm");
  struct iovec out = {into, 10}, target = {text, 64};
  T(S(process_vm_writev, pid, &out, 1L, &target, 1L, 0L)), TEXT(text);
  T(S(process_vm_readv, pid, &(struct iovec){into, 64}, 1L, &target, 1L, 0L)), BYTES(into, 10);
  T(S(process_vm_writev, pid, &out, 1L, &bad, 1L, 0L)), T(S(process_vm_writev, pid, &out, 1L, BAD, 1L, 0L));
  T(S(process_vm_writev, pid, BAD, 1L, &target, 1L, 0L)), T(S(process_vm_writev, pid, &out, 1L, &target, 1L, 7L));
  T(S(process_vm_writev, pid, &out, 1L, &(struct iovec){pages(1, PROT_READ), 8}, 1L, 0L));
}

static void others(void) {
  memory_of("own memory", getpid());
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) pause(), _exit(0);
  memory_of("a child's memory", child);
  T(S(process_vm_readv, 99999999, NULL, 0L, NULL, 0L, 0L));
  struct iovec one = {text, 8};
  T(S(process_vm_readv, 99999999, &one, 1L, &one, 1L, 0L)), T(S(process_vm_writev, 99999999, &one, 1L, &one, 1L, 0L));
  AS_NOBODY({ T(S(process_vm_readv, child, &one, 1L, &one, 1L, 0L)); });

  TITLE("kcmp");
  int a = open("a", O_RDWR | O_CREAT, 0600), b = dup(a), c = open("a", O_RDWR);
  pid_t me = getpid();
  T(S(kcmp, me, me, KCMP_FILE, a, b)), T(S(kcmp, me, me, KCMP_FILE, a, c) > 0), T(S(kcmp, me, child, KCMP_FILE, 0, 0));
  T(S(kcmp, me, me, KCMP_FILE, a, 99)), T(S(kcmp, me, me, KCMP_VM, 0, 0)), T(S(kcmp, me, child, KCMP_VM, 0, 0) > 0);
  T(S(kcmp, me, child, KCMP_FILES, 0, 0) > 0), T(S(kcmp, me, me, KCMP_FS, 0, 0)), T(S(kcmp, me, me, KCMP_SIGHAND, 0, 0));
  T(S(kcmp, me, me, KCMP_IO, 0, 0)), T(S(kcmp, me, me, KCMP_SYSVSEM, 0, 0)), T(S(kcmp, me, me, 99, 0, 0));
  T(S(kcmp, 99999999, me, KCMP_VM, 0, 0));
  int e = epoll_create1(0), p[2];
  pipe(p);
  struct epoll_event event = {EPOLLIN};
  epoll_ctl(e, EPOLL_CTL_ADD, p[0], &event);
  struct kcmp_epoll_slot slot = {e, p[0], 0}, wrong = {e, 99, 0};
  T(S(kcmp, me, me, KCMP_EPOLL_TFD, p[0], &slot)), T(S(kcmp, me, me, KCMP_EPOLL_TFD, p[0], &wrong));
  T(S(kcmp, me, me, KCMP_EPOLL_TFD, p[0], BAD));

  TITLE("process_madvise");
  int fd = S(pidfd_open, child, 0), self = S(pidfd_open, me, 0);
  char *page = pages(4, PROT_READ | PROT_WRITE);
  memset(page, 'x', 4 * PAGE);
  struct iovec range = {page, 2 * PAGE}, odd = {page + 1, PAGE}, hole = {BAD, PAGE};
  T(S(process_madvise, self, &range, 1L, MADV_COLD, 0)), T(S(process_madvise, self, &range, 1L, MADV_PAGEOUT, 0));
  T(S(process_madvise, self, &range, 1L, MADV_WILLNEED, 0)), T(S(process_madvise, fd, &range, 1L, MADV_COLD, 0));
  T(S(process_madvise, fd, &range, 1L, MADV_DONTNEED, 0)), T(S(process_madvise, self, &odd, 1L, MADV_COLD, 0));
  T(S(process_madvise, self, &hole, 1L, MADV_COLD, 0)), T(S(process_madvise, self, &range, 1L, MADV_COLD, 1));
  T(S(process_madvise, 99, &range, 1L, MADV_COLD, 0)), T(S(process_madvise, a, &range, 1L, MADV_COLD, 0));
  T(S(process_madvise, self, BAD, 1L, MADV_COLD, 0)), T(S(process_madvise, self, &range, 2000L, MADV_COLD, 0));
  T(S(process_madvise, self, &range, 1L, 9999, 0)), V(page[0]);
  T(S(process_madvise, self, &range, 1L, MADV_DONTNEED, 0)), V(page[0]), V(page[2 * PAGE]);
  /* Where blink keeps its translations there is nothing of ours. */
  T(S(mlock, 0xfffd0000000, 1L * PAGE)), T(S(mlock2, 0xfffd0000000, 1L * PAGE, 1)), T(S(munlock, 0xfffd0000000, 1L * PAGE));
  struct iovec nowhere[] = {range, {(void *)0x50000000, 0x20000000}, {(void *)0x0fffa0000000, 0x5f000000}};
  for (int i = 1; i < 3; i++) {
    void *start = nowhere[i].iov_base;
    long size = nowhere[i].iov_len;
    unsigned char in_core;
    T(madvise(start, size, MADV_DONTNEED)), T(msync(start, size, MS_ASYNC)), T(mincore(start, PAGE, &in_core));
    T(S(remap_file_pages, start, 1L * PAGE, 0, 0L, 0));
    T(S(mlock, start, size)), T(S(munlock, start, size)), T(S(mlock2, start, size, 8));
    T(S(process_madvise, self, &nowhere[i], 1L, MADV_DONTNEED, 0));
  }
  T(S(process_madvise, self, nowhere, 3L, MADV_DONTNEED, 0));
  /* What is wrong with the ranges comes before what is wrong with the process. */
  struct iovec wrong_ranges[] = {{page, -1L}, {(void *)-1L, 1}, {(void *)0x7ffffffff000, 1}, {(void *)0x7ffffffff001, 0}};
  for (int bad = 0; bad < 4; bad++) T(S(process_madvise, 99, &wrong_ranges[bad], 1L, MADV_DONTNEED, 0)), T(S(process_madvise, 99, &wrong_ranges[bad], 1L, MADV_COLD, 0));
  T(S(mincore, nowhere[1].iov_base, 2L * PAGE, 0x7ffffffff000)), T(S(mincore, nowhere[1].iov_base, 2L * PAGE, 0x7fffffffefff));

  /* Filling ends at the first hole, other advice passes it by. */
  munmap(page, PAGE), mprotect(page + PAGE, PAGE, PROT_READ), munmap(page + 2 * PAGE, PAGE);
  for (int advice = 20; advice < 24; advice++) T(madvise(page, 2 * PAGE, advice)), T(madvise(page + PAGE, 2 * PAGE, advice));

  TITLE("process_mrelease");
  T(S(process_mrelease, fd, 0)), T(S(process_mrelease, fd, 1)), T(S(process_mrelease, 99, 0)), T(S(process_mrelease, a, 0));
  kill(child, SIGKILL);
  int released = S(process_mrelease, fd, 0);
  V(released == 0 || errno == ESRCH), waitpid(child, NULL, 0), T(S(process_mrelease, fd, 0));
  for (int i = 3; i < 20; i++) close(i);
}

static uint32_t word, second;

static void *waiter(void *unused) {
  return (void *)S(futex_wait, &word, 5L, 0xffL, PRIVATE_WORD, NULL, CLOCK_MONOTONIC);
}

static void *many(void *unused) {
  struct futex_waitv two[2] = {{5, (long)&word, PRIVATE_WORD, 0}, {0, (long)&second, PRIVATE_WORD, 0}};
  return (void *)S(futex_waitv, two, 2, 0, NULL, CLOCK_MONOTONIC);
}

static long woken(void *(*body)(void *), uint32_t *which) {
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, body, NULL);
  while (S(futex_wake, which, 1L, 1, PRIVATE_WORD) != 1 && errno != ENOSYS) usleep(1000);
  pthread_join(thread, &result);
  return (long)result;
}

static void words(void) {
  TITLE("futex_wait, futex_wake, futex_waitv, futex_requeue");
  struct timespec past = {1, 0}, bad = {0, -1};
  uint64_t wide = 0;
  word = 5;
  T(S(futex_wait, &word, 4L, 1L, PRIVATE_WORD, NULL, 0)), T(S(futex_wait, &word, 5L, 1L, PRIVATE_WORD, &past, CLOCK_MONOTONIC));
  T(S(futex_wait, &word, 5L, 1L, 2, &past, CLOCK_REALTIME)), T(S(futex_wait, &word, 5L, 0L, PRIVATE_WORD, &past, 1));
  T(S(futex_wait, &word, 5L, 1L, PRIVATE_WORD, &bad, 1)), T(S(futex_wait, &word, 5L, 1L, PRIVATE_WORD, BAD, 1));
  T(S(futex_wait, &word, 5L, 1L, PRIVATE_WORD, &past, 7)), T(S(futex_wait, BAD, 5L, 1L, PRIVATE_WORD, &past, 1));
  T(S(futex_wait, (char *)&word + 1, 5L, 1L, PRIVATE_WORD, &past, 1)), T(S(futex_wait, &wide, 0L, 1L, 3, &past, 1));
  T(S(futex_wait, &word, 5L, 1L, 0x40, &past, 1)), T(S(futex_wait, &word, 5L, 1L, 0, &past, 1)), T(S(futex_wait, &word, 5L, 1L, 1, &past, 1));
  T(S(futex_wake, &word, 1L, 1, PRIVATE_WORD)), T(S(futex_wake, BAD, 1L, 1, PRIVATE_WORD)), T(S(futex_wake, BAD, 1L, 1, 2));
  T(S(futex_wake, &word, 1L, 1, 0x40)), T(S(futex_wake, &word, 1L, 1, 0)), T(S(futex_wake, &word, 1L, 1, 3));
  T(S(futex_wake, &word, 1L, 1, 1)), T(S(futex_wake, &word, 0L, 1, PRIVATE_WORD));
  uint32_t pair[2] = {5, 0};
  T(S(futex_wait, pair, 5L, 1L, 4 | PRIVATE_WORD, &past, 1)), T(S(futex_wait, pair, 5L, 1L, 8 | PRIVATE_WORD, &past, 1));
  pair[0] = 5, pair[1] = 0, T(S(futex_wake, pair, 1L, 1, 4 | PRIVATE_WORD)), T(S(futex_wake, pair, 1L, 1, 8 | PRIVATE_WORD));
  T(woken(waiter, &word));
  T(woken(many, &second)), T(woken(many, &word));
  struct futex_waitv v[2] = {{5, (long)&word, PRIVATE_WORD, 0}, {1, (long)&second, PRIVATE_WORD, 0}};
  T(S(futex_waitv, v, 2, 0, NULL, 1)), v[1].val = 0;
  T(S(futex_waitv, v, 2, 0, &past, 1)), T(S(futex_waitv, v, 2, 1, &past, 1)), T(S(futex_waitv, v, 0, 0, &past, 1));
  T(S(futex_waitv, v, 129, 0, &past, 1)), T(S(futex_waitv, NULL, 2, 0, &past, 1)), T(S(futex_waitv, BAD, 2, 0, &past, 1));
  T(S(futex_waitv, v, 2, 0, BAD, 1)), T(S(futex_waitv, v, 2, 0, &past, 9)), T(S(futex_waitv, v, 2, 0, &past, CLOCK_REALTIME));
  v[1].uaddr = (long)BAD, T(S(futex_waitv, v, 2, 0, &past, 1)), v[1].uaddr = (long)&second;
  v[1].__reserved = 1, T(S(futex_waitv, v, 2, 0, &past, 1)), v[1].__reserved = 0, v[1].flags = 77;
  T(S(futex_waitv, v, 2, 0, &past, 1)), v[1].flags = PRIVATE_WORD;
  T(S(futex_requeue, v, 0, 1, 1)), T(S(futex_requeue, v, 1, 1, 1)), T(S(futex_requeue, BAD, 0, 1, 1)), T(S(futex_requeue, NULL, 0, 1, 1));
  T(S(futex_requeue, v, 0, -1, 1)), v[0].val = 4, T(S(futex_requeue, v, 0, 1, 1)), v[0].val = 5;
  pthread_t thread;
  void *result;
  pthread_create(&thread, NULL, waiter, NULL);
  while (S(futex_requeue, v, 0, 0, 1) != 1 && errno != ENOSYS) usleep(1000);
  T(S(futex_wake, &word, 0xffL, 1, PRIVATE_WORD)), T(S(futex_wake, &second, 0xffL, 1, PRIVATE_WORD));
  pthread_join(thread, &result), V(result);
}

static void policies(void) {
  TITLE("NUMA");
  unsigned long mask[16] = {1}, none[16] = {0}, far[16] = {1ul << 40}, got[16];
  int mode = -1, status[2] = {-1, -1}, node = 0;
  char *page = pages(4, PROT_READ | PROT_WRITE);
  page[0] = page[PAGE] = 1;
  T(S(get_mempolicy, &mode, NULL, 0L, NULL, 0L)), V(mode);
  T(S(set_mempolicy, MPOL_BIND, mask, 64L)), T(S(get_mempolicy, &mode, got, 1024L, NULL, 0L)), V(mode), V(got[0]);
  T(S(set_mempolicy, MPOL_INTERLEAVE, mask, 64L)), T(S(set_mempolicy, MPOL_PREFERRED, mask, 64L));
  T(S(set_mempolicy, MPOL_LOCAL, NULL, 0L)), T(S(set_mempolicy, MPOL_LOCAL, mask, 64L)), T(S(set_mempolicy, MPOL_PREFERRED_MANY, mask, 64L));
  T(S(set_mempolicy, 6, mask, 64L)), T(S(set_mempolicy, MPOL_BIND, none, 64L)), T(S(set_mempolicy, MPOL_BIND, far, 64L));
  T(S(set_mempolicy, 99, mask, 64L)), T(S(set_mempolicy, MPOL_BIND, BAD, 64L)), T(S(set_mempolicy, MPOL_BIND, mask, 1L << 40));
  T(S(set_mempolicy, MPOL_BIND | MPOL_F_STATIC_NODES, mask, 64L)), T(S(set_mempolicy, MPOL_BIND | MPOL_F_RELATIVE_NODES, mask, 64L));
  T(S(set_mempolicy, MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, mask, 64L));
  T(S(set_mempolicy, MPOL_BIND | MPOL_F_NUMA_BALANCING, mask, 64L)), T(S(set_mempolicy, MPOL_INTERLEAVE | MPOL_F_NUMA_BALANCING, mask, 64L));
  T(S(set_mempolicy, MPOL_DEFAULT, NULL, 0L));
  T(S(get_mempolicy, NULL, got, 1024L, NULL, MPOL_F_MEMS_ALLOWED)), V(got[0]);
  T(S(get_mempolicy, &mode, NULL, 0L, page, MPOL_F_ADDR)), V(mode);
  T(S(get_mempolicy, &mode, NULL, 0L, page, MPOL_F_ADDR | MPOL_F_NODE)), V(mode);
  T(S(get_mempolicy, &mode, NULL, 0L, NULL, MPOL_F_NODE)), T(S(get_mempolicy, BAD, NULL, 0L, NULL, 0L));
  T(S(get_mempolicy, NULL, BAD, 1024L, NULL, 0L)), T(S(get_mempolicy, NULL, got, 1L, NULL, 0L));
  T(S(get_mempolicy, &mode, NULL, 0L, BAD, MPOL_F_ADDR)), T(S(get_mempolicy, &mode, NULL, 0L, page, 0L)), T(S(get_mempolicy, NULL, NULL, 0L, NULL, 99L));
  T(S(mbind, page, 2L * PAGE, MPOL_BIND, mask, 64L, 0)), T(S(get_mempolicy, &mode, got, 1024L, page, MPOL_F_ADDR)), V(mode), V(got[0]);
  T(S(mbind, page, 2L * PAGE, MPOL_BIND, mask, 64L, MPOL_MF_STRICT)), T(S(mbind, page, 2L * PAGE, MPOL_BIND, mask, 64L, MPOL_MF_MOVE));
  T(S(mbind, page, 2L * PAGE, MPOL_BIND, mask, 64L, MPOL_MF_MOVE_ALL)), T(S(mbind, page, 2L * PAGE, MPOL_BIND, mask, 64L, 64));
  T(S(mbind, page, 2L * PAGE, MPOL_INTERLEAVE, mask, 64L, 0)), T(S(mbind, page, 2L * PAGE, MPOL_PREFERRED, mask, 64L, 0));
  T(S(mbind, page, 2L * PAGE, MPOL_LOCAL, NULL, 0L, 0)), T(S(mbind, page, 2L * PAGE, MPOL_PREFERRED_MANY, mask, 64L, 0)), T(S(mbind, page, 2L * PAGE, 6, mask, 64L, 0));
  T(S(mbind, page, 2L * PAGE, MPOL_BIND | MPOL_F_STATIC_NODES, mask, 64L, 0)), T(S(mbind, page, 2L * PAGE, MPOL_BIND | MPOL_F_RELATIVE_NODES, mask, 64L, 0));
  T(S(mbind, page, 2L * PAGE, MPOL_BIND | MPOL_F_NUMA_BALANCING, mask, 64L, 0));
  T(S(mbind, page + 1, 1L * PAGE, MPOL_BIND, mask, 64L, 0)), T(S(mbind, BAD, 1L * PAGE, MPOL_BIND, mask, 64L, 0)), T(S(mbind, page, 1L << 46, MPOL_BIND, mask, 64L, 0));
  T(S(mbind, page, 1L * PAGE, MPOL_BIND, BAD, 64L, 0)), T(S(mbind, page, 1L * PAGE, 88, mask, 64L, 0)), T(S(mbind, page, 0L, MPOL_BIND, mask, 64L, 0));
  T(S(set_mempolicy_home_node, page, 1L * PAGE, 0L, 0L)), T(S(mbind, page, 2L * PAGE, MPOL_BIND, mask, 64L, 0));
  T(S(set_mempolicy_home_node, page, 1L * PAGE, 0L, 0L)), T(S(set_mempolicy_home_node, page, 1L * PAGE, 0L, 1L));
  T(S(set_mempolicy_home_node, page, 1L * PAGE, 77L, 0L)), T(S(set_mempolicy_home_node, page + 1, 1L * PAGE, 0L, 0L)), T(S(set_mempolicy_home_node, page, -1L, 0L, 0L));
  T(S(mbind, page, 2L * PAGE, MPOL_DEFAULT, NULL, 0L, 0));
  void *where[2] = {page, page + 3 * PAGE};
  int nodes[2] = {0, 0}, wrong[2] = {0, 77};
  T(S(move_pages, 0, 2L, where, NULL, status, 0)), V(status[0]), V(status[1]);
  T(S(move_pages, 0, 1L, where, nodes, status, MPOL_MF_MOVE)), V(status[0]);
  T(S(move_pages, 0, 1L, where, nodes, status, MPOL_MF_MOVE_ALL)), T(S(move_pages, 0, 2L, where, wrong, status, MPOL_MF_MOVE));
  T(S(move_pages, 0, 1L, where, nodes, status, 9)), T(S(move_pages, 0, 1L, BAD, nodes, status, MPOL_MF_MOVE)), T(S(move_pages, 0, 1L, where, BAD, status, MPOL_MF_MOVE));
  T(S(move_pages, 0, 1L, where, NULL, BAD, 0)), T(S(move_pages, 99999999, 1L, where, NULL, status, 0)), T(S(move_pages, 0, 1L, where, nodes, status, MPOL_MF_STRICT));
  where[0] = BAD, T(S(move_pages, 0, 1L, where, NULL, status, 0)), V(status[0]);
  T(S(migrate_pages, 0, 64L, mask, mask)), T(S(migrate_pages, 99999999, 64L, mask, mask)), T(S(migrate_pages, 0, 64L, BAD, mask));
  T(S(migrate_pages, 0, 64L, mask, BAD)), T(S(migrate_pages, 0, 64L, mask, far)), T(S(migrate_pages, 0, 1L << 40, mask, mask));
}

static void sealed(void) {
  TITLE("mseal");
  char *p = pages(8, PROT_READ | PROT_WRITE), *q;
  memset(p, 's', 8 * PAGE);
  T(S(mseal, p + 1, 1L * PAGE, 0L)), T(S(mseal, p, 1L * PAGE, 1L)), T(S(mseal, p, -1L, 0L)), T(S(mseal, BAD, 1L * PAGE, 0L)), T(S(mseal, p, 0L, 0L));
  T(S(mseal, 0L, 1L * PAGE, 0L)), T(S(mseal, p + 2 * PAGE, 2L * PAGE, 0L)), T(S(mseal, p + 2 * PAGE, 2L * PAGE, 0L)), T(S(mseal, p + 7 * PAGE, 1L << 40, 0L));
  T(munmap(p + 2 * PAGE, PAGE)), T(munmap(p, 8 * PAGE)), T(mprotect(p + PAGE, 2 * PAGE, PROT_READ)), T(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
  q = mremap(p + 2 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), V(q == MAP_FAILED), V(errno);
  q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 3 * PAGE), V(q == MAP_FAILED), V(errno);
  q = mmap(p + 3 * PAGE, PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), V(q == MAP_FAILED), V(errno);
  int wrong[] = {open("only_read", O_CREAT | O_RDONLY, 0600), eventfd(0, 0), 99};
  for (int i = 0; i < 3; i++) q = mmap(p + 3 * PAGE, PAGE, PROT_WRITE, MAP_FIXED | MAP_SHARED, wrong[i], 0), V(q == MAP_FAILED), V(errno);
  T(madvise(p + 2 * PAGE, PAGE, MADV_WILLNEED)), T(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED)), V(p[2 * PAGE]), V(p[3 * PAGE]);
  p[3 * PAGE] = 'w', V(p[3 * PAGE]), T(munmap(p, PAGE)), T(mprotect(p + 4 * PAGE, PAGE, PROT_READ));
  T(S(mseal, p + 4 * PAGE, 1L * PAGE, 0L)), T(madvise(p + 4 * PAGE, PAGE, MADV_DONTNEED)), T(madvise(p + 4 * PAGE, PAGE, MADV_FREE)), T(madvise(p + 3 * PAGE, 2 * PAGE, MADV_REMOVE)), T(madvise(p + 3 * PAGE, 2 * PAGE, MADV_DONTNEED)), T(madvise(p + 4 * PAGE, PAGE, MADV_REMOVE));
  T(madvise(p + 4 * PAGE, PAGE, MADV_DONTFORK)), T(madvise(p + 4 * PAGE, PAGE, MADV_WIPEONFORK)), V(p[4 * PAGE]);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(munmap(p + 2 * PAGE, PAGE) == -1 ? errno : 0);
  int status;
  waitpid(child, &status, 0), V(status);
}

static void cached(void) {
  TITLE("cachestat, remap_file_pages, memfd_secret");
  int fd = make("cached", "");
  ftruncate(fd, 4 * PAGE);
  char *m = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  for (int i = 0; i < 4; i++) m[i * PAGE] = '0' + i;
  struct {
    uint64_t at, length;
  } range = {0, 4 * PAGE}, odd = {-1ul, 5};
  uint64_t counts[5] = {0};
  T(S(cachestat, fd, &range, counts, 0)), V(counts[0]);
  T(S(cachestat, fd, &range, counts, 1)), T(S(cachestat, 99, &range, counts, 0)), T(S(cachestat, fd, BAD, counts, 0)), T(S(cachestat, fd, &range, BAD, 0));
  T(S(cachestat, fd, &odd, counts, 0));
  int p[2];
  pipe(p), T(S(cachestat, p[0], &range, counts, 0));
  T(S(remap_file_pages, m, 1L * PAGE, 0, 3L, 0)), V(m[0]), V(m[PAGE]);
  T(S(remap_file_pages, m, 1L * PAGE, 0, 0L, MAP_NONBLOCK)), V(m[0]);
  T(S(remap_file_pages, m, 1L * PAGE, PROT_READ, 0L, 0)), T(S(remap_file_pages, BAD, 1L * PAGE, 0, 0L, 0)), T(S(remap_file_pages, m, 0L, 0, 0L, 0));
  T(S(remap_file_pages, pages(1, PROT_READ), 1L * PAGE, 0, 0L, 0)), T(S(remap_file_pages, m, 1L * PAGE, 0, -1L, 0));
  int secret = T(S(memfd_secret, 0)), again = T(S(memfd_secret, O_CLOEXEC));
  T(S(memfd_secret, 1)), T(fcntl(again, F_GETFD)), T(ftruncate(secret, PAGE));
  char *hidden = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
  if (secret >= 0) strcpy(hidden, "secret"), TEXT(hidden), T(write(1, hidden, 0)), T(pwrite(fd, hidden, 6, 0));
  T(read(secret, text, 5));
  close(3);
  for (int i = 0; i < 3; i++) dup(0);
  setrlimit(7, &(struct { long a, b; }){3, 1024});
  T(S(memfd_secret, 0));
}

int main(void) {
  start();
  others();
  words();
  policies();
  sealed();
  cached();
  return 0;
}
