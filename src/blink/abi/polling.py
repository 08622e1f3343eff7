"""Constants of poll(2), epoll(7), eventfd(2), timerfd(2), signalfd(2), inotify(7)."""

from __future__ import annotations

from blink.abi.flags import FlagSet, enumeration

CLOEXEC, NONBLOCK = 0o2000000, 0o4000

_EVENTS = {
    "IN": 1, "PRI": 2, "OUT": 4, "ERR": 8, "HUP": 0x10, "NVAL": 0x20, "RDNORM": 0x40,
    "RDBAND": 0x80, "WRNORM": 0x100, "WRBAND": 0x200, "MSG": 0x400, "RDHUP": 0x2000,
}  # fmt: skip
POLL = FlagSet({f"POLL{name}": bit for name, bit in _EVENTS.items()})
EPOLL = FlagSet(
    {
        **{f"EPOLL{name}": bit for name, bit in _EVENTS.items()},
        "EPOLLEXCLUSIVE": 1 << 28,
        "EPOLLWAKEUP": 1 << 29,
        "EPOLLONESHOT": 1 << 30,
        "EPOLLET": 1 << 31,
    }
)
EPOLL_CREATE = FlagSet({"EPOLL_CLOEXEC": CLOEXEC})
EPOLL_CTL = enumeration({"EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3})
EVENTFD = FlagSet({"EFD_SEMAPHORE": 1, "EFD_NONBLOCK": NONBLOCK, "EFD_CLOEXEC": CLOEXEC})
TIMERFD_CREATE = FlagSet({"TFD_NONBLOCK": NONBLOCK, "TFD_CLOEXEC": CLOEXEC})
TIMERFD_SET = FlagSet({"TFD_TIMER_ABSTIME": 1, "TFD_TIMER_CANCEL_ON_SET": 2})
SIGNALFD = FlagSet({"SFD_NONBLOCK": NONBLOCK, "SFD_CLOEXEC": CLOEXEC})
INOTIFY_INIT = FlagSet({"IN_NONBLOCK": NONBLOCK, "IN_CLOEXEC": CLOEXEC})
INOTIFY = FlagSet(
    {
        "IN_ALL_EVENTS": 0xFFF,
        "IN_ACCESS": 1,
        "IN_MODIFY": 2,
        "IN_ATTRIB": 4,
        "IN_CLOSE_WRITE": 8,
        "IN_CLOSE_NOWRITE": 0x10,
        "IN_OPEN": 0x20,
        "IN_MOVED_FROM": 0x40,
        "IN_MOVED_TO": 0x80,
        "IN_CREATE": 0x100,
        "IN_DELETE": 0x200,
        "IN_DELETE_SELF": 0x400,
        "IN_MOVE_SELF": 0x800,
        "IN_ONLYDIR": 0x0100_0000,
        "IN_DONT_FOLLOW": 0x0200_0000,
        "IN_EXCL_UNLINK": 0x0400_0000,
        "IN_MASK_CREATE": 0x1000_0000,
        "IN_MASK_ADD": 0x2000_0000,
        "IN_ONESHOT": 0x8000_0000,
    }
)
