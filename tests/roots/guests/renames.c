/* renameat2(2) of a directory, what it holds and names with a slash behind: which error comes first. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int main(void) {
  static const char *const names[] = {"N", "N/", "N/f", "N/f/", "N/d", "N/d/", "N/d/new", "N/d/new/"};
  enum { COUNT = sizeof names / sizeof *names };
  mkdir("N", 0755), mkdir("N/d", 0755), fclose(fopen("N/f", "w"));
  for (int i = 0; i < COUNT; i++)
    for (int j = 0; j < COUNT; j++)
      for (int flags = 0; flags < 4; flags++) {
        int r = renameat2(AT_FDCWD, names[i], AT_FDCWD, names[j], flags);
        printf("%s %s %d: %s\n", names[i], names[j], flags, r < 0 ? strerrorname_np(errno) : "done");
        if (r == 0 && flags < 2) renameat2(AT_FDCWD, names[j], AT_FDCWD, names[i], 0);
      }
  return 0;
}
