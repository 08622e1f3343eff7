"""The host kernel as an oracle: a program stopped by ptrace(2) before its first instruction."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_LIBC.ptrace.restype = ctypes.c_long
_TRACEME, _GETREGS, _KILL = 0, 12, 8
_ADDR_NO_RANDOMIZE = 0x0040000
_FIELDS = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
    "fs_base gs_base ds es fs gs"
).split()


class Snapshot:
    """Registers, mappings (start, end, prot, offset, name), auxv and memory at the start."""

    def __init__(self, pid: int) -> None:
        words = (ctypes.c_ulonglong * len(_FIELDS))()
        assert _LIBC.ptrace(_GETREGS, pid, None, ctypes.addressof(words)) == 0
        self.regs = dict(zip(_FIELDS, words, strict=True))
        proc = Path(f"/proc/{pid}")
        self.auxv = (proc / "auxv").read_bytes()
        self.cmdline = (proc / "cmdline").read_bytes()
        self.environ = (proc / "environ").read_bytes()
        self.comm = (proc / "comm").read_bytes().rstrip(b"\n")
        self.exe = (proc / "exe").readlink()
        self.start_brk = int((proc / "stat").read_bytes().rpartition(b")")[2].split()[44])
        self.maps = [_parse(line) for line in (proc / "maps").read_bytes().splitlines()]
        self.pages: dict[int, bytes] = {}
        with (proc / "mem").open("rb", buffering=0) as memory:
            for start, end, _, _, name in self.maps:
                if name in (b"[vvar]", b"[vvar_vclock]", b"[vsyscall]"):
                    continue
                memory.seek(start)
                self.pages[start] = memory.read(end - start)

    def region(self, address: int) -> tuple[int, int, int, int, bytes]:
        """The mapping that holds `address`."""
        return next(item for item in self.maps if item[0] <= address < item[1])

    def read(self, address: int, size: int) -> bytes:
        """Bytes of the stopped program."""
        start = self.region(address)[0]
        return self.pages[start][address - start : address - start + size]


def _parse(line: bytes) -> tuple[int, int, int, int, bytes]:
    bounds, perms, offset, _, inode, *name = line.split(None, 5)
    start, end = (int(part, 16) for part in bounds.split(b"-"))
    prot = sum(bit for bit, char in zip((1, 2, 4), b"rwx", strict=True) if char in perms)
    named = name[0] if name else b""
    return start, end, prot, int(offset, 16) if int(inode) else 0, named


def snapshot(path: bytes, argv: Sequence[bytes], env: dict[bytes, bytes]) -> Snapshot:
    """Starts a program with fixed addresses, stops it before its first instruction, kills it."""
    pid = os.fork()
    if pid == 0:
        try:
            _LIBC.personality(_ADDR_NO_RANDOMIZE)
            _LIBC.ptrace(_TRACEME, 0, None, None)
            os.execve(path, argv, env)
        finally:
            os._exit(99)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSTOPPED(status), f"{path!r}: {status:#x}"
    try:
        return Snapshot(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def exec_outcome(
    path: bytes, argv: Sequence[bytes], env: dict[bytes, bytes]
) -> tuple[int, bytes, bytes]:
    """Execs a program and kills it before its first instruction; no code of the file ever runs.

    Returns execve(2)'s errno, 0 for success or minus the signal by which the kernel killed the
    process behind the point of no return; then, for success, /proc/PID/cmdline and exe.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _LIBC.ptrace(_TRACEME, 0, None, None)
            os.execve(path, argv, env)
        except OSError as error:
            os.write(write, bytes([error.errno or 255]))
        finally:
            os._exit(99)
    os.close(write)
    cmdline = exe = b""
    killed = 0
    _, status = os.waitpid(pid, 0)
    if os.WIFSTOPPED(status):
        killed = os.WSTOPSIG(status) if os.WSTOPSIG(status) != signal.SIGTRAP else 0
        if not killed:
            cmdline = Path(f"/proc/{pid}/cmdline").read_bytes()
            exe = os.fsencode(Path(f"/proc/{pid}/exe").readlink())
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    elif os.WIFSIGNALED(status):
        killed = os.WTERMSIG(status)
    with os.fdopen(read, "rb") as pipe:
        answer = pipe.read()
    return answer[0] if answer else -killed, cmdline, exe


def exec_errno(path: bytes, argv: Sequence[bytes], env: dict[bytes, bytes]) -> int:
    """The errno of execve(2) on the host, or 0 for a program that started (it is not run)."""
    return exec_outcome(path, argv, env)[0]


class Server:
    """exec_outcome in a small process of its own: forking it costs a tenth of forking pytest."""

    def __init__(self, cwd: Path | None = None) -> None:
        command = [sys.executable, "-I", "-S", __file__]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=cwd)

    def exec(
        self, path: bytes, argv: Sequence[bytes], env: dict[bytes, bytes]
    ) -> tuple[int, bytes, bytes]:
        """What exec_outcome returns."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((path, argv, env), self._process.stdin)
        self._process.stdin.flush()
        outcome: tuple[int, bytes, bytes] = pickle.load(self._process.stdout)
        return outcome

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)


def _serve() -> None:
    output = sys.stdout.buffer
    while sys.stdin.buffer.peek(1):
        pickle.dump(exec_outcome(*pickle.load(sys.stdin.buffer)), output)
        output.flush()


if __name__ == "__main__":
    _serve()
