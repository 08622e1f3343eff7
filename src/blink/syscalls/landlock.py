"""Landlock: rules that a program gives itself about files and the network."""

from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import Struct as Layout
from blink.syscalls import _table
from blink.syscalls._spec import Buffer, By, Fd, Flags, In, Size, Struct, UInt, ULong, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

NR_ADD_RULE, NR_RESTRICT_SELF = 445, 446
PATH_BENEATH = Layout("landlock_path_beneath_attr", "Qi", "allowed_access parent_fd")
NET_PORT = Layout("landlock_net_port_attr", "QQ", "allowed_access port")
CREATE = FlagSet({"LANDLOCK_CREATE_RULESET_VERSION": 1, "LANDLOCK_CREATE_RULESET_ERRATA": 2})
RULE = enumeration({"LANDLOCK_RULE_PATH_BENEATH": 1, "LANDLOCK_RULE_NET_PORT": 2})
RESTRICT = FlagSet(
    {
        "LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF": 1,
        "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON": 2,
        "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF": 4,
    }
)
_RULES = {1: In[Struct, PATH_BENEATH], 2: In[Struct, NET_PORT]}


@syscall(444, passthrough=True)
def landlock_create_ruleset(
    attributes: In[Buffer, "size"], size: Size, flags: Flags[UInt, CREATE]
) -> None:
    """Implements landlock_create_ruleset(2)."""


@syscall(445)
def landlock_add_rule(
    task: "Task",
    ruleset: Fd,
    kind: Flags[UInt, RULE],
    rule: By[ULong, "kind", _RULES],
    flags: UInt,
) -> int:
    """Implements landlock_add_rule(2)."""
    return task.host(NR_ADD_RULE, ruleset, kind, task.guest(rule), flags)


@syscall(446)
def landlock_restrict_self(task: "Task", ruleset: Fd, flags: Flags[UInt, RESTRICT]) -> int:
    """Implements landlock_restrict_self(2)."""
    _table.import_all()  # the rules hold for us, too, who load what we need from files
    return task.host(NR_RESTRICT_SELF, ruleset, flags)
