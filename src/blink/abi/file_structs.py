"""Layouts of the structures of files, terminals, polling and sockets; see `structs`."""

from __future__ import annotations

from blink.abi.files import STATX as STATX_FLAGS
from blink.abi.files import mode_text
from blink.abi.polling import EPOLL, POLL
from blink.abi.structs import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.abi.structs import Show


class Brief(Struct):
    """A structure of which the log shows some fields."""

    __slots__ = ("shown",)

    def __init__(
        self, name: str, fmt: str, fields: str, shown: str, show: dict[str, Show] | None = None
    ) -> None:
        super().__init__(name, fmt, fields, show)
        self.shown = [(field, self.fields.index(field)) for field in shown.split()]

    def format(self, data: bytes) -> str:
        values = self.unpack(data)
        texts = [f"{field}={self.text(field, values[i])}" for field, i in self.shown]
        return "{" + ", ".join(texts) + ", ...}"


STAT = Brief(
    "stat",
    "QQQIIII" + "QqqqQQQQQQ" + "24x",
    "st_dev st_ino st_nlink st_mode st_uid st_gid pad st_rdev st_size st_blksize st_blocks "
    "st_atime atime_nsec st_mtime mtime_nsec st_ctime ctime_nsec",
    "st_mode st_size",
    {"st_mode": mode_text},
)
STATX = Brief(
    "statx",
    "IIQIIIH2xQQQQ" + "qI4x" * 4 + "IIIIQ" + "104x",
    "stx_mask stx_blksize stx_attributes stx_nlink stx_uid stx_gid stx_mode stx_ino stx_size "
    "stx_blocks stx_attributes_mask stx_atime atime_nsec stx_btime btime_nsec stx_ctime ctime_nsec "
    "stx_mtime mtime_nsec rdev_major rdev_minor dev_major dev_minor stx_mnt_id",
    "stx_mask stx_mode stx_size",
    {"stx_mask": STATX_FLAGS, "stx_mode": mode_text},
)
STATFS = Brief(
    "statfs",
    "qqQQQQQiiqqq32x",
    "f_type f_bsize f_blocks f_bfree f_bavail f_files f_ffree fsid0 fsid1 f_namelen f_frsize "
    "f_flags",
    "f_type f_bsize f_blocks f_bfree",
)
FLOCK = Struct("flock", "hh4xqqi4x", "l_type l_whence l_start l_len l_pid")
F_OWNER_EX = Struct("f_owner_ex", "ii", "type pid")
F_OWNER_UIDS = Struct("f_owner_uids", "II", "uid euid")
UTIMBUF = Struct("utimbuf", "qq", "actime modtime")
OPEN_HOW = Struct("open_how", "QQQ", "flags mode resolve")

POLLFD = Struct("pollfd", "ihh", "fd events revents", {"events": POLL, "revents": POLL})
EPOLL_EVENT = Struct("epoll_event", "IQ", "events data", {"events": EPOLL})
SIGSET_ARGUMENT = Struct("sigset_argpack", "QQ", "sigmask size")

MSGHDR = Struct(
    "msghdr",
    "QI4xQQQQi4x",
    "msg_name msg_namelen msg_iov msg_iovlen msg_control msg_controllen msg_flags",
)
MMSGHDR = Struct("mmsghdr", "56sI4x", "msg_hdr msg_len")
CMSGHDR = Struct("cmsghdr", "Qii", "cmsg_len cmsg_level cmsg_type")

TERMIOS = Struct("termios", "IIIIB19s", "c_iflag c_oflag c_cflag c_lflag c_line c_cc")
TERMIOS2 = Struct(
    "termios2", "IIIIB19sII", "c_iflag c_oflag c_cflag c_lflag c_line c_cc c_ispeed c_ospeed"
)
TERMIO = Struct("termio", "HHHHB8sx", "c_iflag c_oflag c_cflag c_lflag c_line c_cc")
WINSIZE = Struct("winsize", "HHHH", "ws_row ws_col ws_xpixel ws_ypixel")
IFREQ = Struct("ifreq", "16s24s", "ifr_name ifr_data")
IFCONF = Struct("ifconf", "i4xQ", "ifc_len ifc_buf")
