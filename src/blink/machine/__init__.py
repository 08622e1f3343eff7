"""The Python face of the engine: `Machine`, `Cpu`, `Memory`."""

from __future__ import annotations

from blink.machine.cpu import Cpu
from blink.machine.machine import Machine, Stop
from blink.machine.memory import Memory

__all__ = ["Cpu", "Machine", "Memory", "Stop"]
