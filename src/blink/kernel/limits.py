"""Resource limits of a guest process.

The host enforces most of them.  Three would strike the emulator in place of the guest and are kept
here: RLIMIT_AS and RLIMIT_DATA count the guest's mappings alone, and RLIMIT_STACK bounds the
guest's stack, not that of the thread that runs it.  They pass through fork and execve.
"""

from __future__ import annotations

from errno import EINVAL, EPERM

from blink.abi.errors import SysError
from blink.abi.limits import RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_STACK
from blink.kernel import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.address_space import AddressSpace

CAP_SYS_RESOURCE = 24
OURS = frozenset((RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK))


class Limits:
    """(soft, hard) by resource number; RLIM_INFINITY is 2**64 - 1."""

    __slots__ = ("file_size", "rows", "space")

    def __init__(self, space: AddressSpace) -> None:
        self.space = space
        self.rows: dict[int, tuple[int, int]] = {}
        self.file_size: tuple[int, int] | None = None  # RLIMIT_FSIZE since the guest has set it
        space.size_limit, space.data_limit = self.get(RLIMIT_AS)[0], self.get(RLIMIT_DATA)[0]

    def get(self, resource: int) -> tuple[int, int]:
        """Raises SysError."""
        return self.rows.get(resource) or host.rlimit(resource)

    def set(self, resource: int, soft: int, hard: int) -> None:
        """Raises SysError: EINVAL, or EPERM when a hard limit is to rise."""
        if resource not in OURS:
            result = host.set_rlimit(resource, soft, hard)
            if result < 0:
                raise SysError(-result)
            if resource == RLIMIT_FSIZE:
                self.file_size = soft, hard
            return
        if soft > hard:
            raise SysError(EINVAL)
        if hard > self.get(resource)[1] and not host.has_capability(CAP_SYS_RESOURCE):
            raise SysError(EPERM)
        self.rows[resource] = soft, hard
        self.space.size_limit = self.get(RLIMIT_AS)[0]
        self.space.data_limit = self.get(RLIMIT_DATA)[0]

    def without_file_size(self) -> _FileSize:
        """For what we write to the log: RLIMIT_FSIZE is about the guest's files."""
        return _FileSize(self.file_size)

    def descriptors(self) -> int:
        """Where the numbers of the guest's descriptors end."""
        return self.get(RLIMIT_NOFILE)[0]

    def stack(self) -> int:
        """Bytes that the stack may grow to."""
        return self.get(RLIMIT_STACK)[0]


class _FileSize:
    """Lifts RLIMIT_FSIZE to its hard value for the time of a `with`."""

    __slots__ = ("limits",)

    def __init__(self, limits: tuple[int, int] | None) -> None:
        self.limits = limits

    def __enter__(self) -> None:
        if self.limits is not None:
            host.set_rlimit(RLIMIT_FSIZE, self.limits[1], self.limits[1])

    def __exit__(self, *error: object) -> None:
        if self.limits is not None:
            host.set_rlimit(RLIMIT_FSIZE, *self.limits)
