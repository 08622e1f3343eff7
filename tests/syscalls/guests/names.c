/* Names of memory, which /proc/self/maps shows: PR_SET_VMA. */
#include "area.h"
#include <sys/prctl.h>
#include <sys/shm.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static long name(long page, long count, const void *text) { return S(prctl, PR_SET_VMA, 0L, at(page), count * PAGE, text); }

static void names(void) {
  TITLE("names of memory");
  char longest[81];
  memset(longest, 'n', 79), longest[79] = 0, longest[80] = 0;
  three(), T(name(0, 2, "two pages")), T(name(1, 1, "one of them")), layout(), T(name(2, 1, "shared")), T(name(6, 1, NULL)), layout();
  T(name(0, 8, "all")), layout(), T(name(0, 3, NULL)), layout(), T(name(5, 1, "")), T(name(6, 1, longest)), layout();
  T(name(40, 1, "x")), T(name(3, 1, "x")), T(name(0, 0, "x")), T(S(prctl, PR_SET_VMA, 0L, at(0) + 1, 1L * PAGE, "x")), T(S(prctl, PR_SET_VMA, 0L, at(0), 1L, "one byte")), T(S(prctl, PR_SET_VMA, 0L, at(0), -1L, "x"));
  T(S(prctl, PR_SET_VMA, 0L, at(0), -2L * PAGE, "x")), T(S(prctl, PR_SET_VMA, 1L, at(0), 1L * PAGE, "x")), T(name(0, 1, BAD)), T(name(0, 1, "[x]")), T(name(0, 1, "a\nb")), T(name(0, 1, "a`")), T(name(0, 1, "\x80"));
  memset(longest, 'n', 80), T(name(0, 1, longest)), layout();
  three(), T(name(0, 1, "kept")), T(move(0, 2, 20, FIXED)), layout();
  fresh(), put(0, 1, RW, MAP_PRIVATE), T(name(0, 1, "joined")), put(1, 1, RW, MAP_PRIVATE), layout(), T(name(1, 1, "joined")), layout();
  int fd = open("f", O_RDWR | O_CREAT, 0600);
  three(), mmap(at(3), PAGE, PROT_READ, MAP_FIXED | MAP_PRIVATE, fd, 0), T(name(0, 7, "before the file")), layout(), close(fd);
  int id = shmget(IPC_PRIVATE, PAGE, 0600);
  fresh(), V(shmat(id, at(0), 0) == at(0)), T(name(0, 1, "segment")), shmdt(at(0)), shmctl(id, IPC_RMID, NULL);
  APART(three(), name(0, 2, "inherited"), layout());
  char *heap = sbrk(0);
  sbrk(4 * PAGE), T(S(prctl, PR_SET_VMA, 0L, (char *)(((long)heap + PAGE - 1) & -PAGE), 1L * PAGE, "heap"));
}

int main(void) {
  begin(), names();
  return 0;
}
