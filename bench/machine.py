"""What the numbers depend on: the machine and the versions of everything involved."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench.inputs import ROOT
from bench.runner import BLINK


def describe() -> dict[str, str]:
    """Name -> value, in the order to print them."""
    return {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "memory": _memory(),
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
        "system": f"{_system()}, Linux {platform.release()}",
        "blink": f"{_first_line(BLINK, '-v')}, commit {_commit()}",
        "qemu-user": _first_line("qemu-x86_64", "--version"),
        "gcc": _first_line("gcc", "--version"),
    }


def processor() -> str:
    """The model of the processor."""
    words = [_field("/proc/cpuinfo", name) for name in ("model name", "cpu family", "model")]
    return "{} (family {}, model {})".format(*words)


def _memory() -> str:
    kib = int(_field("/proc/meminfo", "MemTotal").split()[0])
    return f"{kib / (1 << 20):.0f} GiB"


def _field(path: str, name: str) -> str:
    """The value of the first `name: value` line of a file of /proc."""
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return "absent"
    return (done.stdout.splitlines() or ["unknown"])[0]


def _commit() -> str:
    changed = _first_line("git", "status", "--porcelain", "--untracked-files=no") != "unknown"
    return _first_line("git", "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
