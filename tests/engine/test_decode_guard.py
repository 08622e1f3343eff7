"""The decoder reads no byte that it was not given, whatever the bytes are."""

from __future__ import annotations

import subprocess

from engine import decode_help


def test_no_input_reads_too_far(seed: int, quota: float) -> None:
    program = decode_help.driver("decode_guard", *decode_help.SANITIZE)
    done = subprocess.run(
        [program, str(seed | 1 << 32), str(quota)],
        capture_output=True, text=True, timeout=quota + 600, check=False,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
