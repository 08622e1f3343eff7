"""What other processes see: the guest's command line and environment in the host's /proc/PID.

prctl(PR_SET_MM_MAP) moves the bounds of both into the guest's stack, so that ps(1) and pgrep -f
find guests by their arguments, and changes that a guest makes there (setproctitle) show.  Kernels
without CONFIG_CHECKPOINT_RESTORE refuse; then others see the emulator's.
"""

from __future__ import annotations

from struct import Struct

from blink.kernel import host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.loader import Image

NR_BRK = 12
PR_SET_MM, PR_SET_MM_MAP = 35, 14
# start and end of code and data, heap's start and end, stack's start, arguments, environment;
# auxv and its size, exe_fd
_MM_MAP = Struct("<11Q QIi")
# Fields of /proc/self/stat, counted from 1.
_CODE, _STACK, _DATA, _HEAP = slice(26, 28), 28, slice(45, 47), 47


def show_arguments(image: Image, skew: int) -> None:
    """Tells the host where the strings of a program that has just been loaded are."""
    with open("/proc/self/stat", "rb", buffering=0) as file:
        fields = [b"0"] * 3 + file.read().rpartition(b") ")[2].split()
    layout = [int(field) if field.isdigit() else 0 for field in fields]
    strings = (image.arg_start, image.arg_end, image.env_start, image.env_end)
    new = _MM_MAP.pack(
        *layout[_CODE],
        *layout[_DATA],
        layout[_HEAP],
        host.now(NR_BRK, 0),
        layout[_STACK],
        *[address + skew for address in strings],
        0,
        0,
        -1,
    )
    host.now(host.NR_PRCTL, PR_SET_MM, PR_SET_MM_MAP, new, len(new))
