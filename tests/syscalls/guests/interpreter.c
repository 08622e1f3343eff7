/* Makes the system calls that a file lists, and writes what each did into another: see ../fuzz.
 *
 * usage: interpreter PROGRAM RESULTS
 * PROGRAM: a count; then calls: number, count of pokes, six arguments, pokes (address, length, bytes).
 * RESULTS: how many calls are done; a Result each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TICK = 4000, /* microseconds after which a call has waited enough */
       ROUND = 64, RUNS = 8, PATTERN = 0xA5, OPEN_FILES = 64 };
#define DATA ((uint8_t *)0x20000000ul)
#define DATA_SIZE 0x4000ul
#define READ_ONLY ((uint8_t *)0x20006000ul)
#define NO_ACCESS ((uint8_t *)0x20008000ul)
#define PLAYGROUND ((uint8_t *)0x20010000ul)
#define PLAYGROUND_SIZE 0x10000ul
#define PID_TOKEN 0x50494400000000ul /* stands for the process's own number */

typedef struct {
  int64_t result;
  uint32_t hash, runs; /* of what changed in DATA */
  struct {
    uint16_t start, length;
  } run[RUNS];
} Result;

typedef struct {
  uint32_t number, pokes;
  uint64_t args[6];
} Call;

typedef struct {
  uint64_t address, length; /* then the bytes, to a multiple of 8 */
} Poke;

static uint8_t expected[DATA_SIZE] __attribute__((aligned(64)));
static long self;

static long call(long number, const uint64_t *a) {
  long result;
  register uint64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static void tick(int signo) { (void)signo; }

static void arm(long microseconds) {
  struct itimerval value = {{0, microseconds / 4}, {0, microseconds}};
  setitimer(ITIMER_REAL, &value, NULL);
}

/* What a call may have changed, so that later ones cannot block for good or kill. */
static void settle(void) {
  struct sigaction action = {.sa_handler = tick};
  sigset_t none;
  arm(0);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  sigaction(SIGALRM, &action, NULL);
}

static void ignore_signals(void) {
  for (int signo = 1; signo <= 64; signo++)
    if (signo != SIGSEGV && signo != SIGBUS && signo != SIGILL && signo != SIGFPE && signo != SIGTRAP)
      signal(signo, SIG_IGN);
}

static void map_at(void *where, size_t size, int prot) {
  void *at = mmap(where, size, prot, MAP_FIXED_NOREPLACE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at != where) perror("mmap"), exit(99);
}

static char folder[4096];

/* Descriptors 3 to 15, of many kinds; again from time to time, for the list closes and changes them. */
static void open_things(void) {
  int pair[2];
  chdir(folder), umask(022);
  for (int fd = 3; fd < OPEN_FILES; fd++) close(fd);
  mkdir("dir", 0755), symlink("a", "link"), symlink("loop", "loop"), mkfifo("fifo", 0600);
  close(open("b", O_CREAT | O_RDWR, 0600));
  int fd = open("a", O_CREAT | O_RDWR, 0644);
  write(fd, "some bytes in a file", 20), lseek(fd, 5, SEEK_SET);
  open(".", O_RDONLY | O_DIRECTORY);
  pipe2(pair, O_NONBLOCK), write(pair[1], "piped", 5);
  socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
  eventfd(3, EFD_NONBLOCK);
  epoll_create1(0);
  timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  inotify_init1(IN_NONBLOCK);
  syscall(SYS_memfd_create, "m", MFD_ALLOW_SEALING);
  open("a", O_PATH);
}

static void limit(int resource, rlim_t soft, rlim_t hard) {
  struct rlimit value = {soft, hard};
  setrlimit(resource, &value);
}

static void *map_file(const char *name, int flags, int prot) {
  struct stat status;
  int fd = open(name, flags);
  if (fd < 0 || fstat(fd, &status) != 0) perror(name), exit(98);
  void *at = mmap(NULL, status.st_size, prot, MAP_SHARED, fd, 0);
  close(fd);
  return at;
}

static const Poke *poke(const Poke *p) {
  uint64_t offset = p->address - (uint64_t)DATA;
  memcpy(DATA + offset, p + 1, p->length);
  memcpy(expected + offset, p + 1, p->length);
  return (const Poke *)((const uint8_t *)(p + 1) + ((p->length + 7) & ~7ul));
}

static void compare(Result *r) {
  const uint64_t *now = (const uint64_t *)DATA, *was = (const uint64_t *)expected;
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < DATA_SIZE / 8; i++) {
    if (now[i] == was[i]) continue;
    for (uint32_t at = i * 8; at < i * 8 + 8; at++) {
      if (DATA[at] == expected[at]) continue;
      hash = (hash ^ (at * 256 + DATA[at])) * 16777619u;
      if (r->runs != 0 && r->run[r->runs - 1].start + r->run[r->runs - 1].length == (int)at) {
        r->run[r->runs - 1].length++;
      } else if (r->runs < RUNS) {
        r->run[r->runs].start = at, r->run[r->runs].length = 1, r->runs++;
      }
    }
  }
  r->hash = hash;
}

/* Where the list made these pages writable, times may lie there, and names are read from there later. */
static void forget_stores(void) {
  madvise(READ_ONLY, 0x1000, MADV_DONTNEED), madvise(NO_ACCESS, 0x1000, MADV_DONTNEED);
}

static const void *step(const Call *c, Result *r) {
  uint64_t args[6];
  const Poke *p = (const Poke *)(c + 1);
  memset(DATA, PATTERN, DATA_SIZE), memset(expected, PATTERN, DATA_SIZE);
  for (uint32_t i = 0; i < c->pokes; i++) p = poke(p);
  for (int i = 0; i < 6; i++) args[i] = c->args[i] == PID_TOKEN ? (uint64_t)self : c->args[i];
  arm(TICK);
  r->result = call(c->number, args);
  settle();
  forget_stores();
  if (r->result == self) r->result = PID_TOKEN;
  compare(r);
  return p;
}

int main(int argc, char **argv) {
  (void)argc;
  const uint64_t *program = map_file(argv[1], O_RDONLY, PROT_READ);
  uint64_t *results = map_file(argv[2], O_RDWR, PROT_READ | PROT_WRITE);
  self = getpid();
  map_at(DATA, DATA_SIZE, PROT_READ | PROT_WRITE);
  map_at(READ_ONLY, 0x1000, PROT_READ);
  map_at(NO_ACCESS, 0x1000, PROT_NONE);
  map_at(PLAYGROUND, PLAYGROUND_SIZE, PROT_READ | PROT_WRITE);
  getcwd(folder, sizeof folder);
  ignore_signals();
  open_things();
  limit(RLIMIT_FSIZE, 1 << 20, 1 << 20), limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_NOFILE, OPEN_FILES, 4096), limit(RLIMIT_MEMLOCK, 1 << 20, 1 << 20);
  settle();
  const void *at = program + 1;
  Result *r = (Result *)(results + 1);
  for (uint64_t i = 0; i < program[0]; i++) {
    if (i % ROUND == ROUND - 1) open_things();
    at = step(at, r + i);
    results[0] = i + 1;
  }
  _exit(0);
}
