"""The machine as a whole: names, load, random numbers."""

from blink.abi.flags import FlagSet
from blink.abi.structs import SYSINFO, UTSNAME
from blink.syscalls._spec import Buffer, Flags, In, Int, Out, Size, Struct, UInt, syscall

GRND = FlagSet({"GRND_NONBLOCK": 1, "GRND_RANDOM": 2, "GRND_INSECURE": 4})


@syscall(63, passthrough=True)
def uname(buf: Out[Struct, UTSNAME]) -> None:
    """Implements uname(2)."""


@syscall(99, passthrough=True)
def sysinfo(info: Out[Struct, SYSINFO]) -> None:
    """Implements sysinfo(2)."""


@syscall(318, passthrough=True)
def getrandom(buf: Out[Buffer, "count"], count: Size, flags: Flags[UInt, GRND]) -> None:
    """Implements getrandom(2)."""


@syscall(170, passthrough=True)
def sethostname(name: In[Buffer, "length"], length: Int) -> None:
    """Implements sethostname(2)."""


@syscall(171, passthrough=True)
def setdomainname(name: In[Buffer, "length"], length: Int) -> None:
    """Implements setdomainname(2)."""
