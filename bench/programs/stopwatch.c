/* Runs a program and reports what it cost, from a process too small to make its start slower.
 * usage: stopwatch REPORT SECONDS PROGRAM ARGS...
 * REPORT gets one line: status wall_ns user_us system_us.  The status is that of wait(2).
 * One that runs longer than SECONDS is killed, with its group; its status is then SIGALRM. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long microseconds(struct timeval t) { return t.tv_sec * 1000000LL + t.tv_usec; }

static volatile sig_atomic_t ended_by;
static pid_t child;

static void expire(int signo) {
  ended_by = signo;
  kill(-child, SIGKILL);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  int status;
  struct rusage used;
  long long started = now();
  child = fork();
  if (child == 0) {
    setpgid(0, 0);
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  setpgid(child, child);
  signal(SIGALRM, expire);
  signal(SIGINT, expire);
  signal(SIGTERM, expire);
  alarm(atoi(argv[2]));
  while (wait4(child, &status, 0, &used) < 0) continue;
  long long wall = now() - started;
  FILE *report = fopen(argv[1], "w");
  if (!report) return 1;
  fprintf(report, "%d %lld %lld %lld\n", ended_by ? ended_by : status, wall,
          microseconds(used.ru_utime), microseconds(used.ru_stime));
  return fclose(report) != 0;
}
