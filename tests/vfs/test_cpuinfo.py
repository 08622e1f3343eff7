"""/proc/cpuinfo tells of the CPU that the guest has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from blink.isa import cpuid

SOURCE = Path(__file__).parents[2] / "src"


def test_what_a_program_reads(need: Callable[[str], str]) -> None:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    command = [sys.executable, "-I", "-S", "-c", code + "sys.exit(main())", need("cat")]
    said = subprocess.run(
        [*command, "/proc/cpuinfo"], capture_output=True, text=True, timeout=60, check=True
    )
    blocks = [block for block in said.stdout.split("\n\n") if block]
    host = Path("/proc/cpuinfo").read_text()
    assert len(blocks) == host.count("processor\t")
    for number, block in enumerate(blocks):
        pairs = [line.partition(":") for line in block.splitlines()]
        rows = {name.strip(): value.strip() for name, _, value in pairs}
        assert rows["processor"] == str(number)
        assert rows["vendor_id"] == cpuid.VENDOR
        assert rows["model name"] == cpuid.BRAND
        assert (rows["cpu family"], rows["model"], rows["stepping"]) == ("6", "15", "2")
        flags = rows["flags"].split()
        assert len(flags) == len(set(cpuid.ADVERTISED) - {"OSXSAVE"})  # Linux does not tell it
        assert {"fpu", "sse2", "clflush", "lm"} <= set(flags)
        assert ("avx2" in flags) == ("AVX2" in cpuid.ADVERTISED)
