"""One guest thread: its Cpu, its signal mask, and how handlers reach guest memory and the host."""

from __future__ import annotations

from errno import EFAULT, ENAMETOOLONG

from blink import _engine
from blink.abi.errors import Interrupted, SysError
from blink.abi.signals import SS_AUTODISARM, SS_DISABLE, UNBLOCKABLE
from blink.kernel import host
from blink.kernel.frame import Trap
from blink.syscalls._dispatch import host_pointer, host_range

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.abi.structs import Struct
    from blink.kernel.process import Process

PATH_MAX = 4096


class AltStack:
    """sigaltstack(2): `flags` are SS_DISABLE or SS_AUTODISARM; SS_ONSTACK is computed."""

    __slots__ = ("flags", "size", "sp")

    def __init__(self, sp: int = 0, flags: int = SS_DISABLE, size: int = 0) -> None:
        self.sp = sp
        self.flags = flags
        self.size = size

    def disable(self) -> None:
        self.sp, self.flags, self.size = 0, SS_DISABLE, 0

    def holds(self, rsp: int) -> bool:
        """Whether rsp is on it; an autodisarmed stack never counts (kernel: on_sig_stack)."""
        return not self.flags & SS_AUTODISARM and self.sp < rsp <= self.sp + self.size


class Task:
    """A guest thread.

    sigmask         blocked signals, a sigset_t
    call_mask       the mask of the sigsuspend(2) or ppoll(2) that a signal has just ended, or None;
                    the first handler starts from it and returns to `sigmask`
    trap            what the last exception left, for signal frames
    native_before   while signals are held back (`starved`): Cpu.native as it was; else None
    after_handler   whether the last system call that Python saw was a handler's return
    stuck           the last signal that came before a single instruction had run, and how often
    turned_away     where a system call did not begin for a signal that came first, and how often
    """

    __slots__ = (
        "after_handler",
        "altstack",
        "call_mask",
        "clear_child_tid",
        "cpu",
        "native_before",
        "process",
        "robust_list",
        "sigmask",
        "stuck",
        "tid",
        "trap",
        "turned_away",
    )

    MemoryFault = _engine.MemoryFault
    host_call = staticmethod(host.raw)
    host_now = staticmethod(host.now)
    buffer_address = staticmethod(_engine.buffer_address)
    host = staticmethod(host.call)  # last: it hides the module's name

    def __init__(self, process: Process, cpu: _engine.Cpu, tid: int) -> None:
        self.process = process
        self.cpu = cpu
        self.tid = tid
        self.sigmask = 0
        self.call_mask: int | None = None
        self.altstack = AltStack()
        self.trap = Trap()
        self.native_before: bool | None = None
        self.after_handler = False
        self.stuck = (0, 0)
        self.turned_away = (0, 0)
        self.clear_child_tid = 0
        self.robust_list = (0, 0)

    @property
    def memory(self) -> _engine.Memory:
        return self.process.memory

    def set_sigmask(self, mask: int) -> None:
        """Blocks these signals, here and in the host.

        Raises Interrupted, with nothing changed, when a signal came under the old mask: it is
        delivered first.
        """
        mask &= ~UNBLOCKABLE
        if _engine.sig_setmask(mask) == host.NEVER_BEGAN:
            raise Interrupted
        self.sigmask = mask

    def guest(self, address: int, length: int = 0, write: bool = False) -> int:
        """The host's address of guest memory, for host calls.

        NULL stays NULL; an address that is not the guest's becomes one that the host refuses.  With
        `write` the range is made ready for the host to write there.
        """
        return host_pointer(self, address, length, write)

    def pages(self, address: int, length: int) -> tuple[int, int]:
        """The host's address of guest pages, and their length less what the guest cannot have."""
        return host_range(self, address, length)

    def read_path(self, address: int) -> bytes:
        """A path argument.  Raises EFAULT or ENAMETOOLONG."""
        try:
            path: bytes = self.memory.read_cstr(address, PATH_MAX)
        except self.MemoryFault:
            raise SysError(EFAULT) from None
        if len(path) >= PATH_MAX:
            raise SysError(ENAMETOOLONG)
        return path

    def read_struct(self, address: int, layout: Struct) -> tuple[int, ...]:
        """The fields of a structure in guest memory.  Raises MemoryFault, which becomes EFAULT."""
        return layout.unpack(self.memory.read(address, layout.size))

    def write_struct(self, address: int, layout: Struct, *values: int | bytes) -> None:
        """Stores a structure in guest memory.  Raises MemoryFault, which becomes EFAULT."""
        self.memory.write(address, layout.pack(*values))
