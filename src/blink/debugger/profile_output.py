"""A profile as text, as folded stacks (flamegraph.pl, inferno), or for https://speedscope.app."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from blink.debugger.profile import Profile

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
ROWS = 40


def folded(profile: Profile, title: str) -> str:
    """A line a stack: functions with `;` between, outermost first, then the weight."""
    lines = (
        ";".join(name.replace(";", ":") for name in stack) + f" {weight}\n"
        for stack, weight in sorted(profile.stacks.items())
    )
    return "".join(lines)


def speedscope(profile: Profile, title: str) -> str:
    """A profile of the kind "sampled", whose unit is the instruction."""
    numbers: dict[str, int] = {}
    samples = [
        [numbers.setdefault(name, len(numbers)) for name in stack]
        for stack in sorted(profile.stacks)
    ]
    weights = [profile.stacks[stack] for stack in sorted(profile.stacks)]
    shown = {
        "type": "sampled", "name": title, "unit": "none", "startValue": 0,
        "endValue": profile.total, "samples": samples, "weights": weights,
    }  # fmt: skip
    whole = {
        "$schema": SCHEMA, "name": title, "exporter": "blink", "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in numbers]}, "profiles": [shown],
    }  # fmt: skip
    return json.dumps(whole) + "\n"


def text(profile: Profile, title: str) -> str:
    """The functions that cost most: share of itself, share with its callees, calls, name."""
    total = profile.total or 1
    lines = [f"{title}: {profile.total} instructions\n", "  self  total      calls  function\n"]
    for name, own, whole in profile.functions()[:ROWS]:
        calls = profile.calls.get(name, "")
        lines.append(f"{100 * own / total:5.1f}% {100 * whole / total:5.1f}% {calls:>10}  {name}\n")
    return "".join(lines)


FORMATS: dict[str, Callable[[Profile, str], str]] = {
    "text": text,
    "folded": folded,
    "speedscope": speedscope,
}
