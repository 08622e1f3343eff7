"""System calls without Python: each kind of argument, bad pointers, signals, cost."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blink import _engine
from engine.host_help import EBADF, EFAULT, EINVAL, NEVER_BEGAN
from engine.native_calls import CALLS
from engine.native_help import Native

READ, WRITE, CLOSE, POLL, READV, WRITEV, ACCESS, PIPE = 0, 1, 3, 7, 19, 20, 21, 22
SELECT, GETPID, GETSOCKNAME = 23, 39, 51
DUP2, FCNTL, GETCWD, PSELECT, PPOLL, ENOENT = 33, 72, 79, 270, 271, 2
BASE = 0x1900_0000_0000
PAGE = 4096
UNMAPPED = BASE + 8 * PAGE
TOP = _engine.GUEST_TOP
HOST_ONLY = TOP + 0x1000  # canonical, but no guest address
BAD = (UNMAPPED, HOST_ONLY, 1 << 63, (1 << 64) - 8)
R, RW = 1, 3
DATA, IOVECS, TEXT = BASE, BASE + PAGE, BASE + 6 * PAGE  # TEXT is read-only


@pytest.fixture(params=[False, True], ids=["linear", "paged"])
def native(request: pytest.FixtureRequest) -> Iterator[Native]:
    """A Cpu with six writable pages at BASE and a read-only one."""
    made = Native(CALLS, request.param)
    made.map(BASE, 6 * PAGE, RW)
    made.map(TEXT, PAGE, R)
    yield made
    made.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for fd in ends:
        os.close(fd)


def rax(native: Native, number: int, *args: int) -> int:
    """The result of a call that the engine must have done."""
    result = native.call(number, *args)
    assert (result.done, result.stop) == (True, 0)
    return result.rax


def iovecs(native: Native, *pairs: tuple[int, int]) -> tuple[int, int]:
    """Writes the array; its address and its count."""
    native.write(IOVECS, b"".join(struct.pack("<QQ", *pair) for pair in pairs))
    return IOVECS, len(pairs)


# --- which calls ---


def test_a_passthrough_call_is_done_and_counted(native: Native) -> None:
    before = native.call(GETPID).count
    result = native.call(GETPID | 0xABCD << 32)  # Linux ignores the upper half
    assert (result.done, result.rax, result.count) == (True, os.getpid(), before + 1)


@pytest.mark.parametrize("number", [CLOSE, 2, 52, 5000, 0xFFFF_FFFF])
def test_other_calls_are_pythons(native: Native, number: int) -> None:
    result = native.call(number, 99)
    assert (result.done, result.rax, result.stop, result.count) == (False, number, 0, 0)


def test_paths_only_when_allowed(native: Native) -> None:
    native.write(DATA, b"/etc/passwd\0")
    assert not native.call(ACCESS, DATA, os.R_OK).done
    native.hide(0, 0, paths=True)
    assert rax(native, ACCESS, DATA, os.R_OK) == 0
    assert rax(native, ACCESS, HOST_ONLY, os.R_OK) == -EFAULT


@pytest.mark.parametrize(
    ("path", "done"),
    [
        (b"/proc", False),
        (b"/proc/self/exe", False),
        (b"proc", False),
        (b"../../proc/self", False),
        (b"/usr/..//proc/1", False),
        (b"/dev/fd/3", False),
        (b"/dev/fd", False),
        (b"/procs/self", True),
        (b"/etc/xproc", True),
        (b"", True),
        (b"x" * 5000, True),
    ],
)
def test_paths_into_proc_are_pythons(native: Native, path: bytes, done: bool) -> None:
    native.hide(0, 0, paths=True)
    native.write(DATA, path + b"\0")
    assert native.call(ACCESS, DATA, os.R_OK).done == done


def test_an_empty_path_names_no_file(native: Native) -> None:
    native.write(DATA, b"\0")
    assert rax(native, ACCESS, DATA, os.R_OK) == -ENOENT
    native.write(DATA, b"/\0")
    assert not native.call(ACCESS, DATA, os.R_OK).done


def test_only_null_in_place_of_a_structure_with_pointers(native: Native) -> None:
    native.write(DATA, struct.pack("<qq", 0, 1000))
    assert rax(native, PSELECT, 0, 0, 0, 0, DATA, 0) == 0
    assert not native.call(PSELECT, 0, 0, 0, 0, DATA, DATA + 64).done


def test_calls_under_policy(native: Native) -> None:
    assert not native.call(GETCWD, DATA, PAGE).done
    native.hide(0, 0, paths=True)
    assert rax(native, GETCWD, DATA, PAGE) == len(str(Path.cwd())) + 1


# --- types that depend on a value ---


def test_variants(native: Native, pipe: tuple[int, int]) -> None:
    reader, _ = pipe
    assert rax(native, FCNTL, reader, fcntl.F_GETFD, 0) == fcntl.FD_CLOEXEC
    flock = struct.pack("<hh4xqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    with tempfile.TemporaryFile() as file:
        native.write(DATA, flock)
        native.mark_code(DATA)
        assert rax(native, FCNTL, file.fileno(), fcntl.F_GETLK, DATA) == 0
        assert struct.unpack("<hh4xqqi4x", native.read(DATA, 32))[0] == fcntl.F_UNLCK
        assert rax(native, FCNTL, file.fileno(), fcntl.F_GETLK, HOST_ONLY) == -EFAULT
    assert not native.call(FCNTL, reader, 9999, 0).done


def test_claimed_descriptors(native: Native, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    native.hide(900, 916)
    assert not native.call(DUP2, reader, 900).done
    assert rax(native, DUP2, 900, reader) == -EBADF
    assert rax(native, DUP2, reader, writer) == writer


def test_masks_never_block_the_synchronous_five(native: Native) -> None:
    seen = []
    status = f"/proc/self/task/{threading.get_native_id()}/status"

    def look() -> None:
        time.sleep(0.05)
        text = Path(status).read_text()
        seen.append(int(text.partition("SigBlk:\t")[2].split()[0], 16))

    native.write(DATA, struct.pack("<qq", 0, 150_000_000))
    native.write(DATA + 64, b"\xff" * 8)
    watcher = threading.Thread(target=look)
    watcher.start()
    assert rax(native, PPOLL, 0, 0, DATA, DATA + 64, 8) == 0
    watcher.join()
    five = (signal.SIGILL, signal.SIGTRAP, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
    assert seen[0] & 1 << signal.SIGUSR1 - 1
    assert not any(seen[0] & 1 << signo - 1 for signo in five)
    assert native.read(DATA + 64, 8) == b"\xff" * 8
    assert rax(native, PPOLL, 0, 0, DATA, 0, 8) == 0
    assert rax(native, PPOLL, 0, 0, DATA, HOST_ONLY, 8) == -EFAULT
    assert rax(native, PPOLL, 0, 0, DATA, DATA + 64, 4) == -EINVAL


# --- descriptors ---


def test_our_descriptors_are_hidden(native: Native, pipe: tuple[int, int]) -> None:
    _, writer = pipe
    native.hide(writer, writer + 1)
    assert rax(native, WRITE, writer, DATA, 1) == -EBADF
    assert rax(native, WRITE, writer | 7 << 32, DATA, 1) == -EBADF
    assert rax(native, WRITE, (1 << 64) - 1, DATA, 1) == -EBADF
    native.hide(writer + 1, writer + 9)
    assert rax(native, WRITE, writer, DATA, 1) == 1


# --- buffers ---


def test_in_and_out_buffers(native: Native, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    across = DATA + PAGE - 3
    native.write(across, b"abcdef")
    assert rax(native, WRITE, writer, across, 6) == 6
    assert rax(native, READ, reader, DATA + 100, 50) == 6
    assert native.read(DATA + 99, 8) == b"\0abcdef\0"


@pytest.mark.parametrize("address", BAD)
def test_bad_pointers(native: Native, pipe: tuple[int, int], address: int) -> None:
    reader, writer = pipe
    os.write(writer, b"stays")
    assert rax(native, READ, reader, address, 5) == -EFAULT
    assert rax(native, WRITE, writer, address, 5) == -EFAULT
    assert os.read(reader, 9) == b"stays"


def test_errors_come_in_linux_order(native: Native) -> None:
    """EBADF is found before EFAULT."""
    assert rax(native, READ, 1 << 20, HOST_ONLY, 1) == -EBADF
    assert rax(native, READV, 1 << 20, HOST_ONLY, 1) == -EBADF


def test_read_only_memory_is_not_written(native: Native, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.write(writer, b"data")
    assert rax(native, READ, reader, TEXT, 4) == -EFAULT
    assert rax(native, WRITE, writer, TEXT, 4) == 4


def test_a_partial_buffer_is_a_short_transfer(native: Native) -> None:
    """As in Linux: what lies before the bad page is transferred."""
    file = os.memfd_create("test")
    assert rax(native, WRITE, file, TEXT + PAGE - 10, 100) == 10
    os.lseek(file, 0, os.SEEK_SET)
    assert rax(native, READV, file, *iovecs(native, (DATA, 2), (UNMAPPED, 4))) == 2
    os.close(file)


@pytest.mark.parametrize("length", [1 << 47, 1 << 63, (1 << 64) - 1])
def test_absurd_lengths(native: Native, pipe: tuple[int, int], length: int) -> None:
    reader, writer = pipe
    os.write(writer, b"data")
    assert rax(native, READ, reader, DATA, length) == -EFAULT


def test_the_host_writes_no_stale_code(native: Native, pipe: tuple[int, int]) -> None:
    """An OUT range loses CODE, and its write protection, before the host kernel writes."""
    reader, writer = pipe
    code = 8
    for page in range(3):
        native.mark_code(DATA + page * PAGE)
    os.write(writer, b"x" * (2 * PAGE))
    assert rax(native, WRITE, writer, DATA, 4) == 4
    assert native.flags(DATA) & code
    assert rax(native, READ, reader, DATA + 10, 2 * PAGE) == 2 * PAGE
    assert not any(native.flags(DATA + page * PAGE) & code for page in range(3))
    assert native.read(DATA + 10, 2 * PAGE) == b"x" * (2 * PAGE)


def test_fixed_sizes(native: Native) -> None:
    native.mark_code(DATA)
    assert rax(native, PIPE, DATA + 4) == 0
    ends = struct.unpack("<II", native.read(DATA + 4, 8))
    os.write(ends[1], b"!")
    assert os.read(ends[0], 1) == b"!"
    for fd in ends:
        os.close(fd)
    assert rax(native, PIPE, 0) == -EFAULT


def test_bit_sets(native: Native, pipe: tuple[int, int]) -> None:
    """fd_sets, of which some are NULL."""
    reader, writer = pipe
    os.write(writer, b"!")
    bits = 1 << reader | 1 << writer
    native.mark_code(DATA)
    native.write(DATA, bits.to_bytes(16, "little"))
    native.write(DATA + 64, bits.to_bytes(16, "little"))
    native.write(DATA + 128, bytes(16))
    assert rax(native, SELECT, writer + 1, DATA, DATA + 64, 0, DATA + 128) == 2
    assert int.from_bytes(native.read(DATA, 16), "little") == 1 << reader
    assert int.from_bytes(native.read(DATA + 64, 16), "little") == 1 << writer


def test_in_and_out(native: Native, pipe: tuple[int, int]) -> None:
    """poll; the upper half of a 32-bit count is ignored."""
    reader, writer = pipe
    os.write(writer, b"!")
    native.mark_code(DATA)
    native.write(DATA, struct.pack("<ihh", reader, select.POLLIN, 0))
    assert rax(native, POLL, DATA, 1 | 5 << 32, 0) == 1
    assert struct.unpack("<ihh", native.read(DATA, 8)) == (reader, select.POLLIN, select.POLLIN)


def test_length_behind_a_pointer(native: Native) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        name = b"\0native-" + str(os.getpid()).encode()
        unix.bind(name)
        for page in range(2):
            native.mark_code(DATA + page * PAGE)
        native.write(DATA + PAGE, struct.pack("<I", 100))
        assert rax(native, GETSOCKNAME, unix.fileno(), DATA, DATA + PAGE) == 0
        (length,) = struct.unpack("<I", native.read(DATA + PAGE, 4))
        assert native.read(DATA + 2, length - 2) == name
        assert rax(native, GETSOCKNAME, unix.fileno(), DATA, UNMAPPED) == -EFAULT
        assert rax(native, GETSOCKNAME, unix.fileno(), UNMAPPED, DATA + PAGE) == -EFAULT


# --- iovecs ---


def test_iovecs(native: Native, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    native.write(DATA, b"onetwothree")
    array = iovecs(native, (DATA, 3), (0, 0), (DATA + 6, 5), (DATA + 3, 3))
    assert rax(native, WRITEV, writer, *array) == 11
    native.mark_code(DATA + 2 * PAGE)
    array = iovecs(native, (DATA + 2 * PAGE, 4), (DATA + 3 * PAGE - 2, 100))
    assert rax(native, READV, reader, *array) == 11
    assert native.read(DATA + 2 * PAGE, 4) == b"onet"
    assert native.read(DATA + 3 * PAGE - 2, 8) == b"hreetwo\0"


@pytest.mark.parametrize("address", BAD)
def test_bad_iovecs(native: Native, pipe: tuple[int, int], address: int) -> None:
    reader, writer = pipe
    assert rax(native, WRITEV, writer, address, 1) == -EFAULT
    assert rax(native, WRITEV, writer, *iovecs(native, (address, 4))) == -EFAULT
    os.write(writer, b"data")
    assert rax(native, READV, reader, *iovecs(native, (address, 4))) == -EFAULT


@pytest.mark.parametrize("count", [1025, 1 << 31, 0xFFFF_FFFF])
def test_too_many_iovecs(native: Native, pipe: tuple[int, int], count: int) -> None:
    assert rax(native, WRITEV, pipe[1], IOVECS, count) == -EINVAL


def test_the_count_of_iovecs_has_32_bits(native: Native, pipe: tuple[int, int]) -> None:
    """Linux looks at no more; the buffers must be checked all the same."""
    array, count = iovecs(native, (HOST_ONLY, 4))
    assert rax(native, WRITEV, pipe[1], array, 1 << 63 | count) == -EFAULT
    array, count = iovecs(native, (DATA, 4))
    assert rax(native, WRITEV, pipe[1], array, 1 << 63 | count) == 4


def test_the_most_iovecs(native: Native, pipe: tuple[int, int]) -> None:
    native.write(IOVECS, b"".join(struct.pack("<QQ", DATA, 1) for _ in range(1024)))
    assert rax(native, WRITEV, pipe[1], IOVECS, 1024) == 1024
    assert rax(native, WRITEV, pipe[1], 0, 0) == 0


# --- signals ---


def test_nothing_begins_with_an_interrupt(native: Native, pipe: tuple[int, int]) -> None:
    result = native.call(WRITE, pipe[1], DATA, 1, interrupt=1)
    assert (result.done, result.rax, result.error) == (False, WRITE, NEVER_BEGAN)
    assert (result.stop, result.interrupt) == (_engine.STOP_SYSCALL_INTERRUPTED, 0)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 1)


def test_an_interrupted_call_stops(native: Native) -> None:
    reader, writer = os.pipe()
    before = signal.signal(signal.SIGALRM, lambda *_: None)  # without SA_RESTART
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        result = native.call(READ, reader, DATA, 1)
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(reader)
        os.close(writer)
    assert (result.done, result.rax, result.error) == (False, READ, -4)
    assert result.stop == _engine.STOP_SYSCALL_INTERRUPTED


# --- cost ---


def test_the_native_path_is_cheap() -> None:
    """Near a plain function around the instruction: 30 ns more on an idle machine."""
    native = Native(CALLS, False)
    native.map(BASE, PAGE, RW)
    with open("/dev/null", "r+b", buffering=0) as null:  # noqa: PTH123
        runs = [native.nanoseconds(READ, null.fileno(), BASE, 100, rounds=5000) for _ in range(80)]
    native.close()
    ours, plain = (min(run[i] for run in runs) for i in (0, 1))
    assert ours < 1.5 * plain + 60
