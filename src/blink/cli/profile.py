"""`blink profile`: where a program spends its instructions."""

from __future__ import annotations

import sys

from blink.cli.arguments import Parser, natural
from blink.cli.main import CANNOT_START, fail

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from blink.debugger.observed import Channel, Told
    from blink.replay.live import LiveRunner

INTERVAL = 100_003  # instructions; a prime, so that loops do not fall in step with it


def main(words: Sequence[str]) -> int:
    """Runs `blink profile`; the exit status is the program's."""
    parser = _parser()
    request = parser.parse_args(list(words))
    program = parser.program_of(request)
    from blink.debugger.profile import Profile
    from blink.debugger.profile_output import FORMATS

    told, profile = _start(request), Profile()
    for message in told:
        if message[0] == "error":
            return fail(message[1], message[2])
        profile.receive(*message)
    written = FORMATS[request.format](profile, " ".join(program))
    return _write(request.output, written) or _status(told)


def _parser() -> Parser:
    parser = Parser(
        "blink profile", description="Runs a program and tells which functions cost what."
    )
    parser.add_argument("-o", "--output", help="the file to write, instead of standard error")
    parser.add_argument("-f", "--format", choices=("text", "folded", "speedscope"), default="text")
    parser.add_argument(
        "--exact", action="store_true", help="count every instruction and call; slow"
    )
    parser.add_argument(
        "--interval", type=natural, default=INTERVAL, metavar="N",
        help=f"instructions between samples ({INTERVAL})",
    )  # fmt: skip
    parser.add_program()
    return parser


def _start(request: argparse.Namespace) -> Told:
    from blink.cli.launch import host_is_low, inherited_signals
    from blink.debugger import observed, profile
    from blink.debugger.stepper import Stepper
    from blink.kernel.process import Options
    from blink.replay.live import LiveRunner

    options = Options()
    options.checked, options.translate = host_is_low(), not request.exact
    inherited = inherited_signals()
    if not request.exact:
        return observed.start(
            lambda _: observed.launch(LiveRunner, request.program, options, inherited),
            lambda runner, channel: profile.sample(runner, channel, request.interval),
        )

    def body(channel: Channel) -> LiveRunner:
        runner = observed.launch(Stepper, request.program, options, inherited)
        assert isinstance(runner, Stepper)
        runner.observe(profile.Counter(runner.process))
        return runner

    def follow(runner: LiveRunner, channel: Channel) -> None:
        assert isinstance(runner, Stepper) and isinstance(runner.sink, profile.Counter)
        profile.count(runner, channel, runner.sink)

    return observed.start(body, follow)


def _write(path: str | None, text: str) -> int:
    if path is None:
        sys.stderr.write(text)
        return 0
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return fail(f"{path}: {error.strerror}", CANNOT_START)
    return 0


def _status(told: Told) -> int:
    return told.status if told.status >= 0 else 128 - told.status
