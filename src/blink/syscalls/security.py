"""Attributes that Linux security modules give to processes."""

from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import U32
from blink.syscalls._spec import Buffer, Flags, In, InOut, Out, Struct, UInt, syscall

LSM_ATTR = enumeration(
    {
        "LSM_ATTR_CURRENT": 100,
        "LSM_ATTR_EXEC": 101,
        "LSM_ATTR_FSCREATE": 102,
        "LSM_ATTR_KEYCREATE": 103,
        "LSM_ATTR_PREV": 104,
        "LSM_ATTR_SOCKCREATE": 105,
    }
)
LSM_FLAG = FlagSet({"LSM_FLAG_SINGLE": 1})


@syscall(459, passthrough=True)
def lsm_get_self_attr(
    attribute: Flags[UInt, LSM_ATTR],
    contexts: Out[Buffer, "size"],
    size: InOut[Struct, U32],
    flags: Flags[UInt, LSM_FLAG],
) -> None:
    """Implements lsm_get_self_attr(2)."""


@syscall(460, passthrough=True)
def lsm_set_self_attr(
    attribute: Flags[UInt, LSM_ATTR], context: In[Buffer, "size"], size: UInt, flags: UInt
) -> None:
    """Implements lsm_set_self_attr(2)."""


@syscall(461, passthrough=True)
def lsm_list_modules(ids: Out[Buffer, "size"], size: InOut[Struct, U32], flags: UInt) -> None:
    """Implements lsm_list_modules(2)."""
