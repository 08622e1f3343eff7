"""Files of /proc/self that tell who the process is; proc_pid_stat(5) and its neighbours."""

from __future__ import annotations

from blink.abi.layout import PAGE
from blink.abi.limits import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK
from blink.abi.signals import NSIG, SIG_DFL, SIG_IGN, bit
from blink.vfs.proc import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.address_space import Vma
    from blink.kernel.task import Task
    from blink.loader import Image

WRITE, EXEC = 2, 4
LOW_SIGNALS = 0x7FFF_FFFF  # stat shows no more


def _image(task: Task) -> Image:
    image = task.process.image
    assert image is not None
    return image


def _span(task: Task, start: int, end: int) -> bytes:
    try:
        data: bytes = task.memory.read(start, end - start)
    except task.MemoryFault:
        return b""
    return data


def cmdline(task: Task) -> bytes:
    """The argument strings, as they stand in memory."""
    image = _image(task)
    return _span(task, image.arg_start, image.arg_end)


def environ(task: Task) -> bytes:
    """The environment that the program was started with, as it stands in memory."""
    image = _image(task)
    return _span(task, image.env_start, image.env_end)


def auxv(task: Task) -> bytes:
    """The auxiliary vector."""
    return _image(task).auxv


class _Sizes:
    """Bytes of the guest's mappings by kind."""

    __slots__ = ("code", "data", "library", "stack", "total")

    def __init__(self, task: Task) -> None:
        self.total = self.data = self.stack = self.code = self.library = 0
        low, high = _image(task).span
        for vma in task.process.space:
            size = vma.end - vma.start
            self.total += size
            self.stack += size if vma.grows else 0
            self.data += size if _is_data(vma) else 0
            if vma.prot & EXEC and not vma.prot & WRITE:
                inside = low <= vma.start < high
                self.code += size if inside else 0
                self.library += 0 if inside else size


def _is_data(vma: Vma) -> bool:
    return bool(vma.prot & WRITE) and not vma.shared and not vma.grows


def _signals(task: Task) -> tuple[int, int, int]:
    """Sets of signals: blocked, ignored, caught."""
    ignored = caught = 0
    for signo in range(1, NSIG + 1):
        handler = task.process.actions[signo].handler
        ignored |= bit(signo) if handler == SIG_IGN else 0
        caught |= bit(signo) if handler not in (SIG_IGN, SIG_DFL) else 0
    return task.sigmask, ignored, caught


def stat(task: Task) -> bytes:
    """The host's line with the guest's layout, threads and signals."""
    head, _, tail = read("/proc/self/stat").rpartition(b") ")
    fields = tail.split()
    for number, value in _stat_fields(task).items():
        fields[number - 3] = b"%d" % value
    return head + b") " + b" ".join(fields) + b"\n"


def _stat_fields(task: Task) -> dict[int, int]:
    """Field number, counted from 1 -> value."""
    image, sizes = _image(task), _Sizes(task)
    blocked, ignored, caught = _signals(task)
    own = [segment for segment in image.segments if segment.kind == "main"]
    code = [segment for segment in own if segment.prot & EXEC]
    data = [segment for segment in own if segment.prot & WRITE]
    return {
        20: len(task.process.tasks),
        23: sizes.total,
        26: code[0].start if code else 0,
        27: code[-1].end if code else 0,
        28: image.rsp,
        29: 0,
        30: 0,
        32: blocked & LOW_SIGNALS,
        33: ignored & LOW_SIGNALS,
        34: caught & LOW_SIGNALS,
        45: data[0].start if data else 0,
        46: data[-1].end if data else 0,
        47: task.process.space.brk_start,
        48: image.arg_start,
        49: image.arg_end,
        50: image.env_start,
        51: image.env_end,
    }


def statm(task: Task) -> bytes:
    """Pages: size, resident, shared, text, lib, data, dt.  Resident and shared are the host's."""
    fields, sizes = read("/proc/self/statm").split(), _Sizes(task)
    fields[0] = b"%d" % (sizes.total // PAGE)
    fields[3] = b"%d" % (sizes.code // PAGE)
    fields[5] = b"%d" % ((sizes.data + sizes.stack) // PAGE)
    return b" ".join(fields) + b"\n"


def status(task: Task) -> bytes:
    """The host's text with the guest's sizes, threads and signals. (resident: the host's)."""
    sizes = _Sizes(task)
    blocked, ignored, caught = _signals(task)
    kilobytes = {
        b"VmPeak": sizes.total,
        b"VmSize": sizes.total,
        b"VmData": sizes.data,
        b"VmStk": sizes.stack,
        b"VmExe": sizes.code,
        b"VmLib": sizes.library,
    }
    new = {name: b"\t%8d kB" % (value // 1024) for name, value in kilobytes.items()}
    masks = {b"SigBlk": blocked, b"SigIgn": ignored, b"SigCgt": caught}
    new |= {name: b"\t%016x" % value for name, value in masks.items()}
    new[b"Threads"] = b"\t%d" % len(task.process.tasks)
    return _replaced(read("/proc/self/status"), new)


def _replaced(text: bytes, new: dict[bytes, bytes]) -> bytes:
    lines = []
    for line in text.splitlines():
        name, colon, value = line.partition(b":")
        lines.append(name + colon + new.get(name, value) + b"\n")
    return b"".join(lines)


def limits(task: Task) -> bytes:
    """The host's table with the limits that are the guest's own."""
    ours = {
        b"Max data size": RLIMIT_DATA,
        b"Max stack size": RLIMIT_STACK,
        b"Max address space": RLIMIT_AS,
    }
    lines = []
    for line in read("/proc/self/limits").splitlines():
        resource = ours.get(line[:25].rstrip())
        if resource is not None:
            soft, hard = task.process.limits.get(resource)
            line = line[:26] + _limit(soft) + b" " + _limit(hard) + b" bytes".ljust(11)
        lines.append(line + b"\n")
    return b"".join(lines)


def _limit(value: int) -> bytes:
    return (b"unlimited" if value == RLIM_INFINITY else b"%d" % value).ljust(20)
