/* Cases of system calls: check.h, and the calls themselves without libc's wrappers. */
#ifndef CALLS_H
#define CALLS_H
#include "../../kernel/guests/check.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

/* check.h's macros as expressions, so that several stand on a line. */
#undef T
#define T(expression)                  \
  ({                                   \
    errno = 0;                         \
    long result_ = (long)(expression); \
    show(#expression, result_, errno); \
    result_;                           \
  })
#undef OK
#define OK(expression) ((void)T((expression) >= 0))
#define S(name, ...) syscall(SYS_##name, ##__VA_ARGS__)
#define D AT_FDCWD
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* A string. */
#define TEXT(string) printf("%s: \"%s\"\n", #string, string)
/* Bytes of a buffer as text. */
#define BYTES(buffer, count) printf("%s: \"%.*s\"\n", #buffer, (int)(count), (const char *)(buffer))
#define TITLE(text) printf("--- %s\n", text)

static inline int make(const char *name, const char *content) {
  int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, content, strlen(content)) < 0) perror(name);
  lseek(fd, 0, SEEK_SET);
  return fd;
}

/* Runs in a process of its own; how it ended. */
#define FORKED(status, ...)       \
  do {                            \
    fflush(stdout);               \
    pid_t child_ = fork();        \
    if (child_ == 0) {            \
      __VA_ARGS__;                \
      fflush(stdout), _exit(0);   \
    }                             \
    waitpid(child_, &(status), 0); \
  } while (0)
#define APART(...)                \
  do {                            \
    int status_;                  \
    FORKED(status_, __VA_ARGS__); \
    V(status_);                   \
  } while (0)

/* Runs as nobody when we are root, so that permissions are checked. */
#define AS_NOBODY(...)                                   \
  do {                                                   \
    int was_root_ = geteuid() == 0;                      \
    if (was_root_) syscall(SYS_setresuid, -1, 65534, -1); \
    __VA_ARGS__;                                                \
    if (was_root_) syscall(SYS_setresuid, -1, 0, -1);     \
  } while (0)

#endif
