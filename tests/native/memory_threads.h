/* Threads of memory_stress.c: writers store to pages that a decoder marks, while tracking goes on and
 * off and processes are made. */
#ifndef MEMORY_THREADS_H
#define MEMORY_THREADS_H
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS = 3, SHARED_PAGES = 8 };
static volatile bool stop;

static u64 slot(u64 page, u64 writer) { return BASE + page * 4096 + 64 * writer; }

static void *writer(void *argument) {
  u64 id = (u64)argument, last[SHARED_PAGES] = {0}, count = 0;
  Cpu *c = new_cpu();
  rng_state = seed * 7919 + id + 1;
  while (!stop) {
    u64 page = rng(SHARED_PAGES), fault, seen;
    Value value = {0};
    CHECK(guest_access(c, false, slot(page, id), 8, &value) == DONE, "load %#lx", fault_addr);
    memcpy(&seen, value.b, 8);
    CHECK(seen == last[page], "writer %lu lost a store: %lu, not %lu", id, seen, last[page]);
    last[page] = ++count;
    memcpy(value.b, &count, 8);
    if (count % 4 != 0) {
      CHECK(guest_access(c, true, slot(page, id), 8, &value) == DONE, "store %#lx", fault_addr);
    } else {
      CHECK(memory_write(mem, slot(page, id), &count, 8, false, &fault), "write %#lx", fault);
    }
  }
  memory_detach(c);
  free(c);
  return (void *)count;
}

static u64 now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* Bytes read after mark_code() may change only if code_epoch moves: else stale code would run on. */
static void *decoder(void *argument) {
  u64 *noticed = argument;
  Cpu *c = new_cpu();
  rng_state = seed * 104729 + 5;
  while (!stop) {
    u64 page = rng(SHARED_PAGES), before = mem->code_epoch, fault, a[24], b[24];
    CHECK(memory_mark_code(mem, BASE + page * 4096), "mark_code");
    CHECK(memory_read(mem, BASE + page * 4096, a, sizeof a, false, &fault), "read");
    for (int i = 0; i < 500; i++) {
      CHECK(memory_read(mem, BASE + page * 4096, b, sizeof b, false, &fault), "read");
      if (memcmp(a, b, sizeof a) == 0) continue;
      u64 deadline = now_ms() + 5000; /* the store may be seen a moment before the epoch */
      while (mem->code_epoch == before && now_ms() < deadline) sched_yield();
      CHECK(mem->code_epoch != before, "code changed, code_epoch did not");
      ++*noticed;
      break;
    }
  }
  memory_detach(c);
  free(c);
  return NULL;
}

/* A child may work on even if other threads were inside Memory at the fork. */
static void fork_once(void) {
  memory_fork_begin(mem);
  pid_t child = fork();
  memory_fork_end(mem);
  if (child == 0) {
    u64 fault, value = 77;
    bool ok = memory_track_begin(mem) == 0;
    ok = ok && memory_write(mem, slot(3, WRITERS), &value, 8, false, &fault);
    ok = ok && memory_dirty_next(mem, BASE + 3 * 4096) == BASE + 3 * 4096;
    ok = ok && memory_protect(mem, BASE, 4096, PAGE_R) == 0;
    ok = ok && !memory_write(mem, BASE + 8, &value, 8, false, &fault) && fault == BASE + 8;
    _exit(ok ? 0 : 1);
  }
  int status;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "child %#x", status);
}

static void thread_phase(u64 milliseconds) {
  pthread_t threads[WRITERS + 1];
  u64 noticed = 0, stores = 0, forks = 0;
  int r = memory_map(mem, BASE, SHARED_PAGES * 4096, PAGE_PROT, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(r == 0, "map %d", r);
  pthread_create(&threads[WRITERS], NULL, decoder, &noticed);
  for (u64 i = 0; i < WRITERS; i++) pthread_create(&threads[i], NULL, writer, (void *)i);
  for (u64 end = now_ms() + milliseconds; now_ms() < end; step++) {
    CHECK(memory_track_begin(mem) == 0, "track");
    usleep(200);
    memory_prepare_write(mem, BASE, SHARED_PAGES * 4096);
    r = memory_map(mem, BASE + 32 * 4096, 16 * 4096, PAGE_R, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(r == 0, "map %d", r);
    memory_track_end(mem);
    if (step % 16 == 0) fork_once(), forks++;
  }
  stop = true;
  for (u64 i = 0; i < WRITERS; i++) {
    void *count;
    pthread_join(threads[i], &count);
    stores += (u64)count;
  }
  pthread_join(threads[WRITERS], NULL);
  CHECK(stores > 0 && noticed > 0 && forks > 0, "nothing happened");
  printf("%lu stores, %lu changes of code noticed, %lu forks\n", stores, noticed, forks);
}

#endif
