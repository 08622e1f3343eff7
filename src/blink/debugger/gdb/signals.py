"""GDB has numbers of its own for signals (include/gdb/signals.def, as the protocol uses them)."""

from __future__ import annotations

_UNKNOWN = 143
# Linux number -> GDB's, where they differ.
_GDB = {
    7: 10,  # SIGBUS
    10: 30,  # SIGUSR1
    12: 31,  # SIGUSR2
    16: _UNKNOWN,  # SIGSTKFLT
    17: 20,  # SIGCHLD
    18: 19,  # SIGCONT
    19: 17,  # SIGSTOP
    20: 18,  # SIGTSTP
    23: 16,  # SIGURG
    29: 23,  # SIGIO
    30: 32,  # SIGPWR
    31: 12,  # SIGSYS
    32: 77,
    64: 78,
    **{number: number + 12 for number in range(33, 64)},
}
_LINUX = {theirs: ours for ours, theirs in _GDB.items()}


def to_gdb(number: int) -> int:
    """GDB's number of one of Linux's signals."""
    return _GDB.get(number, number)


def from_gdb(number: int) -> int:
    """Linux's number of one of GDB's signals; 0 for what Linux does not have."""
    return _LINUX.get(number, 0 if number in _GDB else number)
