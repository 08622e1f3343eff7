"""What a stopped guest looks like, and changing it: the target's side."""

from __future__ import annotations

from blink._engine import MemoryFault
from blink.abi.layout import GUEST_TOP
from blink.debugger.errors import DebugError
from blink.debugger.places import read_mappings
from blink.machine.cpu import GENERAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from blink.kernel.process import Process
    from blink.kernel.task import Task
    from blink.replay.runner import Runner

SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
_NAMED = (*GENERAL, "rip", "eflags", "fs_base", "gs_base", *SEGMENTS, "mxcsr", "fcw")
_VECTORS = tuple(f"ymm{n}" for n in range(16))
_STACK = tuple(f"st{n}" for n in range(8))
_STATUS = {"fcw": (0, 2), "fsw": (2, 2), "fop": (6, 2), "fip": (8, 8), "fdp": (16, 8)}
_ST0, _ST_SIZE, _ST_STEP = 32, 10, 16  # in an FXSAVE image


def registers(task: Task) -> dict[str, int]:
    """All registers by name; st0.. are integers of 80 bits, `ftw` has two bits each."""
    get = task.cpu.get
    values = {name: get(name) for name in (*_NAMED, *_VECTORS)}
    image = task.cpu.fxsave()
    for name, (at, size) in _STATUS.items():
        values[name] = int.from_bytes(image[at : at + size], "little")
    for n, name in enumerate(_STACK):
        at = _ST0 + n * _ST_STEP
        values[name] = int.from_bytes(image[at : at + _ST_SIZE], "little")
    values["ftw"] = full_tags(image)
    return values


def full_tags(image: bytes) -> int:
    """The tag word as FSTENV stores it, from an FXSAVE image, which has one bit a register."""
    top = image[3] >> 3 & 7
    word = 0
    for physical in range(8):
        at = _ST0 + ((physical - top) & 7) * _ST_STEP
        empty = not image[4] >> physical & 1
        word |= (3 if empty else _tag(image[at : at + _ST_SIZE])) << 2 * physical
    return word


def _tag(value: bytes) -> int:
    """0 valid, 1 zero, 2 special."""
    mantissa = int.from_bytes(value[:8], "little")
    exponent = int.from_bytes(value[8:], "little") & 0x7FFF
    if exponent == 0:
        return 2 if mantissa else 1
    return 2 if exponent == 0x7FFF or not mantissa >> 63 else 0


def set_register(task: Task, name: str, value: int) -> None:
    """Raises DebugError for a name that no register has, or a value that it refuses."""
    if name in _STACK or name in _STATUS or name == "ftw":
        _set_x87(task, name, value)
        return
    if name not in _NAMED and name not in _VECTORS:
        raise DebugError(f"no register is called {name}")
    bits = 256 if name in _VECTORS else 64
    try:
        task.cpu.set(name, value & (1 << bits) - 1)
    except (ValueError, OverflowError) as error:
        raise DebugError(f"{name} cannot be {value:#x}: {error}") from None


def _set_x87(task: Task, name: str, value: int) -> None:
    image = bytearray(task.cpu.fxsave())
    if name == "ftw":
        image[4] = sum((value >> 2 * n & 3 != 3) << n for n in range(8))
    else:
        at, size = _STATUS.get(name) or (_ST0 + int(name[2:]) * _ST_STEP, _ST_SIZE)
        image[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
    task.cpu.fxrstor(bytes(image))


def read(process: Process, address: int, length: int) -> bytes:
    """Bytes up to the first one that cannot be read."""
    length = min(length, max(GUEST_TOP - address, 0))
    if length <= 0:
        return b""
    try:
        return process.memory.read(address, length, force=True)
    except MemoryFault as fault:
        good = min(max(fault.address - address, 0), length)
    try:
        return process.memory.read(address, good, force=True) if good else b""
    except MemoryFault:
        return b""


def write(process: Process, address: int, data: bytes) -> None:
    """Stores bytes whatever the protection is.  Raises DebugError, then nothing was stored."""
    if len(read(process, address, len(data))) < len(data):
        raise DebugError(f"{address:#x} and the {len(data) - 1} bytes behind it are not all mapped")
    process.memory.write(address, data, force=True)
    process.memory.invalidate(address, len(data))


class Files:
    """Which file lies at an address: as the host says, or, in a replay, as it was."""

    def __init__(self, runner: Runner) -> None:
        self._recorded = getattr(runner, "files", None)
        self._host = [] if self._recorded else read_mappings(runner.process.memory.skew)

    def pieces(self, start: int, end: int) -> Iterator[tuple[int, int, int, str]]:
        """(start, end, offset, path) of the files in a range that is one mapping of the guest's."""
        if self._recorded is not None:
            found = self._recorded.find(start)
            if found is not None:
                path, offset = found
                yield start, end, offset, path.decode("utf-8", "surrogateescape")
            return
        for m in self._host:
            if m.path and m.start < end and start < m.end:
                low, high = max(m.start, start), min(m.end, end)
                yield low, high, m.offset + low - m.start, m.path


def maps(runner: Runner) -> list[list[Any]]:
    """[start, end, protection, offset, path] of each mapping, ascending."""
    files = Files(runner)
    rows: list[list[Any]] = []
    for vma in runner.process.space:
        start, label = vma.start, vma.label.decode()
        pieces = files.pieces(vma.start, vma.end) if vma.origin and not label else ()
        for low, high, offset, path in pieces:
            if start < low:
                rows.append([start, low, vma.prot, 0, ""])
            rows.append([low, high, vma.prot, offset, path])
            start = high
        if start < vma.end:
            rows.append([start, vma.end, vma.prot, 0, label])
    return rows


def file_at(runner: Runner, address: int) -> str:
    """The path of the file that is mapped at an address, or nothing."""
    return next((path for *_, path in Files(runner).pieces(address, address + 1)), "")


def layout(process: Process) -> int:
    """A number that changes when the mappings do."""
    return hash(tuple((v.start, v.end, v.prot, v.origin) for v in process.space))


def search(process: Process, pattern: bytes, start: int, end: int, limit: int) -> list[int]:
    """Where a pattern lies, ascending, at most `limit` places."""
    found: list[int] = []
    keep = len(pattern) - 1
    for first, behind, _ in process.memory.runs(start, min(end, GUEST_TOP)):
        low, high, tail = max(first, start), min(behind, end), b""
        for at in range(low, high, 1 << 20):
            data = tail + read(process, at, min(1 << 20, high - at))
            base = at - len(tail)
            place = data.find(pattern)
            while place >= 0:
                found.append(base + place)
                if len(found) >= limit:
                    return found
                place = data.find(pattern, place + 1)
            tail = data[-keep:] if keep else b""
    return found
