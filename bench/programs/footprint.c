/* Runs a program and reports the highest memory of its process tree, looked at every millisecond.
 * usage: footprint REPORT SECONDS PROGRAM ARGS...
 * The tree is the session that the program starts in.  REPORT gets one line: pss_kib processes,
 * both of the look that found most; zeros if the program was too short to be seen. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAUSE = 1000000 }; /* ns */

static pid_t child;

static void expire(int signo) {
  (void)signo;
  kill(-child, SIGKILL);
}

static FILE *open_of(const char *pid, const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%.20s/%s", pid, name);
  return fopen(path, "r");
}

/* The session of a process; 0 if it is gone.  In stat(5) it is the fourth field after the `)`. */
static int session(const char *pid) {
  char line[512];
  int found = 0;
  FILE *file = open_of(pid, "stat");
  if (!file) return 0;
  line[fread(line, 1, sizeof line - 1, file)] = 0;
  fclose(file);
  char *end = strrchr(line, ')');
  return end && sscanf(end + 1, " %*c %*d %*d %d", &found) == 1 ? found : 0;
}

/* Proportional set size in KiB; 0 if the process is gone or a zombie. */
static long proportional(const char *pid) {
  char line[256];
  long kib = 0;
  FILE *file = open_of(pid, "smaps_rollup");
  if (!file) return 0;
  while (!kib && fgets(line, sizeof line, file)) sscanf(line, "Pss: %ld", &kib);
  fclose(file);
  return kib;
}

typedef struct {
  long kib;
  int processes;
} Look;

static Look look(void) {
  Look found = {0, 0};
  DIR *folder = opendir("/proc");
  if (!folder) return found;
  for (struct dirent *entry; (entry = readdir(folder));) {
    if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || session(entry->d_name) != child) continue;
    long kib = proportional(entry->d_name);
    found.kib += kib, found.processes += kib > 0;
  }
  closedir(folder);
  return found;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  Look most = {0, 0};
  child = fork();
  if (child == 0) {
    setsid();
    execvp(argv[3], argv + 3);
    _exit(127);
  }
  signal(SIGALRM, expire);
  signal(SIGINT, expire);
  signal(SIGTERM, expire);
  alarm(atoi(argv[2]));
  while (waitpid(child, NULL, WNOHANG) == 0) {
    Look now = look();
    if (now.kib > most.kib) most = now;
    nanosleep(&(struct timespec){0, PAUSE}, NULL);
  }
  FILE *report = fopen(argv[1], "w");
  if (!report) return 1;
  fprintf(report, "%ld %d\n", most.kib, most.processes);
  return fclose(report) != 0;
}
