/* Resource limits: which the host keeps, and the three that are the guest's own. */
#include "calls.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *const names[] = {"CPU",     "FSIZE", "DATA",  "STACK",      "CORE",    "RSS",
                                    "NPROC",   "NOFILE", "MEMLOCK", "AS",      "LOCKS",   "SIGPENDING",
                                    "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};

static void asking(void) {
  TITLE("get");
  struct rlimit r;
  for (int i = 0; i < 16; i++) {
    T(S(getrlimit, i, &r));
    printf("%s %lx %lx\n", names[i], (long)r.rlim_cur, (long)r.rlim_max);
  }
  T(S(getrlimit, 16, &r));
  T(S(getrlimit, -1, &r));
  T(S(getrlimit, RLIMIT_CORE, BAD));
  T(S(prlimit64, 0, RLIMIT_STACK, NULL, &r)), V(r.rlim_cur);
  T(S(prlimit64, getpid(), RLIMIT_STACK, NULL, &r)), V(r.rlim_cur);
  T(S(prlimit64, getppid(), RLIMIT_CORE, NULL, &r));
  T(S(prlimit64, 0x7ffffff, RLIMIT_CORE, NULL, &r));
  T(S(prlimit64, 0, 77, NULL, &r));
  T(S(prlimit64, 0, RLIMIT_CORE, NULL, NULL));
  T(S(prlimit64, 0, RLIMIT_CORE, BAD, NULL));
}

static void setting(int which, rlim_t soft, rlim_t hard) {
  struct rlimit r = {soft, hard}, old;
  printf("%s: ", names[which]);
  T(S(setrlimit, which, &r));
  T(S(prlimit64, 0, which, NULL, &old)), V(old.rlim_cur), V(old.rlim_max);
  r.rlim_cur = r.rlim_max + 1;
  if (hard != RLIM_INFINITY) T(S(setrlimit, which, &r));
  T(S(setrlimit, which, BAD));
}

static void in_child(void (*body)(void)) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    body();
    fflush(stdout);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  printf("ends with %x\n", status);
}

static long pages(void) {
  long count = 0;
  while (count < 4096 && mmap(NULL, 1 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
    count++;
  return count;
}

static void space(void) {
  TITLE("RLIMIT_AS");
  setting(RLIMIT_AS, 100 << 20, 200 << 20);
  long got = pages();
  V(got > 80 && got <= 100);
  T(mmap(NULL, 4096L << 12, 1, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  V(malloc(50 << 20) == NULL);
  V(sbrk(50 << 20) == (void *)-1);
  struct rlimit more = {150 << 20, 200 << 20};
  T(setrlimit(RLIMIT_AS, &more));
  got = pages();
  V(got >= 49 && got <= 50);
}

static void data(void) {
  TITLE("RLIMIT_DATA");
  setting(RLIMIT_DATA, 64 << 20, RLIM_INFINITY);
  T(mmap(NULL, 100 << 20, 1, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  T(mmap(NULL, 100 << 20, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
  T(mmap(NULL, 100 << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  void *small = mmap(NULL, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  T(mremap(small, 4096, 100 << 20, MREMAP_MAYMOVE));
  V(sbrk(100 << 20) == (void *)-1);
  long got = pages();
  V(got > 50 && got <= 64);
}

static int deep(int n) {
  volatile char frame[4096];
  frame[0] = (char)n, frame[4095] = (char)n;
  return n == 0 ? frame[0] : deep(n - 1) + frame[4095];
}

static void stack(void) {
  TITLE("RLIMIT_STACK");
  setting(RLIMIT_STACK, 1 << 20, 32 << 20);
  V(deep(100) != 77777);
  struct rlimit r;
  signal(SIGSEGV, SIG_DFL);
  fflush(stdout);
  if (fork() == 0) {
    deep(1000);
    _exit(0);
  }
  int status;
  wait(&status), V(status & 0x7f);
  r = (struct rlimit){16 << 20, 32 << 20};
  T(setrlimit(RLIMIT_STACK, &r));
  V(deep(2500) != 77777);
}

static void nobody(void) {
  TITLE("raising");
  syscall(SYS_setresuid, 65534, 65534, 65534);
  struct rlimit r = {1 << 20, 1 << 20}, more = {2 << 20, 2 << 20};
  for (int which = 0; which < 10; which += 1) {
    if (which != RLIMIT_AS && which != RLIMIT_DATA && which != RLIMIT_STACK && which != RLIMIT_FSIZE)
      continue;
    printf("%s: ", names[which]);
    r.rlim_cur = r.rlim_max = which == RLIMIT_FSIZE ? 1 << 20 : 1L << 30;
    T(setrlimit(which, &r));
    more.rlim_max = r.rlim_max + 4096;
    T(setrlimit(which, &more));
  }
}

static void on(int signo) { printf("signal %d\n", signo); }

static void sizes(void) {
  TITLE("RLIMIT_FSIZE and others");
  setting(RLIMIT_FSIZE, 100, RLIM_INFINITY);
  signal(SIGXFSZ, on);
  int fd = make("f", "");
  char big[200] = {0};
  T(write(fd, big, 200));
  T(write(fd, big, 200));
  setting(RLIMIT_CORE, 0, 0);
  setting(RLIMIT_NOFILE, 30, 40);
  T(dup2(0, 30));
  T(dup2(0, 29));
  setting(RLIMIT_NPROC, 1000, 1000);
}

int main(void) {
  start();
  asking();
  in_child(space);
  in_child(data);
  in_child(stack);
  if (geteuid() == 0) in_child(nobody);
  in_child(sizes);
  return 0;
}
