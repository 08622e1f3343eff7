"""The call log (`-s`): `name(arguments) = result ERRNO`, from the same types as the dispatch."""

from __future__ import annotations

from errno import errorcode

from blink.abi.errors import Interrupted
from blink.abi.signals import NSIG, bit
from blink.abi.signals import name as signal_name
from blink.abi.sockets import show_address
from blink.syscalls._dispatch import extent, iovecs
from blink.syscalls._spec import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task
    from blink.syscalls._spec import Arg, Call

    Registers = tuple[int, ...]

TEXT_MAX = (32, 4096)  # bytes of a string that are shown: with -s, with -ss
ITEMS_MAX = 8
ADDRESS_MAX = 128
MAX_ERRNO = 4095


def traced(
    task: Task, call: Call, registers: Registers, invoke: Callable[[Task, Call, Registers], int]
) -> int:
    """Runs a call and logs one line.  A call that does not return is logged with `= ?` before."""
    before = [_before(task, arg, registers) for arg in call.args]
    if call.name in ("exit", "exit_group", "execve", "execveat"):
        task.process.log(f"{call.name}({', '.join(t or '?' for t in before)}) = ?")
    try:
        result = invoke(task, call, registers)
    except Interrupted:
        task.process.log(_line(task, call, registers, before, None))
        raise
    if result != KEEP:
        task.process.log(_line(task, call, registers, before, result))
    return result


def _line(
    task: Task, call: Call, registers: Registers, before: list[str | None], result: int | None
) -> str:
    texts = [
        _after(task, arg, registers, result) if text is None else text
        for arg, text in zip(call.args, before, strict=True)
    ]
    return f"{call.name}({', '.join(texts)}) = {format_result(call, result)}"


def format_result(call: Call, result: int | None) -> str:
    """`3`, `0x7f...`, `-1 ENOENT`, or `? RESTART` when a signal came first."""
    if result is None:
        return "? RESTART"
    if -MAX_ERRNO <= result < 0:
        return f"-1 {errorcode.get(-result, str(-result))}"
    return hex(result) if call.result == "hex" else str(result)


def _before(task: Task, arg: Arg, registers: Registers) -> str | None:
    """The text of an argument that is known before the call; None for what the call writes."""
    chosen = arg.chosen(registers) if arg.type.kind == "by" else None
    if (chosen or arg).type.direction == "out":
        return None
    return format_argument(task, arg, registers, None)


def _after(task: Task, arg: Arg, registers: Registers, result: int | None) -> str:
    if result is None or -MAX_ERRNO <= result < 0:
        return _hex(registers[arg.index])
    return format_argument(task, arg, registers, result)


def format_argument(task: Task, arg: Arg, registers: Registers, result: int | None) -> str:
    """One argument; `result` bounds what a call that returns a count has written."""
    value = registers[arg.index]
    if arg.type.kind == "by":
        chosen = arg.chosen(registers)
        return hex(value) if chosen is None else format_argument(task, chosen, registers, result)
    if not arg.is_pointer:
        return _value(arg, value)
    if value == 0 or arg.type.kind == "range":
        return _hex(value)
    try:
        return _pointee(task, arg, registers, result)
    except task.MemoryFault:
        return hex(value)


def _hex(value: int) -> str:
    return hex(value) if value else "NULL"


def _value(arg: Arg, value: int) -> str:
    kind = arg.type
    value &= (1 << kind.bits) - 1
    if kind.flags is not None:
        return kind.flags.format(value)
    if kind.signed:
        value -= (value >> (kind.bits - 1)) << kind.bits
    if kind.show == "hex":
        return _hex(value)
    if kind.show == "oct":
        return f"0{value:o}"
    if kind.show == "signal":
        return signal_name(value)
    return "AT_FDCWD" if kind.show == "fd" and value == -100 else str(value)


def _pointee(task: Task, arg: Arg, registers: Registers, result: int | None) -> str:
    kind = arg.type.kind
    value = registers[arg.index]
    if kind in ("path", "text"):
        return _quote(task.memory.read_cstr(value), TEXT_MAX[1])
    if kind == "iov":
        return _iov(task, arg, registers, result)
    if kind == "sigset":
        return _sigset(int.from_bytes(task.memory.read(value, 8), "little"))
    size = _written(arg, extent(task, arg, registers), result)
    if kind in ("struct", "array") and arg.type.layout is not None:
        return _structs(task, arg, value, size)
    if kind == "sockaddr":
        return show_address(task.memory.read(value, min(size, ADDRESS_MAX)))
    return _text(task, value, size)


def _written(arg: Arg, size: int, result: int | None) -> int:
    """Bytes that are there, when the result of the call counts them (read) or their units."""
    assert arg.length is not None
    if result is None or arg.type.direction != "out" or arg.length[0] != "arg":
        return size
    return min(size, result * int(arg.length[2]))


def _sigset(bits: int) -> str:
    names = [signal_name(signo) for signo in range(1, NSIG + 1) if bits & bit(signo)]
    return "[" + " ".join(names) + "]"


def _structs(task: Task, arg: Arg, address: int, size: int) -> str:
    layout = arg.type.layout
    assert layout is not None
    if arg.type.kind == "struct":
        return layout.format(task.memory.read(address, layout.size))
    count = min(size // layout.size, ITEMS_MAX)
    data = task.memory.read(address, count * layout.size)
    items = [layout.format(data[i : i + layout.size]) for i in range(0, len(data), layout.size)]
    return "[" + ", ".join(items) + (", ...]" if count * layout.size < size else "]")


def _iov(task: Task, arg: Arg, registers: Registers, result: int | None) -> str:
    assert arg.length is not None
    count = min(registers[int(arg.length[1])], ITEMS_MAX)
    texts = []
    for base, length in iovecs(task, registers[arg.index], count):
        shown = length if result is None else min(length, result)
        texts.append(_text(task, base, shown))
        result = None if result is None else result - shown
    return "[" + ", ".join(texts) + "]"


def _text(task: Task, address: int, size: int) -> str:
    limit = TEXT_MAX[task.process.trace > 1]
    return _quote(task.memory.read(address, min(size, limit + 1)), limit)


def _quote(data: bytes, limit: int) -> str:
    shown = data[:limit]
    text = ascii(shown)[2:-1].replace('"', '\\"').replace("\\'", "'")
    return f'"{text}"' + ("..." if len(shown) < len(data) else "")
