"""Mutated ELF files: only LoadError comes out, nothing hangs or grows, and the host agrees."""

from __future__ import annotations

import errno
import os
import random
import struct
import subprocess
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from blink.abi.layout import GUEST_MIN, IMAGE_TOP, PAGE
from blink.loader import Image, LoadError, load, open_program
from loader.elfs import EHDR, EHDR_FIELDS, PHDR, PHDR_FIELDS, PT_GNU_STACK, elf, phdr, save
from loader.fakes import BlankMemory, place, plain_stack
from loader.native import Server

# Values at which something changes: sizes, pages, the ends of user, guest and 64-bit addresses.
EDGES = (
    *(0, 1, 2, 3, 4, 7, 32, 55, 56, 57, 62, 63, 64, 255, 256, 0xFFF, 0x1000, 0x1001, 0xFFFF),
    *(GUEST_MIN, GUEST_MIN - 1, 0x3F_FFFF, 0x40_0000, 0x40_0800, 1 << 31, 1 << 32, (1 << 32) - 1),
    *(IMAGE_TOP, IMAGE_TOP - PAGE, 1 << 45, 1 << 47, (1 << 47) - PAGE, 1 << 48, 1 << 63),
    *((1 << 63) - 1, (1 << 64) - 1, (1 << 64) - PAGE, PT_GNU_STACK),
)
EHDR_STARTS = (0, 16, 18, 20, 24, 32, 40, 48, 52, 54, 56, 58, 60, 62, 64)
PHDR_STARTS = (0, 4, 8, 16, 24, 32, 40, 48, 56)
INTERP = b"/interp"

pytestmark = pytest.mark.timeout(600)  # the all tier searches for minutes


def set_field(rng: random.Random, data: bytearray, base: int, starts: tuple[int, ...]) -> None:
    """Puts an edge value, or one near the old one, into one field of a header at `base`."""
    index = rng.randrange(len(starts) - 1)
    start, end = base + starts[index], base + starts[index + 1]
    if end > len(data):
        return
    size = end - start
    value = rng.choice(EDGES)
    if rng.random() < 0.4:
        old = int.from_bytes(data[start:end], "little")
        value = old + rng.choice((-PAGE, -8, -1, 1, 8, PAGE, 1 << 20, 1 << 30, 1 << 40))
    data[start:end] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")


def mutate(rng: random.Random, original: bytes) -> bytes:
    """One to four changes: fields of the headers, bits, bytes, copies, truncation."""
    data = bytearray(original)
    for _ in range(rng.randrange(1, 5)):
        kind = rng.random()
        if kind < 0.2:
            set_field(rng, data, 0, EHDR_STARTS)
        elif kind < 0.7:
            set_field(rng, data, 64 + 56 * rng.randrange(14), PHDR_STARTS)
        elif kind < 0.8 and data:
            data[rng.randrange(min(len(data), 1024))] ^= 1 << rng.randrange(8)
        elif kind < 0.9 and data:
            data[rng.randrange(min(len(data), 1024))] = rng.randrange(256)
        elif kind < 0.95 and len(data) > 64 + 56 * 15:
            at, to = (64 + 56 * rng.randrange(14) for _ in range(2))
            data[to : to + 56] = data[at : at + 56]
        else:
            del data[rng.choice((rng.randrange(len(data) + 1), rng.randrange(1200))) :]
    return bytes(data)


@pytest.fixture(scope="module")
def originals(need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Valid files of all kinds; those with PT_INTERP name INTERP."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "main.c").write_text("int zeros[99999]; int main() { return zeros[1]; }")
    flags = "-static", "-static-pie -fPIE", "-pie -fPIE", "-no-pie", "-Wl,-z,noseparate-code"
    files = [Path("/bin/true").read_bytes(), Path("/lib64/ld-linux-x86-64.so.2").read_bytes()]
    for index, options in enumerate(flags):
        output = folder / str(index)
        command = [need("gcc"), "-s", *options.split(), "-o", output, folder / "main.c"]
        subprocess.run(command, check=True, timeout=60)
        files.append(output.read_bytes())
    found = [
        data.replace(b"/lib64/ld-linux-x86-64.so.2\0", INTERP.ljust(28, b"\0")) for data in files
    ]
    small = elf(phdr(), phdr(vaddr=0x50_0000, filesz=0x123, memsz=0x5432, flags=6), size=0x1800)
    return [*found, small, elf(phdr(vaddr=0), type=3, entry=0x800)]


class Files:
    """open_file of the fuzzed program and interpreter; both live in memory."""

    def __init__(self, program: bytes, interp: bytes) -> None:
        self.contents = {b"/program": program, INTERP: interp}

    def __call__(self, path: bytes) -> int:
        data = self.contents.get(path)
        if data is None:
            raise OSError(errno.ENOENT, "absent")
        fd = os.memfd_create("fuzz")
        os.write(fd, data)
        return fd


def run(files: Files) -> Image | None:
    """Loads with every check of BlankMemory; None for a LoadError."""
    memory = BlankMemory()
    try:
        with open_program(b"/program", [b"a"], [b"b"], open_file=files) as program:
            image = load(program, memory, place=place)
            plain_stack(memory, image, program)
    except LoadError as error:
        assert error.message.isprintable()
        assert error.errno in errno.errorcode
        return None
    check(image, memory)
    return image


def check(image: Image, memory: BlankMemory) -> None:
    spans = [image.span, *([image.interp_span] if image.interp_span else [])]
    for start, end in spans:
        assert GUEST_MIN <= start < end <= IMAGE_TOP
        assert start % PAGE == end % PAGE == 0
    for segment in image.segments[:-1]:
        assert any(start <= segment.start < segment.end <= end for start, end in spans)
    assert image.brk == image.span[1]
    assert image.start_rip < IMAGE_TOP
    assert image.entry < IMAGE_TOP
    assert image.rsp % 16 == 0
    assert memory.mapped <= 2 * (64 << 30) + (8 << 20)


def cases(rng: random.Random, originals: list[bytes], seconds: float) -> Iterator[Files]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        program, interp = rng.choice(originals), originals[1]
        if rng.random() < 0.3 and INTERP in program:
            interp = mutate(rng, interp)
        else:
            program = mutate(rng, program)
        yield Files(program, interp)


def test_only_load_errors(originals: list[bytes], quota: float, seed: int) -> None:
    loaded = refused = 0
    slowest = 0.0
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for files in cases(random.Random(seed), originals, max(quota, 5.0)):
        begin = time.thread_time()
        try:
            good = run(files) is not None
        except Exception as error:
            failed = Path(f"/tmp/blink-fuzz-{seed}")
            failed.write_bytes(files.contents[b"/program"])
            failed.with_suffix(".interp").write_bytes(files.contents[INTERP])
            raise AssertionError(f"seed {seed}: kept as {failed}") from error
        slowest = max(slowest, time.thread_time() - begin)
        loaded += good
        refused += not good
    print(f"seed {seed}: {loaded} loaded, {refused} refused, slowest {slowest * 1000:.1f} ms")
    assert loaded > 50
    assert refused > 50
    assert slowest < 0.5
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_absurd_sizes_cost_no_memory(originals: list[bytes], seed: int) -> None:
    tracemalloc.start()
    try:
        for files in cases(random.Random(seed), originals, 1.0):
            tracemalloc.reset_peak()
            floor = tracemalloc.get_traced_memory()[0]
            run(files)
            assert tracemalloc.get_traced_memory()[1] - floor < 4 << 20
    finally:
        tracemalloc.stop()


def test_every_truncation(originals: list[bytes]) -> None:
    """Cut anywhere in the headers, or where it hurts a segment, a program is refused."""
    for data in originals:
        end = last_byte(data)
        for size in (*range(64 + 56 * 2), *range(64, end, 997), end - 1):
            assert run(Files(data[:size], originals[1])) is None
        assert run(Files(data[:end], originals[1])) is not None


def last_byte(data: bytes) -> int:
    """The end of what an ELF file's program headers ask for."""
    header = dict(zip(EHDR_FIELDS, EHDR.unpack_from(data), strict=True))
    ends = [header["phoff"] + 56 * header["phnum"]]
    for fields in PHDR.iter_unpack(data[header["phoff"] : ends[0]]):
        values = dict(zip(PHDR_FIELDS, fields, strict=True))
        if values["type"] in (1, 3):
            ends.append(values["offset"] + values["filesz"])
    return max(ends)


def test_the_host_agrees(originals: list[bytes], quota: float, seed: int, tmp_path: Path) -> None:
    """What execve(2) refuses, we refuse with the same errno; what it starts, we start, too, or say
    why not (fatal).  No mutated code runs: the process is stopped before its first instruction.
    """
    rng = random.Random(seed)
    # A name as long as INTERP, relative to the folder that the program starts in.
    interp = save(tmp_path / "interp", originals[1])
    path = os.fsencode(tmp_path / "program")
    counts = {"started": 0, "refused": 0, "killed": 0, "stricter": 0}
    with Server(cwd=tmp_path) as host:
        for files in cases(rng, originals, quota):
            program = files.contents[b"/program"].replace(INTERP, b"interp\0")
            files.contents = {path: program, b"interp": files.contents[INTERP]}
            save(tmp_path / "program", program)
            with suppress(OSError):
                save(Path(os.fsdecode(interp)), files.contents[b"interp"])
            number = host.exec(path, [b"a"], {})[0]
            ours = open_error(path, files)
            kind = judge(number, ours)
            assert kind, f"seed {seed}: host {number}, ours {ours and (ours.errno, ours.message)}"
            counts[kind] += 1
    print(f"seed {seed}: {counts}")
    assert min(counts["started"], counts["refused"], counts["killed"]) > 0


def open_error(path: bytes, files: Files) -> LoadError | None:
    try:
        with open_program(path, [b"a"], [], open_file=files) as program:
            load(program, BlankMemory(), place=place)
    except LoadError as error:
        return error
    return None


def judge(host: int, ours: LoadError | None) -> str:
    """Names how the answers agree; empty when they do not."""
    if host > 0:  # refused before the point of no return
        return "refused" if ours and ours.errno == host and not ours.fatal else ""
    if ours is None:
        return "killed" if host < 0 else "started"
    if not ours.fatal and "is a " not in ours.message:  # wrong class or byte order alone
        return ""
    return "killed" if host < 0 else "stricter"


def test_random_bytes(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(3000):
        front = rng.choice((b"", b"#!", b"\x7fELF", b"\x7fELF\2\1\1" + bytes(9)))
        body = rng.randbytes(rng.choice((0, 10, 50, 100, 300)))
        if rng.random() < 0.5:
            front += struct.pack("<HHI", 2, 62, 1) if len(front) == 16 else b""
        assert run(Files(front + body, b"")) is None or front == b""
