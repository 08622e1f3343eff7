"""Where the native launcher (src/launcher/blink.c) enters Python."""

from __future__ import annotations

from blink.abi.layout import GUEST_TOP

_inherited: tuple[int, int] | None = None


def inherited_signals() -> tuple[int, int] | None:
    """The (ignored, blocked) signal sets before Python started, bit n - 1 for signal n.

    None when Python was not started by the launcher: then CPython may have changed SIGPIPE, SIGXFSZ
    and SIGINT already, and what was inherited cannot be known.
    """
    return _inherited


def start(ignored: int, blocked: int) -> int:
    """Runs the `blink` command with sys.argv, given the inherited signal sets."""
    global _inherited
    _inherited = (ignored, blocked)
    import gc

    from blink.cli import bundle

    gc.disable()  # nothing of what is imported becomes garbage; 0.8 ms
    has_bundle = bundle.install()
    from blink.cli.main import main

    return main(before_run=None if has_bundle else bundle.write)


def host_is_low() -> bool:
    """Whether the host program itself lies where guests do, so that they must run in paged memory.

    True under a non-PIE interpreter, which is linked at 0x400000; never inside the launcher
    (docs/decisions/0001-non-pie-host-collision.md).
    """
    with open("/proc/self/maps", "rb", buffering=0) as maps:
        return int(maps.read(64).partition(b"-")[0], 16) < GUEST_TOP
