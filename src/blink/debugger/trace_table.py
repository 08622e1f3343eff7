"""What a program did, as a table for SQL: a Parquet file, a row an instruction, access or call.

Columns:
  time      number of the instruction, of all threads together; a call has that of its SYSCALL
  tid       thread
  kind      insn, block (the first instruction behind a branch), read, write, call
  address   of the instruction or the memory
  size      bytes of the instruction or the access
  value     what a write of up to 8 bytes left there
  text      disassembly, or the call as the log shows it
  symbol    function+offset of an instruction
"""

from __future__ import annotations

from blink.debugger.disassembly import disassemble
from blink.debugger.objects import Objects
from blink.debugger.places import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import pyarrow

    from blink.debugger.observed import Channel
    from blink.kernel.process import Process

    Row = tuple[int, int, str, int, int, int | None, str | None, str | None]

COLUMNS = ("time", "tid", "kind", "address", "size", "value", "text", "symbol")
CHUNK = 1 << 16


class Sender:
    """The child's side: tells of what was asked for.  See `stepper.Sink`."""

    def __init__(self, channel: Channel, process: Process, kinds: frozenset[str]) -> None:
        self._channel = channel
        self._memory = process.memory
        self._kinds = kinds
        self._known: dict[int, bytes] = {}
        self._behind: dict[int, int] = {}  # thread -> where straight code goes on
        self._writes: list[tuple[int, int, int, int]] = []

    def instruction(self, time: int, tid: int, rip: int, code: bytes, rsp: int) -> None:
        if self._known.get(rip) != code:
            self._known[rip] = code
            self._channel.send("code", rip, code)
        starts = self._behind.get(tid) != rip
        size = _length(code)
        self._behind[tid] = rip + size
        if starts and "block" in self._kinds:
            self._channel.send("block", time, tid, rip, size, None, None)
        if "insn" in self._kinds:
            self._channel.send("insn", time, tid, rip, size, None, None)
        for when, thread, address, length in self._writes:
            value = self._value(address, length)
            self._channel.send("write", when, thread, address, length, value, None)
        self._writes.clear()

    def access(self, time: int, tid: int, write: bool, address: int, size: int) -> None:
        if write and "write" in self._kinds:
            self._writes.append((time, tid, address, size))
        elif not write and "read" in self._kinds:
            self._channel.send("read", time, tid, address, size, None, None)

    def call(self, time: int, tid: int, text: str) -> None:
        self._channel.send("call", time, tid, 0, 0, None, text)

    def _value(self, address: int, size: int) -> int | None:
        if size > 8 or self._memory.probe(address, size) is not None:
            return None
        return int.from_bytes(self._memory.read(address, size), "little")


def _length(code: bytes) -> int:
    from blink import _engine

    try:
        return _engine.decode(code)["len"]
    except _engine.DecodeError:
        return 1


class Table:
    """The parent's side: rows to a Parquet file.  Use as a context manager."""

    def __init__(self, path: str) -> None:
        import pyarrow
        import pyarrow.parquet

        u64, text = pyarrow.uint64(), pyarrow.string()
        kind = pyarrow.dictionary(pyarrow.int8(), text)
        types = (pyarrow.int64(), pyarrow.int32(), kind, u64, pyarrow.uint32(), u64, text, text)
        self._schema = pyarrow.schema(list(zip(COLUMNS, types, strict=True)))
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Row] = []
        self._objects = Objects()
        self._texts: dict[int, tuple[str, str | None]] = {}
        self._codes: dict[int, bytes] = {}
        self.count = 0

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def take(self, message: tuple[Any, ...]) -> None:
        """One message of the child's."""
        kind = message[0]
        if kind == "maps":
            self._objects.update(Mapping(*fields) for fields in message[1])
            self._texts.clear()
        elif kind == "code":
            self._codes[message[1]] = message[2]
            self._texts.pop(message[1], None)
        else:
            self._add(kind, *message[1:])

    def _add(
        self, kind: str, time: int, tid: int, address: int, size: int, value: int | None,
        text: str | None,
    ) -> None:  # fmt: skip
        symbol = None
        if kind in ("insn", "block"):
            text, symbol = self._described(address)
        self._rows.append((time, tid, kind, address, size, value, text, symbol))
        self.count += 1
        if len(self._rows) >= CHUNK:
            self._flush()

    def _described(self, address: int) -> tuple[str, str | None]:
        if address not in self._texts:
            place = self._objects.at(address, lines=False)
            text = disassemble(self._codes[address], address, 1)[0][2]
            self._texts[address] = (text, str(place) or None)
        return self._texts[address]

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow())
            self._rows.clear()

    def _arrow(self) -> pyarrow.Table:
        import pyarrow

        columns = zip(*self._rows, strict=True)
        arrays = [
            pyarrow.array(column, type=field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        return pyarrow.Table.from_arrays(arrays, schema=self._schema)
