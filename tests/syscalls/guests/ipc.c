/* System V semaphores, message queues and shared memory; POSIX message queues. */
#include "calls.h"
#include <mqueue.h>
#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#ifndef SEM_STAT_ANY
#define SEM_STAT_ANY 20
#endif
#ifndef MSG_STAT_ANY
#define MSG_STAT_ANY 13
#endif
#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif
#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static struct semid_ds sd;
static struct msqid_ds md;
static struct shmid_ds hd;
static long info[32];
static int key;

/* A slot of the kernel's table that ours is in; other programs may have some, too. */
#define SLOT(id) ((id) & 0x7fff)

static void semaphores(void) {
  TITLE("semaphores");
  int id = S(semget, IPC_PRIVATE, 3, 0600), other = S(semget, key, 1, IPC_CREAT | IPC_EXCL | 0600);
  V(id >= 0), V(other >= 0);
  T(S(semget, key, 1, 0) == other);
  T(S(semget, key, 1, IPC_CREAT | IPC_EXCL));
  T(S(semget, key, 2, 0));
  T(S(semget, key + 1, 1, 0));
  T(S(semget, IPC_PRIVATE, -1, 0600));
  T(S(semget, IPC_PRIVATE, 0, 0600));
  T(S(semget, IPC_PRIVATE, 1 << 30, 0600));
  unsigned short all[3] = {1, 2, 3}, got[4] = {9, 9, 9, 9};
  T(S(semctl, id, 0, SETALL, all));
  T(S(semctl, id, 0, GETALL, got)), V(got[0]), V(got[1]), V(got[2]), V(got[3]);
  T(S(semctl, id, 0, GETALL, BAD));
  T(S(semctl, id, 0, SETALL, BAD));
  T(S(semctl, id, 0, SETALL, NULL));
  T(S(semctl, -1, 0, GETALL, got));
  T(S(semctl, id, 1, SETVAL, 7)), T(S(semctl, id, 1, GETVAL));
  T(S(semctl, id, 1, SETVAL, 70000));
  T(S(semctl, id, 5, GETVAL));
  T(S(semctl, id, -1, GETVAL));
  T(S(semctl, id, 1, GETPID) == getpid());
  T(S(semctl, id, 1, GETNCNT)), T(S(semctl, id, 1, GETZCNT));
  T(S(semctl, id, 0, IPC_STAT, &sd)), V(sd.sem_nsems), V(sd.sem_perm.mode), V(sd.sem_otime);
  T(S(semctl, id, 0, IPC_STAT, BAD));
  sd.sem_perm.mode = 0640;
  T(S(semctl, id, 0, IPC_SET, &sd)), T(S(semctl, id, 0, IPC_SET, BAD));
  T(S(semctl, id, 0, IPC_STAT, &sd)), V(sd.sem_perm.mode);
  T(S(semctl, 0, 0, IPC_INFO, info) >= 0), V(((int *)info)[4]), V(((int *)info)[8]);
  T(S(semctl, 0, 0, IPC_INFO, BAD));
  T(S(semctl, 0, 0, SEM_INFO, info) >= 0);
  T(S(semctl, SLOT(id), 0, SEM_STAT, &sd) == id), V(sd.sem_nsems);
  T(S(semctl, SLOT(id), 0, SEM_STAT_ANY, &sd) == id);
  T(S(semctl, -1, 0, SEM_STAT, &sd));
  T(S(semctl, id, 0, 99, 0)), T(S(semctl, id, 0, -1, 0));
  struct sembuf two[2] = {{0, -1, 0}, {1, 3, SEM_UNDO}}, wait = {0, -1, IPC_NOWAIT};
  struct sembuf zero = {0, 0, IPC_NOWAIT}, far = {9, 1, 0}, block = {0, -5, 0}, big = {0, 32767, 0};
  T(S(semop, id, two, 2)), T(S(semctl, id, 1, GETVAL));
  T(S(semop, id, &wait, 1)), T(S(semop, id, &zero, 1));
  T(S(semop, id, &far, 1)), T(S(semop, id, BAD, 1)), T(S(semop, id, two, 0));
  T(S(semop, id, two, 100000)), T(S(semop, -1, two, 1)), T(S(semop, id, &big, 1));
  T(S(semop, id, &big, 1));
  T(S(semctl, id, 0, SETVAL, 0));
  struct timespec soon = {0, 5000000}, bad = {0, -1};
  T(S(semtimedop, id, &block, 1, &soon)), T(S(semtimedop, id, &block, 1, &bad));
  T(S(semtimedop, id, &block, 1, BAD)), T(S(semtimedop, id, &wait, 1, NULL));
  T(S(semtimedop, id, two, 0, &soon));
  T(S(semctl, id, 0, SETVAL, 1)), T(S(semtimedop, id, two, 1, &soon));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(semop(id, &(struct sembuf){0, -2, 0}, 1) == 0 ? 5 : errno);
  while (S(semctl, id, 0, GETNCNT) != 1) usleep(1000);
  T(S(semop, id, &(struct sembuf){0, 2, SEM_UNDO}, 1));
  int status;
  waitpid(child, &status, 0), V(status);
  AS_NOBODY({
    T(S(semctl, other, 0, GETVAL)), T(S(semop, other, two, 1)), T(S(semctl, other, 0, IPC_RMID));
    T(S(semctl, other, 0, SETALL, all));
    T(S(semget, key, 1, 0400));
  });
  T(S(semctl, id, 0, IPC_RMID)), T(S(semctl, other, 0, IPC_RMID)), T(S(semctl, id, 0, GETVAL));
  T(S(semop, id, two, 1));
}

static struct {
  long type;
  char text[64];
} m;

static void queues(void) {
  TITLE("message queues");
  int id = S(msgget, IPC_PRIVATE, 0600), other = S(msgget, key, IPC_CREAT | IPC_EXCL | 0600);
  V(id >= 0), V(other >= 0);
  T(S(msgget, key, 0) == other), T(S(msgget, key, IPC_CREAT | IPC_EXCL)), T(S(msgget, key + 1, 0));
  for (int i = 1; i <= 3; i++) m.type = i, sprintf(m.text, "message %d", i), T(S(msgsnd, id, &m, 10L, 0));
  m.type = 0, T(S(msgsnd, id, &m, 10L, 0));
  m.type = 1, T(S(msgsnd, id, BAD, 10L, 0)), T(S(msgsnd, id, &m, -1L, 0)), T(S(msgsnd, -1, &m, 1L, 0));
  T(S(msgsnd, id, &m, 1L << 40, 0));
  T(S(msgrcv, id, &m, 64L, 0L, MSG_COPY | IPC_NOWAIT)), TEXT(m.text);
  T(S(msgrcv, id, &m, 64L, 2L, IPC_NOWAIT)), V(m.type), TEXT(m.text);
  T(S(msgrcv, id, &m, 64L, 1L, MSG_EXCEPT)), V(m.type);
  T(S(msgrcv, id, &m, 4L, -5L, 0)), T(S(msgrcv, id, &m, 4L, -5L, MSG_NOERROR)), V(m.type);
  T(S(msgrcv, id, &m, 64L, 0L, IPC_NOWAIT)), T(S(msgrcv, -1, &m, 64L, 0L, 0));
  T(S(msgrcv, id, &m, -1L, 0L, 0)), T(S(msgrcv, id, &m, 64L, 0L, MSG_COPY));
  T(S(msgrcv, id, &m, 64L, 0L, MSG_COPY | MSG_EXCEPT | IPC_NOWAIT));
  m.type = 4, T(S(msgsnd, id, &m, 0L, IPC_NOWAIT)), T(S(msgrcv, id, BAD, 64L, 0L, 0));
  T(S(msgsnd, id, &m, 5L, 0));
  T(S(msgctl, id, IPC_STAT, &md)), V(md.msg_qnum), V(md.msg_qbytes > 0), V(md.msg_lspid == getpid());
  T(S(msgctl, id, IPC_STAT, BAD)), T(S(msgctl, -1, IPC_STAT, &md));
  md.msg_qbytes = 100, T(S(msgctl, id, IPC_SET, &md)), T(S(msgctl, id, IPC_SET, BAD));
  m.type = 1;
  T(S(msgsnd, id, &m, 64L, IPC_NOWAIT)), T(S(msgsnd, id, &m, 64L, IPC_NOWAIT));
  T(S(msgctl, 0, IPC_INFO, info) >= 0), V(((int *)info)[2]);
  T(S(msgctl, 0, IPC_INFO, BAD));
  T(S(msgctl, 0, MSG_INFO, info) >= 0);
  T(S(msgctl, SLOT(id), MSG_STAT, &md) == id), V(md.msg_qbytes);
  T(S(msgctl, SLOT(id), MSG_STAT_ANY, &md) == id);
  T(S(msgctl, id, 77, &md));
  AS_NOBODY({
    T(S(msgctl, other, IPC_STAT, &md)), T(S(msgsnd, other, &m, 5L, 0)), T(S(msgctl, other, IPC_RMID, 0));
    T(S(msgrcv, other, &m, 5L, 0L, 0)), T(S(msgget, key, 0600));
  });
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) _exit(msgrcv(other, &m, 64, 0, 0) == -1 && errno == EIDRM ? 5 : 1);
  usleep(50000);
  T(S(msgctl, other, IPC_RMID, 0));
  int status;
  waitpid(child, &status, 0), V(status);
  T(S(msgctl, id, IPC_RMID, 0)), T(S(msgsnd, id, &m, 5L, 0)), T(S(msgrcv, id, &m, 5L, 0L, 0));
}

static void shared(void) {
  TITLE("shared memory");
  int id = S(shmget, IPC_PRIVATE, 8192L, 0600), other = S(shmget, key, 100L, IPC_CREAT | IPC_EXCL | 0600);
  V(id >= 0), V(other >= 0);
  T(S(shmget, key, 100L, 0) == other), T(S(shmget, key, 100L, IPC_CREAT | IPC_EXCL));
  T(S(shmget, key, 5000L, 0)), T(S(shmget, key + 1, 100L, 0)), T(S(shmget, IPC_PRIVATE, 0L, 0600));
  int reserve = S(shmget, IPC_PRIVATE, 4096L, SHM_NORESERVE | 0600);
  V(reserve >= 0), S(shmctl, reserve, IPC_RMID, NULL);
  T(S(shmget, IPC_PRIVATE, 1L << 21, SHM_HUGETLB | 0600) >= 0);
  char *at = (char *)S(shmat, id, NULL, 0), *again = (char *)S(shmat, id, NULL, SHM_RDONLY);
  V(at != (char *)-1), strcpy(at, "shared"), TEXT(again);
  T(S(shmat, -1, NULL, 0)), T(S(shmat, id, at + 1, 0)), T(S(shmat, id, at, 0)), T(S(shmat, id, NULL, SHM_REMAP));
  char *room = mmap(NULL, 8192 * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  T(S(shmat, id, room + 100, SHM_RND | SHM_REMAP) == (long)room), TEXT(room);
  T(S(shmdt, room)), T(S(shmdt, room)), T(S(shmdt, room + 1)), T(S(shmdt, NULL));
  long code = S(shmat, id, NULL, SHM_EXEC);
  V(code != -1), S(shmdt, code);
  T(S(shmctl, id, IPC_STAT, &hd)), V(hd.shm_segsz), V(hd.shm_nattch), V(hd.shm_perm.mode);
  T(S(shmctl, id, IPC_STAT, BAD)), T(S(shmctl, -1, IPC_STAT, &hd));
  hd.shm_perm.mode = 0640, T(S(shmctl, id, IPC_SET, &hd)), T(S(shmctl, id, IPC_SET, BAD));
  T(S(shmctl, id, SHM_LOCK, 0)), T(S(shmctl, id, IPC_STAT, &hd)), V(hd.shm_perm.mode);
  T(S(shmctl, id, SHM_UNLOCK, 0));
  T(S(shmctl, 0, IPC_INFO, info) >= 0), V(info[1]);
  T(S(shmctl, 0, SHM_INFO, info) >= 0);
  T(S(shmctl, SLOT(id), SHM_STAT, &hd) == id), V(hd.shm_segsz);
  T(S(shmctl, SLOT(id), SHM_STAT_ANY, &hd) == id), T(S(shmctl, id, 99, &hd));
  AS_NOBODY({
    T(S(shmat, other, NULL, 0)), T(S(shmctl, other, IPC_STAT, &hd)), T(S(shmctl, other, IPC_RMID, 0));
    T(S(shmget, key, 100L, 0600));
    int own = S(shmget, IPC_PRIVATE, 100L, 0600);
    T(S(shmat, own, NULL, SHM_EXEC)), T(S(shmctl, own, IPC_RMID, 0));
  });
  T(S(shmctl, id, IPC_RMID, 0)), TEXT(at), T(S(shmdt, at)), T(S(shmdt, again));
  T(S(shmctl, other, IPC_RMID, 0)), T(S(shmat, other, NULL, 0));
}

static volatile int notified;
static void on_message(int signo, siginfo_t *s, void *context) { notified = s->si_value.sival_int; }

static void posix_queues(void) {
  TITLE("POSIX message queues");
  char name[40], text[64] = "";
  sprintf(name, "blink-%d", getpid());
  struct mq_attr a = {0, 4, 32}, now, wrong = {0, 0, 32};
  unsigned priority = 0;
  T(S(mq_open, "absent-queue", O_RDWR, 0, NULL));
  int q = S(mq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, &a);
  V(q >= 0);
  T(S(mq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, &a)), T(S(mq_open, "x/y", O_RDWR | O_CREAT, 0600, &a));
  T(S(mq_open, "wrong", O_RDWR | O_CREAT, 0600, &wrong)), T(S(mq_open, BAD, O_RDWR, 0, NULL));
  T(S(mq_open, "", O_RDWR | O_CREAT, 0600, &a)), T(S(mq_open, "bad", O_RDWR | O_CREAT, 0600, BAD));
  int reader = S(mq_open, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, NULL);
  V(reader >= 0), V(fcntl(reader, F_GETFD));
  T(S(mq_timedsend, q, "low", 3L, 1, NULL)), T(S(mq_timedsend, q, "high", 4L, 9, NULL));
  T(S(mq_timedsend, q, BAD, 3L, 1, NULL)), T(S(mq_timedsend, q, "x", 100L, 1, NULL));
  T(S(mq_timedsend, q, "x", 1L, 40000, NULL)), T(S(mq_timedsend, reader, "x", 1L, 1, NULL));
  T(S(mq_timedsend, 99, "x", 1L, 1, NULL));
  T(S(mq_getsetattr, q, NULL, &now)), V(now.mq_maxmsg), V(now.mq_msgsize), V(now.mq_curmsgs);
  T(S(mq_getsetattr, 99, NULL, &now)), T(S(mq_getsetattr, q, NULL, BAD)), T(S(mq_getsetattr, q, BAD, NULL));
  now.mq_flags = O_NONBLOCK, T(S(mq_getsetattr, q, &now, &a)), V(a.mq_flags);
  now.mq_flags = O_APPEND, T(S(mq_getsetattr, q, &now, NULL));
  T(S(mq_timedreceive, reader, text, 64L, &priority, NULL)), TEXT(text), V(priority);
  T(S(mq_timedreceive, reader, text, 4L, NULL, NULL)), T(S(mq_timedreceive, 99, text, 64L, NULL, NULL));
  T(S(mq_timedreceive, reader, BAD, 64L, NULL, NULL));
  T(S(mq_timedsend, q, "again", 5L, 1, NULL));
  T(S(mq_timedreceive, reader, text, 64L, BAD, NULL));
  T(S(mq_timedreceive, reader, text, 64L, NULL, NULL));
  now.mq_flags = 0, S(mq_getsetattr, q, &now, NULL);
  struct timespec past = {1, 0}, bad = {0, -1};
  T(S(mq_timedreceive, q, text, 64L, NULL, &past)), T(S(mq_timedreceive, q, text, 64L, NULL, &bad));
  T(S(mq_timedreceive, q, text, 64L, NULL, BAD));
  for (int i = 0; i < 4; i++) S(mq_timedsend, q, "fill", 4L, 0, NULL);
  T(S(mq_timedsend, q, "full", 4L, 0, &past));
  for (int i = 0; i < 4; i++) S(mq_timedreceive, q, text, 64L, NULL, NULL);
  struct sigaction act = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &act, NULL);
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42};
  T(S(mq_notify, q, &e)), T(S(mq_notify, q, &e)), T(S(mq_timedsend, q, "tell", 4L, 1, NULL)), V(notified);
  e.sigev_notify = SIGEV_NONE, T(S(mq_notify, q, &e)), T(S(mq_notify, q, NULL));
  e.sigev_notify = 77, T(S(mq_notify, q, &e)), T(S(mq_notify, 99, NULL)), T(S(mq_notify, q, BAD));
  e.sigev_notify = SIGEV_SIGNAL, e.sigev_signo = 100, T(S(mq_notify, q, &e));
  AS_NOBODY({ T(S(mq_open, name, O_RDWR, 0, NULL)), T(S(mq_unlink, name)); });
  T(S(mq_unlink, name)), T(S(mq_unlink, name)), T(S(mq_unlink, BAD)), T(S(mq_unlink, ""));
  close(q), close(reader);
}

int main(void) {
  start();
  key = 0x42000000 | getpid();
  semaphores();
  queues();
  shared();
  posix_queues();
  return 0;
}
