"""Blinkenlights: run, watch and rewind x86-64 programs in an unprivileged user-space machine.

`blink.load(argv)` starts a Linux program under Python's control, `blink.open_capsule(path)` opens a
recording; both give a `Program`.  `blink.Machine` is a CPU and memory without an operating system.
Each is loaded when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.debugger.errors import DebugError
    from blink.debugger.program import STOP, Hook, Program
    from blink.debugger.stop import Stop
    from blink.machine import Machine

    load = Program.load
    open_capsule = Program.open_capsule

__all__ = [
    "STOP",
    "DebugError",
    "Hook",
    "Machine",
    "Program",
    "Stop",
    "__version__",
    "load",
    "open_capsule",
]
_PLACES = {
    "DebugError": "blink.debugger.errors",
    "Hook": "blink.debugger.program",
    "Machine": "blink.machine",
    "Program": "blink.debugger.program",
    "STOP": "blink.debugger.program",
    "Stop": "blink.debugger.stop",
}


def __getattr__(name: str) -> object:
    if name in ("load", "open_capsule"):
        return getattr(__getattr__("Program"), name)
    if name not in _PLACES:
        raise AttributeError(f"module 'blink' has no attribute {name!r}")
    module = __import__(_PLACES[name], fromlist=[name])
    return getattr(module, name)
