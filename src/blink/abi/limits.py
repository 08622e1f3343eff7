"""Numbers of resource limits."""

from __future__ import annotations

from blink.abi.flags import enumeration

RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_NOFILE, RLIMIT_AS = 1, 2, 3, 7, 9
RLIM_NLIMITS = 16
RLIM_INFINITY = (1 << 64) - 1

RLIMIT_MEMLOCK = 8
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
        "RLIMIT_MEMLOCK": 8,
        "RLIMIT_AS": RLIMIT_AS,
        "RLIMIT_LOCKS": 10,
        "RLIMIT_SIGPENDING": 11,
        "RLIMIT_MSGQUEUE": 12,
        "RLIMIT_NICE": 13,
        "RLIMIT_RTPRIO": 14,
        "RLIMIT_RTTIME": 15,
    }
)
