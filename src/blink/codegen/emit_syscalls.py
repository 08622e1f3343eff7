"""Writes `_generated_syscalls.h`: the passthrough calls as a table for the engine's native path.

The definitions are `blink.syscalls._spec.Call` objects; the C types are in syscall_native.h.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from blink.abi.filled import FILLS_ALL, FILLS_FIRST

if TYPE_CHECKING:
    from blink.syscalls._spec import Arg, Call

Length = tuple[str, int, int]
"""LENGTH_* name, index of the argument that it is taken from, unit in bytes."""

_ENGINE = "blink._engine"
_NO_LENGTH: Length = ("LENGTH_CONST", 0, 0)
_DIRECTIONS = ("in", "out", "inout")
_VALUES = {"fd": "ARG_FD", "newfd": "ARG_NEW_FD"}
_MAX_ARGS = 6
_WORD = 1 << 32


class _NoEngine(ModuleType):
    """Stands for the engine, which codegen cannot import, as it is about to be built.

    Every attribute is some class, which is enough for the modules of system calls to be imported.
    """

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


@contextmanager
def _without_engine() -> Iterator[None]:
    """What is imported inside sees no engine, and is forgotten afterwards."""
    before = dict(sys.modules)
    sys.modules[_ENGINE] = _NoEngine(_ENGINE)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith("blink.")]:
            if name not in before:
                del sys.modules[name]


def load() -> list[Call]:
    """All definitions of system calls, with the engine or without."""
    if _ENGINE in sys.modules:
        from blink.syscalls import _table

        return _table.every()
    with _without_engine():
        from blink.syscalls import _table

        return _table.every()


def index(calls: list[Call]) -> str:
    """The text of `_generated_index.py`: which family defines a call."""
    from blink.syscalls import _table

    return _table.emit_index(calls)


def _value_bits(call: Call, index: int) -> int:
    """The width of the argument that holds a length."""
    source = call.args[index].type
    if source.kind != "value":
        raise ValueError(f"{call.name}: argument {index} is a pointer, no length")
    return source.bits


def _length(call: Call, arg: Arg) -> Length:
    """The length rule of a pointer argument, see `Arg.length`."""
    assert arg.length is not None
    rule, *operands = arg.length
    numbers = [operand for operand in operands if isinstance(operand, int)]
    match rule, numbers:
        case "const", [size]:
            return ("LENGTH_CONST", 0, size)
        case "arg", [index, unit]:
            name = "LENGTH_ARG" if _value_bits(call, index) == 64 else "LENGTH_ARG32"
            return (name, index, unit)
        case "bits", [index]:
            return ("LENGTH_BITS", index, 0)
        case "ref", [index]:
            return ("LENGTH_REF", index, 0)
        case (("iov" | "by"), [index]):
            return ("LENGTH_CONST", index, 0)
        case "path", [_]:
            return _NO_LENGTH
    raise ValueError(f"{call.name}: no native form for the length {arg.length} of {arg.name}")


def _kind(call: Call, arg: Arg) -> str:
    if not arg.is_pointer:
        return _VALUES.get(arg.type.show, "ARG_VALUE")
    if arg.type.kind == "by":
        return "ARG_BY"
    if arg.type.opaque:
        return "ARG_NULL"
    if arg.type.direction not in _DIRECTIONS:
        raise ValueError(f"{call.name}: {arg.name} has no direction")
    way = "IN" if arg.type.direction == "in" else "OUT"
    if arg.type.kind in ("path", "sigset"):
        return f"ARG_{arg.type.kind.upper()}"
    return f"ARG_IOV_{way}" if arg.type.kind == "iov" else f"ARG_{way}"


def _argument(call: Call, arg: Arg) -> str:
    kind = _kind(call, arg)
    name, source, unit = _length(call, arg) if arg.is_pointer else _NO_LENGTH
    if not 0 <= unit < _WORD or not 0 <= source < len(call.args):
        raise ValueError(f"{call.name}: the length of {arg.name} does not fit the table")
    return f"{{{kind}, {name}, {source}, {unit}}}"


def _check(call: Call) -> None:
    if len(call.args) > _MAX_ARGS:
        raise ValueError(f"{call.name}: more than {_MAX_ARGS} arguments")
    if sum(arg.type.kind == "iov" for arg in call.args) > 1:
        raise ValueError(f"{call.name}: the engine translates one iovec array a call")


def _variants(call: Call) -> dict[int, Arg]:
    """Value of the argument that chooses -> what the call's last argument is then."""
    choices = call.args[-1].type.choices if call.args else None
    return {value: call.args[-1].variant(kind) for value, kind in sorted((choices or {}).items())}


def _variant_table(call: Call) -> str:
    rows = [f"{{{v:#x}, {_argument(call, arg)}}}" for v, arg in _variants(call).items()]
    return f"static const NativeVariant variants_{call.number}[] = {{\n  " + (
        ",\n  ".join(rows) + "};"
    )


def _row(call: Call) -> str:
    _check(call)
    arguments = ", ".join(_argument(call, arg) for arg in call.args)
    body = f", {{{arguments}}}" if arguments else ""
    if variants := len(_variants(call)):
        body += f", {variants}, variants_{call.number}"
    head = f"{call.native}, {_filled(call)}, {len(call.args)}"
    return f"  [{call.number}] = {{{head}{body}}}, /* {call.name} */"


def _filled(call: Call) -> str:
    if call.number in FILLS_ALL:
        return "FILLS_ALL"
    return "FILLS_FIRST" if call.number in FILLS_FIRST else "FILLS_AS_TOLD"


def emit(definitions: Iterable[Call]) -> str:
    """The text of the header.  Raises ValueError for a call that the native path cannot run."""
    calls = sorted((c for c in definitions if c.native), key=lambda call: call.number)
    lines = [
        "/* Generated by blink.codegen.emit_syscalls from blink/syscalls: do not edit. */",
        *[_variant_table(call) for call in calls if _variants(call)],
        "static const NativeCall native_calls[] = {",
        *([_row(call) for call in calls] or ["  [0] = {0},"]),
        "};",
    ]
    return "\n".join(lines) + "\n"
