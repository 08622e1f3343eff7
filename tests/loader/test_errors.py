"""Every error: its errno (the host's own execve(2) answers the same), message and exit status."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from errno import EACCES, EINVAL, EIO, ELIBBAD, ELOOP, ENOENT, ENOEXEC, ENOMEM, ENOTDIR, EPERM
from pathlib import Path

import pytest

from blink.loader import LoadError, find_program, open_program
from loader.elfs import BASE, PT_INTERP, elf, phdr, save, with_interp
from loader.native import exec_errno


def failure(path: bytes, **options: bool) -> LoadError:
    """The error of opening `path`; checks what all errors have in common."""
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    with pytest.raises(LoadError) as caught:
        open_program(path, [path], [b"PATH=/bin"], **options)  # type: ignore[arg-type]
    error = caught.value
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
    assert str(error) == error.message
    assert error.message.isprintable(), "one line"
    assert len(error.message) < 600
    assert error.exit_status in (126, 127)
    return error


def on_host(path: bytes) -> int:
    return exec_errno(path, [path], {b"PATH": b"/bin"})


ELF64 = elf()
NAME = b"/lib64/ld-linux-x86-64.so.2\0"


def ident(**changes: int) -> bytes:
    data = bytearray(b"\x7fELF\2\1\1".ljust(16, b"\0"))
    for key, value in changes.items():
        data[int(key[1:])] = value
    return bytes(data)


def big_endian(machine: int) -> bytes:
    return ident(i5=2) + struct.pack(">HHI", 2, machine, 1) + bytes(100)


def class32(machine: int) -> bytes:
    return ident(i4=1) + struct.pack("<HHI", 2, machine, 1) + bytes(100)


# File contents, errno, a piece of the message.  The host refuses them all with the same errno.
REFUSED: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", ENOEXEC, "is empty"),
    "one byte": (b"\x7f", ENOEXEC, "is truncated: 1 of the 64 bytes"),
    "magic only": (b"\x7fELF", ENOEXEC, "is truncated: 4 of the 64 bytes"),
    "half a header": (ELF64[:40], ENOEXEC, "is truncated: 40 of the 64 bytes"),
    "63 bytes": (ELF64[:63], ENOEXEC, "is truncated: 63 of the 64 bytes"),
    "no program headers read": (ELF64[:64], ENOEXEC, "its program headers are cut off"),
    "program headers cut": (ELF64[:119], ENOEXEC, "its program headers are cut off"),
    "program headers far away": (elf(phoff=1 << 63), ENOEXEC, "its program headers are cut off"),
    "text": (b"echo hello\n", ENOEXEC, "is text without a #! line"),
    "binary junk": (b"\x01\x02\x03" * 99, ENOEXEC, "is not an ELF file"),
    "windows": (b"MZ\x90\0" + bytes(99), ENOEXEC, "is a Windows"),
    "macOS": (b"\xcf\xfa\xed\xfe" + bytes(99), ENOEXEC, "is a macOS program"),
    "archive": (b"!<arch>\nx", ENOEXEC, "is an ar archive"),
    "aarch64": (elf(machine=183), ENOEXEC, "is a 64-bit aarch64 program"),
    "riscv": (elf(machine=243), ENOEXEC, "is a 64-bit riscv program"),
    "powerpc64le": (elf(machine=21), ENOEXEC, "is a 64-bit powerpc64 program"),
    "unknown machine": (elf(machine=9999), ENOEXEC, "is a 64-bit machine 9999 program"),
    "arm": (class32(40), ENOEXEC, "is a 32-bit arm program"),
    "mips big-endian": (big_endian(8), ENOEXEC, "is a 64-bit big-endian mips program"),
    "s390x": (big_endian(22), ENOEXEC, "is a 64-bit big-endian s390x program"),
    "x32": (class32(62), ENOEXEC, "is a 32-bit x86-64 program"),
    "none": (elf(type=0), ENOEXEC, "of type none"),
    "object": (elf(type=1), ENOEXEC, "is an object file"),
    "core": (elf(type=4), ENOEXEC, "is a core dump"),
    "strange type": (elf(type=77), ENOEXEC, "of type 77"),
    "no headers": (elf(phnum=0), ENOEXEC, "has 0 program headers"),
    "many headers": (elf(phnum=1171, size=1 << 17), ENOEXEC, "has 1171 program headers"),
    "65535 headers": (elf(phnum=65535, size=1 << 22), ENOEXEC, "has 65535 program headers"),
    "header size": (elf(phentsize=32), ENOEXEC, "its program headers have 32 bytes"),
    "interpreter without NUL": (with_interp(b"/bin/sh"), ENOEXEC, "does not end in a NUL"),
    "interpreter of one byte": (with_interp(b"\0"), ENOEXEC, "name has 1 bytes"),
    "interpreter of no bytes": (with_interp(b""), ENOEXEC, "name has 0 bytes"),
    "interpreter too long": (
        elf(phdr(type=PT_INTERP, filesz=4097), size=8192),
        ENOEXEC,
        "name has 4097 bytes",
    ),
    "interpreter behind the end": (
        elf(phdr(type=PT_INTERP, offset=0x1000 - 4, filesz=8)),
        EIO,
        "interpreter's name is cut off",
    ),
    "interpreter empty": (with_interp(b"\0\0"), EACCES, 'interpreter "": the name is empty'),
    "interpreter absent": (
        with_interp(b"/no/such/ld.so\0"),
        ENOENT,
        "interpreter /no/such/ld.so: no such file",
    ),
    "interpreter below a file": (with_interp(b"/etc/passwd/x\0"), ENOTDIR, "not a directory"),
    "interpreter a folder": (with_interp(b"/etc\0"), EACCES, "interpreter /etc: is a directory"),
    "interpreter a device": (with_interp(b"/dev/null\0"), EACCES, "is not a regular file"),
    "interpreter no program": (with_interp(b"/etc/passwd\0"), EACCES, "is not executable"),
    "script without interpreter": (b"#!\n", ENOEXEC, "names no interpreter"),
    "script of blanks": (b"#! \t \n/bin/sh", ENOEXEC, "names no interpreter"),
    "script of 300 blanks": (b"#!" + b" " * 300 + b"/bin/sh\n", ENOEXEC, "names no interpreter"),
    "script with a long name": (b"#!/" + b"x" * 300 + b"\n", ENOEXEC, "cuts the interpreter's"),
    "script, name empty": (b"#!", EACCES, 'interpreter "": the name is empty'),
    "script, NUL": (b"#!\0\n", EACCES, 'interpreter "": the name is empty'),
    "script, absent": (b"#!/no/such\n", ENOENT, "interpreter /no/such: no such file"),
    "script, folder": (b"#!/etc\n", EACCES, "interpreter /etc: is a directory"),
    "script, no program": (b"#!/etc/passwd\n", EACCES, "/etc/passwd: is not executable"),
    "script, below a file": (b"#!/etc/passwd/x\n", ENOTDIR, "not a directory"),
    "script from Windows": (b"#!/bin/sh\r\necho\r\n", ENOENT, "dos2unix"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_by_the_host(tmp_path: Path, name: str) -> None:
    data, number, text = REFUSED[name]
    path = save(tmp_path / "program", data)
    error = failure(path)
    assert errno.errorcode[error.errno] == errno.errorcode[number]
    assert text in error.message
    assert error.message.startswith(f"{os.fsdecode(path)}: ")
    assert not error.fatal
    assert error.exit_status == 126
    assert errno.errorcode.get(on_host(path)) == errno.errorcode[number]


@pytest.mark.parametrize(
    ("data", "number", "text"),
    [
        (b"", EIO, "is empty"),
        (b"\x7fELF", EIO, "is truncated: 4 of the 64 bytes"),
        (ELF64[:63], EIO, "is truncated: 63 of the 64 bytes"),
        (b"#!/bin/sh\n".ljust(99), ELIBBAD, "is text without"),
        (bytes(99), ELIBBAD, "is not an ELF file"),
        (elf(machine=183), ELIBBAD, "is a 64-bit aarch64 program"),
        (elf(phentsize=32), ELIBBAD, "its program headers have 32 bytes"),
        (elf(phnum=0), ELIBBAD, "has 0 program headers"),
        (ELF64[:100], ELIBBAD, "is truncated: its program headers are cut off"),
    ],
)
def test_bad_interpreters(tmp_path: Path, data: bytes, number: int, text: str) -> None:
    library = save(tmp_path / "ld.so", data)
    path = save(tmp_path / "program", with_interp(library + b"\0"))
    error = failure(path)
    assert errno.errorcode[error.errno] == errno.errorcode[number]
    assert f"program: interpreter {os.fsdecode(library)}: {text}" in error.message
    assert (error.exit_status, error.fatal) == (126, False)
    assert errno.errorcode.get(on_host(path)) == errno.errorcode[number]


# What Linux loads or finds too late to answer; every message and errno is ours then.
FATAL: dict[str, tuple[bytes, int, str]] = {
    "no PT_LOAD": (elf(phdr(type=4)), ENOEXEC, "has no PT_LOAD segment"),
    "empty PT_LOAD": (elf(phdr(filesz=0, memsz=0)), ENOEXEC, "has no PT_LOAD segment"),
    "more file than memory": (elf(phdr(memsz=0x800)), EINVAL, "more bytes in the file"),
    "wraps": (elf(phdr(vaddr=2**64 - 0x1000, memsz=0x2000)), EINVAL, "wraps around"),
    "beyond the end": (elf(phdr(vaddr=1 << 45)), ENOMEM, "link it lower"),
    "in the stack": (elf(phdr(vaddr=0x1FFF_FFFF_0000)), ENOMEM, "link it lower"),
    "at zero": (elf(phdr(vaddr=0)), EPERM, "below 0x10000"),
    "not congruent": (elf(phdr(vaddr=BASE + 8)), EINVAL, "differ within a page"),
    "huge": (elf(phdr(memsz=1 << 40)), ENOMEM, "span 1024 GiB"),
    "far apart": (elf(phdr(), phdr(vaddr=1 << 40), type=3), ENOMEM, "span 1023 GiB"),
    "huge together": (
        elf(*(phdr(vaddr=BASE + (n << 40), memsz=33 << 30) for n in range(2))),
        ENOMEM,
        "span 66 GiB",
    ),
    "aligned to 2^63": (elf(phdr(align=1 << 63)), EINVAL, "aligned to 0x8000000000000000"),
    "overlap": (elf(phdr(), phdr(vaddr=BASE + 0x800, offset=0x800, filesz=0)), ENOEXEC, "overlap"),
    "same twice": (elf(phdr(), phdr()), ENOEXEC, "overlap"),
    "truncated": (elf(size=0xFFF), ENOEXEC, "is truncated: its segment at 0x400000"),
    "file offset wraps": (elf(phdr(offset=2**64 - 0x1000)), ENOEXEC, "is truncated"),
    "entry outside": (elf(entry=1 << 50), EINVAL, "entry point 0x4000000000000"),
}


@pytest.mark.parametrize("name", FATAL)
def test_absurd_segments(tmp_path: Path, name: str) -> None:
    data, number, text = FATAL[name]
    path = save(tmp_path / "program", data)
    error = failure(path)
    assert errno.errorcode[error.errno] == errno.errorcode[number]
    assert text in error.message
    assert (error.fatal, error.exit_status) == (True, 126)
    save(tmp_path / "ld.so", data)
    if name not in ("at zero", "beyond the end", "in the stack", "entry outside"):
        user = save(tmp_path / "user", with_interp(os.fsencode(tmp_path / "ld.so") + b"\0"))
        error = failure(user)
        assert error.fatal
        assert f"user: interpreter {tmp_path}/ld.so: " in error.message


def test_an_object_file_as_interpreter(tmp_path: Path) -> None:
    library = save(tmp_path / "ld.o", elf(type=1))
    error = failure(save(tmp_path / "program", with_interp(library + b"\0")))
    assert (error.errno, error.fatal) == (ELIBBAD, True)
    assert "is an object file" in error.message


def test_wrong_class_or_byte_order_alone_is_refused(tmp_path: Path) -> None:
    """Linux looks at neither byte; such a file is broken all the same."""
    for data in (elf(ident=ident(i4=1)), elf(ident=ident(i5=2)), elf(ident=ident(i4=7, i5=9))):
        assert failure(save(tmp_path / "program", data)).errno == ENOEXEC


def test_i386(tmp_path: Path) -> None:
    """A host with 32-bit emulation runs it, so only our own answer is checked."""
    error = failure(save(tmp_path / "program", class32(3)))
    assert error.errno == ENOEXEC
    assert "is a 32-bit i386 program; blink runs 64-bit x86-64" in error.message


def test_paths_that_name_no_program(tmp_path: Path) -> None:
    save(tmp_path / "plain", ELF64, mode=0o644)
    os.mkfifo(tmp_path / "fifo", 0o777)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.close()
    cases = {
        "absent": (ENOENT, "no such file", 127),
        "dangling": (ENOENT, "no such file", 127),
        "folder": (EACCES, "is a directory", 126),
        "plain": (EACCES, "chmod +x", 126),
        "plain/": (ENOTDIR, "not a directory", 126),
        "plain/below": (ENOTDIR, "not a directory", 126),
        "fifo": (EACCES, "not a regular file", 126),
        "socket": (EACCES, "is a socket", 126),
        "loop": (ELOOP, "too many symbolic links", 126),
        "x" * 256: (errno.ENAMETOOLONG, "too long", 126),
    }
    for name, (number, text, status) in cases.items():
        path = os.fsencode(f"{tmp_path}/{name}")
        error = failure(path)
        assert errno.errorcode[error.errno] == errno.errorcode[number], name
        assert text in error.message
        assert error.exit_status == status
        assert errno.errorcode.get(on_host(path)) == errno.errorcode[number]
    assert failure(b"").errno == ENOENT


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to take its rights away")
def test_permissions_of_an_ordinary_user(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    theirs = save(tmp_path / "theirs", ELF64, mode=0o744)
    hidden = save(tmp_path / "hidden", ELF64, mode=0o600)
    os.seteuid(65534)
    try:
        denied, unreadable = failure(theirs), failure(hidden)
    finally:
        os.seteuid(0)
    assert (denied.errno, denied.exit_status) == (EACCES, 126)
    assert "you may not execute it" in denied.message
    assert (unreadable.errno, unreadable.exit_status) == (EACCES, 126)
    assert "permission denied" in unreadable.message


def test_names_stay_on_one_line(tmp_path: Path) -> None:
    for name in (b"new\nline", b"esc\x1b[31m", b"\xff\xfe", "naïve ☃".encode(), b"y" * 255):
        path = save(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)), b"")
        assert "is empty" in failure(path).message
    error = failure(save(tmp_path / "script", b"#!/no\x1b\x07such\n"))
    assert "/no\\x1b\\x07such" in error.message


def test_an_empty_flat_image(tmp_path: Path) -> None:
    error = failure(save(tmp_path / "x.bin", b"", mode=0o644))
    assert (error.errno, error.exit_status) == (ENOEXEC, 126)
    assert "is empty" in error.message


def test_a_script_behind_a_descriptor_that_closes(tmp_path: Path) -> None:
    script = save(tmp_path / "script", b"#!/bin/sh\n")
    error = failure(script, path_inaccessible=True)
    assert (error.errno, error.exit_status) == (ENOENT, 126)
    program = save(tmp_path / "program", ELF64)
    open_program(program, [], [], path_inaccessible=True).close()


def test_the_opener_decides_what_a_path_is(tmp_path: Path) -> None:
    """Under a root, all paths of guests go through the vfs: the program's and the interpreters'."""
    (tmp_path / "bin").mkdir()
    save(tmp_path / "bin" / "ld", ELF64)
    save(tmp_path / "bin" / "program", with_interp(b"/bin/ld\0"))
    save(tmp_path / "bin" / "script", b"#!/bin/program -x\n")
    asked = []

    def open_file(path: bytes) -> int:
        asked.append(path)
        return os.open(os.fsencode(tmp_path) + path, os.O_RDONLY)

    with open_program("/bin/script", ["s"], [], open_file=open_file) as program:
        assert program.interp is not None
        assert program.source.path == b"/bin/program"
    assert asked == [b"/bin/script", b"/bin/program", b"/bin/ld"]
    assert find_program("ld", "/usr/bin:/bin", open_file=open_file) == b"/bin/ld"


@pytest.mark.parametrize("number", [errno.EISDIR, errno.ENXIO, EIO, errno.EMFILE])
def test_errors_of_the_opener(number: int) -> None:
    def open_file(path: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with pytest.raises(LoadError) as caught:
        open_program(b"/x", [], [], open_file=open_file)
    expected = EACCES if number in (errno.EISDIR, errno.ENXIO) else number
    assert (caught.value.errno, caught.value.exit_status) == (expected, 126)


def test_find_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    save(tmp_path / "one" / "denied", ELF64, mode=0o644)
    save(tmp_path / "two" / "tool", ELF64)
    save(tmp_path / "three" / "tool", ELF64)
    save(tmp_path / "three" / "denied", ELF64)
    (tmp_path / "one" / "tool").mkdir()
    one, two, three = (os.fsencode(tmp_path / name) for name in ("one", "two", "three"))
    assert find_program("tool", b":".join((one, b"/no", two, three))) == two + b"/tool"
    assert find_program("denied", one + b":" + three) == three + b"/denied"
    assert find_program("/a/b", None) == b"/a/b"
    assert find_program("./x", b"") == b"./x"
    assert find_program("sh", None) == b"/bin/sh"
    monkeypatch.chdir(tmp_path / "two")
    assert find_program("tool", b"/no::/bin") == b"tool"  # an empty element is the current folder
    for name, search, number, status in (
        ("denied", one + b":" + two, EACCES, 126),
        ("tool", one, EACCES, 126),
        ("absent", one + b":" + two, ENOENT, 127),
        ("", one, ENOENT, 127),
        ("x" * 300, one, errno.ENAMETOOLONG, 126),
    ):
        with pytest.raises(LoadError) as caught:
            find_program(name, search)
        assert (caught.value.errno, caught.value.exit_status) == (number, status)
        assert caught.value.message.isprintable()


def test_found_as_execvp_finds_it(need: Callable[[str], str]) -> None:
    for name in ("sh", "env", "true"):
        assert os.fsdecode(find_program(name, os.environ["PATH"])) == need(name)
