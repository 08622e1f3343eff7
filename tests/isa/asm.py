"""Assembler and disassembler for test lines: binutils, Intel syntax."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_ROW = re.compile(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *(?:\t(.*))?$")
_SLOT = 16


def assemble(text: str) -> bytes:
    """The machine code of one instruction.  ValueError with the assembler's message."""
    with tempfile.TemporaryDirectory() as folder:
        obj = Path(folder) / "code.o"
        source = f".intel_syntax noprefix\n{text}\n"
        done = subprocess.run(
            ["as", "-o", obj, "-"], input=source, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ValueError(done.stderr.strip())
        raw = Path(folder) / "code.bin"
        subprocess.run(["objcopy", "-O", "binary", "-j", ".text", obj, raw], check=True)
        return raw.read_bytes()


_MACHINE = {64: "i386:x86-64", 32: "i386", 16: "i8086"}


def disassemble(codes: Sequence[bytes], mode: int = 64) -> list[str]:
    """The text of each instruction (Intel syntax; '(bad)' if objdump does not know it)."""
    with tempfile.NamedTemporaryFile() as raw:
        raw.write(b"".join(code.ljust(_SLOT, b"\x90") for code in codes))
        raw.flush()
        command = f"objdump -D -w -b binary -m {_MACHINE[mode]} -M intel --insn-width=16".split()
        done = subprocess.run([*command, raw.name], capture_output=True, text=True, check=True)
    texts = ["(bad)"] * len(codes)
    for line in done.stdout.splitlines():
        if match := _ROW.match(line):
            index, rest = divmod(int(match[1], 16), _SLOT)
            if rest == 0 and index < len(codes):
                texts[index] = _tidy(match[3] or "(bad)")
    return texts


def _tidy(text: str) -> str:
    """One space between words; no comment, no semicolon."""
    return " ".join(text.split("#")[0].replace(";", ",").split())
