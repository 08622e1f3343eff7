"""What each signal does: the guest's sigaction table, and what the host is told of it."""

from __future__ import annotations

from blink import _engine
from blink.abi.signals import (
    DEFAULT_IGNORED,
    DEFAULT_STOPS,
    NSIG,
    SA_HOST,
    SIG_DFL,
    SIG_IGN,
    SIGKILL,
    SIGSTOP,
    UNBLOCKABLE,
    bit,
)


class Action:
    """One row: struct sigaction."""

    __slots__ = ("flags", "handler", "mask", "restorer")

    def __init__(
        self, handler: int = SIG_DFL, flags: int = 0, restorer: int = 0, mask: int = 0
    ) -> None:
        self.handler = handler
        self.flags = flags
        self.restorer = restorer
        self.mask = mask & ~UNBLOCKABLE


_DEFAULT = Action()
_IGNORE = Action(SIG_IGN)


class Actions:
    """The table, signal numbers 1 to 64.  The host is told of every change.

    The host kernel carries out default actions and drops ignored signals by itself; the engine's
    handler catches only what the guest catches.  The host gets the guest's SA_RESTART, SA_NOCLDSTOP
    and SA_NOCLDWAIT, so that it decides about restarts and zombies as it would for the guest.

    `catch_fatal`: signals whose default action ends the process come to us, too (see `tell_again`).
    """

    __slots__ = ("catch_fatal", "rows")

    def __init__(self) -> None:
        self.rows: dict[int, Action] = {}
        self.catch_fatal = False

    def __getitem__(self, signo: int) -> Action:
        return self.rows.get(signo, _DEFAULT)

    def inherit(self, ignored: int) -> None:
        """Takes over the set of signals that were ignored when `blink` started."""
        for signo in range(1, NSIG + 1):
            if ignored & bit(signo):
                self.rows[signo] = _IGNORE

    def set(self, signo: int, action: Action) -> None:
        self.rows[signo] = action
        self.tell_host(signo, action)

    def tell_again(self, catch_fatal: bool) -> None:
        """Tells the host about all signals anew."""
        self.catch_fatal = catch_fatal
        for signo in range(1, NSIG + 1):
            self.tell_host(signo, self[signo])

    def tell_host(self, signo: int, action: Action) -> None:
        if signo in (SIGKILL, SIGSTOP):
            return
        how = {SIG_DFL: _engine.DEFAULT, SIG_IGN: _engine.IGNORE}.get(action.handler, _engine.CATCH)
        harmless = signo in DEFAULT_IGNORED or signo in DEFAULT_STOPS
        if self.catch_fatal and action.handler == SIG_DFL and not harmless:
            how = _engine.CATCH
        _engine.sig_set(signo, how, action.flags & SA_HOST)

    def after_exec(self) -> None:
        """execve(2): caught signals go to their default, ignored ones stay; flags are forgotten."""
        for signo, action in list(self.rows.items()):
            if action.handler == SIG_IGN:
                self.rows[signo] = _IGNORE
            else:
                del self.rows[signo]
            self.tell_host(signo, self[signo])
