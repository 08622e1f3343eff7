"""Breakpoints, watchpoints and catchpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from blink.tui.panel import ListPanel, Row, row

if TYPE_CHECKING:
    from blink.tui.probe import Probe


ACCESS = {"r": "read", "w": "written", "rw": "read or written", "change": "changed"}


class Breakpoints(ListPanel):
    """All that stops the program: Enter turns one on or off, Delete removes it."""

    TITLE: ClassVar[str] = "Breakpoints"
    SHORT: ClassVar[str] = "Brk"

    def items(self, probe: Probe) -> list[tuple[Row, Any]]:
        return [(self._row(probe, stop), stop.number) for stop in probe.stops]

    def empty(self) -> str:
        return "none: b sets one here, w watches memory"

    def _row(self, probe: Probe, stop: Any) -> Row:
        style = "mark" if stop.enabled else "off"
        return row(
            (f" {'●' if stop.enabled else '○'} {stop.number:<3} ", style),
            (f"{stop.kind:<10} ", "mnemonic"),
            (describe(stop), "symbol"),
            (_extras(stop), "dim"),
        )


def describe(stop: Any) -> str:
    """Where a breakpoint is, or what is watched or caught."""
    if stop.kind == "catch":
        return f"{stop.access} {' '.join(stop.names)}"
    where = f"{stop.where:#x}" if isinstance(stop.where, int) else str(stop.where)
    return f"{where} {ACCESS[stop.access]}, {stop.length} bytes" if stop.length else where


def _extras(stop: Any) -> str:
    parts = []
    if stop.condition:
        parts.append(f"if {stop.condition}")
    if stop.kind == "breakpoint" and not stop.addresses:
        parts.append("pending")
    if stop.temporary:
        parts.append("once")
    if stop.ignore:
        parts.append(f"ignored {stop.ignore} times more")
    if stop.hits:
        parts.append(f"hit {stop.hits} time{'s' * (stop.hits != 1)}")
    return "  " + ", ".join(parts) if parts else ""
