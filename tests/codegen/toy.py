"""Instructions of a test's own: defined as any other, but not registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blink.codegen.cprint import HandlerPrinter
from blink.codegen.trace import Trace, trace
from blink.isa.binding import Variant
from blink.isa.rewrite import traceable
from blink.isa.spec import Form, Insn

Body = Callable[..., Any]


def toy(body: Body, *forms: Form, name: str = "TOY", **properties: Any) -> Insn:
    """What @insn(name, *forms, **properties) would register."""
    insn = Insn(name, forms, traceable(body), **properties)
    for form in forms:
        form.insn = insn
    return insn


def traced(
    body: Body, operands: str = "", size: int = 32, mem: bool = False, lock: bool = False
) -> Trace:
    """The trace of a one-form instruction."""
    form = Form("0F 04 /r" if operands else "0F 04", operands, lock=lock)
    toy(body, form)
    return trace(form, Variant(size, mem, lock))


def handler(
    body: Body, operands: str = "", size: int = 32, mem: bool = False, lock: bool = False
) -> list[str]:
    """The printed lines of its handler."""
    return HandlerPrinter(traced(body, operands, size, mem, lock)).body()
