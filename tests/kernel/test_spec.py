"""The definition of a call: what the decorator derives from the annotations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from blink.abi.errors import SysError
from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import S32, TIMESPEC
from blink.syscalls import _table
from blink.syscalls._dispatch import BAD_ADDRESS, dispatch, host_arguments
from blink.syscalls._spec import CALLS, Call
from blink.syscalls._trace import TraceOptions, Tracer
from kernel import sample_calls
from kernel.fakes import FakeTask

BASE = 0x10000


@pytest.fixture(autouse=True)
def samples() -> Iterator[None]:
    CALLS.update(sample_calls.SAMPLES)
    yield
    for number in sample_calls.SAMPLES:
        CALLS.pop(number, None)


def call(name: str) -> Call:
    return next(c for c in CALLS.values() if c.name == name)


def rules(name: str) -> list[object]:
    return [arg.length for arg in call(name).args]


def test_length_rules() -> None:
    assert rules("sample_read") == [None, ("arg", 2, 1), None]
    assert rules("sample_pipe") == [("const", 8)]
    assert rules("sample_poll") == [("arg", 1, 8), None, ("const", 16)]
    assert rules("sample_iov") == [None, ("iov", 2), None]
    assert rules("sample_select") == [None, ("bits", 0)]
    assert rules("sample_accept") == [None, ("ref", 2), ("const", 4)]
    assert rules("sample_open") == [("path", 4096), None, None]


def test_directions() -> None:
    assert [a.type.direction for a in call("sample_read").args] == ["value", "out", "value"]
    assert [a.type.direction for a in call("sample_accept").args] == ["value", "out", "inout"]


def test_an_argument_that_is_not_passed() -> None:
    _table.every()
    flags, mode = CALLS[2].args[1:]
    assert flags.is_given((0, 0, 0))
    shown = {f: mode.is_given((0, f, 0)) for f in (0, 0o100, 0o200000, 0o20200000)}
    assert shown == {0: False, 0o100: True, 0o200000: False, 0o20200000: True}


def test_all_definitions_can_be_had_first() -> None:
    code = "from blink.syscalls import _table; assert len(_table.every()) > 300"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_defined_twice() -> None:
    from blink.syscalls._spec import syscall

    with pytest.raises(ValueError, match="twice"):
        syscall(9001)(sample_calls.sample_values)


def test_values_have_declared_widths() -> None:
    got = []
    sample_calls.sink = lambda *values: got.append(values)
    registers = (1 << 32 | 0xFFFFFFFE,) * 4 + (0, 0)
    assert dispatch(FakeTask(), 9001, registers) == 0  # type: ignore[arg-type]
    assert got == [(-2, 0xFFFFFFFE, 0x1FFFFFFFE, 0x1FFFFFFFE)]
    got.clear()
    dispatch(FakeTask(), 9001, ((1 << 64) - 1,) * 6)  # type: ignore[arg-type]
    assert got == [(-1, 0xFFFFFFFF, -1, (1 << 64) - 1)]


def test_errors_become_negative() -> None:
    def fails(*_: int) -> None:
        raise SysError(22)

    sample_calls.sink = fails
    assert dispatch(FakeTask(), 9001, (0,) * 6) == -22  # type: ignore[arg-type]


def test_a_bug_is_not_an_errno() -> None:
    sample_calls.sink = lambda *_: 1 // 0
    with pytest.raises(ZeroDivisionError):
        dispatch(FakeTask(), 9001, (0,) * 6)  # type: ignore[arg-type]


def test_bad_path_is_efault() -> None:
    assert dispatch(FakeTask(), 9006, (4, 0, 0, 0, 0, 0)) == -14  # type: ignore[arg-type]


def test_own_descriptors_are_hidden() -> None:
    task = FakeTask()
    assert host_arguments(task, call("sample_read"), (1003, 0, 0))[0] == -1  # type: ignore[arg-type]
    assert host_arguments(task, call("sample_read"), (3, 0, 0))[0] == 3  # type: ignore[arg-type]


def test_host_pointers() -> None:
    task = FakeTask(skew=1 << 45)
    args = host_arguments(task, call("sample_read"), (3, BASE, 16))  # type: ignore[arg-type]
    assert args == [3, BASE + (1 << 45), 16]
    assert task.memory.prepared == [(BASE, 16)]
    assert host_arguments(task, call("sample_read"), (3, 0, 16))[1] == 0  # type: ignore[arg-type]
    beyond = host_arguments(task, call("sample_read"), (3, 1 << 46, 16))  # type: ignore[arg-type]
    assert beyond[1] == BAD_ADDRESS


def test_iovecs_are_rewritten() -> None:
    task = FakeTask(skew=1 << 45)
    task.memory.map(BASE, 4096, 3, 0x22)
    pair = (BASE + 64).to_bytes(8, "little") + (5).to_bytes(8, "little")
    task.memory.write(BASE, pair)
    args = host_arguments(task, call("sample_iov"), (3, BASE, 1))  # type: ignore[arg-type]
    expected = (BASE + 64 + (1 << 45)).to_bytes(8, "little") + (5).to_bytes(8, "little")
    assert args == [3, expected, 1]
    assert task.memory.prepared == [(BASE + 64, 5)]


def test_unknown_numbers_are_logged_once() -> None:
    task = FakeTask()
    for _ in range(2):
        assert dispatch(task, 7777, (0,) * 6) == -38  # type: ignore[arg-type]
    assert task.process.lines == ["system call 7777 is not implemented"]


def trace(task: FakeTask, number: int, *registers: int) -> str:
    options = TraceOptions()
    options.level = 1
    task.process.tracer = Tracer(task.process, options)  # type: ignore[arg-type]
    dispatch(task, number, registers + (0,) * (6 - len(registers)))  # type: ignore[arg-type]
    return task.process.lines[-1]


def test_log_of_buffers_uses_the_result() -> None:
    task = FakeTask(host=lambda *_: 2)
    task.memory.map(BASE, 4096, 3, 0x22)
    task.memory.write(BASE, b'a"\n')
    assert trace(task, 9002, 3, BASE, 100) == 'sample_read(3, "a\\"", 100) = 2'


def test_log_of_errors_shows_addresses() -> None:
    task = FakeTask(host=lambda *_: -9)
    assert (
        trace(task, 9002, 3, BASE, 100)
        == "sample_read(3, 0x10000, 100) = -1 EBADF (Bad file descriptor)"
    )


def test_log_of_structures_paths_and_flags() -> None:
    task = FakeTask(host=lambda *_: 0)
    task.memory.map(BASE, 4096, 3, 0x22)
    task.memory.write(BASE, S32.pack(7) + S32.pack(8) + TIMESPEC.pack(1, 2) + b"/tmp/x\0")
    assert trace(task, 9003, BASE) == "sample_pipe([7, 8]) = 0"
    line = trace(task, 9004, 0, 0, BASE + 8)
    assert line == "sample_poll(NULL, 0, {tv_sec=1, tv_nsec=2}) = 0"
    sample_calls.sink = lambda *_: 3
    assert trace(task, 9006, BASE + 24, 0o102, 0o600) == (
        'sample_open("/tmp/x", O_RDWR|O_CREAT, 0600) = 3'
    )


def test_flag_sets() -> None:
    names = FlagSet({"A": 1, "BC": 6, "B": 2}, enum={0: "X", 8: "Y"}, mask=24)
    assert names.format(7) == "X|BC|A"
    assert names.format(8 | 2) == "Y|B"
    assert names.format(16 | 64) == "0x50"
    assert enumeration({"ONE": 1}).format(2) == "2"


def test_index_matches_the_definitions() -> None:
    CALLS.clear()
    for family in _table.families():
        __import__("sys").modules.pop(f"blink.syscalls.{family}", None)
    text = _table.emit_index()
    assert '    39: ("identity", "getpid"),\n' in text
    space: dict[str, dict[int, tuple[str, str]]] = {}
    exec(text, space)
    assert space["INDEX"] == {c.number: (c.family, c.name) for c in _table.every()}


def real_calls() -> list[Call]:
    return [each for each in _table.every() if each.number < 9000]


def test_docstrings_name_the_page() -> None:
    for each in real_calls():
        assert each.doc.startswith(f"Implements {each.name}(2)."), each.name
        assert (each.level == "full") or each.note, each.name


def test_passthrough_calls_have_no_bare_pointers() -> None:
    for each in real_calls():
        if each.passthrough:
            assert all(a.type.show != "hex" for a in each.args), each.name
