"""The text of a system call's arguments, `name(arguments) = result`: from its typed definition."""

from __future__ import annotations

from blink.abi import signals as sig
from blink.abi.signals import name as signal_name
from blink.abi.sockets import show_address
from blink.syscalls._dispatch import extent, iovecs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task
    from blink.syscalls._spec import Arg, Call

    Registers = tuple[int, ...]

ITEMS_MAX = 8
STRINGS_MAX = 32
ADDRESS_MAX = 128
MAX_ERRNO = 4095
MAX_PATH = 4096


class Texts:
    """The arguments of one call: what can be told before it, and what it has written.

    Made before the call, for it may change what its arguments point to.
    """

    __slots__ = ("_args", "_before", "_format", "_registers", "_task")

    def __init__(self, task: Task, call: Call, registers: Registers, limit: int) -> None:
        self._task = task
        self._args = [arg for arg in call.args if arg.is_given(registers)]
        self._registers = registers
        self._format = Format(task, limit)
        self._before = [self._known(arg) for arg in self._args]

    def before(self) -> str:
        """What a call that does not come back is shown with."""
        return ", ".join(text or "?" for text in self._before)

    def begun(self) -> str:
        """Up to the first argument that the call writes."""
        cut = self._cut()
        known = ", ".join(text for text in self._before[:cut] if text is not None)
        return known + "," * (0 < cut < len(self._before))

    def rest(self, result: int | None) -> str:
        """What `begun` left out."""
        return " " * (self._cut() < len(self._before)) + ", ".join(
            self._after(result)[self._cut() :]
        )

    def all(self, result: int | None) -> str:
        return ", ".join(self._after(result))

    def named(self, result: int | None) -> dict[str, str]:
        """Text by the name of the argument."""
        names = [arg.name for arg in self._args]
        return dict(zip(names, self._after(result), strict=True))

    def _cut(self) -> int:
        return self._before.index(None) if None in self._before else len(self._before)

    def _known(self, arg: Arg) -> str | None:
        chosen = arg.chosen(self._registers) if arg.type.kind == "by" else None
        if (chosen or arg).type.direction == "out":
            return None
        return self._format.argument(arg, self._registers, None)

    def _after(self, result: int | None) -> list[str]:
        failed = result is None or -MAX_ERRNO <= result < 0
        return [
            text if text is not None
            else _hex(self._registers[arg.index]) if failed
            else self._format.argument(arg, self._registers, result)
            for arg, text in zip(self._args, self._before, strict=True)
        ]  # fmt: skip


class Format:
    """Texts of single arguments; strings are cut behind `limit` bytes."""

    __slots__ = ("_limit", "_task")

    def __init__(self, task: Task, limit: int) -> None:
        self._task = task
        self._limit = limit

    def argument(self, arg: Arg, registers: Registers, result: int | None) -> str:
        """One argument; `result` bounds what a call that returns a count has written."""
        value = registers[arg.index]
        if arg.type.kind == "by":
            chosen = arg.chosen(registers)
            return hex(value) if chosen is None else self.argument(chosen, registers, result)
        layout = arg.type.layout
        if (value == 0 and arg.is_pointer) or arg.type.kind == "range":
            return _hex(value)
        if layout is not None and layout.by_address:
            return hex(value)
        try:
            return (
                self._pointee(arg, registers, result) if arg.is_pointer else self._value(arg, value)
            )
        except self._task.MemoryFault:
            return hex(value)

    def _value(self, arg: Arg, value: int) -> str:
        if arg.type.show in ("argv", "envp") and value:
            return self._strings(value, arg.type.show == "argv")
        return _value(arg, value)

    def _strings(self, address: int, in_full: bool) -> str:
        """A vector of strings: `["ls", "-l"]`; of an environment, how many there are."""
        texts: list[str] = []
        while pointer := int.from_bytes(
            self._task.memory.read(address + 8 * len(texts), 8), "little"
        ):
            shown = in_full and len(texts) < STRINGS_MAX
            texts.append(self._string(pointer) if shown else "...")
        if not in_full:
            return f"{address:#x} /* {len(texts)} variable{'s' * (len(texts) != 1)} */"
        return "[" + ", ".join(texts[: STRINGS_MAX + 1]) + "]"

    def _string(self, address: int) -> str:
        return _quote(self._task.memory.read_cstr(address), self._limit)

    def _pointee(self, arg: Arg, registers: Registers, result: int | None) -> str:
        kind, value, memory = arg.type.kind, registers[arg.index], self._task.memory
        if kind in ("path", "text"):
            return _quote(memory.read_cstr(value), MAX_PATH)
        if kind == "iov":
            return self._iov(arg, registers, result)
        if kind == "sigset":
            return sig.set_text(int.from_bytes(memory.read(value, 8), "little"))
        size = _written(arg, extent(self._task, arg, registers), result)
        if kind in ("struct", "array") and arg.type.layout is not None:
            return self._structs(arg, value, size)
        if kind == "sockaddr":
            return show_address(memory.read(value, min(size, ADDRESS_MAX)))
        return self._text(value, size)

    def _structs(self, arg: Arg, address: int, size: int) -> str:
        layout = arg.type.layout
        assert layout is not None
        if arg.type.kind == "struct":
            text = layout.format(self._task.memory.read(address, layout.size))
            return f"[{text}]" if len(layout.fields) == 1 and text[:1] not in "[~" else text
        count = min(size // layout.size, ITEMS_MAX)
        data = self._task.memory.read(address, count * layout.size)
        items = [layout.format(data[i : i + layout.size]) for i in range(0, len(data), layout.size)]
        return "[" + ", ".join(items) + (", ...]" if count * layout.size < size else "]")

    def _iov(self, arg: Arg, registers: Registers, result: int | None) -> str:
        assert arg.length is not None
        count = min(registers[int(arg.length[1])], ITEMS_MAX)
        texts = []
        for base, length in iovecs(self._task, registers[arg.index], count):
            shown = length if result is None else min(length, result)
            texts.append(self._text(base, shown))
            result = None if result is None else result - shown
        return "[" + ", ".join(texts) + "]"

    def _text(self, address: int, size: int) -> str:
        return _quote(self._task.memory.read(address, min(size, self._limit + 1)), self._limit)


def _hex(value: int) -> str:
    return hex(value) if value else "NULL"


def _value(arg: Arg, value: int) -> str:
    kind = arg.type
    value &= (1 << kind.bits) - 1
    if kind.flags is not None:
        return kind.flags.format(value)
    if kind.signed:
        value -= (value >> (kind.bits - 1)) << kind.bits
    if kind.show in ("hex", "argv", "envp"):
        return _hex(value)
    if kind.show == "oct":
        return f"0{value:o}" if value else "0"
    if kind.show == "signal":
        return signal_name(value)
    return "AT_FDCWD" if kind.show == "fd" and value == -100 else str(value)


def _written(arg: Arg, size: int, result: int | None) -> int:
    """Bytes that are there, when the result of the call counts them (read) or their units."""
    assert arg.length is not None
    if result is None or arg.type.direction != "out" or arg.length[0] != "arg":
        return size
    return min(size, result * int(arg.length[2]))


def _quote(data: bytes, limit: int) -> str:
    shown = data[:limit]
    text = ascii(shown)[2:-1].replace('"', '\\"').replace("\\'", "'")
    return f'"{text}"' + ("..." if len(shown) < len(data) else "")
