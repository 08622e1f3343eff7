"""vCont and its older kin: which motion of the session GDB asks for."""

from __future__ import annotations

from blink.debugger.gdb.drive import Begin, Drive


def thread_number(text: str) -> int | None:
    """`TID` or `pPID.TID`; None for all or any of them."""
    tid = text.removeprefix("p").partition(".")[2] if text.startswith("p") else text
    return None if tid in ("", "0", "-1") else int(tid, 16)


class Resume:
    """`only`: the thread that `Hc` has named, for the older packets."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self.only: int | None = None

    def plain(self, letter: str, text: str) -> Begin | None:
        """`c ADDRESS`, `s`, `C SIGNAL;ADDRESS`, `S`."""
        signal, _, place = text.partition(";") if letter in "CS" else ("", "", text)
        if place:
            self._drive.change().set_register("rip", int(place, 16))
        return self._motion(letter + signal, self.only)

    def actions(self, text: str) -> Begin | None:
        """`ACTION:THREAD;...`: a thread that steps does so alone; else all that may go on do.

        None when the program has ended and its last signal goes to it.
        """
        rows = [self._row(part) for part in text.split(";")]
        action, tid = next((row for row in rows if row[0][0] in "sSr"), rows[0])
        if action[0] in "cC" and (len(rows) > 1 or any(t is None for _, t in rows)):
            tid = None
        return self._motion(action, tid)

    @staticmethod
    def _row(part: str) -> tuple[str, int | None]:
        action, _, thread = part.partition(":")
        return action, thread_number(thread)

    def _motion(self, action: str, tid: int | None) -> Begin | None:
        session = self._drive.session
        if session.exit_status is not None:
            return None
        kind = action[0]
        if kind in "cC":
            return lambda: session.cont(only=tid)
        if tid is not None and tid != session.tid:
            session.select(tid)
        if kind in "sS":
            return session.step
        if kind == "r":
            start, end = (int(word, 16) for word in action[1:].split(","))
            return lambda: session.step_range(start, end)
        raise ValueError(f"no action {action}")
