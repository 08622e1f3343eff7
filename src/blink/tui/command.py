"""The `blinkenlights` command: its words, then the interface, a plain run, or a server."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from blink import __version__
from blink.roots.plan import Request
from blink.tui.usage import DESCRIPTION, EPILOG, USAGE

if TYPE_CHECKING:
    from blink.debugger.session import Session
    from blink.debugger.stop import Stop

USAGE_ERROR, CANNOT_START, NOT_FOUND = 48, 125, 127
TERM = "xterm-256color"


class Parser(argparse.ArgumentParser):
    """Refuses a wrong command line with the status that `blink` has for it."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"blinkenlights: {message}; see blinkenlights -h\n")
        sys.exit(USAGE_ERROR)


def parser() -> Parser:
    """All options."""
    made = Parser(
        "blinkenlights",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    add = made.add_argument
    add("-h", "--help", action="help", help="print this text")
    add(
        "-v",
        "--version",
        action="version",
        version=f"blinkenlights {__version__}",
        help="print the version",
    )
    add(
        "-b",
        "--break",
        dest="breakpoints",
        action="append",
        default=[],
        metavar="WHERE",
        help="set a breakpoint: an address, a symbol, FILE:LINE",
    )
    add(
        "-w",
        "--watch",
        dest="watchpoints",
        action="append",
        default=[],
        metavar="ADDR[,LEN]",
        help="stop when memory is written: an address or a symbol; 8 bytes unless LEN says else",
    )
    add("-j", "--no-jit", action="store_true", help="interpret only")
    add("-m", "--memory-checked", action="store_true", help="check every access to memory")
    add(
        "-t",
        "--no-tui",
        action="store_true",
        help="no interface: run, and print stops on standard error",
    )
    add("-L", "--log", metavar="PATH", help="append stops to a file")
    _add_roots(made.add_argument_group("the program's root, as in blink -h"))
    add(
        "-s",
        "--strace",
        action="count",
        default=0,
        help="begin with the system calls in front; with -t, log them",
    )
    add("-Z", "--stats", action="store_true", help="print statistics at the end")
    add("-z", "--zoom", action="count", default=0, help="zoom memory out, a level each time")
    add("-V", "--verbose", action="count", default=0, help="say more: registers at stops, with -t")
    add("-R", "--no-dialogs", action="store_true", help="faults only in the status line")
    add("-H", "--no-colour", action="store_true", help="no colours; NO_COLOR=1 does it, too")
    add("-N", "--natural", action="store_true", help="the wheel turns the other way")
    add("--light", action="store_true", help="the light theme")
    add(
        "--cpu",
        metavar="MODEL",
        default="",
        help="what the CPU can do; blink --cpu help lists them",
    )
    add(
        "--serve",
        metavar="[HOST:]PORT",
        nargs="?",
        const="",
        default=None,
        help="serve the interface to a browser; on 127.0.0.1 unless HOST says else",
    )
    add("words", nargs=argparse.REMAINDER, metavar="PROGRAM ...", help=argparse.SUPPRESS)
    return made


def _add_roots(group: argparse._ArgumentGroup) -> None:
    """-b, -N and the like have other meanings here: these are long."""
    add = group.add_argument
    add("-C", "--root", metavar="PATH", help="the folder that is the program's root")
    add("--image", metavar="PATH", help="a container image as root")
    add("--overlay", metavar="A:B:...", help="the root is these folders merged")
    add("--upper", metavar="PATH", help="the folder that all writes go to")
    add("--bind", dest="binds", action="append", metavar="SRC:DST[:ro]", help="a file at DST")
    add("--tmpfs", action="append", metavar="DST", help="an empty folder at DST")
    add("--no-mounts", dest="bare", action="store_true", help="no /proc, /dev, /sys, /tmp on top")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    made = parser()
    line = made.parse_args(given)
    words = line.words[1:] if line.words[:1] == ["--"] else line.words
    if not words and not line.image:
        made.error("no program was named")
    try:
        Request(**roots(line)).plan()
    except ValueError as error:
        made.error(str(error))
    if line.serve is not None:
        from blink.tui.serve import serve

        return serve(line.serve, [word for word in given if not _is_serve(word, line.serve)])
    if line.no_colour:
        os.environ["NO_COLOR"] = "1"
    if not line.no_tui and not has_terminal():
        return refuse("the standard streams are no terminal; -t runs without", USAGE_ERROR)
    return _start(line, words)


def _is_serve(word: str, value: str) -> bool:
    return word == "--serve" or word == f"--serve={value}" or (bool(value) and word == value)


def has_terminal() -> bool:
    """Whether an interface can be shown: a terminal, or a driver of Textual's that needs none."""
    return "TEXTUAL_DRIVER" in os.environ or all(map(os.isatty, (0, 1, 2)))


def refuse(problem: str, status: int) -> int:
    """One line on standard error."""
    sys.stderr.write(f"blinkenlights: {problem}\n")
    return status


def _start(line: argparse.Namespace, words: list[str]) -> int:
    from blink.debugger.errors import DebugError

    try:
        if line.no_tui:
            from blink.tui.plain import run

            return run(line, words)
        return _interface(line, words)
    except DebugError as error:
        return refuse(str(error), CANNOT_START)


def open_session(line: argparse.Namespace, words: list[str], stdio: Any = None) -> Session:
    """The program, stopped before its first instruction; or a recording, at its start.

    Raises DebugError.
    """
    from blink.debugger.errors import DebugError
    from blink.debugger.session import Session

    name = words[0] if words else ""
    if name.endswith(".cap") and not os.access(name, os.X_OK):
        capsules: Any = Session
        session: Session = capsules.open(name)
    else:
        rooted = Request(**roots(line)).wanted
        program = name if "/" in name or rooted else shutil.which(name)
        if program is None:
            raise DebugError(f"{name}: command not found")
        env = dict(os.environ)
        if stdio is not None:
            env |= {"TERM": TERM, "COLORTERM": "truecolor"}
            for gone in ("COLUMNS", "LINES", "NO_COLOR", "TMUX", "TEXTUAL_DRIVER"):
                env.pop(gone, None)
        session = Session.launch(
            words, env=env, stdio=stdio, options=_options(line), program=program
        )
    try:
        add_stops(session, line)
    except DebugError:
        session.close()
        raise
    return session


def _options(line: argparse.Namespace) -> dict[str, Any]:
    return {
        "calls": True,
        "checked": line.memory_checked,
        "translate": not line.no_jit,
        "cpu": line.cpu,
        **roots(line),
    }


def roots(line: argparse.Namespace) -> dict[str, Any]:
    """The options that make a root, of those that were given."""
    return {name: getattr(line, name) for name in Request.__slots__ if getattr(line, name)}


def open_log(line: argparse.Namespace) -> TextIO | None:
    """The file of -L, if it was asked for.  Raises DebugError."""
    from blink.debugger.errors import DebugError

    try:
        return open(line.log, "a", encoding="utf-8") if line.log else None
    except OSError as error:
        raise DebugError(f"{line.log}: {error.strerror}") from None


def log_stop(log: TextIO, stop: Stop) -> None:
    """A stop as a line of a log."""
    log.write(f"{stop.time:>14,}  {stop.text}\n")
    log.flush()


def add_stops(session: Session, line: argparse.Namespace) -> None:
    """The breakpoints and watchpoints of -b and -w.  Raises DebugError."""
    from blink.debugger.errors import DebugError

    for where in line.breakpoints:
        session.add_breakpoint(where, pending=True)
    for text in line.watchpoints:
        where, _, length = text.partition(",")
        try:
            size = int(length, 0) if length else 8
        except ValueError:
            raise DebugError(f"{length!r} is no length") from None
        session.add_watchpoint(_address(session, where), size, "w")


def _address(session: Session, where: str) -> int:
    try:
        return int(where, 0)
    except ValueError:
        return session.symbols.resolve(where)[0]


def _interface(line: argparse.Namespace, words: list[str]) -> int:
    from blink.tui.app import Blinkenlights
    from blink.tui.panels.terminal import COLUMNS, LINES
    from blink.tui.settings import Settings
    from blink.tui.term import input as keyboard
    from blink.tui.term.pty import Pty

    if "TEXTUAL_DRIVER" not in os.environ:  # a terminal knows its size, and it may change
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
    log = open_log(line)
    keyboard.install()
    pty = Pty(COLUMNS, LINES)
    try:
        session = open_session(line, words, pty.slave)
    except BaseException:
        pty.close()
        raise
    settings = Settings(
        dialogs=not line.no_dialogs,
        natural=line.natural,
        light=line.light,
        zoom=line.zoom,
        calls=bool(line.strace),
        log=log,
    )
    app = Blinkenlights(session, pty, settings)
    try:
        status = app.run()
    finally:
        instructions, ended = session.end, session.exit_status
        session.close()
        pty.close()
        if log is not None:
            log.close()
    if line.stats:
        how = "" if ended is None else f", exit status {ended}"
        sys.stderr.write(f"blinkenlights: {instructions:,} instructions{how}\n")
    return status or 0
