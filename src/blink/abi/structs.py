"""Layouts of the kernel's structures on x86-64: sizes, fields, and how to read them in bytes.

A layout is a `struct` format string with the padding spelled out (`x`), so that its size is the
kernel's.  No behaviour lives here; families add the layouts that only they use.
"""

from __future__ import annotations

from struct import Struct as _Codec

from blink.abi import limits, signals
from blink.abi.flags import FlagSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Show = FlagSet | Callable[[int], str]


class Struct:
    """One C structure: `fields` are space-separated names, in the order of `fmt`'s values.

    For the log: `show` tells of some fields how their values are shown; with `by_address` only the
    address of the structure is (a futex: its value says nothing).
    """

    __slots__ = ("by_address", "codec", "fields", "name", "show", "size")

    def __init__(
        self, name: str, fmt: str, fields: str, show: dict[str, Show] | None = None,
        by_address: bool = False,
    ) -> None:  # fmt: skip
        self.name = name
        self.show = show or {}
        self.by_address = by_address
        self.codec = _Codec("<" + fmt)
        self.fields = tuple(fields.split())
        self.size = self.codec.size

    def unpack(self, data: bytes) -> tuple[int, ...]:
        return self.codec.unpack(data)

    def pack(self, *values: int | bytes) -> bytes:
        return self.codec.pack(*values)

    def format(self, data: bytes) -> str:
        """`{tv_sec=1, tv_nsec=2}`; a structure of one field shows its value alone."""
        values = self.codec.unpack(data)
        if len(self.fields) == 1:
            return self.text(self.fields[0], values[0])
        pairs = zip(self.fields, values, strict=True)
        return "{" + ", ".join(f"{name}={self.text(name, value)}" for name, value in pairs) + "}"

    def text(self, field: str, value: int | bytes) -> str:
        """One field's value."""
        show = self.show.get(field)
        if show is None or isinstance(value, bytes):
            return _show(value)
        return show.format(value) if isinstance(show, FlagSet) else show(value)


def _show(value: int | bytes) -> str:
    if isinstance(value, bytes):
        return ascii(value.rstrip(b"\0"))[1:]
    return hex(value) if value > 0xFFFFFFFF else str(value)


S32 = Struct("int", "i", "value")
U32 = Struct("unsigned", "I", "value")
FUTEX_WORD = Struct("futex", "I", "value", by_address=True)
S64 = Struct("long", "q", "value")
U64 = Struct("unsigned long", "Q", "value")
SIGSET = Struct("sigset_t", "Q", "bits", {"bits": signals.set_text})
TIMESPEC = Struct("timespec", "qq", "tv_sec tv_nsec")
TIMEVAL = Struct("timeval", "qq", "tv_sec tv_usec")
TIMEZONE = Struct("timezone", "ii", "tz_minuteswest tz_dsttime")
ITIMERVAL = Struct("itimerval", "qqqq", "interval_sec interval_usec value_sec value_usec")
ITIMERSPEC = Struct("itimerspec", "qqqq", "interval_sec interval_nsec value_sec value_nsec")
RLIMIT = Struct(
    "rlimit", "QQ", "rlim_cur rlim_max", dict.fromkeys(("rlim_cur", "rlim_max"), limits.text)
)
SIGACTION = Struct(
    "sigaction",
    "QQQQ",
    "sa_handler sa_flags sa_restorer sa_mask",
    {"sa_handler": signals.handler_text, "sa_flags": signals.SA, "sa_mask": signals.set_text},
)
STACK_T = Struct("stack_t", "QI4xQ", "ss_sp ss_flags ss_size", {"ss_flags": signals.SS})
SIGINFO = Struct("siginfo_t", "iii116x", "si_signo si_errno si_code", {"si_signo": signals.name})
IOVEC = Struct("iovec", "QQ", "iov_base iov_len")
UTSNAME = Struct(
    "utsname", "65s65s65s65s65s65s", "sysname nodename release version machine domainname"
)
SYSINFO = Struct(
    "sysinfo",
    "qQQQQQQQQQH6xQQI4x",
    "uptime load1 load5 load15 totalram freeram sharedram bufferram totalswap freeswap procs "
    "totalhigh freehigh mem_unit",
)
TMS = Struct("tms", "qqqq", "tms_utime tms_stime tms_cutime tms_cstime")
RUSAGE = Struct(
    "rusage",
    "qqqqqqqqqqqqqqqqqq",
    "utime_sec utime_usec stime_sec stime_usec maxrss ixrss idrss isrss minflt majflt nswap "
    "inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw",
)
CLONE_ARGS = Struct(
    "clone_args",
    "QQQQQQQQQQQ",
    "flags pidfd child_tid parent_tid exit_signal stack stack_size tls set_tid set_tid_size cgroup",
)
CAP_HEADER = Struct("cap_user_header", "Ii", "version pid")
CAP_DATA = Struct("cap_user_data", "III", "effective permitted inheritable")
SCHED_PARAM = Struct("sched_param", "i", "sched_priority")
FUTEX_WAITV = Struct("futex_waitv", "QQII", "val uaddr flags __reserved")
