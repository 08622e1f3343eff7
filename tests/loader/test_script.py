"""Scripts and argument lists, against the host kernel."""

from __future__ import annotations

import errno
import os
import random
import resource
import time
from pathlib import Path

import pytest

from blink.loader import LoadError, open_program
from blink.loader.script import BadShebang, parse_shebang
from loader.elfs import elf, save
from loader.native import Server, exec_errno, snapshot


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"#!/bin/sh\n", (b"/bin/sh", None)),
        (b"#!/bin/sh", (b"/bin/sh", None)),
        (b"#! \t/bin/sh \t\n", (b"/bin/sh", None)),
        (b"#!/bin/sh -e -u  x \t\nmore", (b"/bin/sh", b"-e -u  x")),
        (b"#!/bin/sh\t-e\n", (b"/bin/sh", b"-e")),
        (b"#!/bin/sh -e ", (b"/bin/sh", b"-e ")),  # no newline: the blank is not trimmed
        (b"#!/bin/sh\0 -e\n", (b"/bin/sh", None)),
        (b"#!/bin/sh a\0b\n", (b"/bin/sh", b"a")),
        (b"#!/bin/sh\r\n", (b"/bin/sh\r", None)),
        (b"#!relative x\n", (b"relative", b"x")),
        (b"#!/i " + b"a" * 300 + b"\n", (b"/i", b"a" * 250)),
        (b"#!" + b"n" * 253 + b"\n", (b"n" * 253, None)),
        (b"#!" + b"n" * 253 + b" a", (b"n" * 253, None)),
        (b"#!" + b"n" * 252 + b" a\n", (b"n" * 252, None)),  # the last byte gives way to a NUL
        (b"#!" + b"n" * 253 + b"\0", (b"n" * 253, None)),
    ],
)
def test_parse(line: bytes, expected: tuple[bytes, bytes | None]) -> None:
    assert parse_shebang(line) == expected


@pytest.mark.parametrize(
    "line", [b"#!\n", b"#!  \n", b"#!" + b" " * 254, b"#!" + b"n" * 254, b"#!" + b"n" * 254 + b"\n"]
)
def test_parse_refuses(line: bytes) -> None:
    with pytest.raises(BadShebang):
        parse_shebang(line)


def random_line(rng: random.Random, names: list[bytes]) -> bytes:
    """A #! line near all the edges: blanks, NULs, no newline, lengths about 256."""
    blank = lambda: bytes(rng.choices(b" \t", k=rng.choice((0, 0, 1, 2))))  # noqa: E731
    line = b"#!" + blank() + rng.choice(names)
    for _ in range(rng.choice((0, 1, 1, 2))):
        line += blank() + bytes(rng.choices(b"ab -\t\0", k=rng.choice((0, 1, 3, 9))))
    if rng.random() < 0.3:
        line += b" " + b"y" * (rng.randrange(250, 260) - len(line))
    return line + blank() + rng.choice((b"\n", b"", b"\nrest\n", b"\0\n"))


@pytest.mark.timeout(600)
def test_lines_equal_the_hosts(tmp_path: Path, quota: float, seed: int) -> None:
    """argv, AT_EXECFN and the exec'd file, for random lines."""
    rng = random.Random(seed)
    long = tmp_path / ("n" * 100) / ("n" * (251 - len(str(tmp_path)) - 101))
    long.parent.mkdir()
    names = [save(tmp_path / "i", elf()), save(long, elf()), b"/bin/true", b"/no/such", b""]
    names += [names[1] + b"n", names[1] + b"nn", names[1] + b"nnn"]
    for name in names[-3:-1]:
        save(Path(os.fsdecode(name)), elf())
    script = tmp_path / "script"
    argv = [b"zero", b"one"]
    end = time.monotonic() + quota
    with Server() as host:
        while time.monotonic() < end:
            line = random_line(rng, names)
            path = save(script, line)
            theirs = host.exec(path, argv, {})
            try:
                with open_program(path, argv, []) as program:
                    cmdline = b"".join(string + b"\0" for string in program.argv)
                    ours = 0, cmdline, os.path.realpath(program.source.path)
            except LoadError as error:
                ours = error.errno, b"", b""
            assert ours == theirs, f"seed {seed}: {line!r}"


def chain(folder: Path, count: int) -> bytes:
    """`count` scripts, each the interpreter of the next; the first one's is an ELF program."""
    name = save(folder / "s0", elf())
    for index in range(1, count + 1):
        name = save(folder / f"s{index}", b"#!%s arg%d\n" % (name, index))
    return name


@pytest.mark.parametrize("count", range(1, 8))
def test_scripts_that_interpret_scripts(tmp_path: Path, count: int) -> None:
    path = chain(tmp_path, count)
    number = exec_errno(path, [b"zero", b"one"], {})
    assert number == (0 if count <= 5 else errno.ELOOP)
    if number:
        with pytest.raises(LoadError) as caught:
            open_program(path, [b"zero", b"one"], [])
        assert (caught.value.errno, caught.value.exit_status) == (errno.ELOOP, 126)
        return
    native = snapshot(path, [b"zero", b"one"], {})
    with open_program(path, [b"zero", b"one"], []) as program:
        assert program.argv == native.cmdline.split(b"\0")[:-1]
        assert program.path == path
        assert program.path.rpartition(b"/")[2] == native.comm


def test_a_script_that_interprets_itself(tmp_path: Path) -> None:
    path = tmp_path / "self"
    save(path, b"#!%s\n" % os.fsencode(path))
    with pytest.raises(LoadError) as caught:
        open_program(path, [], [])  # type: ignore[arg-type]
    assert caught.value.errno == errno.ELOOP == exec_errno(os.fsencode(path), [b"x"], {})


def test_an_empty_argv(tmp_path: Path) -> None:
    with open_program(save(tmp_path / "program", elf()), [], []) as program:
        assert program.argv == [b""]
    with open_program(save(tmp_path / "script", b"#!/bin/true\n"), [], []) as program:
        assert program.argv == [b"/bin/true", os.fsencode(tmp_path / "script")]


def test_strings_may_be_str(tmp_path: Path) -> None:
    path = os.fsdecode(save(tmp_path / "program", elf()))
    with open_program(path, ["naïve", "\udcff"], ["A=b"]) as program:
        assert (program.argv, program.env) == (["naïve".encode(), b"\xff"], [b"A=b"])


def answer(path: bytes, argv: list[bytes], env: list[bytes], stack: int) -> int:
    """The errno of open_program, 0 for success."""
    try:
        open_program(path, argv, env, stack_limit=stack).close()
    except LoadError as error:
        return error.errno
    return 0


def test_the_longest_string(tmp_path: Path) -> None:
    path = save(tmp_path / "program", elf())
    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    for size, expected in ((131071, 0), (131072, errno.E2BIG)):
        for argv, env in (([b"x" * size], {}), ([b"x"], {b"E": b"x" * (size - 2)})):
            flat = [key + b"=" + value for key, value in env.items()]
            assert answer(path, argv, flat, stack) == expected == exec_errno(path, argv, env)


@pytest.mark.parametrize("script", [False, True])
@pytest.mark.parametrize("kilobytes", [256, 640, 1024, 8192])
def test_the_longest_arguments(tmp_path: Path, kilobytes: int, script: bool) -> None:
    """To the byte: strings, the file's name and pointers, with what a #! line adds."""
    elf_path = save(tmp_path / "program", elf())
    path = save(tmp_path / "script", b"#!%s -x\n" % elf_path) if script else elf_path
    env = {b"A": b"1" * 1000, b"B": b""}
    flat = [key + b"=" + value for key, value in env.items()]
    stack = kilobytes << 10
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)

    def argv(size: int) -> list[bytes]:
        full, rest = divmod(size, 100_000)
        return [b"x" * 99_999] * full + [b"y" * rest]

    low, high = 0, 8 << 20
    while low < high:
        middle = (low + high + 1) // 2
        if answer(path, argv(middle), flat, stack) == 0:
            low = middle
        else:
            high = middle - 1
    assert 0 < low < 8 << 20
    resource.setrlimit(resource.RLIMIT_STACK, (stack, hard))
    try:
        assert exec_errno(path, argv(low), env) == 0
        assert exec_errno(path, argv(low + 1), env) == errno.E2BIG
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def test_no_stack_limit_still_bounds_arguments(tmp_path: Path) -> None:
    path = save(tmp_path / "program", elf())
    strings = [b"x" * 100_000] * 62
    assert answer(path, strings, [], -1) == answer(path, strings, [], 1 << 63) == 0
    assert answer(path, [*strings, b"x" * 100_000], [], -1) == errno.E2BIG
