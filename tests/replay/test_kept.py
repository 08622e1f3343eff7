"""ELF files are whole in a recording, each once; parts of other files are there alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blink.replay import notes
from blink.replay.kept import KeptFiles
from blink.replay.log import PAGE, Log, LogFull
from blink.replay.notes import Blobs

ELF = b"\x7fELF" + bytes(range(256)) * 64


@pytest.fixture
def log() -> Log:
    return Log.create(os.memfd_create("log"), 1 << 20)


def add(blobs: Blobs, path: Path, offset: int, length: int) -> tuple[int, int]:
    fd = os.open(path, os.O_RDONLY)
    try:
        return blobs.add(fd, os.fsencode(path), offset, length)
    finally:
        os.close(fd)


def kept(log: Log) -> KeptFiles:
    return KeptFiles(os.dup(log.fd))


def test_parts_of_an_elf_file_lie_in_the_whole(log: Log, tmp_path: Path) -> None:
    path, blobs = tmp_path / "program", Blobs(log, pytest.fail)
    path.write_bytes(ELF)
    at, length = add(blobs, path, PAGE, PAGE)
    used = log.used
    assert add(blobs, path, 3 * PAGE, 8 * PAGE) == (at + 2 * PAGE, len(ELF) - 3 * PAGE)
    assert add(blobs, path, 8 * PAGE, PAGE)[1] == 0
    assert log.used == used and at % PAGE == 0
    assert log.view[at : at + length] == ELF[PAGE : 2 * PAGE]
    files = kept(log)
    with files.open(str(path)) as file:
        assert file.read() == ELF
    assert files.name(str(path)) == str(path)
    files.close()
    with pytest.raises(FileNotFoundError):
        files.open(str(path))


def test_of_two_builds_the_last_one_counts(log: Log, tmp_path: Path) -> None:
    path, other, blobs = tmp_path / "program", tmp_path / "other", Blobs(log, pytest.fail)
    for file, data in ((path, ELF), (other, ELF[:-1]), (path, ELF + b"new")):
        file.unlink(missing_ok=True)
        file.write_bytes(data)
        add(blobs, file, 0, PAGE)
    files = kept(log)
    assert files.open(str(path)).read() == ELF + b"new"
    assert files.open(str(other)).read() == ELF[:-1]
    files.close()


def test_other_files_and_large_ones_are_there_in_parts(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "_WHOLE", len(ELF) - 1)
    said: list[str] = []
    for name, data in (("large", ELF), ("text", b"x" * len(ELF))):
        path, blobs = tmp_path / name, Blobs(log, said.append)
        path.write_bytes(data)
        for _ in range(2):
            at, length = add(blobs, path, PAGE, PAGE)
        assert log.view[at : at + length] == data[PAGE : 2 * PAGE]
        assert log.files == 0
    assert len(said) == 1 and "large is larger than" in said[0]


def test_a_file_that_does_not_fit(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(ELF + bytes(1 << 20))
    used = log.used
    with pytest.raises(LogFull):
        add(Blobs(log, pytest.fail), path, 0, PAGE)
    assert (log.used, log.files) == (used, 0)
