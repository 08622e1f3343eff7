"""Builds the engine's native path of system calls with a table of the test's own definitions."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from pathlib import Path

import toolchain
from blink.codegen import emit_syscalls
from blink.syscalls._spec import Call

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "src" / "blink" / "engine"
FLAGS = "-std=gnu11 -O2 -Wall -Wextra -Werror -fPIC -shared -fvisibility=hidden".split()
FLAGS += "-fno-strict-aliasing -fwrapv -fno-plt -fomit-frame-pointer".split()
U64, U32 = ctypes.c_uint64, ctypes.c_uint32
Six = U64 * 6


@functools.cache
def _library(*calls: Call) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="blink-native-") as folder:
        Path(folder, "_generated_syscalls.h").write_text(emit_syscalls.emit(calls))
        sources = [ROOT / "tests" / "native" / "native_calls.c", ENGINE / "syscall_native.c"]
        sources += [ENGINE / "hostcall.c", ENGINE / "tape.c", *sorted(ENGINE.glob("memory*.c"))]
        path = Path(folder, "native.so")
        command = [*toolchain.compiler(), *FLAGS, f"-I{ENGINE}", f"-I{folder}"]
        subprocess.run([*command, *map(str, sources), "-o", str(path)], check=True, timeout=100)
        library = ctypes.CDLL(str(path))
    library.test_new.restype = ctypes.c_void_p
    library.test_call.restype = library.test_read.restype = library.test_write.restype = (
        ctypes.c_bool
    )
    return library


class Result:
    """What a native call left: whether it was done, RAX, the stop reason and its error."""

    def __init__(self, done: bool, out: list[int]) -> None:
        self.done = done
        self.rax, self.stop, self.error, self.interrupt, self.count = out


class Native:
    """A Cpu with guest memory of its own, which only makes system calls."""

    def __init__(self, calls: tuple[Call, ...], paged: bool) -> None:
        self._library = _library(*calls)
        self._cpu = ctypes.c_void_p(self._library.test_new(paged))
        self._library.test_settings(0, 0, False)

    def close(self) -> None:
        self._library.test_free(self._cpu)

    def hide(self, low: int, high: int, paths: bool = False) -> None:
        self._library.test_settings(low, high, paths)

    def map(self, address: int, length: int, prot: int) -> None:
        assert self._library.test_map(self._cpu, U64(address), U64(length), prot) == 0

    def write(self, address: int, data: bytes) -> None:
        assert self._library.test_write(self._cpu, U64(address), data, U64(len(data)))

    def read(self, address: int, length: int) -> bytes:
        buffer = ctypes.create_string_buffer(length)
        assert self._library.test_read(self._cpu, U64(address), buffer, U64(length))
        return buffer.raw

    def mark_code(self, address: int) -> None:
        assert self._library.test_mark_code(self._cpu, U64(address))

    def flags(self, address: int) -> int:
        return int(self._library.test_flags(self._cpu, U64(address)))

    def call(self, number: int, *args: int, interrupt: int = 0) -> Result:
        out = (ctypes.c_int64 * 5)()
        done = self._library.test_call(self._cpu, U64(number), Six(*args), U32(interrupt), out)
        return Result(done, list(out))

    def nanoseconds(self, number: int, *args: int, rounds: int) -> tuple[float, float]:
        """A native call and the raw host call, each."""
        out = (U64 * 2)()
        self._library.test_time(self._cpu, U64(number), Six(*args), U64(rounds), out)
        return out[0] / rounds, out[1] / rounds
