"""`Program`: a Linux program under the control of Python code.

    import blink

    def entered(program, stop):
        print("main has", program.rdi, "arguments")

    with blink.load(["/bin/echo", "hello"]) as program:
        program.on_code("main", entered)
        print(program.run().text)

A hook is called with the program, which stands still, and the `Stop`.  It may look at everything
and change everything.  If it returns `STOP`, run() returns; what it raises leaves run(), and the
program stands at exactly that instruction.  All that ran can be gone back to: `snapshot` and
`rewind`.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blink.debugger.errors import DebugError
from blink.debugger.session import Session
from blink.debugger.stop import Stop
from blink.machine.cpu import part_of

Hook = Callable[["Program", Stop], object]
STOP = object()
_ENDS = ("exit", "killed", "gone", "error", "diverged", "end", "start", "interrupt")


class Program:
    """Registers, and parts of them, are attributes: `program.rdi`, `program.eax`,
    `program.rip = ...`.

    session   what all of this stands on: breakpoints, steps, frames, symbols, search
    stop      how the program came to stand where it stands
    """

    __slots__ = ("_hooks", "session")

    session: Session
    _hooks: dict[int, Hook]

    def __init__(self, session: Session) -> None:
        object.__setattr__(self, "session", session)
        object.__setattr__(self, "_hooks", {})

    @classmethod
    def load(
        cls, argv: Sequence[str | bytes], env: Mapping[str, str] | None = None,
        cwd: str | None = None, record: bool = True, **options: Any,
    ) -> Program:  # fmt: skip
        """Starts a program; it stands before its first instruction.  See Session.launch."""
        return cls(Session.launch(argv, env, cwd, record=record, options=options))

    @classmethod
    def open_capsule(cls, path: str) -> Program:
        """Opens a recording; it stands at its start."""
        return cls(Session.open(path))

    def close(self) -> None:
        """Ends the program."""
        self.session.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- hooks ---

    def on_code(
        self, where: int | str, hook: Hook, condition: str | None = None, pending: bool = False
    ) -> int:
        """Before the instruction at an address, a symbol, `NAME+OFFSET` or `FILE:LINE`.

        Returns a number for `remove`.  `condition`: see blink.debugger.expression.  With `pending`,
        `where` may be in a library that is not loaded yet.
        """
        point = self.session.add_breakpoint(where, condition, pending=pending)
        return self._hook(point.number, hook)

    def on_access(self, address: int, length: int, hook: Hook, kind: str = "w") -> int:
        """Behind what reads (r), writes (w), does either (rw) or changes the value (change)."""
        return self._hook(self.session.add_watchpoint(address, length, kind).number, hook)

    def on_syscall(self, names: str | Sequence[str], hook: Hook) -> int:
        """Behind system calls: `stop.details` holds number, args, result.

        Setting RAX replaces the result; what the call has done in the host is done.
        """
        chosen = [names] if isinstance(names, str) else names
        return self._hook(self.session.catch("syscall", chosen).number, hook)

    def on_signal(self, names: str | Sequence[str], hook: Hook) -> int:
        """Where a signal arrives; `stop.details["number"]`."""
        chosen = [names] if isinstance(names, str) else names
        return self._hook(self.session.catch("signal", chosen).number, hook)

    def remove(self, number: int) -> None:
        """Takes a hook away."""
        self.session.remove(number)
        self._hooks.pop(number, None)

    def _hook(self, number: int, hook: Hook) -> int:
        if not callable(hook):
            self.session.remove(number)
            raise DebugError(f"a hook is a function of a program and a stop, not {hook!r}")
        self._hooks[number] = hook
        return number

    # --- running ---

    @property
    def stop(self) -> Stop | None:
        return self.session.stop

    @property
    def time(self) -> int:
        """Instructions that have retired: where in its history the program stands."""
        return self.session.time

    def run(self) -> Stop:
        """Runs until it ends, a hook says STOP, or something stops it that has no hook."""
        while True:
            self.session.cont()
            stop = self.session.wait()
            if stop.reason in _ENDS:
                return stop
            hooks = [self._hooks[number] for number in stop.numbers if number in self._hooks]
            answers = [hook(self, stop) for hook in hooks]  # all are called
            if not hooks or STOP in answers:
                return stop

    def run_to(self, where: int | str) -> Stop:
        """Runs until code is reached, which may be in a library that is not loaded yet.  Raises
        DebugError when the program ends before."""
        point = self.session.add_breakpoint(where, temporary=True, pending=True)
        self.session.cont()
        stop = self.session.wait()
        if point.number not in stop.numbers:
            raise DebugError(f"{where} was not reached: {stop.text}")
        return stop

    def _moved(self) -> Stop:
        """How a motion ended.  Raises DebugError where there was none."""
        stop = self.session.wait()
        if stop.reason == "error":
            raise DebugError(stop.text)
        return stop

    def step(self, count: int = 1) -> Stop:
        """Runs single instructions.  Raises DebugError."""
        if count < 1:
            raise DebugError("a program steps forwards: rewind() goes back")
        self.session.step(count)
        return self._moved()

    def finish(self) -> Stop:
        """Runs until the function has returned.  Raises DebugError."""
        self.session.finish()
        return self._moved()

    # --- history ---

    def snapshot(self) -> int:
        """A time to come back to: every instant is one, so nothing is copied."""
        return self.session.time

    def rewind(self, time: int) -> Stop:
        """Goes to an instant of the past, or forwards again.  Raises DebugError."""
        if time == self.time and self.session.live:  # before the first motion there is no way back
            return Stop("until", self.session.tid, self.rip, time, "it is there", [], {})
        self.session.goto(time)
        return self._moved()

    def at(self, where: int | str) -> Program:
        """From the start of its history: the first time that code is reached."""
        self.rewind(0)
        self.run_to(where)
        return self

    def last_write(self, address: int, length: int) -> Stop:
        """Back to before the instruction that wrote there last.  Raises DebugError when nobody
        did."""
        self.session.last_write(address, length)
        return self._moved()

    def save(self, path: str) -> None:
        """Writes what ran until now to a capsule, which replays anywhere."""
        self.session.save(path)

    # --- state ---

    def __getattr__(self, name: str) -> int:
        whole, first, width = part_of(name)
        registers = self.session.registers()
        if whole not in registers:
            raise AttributeError(f"a program has no {name}")
        return registers[whole] >> first & ((1 << width) - 1)

    def __setattr__(self, name: str, value: int) -> None:
        whole, first, width = part_of(name)
        if whole != name:
            mask = ((1 << width) - 1) << first
            value = getattr(self, whole) & ~mask | value << first & mask
        self.session.set_register(whole, value)

    def read(self, address: int, length: int) -> bytes:
        """Bytes of memory.  Raises DebugError when not all can be read."""
        data = self.session.read(address, length)
        if len(data) < length:
            raise DebugError(f"no {length} bytes can be read at {address:#x}")
        return data

    def read_int(self, address: int, size: int = 8, signed: bool = False) -> int:
        """A little-endian integer in memory."""
        return int.from_bytes(self.read(address, size), "little", signed=signed)

    def read_string(self, address: int, limit: int = 4096) -> bytes:
        """The bytes up to a NUL."""
        return (self.session.read(address, limit) or self.read(address, 1)).partition(b"\0")[0]

    def write(self, address: int, data: bytes) -> None:
        """Stores bytes, whatever the protection is."""
        self.session.write(address, data)

    def address(self, name: str) -> int:
        """What a symbol stands for.  Raises DebugError."""
        found = self.session.symbols.find(name)
        if not found:
            raise DebugError(f"there is no symbol {name}")
        return found[0]

    # --- showing ---

    def __repr__(self) -> str:
        stop = self.stop
        return f"<Program at {self.time}: {stop.text if stop else 'not begun'}>"

    def _repr_html_(self) -> str:
        """For notebooks: where it stands, the code ahead, registers."""
        registers = self.session.registers()
        general = [name for name in registers if name.startswith("r") and name[1:2] != "f"]
        code = "\n".join(
            f"{'=>' if at == registers['rip'] else '  '} {at:#x}  {text}"
            for at, _, text in self.session.disassemble(registers["rip"], 8)
        )
        rows = "".join(
            f"<td><code>{name}</code></td><td><code>{registers[name]:016x}</code></td>"
            + ("</tr><tr>" if i % 4 == 3 else "")
            for i, name in enumerate(general)
        )
        return (
            f"<p>{html.escape(repr(self))}</p><pre>{html.escape(code)}</pre>"
            f"<table><tr>{rows}</tr></table>"
        )
