"""C programs of guests/: the same lines natively, in each memory, with each call in Python (`-s`),
and with every path resolved under a root (`-C /`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from syscalls.guest import Compile, blink, lines

FAMILIES = (
    *("files", "descriptors", "metadata", "directories", "polling", "events", "threads"),
    *("sockets", "terminal", "limits", "proc", "ipc", "others", "rules", "more", "mappings"),
)
MODES = {"linear": [], "checked": ["-m"], "traced": ["-s", "-L", "log"], "rooted": ["-C", "/"]}

# What the host cannot see.
DIFFERENT = {
    ("threads", "checked"): {"killed: 3221225472"},  # set_robust_list says so
}
LEFT_OUT = {
    ("rules", "rooted"),
    ("more", "rooted"),
}  # mounts, fanotify: EPERM


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("family", FAMILIES)
def test_same_as_the_host(family: str, mode: str, compiled: Compile, tmp_path: Path) -> None:
    if (family, mode) in LEFT_OUT:
        return
    program = str(compiled(family))
    native = lines([program], tmp_path / "native")
    emulated = lines([*blink(*MODES[mode]), program], tmp_path / "blink")
    assert len(native[1]) > 20, native
    known = DIFFERENT.get((family, mode), set())
    pairs = list(zip(native[1], emulated[1], strict=False))
    differences = [pair for pair in pairs if pair[0] != pair[1] and pair[0] not in known]
    assert not differences, emulated[2]
    assert (emulated[0], len(emulated[1])) == (native[0], len(native[1])), emulated[2]
