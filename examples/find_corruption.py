"""Goes back from a crash to the write that caused it."""

from __future__ import annotations

from build import build

import blink

SOURCE = r"""
#include <stdlib.h>
#include <string.h>
struct item { char name[8]; struct item *next; };
static struct item *make(const char *name, struct item *next) {
  struct item *item = malloc(sizeof *item);
  item->next = next;
  strcpy(item->name, name); /* room for seven letters */
  return item;
}
int main(void) {
  struct item *list = make("one", make("corruptedbymuch", make("three", 0)));
  int count = 0;
  for (struct item *i = list; i; i = i->next) count += i->name[0] != 0;
  return count;
}
"""


def main() -> str:
    """Where the bad pointer was written, in words."""
    with blink.load([build(SOURCE)]) as program:
        crash = program.run()
        print("crash:", crash.text)
        frame = program.session.backtrace()[0]
        print("in   :", frame.place)
        bad = program.rax  # the item's address, which is no address
        (heap,) = (m for m in program.session.maps() if m.path == "[heap]")
        (pointer,) = program.session.search(bad.to_bytes(8, "little"), heap.start, heap.end)
        write = program.last_write(pointer, 8)
        print(f"write to {pointer:#x}: {write.text}")
        callers = [str(frame.place) for frame in program.session.backtrace()]
        print("   in", "\n      ".join(callers))
    return callers[0] + " " + callers[1]


if __name__ == "__main__":
    main()
