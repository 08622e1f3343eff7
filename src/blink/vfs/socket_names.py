"""Names of AF_UNIX sockets under a root: the host was given others, which must not come back.

bind(2) and connect(2) reach a socket by `/proc/self/fd/N/name`, and that is what the host keeps.
What tells an address gets the guest's name in its place: known by the socket, or by the host's
name; of a socket that another process has bound, only the last part is known.
"""

from __future__ import annotations

import posix

from blink.abi.sockets import AF_UNIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

# Call -> the places of its address and of its length: accept, recvfrom, getsockname, getpeername,
# accept4.
NR_GETSOCKNAME, NR_GETPEERNAME = 51, 52
TELLING = {43: (1, 2), 45: (4, 5), NR_GETSOCKNAME: (1, 2), NR_GETPEERNAME: (1, 2), 288: (1, 2)}
OURS = b"/proc/self/fd/"
Telling = tuple[int, int, int]  # address, address of the length, room


class SocketNames:
    """What the sockets of a process are called.

    bound, peers   inode of a socket -> its name, the name that it was connected to
    given          name that the host was given -> the guest's
    """

    __slots__ = ("bound", "given", "peers")

    def __init__(self) -> None:
        self.bound: dict[int, bytes] = {}
        self.peers: dict[int, bytes] = {}
        self.given: dict[bytes, bytes] = {}

    def note(self, fd: int, host: bytes, path: bytes, is_bind: bool) -> None:
        """A socket has been bound or connected by the guest's name `path`."""
        names = self.bound if is_bind else self.peers
        names[posix.fstat(fd).st_ino] = path
        if is_bind:
            self.given[host[2:].rstrip(b"\0")] = path

    def before(self, task: Task, number: int, registers: tuple[int, ...]) -> Telling | None:
        """What has to be kept of a call that will tell an address; None for other calls."""
        places = TELLING.get(number)
        if places is None:
            return None
        address, length = (registers[place] for place in places)
        if not address or not length:
            return None
        return address, length, int.from_bytes(task.memory.read(length, 4), "little")

    def after(self, task: Task, number: int, fd: int, told: Telling) -> None:
        """Replaces an address that the host has told."""
        address, length, room = told
        size = int.from_bytes(task.memory.read(length, 4), "little")
        data = task.memory.read(address, min(size, room))
        if len(data) < 3 or int.from_bytes(data[:2], "little") != AF_UNIX:
            return
        name = self._known(number, fd)
        host = data[2:].partition(b"\0")[0]
        if name is None and host.startswith(OURS):
            name = self.given.get(host) or host.rpartition(b"/")[2]
        if name is not None:
            made = data[:2] + name + b"\0"
            task.memory.write(address, made[:room])
            task.memory.write(length, len(made).to_bytes(4, "little"))

    def _known(self, number: int, fd: int) -> bytes | None:
        known = {NR_GETSOCKNAME: self.bound, NR_GETPEERNAME: self.peers}.get(number)
        return None if known is None else known.get(posix.fstat(fd).st_ino)
