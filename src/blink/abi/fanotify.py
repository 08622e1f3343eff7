"""Constants of fanotify(7)."""

from __future__ import annotations

from blink.abi.flags import FlagSet

INIT = FlagSet(
    {
        "FAN_REPORT_DFID_NAME_TARGET": 0x1E00,
        "FAN_CLOEXEC": 1,
        "FAN_NONBLOCK": 2,
        "FAN_UNLIMITED_QUEUE": 0x10,
        "FAN_UNLIMITED_MARKS": 0x20,
        "FAN_ENABLE_AUDIT": 0x40,
        "FAN_REPORT_PIDFD": 0x80,
        "FAN_REPORT_TID": 0x100,
        "FAN_REPORT_FID": 0x200,
        "FAN_REPORT_DIR_FID": 0x400,
        "FAN_REPORT_NAME": 0x800,
        "FAN_REPORT_TARGET_FID": 0x1000,
    },
    enum={0: "FAN_CLASS_NOTIF", 4: "FAN_CLASS_CONTENT", 8: "FAN_CLASS_PRE_CONTENT"},
    mask=12,
)
FAN_MARK_DONT_FOLLOW = 4
MARK = FlagSet(
    {
        "FAN_MARK_ADD": 1,
        "FAN_MARK_REMOVE": 2,
        "FAN_MARK_DONT_FOLLOW": FAN_MARK_DONT_FOLLOW,
        "FAN_MARK_ONLYDIR": 8,
        "FAN_MARK_IGNORED_MASK": 0x20,
        "FAN_MARK_IGNORED_SURV_MODIFY": 0x40,
        "FAN_MARK_FLUSH": 0x80,
        "FAN_MARK_EVICTABLE": 0x200,
        "FAN_MARK_IGNORE": 0x400,
    },
    enum={0: "FAN_MARK_INODE", 0x10: "FAN_MARK_MOUNT", 0x100: "FAN_MARK_FILESYSTEM"},
    mask=0x110,
)
EVENTS = FlagSet(
    {
        "FAN_ACCESS": 1,
        "FAN_MODIFY": 2,
        "FAN_ATTRIB": 4,
        "FAN_CLOSE_WRITE": 8,
        "FAN_CLOSE_NOWRITE": 0x10,
        "FAN_OPEN": 0x20,
        "FAN_MOVED_FROM": 0x40,
        "FAN_MOVED_TO": 0x80,
        "FAN_CREATE": 0x100,
        "FAN_DELETE": 0x200,
        "FAN_DELETE_SELF": 0x400,
        "FAN_MOVE_SELF": 0x800,
        "FAN_OPEN_EXEC": 0x1000,
        "FAN_OPEN_PERM": 0x10000,
        "FAN_ACCESS_PERM": 0x20000,
        "FAN_OPEN_EXEC_PERM": 0x40000,
        "FAN_EVENT_ON_CHILD": 0x08000000,
        "FAN_RENAME": 0x10000000,
        "FAN_ONDIR": 0x40000000,
    }
)
