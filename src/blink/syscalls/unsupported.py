"""Calls that blink knows and does not do: each gives the error that a kernel gives which was built
without it, or which forbids it."""

from errno import EACCES, ENOSYS, EPERM

from blink.abi.errors import SysError
from blink.syscalls._spec import syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.kernel.task import Task

_TRACING = "EPERM: a tracer would see the emulator, not the guest"
_PRIVILEGED = "EPERM, as without the capability"
_RINGS = "ENOSYS, as on a kernel without it: programs then use plain calls"
_OLD = "ENOSYS, as on every kernel of today"

ROWS = (
    (101, "ptrace", EPERM, _TRACING),
    (134, "uselib", ENOSYS, _OLD),
    (153, "vhangup", EPERM, _PRIVILEGED),
    (154, "modify_ldt", ENOSYS, "ENOSYS, as on a kernel without 16-bit segments"),
    (155, "pivot_root", EPERM, _PRIVILEGED),
    (156, "_sysctl", ENOSYS, _OLD),
    (163, "acct", EPERM, _PRIVILEGED),
    (167, "swapon", EPERM, _PRIVILEGED),
    (168, "swapoff", EPERM, _PRIVILEGED),
    (169, "reboot", EPERM, _PRIVILEGED),
    (172, "iopl", EPERM, _PRIVILEGED),
    (173, "ioperm", EPERM, _PRIVILEGED),
    (174, "create_module", ENOSYS, _OLD),
    (175, "init_module", EPERM, _PRIVILEGED),
    (176, "delete_module", EPERM, _PRIVILEGED),
    (177, "get_kernel_syms", ENOSYS, _OLD),
    (178, "query_module", ENOSYS, _OLD),
    (179, "quotactl", ENOSYS, "ENOSYS, as on a kernel without quotas"),
    (180, "nfsservctl", ENOSYS, _OLD),
    (181, "getpmsg", ENOSYS, _OLD),
    (182, "putpmsg", ENOSYS, _OLD),
    (183, "afs_syscall", ENOSYS, _OLD),
    (184, "tuxcall", ENOSYS, _OLD),
    (185, "security", ENOSYS, _OLD),
    (205, "set_thread_area", ENOSYS, "ENOSYS, as for every 64-bit program"),
    (206, "io_setup", ENOSYS, _RINGS),
    (207, "io_destroy", ENOSYS, _RINGS),
    (208, "io_getevents", ENOSYS, _RINGS),
    (209, "io_submit", ENOSYS, _RINGS),
    (210, "io_cancel", ENOSYS, _RINGS),
    (211, "get_thread_area", ENOSYS, "ENOSYS, as for every 64-bit program"),
    (212, "lookup_dcookie", ENOSYS, _OLD),
    (214, "epoll_ctl_old", ENOSYS, _OLD),
    (215, "epoll_wait_old", ENOSYS, _OLD),
    (236, "vserver", ENOSYS, _OLD),
    (246, "kexec_load", EPERM, _PRIVILEGED),
    (298, "perf_event_open", EACCES, "EACCES, as with perf_event_paranoid: it would count us"),
    (313, "finit_module", EPERM, _PRIVILEGED),
    (317, "seccomp", ENOSYS, "ENOSYS, as on a kernel without it: a filter would judge our calls"),
    (320, "kexec_file_load", EPERM, _PRIVILEGED),
    (321, "bpf", EPERM, "EPERM, as with unprivileged_bpf_disabled"),
    (323, "userfaultfd", EPERM, "EPERM, as with unprivileged_userfaultfd=0: we touch pages, too"),
    (333, "io_pgetevents", ENOSYS, _RINGS),
    (425, "io_uring_setup", ENOSYS, _RINGS),
    (426, "io_uring_enter", ENOSYS, _RINGS),
    (427, "io_uring_register", ENOSYS, _RINGS),
    (443, "quotactl_fd", ENOSYS, "ENOSYS, as on a kernel without quotas"),
    (453, "map_shadow_stack", ENOSYS, "ENOSYS, as on a CPU without shadow stacks"),
)


def _refusal(number: int, name: str, error: int) -> "Callable[..., int]":
    def refuse(task: "Task") -> int:
        task.process.log_once(f"{name} is not supported")
        raise SysError(error)

    refuse.__name__ = name
    refuse.__doc__ = f"Implements {name}(2)."
    return refuse


for _number, _name, _error, _note in ROWS:
    syscall(_number, level="none", note=_note)(_refusal(_number, _name, _error))
