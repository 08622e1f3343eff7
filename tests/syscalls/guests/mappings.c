/* Several mappings at once: mremap(2) of them, and a promise about what is executed. */
#include "area.h"
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define EACH(name, from, to) for (long name = from; name < to; name++)
#define SET_MDWE 65
#define GET_MDWE 66
static void moves(void) {
  TITLE("several at once");
  three(), T(move(0, 3, 20, FIXED)), layout(), V(*at(20)), V(*at(21)), V(*at(22));
  three(), T(move(0, 8, 20, FIXED)), layout(), V(*at(26));
  three(), put(23, 2, PROT_READ, MAP_PRIVATE), T(move(1, 5, 20, FIXED)), layout(), V(*at(20)), V(*at(24)); /* what lies where a hole comes stays */
  three(), T(move(3, 4, 20, FIXED)), T(move(3, 2, 20, FIXED)), T(move(0, 8, 7, FIXED)), T(move(0, 8, 20, MREMAP_MAYMOVE)), T(move(0, 8, 20, MREMAP_FIXED)), layout();
  three(), T(move(0, 8, 2, FIXED)), T(S(mremap, at(0), 8L * PAGE, 9L * PAGE, FIXED, at(20))), T(S(mremap, at(0), 8L * PAGE, 1L * PAGE, FIXED, at(20)) > 0), layout();
  three(), T(move(0, 6, 20, FIXED | MREMAP_DONTUNMAP)), layout(), V(*at(0)), V(*at(20)), V(*at(2));
  three(), T(S(mremap, at(0), 8L * PAGE, 8L * PAGE, FIXED, at(20) + 1)), layout();
  make("f", "content of a file"), truncate("f", 3 * PAGE);
  int fd = open("f", O_RDWR);
  three(), mmap(at(3), 2 * PAGE, RW, MAP_FIXED | MAP_SHARED, fd, 0), T(move(2, 4, 20, FIXED)), V(*at(21)), V(msync(at(21), PAGE, MS_SYNC)), layout();
  three(), mmap(at(3), PAGE, RW, MAP_FIXED | MAP_PRIVATE, fd, 0), *at(3) = 'x', T(move(2, 4, 20, FIXED)), V(*at(21)), layout();
  close(fd);
  three(), put(10, 1, RW, MAP_PRIVATE), T(move(0, 11, 30, FIXED)), T(move(30, 11, 0, FIXED)), layout(), V(*at(10));
  APART({ three(), T(S(mseal, at(2), 1L * PAGE, 0L)), T(move(0, 8, 20, FIXED)), layout(); });
  APART({ three(), put(20, 1, RW, MAP_PRIVATE), put(21, 1, PROT_READ, MAP_PRIVATE), T(S(mseal, at(21), 1L * PAGE, 0L)), T(S(mremap, at(0), 0L, 1L * PAGE, FIXED, at(21))), T(S(mremap, at(1), 2L * PAGE, 3L * PAGE, FIXED, at(21))), T(S(mremap, at(0), 1L * PAGE, 2L * PAGE, FIXED, at(21))), T(S(mremap, at(20), 2L * PAGE, 3L * PAGE, MREMAP_MAYMOVE)), T(S(mremap, at(20), 2L * PAGE, 1L * PAGE, MREMAP_MAYMOVE)), T(S(mremap, at(20), 2L * PAGE, 1L * PAGE, FIXED, at(30))), layout(); });
  APART({ three(), put(25, 1, RW, MAP_PRIVATE), T(S(mseal, at(25), 1L * PAGE, 0L)), T(move(0, 8, 20, FIXED)), layout(); });
}

static void runs(void) {
  TITLE("code that moves");
  fresh(), put(0, 1, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE), put(1, 1, RW, MAP_PRIVATE);
  memcpy(at(0), "\xb8\x05\x00\x00\x00\xc3", 6); /* mov eax, 5; ret */
  int (*code)(void) = (int (*)(void))at(0);
  V(code()), T(move(0, 2, 20, FIXED)), code = (int (*)(void))at(20), V(code()), at(20)[1] = 7, V(code());
}

static void gains(void) {
  TITLE("nothing written is executed");
  static const long bits[] = {0, 1, 2, 3, 4, 5, -1};
  T(S(prctl, GET_MDWE, 0L, 0L, 0L, 0L)), T(S(prctl, GET_MDWE, 1L, 0L, 0L, 0L)), T(S(prctl, GET_MDWE, 0L, 0L, 0L, 1L)), T(S(prctl, SET_MDWE, 1L, 1L, 0L, 0L)), T(S(prctl, SET_MDWE, 1L, 0L, 0L, 1L));
  EACH(i, 0, 7) APART({ T(S(prctl, SET_MDWE, bits[i], 0L, 0L, 0L)), T(S(prctl, GET_MDWE, 0L, 0L, 0L, 0L)); EACH(j, 0, 7) T(S(prctl, SET_MDWE, bits[j], 0L, 0L, 0L)); APART(T(S(prctl, GET_MDWE, 0L, 0L, 0L, 0L))); });
  int fd = open("/bin/true", O_RDONLY), id = shmget(IPC_PRIVATE, PAGE, 0700);
  fresh(), put(0, 2, RW, MAP_PRIVATE), put(2, 1, RX, MAP_PRIVATE), put(3, 1, PROT_EXEC | PROT_WRITE, MAP_PRIVATE);
  T(S(prctl, SET_MDWE, 1L, 0L, 0L, 0L));
  EACH(prot, 0, 8) V(mmap(at(8), PAGE, prot, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0), V(mmap(at(9), PAGE, prot, MAP_FIXED | MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0);
  EACH(prot, 0, 8) { put(10, 1, RX, MAP_PRIVATE), put(11, 1, PROT_READ, MAP_PRIVATE), T(mprotect(at(10), PAGE, prot)), T(mprotect(at(11), PAGE, prot)), T(S(pkey_mprotect, at(11), 1L * PAGE, prot, -1L)); }
  T(mprotect(at(0), 3 * PAGE, PROT_READ)), T(mprotect(at(0), 3 * PAGE, RX)), T(mprotect(at(3), PAGE, PROT_EXEC | PROT_WRITE)), T(mprotect(at(3), PAGE, RX)), T(mprotect(at(3), PAGE, RW)), T(mprotect(at(3), PAGE, RX)), T(move(2, 1, 30, FIXED)), layout();
  V(shmat(id, at(20), SHM_EXEC) == (void *)-1 ? errno : 0), V(shmat(id, at(20), SHM_EXEC | SHM_RDONLY) == (void *)-1 ? errno : 0), shmctl(id, IPC_RMID, NULL);
  APART({ V(mprotect(at(0), PAGE, RX)), fflush(stdout), execl("/proc/self/exe", "mappings", "again", NULL); });
}

int main(int argc, char **argv) {
  if (argc > 1) return printf("inherited: %ld\n", S(prctl, GET_MDWE, 0L, 0L, 0L, 0L)), 0;
  begin(), moves(), runs(), gains();
  return 0;
}
