"""Processes that take over host signals; the tests start them by name (see host_help.start)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from signal import SIGALRM, SIGCHLD, SIGRTMIN, SIGSEGV, SIGTRAP, SIGUSR1, SIGUSR2

sys.path.insert(0, str(Path(__file__).parent.parent))

from blink import _engine as engine
from engine import host_guests
from engine.host_help import (
    ALL,
    NEVER_BEGAN,
    NR_GETTID,
    NR_NANOSLEEP,
    NR_POLL,
    NR_PTRACE,
    NR_READ,
    NR_SETITIMER,
    NR_SIGALTSTACK,
    NR_TGKILL,
    NR_WAIT4,
    NR_WRITE,
    SA_NOCLDWAIT,
    SA_RESTART,
    bit,
    code_of,
    in_thread,
    queue,
    signalling_sibling,
    status_masks,
    take_number,
    take_over,
    tid,
    value_of,
    wait_for,
)

PTRACE_TRACEME = 0
DISPOSITIONS = {"default": engine.DEFAULT, "ignore": engine.IGNORE, "catch": engine.CATCH}


# --- inherited state ---


def masks(*given: str) -> None:
    """Prints what sig_init says and what the host has: ignored, blocked, SigIgn, SigBlk, SigCgt."""
    inherited = (int(given[0]), int(given[1])) if given else None
    ignored, blocked = engine.sig_init(inherited)
    now = status_masks()
    print(ignored, blocked, now["SigIgn"], now["SigBlk"], now["SigCgt"])


def inherit_exec() -> None:
    """The program that a guest's disposition reaches in the end: dispositions survive execve."""
    take_over(SIGUSR1)
    engine.sig_set(SIGUSR2, engine.IGNORE)
    engine.sig_set(signal.SIGTERM, engine.DEFAULT)
    os.execv("/bin/grep", ["grep", "SigIgn", "/proc/self/status"])


# --- dying ---


def die(signo: str) -> None:
    take_over()
    engine.sig_die(int(signo))


def die_caught_and_blocked(signo: str) -> None:
    """Neither a handler nor a mask saves it."""
    take_over(int(signo))
    engine.sig_setmask(ALL)
    engine.sig_die(int(signo))


def our_own_fault() -> None:
    take_over()
    spare = os.dup(2)
    os.close(2)
    engine.set_message_fd(spare)
    ctypes.string_at(0x10)


# --- the synchronous five, sent by somebody ---


def sent_segv(how: str) -> None:
    take_over()
    engine.sig_set(SIGSEGV, DISPOSITIONS[how])
    os.kill(os.getpid(), SIGSEGV)
    taken = engine.sig_take()
    print("alive", taken and (taken[0], code_of(taken[1])))


def blocked_segv(how: str) -> None:
    """It waits while it is blocked, then does what its disposition says."""
    take_over()
    engine.sig_set(SIGSEGV, DISPOSITIONS[how])
    engine.sig_setmask(bit(SIGSEGV))
    os.kill(os.getpid(), SIGSEGV)
    os.kill(os.getpid(), SIGSEGV)
    print(engine.sig_pending() == bit(SIGSEGV), engine.sig_take(), flush=True)
    print(
        engine.sig_setmask(0) == bit(SIGSEGV),
        engine.sig_pending() != 0,
        take_number(),
        take_number(),
    )


def full_box_and_segv() -> None:
    """A synchronous signal has a slot of its own, and is not lost behind a full box."""
    take_over(SIGUSR1, SIGSEGV)
    os.kill(os.getpid(), SIGUSR1)
    os.kill(os.getpid(), SIGSEGV)
    print(
        take_number(),
        engine.host_call(NR_GETTID),
        engine.sig_setmask(0),
        take_number(),
        take_number(),
    )


# --- the box ---


def box() -> None:
    """One slot: the second signal stays in the host until the mask is set."""
    take_over(SIGUSR1, SIGUSR2)
    os.kill(os.getpid(), SIGUSR1)
    os.kill(os.getpid(), SIGUSR2)
    print(engine.sig_pending() == bit(SIGUSR2), engine.sig_setmask(0), engine.host_call(NR_GETTID))
    print(status_masks()["SigBlk"])
    print(take_number(), engine.sig_take(), engine.sig_setmask(0) > 0, take_number())
    print(engine.sig_setmask(bit(SIGALRM)) > 0, engine.sig_setmask(0), status_masks()["SigBlk"])


def siginfo_fields() -> None:
    """A queued value and the sender arrive."""
    take_over(SIGRTMIN)
    queue(os.getpid(), tid(), SIGRTMIN, 0x1234_5678_9ABC)
    taken = engine.sig_take()
    assert taken is not None
    print(taken[0], code_of(taken[1]), hex(value_of(taken[1])), len(taken[1]))


def all_catchable() -> None:
    """Every signal can be caught, those of glibc (32, 33) too; SIGKILL and SIGSTOP refuse."""
    take_over()
    refused, seen = [], []
    for signo in range(1, 65):
        try:
            engine.sig_set(signo, engine.CATCH)
        except OSError as error:
            refused.append((signo, error.errno))
            continue
        engine.host_call_now(NR_TGKILL, os.getpid(), tid(), signo)
        seen.append(take_number() == signo)
        engine.sig_setmask(0)
    print(refused, len(seen), all(seen))


def full_box_and_call() -> None:
    """Prints the result of a write, what it wrote, and what the same write does afterwards."""
    take_over(SIGUSR1)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.kill(os.getpid(), SIGUSR1)
    result = engine.host_call(NR_WRITE, writer, b"!", 1)
    written = engine.host_call_now(NR_READ, reader, bytearray(1), 1) > 0
    engine.sig_take()
    print(result, int(written), engine.host_call(NR_WRITE, writer, b"!", 1))


# --- restarts ---


def interrupted_call(flags: str, call: str) -> None:
    """The result of a call that blocks when a caught signal comes."""
    take_over()
    engine.sig_set(SIGUSR1, engine.CATCH, int(flags))
    reader, _ = os.pipe()
    second = (1).to_bytes(8, "little") * 2
    calls: dict[str, tuple[int | bytes | bytearray, ...]] = {
        "read": (NR_READ, reader, bytearray(1), 1),
        "poll": (NR_POLL, 0, 0, 1000),
        "nanosleep": (NR_NANOSLEEP, second, 0),
    }
    threading.Timer(0.1, os.kill, (os.getpid(), SIGUSR1)).start()
    number, *arguments = calls[call]
    assert isinstance(number, int)
    print(engine.host_call(number, *arguments), take_number())
    engine.sig_setmask(0)


def alarm() -> None:
    """A host timer reaches a blocked read."""
    take_over(SIGALRM)
    reader, _ = os.pipe()
    timer = b"".join(n.to_bytes(8, "little") for n in (0, 0, 0, 50_000))
    engine.host_call(NR_SETITIMER, 0, timer, 0)
    print(engine.host_call(NR_READ, reader, bytearray(1), 1), take_number())


def no_zombies() -> None:
    """SA_NOCLDWAIT reaches the host."""
    take_over()
    engine.sig_set(SIGCHLD, engine.DEFAULT, SA_NOCLDWAIT)
    if os.fork() == 0:
        os._exit(0)
    print(engine.host_call(NR_WAIT4, -1, 0, 0, 0))


# --- threads ---


def _is_in_call(thread: int, number: int) -> bool:
    text = Path(f"/proc/self/task/{thread}/syscall").read_text()
    return text.startswith(f"{number} ")


def thread_gets_its_signal() -> None:
    """A signal for one thread interrupts that thread only, and goes into its box."""
    take_over(SIGUSR1)
    pipes = [os.pipe(), os.pipe()]
    tids, results = [0, 0], [(0, 0), (0, 0)]

    def body(index: int) -> None:
        tids[index] = tid()
        result = engine.host_call(NR_READ, pipes[index][0], bytearray(8), 8)
        results[index] = (result, take_number())

    threads = [in_thread(lambda i=i: body(i)) for i in range(2)]  # type: ignore[misc]
    wait_for(lambda: all(t and _is_in_call(t, NR_READ) for t in tids))
    engine.host_call_now(NR_TGKILL, os.getpid(), tids[1], SIGUSR1)
    threads[1].join()
    os.write(pipes[0][1], b"five!")
    threads[0].join()
    print(results, engine.sig_take())


def kick() -> None:
    """A kick ends a blocking call with nothing to deliver, even if the guest ignores SIGTRAP."""
    take_over()
    engine.sig_set(SIGTRAP, engine.IGNORE)
    reader, _ = os.pipe()
    tids: list[int] = []
    results: list[object] = []

    def body() -> None:
        tids.append(tid())
        results.append(engine.host_call(NR_READ, reader, bytearray(1), 1))
        results.append(engine.host_call(NR_GETTID) == NEVER_BEGAN)
        results.append(engine.sig_take())
        results.append(engine.host_call(NR_GETTID) == tids[0])

    thread = in_thread(body)
    wait_for(lambda: tids and _is_in_call(tids[0], NR_READ))
    engine.sig_kick(tids[0])
    thread.join()
    print(results)


def kicks() -> None:
    """A kick before a call that need not wait; kicks while one waits, that restarts and not."""
    take_over()
    reader, writer = os.pipe()
    os.write(writer, b"!")
    read = (NR_READ, reader, bytearray(1), 1)
    engine.sig_kicks(engine.KICK_WAITS, 1 << 60)
    engine.sig_kick(tid())
    print(engine.host_call(*read), end=" ")
    for call in (read, (NR_POLL, 0, 0, -1)):
        engine.sig_kicks(engine.KICK_WAITS, 50_000)
        print(engine.host_call(*call), engine.sig_kicks(engine.KICK_NEVER), end=" ")
        engine.sig_take()
    print(sum(1 for _ in Path("/proc/self/task").iterdir()))


def foreign_thread() -> None:
    """A thread that is no guest's hands a signal on, and takes no more of them."""
    take_over(SIGUSR1)
    stop = threading.Event()
    thread = in_thread(stop.wait)  # type: ignore[arg-type]
    native_id = thread.native_id or 0
    engine.host_call_now(NR_TGKILL, os.getpid(), native_id, SIGUSR1)
    wait_for(lambda: status_masks(str(native_id))["SigBlk"] & bit(SIGUSR1))
    print(take_number(), status_masks(str(native_id))["SigBlk"] | bit(9) | bit(19) == ALL)
    stop.set()


def _alternate_stack() -> tuple[int, int]:
    """(address, size) of this thread's signal stack."""
    old = bytearray(24)
    engine.host_call_now(NR_SIGALTSTACK, 0, old)
    return int.from_bytes(old[:8], "little"), int.from_bytes(old[16:], "little")


def _permissions(address: int) -> str:
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(part, 16) for part in line.split()[0].split("-"))
        if low <= address < high:
            return line.split()[1]
    return ""


def signal_stacks() -> None:
    """Each thread has its own, guarded; it goes with the thread."""
    take_over()
    stacks: list[tuple[int, int]] = []

    def body() -> None:
        engine.sig_take()
        stacks.append(_alternate_stack())

    body()
    thread = in_thread(body)
    thread.join()
    (main, size), (other, _) = stacks
    print(size >= 64 << 10, main != other)
    print(_permissions(main), _permissions(main + size - 1), _permissions(main - 1))
    wait_for(lambda: not _permissions(other))


# --- fork ---


def fork() -> None:
    """A signal that the parent has yet to take is not the child's; the child catches its own."""
    take_over(SIGUSR1)
    os.kill(os.getpid(), SIGUSR1)
    child = os.fork()
    if child == 0:
        engine.sig_after_fork()
        first = engine.sig_take(), engine.sig_setmask(0) >= 0
        os.kill(os.getpid(), SIGUSR1)
        print(first, take_number(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(take_number())


# --- many signals ---


def ping_pong(count: str) -> None:
    """A sibling sends SIGUSR1 and waits for the answer: a missed wake-up would hang.

    The delay before each read sweeps the signal over all of the primitive.
    """
    rounds = int(count)
    take_over(SIGUSR1)
    answer = signalling_sibling(rounds)
    never, _keep = os.pipe()
    buffer, results = bytearray(1), {-4: 0, NEVER_BEGAN: 0}
    for turn in range(rounds):
        for _ in range(turn % 500):
            pass
        results[engine.host_call(NR_READ, never, buffer, 1)] += 1
        assert take_number() == SIGUSR1
        engine.sig_setmask(0)
        engine.host_call_now(NR_WRITE, answer, b"!", 1)
    os.wait()
    print(sum(results.values()), take_number())


def storm(count: str) -> None:
    """A sibling queues real-time signals as fast as it can: all arrive, in order."""
    total, expected = int(count), 0
    take_over(SIGRTMIN)
    never, _keep = os.pipe()
    me, thread = os.getpid(), tid()
    if os.fork() == 0:
        for value in range(total):
            while queue(me, thread, SIGRTMIN, value) != 0:
                time.sleep(0.001)  # RLIMIT_SIGPENDING
        os._exit(0)
    buffer = bytearray(1)
    while expected < total:
        result = engine.host_call(NR_READ, never, buffer, 1)
        assert result in (-4, NEVER_BEGAN), result
        while (taken := engine.sig_take()) is not None:
            assert value_of(taken[1]) == expected, (value_of(taken[1]), expected)
            expected += 1
        engine.sig_setmask(0)
    os.wait()
    print(expected)


def restarted_call_at_once(rounds: str) -> None:
    """With SA_RESTART a signal that meets the call in the host kernel gives -512 too."""
    take_over()
    engine.sig_set(SIGUSR1, engine.CATCH, SA_RESTART)
    ready, go = os.pipe()
    never, _keep = os.pipe()
    me, results = os.getpid(), set()
    if os.fork() == 0:
        for _ in range(int(rounds)):
            os.kill(me, SIGUSR1)
            os.read(ready, 1)
        os._exit(0)
    for _ in range(int(rounds)):
        results.add(engine.host_call(NR_READ, never, bytearray(1), 1))
        engine.sig_take()
        engine.sig_setmask(0)
        os.write(go, b"!")
    print(results)


# --- the primitive under a tracer (test_hostcall.py) ---


def read_for_ever() -> None:
    """Prints the primitive's addresses, stops, then reads from a pipe that stays empty."""
    take_over(SIGUSR1)
    never, _keep = os.pipe()
    buffer = bytearray(1)
    print(*engine.host_call_marks(), flush=True)
    assert engine.host_call_now(NR_PTRACE, PTRACE_TRACEME) == 0
    os.kill(os.getpid(), signal.SIGSTOP)
    print(engine.host_call(NR_READ, never, buffer, 1), take_number(), flush=True)


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    (globals().get(name) or getattr(host_guests, name))(*arguments)
    sys.stdout.flush()
    os._exit(0)
