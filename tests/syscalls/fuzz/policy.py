"""What the fuzzer of system calls leaves out, bends or forgives, with the reasons: here alone."""

from __future__ import annotations

from errno import EBADF, EFAULT, EINTR, EINVAL, ENOEXEC, ENOMEM, ETIMEDOUT, ETXTBSY
from random import Random

from blink import _engine  # noqa: F401  before the families
from blink.syscalls.terminal import REQUESTS

# The process's own number; interpreter.c fills it in.
PID_TOKEN = 0x50494400000000
PLAYGROUND, PLAYGROUND_SIZE = 0x20010000, 0x10000
PAGE = 4096
MASK = (1 << 64) - 1

_ENDS = "ends or replaces the process, or makes another, which would go on with the list"
_SIGNALS = "jumps to what the fuzzer made up when a signal comes"
_BLOCKS = "waits for a signal with a mask that may hold back the clock which ends all waiting"
_SHARED = "changes what both runs share: users' key rings, the machine"
_SLOW = "makes the process slower than the machine's other work, perhaps for good"
_OURS = "how much there is to lock differs"

LEFT_OUT = {
    **dict.fromkeys("exit exit_group fork vfork clone clone3".split(), _ENDS),
    **dict.fromkeys("rt_sigreturn rt_sigaction sigaltstack".split(), _SIGNALS),
    "rt_sigsuspend": _BLOCKS,
    **dict.fromkeys("add_key request_key keyctl sync syncfs".split(), _SHARED),
    **dict.fromkeys("setpriority sched_setscheduler sched_setattr ioprio_set".split(), _SLOW),
    **dict.fromkeys("mlockall munlockall mlock mlock2 munlock".split(), _OURS),
    "alarm": "the clock that ends all waiting",
    **dict.fromkeys(
        "pkey_mprotect pkey_alloc pkey_free".split(), "the CPU model has no protection keys"
    ),
    "brk": "the interpreter's own heap",
    "arch_prctl": "moves the C library's thread-local storage",
    "set_robust_list": "at the end the kernel follows a made-up list, where it may wait",
    "set_tid_address": "at the end the kernel stores a zero anywhere",
    "landlock_restrict_self": "later calls fail, natively and here, but so do the harness's",
    "personality": "documented as partial",
}

# Calls whose results are not the same in two runs: what is compared is whether they fail, and how.
RESULT_DIFFERS = frozenset(
    "time times getppid gettid getpgid getsid getpgrp mmap mremap shmat getcpu "
    "get_robust_list clock_adjtime adjtimex syslog sched_getscheduler msgget semget shmget "
    "timer_create fsopen".split()
)

# Calls whose bytes are not the same in two runs: times, numbers of processes, inodes, addresses.
BYTES_DIFFER = frozenset(
    "stat fstat lstat newfstatat statx statfs fstatfs ustat getdents getdents64 getcwd uname "
    "sysinfo "
    "clock_gettime clock_getres gettimeofday times time getrusage clock_adjtime adjtimex "
    "clock_nanosleep nanosleep getitimer setitimer timer_gettime timer_settime timerfd_gettime "
    "timerfd_settime getrandom getcpu mincore sched_getaffinity sched_getattr wait4 waitid "
    "name_to_handle_at getxattrat ioctl select pselect6 ppoll recvmmsg prlimit64 getrlimit "
    "syslog cachestat statmount listmount move_pages get_robust_list shmctl msgctl semctl "
    "rt_sigtimedwait file_getattr getsockname getpeername fcntl prctl capget getsockopt "
    "sched_rr_get_interval getresuid getresgid getgroups readlink readlinkat read readv pread64 "
    "futex preadv preadv2 process_vm_readv sysfs get_mempolicy".split()
)

# Calls that tell by themselves (prepare_write) where they store, not by types of arguments.
STORES_ELSEWHERE = frozenset(
    "msgrcv getxattrat setxattrat sysfs ioctl recvmsg recvmmsg sendmmsg semctl prctl fcntl "
    "process_vm_writev process_vm_readv madvise mremap munmap mmap shmat remap_file_pages futex "
    "futex_waitv futex_requeue keyctl clone3 mq_notify process_madvise lsm_get_self_attr "
    "lsm_list_modules mincore".split()
)

# Lengths that reach over all of memory; the native process would lose what it stands on.
ABSURD_RANGES = {"madvise": (MASK,), "munmap": (1 << 47, 1 << 63, MASK)}
# Not PR_SET_SECCOMP and the like, which are documented as missing.
PRCTL_OPTIONS = (
    *(1, 2, 3, 4, 7, 8, 13, 14, 15, 16, 21, 23, 25, 27, 29, 30, 31, 32, 33, 34, 36, 37, 38, 39),
    *(41, 42, 52, 57, 58, 65, 66, 67, 68, 1000, -1),  # hosts may lack PR_SET_VMA
)
QUIET_SIGNALS = (0, 23, 65, -1, 1000)  # SIGURG does nothing by default
SAFE_LIMITS = (4, 5, 10, 11, 12, 13, 14, 16, 100, 0xFFFFFFFF)  # RLIMIT_CORE, RSS, LOCKS, ...


# (call, the host's errno, ours) -> why both are right.
_TABLE = "the kernel looks at as many bits as the table of descriptors has entries; ours has more"
_BUSY = "documented: a program that is open for writing runs"
_READABLE = "documented: memory that may only be executed can be read"
FORGIVEN = {
    ("madvise", EINVAL, None): _READABLE,
    ("mremap", EFAULT, ENOMEM): "mappings that must not grow (secret memory) are not told apart",
    ("select", EBADF, EFAULT): _TABLE,
    ("select", None, EFAULT): _TABLE,
    ("pselect6", EBADF, EFAULT): _TABLE,
    ("pselect6", None, EFAULT): _TABLE,
    ("execve", ETXTBSY, EFAULT): _BUSY,
    ("execve", ETXTBSY, ENOEXEC): _BUSY,
    ("execveat", ETXTBSY, EFAULT): _BUSY,
    ("execveat", ETXTBSY, ENOEXEC): _BUSY,
    ("execveat", ETXTBSY, None): _BUSY,
}


def forgives(name: str, host: int, ours: int) -> bool:
    """Whether two different results of a call are known, and documented."""
    if {host, ours} == {0, -EINTR} or {host, ours} == {-EINTR, -ETIMEDOUT}:
        return True  # the end of a short wait, or of the interpreter's patience: which was first
    return (name, _errno(host), _errno(ours)) in FORGIVEN


def _errno(result: int) -> int | None:
    return -result if -4096 < result < 0 else None


def bend(name: str, args: list[int], random: Random) -> None:
    """Changes arguments that would end the run, or whose effect is documented as different."""
    rule = _RULES.get(name)
    if rule is not None:
        rule(args, random)


def _signal_at(index: int, pid: int = 0) -> object:
    def rule(args: list[int], random: Random) -> None:
        args[index] = random.choice(QUIET_SIGNALS)
        args[pid] = random.choice((PID_TOKEN, 99999999, 0x7FFFFFFF))

    return rule


def _mmap(args: list[int], random: Random) -> None:
    if args[3] & 0x100010:  # MAP_FIXED, MAP_FIXED_NOREPLACE
        args[0] = _inside(random)
        args[1] = random.choice((0, 1, PAGE, 2 * PAGE))
    else:  # a hint that blink's address space does not have would be heeded natively
        args[0] = random.choice((0, 0, _inside(random), 1 << 63))
        if args[1] > 1 << 24:
            args[1] = random.choice((0, 1 << 63, (1 << 64) - 1))
    _mprotect(args, random)
    args[3] &= ~(0x40000 | 0x100 | 0x80000 | 0x2000)  # MAP_HUGETLB, GROWSDOWN, SYNC, LOCKED


def _mprotect(args: list[int], random: Random) -> None:
    args[2] |= (args[2] & 4) >> 2  # PROT_EXEC alone: documented as readable


def _mremap(args: list[int], random: Random) -> None:
    if args[1] > 1 << 16 or args[2] > 1 << 20:
        args[1] = args[2] = PAGE
    args[3] &= ~4  # MREMAP_DONTUNMAP leaves pages that the list does not know
    if args[3] & 2:
        args[4] = _inside(random)
        args[2] = min(args[2], 2 * PAGE)


def _inside(random: Random) -> int:
    return PLAYGROUND + random.randrange(0, 12) * PAGE + random.choice((0, 0, 0, 0, 1))


def _sendfile(args: list[int], random: Random) -> None:
    if args[0] == args[1]:  # a file into itself grows until a signal comes
        args[3] = min(args[3] & MASK, PAGE)


def _shmat(args: list[int], random: Random) -> None:
    args[1] = random.choice((0, 0, _inside(random)))


def _limit(index: int) -> object:
    def rule(args: list[int], random: Random) -> None:
        args[index] = random.choice(SAFE_LIMITS)

    return rule


def _prctl(args: list[int], random: Random) -> None:
    args[0] = random.choice(PRCTL_OPTIONS)


def _ioctl(args: list[int], random: Random) -> None:
    args[1] = random.choice(list(REQUESTS))  # unknown ones: documented as ENOTTY


def _itimer(args: list[int], random: Random) -> None:
    args[0] = random.choice((1, 2, 3, -1, 99))  # ITIMER_REAL is the clock that ends all waiting


def _unshare(args: list[int], random: Random) -> None:
    args[0] &= ~0x10000000  # with CLONE_NEWUSER the process becomes root of something


def _descriptors(args: list[int], random: Random) -> None:
    if args[0] & 0xFFFFFFFF < 3:
        args[0] = 20


def _new_descriptor(args: list[int], random: Random) -> None:
    if args[1] & 0xFFFFFFFF < 3:
        args[1] = 33


def _setns(args: list[int], random: Random) -> None:
    args[0] = random.choice((3, 99, -1))


def _process_madvise(args: list[int], random: Random) -> None:
    args[0] = random.choice((3, 99, -1))


def _set_mempolicy(args: list[int], random: Random) -> None:
    args[0] |= 1 << 30  # valid ones would bind all that the emulator allocates


def _membarrier(args: list[int], random: Random) -> None:
    if args[0] == 1:  # waits for every CPU of the machine
        args[0] = 0


def _wait(index: int) -> object:
    """Short timeouts in milliseconds."""

    def rule(args: list[int], random: Random) -> None:
        args[index] = random.choice((0, 0, 1, -1))

    return rule


_RULES = {
    "kill": _signal_at(1),
    "tkill": _signal_at(1),
    "tgkill": _signal_at(2, 1),
    "rt_sigqueueinfo": _signal_at(1),
    "rt_tgsigqueueinfo": _signal_at(2, 1),
    "pidfd_send_signal": _signal_at(1, 3),
    "mprotect": _mprotect,
    "mmap": _mmap,
    "mremap": _mremap,
    "sendfile": _sendfile,
    "shmat": _shmat,
    "setrlimit": _limit(0),
    "prlimit64": _limit(1),
    "prctl": _prctl,
    "ioctl": _ioctl,
    "setitimer": _itimer,
    "getitimer": _itimer,
    "unshare": _unshare,
    "close": _descriptors,
    "close_range": _descriptors,
    "dup2": _new_descriptor,
    "dup3": _new_descriptor,
    "setns": _setns,
    "process_madvise": _process_madvise,
    "set_mempolicy": _set_mempolicy,
    "membarrier": _membarrier,
    "poll": _wait(2),
    "epoll_wait": _wait(3),
    "epoll_pwait": _wait(3),
}
