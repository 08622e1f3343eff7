"""blink as an interpreter: of scripts (#!), and of programs by binfmt_misc."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blink.cli import binfmt

BLINK = Path(os.environ.get("BLINK_PROGRAM") or Path(sys.executable).parent / "blink")
MISC = Path("/proc/sys/fs/binfmt_misc")
PATH = f"{BLINK.parent}:/usr/bin:/bin"


def run(*command: str | Path) -> tuple[int, str, str]:
    said = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": PATH},
    )
    return said.returncode, said.stdout, said.stderr


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


# The emulated CPU tells who runs a script.
TELL = 'case $(cat /proc/cpuinfo) in *Blinkenlights*) echo "emulated $0 $*";; esac'


@pytest.mark.parametrize("first", ["#!/usr/bin/env blink", f"#!{BLINK}"])
def test_a_script_by_the_shell(first: str, tmp_path: Path) -> None:
    made = script(tmp_path / "script", first, TELL, "exit 7")
    assert run(made, "one", "two words") == (7, f"emulated {made} one two words\n", "")


def test_a_script_by_its_second_line(tmp_path: Path) -> None:
    made = script(
        tmp_path / "s", "#!/usr/bin/env blink", "#!/bin/sed -n", "s/^pattern//p", "pattern x"
    )
    status, out, _ = run(made, "-e", "s/^pattern/found/p", made)
    assert (status, out) == (0, "found x\n" * 2)  # sed reads the script, and the file


def test_options_in_the_line(tmp_path: Path) -> None:
    made = script(tmp_path / "script", f"#!{BLINK} -s", TELL)
    status, out, err = run(made)
    assert (status, out) == (0, f"emulated {made} \n")
    assert "execve" in err or "openat" in err


def test_a_guest_that_runs_such_a_script_starts_no_second_emulator(tmp_path: Path) -> None:
    made = script(tmp_path / "script", "#!/usr/bin/env blink", "echo $PPID $0")
    status, out, _ = run(BLINK, "/bin/sh", "-c", f"echo $$; {made}; :")
    first, second, name = out.split()
    assert (status, first, name) == (0, second, str(made))


def test_the_registration_fits_this_machine() -> None:
    text = run(BLINK, "--binfmt")[1]
    line = text.splitlines()[-1]
    empty, name, kind, offset, magic, mask, interpreter, flags = line.split(":")
    assert (empty, name, kind, offset, flags) == ("", "blink-x86_64", "M", "", "PF")
    assert Path(interpreter).samefile(BLINK)
    value, bits = (bytes.fromhex(part.replace("\\x", "")) for part in (magic, mask))
    head = Path("/bin/true").read_bytes()[: len(value)]
    assert bytes(a & b for a, b in zip(head, bits, strict=True)) == bytes(
        a & b for a, b in zip(value, bits, strict=True)
    )
    other = bytearray(head)
    other[18] = 0xB7  # aarch64
    assert any((a ^ b) & c for a, b, c in zip(other, value, bits, strict=True))
    assert all(line.startswith("#") for line in text.splitlines()[:-1])


@pytest.fixture
def registered() -> Iterator[str]:
    """Programs with a suffix of this test's are started by blink."""
    name = f"blink-test-{os.getpid()}"
    mounts = not (MISC / "register").exists()
    if mounts:
        subprocess.run(["mount", "-t", "binfmt_misc", "none", str(MISC)], check=False)
    try:
        (MISC / "register").write_text(f":{name}:E::{name}::{BLINK.resolve()}:{binfmt.FLAGS}")
    except OSError:
        pytest.skip("binfmt_misc cannot be written here")
    yield name
    (MISC / name).write_text("-1")
    if mounts:
        subprocess.run(["umount", str(MISC)], check=False)


def test_the_kernel_starts_programs_with_blink(registered: str, tmp_path: Path) -> None:
    """With argv[0] as the caller chose it."""
    program = tmp_path / f"program.{registered}"
    program.write_bytes(Path("/bin/sh").read_bytes())
    program.chmod(0o755)
    said = subprocess.run(
        ["another name", "-c", TELL + "; exit 3"],
        executable=program,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (3, "emulated another name \n", "")
