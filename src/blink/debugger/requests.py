"""The requests of the protocol, one function each: what the target can be asked."""

from __future__ import annotations

import posix

from blink.debugger import state
from blink.debugger.errors import DebugError
from blink.debugger.motion import Motion
from blink.debugger.wire import Message, bytes_of, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.debugger.target import Target
    from blink.kernel.task import Task
    from blink.replay.branch import Branch
    from blink.replay.log import Log
    from blink.replay.replayer import Replayer
    from blink.replay.runner import Runner

    Handler = Callable[[Target, Message], Message]
    Work = Callable[[], Message]


RECORDED: dict[str, Log] = {}
"""The log of this process; a recorder forgets it at the end of the program."""

_HANDLERS: dict[str, Handler] = {}
PAGE = 4096  # bytes of each page of `view`
GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split()
MOST_CODE = 1 << 16  # bytes that `translations` looks at
OVER = ("exit", "killed", "end", "diverged")
_MOTIONS = {"run", "copy", "detach"}  # nothing for a guest that runs already


def request(function: Handler) -> Handler:
    """Enters a handler under its name."""
    _HANDLERS[function.__name__] = function
    return function


def handle(target: Target, message: Message, running: bool) -> Message:
    """The fields of the reply.  Raises DebugError."""
    name = message.get("op")
    handler = _HANDLERS.get(str(name))
    if handler is None:
        raise DebugError(f"there is no request {name}")
    if running and name in _MOTIONS:
        raise DebugError("the program is running")
    return handler(target, message)


def _task(target: Target, message: Message) -> Task:
    """The thread that a request names, else the current one."""
    runner = target.runner
    tid = message.get("tid")
    task = runner.current if tid is None else runner.tasks.get(tid)
    if task is None:
        raise DebugError(f"there is no thread {tid}")
    return task


# --- life ---


@request
def interrupt(target: Target, message: Message) -> Message:
    """Ends the motion."""
    target.want_stop()
    return {}


@request
def status(target: Target, message: Message) -> Message:
    """Where the guest is."""
    return where(target.runner)


def where(runner: Runner) -> Message:
    """The time, the thread, and what does not change."""
    task = runner.current
    return {
        "time": runner.time,
        "end": runner.end,
        "tid": task.tid,
        "icount": {str(t.tid): t.cpu.icount for t in runner.tasks.values()},
        "full": getattr(runner, "full", False),
        "rip": task.cpu.rip,
        "layout": state.layout(runner.process),
        "skew": runner.process.memory.skew,
    }


@request
def calls(target: Target, message: Message) -> Message:
    """Lines of the log of system calls; a replay runs on to learn more."""
    from blink.debugger.call_list import rows_of
    from blink.replay.replayer import Replayer

    first, count = message["first"], message["count"]
    if isinstance(target.runner, Replayer):
        from blink.debugger.history import history_of

        return history_of(target.runner).more(first, count)
    rows = rows_of(target.runner, first, count)
    return {"rows": rows, "more": len(rows) == count}


@request
def output(target: Target, message: Message) -> Message:
    """What was written to a stream, as far as `calls` has gone."""
    from blink.debugger.history import history_of
    from blink.replay.replayer import Replayer

    if not isinstance(target.runner, Replayer):
        raise DebugError("only a replay keeps its output")
    written = history_of(target.runner).written[message["stream"]]
    return {"data": text_of(bytes(written[message["first"] :][: message["count"]]))}


@request
def writes(target: Target, message: Message) -> Message:
    """The same in pieces with their times: from number `first` on, up to a time."""
    from blink.debugger.history import history_of
    from blink.replay.replayer import Replayer

    if not isinstance(target.runner, Replayer):
        raise DebugError("only a replay keeps its output")
    pieces, more = history_of(target.runner).until(message["until"], message["first"])
    return {"pieces": [[time, fd, text_of(data)] for time, fd, data in pieces], "more": more}


@request
def path(target: Target, message: Message) -> Message:
    """The addresses of the next instructions, which run one by one."""
    from blink.debugger.history import path as addresses

    return {"path": text_of(addresses(target.runner, message["count"]))}


@request
def trail(target: Target, message: Message) -> Message:
    """What is on the way to a time."""
    from blink.debugger.trail import follow

    target.stops.arm(target.runner, [])
    return {"rows": follow(target.runner, message["until"], message["reads"])}


@request
def run(target: Target, message: Message) -> Message:
    """A motion; the reply tells how it ended."""
    return Motion(target, message).go()


@request
def detach(target: Target, message: Message) -> Message:
    """The session leaves; the guest goes on."""
    target.alone = True
    target.stops.clear()
    target.stops.arm(target.runner, [])
    target.runner.only(None)
    return {}


@request
def stops(target: Target, message: Message) -> Message:
    """Replaces all breakpoints, watchpoints and catchpoints."""
    target.stops.configure(message)
    return {}


@request
def copy(target: Target, message: Message) -> Message:
    """A copy of this process, which stands where this one does and replays from here on; its socket
    comes with the reply."""
    from blink.debugger.target import serve_copy
    from blink.replay.recorder import Recorder
    from blink.replay.replayer import Replayer

    runner = target.runner
    if not isinstance(runner, (Recorder, Replayer)):
        raise DebugError("nothing is recorded: there is no way back")
    if isinstance(runner, Recorder) and runner.full:
        raise DebugError("the recording has reached its limit")
    ours, theirs = runner.process.hidden.socket_pair()
    runner.fork(lambda copied: serve_copy(copied, theirs), keep=(theirs,))
    posix.close(theirs)
    target.sent = ours
    return {"fd": ours}


@request
def sync(target: Target, message: Message) -> Message:
    """The recording goes as far as the program has gone."""
    from blink.replay.recorder import Recorder

    if isinstance(target.runner, Recorder):
        target.runner.sync()
    return {}


@request
def save(target: Target, message: Message) -> Message:
    """Writes the recording to a file."""
    from blink.replay import capsule
    from blink.replay.recorder import Recorder
    from blink.replay.replayer import Replayer

    runner = target.runner
    log = RECORDED.get("log") if isinstance(runner, Recorder) else None
    log = runner.log if isinstance(runner, Replayer) else log
    if isinstance(runner, Replayer) and runner.off is not None:
        return _save_branch(target, runner, runner.off, message)
    if log is None:
        raise DebugError("nothing is recorded")
    capsule.save(log, message["path"])
    return {}


def _save_branch(target: Target, runner: Replayer, branch: Branch, message: Message) -> Message:
    """In a copy at its start, which has to run for it."""
    from blink.replay.capture import save_branch

    if runner.time != branch.began:
        raise DebugError(
            "a branch of a branch cannot be saved: save the first one, and begin it there"
        )
    target.stops.arm(runner, [])
    save_branch(runner, branch, message["path"], message["until"])
    return {}


@request
def back(target: Target, message: Message) -> Message:
    """The time before the last `count` instructions of a thread, and how many are missing behind
    this replay's own time."""
    from blink.replay.replayer import Replayer
    from blink.replay.schedule import before_last, stretches

    runner = target.runner
    if not isinstance(runner, Replayer):
        raise DebugError("nothing is recorded")
    tid, count, limit = message["tid"], message["count"], message["limit"]
    ran = stretches(runner) if runner.off is None else _ran(target, runner, runner.off, limit)
    time, missing = before_last(ran, tid, count, limit)
    return {"time": time, "missing": missing}


def _ran(
    target: Target, runner: Replayer, branch: Branch, limit: int
) -> list[tuple[int, int, int]]:
    """The turns of a branch until then: it has to run for them."""
    start = runner.time
    target.stops.arm(runner, [])
    while runner.time < limit and runner.run(limit).reason not in OVER:
        pass
    rows = [row for row in branch.ran if row[1] + row[2] > start]
    return [(tid, max(at, start), at + count - max(at, start)) for tid, at, count in rows]


@request
def digest(target: Target, message: Message) -> Message:
    """A hash of all registers and memory."""
    return {"digest": target.runner.digest().hex()}


# --- state ---


@request
def threads(target: Target, message: Message) -> Message:
    """[tid, name, rip, state] of each thread."""
    runner = target.runner
    rows = [[t.tid, _name(t), t.cpu.rip, _state(runner, t)] for t in runner.tasks.values()]
    return {"threads": rows}


def _name(task: Task) -> str:
    try:
        with open(f"/proc/self/task/{task.tid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().rstrip("\n")
    except OSError:
        image = task.process.image
        return "" if image is None else image.path.rpartition(b"/")[2].decode("utf-8", "replace")


def _state(runner: Runner, task: Task) -> str:
    if task is runner.current:
        return "current"
    return "waiting" if getattr(task, "waiting", False) else "ready"


@request
def registers(target: Target, message: Message) -> Message:
    """All registers of a thread."""
    return {"registers": state.registers(_task(target, message))}


@request
def view(target: Target, message: Message) -> Message:
    """What an interface asks for at each stop, at once: threads, registers and pages of memory;
    also those that general registers point to."""
    process, wanted = target.runner.process, message["pages"]
    found = threads(target, message) | registers(target, message)
    pointed = {found["registers"][name] & -PAGE for name in GENERAL}.difference(wanted)
    return found | {
        "pages": [text_of(state.read(process, at, PAGE)) for at in wanted],
        "pointed": [[at, text_of(state.read(process, at, PAGE))] for at in sorted(pointed)],
    }


@request
def set_register(target: Target, message: Message) -> Message:
    """Changes one."""
    task = _task(target, message)
    state.set_register(task, message["name"], message["value"])
    _edited(target, task)
    return {}


def _edited(target: Target, task: Task, address: int = 0, length: int = 0) -> None:
    """A recorder notes what the debugger has changed; a replay leaves its recording."""
    from blink.replay.recorder import Recorder
    from blink.replay.replayer import Replayer

    if isinstance(target.runner, Recorder):
        target.runner.edited(task)
    elif isinstance(target.runner, Replayer):
        target.runner.edited(address, length)


@request
def read(target: Target, message: Message) -> Message:
    """Bytes up to the first that is not mapped."""
    data = state.read(target.runner.process, message["address"], message["length"])
    return {"data": text_of(data)}


@request
def translations(target: Target, message: Message) -> Message:
    """What the engine made of a range of code, for the thread that it shows: [address, length] of
    each translated block, and where the interpreter's decoded blocks begin."""
    task, start, end = _task(target, message), message["start"], message["end"]
    end = min(end, start + MOST_CODE)
    return {
        "translated": task.cpu.translated(start, end),
        "decoded": task.cpu.decoded(start, end),
    }


@request
def write(target: Target, message: Message) -> Message:
    """Stores bytes, whatever the protection is."""
    address, data = message["address"], bytes_of(message["data"])
    state.write(target.runner.process, address, data)
    _edited(target, target.runner.current, address, len(data))
    return {}


@request
def search(target: Target, message: Message) -> Message:
    """Addresses of a pattern."""
    pattern = bytes_of(message["pattern"])
    if not pattern:
        raise DebugError("nothing to search for")
    process = target.runner.process
    found = state.search(process, pattern, message["start"], message["end"], message["limit"])
    return {"found": found}


@request
def maps(target: Target, message: Message) -> Message:
    """The mappings."""
    return {"maps": state.maps(target.runner)}


@request
def image(target: Target, message: Message) -> Message:
    """What is known of the program that runs."""
    from blink.replay.replayer import Replayer

    runner = target.runner
    path, auxv, loaded = b"", b"", runner.process.image
    if isinstance(runner, Replayer):
        path, auxv = runner.image, runner.auxv
    elif loaded is not None:
        path, auxv = loaded.path, loaded.auxv
    return {"path": path.decode("utf-8", "surrogateescape"), "auxv": text_of(auxv)}
