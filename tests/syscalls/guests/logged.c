/* One call of each kind of argument, for the call log. */
#include "calls.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static char buf[100];

int main(void) {
  struct stat st;
  int fd = S(openat, D, "made", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  S(write, fd, "hello \"world\"\n", 14);
  S(pread64, fd, buf, 50, 6);
  S(newfstatat, D, "made", &st, AT_SYMLINK_NOFOLLOW);
  struct flock l = {.l_type = F_WRLCK, .l_start = 2, .l_len = 4};
  S(fcntl, fd, F_SETLK, &l);
  S(fcntl, fd, F_SETFL, O_RDWR | O_APPEND);
  S(fcntl, fd, 7777, 5);
  struct iovec iov[2] = {{"ab", 2}, {"cd", 2}};
  S(writev, fd, iov, 2);
  S(ioctl, fd, TIOCGWINSZ, buf);
  S(ioctl, fd, FIONREAD, buf);
  S(access, "absent", R_OK | W_OK);
  S(access, "made", F_OK);
  S(lseek, fd, -3L, SEEK_END);
  S(mkdirat, D, "folder", 0750);
  int s = S(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(1), {htonl(INADDR_LOOPBACK)}};
  S(connect, s, &a, sizeof a);
  struct sockaddr_un u = {AF_UNIX, "nobody"};
  s = S(socket, AF_UNIX, SOCK_STREAM, 0);
  S(connect, s, &u, sizeof u);
  struct pollfd p = {fd, POLLIN};
  struct timespec t = {0, 5};
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR1);
  S(ppoll, &p, 1, &t, &set, 8L);
  struct rlimit r;
  S(prlimit64, 0, RLIMIT_CORE, NULL, &r);
  S(readlink, "/proc/self/exe", buf, 100L);
  int e = S(epoll_create1, 0), q[2];
  S(pipe2, q, O_CLOEXEC);
  struct epoll_event event = {EPOLLIN, {.fd = 7}}, out[4];
  write(q[1], "x", 1);
  S(epoll_ctl, e, EPOLL_CTL_ADD, q[0], &event);
  S(epoll_wait, e, out, 4, 0);
  S(symlinkat, "target", D, "link");
  return 0;
}
