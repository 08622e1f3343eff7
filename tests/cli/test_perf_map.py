"""`--perf-map` names translated code by guest functions."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

BLINK = Path(sys.executable).with_name("blink")
SOURCE = "int leaf(int n) { return n - 7; } int main(int c, char **v) { return leaf(c + 6); }"


def test_blocks_have_names(tmp_path: Path, need: Callable[[str], str]) -> None:
    program = tmp_path / "program"
    command = [need("gcc"), "-O0", "-static", "-xc", "-", "-o", str(program)]
    subprocess.run(command, input=SOURCE.encode(), check=True, timeout=100)
    with subprocess.Popen([str(BLINK), "--perf-map", str(program)]) as running:
        assert running.wait(60) == 0
    path = Path(f"/tmp/perf-{running.pid}.map")
    rows = path.read_text().splitlines()
    path.unlink()
    assert all(re.fullmatch(r"[0-9a-f]+ [0-9a-f]+ \S.*", row) for row in rows)
    names = {row.split(" ", 2)[2].partition("+")[0] for row in rows}
    assert {"main", "leaf", "_start"} <= names
    places = sorted((int(row.split()[0], 16), int(row.split()[1], 16)) for row in rows)
    assert all(a + size <= b for (a, size), (b, _) in pairwise(places))
