#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
extern char **environ;
int main(void) {
  char *args[] = {"x", NULL}, *script[] = {"sh", "-c", "exit 5", NULL};
  pid_t pid = -1;
  int status = 0;
  printf("absent %s\n",
         strerrorname_np(posix_spawn(&pid, "/nosuch/file", NULL, NULL, args, environ)));
  printf("folder %s\n", strerrorname_np(posix_spawn(&pid, "/tmp", NULL, NULL, args, environ)));
  printf("in PATH %s\n",
         strerrorname_np(posix_spawnp(&pid, "nosuch-program", NULL, NULL, args, environ)));
  printf("spawn %d\n", posix_spawnp(&pid, "sh", NULL, NULL, script, environ));
  waitpid(pid, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
  errno = 0;
  printf("none left %d %s\n", waitpid(-1, &status, 0), strerrorname_np(errno));
  return 0;
}
