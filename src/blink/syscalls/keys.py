"""The kernel's key rings."""

from errno import EOPNOTSUPP

from blink.abi import keys
from blink.abi.errors import SysError
from blink.syscalls._spec import Buffer, Flags, In, Int, Size, Text, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_KEYCTL = 250


@syscall(248, passthrough=True)
def add_key(
    type: Text, description: Text, payload: In[Buffer, "length"], length: Size, ring: Int
) -> None:
    """Implements add_key(2)."""


@syscall(249, passthrough=True)
def request_key(type: Text, description: Text, callout: Text, ring: Int) -> None:
    """Implements request_key(2)."""


# What the four arguments of each command are: v a value, i what it reads, o what it writes, with
# the size in the argument behind; - nothing.
COMMANDS = {
    keys.KEYCTL_GET_KEYRING_ID: "vv--",
    keys.KEYCTL_JOIN_SESSION_KEYRING: "i---",
    keys.KEYCTL_UPDATE: "viv-",
    keys.KEYCTL_REVOKE: "v---",
    keys.KEYCTL_CHOWN: "vvv-",
    keys.KEYCTL_SETPERM: "vv--",
    keys.KEYCTL_DESCRIBE: "vov-",
    keys.KEYCTL_CLEAR: "v---",
    keys.KEYCTL_LINK: "vv--",
    keys.KEYCTL_UNLINK: "vv--",
    keys.KEYCTL_SEARCH: "viiv",
    keys.KEYCTL_READ: "vov-",
    keys.KEYCTL_SET_REQKEY_KEYRING: "v---",
    keys.KEYCTL_SET_TIMEOUT: "vv--",
    keys.KEYCTL_GET_SECURITY: "vov-",
    keys.KEYCTL_SESSION_TO_PARENT: "----",
    keys.KEYCTL_INVALIDATE: "v---",
    keys.KEYCTL_GET_PERSISTENT: "vv--",
    keys.KEYCTL_MOVE: "vvvv",
    keys.KEYCTL_CAPABILITIES: "ov--",
}


@syscall(250, level="partial", note="no Diffie-Hellman, public keys, instantiation or watches")
def keyctl(
    task: "Task",
    command: Flags[Int, keys.KEYCTL],
    a: ULong,
    b: ULong,
    c: ULong,
    d: ULong,
) -> int:
    """Implements keyctl(2).

    The commands of key managers (instantiating a key, Diffie-Hellman, signatures, watches) give
    EOPNOTSUPP.
    """
    kinds = COMMANDS.get(command)
    if kinds is None:
        task.process.log_once(f"keyctl command {command} is not supported")
        raise SysError(EOPNOTSUPP)
    values = (a, b, c, d, 0)
    made = [_argument(task, kind, values, i) for i, kind in enumerate(kinds)]
    return task.host(NR_KEYCTL, command, *made)


def _argument(task: "Task", kind: str, values: tuple[int, ...], index: int) -> int:
    if kind == "o":
        return task.guest(values[index], values[index + 1] & 0xFFFFFFFF, True)
    return task.guest(values[index]) if kind == "i" else values[index]
