"""Runs a sequence of system calls natively and by blink, in the same folder, and compares."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from syscalls.fuzz import policy
from syscalls.fuzz.generate import DATA, DATA_SIZE, Made
from syscalls.guest import blink

RESULT = struct.Struct("<qII16H")
TIMEOUT, NATIVE_TIMEOUT, TIMED_OUT = 120, 30, -1000
CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET = 0x04000000, 0x08000000, 0x40000000
NOBODY = 65534
PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2
CAP_DAC_READ_SEARCH, CAPABILITY_VERSION_3 = 2, 0x20080522
MODES: dict[str, tuple[str, ...]] = {
    "native": (),
    "python": ("-s", "-L", "/dev/null"),
    "checked": ("-m",),
}


class Outcome:
    """What a run left: results, how it ended, and what it said."""

    __slots__ = ("results", "said", "status")

    def __init__(self, results: list[tuple[int, ...]], status: int, said: str) -> None:
        self.results = results
        self.status = status
        self.said = said


def _enter_sandbox(user: int) -> None:
    """In the child: namespaces of its own, and nobody's rights, where we may."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.unshare(CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setresuid(user, user, user)
        _keep_reading(libc)


def _keep_reading(libc: ctypes.CDLL) -> None:
    """Nobody may still read all files: the tree under test or Python may lie in root's home."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    only = 1 << CAP_DAC_READ_SEARCH
    libc.capset(header, (ctypes.c_uint32 * 6)(only, only, only))
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


class Runner:
    """Runs sequences in folder/box, which is made anew for each run.

    user   who does it, when we are root: what limits count by user is not to be shared
    """

    def __init__(self, interpreter: Path, folder: Path, user: int = NOBODY) -> None:
        self.folder = folder
        self.user = user
        self.interpreter = folder / "interpreter"
        shutil.copy(interpreter, self.interpreter)
        self.interpreter.chmod(0o755)
        self.folder.chmod(0o755)

    def run(self, prefix: Sequence[str], made: Sequence[Made]) -> Outcome:
        box, program, results = (self.folder / name for name in ("box", "program", "results"))
        if box.exists():
            shutil.rmtree(box)
        box.mkdir()
        program.write_bytes(struct.pack("<Q", len(made)) + b"".join(m.pack() for m in made))
        results.write_bytes(bytes(8 + RESULT.size * len(made)))
        for path in (box, results):
            if os.geteuid() == 0:
                os.chown(path, self.user, NOBODY)
        command = [*prefix, str(self.interpreter), str(program), str(results)]
        status, said = self._wait(command, box, TIMEOUT if prefix else NATIVE_TIMEOUT)
        data = results.read_bytes()
        (done,) = struct.unpack_from("<Q", data)
        size = RESULT.size
        found = [RESULT.unpack_from(data, 8 + size * i) for i in range(done)]
        return Outcome(found, status, said)

    def _wait(self, command: list[str], box: Path, timeout: float) -> tuple[int, str]:
        with subprocess.Popen(
            command,
            cwd=box,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            preexec_fn=lambda: _enter_sandbox(self.user),
            start_new_session=True,
        ) as process:
            try:
                said = process.communicate(timeout=timeout)[1]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                return TIMED_OUT, "timeout"
            return process.returncode, said.decode(errors="replace")


def name(result: int) -> str:
    if -4096 < result < 0:
        return f"-1 {errno.errorcode.get(-result, str(-result))}"
    return hex(result)


def difference(made: Sequence[Made], native: Outcome, emulated: Outcome) -> tuple[int, str] | None:
    """The first call that blink does not do as the host, and how; None when there is none."""
    for i, (host, ours) in enumerate(zip(native.results, emulated.results, strict=False)):
        call = made[i].call
        if policy.forgives(call.name, host[0], ours[0]):
            return None  # the rest may differ because of it
        if not same_result(call.name, host[0], ours[0]):
            return i, f"host {name(host[0])}, blink {name(ours[0])}"
        half_done = host[0] == -errno.EFAULT  # what is stored before is nobody's business
        if call.name not in policy.BYTES_DIFFER and host[1:] != ours[1:] and not half_done:
            return i, f"bytes: host {runs(host)}, blink {runs(ours)}, result {name(ours[0])}"
        if wild := stray(made[i], ours):
            return i, f"stores at {wild}, which no argument names, result {name(ours[0])}"
    done = len(native.results), len(emulated.results)
    if native.status != emulated.status or done[0] != done[1]:
        text = f"host ends with {native.status} after {done[0]}, blink {emulated.status} after "
        return min(*done, len(made) - 1), f"{text}{done[1]}: {emulated.said[-800:]}"
    return None


def same_result(call: str, host: int, ours: int) -> bool:
    if host == ours:
        return True
    if any(0 <= at - policy.PLAYGROUND < policy.PLAYGROUND_SIZE for at in (host, ours)):
        return False  # an address that the list names
    failed = -4096 < host < 0, -4096 < ours < 0
    return failed == (False, False) and call in policy.RESULT_DIFFERS


def runs(result: tuple[int, ...]) -> list[tuple[int, int]]:
    """(start, length) of the bytes of DATA that changed."""
    return [(result[3 + 2 * i], result[4 + 2 * i]) for i in range(result[2])]


def stray(made: Made, result: tuple[int, ...]) -> str:
    """Changed bytes that lie behind none of the arguments which the call is to write."""
    if made.call.name in policy.STORES_ELSEWHERE:
        return ""
    allowed = extents(made)
    for start, length in runs(result):
        bytes_ = range(start, start + length)
        if not all(any(low <= at < high for low, high in allowed) for at in bytes_):
            return f"{start:#x}+{length} (allowed {[(hex(a), hex(b)) for a, b in allowed]})"
    return ""


def extents(made: Made) -> list[tuple[int, int]]:
    """The ranges of DATA that the typed arguments say the call may write."""
    memory = made.memory()
    found = []
    for arg in made.call.args:
        if not arg.is_pointer or arg.length is None:
            continue
        if arg.type.kind != "by" and arg.type.direction not in ("out", "inout"):
            continue
        start = made.args[arg.index] - DATA
        if arg.type.kind == "by":
            chosen = arg.chosen(tuple(made.args))
            if chosen is None or chosen.type.direction == "in" or chosen.length is None:
                continue
            arg = chosen
        rule, *operands = arg.length
        value = made.args[int(operands[0])] if rule not in ("const", "path") else 0
        if rule == "const":
            found.append((start, start + int(operands[0])))
        elif rule == "arg":
            value &= (1 << arg.length_bits) - 1
            found.append((start, start + value * int(operands[1])))
        elif rule == "bits":
            found.append((start, start + (value + 63) // 64 * 8))
        elif rule == "ref" and 0 <= value - DATA < DATA_SIZE:
            size = int.from_bytes(memory[value - DATA : value - DATA + 4], "little")
            found.append((start, start + size))
        elif rule == "iov" and 0 <= start < DATA_SIZE:
            for at in range(start, min(start + 16 * min(value, 8), DATA_SIZE - 15), 16):
                base, size = struct.unpack_from("<QQ", memory, at)
                found.append((base - DATA, base - DATA + size))
    return found


def prefix(mode: str) -> list[str]:
    return blink(*MODES[mode])
