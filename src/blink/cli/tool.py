"""What the tools of `blink` (record, sql...) have in common: options, help, complaints."""

from __future__ import annotations

from blink.cli.main import refuse, show
from blink.cli.options import HELP, RUNNING, UsageError, parse, shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blink.cli.options import CommandLine, Option


class Tool:
    """A command: called with the words behind its name, it returns an exit status.

    work      what it does; UsageError is for a command line that makes no sense
    usage     how it is called, a line each
    about     what it does, and what its options do not say
    own       its options; `runs`: those of `blink` that concern a program that it runs
    """

    def __init__(
        self,
        name: str,
        usage: Sequence[str],
        own: Sequence[Option],
        work: Callable[[CommandLine], int],
        about: str,
        runs: str = "",
    ) -> None:
        self.name = name
        self.work = work
        self.usage = usage
        self.own = own
        self.about = about
        self.shared = shared(RUNNING | set(runs)) if runs else ()

    def __call__(self, words: Sequence[str]) -> int:
        try:
            line = self.parse(words)
            if "h" in line:
                return show(self.help())
            if self.shared and line.program is None and "I" not in line:
                raise UsageError("no program was named")
            return self.work(line)
        except UsageError as error:
            return refuse(str(error), f"blink {self.name} -h")

    def parse(self, words: Sequence[str]) -> CommandLine:
        """Raises UsageError."""
        return parse(words, (*self.own, HELP, *self.shared), operands=not self.shared)

    def help(self) -> str:
        """What -h prints: the first paragraph of `about`, the options, the other paragraphs."""
        from blink.cli.usage import COLUMN, described, usage

        first, _, more = self.about.partition("\n\n")
        rows = described((*self.own, HELP))
        if self.shared:
            letters = " ".join(f"-{option.letter}" for option in self.shared)
            rows += f"  {letters}\n{' ' * COLUMN}as in blink -h\n"
        return "\n".join([usage(self.usage), first.strip() + "\n", rows, more]).rstrip() + "\n"
