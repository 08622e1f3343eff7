"""Signals: numbers, names, default actions; constants of sigaction, siginfo and sigaltstack."""

from __future__ import annotations

from blink.abi.flags import FlagSet

NAMES = """
    . HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP
    TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
""".split()
SIGINT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL = 2, 4, 5, 6, 7, 8, 9
SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT, SIGSTOP = 11, 13, 14, 15, 17, 18, 19
SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH, SIGSYS = 20, 21, 22, 23, 28, 31
SIGRTMIN, NSIG = 32, 64

ALL_MASK = (1 << 64) - 1


def bit(signo: int) -> int:
    """The signal's bit in a sigset_t."""
    return 1 << (signo - 1)


SYNCHRONOUS = (SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV)
SYNCHRONOUS_MASK = sum(bit(signo) for signo in SYNCHRONOUS)
UNBLOCKABLE = bit(SIGKILL) | bit(SIGSTOP)
DEFAULT_IGNORED = frozenset((SIGCHLD, SIGCONT, SIGURG, SIGWINCH))
DEFAULT_STOPS = frozenset((SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU))

SIG_DFL, SIG_IGN = 0, 1
SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = 0, 1, 2

SA_NOCLDSTOP, SA_NOCLDWAIT, SA_SIGINFO = 1, 2, 4
SA_UNSUPPORTED, SA_EXPOSE_TAGBITS = 0x400, 0x800
SA_RESTORER, SA_ONSTACK, SA_RESTART = 0x0400_0000, 0x0800_0000, 0x1000_0000
SA_NODEFER, SA_RESETHAND = 0x4000_0000, 0x8000_0000
SA_KNOWN = (
    SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | SA_ONSTACK
    | SA_RESTART | SA_NODEFER | SA_RESETHAND
)  # fmt: skip
SA_HOST = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART  # the host kernel acts on these for us

SS_ONSTACK, SS_DISABLE, SS_AUTODISARM = 1, 2, 1 << 31
MINSIGSTKSZ = 2048

SA = FlagSet(
    {
        "SA_NOCLDSTOP": SA_NOCLDSTOP,
        "SA_NOCLDWAIT": SA_NOCLDWAIT,
        "SA_SIGINFO": SA_SIGINFO,
        "SA_UNSUPPORTED": SA_UNSUPPORTED,
        "SA_EXPOSE_TAGBITS": SA_EXPOSE_TAGBITS,
        "SA_RESTORER": SA_RESTORER,
        "SA_ONSTACK": SA_ONSTACK,
        "SA_RESTART": SA_RESTART,
        "SA_NODEFER": SA_NODEFER,
        "SA_RESETHAND": SA_RESETHAND,
    }
)
SS = FlagSet({"SS_ONSTACK": SS_ONSTACK, "SS_DISABLE": SS_DISABLE, "SS_AUTODISARM": SS_AUTODISARM})

SI_USER, SI_KERNEL, SI_QUEUE, SI_TKILL = 0, 0x80, -1, -6
CODES = {
    SI_USER: "SI_USER", SI_KERNEL: "SI_KERNEL", SI_QUEUE: "SI_QUEUE", SI_TKILL: "SI_TKILL",
    -2: "SI_TIMER", -3: "SI_MESGQ", -4: "SI_ASYNCIO", -5: "SI_SIGIO",
}  # fmt: skip
FAULT_CODES = {
    (4, 2): "ILL_ILLOPN", (5, 1): "TRAP_BRKPT", (5, 2): "TRAP_TRACE", (7, 1): "BUS_ADRALN",
    (7, 2): "BUS_ADRERR", (8, 1): "FPE_INTDIV", (8, 3): "FPE_FLTDIV", (8, 4): "FPE_FLTOVF",
    (8, 5): "FPE_FLTUND", (8, 6): "FPE_FLTRES", (8, 7): "FPE_FLTINV", (11, 1): "SEGV_MAPERR",
    (11, 2): "SEGV_ACCERR",
}  # fmt: skip
CHILD_CODES = {
    1: "CLD_EXITED", 2: "CLD_KILLED", 3: "CLD_DUMPED", 4: "CLD_TRAPPED", 5: "CLD_STOPPED",
    6: "CLD_CONTINUED",
}  # fmt: skip
ILL_ILLOPN = 2
FPE_INTDIV, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV = 1, 3, 4, 5, 6, 7
SEGV_MAPERR, SEGV_ACCERR = 1, 2
BUS_ADRALN, BUS_ADRERR = 1, 2
TRAP_BRKPT, TRAP_TRACE = 1, 2


def name(signo: int) -> str:
    """`SIGINT`, `SIGRT_3`, or the number when there is no such signal."""
    if 0 < signo < len(NAMES):
        return "SIG" + NAMES[signo]
    if SIGRTMIN <= signo <= NSIG:
        return f"SIGRT_{signo - SIGRTMIN}"
    return str(signo)


def set_text(bits: int) -> str:
    """A sigset_t: `[SIGINT SIGTERM]`; nearly full ones by what they lack, `~[SIGKILL]`."""
    lacks = bits.bit_count() > NSIG // 2
    shown = bits ^ ALL_MASK if lacks else bits
    names = [name(signo) for signo in range(1, NSIG + 1) if shown & bit(signo)]
    return ("~[" if lacks else "[") + " ".join(names) + "]"


def handler_text(address: int) -> str:
    """`SIG_DFL`, `SIG_IGN`, or a handler's address."""
    return {SIG_DFL: "SIG_DFL", SIG_IGN: "SIG_IGN"}.get(address) or hex(address)
