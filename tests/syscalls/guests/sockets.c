/* Sockets of the local and the internet family; messages with descriptors. */
#include "calls.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char buf[5000];

static struct sockaddr_un unix_name(const char *name) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strcpy(a.sun_path, name);
  return a;
}

static void making(void) {
  TITLE("socket");
  int p[2];
  int s = S(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  V(fcntl(s, F_GETFD)), V(fcntl(s, F_GETFL));
  T(S(socket, 77, SOCK_STREAM, 0));
  T(S(socket, AF_UNIX, 77, 0));
  T(S(socket, AF_INET, SOCK_STREAM, 77));
  T(S(socketpair, AF_UNIX, SOCK_STREAM, 0, p));
  T(S(socketpair, AF_UNIX, SOCK_STREAM, 0, BAD));
  T(S(socketpair, AF_INET, SOCK_STREAM, 0, p));
  T(write(p[0], "hello", 5));
  T(S(recvfrom, p[1], buf, 3L, MSG_PEEK, NULL, NULL));
  T(S(recvfrom, p[1], buf, 100L, 0, NULL, NULL)), BYTES(buf, 5);
  T(S(recvfrom, p[1], buf, 100L, MSG_DONTWAIT, NULL, NULL));
  T(S(shutdown, p[0], SHUT_WR));
  T(S(recvfrom, p[1], buf, 100L, 0, NULL, NULL));
  T(S(shutdown, p[1], SHUT_RD)), T(S(shutdown, p[1], SHUT_RDWR));
  T(S(shutdown, p[0], 77));
  T(S(shutdown, 0, SHUT_WR));
  T(S(shutdown, 99, SHUT_WR));
  close(p[1]);
  signal(SIGPIPE, SIG_IGN);
  T(S(sendto, p[0], "x", 1L, MSG_NOSIGNAL, NULL, 0));
  T(S(sendto, 99, "x", 1L, 0, NULL, 0));
  T(S(sendto, 0, "x", 1L, 0, NULL, 0));
  for (int i = 3; i < 20; i++) close(i);
}

static void local(void) {
  TITLE("AF_UNIX");
  struct sockaddr_un a = unix_name("sock"), b = unix_name("absent"), got;
  socklen_t length = sizeof got;
  int s = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
  T(S(bind, s, &a, sizeof a));
  T(S(bind, c, &a, sizeof a));
  T(S(bind, 99, &a, sizeof a));
  T(S(bind, c, BAD, sizeof a));
  T(S(bind, c, &a, 1));
  T(S(bind, c, &a, 5000));
  struct stat st;
  T(stat("sock", &st)), V(S_ISSOCK(st.st_mode));
  T(S(connect, c, &a, sizeof a));
  T(S(listen, s, 5));
  T(S(listen, 99, 5));
  T(S(listen, 0, 5));
  T(S(connect, c, &b, sizeof b));
  T(S(connect, 99, &a, sizeof a));
  T(S(connect, c, &a, sizeof a));
  T(S(connect, c, &a, sizeof a));
  memset(&got, 0, sizeof got);
  T(S(getsockname, s, &got, &length)), V(length), TEXT(got.sun_path);
  length = 4;
  memset(&got, 0, sizeof got);
  T(S(getsockname, s, &got, &length)), V(length), V(got.sun_path[1] == 'o'), V(got.sun_path[2]);
  length = -1;
  T(S(getsockname, s, &got, &length));
  T(S(getsockname, s, &got, BAD));
  T(S(getsockname, s, BAD, (length = 10, &length)));
  T(S(getsockname, 99, &got, &length));
  length = sizeof got;
  T(S(getpeername, c, &got, &length)), TEXT(got.sun_path);
  T(S(getpeername, s, &got, &length));
  length = sizeof got;
  int d = S(accept4, s, &got, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  V(length), V(fcntl(d, F_GETFD)), V(fcntl(d, F_GETFL));
  T(S(accept4, s, NULL, NULL, 77));
  fcntl(s, F_SETFL, O_NONBLOCK);
  T(S(accept, s, NULL, NULL));
  T(S(accept, 99, NULL, NULL));
  T(S(accept, 0, NULL, NULL));
  T(S(accept, c, NULL, NULL));
  T(write(c, "over", 4)), T(read(d, buf, 10));
  int u = 0;
  ioctl(d, FIONREAD, &u), V(u);
  unlink("sock");
  struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0blink-test"};
  int e = socket(AF_UNIX, SOCK_DGRAM, 0), f = socket(AF_UNIX, SOCK_DGRAM, 0);
  T(S(bind, e, &abstract, 13));
  T(S(sendto, f, "to abstract", 11L, 0, &abstract, 13));
  T(S(recvfrom, e, buf, 100L, 0, NULL, NULL));
  struct sockaddr_un g = unix_name("dgram");
  int h = socket(AF_UNIX, SOCK_DGRAM, 0);
  T(S(bind, h, &g, sizeof g));
  T(S(sendto, f, "to a name", 9L, 0, &g, sizeof g));
  T(S(sendto, f, "to nobody", 9L, 0, &b, sizeof b));
  T(S(recvfrom, h, buf, 4L, MSG_TRUNC, NULL, NULL));
  unlink("dgram");
  for (int i = 3; i < 20; i++) close(i);
}

static void internet(void) {
  TITLE("AF_INET");
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, b;
  socklen_t length = sizeof a;
  int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
  T(S(bind, s, &a, sizeof a));
  T(S(listen, s, 5));
  T(S(getsockname, s, &a, &length)), V(length), V(a.sin_port != 0);
  T(S(connect, c, &a, sizeof a));
  length = sizeof b;
  int d = S(accept, s, &b, &length);
  V(d >= 0), V(length), V(b.sin_family), V(b.sin_addr.s_addr == a.sin_addr.s_addr);
  T(S(sendto, c, "tcp", 3L, 0, NULL, 0));
  T(S(recvfrom, d, buf, 100L, MSG_WAITALL | MSG_DONTWAIT, NULL, NULL));
  int value = 1;
  length = sizeof value;
  T(S(setsockopt, c, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value)), value = 0;
  T(S(getsockopt, c, IPPROTO_TCP, TCP_NODELAY, &value, &length)), V(value), V(length);
  T(S(setsockopt, c, SOL_SOCKET, SO_KEEPALIVE, &value, 1));
  T(S(setsockopt, c, SOL_SOCKET, 7777, &value, sizeof value));
  T(S(setsockopt, c, 7777, 1, &value, sizeof value));
  T(S(setsockopt, c, SOL_SOCKET, SO_KEEPALIVE, BAD, sizeof value));
  T(S(setsockopt, 99, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value));
  T(S(setsockopt, 0, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value));
  T(S(getsockopt, c, SOL_SOCKET, SO_TYPE, &value, &length)), V(value);
  T(S(getsockopt, c, SOL_SOCKET, SO_ERROR, &value, &length)), V(value);
  T(S(getsockopt, c, SOL_SOCKET, SO_TYPE, BAD, &length));
  T(S(getsockopt, c, SOL_SOCKET, SO_TYPE, &value, BAD));
  T(S(getsockopt, c, SOL_SOCKET, 7777, &value, &length));
  T(S(getsockopt, 99, SOL_SOCKET, SO_TYPE, &value, &length));
  T(S(sendto, c, "!", 1L, MSG_OOB, NULL, 0)), usleep(20000);
  T(S(recvfrom, d, buf, 10L, MSG_OOB, NULL, NULL)), BYTES(buf, 1);
  T(S(sendto, c, "more", 4L, MSG_MORE, NULL, 0)), T(S(sendto, c, "done", 4L, MSG_DONTROUTE, NULL, 0));
  usleep(20000), T(S(recvfrom, d, buf, 8L, MSG_WAITALL, NULL, NULL)), BYTES(buf, 8);
  T(S(recvfrom, d, buf, 8L, MSG_ERRQUEUE, NULL, NULL));
  struct linger l = {1, 5}, m = {0, 0};
  length = sizeof m;
  T(S(setsockopt, c, SOL_SOCKET, SO_LINGER, &l, sizeof l));
  T(S(getsockopt, c, SOL_SOCKET, SO_LINGER, &m, &length)), V(m.l_linger);
  struct timeval t = {0, 20000};
  T(S(setsockopt, d, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t));
  T(S(recvfrom, d, buf, 100L, 0, NULL, NULL));
  int u = socket(AF_INET, SOCK_DGRAM, 0), w = socket(AF_INET, SOCK_DGRAM, 0);
  a.sin_port = 0;
  T(S(bind, u, &a, sizeof a));
  length = sizeof a;
  getsockname(u, (void *)&a, &length);
  T(S(sendto, w, "datagram", 8L, 0, &a, sizeof a));
  length = sizeof b, b.sin_port = 0;
  T(S(recvfrom, u, buf, 100L, 0, &b, &length)), V(length), V(b.sin_port != 0);
  T(S(sendto, w, "x", 1L, 0, BAD, sizeof a));
  T(S(sendto, w, "x", 1L, 0, NULL, 0));
  T(S(sendto, w, BAD, 1L, 0, &a, sizeof a));
  a.sin_port = htons(1);
  T(S(connect, socket(AF_INET, SOCK_STREAM, 0), &a, sizeof a));
  a.sin_family = 77;
  T(S(connect, w, &a, sizeof a));
  for (int i = 3; i < 30; i++) close(i);
}

static void messages(void) {
  TITLE("sendmsg and recvmsg");
  int p[2], fd = make("passed", "through a socket");
  socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
  struct iovec out[2] = {{"abc", 3}, {"defg", 4}}, in[2] = {{buf, 2}, {buf + 100, 50}};
  struct msghdr m = {.msg_iov = out, .msg_iovlen = 2};
  T(S(sendmsg, p[0], &m, 0));
  struct msghdr r = {.msg_iov = in, .msg_iovlen = 2, .msg_flags = 77, .msg_controllen = 0};
  T(S(recvmsg, p[1], &r, 0)), V(r.msg_flags), BYTES(buf, 2), BYTES(buf + 100, 5);
  in[1].iov_len = 1;
  T(S(sendmsg, p[0], &m, 0)), T(S(recvmsg, p[1], &r, 0)), V(r.msg_flags);
  char control[64] = {0}, got[64] = {0};
  struct cmsghdr *c = (void *)control;
  *c = (struct cmsghdr){CMSG_LEN(8), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(c), (int[]){fd, fd}, 8);
  m.msg_control = control, m.msg_controllen = CMSG_SPACE(8);
  T(S(sendmsg, p[0], &m, 0));
  r.msg_control = got, r.msg_controllen = sizeof got;
  T(S(recvmsg, p[1], &r, MSG_CMSG_CLOEXEC)), V(r.msg_controllen), V(r.msg_flags);
  c = (void *)got;
  V(c->cmsg_len), V(c->cmsg_type);
  int received[2];
  memcpy(received, CMSG_DATA(c), 8);
  V(received[0]), V(fcntl(received[0], F_GETFD));
  T(pread(received[1], buf, 7, 0)), BYTES(buf, 7);
  c = (void *)control, memcpy(CMSG_DATA(c), (int[]){fd, 99}, 8);
  T(S(sendmsg, p[0], &m, 0));
  memcpy(CMSG_DATA(c), (int[]){fd, fd}, 8);
  T(S(sendmsg, p[0], &m, 0));
  r.msg_controllen = CMSG_LEN(4);
  T(S(recvmsg, p[1], &r, 0)), V(r.msg_controllen), V(r.msg_flags);
  m.msg_controllen = 0;
  T(S(sendmsg, p[0], BAD, 0));
  T(S(sendmsg, 99, BAD, 0));
  T(S(sendmsg, 99, &m, 0));
  T(S(sendmsg, 0, &m, 0));
  m.msg_iovlen = 5000;
  T(S(sendmsg, p[0], &m, 0));
  m.msg_iovlen = 2, m.msg_iov = BAD;
  T(S(sendmsg, p[0], &m, 0));
  out[0].iov_base = BAD, m.msg_iov = out;
  T(S(sendmsg, p[0], &m, 0));
  T(S(recvmsg, p[1], BAD, 0));
  T(S(recvmsg, p[1], &r, MSG_DONTWAIT));
  T(S(recvmsg, 99, &r, 0));
  struct sockaddr_un a = unix_name("msg"), from;
  int s = socket(AF_UNIX, SOCK_DGRAM, 0), t = socket(AF_UNIX, SOCK_DGRAM, 0);
  bind(s, (void *)&a, sizeof a);
  out[0].iov_base = "abc", m = (struct msghdr){&a, sizeof a, out, 2};
  T(S(sendmsg, t, &m, 0));
  r = (struct msghdr){&from, sizeof from, in, 2};
  T(S(recvmsg, s, &r, 0)), V(r.msg_namelen);
  T(S(sendmsg, s, &m, 0));
  r = (struct msghdr){&from, sizeof from, in, 2};
  T(S(recvmsg, s, &r, 0)), V(r.msg_namelen), TEXT(from.sun_path);
  for (int i = 3; i < 30; i++) close(i);
}

static void many(void) {
  TITLE("sendmmsg and recvmmsg");
  int p[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
  struct iovec out[3] = {{"one", 3}, {"three", 5}, {BAD, 4}}, in[3] = {{buf, 9}, {buf + 10, 9}};
  struct mmsghdr m[3] = {{{.msg_iov = &out[0], .msg_iovlen = 1}, 77},
                         {{.msg_iov = &out[1], .msg_iovlen = 1}, 77},
                         {{.msg_iov = &out[2], .msg_iovlen = 1}, 77}};
  T(S(sendmmsg, p[0], m, 2, 0)), V(m[0].msg_len), V(m[1].msg_len), V(m[2].msg_len);
  struct mmsghdr r[3] = {{{.msg_iov = &in[0], .msg_iovlen = 1}, 0},
                         {{.msg_iov = &in[1], .msg_iovlen = 1}, 0}};
  T(S(recvmmsg, p[1], r, 2, 0, NULL)), V(r[0].msg_len), V(r[1].msg_len);
  BYTES(buf, 3), BYTES(buf + 10, 5);
  T(S(sendmmsg, p[0], m, 3, 0));
  T(S(recvmmsg, p[1], r, 2, MSG_DONTWAIT, NULL));
  T(S(recvmmsg, p[1], r, 2, MSG_DONTWAIT, NULL));
  T(S(sendmmsg, p[0], m + 2, 1, 0));
  T(S(sendmmsg, p[0], BAD, 1, 0));
  T(S(sendmmsg, p[0], m, 0, 0));
  T(S(sendmmsg, 99, m, 1, 0));
  T(S(recvmmsg, 99, r, 1, 0, NULL));
  struct timespec t = {0, 1000}, bad = {0, -1};
  T(S(recvmmsg, p[1], r, 1, 0, &bad));
  T(S(recvmmsg, p[1], r, 1, 0, BAD));
  T(S(sendmmsg, p[0], m, 1, 0)), T(S(recvmmsg, p[1], r, 2, MSG_WAITFORONE, &t));
  for (int i = 3; i < 20; i++) close(i);
}

int main(void) {
  start();
  making();
  local();
  internet();
  messages();
  many();
  return 0;
}
