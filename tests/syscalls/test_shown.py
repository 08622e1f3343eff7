"""Others find a guest by its arguments, in /proc/PID as the host shows it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from syscalls.guest import blink

SCRIPT = r"""
sleep 31.25 & p=$!
until [ "$(cat /proc/$p/comm)" = sleep ]; do :; done
sleep 0.2
tr '\0' ' ' < /proc/$p/cmdline; echo
tr '\0' '\n' < /proc/$p/environ | grep SHOWN
tr '\0' ' ' < /proc/$$/cmdline | cut -c 1-20
readlink /proc/$p/exe; grep -o '/[^ ]*sleep' /proc/$p/maps | sort -u
read size rest < /proc/$p/statm; [ $size -gt 300 ] && [ $size -lt 20000 ] && echo small
grep VmSize /proc/$p/status | { read name size unit; [ $size -lt 80000 ] && echo small; }
read a b c d e f g h i j k l m n o p1 q r s t u v size w < /proc/$p/stat
[ $size -lt 80000000 ] && [ $size -gt 1000000 ] && echo small
kill $p; wait $p 2> /dev/null; echo $?
"""


def can_be_told() -> bool:
    """Whether the kernel has PR_SET_MM_MAP: PR_SET_MM_MAP_SIZE answers."""
    import ctypes

    size = ctypes.c_uint()
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(35, 15, ctypes.byref(size), 0, 0) == 0)


@pytest.mark.parametrize("options", [(), ("-m",)], ids=["linear", "checked"])
def test_arguments_and_environment(
    options: tuple[str, ...], need: Callable[[str], str], tmp_path: Path
) -> None:
    if not can_be_told():
        pytest.skip("the kernel lacks CONFIG_CHECKPOINT_RESTORE")
    command = [need("bash"), "-c", SCRIPT]
    runs = [
        subprocess.run(
            [*prefix, *command],
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
            env={"PATH": "/usr/bin:/bin", "SHOWN": "value"},
        )
        for prefix in ([], blink(*options))
    ]
    assert runs[0].stdout == runs[1].stdout
    assert "sleep 31.25" in runs[1].stdout and "SHOWN=value" in runs[1].stdout
