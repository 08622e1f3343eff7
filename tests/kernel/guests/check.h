/* Prints each call with its result or error, so that two runs can be compared line by line. */
#ifndef CHECK_H
#define CHECK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void show(const char *text, long result, int error) {
  if (result == -1)
    printf("%s = -1 %s\n", text, strerrorname_np(error));
  else
    printf("%s = %ld\n", text, result);
}

/* A call, its result and error. */
#define T(expression)                       \
  do {                                      \
    errno = 0;                              \
    long result_ = (long)(expression);      \
    show(#expression, result_, errno);      \
  } while (0)

/* Whether a call succeeds, for results that differ from run to run. */
#define OK(expression)                                                          \
  do {                                                                          \
    errno = 0;                                                                  \
    long result_ = (long)(expression);                                          \
    show(#expression " ok", result_ == -1 ? -1 : 0, errno);                     \
  } while (0)

/* A value. */
#define V(expression) printf("%s: %ld\n", #expression, (long)(expression))

static void *const BAD = (void *)0x10; /* never mapped */

static inline void start(void) { setvbuf(stdout, NULL, _IOLBF, 1 << 14); }

#endif
