"""`Machine`: a memory, a CPU and hooks; no operating system.

m = Machine()
m.memory.map(0x10000, 0x1000)
m.memory.write(0x10000, bytes.fromhex("ffc0 f4"))   # inc eax; hlt
m.cpu.rip = 0x10000
stop = m.run()
"""

from __future__ import annotations

from blink import _engine
from blink.machine.cpu import Cpu
from blink.machine.memory import Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Hook = Callable[["Machine"], None]
    StopHook = Callable[["Machine", "Stop"], bool]

_PF_WRITE = 2  # of a page fault's error code
_KINDS = {"r": _engine.WATCH_READ, "w": _engine.WATCH_WRITE}
NAMES = {
    getattr(_engine, name): name[5:].lower() for name in dir(_engine) if name.startswith("STOP_")
}


class Stop:
    """Why run() returned: `reason` is one of syscall, fault, int, budget, interrupt, halt,
    unimplemented, breakpoint, port, watchpoint.

    `vector`, `error`, `address`: of a fault (SDM volume 3, table 6-1) or INT n.  At a watchpoint
    `address`, `size` and `write` tell which access the instruction at RIP is about to make.
    """

    __slots__ = ("address", "error", "reason", "size", "vector", "write")

    def __init__(self, reason: str, cpu: _engine.Cpu) -> None:
        self.reason = reason
        self.vector = cpu.stop_vector
        self.error = cpu.stop_error
        self.address = cpu.stop_addr
        self.size = cpu.stop_size if reason == "watchpoint" else 0
        self.write = reason == "watchpoint" and bool(cpu.stop_error & _PF_WRITE)

    def __repr__(self) -> str:
        if self.reason == "watchpoint":
            kind = "write" if self.write else "read"
            return f"Stop(watchpoint, {kind} of {self.size} bytes at {self.address:#x})"
        if self.reason != "fault":
            return f"Stop({self.reason})"
        return f"Stop(fault {self.vector}, error {self.error:#x}, address {self.address:#x})"


class Machine:
    """A CPU on a memory.  `paged` checks every access in software and isolates the guest from the
    host's address space; without it guest addresses are host addresses and run at full speed:
    translated where the host is an x86-64 and `translate` allows it.  Instructions are counted, and
    budgets, hooks and stops are exact, in all modes.

    `model` is one of `blink --cpu help` ("": all that is implemented); ValueError for other names.
    """

    def __init__(self, paged: bool = False, model: str = "", translate: bool = True) -> None:
        self.memory = Memory(paged)
        self.cpu = Cpu(self.memory)
        if model:
            self.cpu.raw.set_model(model)
        self.cpu.raw.native = False  # no host calls behind the caller's back
        self.cpu.raw.counting = True
        self.cpu.raw.set_jit(translate and not paged)
        self._code: dict[int, Hook] = {}
        self._watches: dict[tuple[int, int, int], StopHook] = {}
        self._stops: dict[str, StopHook] = {}

    def on_code(self, address: int, hook: Hook | None) -> None:
        """Call `hook(machine)` before the instruction at `address` runs; None removes the hook.

        The hook may change anything.  An exception that it raises leaves run() with the guest
        stopped at exactly that instruction.  Other code runs at full speed; code that contains the
        address is translated anew when the hook comes or goes.
        """
        if hook is None:
            self._code.pop(address, None)
        else:
            self._code[address] = hook
        self.cpu.raw.set_breakpoints(sorted(self._code))

    def on_access(self, address: int, length: int, hook: StopHook | None, kind: str = "rw") -> None:
        """Call `hook(machine, stop)` before an instruction reads ("r"), writes ("w") or does either
        ("rw") to any of `length` bytes at `address`; None removes the hook.

        `stop` tells the access; nothing of the instruction has been done, but for other accesses of
        it.  run() goes on if the hook returns True.  An instruction that reads and writes its
        operand does both at once, with `stop.write`; each element that a REP string instruction
        accesses counts.  Exact, and slow: while there is such a hook everything is interpreted, and
        each access is looked at.  What Python and system calls do to memory is not.
        """
        bits = sum(_KINDS[letter] for letter in set(kind))
        key = (address, length, bits)
        if hook is None:
            self._watches.pop(key, None)
        else:
            self._watches[key] = hook
        self.cpu.raw.set_watchpoints(sorted(self._watches))

    def _accessed(self, stop: Stop) -> bool:
        """Calls the hooks that an access concerns; whether to go on."""
        go_on = True
        bit = _engine.WATCH_WRITE if stop.write else _engine.WATCH_READ
        first, behind = stop.address, stop.address + stop.size
        for (start, length, bits), hook in list(self._watches.items()):
            both = stop.write and bits & _engine.WATCH_READ  # an update
            if start < behind and first < start + length and (bits & bit or both):
                go_on = hook(self, stop) and go_on
        return go_on

    def on_stop(self, reason: str, hook: StopHook | None) -> None:
        """Call `hook(machine, stop)` for stops of this reason; run() goes on if it returns True."""
        if reason not in NAMES.values():
            raise ValueError(
                f"no stop is called {reason!r}; there are: {', '.join(NAMES.values())}"
            )
        if hook is None:
            self._stops.pop(reason, None)
        else:
            self._stops[reason] = hook

    def run(self, budget: int | None = None) -> Stop:
        """Run until something happens that no hook handles, or exactly `budget` instructions."""
        raw = self.cpu.raw
        end = None if budget is None else raw.icount + budget
        while True:
            reason = NAMES[raw.run(None if end is None else end - raw.icount)]
            stop = Stop(reason, raw)
            if reason == "breakpoint" and raw.rip in self._code:
                self._code[raw.rip](self)
                continue
            if reason == "watchpoint" and self._accessed(stop):
                continue
            hook = self._stops.get(reason)
            if hook is None or not hook(self, stop):
                return stop

    def step(self) -> Stop:
        """Run one instruction."""
        return self.run(1)
