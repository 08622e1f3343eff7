"""Resource limits: numbers, and how a limit is shown."""

from __future__ import annotations

from blink.abi.flags import enumeration

RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS = 1, 2, 3, 7, 8, 9
RLIM_NLIMITS = 16
RLIM_INFINITY = (1 << 64) - 1

RLIMIT = enumeration(
    {
        "RLIMIT_CPU": 0,
        "RLIMIT_FSIZE": RLIMIT_FSIZE,
        "RLIMIT_DATA": RLIMIT_DATA,
        "RLIMIT_STACK": RLIMIT_STACK,
        "RLIMIT_CORE": 4,
        "RLIMIT_RSS": 5,
        "RLIMIT_NPROC": 6,
        "RLIMIT_NOFILE": RLIMIT_NOFILE,
        "RLIMIT_MEMLOCK": RLIMIT_MEMLOCK,
        "RLIMIT_AS": RLIMIT_AS,
        "RLIMIT_LOCKS": 10,
        "RLIMIT_SIGPENDING": 11,
        "RLIMIT_MSGQUEUE": 12,
        "RLIMIT_NICE": 13,
        "RLIMIT_RTPRIO": 14,
        "RLIMIT_RTTIME": 15,
    }
)


def text(limit: int) -> str:
    """`RLIM64_INFINITY`, `8192*1024`, `1024`: as strace shows it."""
    if limit == RLIM_INFINITY:
        return "RLIM64_INFINITY"
    return f"{limit >> 10}*1024" if limit > 1024 and limit % 1024 == 0 else str(limit)
