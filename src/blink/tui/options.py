"""The words of the `blinkenlights` command."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

from blink import __version__
from blink.roots.plan import Request
from blink.tui.usage import DESCRIPTION, EPILOG, USAGE

USAGE_ERROR = 48


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
    version = f"blinkenlights {__version__}"
    made.add_argument("-h", "--help", action="help", help="print this text")
    made.add_argument(
        "-v", "--version", action="version", version=version, help="print the version"
    )
    _add_stops(made)
    _add_machine(made)
    _add_roots(made.add_argument_group("the program's root, as in blink -h"))
    _add_said(made)
    _add_looks(made)
    made.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return made


def _add_stops(made: Parser) -> None:
    made.add_argument(
        *("-b", "--break"), dest="breakpoints", action="append", default=[], metavar="WHERE",
        help="set a breakpoint: an address, a symbol, FILE:LINE",
    )  # fmt: skip
    made.add_argument(
        *("-w", "--watch"), dest="watchpoints", action="append", default=[], metavar="ADDR[,LEN]",
        help="stop when memory is written: an address or a symbol; 8 bytes unless LEN says else",
    )  # fmt: skip


def _add_machine(made: Parser) -> None:
    add = made.add_argument
    add("-j", "--no-jit", action="store_true", help="interpret only")
    add("-m", "--memory-checked", action="store_true", help="check every access to memory")
    text = "what the CPU can do; blink --cpu help lists them"
    add("--cpu", metavar="MODEL", default="", help=text)


def _add_said(made: Parser) -> None:
    """What is said where."""
    add = made.add_argument
    text = "no interface: run, and print stops on standard error"
    add("-t", "--no-tui", action="store_true", help=text)
    add("-L", "--log", metavar="PATH", help="append stops to a file")
    text = "begin with the system calls in front; with -t, log them"
    add("-s", "--strace", action="count", default=0, help=text)
    add("-Z", "--stats", action="store_true", help="print statistics at the end")
    add("-V", "--verbose", action="count", default=0, help="say more: registers at stops, with -t")


def _add_looks(made: Parser) -> None:
    add = made.add_argument
    add("-z", "--zoom", action="count", default=0, help="zoom memory out, a level each time")
    add("-R", "--no-dialogs", action="store_true", help="faults only in the status line")
    add("-H", "--no-colour", action="store_true", help="no colours; NO_COLOR=1 does it, too")
    add("-N", "--natural", action="store_true", help="the wheel turns the other way")
    add("--light", action="store_true", help="the light theme")
    text = "serve the interface to a browser; on 127.0.0.1 unless HOST says else"
    add("--serve", metavar="=[HOST:]PORT", nargs="?", default=None, help=text)


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


def roots(line: argparse.Namespace) -> dict[str, Any]:
    """The options that make a root, of those that were given."""
    return {name: getattr(line, name) for name in Request.__slots__ if getattr(line, name)}
