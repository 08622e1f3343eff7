"""Images and stacks, byte for byte as the host kernel makes them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blink.abi.layout import PAGE, PIE_BASE, STACK_TOP
from blink.loader import Image, LoadError, build_stack, load, open_program
from loader.elfs import BASE, PT_GNU_STACK, elf, phdr, save, with_interp
from loader.fakes import FakeMemory, place, plain_stack
from loader.native import Snapshot, snapshot

SOURCE = """
#include <stdio.h>
static int words[300000] = {1, 2, 3};
static char zeros[5000000];
__thread int thread_local = 7;
int main(int argc, char **argv) { printf("%d %d\\n", words[argc] + thread_local, zeros[argc]); }
"""
# Name: compiler and flags; each is another shape of image.
BUILDS = {
    "static": "gcc -static",
    "static-pie": "gcc -static-pie -fPIE",
    "pie": "gcc -pie -fPIE",
    "no-pie": "gcc -no-pie",
    "one-segment": "gcc -Wl,-z,noseparate-code",
    "exec-stack": "gcc -Wl,-z,execstack",
    "wide-align": "gcc -pie -fPIE -Wl,-z,max-page-size=0x200000",
    "wide-static": "gcc -static -Wl,-z,max-page-size=0x200000",
    "wide-static-pie": "gcc -static-pie -fPIE -Wl,-z,max-page-size=0x200000",
    "linked-low": "gcc -no-pie -Wl,-Ttext-segment=0x10000000",
    "musl-static": "musl-gcc -static",
    "musl": "musl-gcc",
}
INSTALLED = ["true", "bash", "perl", "busybox", "ls", "/usr/bin/python3"]
# AT_SYSINFO_EHDR (we have no vDSO) and AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN.
HOST_ONLY = {33, 27, 28}
ENV = {b"PATH": b"/bin", b"EMPTY": b"", b"LANG": b"C.UTF-8", b"LONG": b"x" * 5000}
ENV_LIST = [key + b"=" + value for key, value in ENV.items()]
NATIVE_TOP = 0x7FFF_FFFF_F000
REGISTERS = "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15".split()


@pytest.fixture(scope="module")
def build(need: Callable[[str], str]) -> Iterator[Callable[[str], bytes]]:
    """A function that compiles SOURCE as BUILDS says and returns the program's path."""
    folder = Path(tempfile.mkdtemp(prefix="blink-loader-"))
    (folder / "main.c").write_text(SOURCE)

    def make(name: str) -> bytes:
        compiler, *flags = BUILDS[name].split()
        output = folder / name
        if not output.exists():
            command = [need(compiler), "-O1", *flags, "-o", output, folder / "main.c"]
            subprocess.run(command, check=True, timeout=60)
        return os.fsencode(output)

    yield make
    shutil.rmtree(folder)


# auxv keys -> values that the image does not decide: ids, hardware.
OURS = {11: 1, 12: 2, 13: 3, 14: 4, 16: 5, 26: 2, 51: 2048}


def start(
    path: bytes, argv: list[bytes], env: list[bytes], native: Snapshot | None = None
) -> tuple[FakeMemory, Image]:
    """Loads a program; with the stack's top, ids and random bytes of `native` if that is given."""
    top = NATIVE_TOP if native else STACK_TOP
    memory = FakeMemory(top=top)
    auxv = dict(pairs(native.auxv)) if native else {}
    random16 = native.read(auxv[25], 16) if native else bytes(range(16))
    with open_program(path, argv, env) as program:
        image = load(program, memory, place=place)
        build_stack(
            memory,
            image,
            program.argv,
            program.env,
            values={key: auxv.get(key, value) for key, value in OURS.items()},
            random16=random16,
            execfn=program.path,
            stack_top=top,
        )
    return memory, image


def pairs(auxv: bytes) -> list[tuple[int, int]]:
    """(key, value) up to and including AT_NULL."""
    words = list(struct.iter_unpack("<QQ", auxv))
    return [(key, value) for key, value in words[: [key for key, _ in words].index(0) + 1]]


@pytest.fixture(scope="module", params=[*BUILDS, *INSTALLED])
def both(
    request: pytest.FixtureRequest, build: Callable[[str], bytes], need: Callable[[str], str]
) -> tuple[Snapshot, FakeMemory, Image]:
    """One program, loaded by the host and by us."""
    name = request.param
    path = build(name) if name in BUILDS else os.fsencode(os.path.realpath(need(name)))
    argv = [b"name", b"", b"an argument", b"\xff\xfe"]
    native = snapshot(path, argv, ENV)
    return native, *start(path, argv, ENV_LIST, native)


Pages = dict[int, tuple[int, bytes, int, bytes]]


def native_pages(native: Snapshot) -> Pages:
    """Protection, file, offset and digest of every page that the host mapped from the program."""
    pages: Pages = {}
    for start, end, prot, offset, name in native.maps:
        if name.startswith(b"[") and name != b"[heap]":
            continue
        for page in range(start, end, PAGE):
            file = b"" if name == b"[heap]" else name
            data = native.read(page, PAGE)
            pages[page] = prot, file, offset + page - start if file else 0, digest(data)
    return pages


def our_pages(memory: FakeMemory, image: Image, native: Snapshot) -> Pages:
    """The same of our image, moved to where the host put its own."""
    auxv = dict(pairs(native.auxv))
    shift = {"main": auxv[9] - image.entry, "interp": auxv[7] - image.interp_base}
    pages: Pages = {}
    visible = {}
    for segment in image.segments:  # a later one replaces what it covers
        if segment.kind == "stack":
            continue
        for page in range(segment.start, segment.end, PAGE):
            offset = segment.offset + page - segment.start if segment.path else 0
            state = segment.prot, os.path.realpath(segment.path) if segment.path else b"", offset
            pages[page + shift[segment.kind]] = *state, digest(memory.read(page, PAGE))
            visible[page] = segment.prot
    assert visible == {page: memory.prot(page) for page in visible}
    return pages


def digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def test_image_equals_the_hosts(both: tuple[Snapshot, FakeMemory, Image]) -> None:
    native, memory, image = both
    theirs, ours = native_pages(native), our_pages(memory, image, native)
    assert sorted(map(hex, ours)) == sorted(map(hex, theirs))
    for page in theirs:
        assert ours[page] == theirs[page], f"{page:#x}"


def test_entry_state_equals_the_hosts(both: tuple[Snapshot, FakeMemory, Image]) -> None:
    native, _, image = both
    auxv = dict(pairs(native.auxv))
    interp_shift = auxv[7] - image.interp_base if image.interp_span else auxv[9] - image.entry
    assert native.regs["rip"] == image.start_rip + interp_shift
    moved = not image.interp_span and image.base  # Linux puts static PIEs and their brk apart
    assert moved or native.start_brk == image.brk + auxv[9] - image.entry
    assert {name: native.regs[name] for name in REGISTERS} == dict.fromkeys(REGISTERS, 0)


def test_stack_equals_the_hosts(both: tuple[Snapshot, FakeMemory, Image]) -> None:
    """Every byte but those of auxv, which is shorter by what only the host has."""
    native, memory, image = both
    theirs, ours = pairs(native.auxv), pairs(image.auxv)
    extra = [key for key, _ in theirs if key in HOST_ONLY]
    rsp = native.regs["rsp"]
    assert image.rsp == rsp + 16 * len(extra)
    size = 8 * (1 + 4 + 1 + len(ENV) + 1)  # argc, argv, NULL, envp, NULL
    assert memory.read(image.rsp, size) == native.read(rsp, size)
    assert memory.read(image.rsp + size, len(image.auxv)) == image.auxv
    random_at = dict(ours)[25]
    assert random_at == dict(theirs)[25]
    end = image.rsp + size + len(image.auxv)
    assert memory.read(end, random_at - end) == bytes(random_at - end)
    rest = NATIVE_TOP - random_at
    assert memory.read(random_at, rest) == native.read(random_at, rest)
    stack = image.segments[-1]
    assert (stack.kind, stack.end, stack.prot) == ("stack", NATIVE_TOP, native.region(rsp)[2])


def test_auxv_equals_the_hosts(both: tuple[Snapshot, FakeMemory, Image]) -> None:
    native, memory, image = both
    theirs = [(key, value) for key, value in pairs(native.auxv) if key not in HOST_ONLY]
    shift = dict(theirs)[9] - image.entry
    interp_shift = dict(theirs)[7] - image.interp_base
    moved = {3: shift, 9: shift, 7: interp_shift}
    ours = [(key, value + moved.get(key, 0)) for key, value in pairs(image.auxv)]
    assert ours == theirs
    assert memory.read(image.arg_start, image.arg_end - image.arg_start) == native.cmdline
    assert memory.read(image.env_start, image.env_end - image.env_start) == native.environ


def load_data(tmp_path: Path, data: bytes, memory: FakeMemory | None = None) -> Image:
    """Loads an ELF that is given as bytes."""
    with open_program(save(tmp_path / "program", data), [b"program"], []) as program:
        return load(program, memory or FakeMemory(), place=place)


def spans(image: Image) -> list[tuple[int, int, int, str]]:
    return [(item.start, item.end, item.prot, item.kind) for item in image.segments]


@pytest.mark.parametrize(
    ("flags", "filesz", "memsz", "expected"),
    [
        (6, 0x800, 0x800, [(0, 1, 3)]),
        (6, 0x800, 0x1000, [(0, 1, 3)]),
        (6, 0x800, 0x1001, [(0, 1, 3), (1, 2, 3)]),
        (4, 0x800, 0x3000, [(0, 1, 1), (1, 3, 3)]),  # bss is writable, whatever the flags
        (5, 0x1000, 0x2000, [(0, 1, 5), (1, 2, 7)]),
        (7, 0x2000, 0x2000, [(0, 2, 7)]),
        (6, 0, 0x1800, [(0, 2, 3)]),
        (0, 0x1000, 0x1000, [(0, 1, 0)]),
        (6, 0, 0, []),
    ],
)
def test_pages_of_a_segment(
    tmp_path: Path, flags: int, filesz: int, memsz: int, expected: list[tuple[int, int, int]]
) -> None:
    at = BASE + 0x10000
    second = phdr(vaddr=at, offset=0x1000, flags=flags, filesz=filesz, memsz=memsz)
    image = load_data(tmp_path, elf(phdr(), second, size=0x4000))
    pages = [((start - at) >> 12, (end - at) >> 12, prot) for start, end, prot, _ in spans(image)]
    assert pages[1:] == expected
    assert image.brk == (at + (memsz + 0xFFF & -PAGE) if memsz else BASE + PAGE)
    assert image.span == (BASE, image.brk)


def test_the_page_tail_is_zeroed_only_where_bss_follows(tmp_path: Path) -> None:
    full = {0x1000: b"\xaa" * 0x3000}
    for flags, memsz, tail in ((6, 0x801, b"\0"), (6, 0x800, b"\xaa"), (4, 0x801, b"\xaa")):
        at = BASE + 0x10000
        second = phdr(vaddr=at, offset=0x1000, flags=flags, filesz=0x800, memsz=memsz)
        memory = FakeMemory()
        load_data(tmp_path, elf(phdr(), second, size=0x4000, body=full), memory)
        assert memory.read(at, PAGE) == b"\xaa" * 0x800 + tail * 0x800


def test_segments_in_one_page_the_later_wins(tmp_path: Path) -> None:
    """As old linkers lay text and data out; both views of the page come from the same bytes."""
    text = phdr(filesz=0x600, memsz=0x600)
    data = phdr(vaddr=BASE + 0x600, offset=0x600, filesz=0xA00, memsz=0x1200, flags=6)
    memory = FakeMemory()
    contents = elf(text, data, body={0x5F0: b"t" * 16 + b"d" * 16})
    image = load_data(tmp_path, contents, memory)
    assert memory.prot(BASE) == 3
    assert memory.read(BASE, PAGE) == contents
    assert image.brk == BASE + 0x2000


def test_position_independent_images_move_to_their_place(tmp_path: Path) -> None:
    for low, align in ((0, 0x1000), (0x5000, 0x1000), (0, 1 << 21), (0x40_3000, 1 << 21)):
        header = phdr(vaddr=low, align=align)
        image = load_data(tmp_path, elf(header, type=3, entry=low + 0x800))
        assert image.base % align == 0
        assert PIE_BASE <= image.span[0] < PIE_BASE + align
        assert image.span[0] == image.base + low
        assert image.entry == image.start_rip == image.base + low + 0x800
        assert image.phdr == image.base + low + 64


def test_program_headers_that_no_segment_holds(tmp_path: Path) -> None:
    image = load_data(tmp_path, elf(phdr(offset=0x1000), size=0x2000))
    assert image.phdr == 0


def test_segments_out_of_order(tmp_path: Path) -> None:
    high = phdr(vaddr=BASE + 0x5000, offset=0x1000)
    image = load_data(tmp_path, elf(high, phdr(), size=0x2000))
    assert image.span == (BASE, BASE + 0x6000)
    assert image.brk == BASE + 0x6000


def test_fixed_segments_far_apart(tmp_path: Path) -> None:
    far = phdr(vaddr=1 << 43, offset=0x1000, filesz=0x1000, memsz=0x1000)
    image = load_data(tmp_path, elf(phdr(), far, size=0x2000))
    assert image.span == (BASE, (1 << 43) + 0x1000)
    assert spans(image) == [
        (BASE, BASE + 0x1000, 5, "main"),
        (1 << 43, (1 << 43) + 0x1000, 5, "main"),
    ]


def test_an_image_of_gigabytes_costs_nothing(tmp_path: Path) -> None:
    header = phdr(memsz=48 << 30, flags=6)
    image = load_data(tmp_path, elf(header))
    assert image.brk == BASE + (48 << 30)


def test_interpreter_alignment_is_kept(tmp_path: Path) -> None:
    library = save(tmp_path / "ld.so", elf(phdr(vaddr=0, align=1 << 21), type=3, entry=0x800))
    asked = []

    def low_place(size: int) -> int:
        asked.append(size)
        return 0x2000_1000

    path = save(tmp_path / "program", with_interp(library + b"\0"))
    memory = FakeMemory()
    with open_program(path, [path], []) as program:
        image = load(program, memory, place=low_place)
    assert asked == [PAGE + (1 << 21) - PAGE]
    assert image.interp_base == 0x2020_0000
    assert image.interp_span == (0x2020_0000, 0x2020_1000)
    assert image.start_rip == 0x2020_0800
    assert image.entry == BASE + 0x800
    assert [item.path for item in image.segments] == [path, library]


def test_fixed_interpreter(tmp_path: Path) -> None:
    library = save(tmp_path / "ld", elf(phdr(vaddr=BASE * 4), entry=BASE * 4 + 0x800))
    path = save(tmp_path / "program", with_interp(library + b"\0"))
    with open_program(path, [path], []) as program:
        image = load(program, FakeMemory(), place=lambda size: 1 // 0)
    assert (image.interp_base, image.start_rip) == (0, BASE * 4 + 0x800)
    save(tmp_path / "ld", elf())
    with open_program(path, [path], []) as program, pytest.raises(LoadError) as caught:
        load(program, FakeMemory(), place=place)
    assert caught.value.fatal
    assert "overlap the program's" in caught.value.message


@pytest.mark.parametrize("suffix", ["bin", "img", "raw"])
def test_flat_image(tmp_path: Path, suffix: str) -> None:
    data = bytes(range(256)) * 20
    path = save(tmp_path / f"flat.{suffix}", data, mode=0o644)
    memory, image = start(path, [b"flat"], [])
    assert memory.read(BASE, len(data)) == data
    end = BASE + 0x2000
    assert spans(image)[:2] == [(BASE, end, 7, "flat"), (end, end + (16 << 20), 7, "flat")]
    assert memory.read(BASE + len(data), 0x3000) == bytes(0x3000)
    assert image.start_rip == image.entry == BASE
    assert image.brk == end + (16 << 20)
    assert dict(pairs(image.auxv))[5] == 0


def test_flat_image_only_where_it_is_allowed(tmp_path: Path) -> None:
    path = save(tmp_path / "flat.bin", b"\x90" * 100)
    with pytest.raises(LoadError) as caught:
        open_program(path, [], [], allow_flat=False)
    assert caught.value.errno == errno.ENOEXEC
    save(tmp_path / "elf.bin", elf())
    with open_program(tmp_path / "elf.bin", [], []) as program:
        assert program.flat is None


def test_exec_stack_follows_the_last_header(tmp_path: Path) -> None:
    for flags, prot in (([], 3), ([6], 3), ([7], 7), ([7, 6], 3)):
        headers = [phdr(type=PT_GNU_STACK, flags=bits) for bits in flags]
        path = save(tmp_path / "program", elf(phdr(), *headers))
        _, image = start(path, [b"x"], [])
        assert image.segments[-1].prot == prot


def test_rsp_is_aligned_for_every_shape_of_strings(tmp_path: Path) -> None:
    path = save(tmp_path / "program", elf())
    for count in range(6):
        for length in range(20):
            memory, image = start(path, [b"a" * length] * count, [b"b" * length] * (count // 2))
            assert image.rsp % 16 == 0
            argc = int.from_bytes(memory.read(image.rsp, 8), "little")
            assert argc == max(count, 1)  # an empty argv gets one empty string
            pointer = int.from_bytes(memory.read(image.rsp + 8, 8), "little")
            wanted = b"a" * length if count else b""
            assert memory.read(pointer, len(wanted) + 1) == wanted + b"\0"


def test_a_stack_too_small_for_its_strings(tmp_path: Path) -> None:
    path = save(tmp_path / "program", elf())
    with open_program(path, [b"x" * 100_000], []) as program:
        image = load(program, FakeMemory(), place=place)
        with pytest.raises(LoadError) as caught:
            build_stack(
                FakeMemory(),
                image,
                program.argv,
                [],
                values={},
                random16=bytes(16),
                execfn=path,
                stack_size=0x10000,
            )
    assert (caught.value.errno, caught.value.fatal) == (errno.E2BIG, True)


@pytest.mark.parametrize("call", [1, 2])
def test_a_host_without_memory(tmp_path: Path, call: int) -> None:
    path = save(tmp_path / "program", elf(phdr(memsz=0x5000, flags=6)))
    with open_program(path, [], []) as program, pytest.raises(LoadError) as caught:
        load(program, FakeMemory(refuse=call), place=place)
    assert (caught.value.errno, caught.value.fatal, caught.value.exit_status) == (12, True, 126)
    assert "cannot be mapped" in caught.value.message


def open_files() -> list[str]:
    return os.listdir("/proc/self/fd")  # noqa: PTH208


def test_files_are_closed(tmp_path: Path) -> None:
    script = save(tmp_path / "script", b"#!/bin/bash\n")
    before = open_files()
    with open_program(script, [], []) as program:
        assert len(open_files()) == len(before) + 3  # script, bash, ld.so
    assert open_files() == before
    program.close()


def test_loading_costs_few_calls() -> None:
    """ls and ld.so in well below a millisecond: they are on the way of every start.  Counted are
    calls of functions, which no load of the machine changes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        with open_program(b"/bin/true", [b"true"], ENV_LIST) as program:
            memory = NullMemory()
            plain_stack(memory, load(program, memory, place=place), program)
    finally:
        sys.setprofile(None)
    assert 0 < calls < 500


class NullMemory:
    """Costs nothing, so that only the loader is timed."""

    def map(self, *_: object) -> None: ...

    def write(self, *_: object) -> None: ...

    def zero(self, *_: object) -> None: ...


def test_imports_are_light() -> None:
    """The loader lies on the way of every start."""
    code = "import blink.loader, sys; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"]
    modules = set(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    )
    heavy = "argparse dataclasses enum typing re logging pathlib subprocess inspect ctypes"
    assert not modules & set(heavy.split())
