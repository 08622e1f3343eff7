/* Says its terminal's size whenever that changes, from the signal handler: no change may be lost,
 * wherever between two reads it comes. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void show(int signo) {
  struct winsize size;
  char text[32];
  (void)signo;
  ioctl(0, TIOCGWINSZ, &size);
  write(1, text, snprintf(text, sizeof text, "<%d %d>\n", size.ws_col, size.ws_row));
}

int main(void) {
  struct sigaction action = {.sa_handler = show};
  char byte;
  ssize_t n;
  sigaction(SIGWINCH, &action, NULL);
  write(1, "ready\n", 6);
  while ((n = read(0, &byte, 1)) > 0 || (n < 0 && errno == EINTR)) {
  }
  return n != 0;
}
