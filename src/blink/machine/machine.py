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

NAMES = {
    getattr(_engine, name): name[5:].lower() for name in dir(_engine) if name.startswith("STOP_")
}


class Stop:
    """Why run() returned: `reason` is one of syscall, fault, int, budget, interrupt, halt,
    unimplemented, breakpoint, port.

    `vector`, `error`, `address`: of a fault (SDM volume 3, table 6-1) or INT n.
    """

    __slots__ = ("address", "error", "reason", "vector")

    def __init__(self, reason: str, cpu: _engine.Cpu) -> None:
        self.reason = reason
        self.vector = cpu.stop_vector
        self.error = cpu.stop_error
        self.address = cpu.stop_addr

    def __repr__(self) -> str:
        if self.reason != "fault":
            return f"Stop({self.reason})"
        return f"Stop(fault {self.vector}, error {self.error:#x}, address {self.address:#x})"


class Machine:
    """A CPU on a memory.  `paged` checks every access in software and isolates the guest from the
    host's address space; without it guest addresses are host addresses and run at full speed.

    `model` is one of `blink --cpu help` ("": all that is implemented); ValueError for other names.
    """

    def __init__(self, paged: bool = False, model: str = "") -> None:
        self.memory = Memory(paged)
        self.cpu = Cpu(self.memory)
        if model:
            self.cpu.raw.set_model(model)
        self.cpu.raw.native = False  # no host calls behind the caller's back
        self._code: dict[int, Hook] = {}
        self._stops: dict[str, StopHook] = {}

    def on_code(self, address: int, hook: Hook | None) -> None:
        """Call `hook(machine)` before the instruction at `address` runs; None removes the hook.

        The hook may change anything.  An exception that it raises leaves run() with the guest
        stopped at exactly that instruction.
        """
        if hook is None:
            self._code.pop(address, None)
        else:
            self._code[address] = hook
        self.cpu.raw.set_breakpoints(sorted(self._code))

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
            hook = self._stops.get(reason)
            if hook is None or not hook(self, stop):
                return stop

    def step(self) -> Stop:
        """Run one instruction."""
        return self.run(1)
