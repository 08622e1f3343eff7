/* fork, vfork, clone, exec, wait. */
#include "check.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
static char *self;

static void status(const char *name, int status) {
  printf("%s: exited %d %d signaled %d %d stopped %d continued %d\n", name, WIFEXITED(status),
         WIFEXITED(status) ? WEXITSTATUS(status) : 0, WIFSIGNALED(status),
         WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFSTOPPED(status), WIFCONTINUED(status));
}

static void waits(void) {
  int st = 0;
  T(wait(&st));
  pid_t child = fork();
  if (child == 0) _exit(5);
  T(waitpid(child, &st, 0) == child);
  status("exit", st);
  child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  T(waitpid(child, &st, WNOHANG));
  kill(child, SIGSTOP);
  T(waitpid(child, &st, WUNTRACED) == child);
  status("stop", st);
  kill(child, SIGCONT);
  T(waitpid(child, &st, WCONTINUED) == child);
  status("continue", st);
  kill(child, SIGTERM);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  T(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
  printf("%d %d %d %d\n", info.si_signo, info.si_code, info.si_status, info.si_pid == child);
  struct rusage usage;
  T(wait4(child, &st, 0, &usage) == child);
  status("kill", st);
  T(waitpid(child, &st, 0));
  T(waitpid(-1, &st, 0x40));
  T(waitid(P_PID, (id_t)child, &info, 0));
  T(waitid(9, 1, &info, WEXITED));
  child = fork();
  if (child == 0) _exit(6);
  T(syscall(SYS_wait4, child, BAD, 0, NULL));
  signal(SIGCHLD, SIG_IGN);
  child = fork();
  if (child == 0) _exit(0);
  T(waitpid(child, &st, 0));
  signal(SIGCHLD, SIG_DFL);
}

static void forks(void) {
  volatile int mine = 1;
  pid_t child = fork();
  if (child == 0) {
    mine = 2;
    V(getppid() != 1);
    _exit(mine);
  }
  int st;
  waitpid(child, &st, 0);
  status("fork", st);
  V(mine);
  volatile int shared = 1;
  child = vfork();
  if (child == 0) {
    shared = 2;
    _exit(9);
  }
  V(shared);
  waitpid(child, &st, 0);
  status("vfork", st);
}

static char stack[65536] __attribute__((aligned(16)));
static volatile int cell;

static int child_main(void *arg) {
  cell = 77;
  return *(int *)arg;
}

static void clones(void) {
  int arg = 12, st, pidfd = -1;
  pid_t tid = 0, ctid = 0;
  pid_t pid = clone(child_main, stack + sizeof stack, SIGCHLD, &arg);
  waitpid(pid, &st, 0);
  status("clone", st);
  V(cell);
  pid = clone(child_main, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &arg);
  V(cell);
  waitpid(pid, &st, 0);
  pid = clone(child_main, stack + sizeof stack, CLONE_PIDFD | SIGCHLD, &arg, &pidfd);
  V(pidfd >= 0);
  V(fcntl(pidfd, F_GETFD));
  siginfo_t info;
  T(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED));
  close(pidfd);
  pid = clone(child_main, stack + sizeof stack,
              CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, &arg, &tid,
              NULL, &ctid);
  V(tid == pid);
  waitpid(pid, &st, 0);
  T(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
  T(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0));
  T(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &tid, 0, 0));
  T(syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, BAD, 0, 0));
  struct clone_args args = {.exit_signal = SIGCHLD};
  pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(21);
  waitpid(pid, &st, 0);
  status("clone3", st);
  T(syscall(SYS_clone3, &args, 8));
  T(syscall(SYS_clone3, &args, 5000));
  T(syscall(SYS_clone3, BAD, 64));
  args.exit_signal = 99;
  T(syscall(SYS_clone3, &args, sizeof args));
  args.exit_signal = SIGCHLD;
  args.flags = 17;
  T(syscall(SYS_clone3, &args, sizeof args));
  args.flags = 0;
  args.stack_size = 5;
  T(syscall(SYS_clone3, &args, sizeof args));
  args.stack_size = 0;
  args.flags = CLONE_CLEAR_SIGHAND;
  signal(SIGUSR1, status ? (void *)child_main : NULL);
  signal(SIGUSR2, SIG_IGN);
  pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) {
    struct sigaction one, two;
    sigaction(SIGUSR1, NULL, &one);
    sigaction(SIGUSR2, NULL, &two);
    _exit((one.sa_handler == SIG_DFL) + 2 * (two.sa_handler == SIG_IGN));
  }
  waitpid(pid, &st, 0);
  status("clear", st);
  signal(SIGUSR1, SIG_DFL);
  signal(SIGUSR2, SIG_DFL);
}

static void spawns(void) {
  pid_t pid;
  int st;
  char *argv[] = {"/no/such/file", NULL};
  printf("spawn: %d\n", posix_spawn(&pid, argv[0], NULL, NULL, argv, environ));
  char *echo[] = {self, "child", "argument", NULL};
  fflush(stdout);
  int error = posix_spawn(&pid, self, NULL, NULL, echo, environ);
  waitpid(pid, &st, 0);
  printf("spawn: %d\n", error);
  status("spawn", st);
  posix_spawnattr_t attr;
  posix_spawnattr_init(&attr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  posix_spawnattr_setsigmask(&attr, &set);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  error = posix_spawn(&pid, self, NULL, &attr, echo, environ);
  waitpid(pid, &st, 0);
  printf("spawn: %d\n", error);
}

static void exec_errors(void) {
  char *argv[] = {"x", NULL};
  T(execve("/no/such/file", argv, environ));
  T(execve("/", argv, environ));
  T(execve("/etc/passwd", argv, environ));
  T(execve("/etc/passwd/x", argv, environ));
  T(execve("", argv, environ));
  T(execve(BAD, argv, environ));
  T(execve(self, BAD, environ));
  T(execve(self, argv, (char **)BAD));
  char *bad[] = {"x", BAD, NULL};
  T(execve(self, bad, environ));
  char *huge = malloc(200000);
  memset(huge, 'a', 199999);
  huge[199999] = 0;
  char *big[] = {"x", huge, NULL};
  T(execve(self, big, environ));
  char *name = malloc(5000);
  memset(name, 'b', 4999);
  name[4999] = 0;
  T(execve(name, argv, environ));
  T(syscall(SYS_execveat, AT_FDCWD, "", argv, environ, 0));
  T(syscall(SYS_execveat, AT_FDCWD, self, argv, environ, 5));
  T(syscall(SYS_execveat, 99, "x", argv, environ, 0));
  T(syscall(SYS_execveat, 99, "", argv, environ, AT_EMPTY_PATH));
  unlink("link");
  T(symlink(self, "link"));
  T(syscall(SYS_execveat, AT_FDCWD, "link", argv, environ, AT_SYMLINK_NOFOLLOW));
  int fd = open(".", O_RDONLY);
  T(syscall(SYS_execveat, fd, "link", argv, environ, AT_SYMLINK_NOFOLLOW));
  T(syscall(SYS_execveat, fd, "absent", argv, environ, 0));
  close(fd);
}

static int run(void (*child)(void)) {
  int st;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    child();
    perror("exec");
    _exit(99);
  }
  waitpid(pid, &st, 0);
  return st;
}

static void dup_at(int from, int to, int cloexec) {
  dup3(from, to, cloexec);
}

static void exec_plain(void) {
  char *argv[] = {"name", "child", "with space", "", NULL};
  char *env[] = {"A=1", "B=", NULL};
  dup_at(1, 30, O_CLOEXEC);
  dup_at(1, 31, 0);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, (void (*)(int))exec_plain);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_SETMASK, &set, NULL);
  raise(SIGTERM);
  stack_t st = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&st, NULL);
  execve(self, argv, env);
}

static void exec_at(void) {
  char *argv[] = {"at", "child", NULL};
  int fd = open(self, O_RDONLY | O_CLOEXEC);
  syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
}

static void exec_beside(void) {
  char *argv[] = {"beside", "child", NULL};
  syscall(SYS_execveat, open(".", O_RDONLY), "link", argv, environ, 0);
}

static void exec_empty(void) {
  syscall(SYS_execve, self, NULL, NULL);
}

static int child(int argc, char **argv) {
  printf("child %d:", argc);
  for (int i = 0; i < argc; i++) printf(" [%s]", i == 0 && strchr(argv[0], '/') ? "path" : argv[i]);
  int variables = 0;
  while (environ[variables]) variables++;
  char comm[17] = "";
  prctl(PR_GET_NAME, comm);
  sigset_t mask, pending;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  sigpending(&pending);
  struct sigaction one, two;
  sigaction(SIGUSR1, NULL, &one);
  sigaction(SIGUSR2, NULL, &two);
  stack_t st;
  sigaltstack(NULL, &st);
  printf("\nfd 30: %d, 31: %d, term blocked %d pending %d, usr1 ignored %d, usr2 default %d, alt %d\n",
         fcntl(30, F_GETFD), fcntl(31, F_GETFD), sigismember(&mask, SIGTERM),
         sigismember(&pending, SIGTERM), one.sa_handler == SIG_IGN, two.sa_handler == SIG_DFL,
         st.ss_flags);
  printf("comm %s, session leader %d\n", comm, getsid(0) == getpid());
  return argc;
}

static void on_alarm(int signo) { (void)signo; }

static void exec_limits(void) {
  char *argv[] = {"limits", "child", NULL};
  signal(SIGALRM, on_alarm);
  alarm(100);
  timer_t timer;
  timer_create(CLOCK_MONOTONIC, NULL, &timer);
  execve(self, argv, (char *[]){NULL});
}

int main(int argc, char **argv) {
  start();
  if (argc > 1 && !strcmp(argv[1], "child")) return child(argc, argv);
  if (argc == 0 || !strcmp(argv[0], "")) return puts("no arguments"), 50 + argc;
  self = argv[0];
  waits();
  forks();
  clones();
  spawns();
  exec_errors();
  status("exec", run(exec_plain));
  status("execveat", run(exec_at));
  status("beside", run(exec_beside));
  status("empty", run(exec_empty));
  status("limits", run(exec_limits));
  return 0;
}
