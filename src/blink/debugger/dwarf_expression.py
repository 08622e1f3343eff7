"""DWARF expressions of call frame information: the operations that compilers and libc use there.

PLT entries compute their CFA with one, and the C library's signal trampoline where each register
was saved.  Source: DWARF 5, section 2.5.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Read = Callable[[int, int], bytes]

_MASK = (1 << 64) - 1
_ADDR, _DEREF, _DEREF_SIZE, _DUP, _DROP = 0x03, 0x06, 0x94, 0x12, 0x13
_OVER, _SWAP, _PLUS_UCONST, _NOP = 0x14, 0x16, 0x23, 0x96
_LIT0, _BREG0, _BREGX, _CONSTU, _CONSTS = 0x30, 0x70, 0x92, 0x10, 0x11
_CONSTANTS = {0x08: (1, False), 0x09: (1, True), 0x0A: (2, False), 0x0B: (2, True),
              0x0C: (4, False), 0x0D: (4, True), 0x0E: (8, False), 0x0F: (8, True)}  # fmt: skip


class Unreadable(Exception):
    """A value that a frame needs is not there: memory ends, or a register is lost."""


def _signed(value: int) -> int:
    return value - ((value & 1 << 63) << 1)


_BINARY: dict[int, Callable[[int, int], int]] = {
    0x1A: lambda a, b: a & b,
    0x1C: lambda a, b: a - b,
    0x1E: lambda a, b: a * b,
    0x21: lambda a, b: a | b,
    0x22: lambda a, b: a + b,
    0x24: lambda a, b: a << b if b < 64 else 0,
    0x25: lambda a, b: a >> b,
    0x26: lambda a, b: _signed(a) >> b,
    0x27: lambda a, b: a ^ b,
    0x29: lambda a, b: int(a == b),
    0x2A: lambda a, b: int(_signed(a) >= _signed(b)),
    0x2B: lambda a, b: int(_signed(a) > _signed(b)),
    0x2C: lambda a, b: int(_signed(a) <= _signed(b)),
    0x2D: lambda a, b: int(_signed(a) < _signed(b)),
    0x2E: lambda a, b: int(a != b),
}
_UNARY: dict[int, Callable[[int], int]] = {
    0x19: lambda a: abs(_signed(a)),
    0x1F: lambda a: -a,
    0x20: lambda a: ~a,
}


def evaluate(code: bytes, registers: dict[int, int], read: Read, cfa: int | None = None) -> int:
    """The value of an expression; `cfa`, if given, is on the stack at first.  Raises Unreadable."""
    stack = [] if cfa is None else [cfa]
    bytes_left = iter(code)
    try:
        for op in bytes_left:
            _step(op, bytes_left, stack, registers, read)
        return stack[-1] & _MASK
    except (IndexError, KeyError, StopIteration, RuntimeError):
        raise Unreadable from None


def _step(
    op: int, code: Iterator[int], stack: list[int], registers: dict[int, int], read: Read
) -> None:
    if op in _BINARY:
        right, left = stack.pop(), stack.pop()
        stack.append(_BINARY[op](left, right) & _MASK)
    elif op in _UNARY:
        stack.append(_UNARY[op](stack.pop()) & _MASK)
    elif op in (_DEREF, _DEREF_SIZE):
        size = next(code) if op == _DEREF_SIZE else 8
        stack.append(_load(read, stack.pop(), size))
    elif op in (_DUP, _DROP, _OVER, _SWAP):
        _shuffle(op, stack)
    elif op == _PLUS_UCONST:
        stack.append(stack.pop() + _leb(code, False) & _MASK)
    elif op != _NOP:
        stack.append(_pushed(op, code, registers) & _MASK)


def _pushed(op: int, code: Iterator[int], registers: dict[int, int]) -> int:
    """The value of an operation that takes nothing from the stack.  KeyError for unknown ones."""
    if _LIT0 <= op < _LIT0 + 32:
        return op - _LIT0
    if _BREG0 <= op < _BREG0 + 32:
        return registers[op - _BREG0] + _leb(code, True)
    if op == _BREGX:
        number = _leb(code, False)
        return registers[number] + _leb(code, True)
    if op in (_CONSTU, _CONSTS):
        return _leb(code, op == _CONSTS)
    size, signed = (8, False) if op == _ADDR else _CONSTANTS[op]
    return int.from_bytes(bytes(next(code) for _ in range(size)), "little", signed=signed)


def _shuffle(op: int, stack: list[int]) -> None:
    if op == _DROP:
        stack.pop()
    elif op == _SWAP:
        stack[-1], stack[-2] = stack[-2], stack[-1]
    else:
        stack.append(stack[-1 if op == _DUP else -2])


def _load(read: Read, address: int, size: int) -> int:
    data = read(address, size)
    if len(data) < size:
        raise Unreadable
    return int.from_bytes(data, "little")


def _leb(code: Iterator[int], signed: bool) -> int:
    value = shift = 0
    while True:
        byte = next(code)
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value - (1 << shift) if signed and byte & 0x40 else value
