#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>
int main(void) {
  close(0);
  close(1);
  close(2);
  int first = open("first", O_RDWR | O_CREAT, 0600),
      second = open("second", O_RDWR | O_CREAT, 0600);
  int third = open("third", O_RDWR | O_CREAT, 0600), fourth = dup(third);
  dprintf(second, "%d %d %d %d\n", first, second, third, fourth);
  if (fork() == 0) {
    execl("/bin/echo", "echo", "goes to second", NULL);
    _exit(9);
  }
  wait(NULL);
  return dprintf(2, "to the third\n");
}
