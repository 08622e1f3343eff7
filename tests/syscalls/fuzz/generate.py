"""Sequences of system calls with arguments made from the types of their definitions."""

from __future__ import annotations

import struct
from random import Random

from blink import _engine  # noqa: F401  before the families
from blink.syscalls import _table
from blink.syscalls._spec import Arg, Call
from syscalls.fuzz import policy
from syscalls.fuzz.policy import PAGE, PID_TOKEN, PLAYGROUND

DATA, DATA_SIZE = 0x20000000, 0x4000
READ_ONLY, NO_ACCESS, UNMAPPED = 0x20006000, 0x20008000, 0x2000A000
SLOT = 0x800  # of DATA, for each argument
MASK = (1 << 64) - 1

NUMBERS = (
    0, 0, 1, 1, 2, 3, 4, 5, 8, 16, 64, 100, 255, 4095, 4096, 65536, -1, -2, -100,
    1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 1, 1 << 47, 1 << 63, (1 << 63) - 1,
)  # fmt: skip
SIZES = (0, 1, 2, 3, 7, 8, 12, 16, 24, 64, 100, 128, 512, 1024, 2048)
ABSURD = (4096, 5000, 65536, 1 << 20, 1 << 31, 1 << 32, (1 << 32) + 8, 1 << 47, 1 << 63, -1)
BAD_POINTERS = (
    UNMAPPED, NO_ACCESS, READ_ONLY, 1, 8, 0xFFFF, 1 << 45, (1 << 47) - PAGE, (1 << 47) - 1, 1 << 47,
    1 << 48, 1 << 62, 1 << 63, 0xFFFF800000000000, 0xFFFFFFFFFFFFF000, MASK, MASK - 7,
)  # fmt: skip
NAMES = (b"a", b"b", b"dir", b"dir/f", b"new", b"new2", b"link", b"loop", b"absent", b"absent/x",
         b"fifo", b"", b".", b"..", b"/", b"a/", b"a/x", b"./a", b"dir/../a", b"/dev/null",
         b"/proc/self/fd/3", b"user.x", b"tmpfs", b"n" * 300, b"d/" * 900)  # fmt: skip
POINTER_FIELDS = ("base", "name", "iov", "control", "addr", "sp", "value", "ptr", "mask")


class Made:
    """One call: its definition, six arguments, and what lies in DATA beforehand."""

    __slots__ = ("args", "call", "pokes")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.args = [0] * 6
        self.pokes: list[tuple[int, bytes]] = []

    def memory(self) -> bytearray:
        """DATA before the call."""
        data = bytearray(b"\xa5" * DATA_SIZE)
        for address, content in self.pokes:
            data[address - DATA : address - DATA + len(content)] = content
        return data

    def pack(self) -> bytes:
        out = struct.pack("<II6Q", self.call.number, len(self.pokes), *self.args)
        for address, content in self.pokes:
            out += struct.pack("<QQ", address, len(content))
            out += content + bytes(-len(content) % 8)
        return out

    def __str__(self) -> str:
        shown = ", ".join(hex(a) for a in self.args[: len(self.call.args)])
        pokes = " ".join(f"{a:#x}:{c[:32].hex()}" for a, c in self.pokes)
        return f"{self.call.name}({shown}) {pokes}"


def calls() -> list[Call]:
    """The definitions that are fuzzed."""
    every = (call for call in _table.every() if call.level != "none")
    return [call for call in every if call.name not in policy.LEFT_OUT]


def sequence(defined: list[Call], random: Random, length: int) -> list[Made]:
    return [make(random.choice(defined), random) for _ in range(length)]


def make(call: Call, random: Random) -> Made:
    """A call with arguments by their types; values first, for lengths may depend on them."""
    made = Made(call)
    for arg in call.args:
        if not arg.is_pointer:
            made.args[arg.index] = _value(arg, random)
    policy.bend(call.name, made.args, random)
    for arg in call.args:
        if arg.is_pointer:
            made.args[arg.index] = _pointer(made, arg, random)
    if any(arg.type.kind == "range" for arg in call.args):
        policy.bend(call.name, made.args, random)
    made.args = [value & MASK for value in made.args]
    return made


def _value(arg: Arg, random: Random) -> int:
    kind = arg.type
    if kind.show == "fd":
        return random.choice((*range(3, 18), *range(3, 18), -1, -100, 63, 64, 1000, 1 << 30))
    if kind.show == "newfd":
        return random.choice((20, 25, 33, 63, 64, -1, 4096))
    if kind.flags is not None:
        return _flags(arg, random)
    if kind.show == "hex":
        return random.choice((0, DATA, *BAD_POINTERS))
    if kind.show == "oct":
        return random.choice((0o644, 0o755, 0, 0o7777, 0o100644, -1))
    if arg.name == "pid" or arg.name.endswith("tid"):
        return random.choice((0, PID_TOKEN, PID_TOKEN, 99999999, -1, 1))
    if arg.name in ("count", "size", "length", "maxlen", "addrlen", "optlen", "nfds"):
        return random.choice(SIZES if random.random() < 0.75 else ABSURD)
    return random.choice(NUMBERS)


def _flags(arg: Arg, random: Random) -> int:
    flags = arg.type.flags
    assert flags is not None
    value = random.choice([*flags.enum, 0]) if flags.enum and random.random() < 0.9 else 0
    if flags.mask == -1:
        return value if random.random() < 0.9 else random.choice(NUMBERS)
    for _ in range(random.choice((0, 0, 1, 1, 2, 3)) if flags.bits else 0):
        value |= random.choice(flags.bits)[1]
    return value if random.random() < 0.93 else value | 1 << random.randrange(32)


def _pointer(made: Made, arg: Arg, random: Random) -> int:
    if arg.type.kind == "by":
        chosen = arg.chosen(tuple(a & MASK for a in made.args))
        if chosen is None:
            return random.choice(NUMBERS)
        return _pointer(made, chosen, random) if chosen.is_pointer else _value(chosen, random)
    if arg.type.kind == "range":
        return _range(made, arg, random)
    dice = random.random()
    if dice < 0.12:
        return 0
    if dice < 0.3:
        return random.choice(BAD_POINTERS)
    content = _content(made, arg, random)
    slot = DATA + arg.index * SLOT
    if dice < 0.36:  # straddles the end of what is mapped
        slot = DATA + DATA_SIZE - random.randrange(1, 64)
        content = content[: DATA + DATA_SIZE - slot]
    elif dice < 0.39:
        slot += random.randrange(1, 8)
    if content:
        made.pokes.append((slot, content[: DATA + DATA_SIZE - slot]))
    return slot


def _range(made: Made, arg: Arg, random: Random) -> int:
    """Pages of the playground, or bad ones; never a range over what the process stands on."""
    assert arg.length is not None
    if arg.length[0] == "arg":
        absurd = policy.ABSURD_RANGES.get(made.call.name, (1 << 47, 1 << 63, MASK))
        length = random.choice((0, 1, PAGE, 2 * PAGE, 4 * PAGE + 1, *absurd))
        made.args[int(arg.length[1])] = length
    inside = PLAYGROUND + random.randrange(0, 12) * PAGE + random.choice((0, 0, 0, 0, 1))
    bad = (UNMAPPED, NO_ACCESS, 1 << 47, 1 << 63, 0xFFFFFFFFFFFFF000)
    return random.choice((inside, inside, inside, inside, random.choice(bad)))


def _content(made: Made, arg: Arg, random: Random) -> bytes:
    kind = arg.type.kind
    if kind in ("path", "text"):
        return random.choice(NAMES) + b"\0"
    if kind == "sigset":
        return random.choice((0, 1 << 9, 1 << 11, 1 << 63)).to_bytes(8, "little")
    if kind == "iov":
        return b"".join(_iovec(random) for _ in range(8))
    if kind == "sockaddr":
        return random.choice(ADDRESSES)
    layout = arg.type.layout
    if layout is not None:
        count = 8 if kind == "array" else 1
        return b"".join(_struct(layout, random) for _ in range(count))[:SLOT]
    return random.randbytes(random.choice((8, 16, 64, 136)))


ADDRESSES = (
    struct.pack("<H14s", 1, b"sock"), struct.pack("<H14s", 1, b"\0abstract"), struct.pack("<H", 0),
    struct.pack("<H2s4s8x", 2, b"\x10\x10", bytes((127, 0, 0, 1))), struct.pack("<H14x", 77),
)  # fmt: skip


def _iovec(random: Random) -> bytes:
    base = random.choice((DATA + 0x2000, DATA + 0x3000, DATA + 0x3100, READ_ONLY, UNMAPPED, 0))
    size = random.choice((0, 1, 5, 16, 100, 1 << 63)) if random.random() < 0.9 else 1 << 40
    return struct.pack("<QQ", base, size)


def _struct(layout: object, random: Random) -> bytes:
    codec, fields = layout.codec, layout.fields  # type: ignore[attr-defined]
    template = codec.unpack(bytes(codec.size))
    values: list[int | bytes] = []
    for old, field in zip(template, fields, strict=True):
        values.append(_field(field, random) if isinstance(old, int) else random.randbytes(len(old)))
    while True:
        try:
            return bytes(codec.pack(*values))
        except struct.error:  # too large for its field
            values = [v if isinstance(v, bytes) else v & 0x7F for v in values]


def _field(name: str, random: Random) -> int:
    if any(word in name for word in POINTER_FIELDS):
        return random.choice((0, DATA + 0x3200, DATA + 0x3300, UNMAPPED, 1 << 63))
    if "interval" in name:  # short ones bring more signals than an emulator can take
        return random.choice((0, 0, 1000, -1)) if name.endswith("_sec") else random.choice((0, -1))
    if "sec" in name:  # most times are short
        return random.choice((0, 0, 0, 0, 1000, 999999, 0, -1, 1000000000))
    if name == "fd":
        return random.randrange(3, 18)
    return random.choice((0, 0, 1, 1, 2, 3, 5, 8, 16, 100, -1, 1 << 31, 1 << 40))
