"""The baton: what a guest thread holds while its code runs, or Python works for it.

It stands in the place of `host.lock`, so that the kernel layer passes it on around host calls that
may wait.  The others wait in a row.  A thread that comes back from a host call makes the runner
leave soon (`hurry`); one that was put off at the end of its turn does not.
"""

from __future__ import annotations

from _thread import allocate_lock, get_native_id
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable


class Baton:
    """Has the methods of a lock.

    holder   the host thread that has it, or None
    last     the one that had it last
    paused   nobody gets it
    only     nobody but this thread gets it, if not None
    full     called: whether only `last` may go on, to finish its system call
    hurry    called when somebody waits who should not
    taken    called by who has just got it
    """

    def __init__(self) -> None:
        self.mutex = allocate_lock()
        self.holder: int | None = None
        self.last: int | None = None
        self.paused = False
        self.only: int | None = None
        self.full: Callable[[], bool] = lambda: False
        self.hurry: Callable[[], None] = lambda: None
        self.taken: Callable[[], None] = lambda: None
        self._row: deque[tuple[int, LockType]] = deque()

    # --- the face of a lock ---

    def acquire(self) -> bool:
        """Waits for it; who has it will hurry."""
        me = get_native_id()
        gate = None
        with self.mutex:
            if self.holder is None and self._may(me):
                self.holder = self.last = me
            else:
                gate = self._gate()
                self._row.append((me, gate))
                if self.holder is not None and self._may(me):
                    self.hurry()
        if gate is not None:
            gate.acquire()
        self.taken()
        return True

    def release(self) -> None:
        """Gives it to the next in the row who may have it."""
        with self.mutex:
            self.holder = None
            self._pass_on()

    def locked(self) -> bool:
        return self.holder is not None

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    # --- the rest ---

    def yield_(self) -> None:
        """Lets the others have it first."""
        with self.mutex:
            gate = self._gate()
            self._row.append((get_native_id(), gate))
            self.holder = None
            self._pass_on()
        gate.acquire()
        self.taken()

    def stand(self, tell: Callable[[], None]) -> None:
        """Pauses all, calls `tell`, and waits to be the first again."""
        with self.mutex:
            gate = self._gate()
            self._row.appendleft((get_native_id(), gate))
            self.holder = None
            self.paused = True
            tell()
        gate.acquire()
        self.taken()

    def wanted(self) -> bool:
        """Whether somebody waits who could have it."""
        if not self._row:
            return False
        with self.mutex:
            return any(self._may(tid) for tid, _ in self._row)

    def resume(self) -> None:
        with self.mutex:
            self.paused = False
            if self.holder is None:
                self._pass_on()

    @staticmethod
    def _gate() -> LockType:
        gate = allocate_lock()
        gate.acquire()
        return gate

    def _may(self, tid: int) -> bool:
        if self.paused or self.only not in (None, tid):
            return False
        return tid == self.last or not self.full()

    def _pass_on(self) -> None:
        for place, (tid, gate) in enumerate(self._row):
            if self._may(tid):
                del self._row[place]
                self.holder = self.last = tid
                gate.release()
                return
