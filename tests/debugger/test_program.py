"""`blink.Program`: registers and parts of them, hooks in libraries to come, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import blink
from blink.debugger.errors import DebugError


@pytest.fixture(scope="module")
def echo() -> Iterator[blink.Program]:
    """A dynamic program, at its first call of write(2)."""
    with blink.load(["/bin/echo", "said"], record=False) as program:
        program.on_code("write", lambda *_: blink.STOP, pending=True)
        assert program.run().reason == "breakpoint"
        yield program


def test_a_hook_waits_for_its_library(echo: blink.Program) -> None:
    assert echo.session.backtrace()[0].place.name == "write"
    with pytest.raises(blink.DebugError, match="no symbol is called wriet"):
        echo.on_code("wriet", print)


def test_parts_of_registers(echo: blink.Program) -> None:
    before = echo.rdx
    assert (echo.edx, echo.dx, echo.dl) == (5, 5, 5)
    echo.rdx = 0x1122_3344_5566_7788
    echo.edx, echo.dh = 0xAABBCCDD, 0xEE
    assert echo.rdx == 0x1122_3344_AABB_EEDD
    echo.ymm3 = (1 << 200) + 5
    echo.xmm3 = 7
    assert (echo.ymm3, echo.xmm3, echo.st0) == ((1 << 200) + 7, 7, 0)
    echo.rdx = before
    for name in ("rxx", "eex"):
        with pytest.raises(AttributeError, match=f"a program has no {name}"):
            getattr(echo, name)


def test_frames_are_readable(echo: blink.Program) -> None:
    texts = [repr(frame) for frame in echo.session.backtrace()]
    assert texts[0].startswith(f"<Frame {echo.rip:#x} write")
    assert all(len(text) < 200 for text in texts)


@pytest.mark.parametrize(
    ("kind", "name", "complaint"),
    [
        ("syscall", "opnat", "no system call is called opnat; near: openat"),
        ("signal", "SEGV", "no signal is called SEGV; near: SIGSEGV"),
        ("signal", "SIGBOTH", "no signal is called SIGBOTH"),
    ],
)
def test_what_there_is_not_is_not_hooked(
    echo: blink.Program, kind: str, name: str, complaint: str
) -> None:
    hook = {"syscall": echo.on_syscall, "signal": echo.on_signal}[kind]
    with pytest.raises(blink.DebugError, match=complaint):
        hook(name, print)
    echo.remove(hook(["11"], print))


def test_what_is_no_command_line() -> None:
    for argv in ("ls", b"ls", []):
        with pytest.raises(blink.DebugError, match="a list of words"):
            blink.load(argv)  # type: ignore[arg-type]


def test_the_file_that_is_no_capsule_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("no capsule")
    with pytest.raises(blink.DebugError, match=f"{path}: this is no capsule"):
        blink.open_capsule(str(path))


def test_a_closed_program_says_so() -> None:
    program = blink.load(["/bin/true"], record=False)
    program.close()
    program.close()
    for move in (program.run, program.step, lambda: program.run_to(0x1000)):
        with pytest.raises(blink.DebugError, match="closed"):
            move()


def test_wrong_use_is_told_in_a_line(program: Path) -> None:
    with blink.load([str(program)]) as loaded:
        for wrong, text in (
            (lambda: loaded.on_code(2.5, print), "an address or a name, not 2.5"),
            (lambda: loaded.on_access("x", 2, print), "an address and a length, not 'x', 2"),
            (lambda: loaded.on_code("main", 5), "a hook is a function"),
            (lambda: setattr(loaded, "rax", "x"), "rax is a number, not 'x'"),
            (lambda: loaded.read_string(0), "no 1 bytes can be read at 0x0"),
            (lambda: loaded.step(-1), "rewind"),
            (lambda: loaded.last_write(5, 1), "nothing is recorded"),
            (lambda: loaded.session.output(7), "standard output is 1"),
        ):
            with pytest.raises(DebugError, match=text) as caught:
                wrong()
            assert "\n" not in str(caught.value)
        assert loaded.at("main").session.breakpoints() == []
        with pytest.raises(DebugError, match="the recording ends at"):
            loaded.rewind(10**12)
