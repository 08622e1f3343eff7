"""Constants of socket(2) and its relatives, and names for the call log."""

from __future__ import annotations

from blink.abi.flags import FlagSet, enumeration

AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
SOL_SOCKET, SCM_RIGHTS = 1, 1
MSG_CMSG_CLOEXEC, MSG_WAITFORONE = 0x4000_0000, 0x10000
SOCK_CLOEXEC, SOCK_NONBLOCK = 0o2000000, 0o4000

FAMILY = enumeration(
    {
        "AF_UNSPEC": 0,
        "AF_UNIX": AF_UNIX,
        "AF_INET": AF_INET,
        "AF_INET6": AF_INET6,
        "AF_NETLINK": 16,
        "AF_PACKET": 17,
        "AF_ALG": 38,
        "AF_VSOCK": 40,
    }
)
TYPE = FlagSet(
    {"SOCK_CLOEXEC": SOCK_CLOEXEC, "SOCK_NONBLOCK": SOCK_NONBLOCK},
    enum={
        1: "SOCK_STREAM",
        2: "SOCK_DGRAM",
        3: "SOCK_RAW",
        4: "SOCK_RDM",
        5: "SOCK_SEQPACKET",
        6: "SOCK_DCCP",
    },
    mask=15,
)
ACCEPT = FlagSet({"SOCK_CLOEXEC": SOCK_CLOEXEC, "SOCK_NONBLOCK": SOCK_NONBLOCK})
MSG = FlagSet(
    {
        "MSG_OOB": 1,
        "MSG_PEEK": 2,
        "MSG_DONTROUTE": 4,
        "MSG_CTRUNC": 8,
        "MSG_TRUNC": 0x20,
        "MSG_DONTWAIT": 0x40,
        "MSG_EOR": 0x80,
        "MSG_WAITALL": 0x100,
        "MSG_CONFIRM": 0x800,
        "MSG_ERRQUEUE": 0x2000,
        "MSG_NOSIGNAL": 0x4000,
        "MSG_MORE": 0x8000,
        "MSG_WAITFORONE": MSG_WAITFORONE,
        "MSG_ZEROCOPY": 0x0400_0000,
        "MSG_FASTOPEN": 0x2000_0000,
        "MSG_CMSG_CLOEXEC": MSG_CMSG_CLOEXEC,
    }
)


def show_address(data: bytes) -> str:
    """A socket address: `{AF_INET, 127.0.0.1:80}`, `{AF_UNIX, "/run/x"}`, `{AF_INET6, ...}`."""
    family = int.from_bytes(data[:2], "little")
    name = FAMILY.format(family)
    port = int.from_bytes(data[2:4], "big")
    if family == AF_UNIX:
        path = data[2:]
        text = "@" + _text(path[1:]) if path[:1] == b"\0" else _text(path.split(b"\0")[0])
        return f'{{{name}, "{text}"}}' if path else f"{{{name}}}"
    if family == AF_INET and len(data) >= 8:
        return f"{{{name}, {'.'.join(map(str, data[4:8]))}:{port}}}"
    if family == AF_INET6 and len(data) >= 24:
        groups = [f"{int.from_bytes(data[i : i + 2], 'big'):x}" for i in range(8, 24, 2)]
        return f"{{{name}, [{':'.join(groups)}]:{port}}}"
    return f"{{{name}, {_text(data[2:])}}}"


def _text(data: bytes) -> str:
    return ascii(data)[2:-1]


SHUT = enumeration({"SHUT_RD": 0, "SHUT_WR": 1, "SHUT_RDWR": 2})
LEVEL = enumeration(
    {
        "SOL_IP": 0,
        "SOL_SOCKET": SOL_SOCKET,
        "SOL_TCP": 6,
        "SOL_UDP": 17,
        "SOL_IPV6": 41,
        "SOL_NETLINK": 270,
    }
)
