/* Descriptors of /proc/self that are kept open show what is so when they are read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char text[1 << 16];

static long size(int fd, int by_pread) {
  if (!by_pread) lseek(fd, 0, SEEK_SET);
  ssize_t n = by_pread ? pread(fd, text, sizeof text - 1, 0) : read(fd, text, sizeof text - 1);
  text[n > 0 ? n : 0] = 0;
  return atol(text);
}

int main(void) {
  int fd = open("/proc/self/statm", O_RDONLY);
  long first = size(fd, 0);
  mmap(NULL, 1 << 24, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("read: %ld\n", size(fd, 0) - first);
  mmap(NULL, 1 << 24, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("pread: %ld\n", size(fd, 1) - first);
  int other = open("/dev/null", O_WRONLY);
  dup2(other, fd); /* the number is another file's */
  printf("write: %ld\n", (long)write(fd, "x", 1));
  close(fd);
  fd = open("/proc/self/statm", O_RDONLY); /* and a text's again */
  first = size(fd, 0);
  if (!fork()) {
    printf("child: %d\n", size(fd, 0) > 0);
    return fflush(stdout), 0;
  }
  wait(NULL);
  mmap(NULL, 1 << 24, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("again: %ld\n", size(fd, 0) - first);
  return 0;
}
