"""How a session starts a program: checked once, and kept, so that it can be started again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from blink.debugger import link
from blink.debugger.errors import DebugError
from blink.debugger.link import Link, Stdio
from blink.debugger.timeline import LIMIT
from blink.debugger.wire import Message, text_of

Word = str | bytes


class Launch:
    """The arguments of `Session.launch`.  Raises DebugError for those that make no sense."""

    def __init__(
        self,
        argv: Sequence[Word],
        env: Mapping[str, str] | None,
        cwd: str | None,
        stdio: Stdio,
        record: bool,
        options: Mapping[str, Any] | None,
        program: Word | None,
    ) -> None:
        chosen = dict(options or {})
        if isinstance(argv, (str, bytes)) or not (argv or chosen.get("image")):
            raise DebugError("argv is a list of words, the program first")
        self.checkpoints = int(chosen.pop("checkpoints", LIMIT))
        self.record = record
        self.notes_calls = bool(chosen.get("calls")) or not record
        self._stdio, self._cwd = stdio, cwd
        self._fields: Message = {
            "program": _text(program or (argv[0] if argv else "")),
            "argv": list(map(_text, argv)),
            "env": _environment(env),
            "terminal": isinstance(stdio, int),
            "record": record,
            "options": chosen,
        }

    def start(self) -> Link:
        """A process with the program before its first instruction.  Raises DebugError."""
        target = link.spawn(self._stdio, self._cwd)
        try:
            target.ask("start", **self._fields)
        except DebugError:
            target.close()
            raise
        return target

    def change(self, arguments: Sequence[Word]) -> None:
        """Other words behind the program's name, from the next start on."""
        self._fields["argv"] = [*self._fields["argv"][:1], *map(_text, arguments)]


def _text(word: Word) -> str:
    return text_of(os.fsencode(word))


def _environment(env: Mapping[str, str] | None) -> list[str]:
    """Ours, without `env`."""
    if env is None:
        return [text_of(name + b"=" + value) for name, value in os.environb.items()]
    return [_text(f"{name}={value}") for name, value in env.items()]
