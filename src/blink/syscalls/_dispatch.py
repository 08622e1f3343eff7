"""Runs one system call: arguments to Python values or to host registers, errors to -errno."""

from __future__ import annotations

from errno import EFAULT, EINTR, ENAMETOOLONG, ENOSYS

from blink.abi.errors import SysError
from blink.abi.layout import GUEST_TOP, PAGE
from blink.abi.signals import SYNCHRONOUS_MASK, UNBLOCKABLE
from blink.abi.structs import IOVEC, SIGSET
from blink.syscalls import _table
from blink.syscalls._spec import CALLS, NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task
    from blink.syscalls._spec import Arg, Call

    Registers = tuple[int, ...]

BAD_ADDRESS = 0x1000
"""Stands for a guest pointer that the guest cannot have: nobody maps it, so the host answers EFAULT
when (and if) it gets to it, and errors keep Linux's order."""

BAD_PAGES = 1 << 62
"""Stands for pages outside the guest's memory: no range from here on is mapped."""

MAX_TRANSFER = 0x7FFFF000  # the host moves no more bytes in one call
ULONG = 1 << 64
USER_TOP = (1 << 47) - PAGE  # Linux keeps the last page free
NR_CLOSE = 3
UIO_MAXIOV = 1024


def dispatch(task: Task, number: int, registers: Registers) -> int:
    """The result for RAX: a value, -errno, or KEEP.  Raises Interrupted when it has to start anew.

    `number` is RAX as it was at the instruction; the kernel uses its low 32 bits.
    """
    number &= 0xFFFFFFFF
    call = CALLS.get(number) or task.process.hidden.with_room(_table.find, number)
    if call is None:
        task.process.log_once(f"system call {number} is not implemented")
        return -ENOSYS
    tracer = task.process.tracer
    if tracer is not None:
        return tracer.call(task, call, registers, invoke)
    return invoke(task, call, registers)


def invoke(task: Task, call: Call, registers: Registers) -> int:
    """Runs the handler, or the host's call."""
    try:
        if call.function is None:
            return forward(task, call, registers)
        try:
            values = [c(task, v) for c, v in zip(call.converters, registers)]  # noqa: B905
        except SysError:  # a bad path: where the host makes the call, it knows which error is first
            if call.native == NEVER:
                raise
            return forward(task, call, registers)
        result: int | None = call.function(task, *values)
        return 0 if result is None else result
    except SysError as error:
        return -error.errno
    except task.MemoryFault:
        return -EFAULT


def forward(
    task: Task, call: Call, registers: Registers, instead: dict[int, bytes] | None = None
) -> int:
    """Makes the host's call in place of the guest's: the result, or -errno.

    `instead` holds arguments that the caller has made itself, by their places.
    """
    arguments = host_arguments(task, call, registers)
    for index, argument in (instead or {}).items():
        arguments[index] = argument
    files = task.process.files
    if files is not None and files.texts.open:
        files.texts.before(files, task, call.number, registers)
    confined = files is not None and files.confined
    told = files.sockets.before(task, call.number, registers) if confined else None
    if files is not None and files.mounted:
        result: int = files.forward(task, call, registers, arguments)
    else:
        result = _forward_translated(task, call, registers, arguments)
    if told is not None and result >= 0:
        files.sockets.after(task, call.number, registers[0] & 0xFFFFFFFF, told)
    if result == -EINTR:
        note_mask(task, call, registers)
    return result


def _forward_translated(
    task: Task, call: Call, registers: Registers, arguments: list[int | bytes]
) -> int:
    files = task.process.files
    opened: list[int] = []
    try:
        for arg in call.paths if files is not None else ():
            arguments[arg.index] = _host_path(task, arg, registers, opened, arguments[arg.index])
        result: int = task.host_call(call.number, *arguments)
    finally:
        for fd in opened:
            task.host_now(NR_CLOSE, fd)
    return result


def _host_path(
    task: Task, arg: Arg, registers: Registers, opened: list[int], pointer: int | bytes
) -> int | bytes:
    """A path for the host; what cannot be read is the host's to refuse, at its place."""
    files = task.process.files
    try:
        path = files.translated(task, arg, registers, opened)
    except SysError as error:
        if error.errno == EFAULT:
            return host_pointer(task, registers[arg.index], 0, False) and BAD_ADDRESS
        if error.errno == ENAMETOOLONG and files.root is None:
            return pointer
        raise
    return pointer if path is None else path + b"\0"


def note_mask(task: Task, call: Call, registers: Registers) -> None:
    """A signal ended a call with a mask of its own (ppoll): the handler starts from that mask."""
    if call.sigmask is None or not registers[call.sigmask]:
        return
    layout = call.args[call.sigmask].type.layout
    address = registers[call.sigmask]
    if layout is not None and layout.size == 2 * SIGSET.size:  # pselect6: pointer and size
        address = task.read_struct(address, layout)[0]
    if address:
        (mask,) = task.read_struct(address, SIGSET)
        task.call_mask = mask & ~UNBLOCKABLE


def host_arguments(task: Task, call: Call, registers: Registers) -> list[int | bytes]:
    """The registers for the host's call: pointers checked and skewed, Out ranges made writable."""
    return [_host_argument(task, arg, registers) for arg in call.args]


def _host_argument(task: Task, arg: Arg, registers: Registers) -> int | bytes:
    value = registers[arg.index]
    if not arg.is_pointer:
        if arg.type.show == "fd" and task.process.hides(value & 0xFFFFFFFF):
            return -1
        return value
    if arg.type.kind == "by":
        chosen = arg.chosen(registers)
        return value if chosen is None else _host_argument(task, chosen, registers)
    if arg.type.kind == "iov":
        return _host_iovecs(task, arg, value, registers)
    if arg.type.kind == "sigset" and value:
        return _host_sigset(task, value)
    length = extent(task, arg, registers) if arg.type.direction != "in" else 0
    return host_pointer(task, value, length, arg.type.direction != "in")


def _host_sigset(task: Task, address: int) -> int | bytes:
    """A mask for the time of a call; the host never blocks the synchronous five."""
    try:
        bits = int.from_bytes(task.memory.read(address, SIGSET.size), "little")
    except task.MemoryFault:
        return BAD_ADDRESS
    return SIGSET.pack(bits & ~SYNCHRONOUS_MASK)


def host_pointer(task: Task, address: int, length: int, write: bool) -> int:
    """The host's address of guest memory; with `write`, the range is prepared for the host."""
    if address == 0:
        return 0
    if address >= GUEST_TOP:  # the host refuses what is no address of user programs by itself
        return address if address >= USER_TOP else BAD_ADDRESS | address & PAGE - 1
    if write and length:
        task.memory.prepare_write(address, min(length, GUEST_TOP - address, MAX_TRANSFER))
    return address + task.memory.skew


def host_range(task: Task, address: int, length: int) -> tuple[int, int]:
    """The host's address of pages, and how many bytes: none behind the guest's memory.

    The rest would not be mapped anyway; there is less of it, but there is some.
    """
    if address + length > ULONG - PAGE:
        return address, length  # wraps around: EINVAL
    if address > GUEST_TOP:
        return BAD_PAGES | address & PAGE - 1, length
    if length > GUEST_TOP - address:
        length = GUEST_TOP - address + PAGE  # the page behind is nobody's
    return address + task.memory.skew, length


def extent(task: Task, arg: Arg, registers: Registers) -> int:
    """How many bytes the rule of a pointer argument names (not for "iov" and "path")."""
    assert arg.length is not None
    rule, *operands = arg.length
    if rule == "const":
        return int(operands[0])
    value = registers[int(operands[0])] & (1 << arg.length_bits) - 1
    if rule == "arg":
        return value * int(operands[1])
    if rule == "bits":
        return (value + 63) // 64 * 8
    if rule == "ref":
        return _word(task, value)
    raise AssertionError(f"no extent for the rule {rule}")


def _word(task: Task, address: int) -> int:
    """The u32 that a length argument points to; 0 when it points nowhere."""
    try:
        return int.from_bytes(task.memory.read(address, 4), "little") if address else 0
    except task.MemoryFault:
        return 0


def iovecs(task: Task, address: int, count: int) -> list[tuple[int, int]]:
    """The (base, length) pairs of an iovec array.  Raises MemoryFault."""
    data = task.memory.read(address, count * IOVEC.size)
    return [(base, length) for base, length in IOVEC.codec.iter_unpack(data)]


def _host_iovecs(task: Task, arg: Arg, address: int, registers: Registers) -> int | bytes:
    """An iovec array with host addresses; the host refuses an absurd one itself."""
    assert arg.length is not None
    count = registers[int(arg.length[1])] & 0xFFFFFFFF
    if address == 0 or address >= GUEST_TOP or not 0 < count <= UIO_MAXIOV:
        return host_pointer(task, address, 0, False)
    return host_iovecs(task, address, count, arg.type.direction != "in")


def host_iovecs(task: Task, address: int, count: int, write: bool) -> int | bytes:
    """A guest's iovec array, made fit for the host, or an address that the host refuses."""
    try:
        pairs = iovecs(task, address, count)
    except task.MemoryFault:
        return broken_iovecs(task, address, count)
    return b"".join(IOVEC.pack(host_pointer(task, b, n, write), n) for b, n in pairs)


def broken_iovecs(task: Task, address: int, count: int) -> int | bytes:
    """For an array that cannot be read to its end: the host checks lengths as it reads."""
    for at in range(address, address + count * IOVEC.size, IOVEC.size):
        try:
            _, length = IOVEC.unpack(task.memory.read(at, IOVEC.size))
        except task.MemoryFault:
            return BAD_ADDRESS
        if length >> 63:
            return IOVEC.pack(0, length) * count  # EINVAL, when the host gets to it
    return BAD_ADDRESS
