"""Classes of system calls for `--trace`: what a call is follows from its definition."""

from __future__ import annotations

import difflib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.syscalls._spec import Call

_FAMILIES = {  # families, and single calls of others
    "network": ("sockets", "messages"),
    "process": ("process", "clone", "exit", "exit_group"),
    "memory": ("memory", "protection", "locking", "numa"),
    "signal": ("signals",),
    "ipc": ("sysv", "semaphores", "queues"),
}
NAMES = ("all", "none", "file", "desc", *_FAMILIES)


def is_in(call: Call, name: str) -> bool:
    """Whether a call belongs to a class: by family or name, or by the types of its arguments."""
    if name in ("all", "none"):
        return name == "all"
    if name == "file":
        return bool(call.paths)
    if name == "desc":
        return any(arg.type.show in ("fd", "newfd") for arg in call.args)
    return bool({call.family, call.name} & set(_FAMILIES[name]))


def chosen(text: str) -> Callable[[Call], bool]:
    """Which calls `file,network,!openat` means: those of the words, less those behind a `!`."""
    words = [word.removeprefix("%") for word in text.split(",") if word]
    refused = [word[1:].removeprefix("%") for word in words if word.startswith("!")]
    wanted = [word for word in words if not word.startswith("!")] or ["all"]
    known: dict[int, bool] = {}

    def answer(call: Call) -> bool:
        if call.number not in known:
            known[call.number] = _matches(call, wanted) and not _matches(call, refused)
        return known[call.number]

    return answer


def _matches(call: Call, words: list[str]) -> bool:
    return any(is_in(call, word) if word in NAMES else call.name == word for word in words)


def complaint(text: str) -> str | None:
    """What is wrong with such a text, in one line; None when nothing is."""
    from blink.syscalls._table import every

    names = {call.name for call in every()} | set(NAMES)
    for word in text.split(","):
        plain = word.removeprefix("!").removeprefix("%")
        if plain and plain not in names:
            near = difflib.get_close_matches(plain, sorted(names), 3)
            return f"no system call or class is called {plain}" + (
                f"; near it: {', '.join(near)}" if near else f"; classes: {', '.join(NAMES)}"
            )
    return None
