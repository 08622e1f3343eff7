"""ioctl(2): a table of typed requests.

Every request is the host's, with its argument translated as the table says; one that is not in the
table gives ENOTTY, for nobody knows what its argument points to.
"""

from errno import ENOTTY

from blink.abi.errors import SysError
from blink.abi.file_structs import IFCONF, IFREQ, TERMIO, TERMIOS, TERMIOS2, WINSIZE
from blink.abi.flags import enumeration
from blink.abi.structs import S32, S64, TIMESPEC, TIMEVAL, U32, U64
from blink.kernel import host
from blink.syscalls._dispatch import forward
from blink.syscalls._spec import (
    ALWAYS,
    CALLS,
    Buffer,
    By,
    Fd,
    Flags,
    In,
    InOut,
    Int,
    Out,
    Struct,
    Type,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.kernel.task import Task

NR_IOCTL = 16
SIOCGIFCONF, FS_IOC_FIEMAP = 0x8912, 0xC020660B
FIEMAP_SIZE, FIEMAP_COUNT, EXTENT_SIZE = 32, 24, 56  # the header, a field of it, what may follow

_NUMBER: "Any" = Int
_IN, _OUT = In[Struct, S32], Out[Struct, S32]
_TERMIOS_IN, _TERMIO_IN = In[Struct, TERMIOS], In[Struct, TERMIO]
_TERMIOS2_IN = In[Struct, TERMIOS2]
_BYTE_IN, _BYTE_OUT = In[Buffer, 1], Out[Buffer, 1]
_LONG_OUT = Out[Struct, U64]
_IFREQ = InOut[Struct, IFREQ]

_ROWS: "tuple[tuple[str, int, Any], ...]" = (
    # terminals
    ("TCGETS", 0x5401, Out[Struct, TERMIOS]),
    ("TCSETS", 0x5402, _TERMIOS_IN),
    ("TCSETSW", 0x5403, _TERMIOS_IN),
    ("TCSETSF", 0x5404, _TERMIOS_IN),
    ("TCGETA", 0x5405, Out[Struct, TERMIO]),
    ("TCSETA", 0x5406, _TERMIO_IN),
    ("TCSETAW", 0x5407, _TERMIO_IN),
    ("TCSETAF", 0x5408, _TERMIO_IN),
    ("TCSBRK", 0x5409, _NUMBER),
    ("TCXONC", 0x540A, _NUMBER),
    ("TCFLSH", 0x540B, _NUMBER),
    ("TIOCEXCL", 0x540C, _NUMBER),
    ("TIOCNXCL", 0x540D, _NUMBER),
    ("TIOCSCTTY", 0x540E, _NUMBER),
    ("TIOCGPGRP", 0x540F, _OUT),
    ("TIOCSPGRP", 0x5410, _IN),
    ("TIOCOUTQ", 0x5411, _OUT),
    ("TIOCSTI", 0x5412, _BYTE_IN),
    ("TIOCGWINSZ", 0x5413, Out[Struct, WINSIZE]),
    ("TIOCSWINSZ", 0x5414, In[Struct, WINSIZE]),
    ("TIOCMGET", 0x5415, _OUT),
    ("TIOCMBIS", 0x5416, _IN),
    ("TIOCMBIC", 0x5417, _IN),
    ("TIOCMSET", 0x5418, _IN),
    ("TIOCGSOFTCAR", 0x5419, _OUT),
    ("TIOCSSOFTCAR", 0x541A, _IN),
    ("FIONREAD", 0x541B, _OUT),
    ("TIOCCONS", 0x541D, _NUMBER),
    ("TIOCPKT", 0x5420, _IN),
    ("FIONBIO", 0x5421, _IN),
    ("TIOCNOTTY", 0x5422, _NUMBER),
    ("TIOCSETD", 0x5423, _IN),
    ("TIOCGETD", 0x5424, _OUT),
    ("TCSBRKP", 0x5425, _NUMBER),
    ("TIOCSBRK", 0x5427, _NUMBER),
    ("TIOCCBRK", 0x5428, _NUMBER),
    ("TIOCGSID", 0x5429, _OUT),
    ("TCGETS2", 0x802C542A, Out[Struct, TERMIOS2]),
    ("TCSETS2", 0x402C542B, _TERMIOS2_IN),
    ("TCSETSW2", 0x402C542C, _TERMIOS2_IN),
    ("TCSETSF2", 0x402C542D, _TERMIOS2_IN),
    ("TIOCGPTN", 0x80045430, Out[Struct, U32]),
    ("TIOCSPTLCK", 0x40045431, _IN),
    ("TIOCGDEV", 0x80045432, Out[Struct, U32]),
    ("TIOCSIG", 0x40045436, _NUMBER),
    ("TIOCVHANGUP", 0x5437, _NUMBER),
    ("TIOCGPKT", 0x80045438, _OUT),
    ("TIOCGPTLCK", 0x80045439, _OUT),
    ("TIOCGEXCL", 0x80045440, _OUT),
    ("TIOCGPTPEER", 0x5441, _NUMBER),
    ("TIOCGLCKTRMIOS", 0x5456, Out[Struct, TERMIOS]),
    ("TIOCSLCKTRMIOS", 0x5457, _TERMIOS_IN),
    # consoles
    ("KDGKBTYPE", 0x4B33, _BYTE_OUT),
    ("KDGETMODE", 0x4B3B, _OUT),
    ("KDGKBMODE", 0x4B44, _OUT),
    ("VT_OPENQRY", 0x5600, _OUT),
    ("VT_GETSTATE", 0x5603, Out[Buffer, 6]),
    # every descriptor
    ("FIONCLEX", 0x5450, _NUMBER),
    ("FIOCLEX", 0x5451, _NUMBER),
    ("FIOASYNC", 0x5452, _IN),
    ("FIOQSIZE", 0x5460, Out[Struct, S64]),
    # sockets
    ("IOCTL_VM_SOCKETS_GET_LOCAL_CID", 0x7B9, Out[Struct, U32]),
    # files and file systems
    ("FIBMAP", 0x1, InOut[Struct, S32]),
    ("FIGETBSZ", 0x2, _OUT),
    ("FS_IOC_GETFLAGS", 0x80086601, _OUT),
    ("FS_IOC_SETFLAGS", 0x40086602, _IN),
    ("FS_IOC_GETVERSION", 0x80087601, _OUT),
    ("FS_IOC_FSGETXATTR", 0x801C581F, Out[Buffer, 28]),
    ("FS_IOC_FSSETXATTR", 0x401C5820, In[Buffer, 28]),
    ("FS_IOC_GETFSLABEL", 0x81009431, Out[Buffer, 256]),
    ("FICLONE", 0x40049409, Fd),
    ("FICLONERANGE", 0x4020940D, In[Buffer, 32]),
    ("NS_GET_USERNS", 0xB701, _NUMBER),
    ("NS_GET_PARENT", 0xB702, _NUMBER),
    ("NS_GET_NSTYPE", 0xB703, _NUMBER),
    ("NS_GET_OWNER_UID", 0xB704, Out[Struct, U32]),
    # block and other devices
    ("BLKROSET", 0x125D, _IN),
    ("BLKROGET", 0x125E, _OUT),
    ("BLKRRPART", 0x125F, _NUMBER),
    ("BLKGETSIZE", 0x1260, _LONG_OUT),
    ("BLKFLSBUF", 0x1261, _NUMBER),
    ("BLKRASET", 0x1262, ULong),
    ("BLKRAGET", 0x1263, _LONG_OUT),
    ("BLKSSZGET", 0x1268, _OUT),
    ("BLKDISCARD", 0x1277, In[Buffer, 16]),
    ("BLKIOMIN", 0x1278, Out[Struct, U32]),
    ("BLKIOOPT", 0x1279, Out[Struct, U32]),
    ("BLKALIGNOFF", 0x127A, _OUT),
    ("BLKPBSZGET", 0x127B, Out[Struct, U32]),
    ("BLKDISCARDZEROES", 0x127C, Out[Struct, U32]),
    ("BLKROTATIONAL", 0x127E, Out[Buffer, 2]),
    ("BLKZEROOUT", 0x127F, In[Buffer, 16]),
    ("BLKBSZGET", 0x80081270, _OUT),
    ("BLKGETSIZE64", 0x80081272, _LONG_OUT),
    ("RTC_RD_TIME", 0x80247009, Out[Buffer, 36]),
    ("RNDGETENTCNT", 0x80045200, _OUT),
    ("TUNSETIFF", 0x400454CA, _IFREQ),
    # sockets
    ("FIOSETOWN", 0x8901, _IN),
    ("SIOCSPGRP", 0x8902, _IN),
    ("FIOGETOWN", 0x8903, _OUT),
    ("SIOCGPGRP", 0x8904, _OUT),
    ("SIOCATMARK", 0x8905, _OUT),
    ("SIOCGSTAMP_OLD", 0x8906, Out[Struct, TIMEVAL]),
    ("SIOCGSTAMPNS_OLD", 0x8907, Out[Struct, TIMESPEC]),
    ("SIOCGIFNAME", 0x8910, _IFREQ),
    ("SIOCGIFFLAGS", 0x8913, _IFREQ),
    ("SIOCSIFFLAGS", 0x8914, _IFREQ),
    ("SIOCGIFADDR", 0x8915, _IFREQ),
    ("SIOCSIFADDR", 0x8916, _IFREQ),
    ("SIOCGIFDSTADDR", 0x8917, _IFREQ),
    ("SIOCGIFBRDADDR", 0x8919, _IFREQ),
    ("SIOCGIFNETMASK", 0x891B, _IFREQ),
    ("SIOCSIFNETMASK", 0x891C, _IFREQ),
    ("SIOCGIFMETRIC", 0x891D, _IFREQ),
    ("SIOCGIFMTU", 0x8921, _IFREQ),
    ("SIOCSIFMTU", 0x8922, _IFREQ),
    ("SIOCGIFHWADDR", 0x8927, _IFREQ),
    ("SIOCGIFINDEX", 0x8933, _IFREQ),
    ("SIOCGIFTXQLEN", 0x8942, _IFREQ),
    ("SIOCGIFMAP", 0x8970, _IFREQ),
)
REQUESTS: "dict[int, Type]" = {number: kind for _, number, kind in _ROWS}
_SHAPED = {"SIOCGIFCONF": SIOCGIFCONF, "FS_IOC_FIEMAP": FS_IOC_FIEMAP}  # by code below
IOCTL = enumeration({**{name: number for name, number, _ in _ROWS}, **_SHAPED})


@syscall(16, native=ALWAYS, level="partial", note="unknown requests: ENOTTY", waits=True)
def ioctl(
    task: "Task",
    fd: Fd,
    request: Flags[UInt, IOCTL],
    arg: By[ULong, "request", REQUESTS],
) -> int:
    """Implements ioctl(2).

    Requests that are not in the table give ENOTTY and are logged once.
    """
    if request in REQUESTS:
        return forward(task, CALLS[NR_IOCTL], (fd, request, arg))
    if request == SIOCGIFCONF:
        return _interfaces(task, fd, arg)
    if request == FS_IOC_FIEMAP:
        return _extents(task, fd, arg)
    task.host(host.NR_FCNTL, fd, host.F_GETOWN)  # EBADF comes before ENOTTY, with O_PATH too
    task.process.log_once(f"ioctl request {request:#x} is not known")
    raise SysError(ENOTTY)


def _interfaces(task: "Task", fd: int, arg: int) -> int:
    """SIOCGIFCONF: a structure that points to the buffer."""
    length, buffer = task.read_struct(arg, IFCONF)
    data = bytearray(IFCONF.pack(length, task.guest(buffer, max(length, 0), True)))
    result = task.host(NR_IOCTL, fd, SIOCGIFCONF, data)
    task.memory.write(arg, data[:4])
    return result


def _extents(task: "Task", fd: int, arg: int) -> int:
    """FS_IOC_FIEMAP: a header that says how many extents may follow."""
    try:
        count = int.from_bytes(task.memory.read(arg + FIEMAP_COUNT, U32.size), "little")
    except task.MemoryFault:
        count = 0
    room = task.guest(arg, FIEMAP_SIZE + count * EXTENT_SIZE, True)
    return task.host(NR_IOCTL, fd, FS_IOC_FIEMAP, room)
