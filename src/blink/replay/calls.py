"""Which host calls may wait, by number: around these a guest thread passes the baton on."""

from __future__ import annotations

_NAMES = {
    "read": 0, "write": 1, "open": 2, "poll": 7, "readv": 19, "writev": 20, "select": 23,
    "sched_yield": 24, "pause": 34, "nanosleep": 35, "sendfile": 40, "connect": 42, "accept": 43,
    "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "wait4": 61, "semop": 65,
    "msgsnd": 69, "msgrcv": 70, "fcntl": 72, "flock": 73, "fsync": 74, "fdatasync": 75,
    "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "futex": 202, "io_getevents": 208,
    "semtimedop": 220, "clock_nanosleep": 230, "epoll_wait": 232, "mq_timedsend": 242,
    "mq_timedreceive": 243, "waitid": 247, "openat": 257, "pselect6": 270, "ppoll": 271,
    "splice": 275, "tee": 276, "vmsplice": 278, "epoll_pwait": 281, "accept4": 288,
    "preadv": 295, "pwritev": 296, "recvmmsg": 299, "sendmmsg": 307, "getrandom": 318,
    "copy_file_range": 326, "io_uring_enter": 426, "openat2": 437, "epoll_pwait2": 441,
}  # fmt: skip

WAITING = frozenset(_NAMES.values())
BRIEF = frozenset(range(512)) - WAITING
