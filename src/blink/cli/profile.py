"""`blink profile`: where a program spends its instructions."""

from __future__ import annotations

import sys

from blink.cli.main import CANNOT_START, fail, run_rooted
from blink.cli.options import Option, UsageError
from blink.cli.tool import Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.cli.options import CommandLine
    from blink.debugger.observed import Channel, Told
    from blink.kernel.process import Options
    from blink.replay.live import LiveRunner

INTERVAL = 100_003  # instructions; a prime, so that loops do not fall in step with it
OWN = (
    Option("o", "output", "the file to write, instead of standard error", "FILE", "a file"),
    Option("f", "format", "text (the default), folded (stacks, for flame graphs) or speedscope",
           "FORMAT", "a format"),
    Option("", "exact", "count every instruction and call; slow"),
    Option("", "interval", f"instructions between samples ({INTERVAL})", "N", "a number"),
)  # fmt: skip


def _main(line: CommandLine) -> int:
    from blink.debugger.profile_output import FORMATS

    interval = line.number("interval", INTERVAL, least=1)
    wanted = line.values.get("f", "text")
    if wanted not in FORMATS:
        raise UsageError(f"--format takes {', '.join(FORMATS)}, not {wanted}")
    return run_rooted(line, lambda *arguments: _profile(wanted, interval, *arguments))


def _profile(
    wanted: str, interval: int, line: CommandLine, program: str | None, options: Options,
    env: list[bytes] | None,
) -> int:  # fmt: skip
    from blink.debugger.profile import Profile
    from blink.debugger.profile_output import FORMATS

    told = _start(interval, line, program, options, env)
    profile = Profile()
    for message in told:
        if message[0] == "error":
            return fail(message[1], message[2])
        profile.receive(*message)
    written = FORMATS[wanted](profile, " ".join(line.argv))
    return _write(line.values.get("o"), written) or told.exit_status


def _start(
    interval: int, line: CommandLine, program: str | None, options: Options, env: list[bytes] | None
) -> Told:
    from blink.cli.launch import inherited_signals
    from blink.debugger import observed, profile
    from blink.debugger.stepper import Stepper
    from blink.replay.live import LiveRunner

    arguments = (program, line.argv, env, options, inherited_signals())
    if "exact" not in line:
        return observed.start(
            lambda _: observed.launch(LiveRunner, *arguments),
            lambda runner, channel: profile.sample(runner, channel, interval),
        )
    options.translate = False

    def body(channel: Channel) -> LiveRunner:
        runner = observed.launch(Stepper, *arguments)
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


TOOL = Tool(
    "profile",
    ["blink profile [OPTIONS] PROGRAM [ARGUMENTS]"],
    OWN,
    _main,
    "Runs a program and tells which functions spent its instructions.",
    runs="j",
)
