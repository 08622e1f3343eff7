"""docs/internals/isa.md shows what the code generator makes."""

from __future__ import annotations

import inspect
from pathlib import Path

from blink.codegen.cprint import HandlerPrinter
from blink.codegen.trace import Trace, trace
from blink.isa import families
from blink.isa.binding import Variant
from blink.isa.families import arith
from blink.isa.flags import Add
from blink.isa.spec import REGISTRY

PAGE = (Path(__file__).parents[2] / "docs" / "internals" / "isa.md").read_text()


def block(language: str) -> str:
    """The text of the first code block in this language."""
    return PAGE.partition(f"```{language}\n")[2].partition("```")[0]


def add_trace() -> Trace:
    """ADD r32, r32."""
    families.load()
    forms = [form for insn in REGISTRY if insn.name == "ADD" for form in insn.forms]
    form = next(f for f in forms if (f.encoding, f.operands_text) == ("01 /r", "rmv:rw rv"))
    return trace(form, Variant(32, False))


def test_the_definition() -> None:
    assert block("python") == inspect.getsource(arith.add)


def test_the_trace() -> None:
    t = add_trace()
    assert isinstance(t.flags, Add)
    lines = [f"{location} = {value!r}" for location, value in t.commits]
    lines.append(f"flags = Add({t.flags.a!r}, {t.flags.b!r})")
    assert PAGE.count("\n```\n" + "\n".join(lines) + "\n```\n") == 1


def test_the_c_code() -> None:
    assert block("c") == "\n".join(HandlerPrinter(add_trace()).body()) + "\n"
