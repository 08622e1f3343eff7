"""Who decides when guest threads run: nobody, unless a program is debugged or recorded.

A process with a director runs its threads through `Director.guide`, one at a time: the director has
put a lock of its own in the place of `host.lock`, which a thread then keeps while guest code runs.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task


class Director:
    """What the kernel layer tells.  The caller holds `host.lock` in all but `guide`."""

    __slots__ = ()

    def guide(self, task: Task) -> None:
        """The life of a guest thread.  Raises ThreadEnded; returns in a child, which is alone."""
        raise NotImplementedError

    def forked(self, task: Task) -> None:
        """In the child of a fork: from here on it is on its own, and has a new `host.lock`."""
        raise NotImplementedError

    def ending(self, reason: str, number: int, info: bytes = b"") -> None:
        """The process is about to end: "exit" with a status, or "killed" by a signal; `info` is the
        siginfo_t of a fault."""

    def signal(self, task: Task, signo: int, info: bytes) -> None:
        """A signal reaches the guest: its action comes next."""

    def note(self, task: Task, reason: str, number: int = 0) -> None:
        """It happened: "clone" or "fork", with the number of who is new; "exec"."""

    def new_thread(self, task: Task) -> int | None:
        """The number of a thread that `task` starts, if it needs no host thread."""
        return None

    def wake(self, task: Task, address: int) -> None:
        """Who waits for a futex at that address has been woken in the host: one of them."""
