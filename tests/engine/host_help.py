"""What the tests of host signals share: system call numbers, masks, signals with values, children.

What changes dispositions is a function of host_programs.py: it runs in a process of its own, as
`python host_programs.py NAME ARGS`, and prints what the test looks at.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from blink import _engine

NR_READ, NR_WRITE, NR_POLL, NR_NANOSLEEP = 0, 1, 7, 35
NR_GETPID, NR_GETTID, NR_TGKILL, NR_WAIT4, NR_SIGALTSTACK = 39, 186, 234, 61, 131
NR_RT_TGSIGQUEUEINFO, NR_SETITIMER, NR_PTRACE = 297, 38, 101
EBADF, EAGAIN, EINTR, EFAULT, EINVAL = 9, 11, 4, 14, 22
NEVER_BEGAN = -512
SA_NOCLDSTOP, SA_NOCLDWAIT, SA_RESTART = 1, 2, 0x1000_0000
SI_USER, SI_QUEUE, SI_TKILL = 0, -1, -6
ALL = (1 << 64) - 1
HERE = Path(__file__).parent
MASKS = ("SigBlk", "SigIgn", "SigCgt")
TIMEOUT = 300


def bit(signo: int) -> int:
    return 1 << (signo - 1)


SYNCHRONOUS = sum(map(bit, (4, 5, 7, 8, 11)))


def start(name: str, *args: object, **options: object) -> subprocess.Popen[bytes]:
    """Starts a function of host_programs.py in a process of its own."""
    command = [sys.executable, str(HERE / "host_programs.py"), name, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, **{**pipes, **options})  # type: ignore[call-overload,no-any-return]


def run(name: str, *args: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Runs it to its end; its status, output and errors."""
    with start(name, *args, **options) as child:
        out, err = child.communicate(timeout=TIMEOUT)
        return subprocess.CompletedProcess(child.args, child.wait(), out, err)


def output(name: str, *args: object, **options: object) -> str:
    """What it printed; it must have ended well."""
    done = run(name, *args, **options)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return done.stdout.decode()


def status_masks(thread: str = "self") -> dict[str, int]:
    """The masks of a thread of this process, from /proc."""
    path = f"/proc/self/task/{thread}/status" if thread != "self" else "/proc/thread-self/status"
    lines = (line.split(":") for line in Path(path).read_text().splitlines())
    return {name: int(value, 16) for name, value in lines if name in MASKS}


def siginfo(signo: int, code: int, value: int = 0) -> bytes:
    """A siginfo_t as a sender fills it: number, errno, code, pid, uid, value."""
    return struct.pack("<iiiiiiQ", signo, 0, code, 0, os.getpid(), os.getuid(), value).ljust(
        128, b"\0"
    )


def code_of(info: bytes) -> int:
    return int(struct.unpack_from("<i", info, 8)[0])


def value_of(info: bytes) -> int:
    """si_value of a queued signal."""
    return int(struct.unpack_from("<Q", info, 24)[0])


def queue(pid: int, tid: int, signo: int, value: int) -> int:
    """Sends a signal with a value; 0 or -errno."""
    info = siginfo(signo, SI_QUEUE, value)
    return int(_engine.host_call_now(NR_RT_TGSIGQUEUEINFO, pid, tid, signo, info))


# --- for the processes themselves ---


def tid() -> int:
    return _engine.host_call_now(NR_GETTID)


def take_number() -> int:
    """The signal in the box, 0 if there is none."""
    taken = _engine.sig_take()
    return 0 if taken is None else taken[0]


def take_over(*caught: int) -> None:
    """Owns the signals, with nothing ignored or blocked; catches these."""
    _engine.sig_init((0, 0))
    for signo in caught:
        _engine.sig_set(signo, _engine.CATCH)


def in_thread(body: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    return thread


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.002)


def signalling_sibling(rounds: int, pause: float = 0.0) -> int:
    """Starts a process that sends us SIGUSR1 and waits for an answer, so many times; where a byte
    is an answer.  Before every other signal it pauses so many seconds."""
    answers, answer = os.pipe()
    me = os.getpid()
    if os.fork() == 0:
        for turn in range(rounds):
            if pause and turn & 1:
                time.sleep(pause)
            os.kill(me, signal.SIGUSR1)
            os.read(answers, 1)
        os._exit(0)
    return answer
