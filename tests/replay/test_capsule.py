"""Capsules that are damaged, cut off, or somebody else's: one clear line, and no more."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blink.debugger.session import Session
from blink.replay import capsule
from blink.replay.capsule import Capsule
from kernel.test_guests import blink
from replay.test_record import record, run

VERSION_AT, FINISHED_AT, DIGEST_AT = 8, 12, 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    capsule, done = record(tmp_path_factory.mktemp("capsule"), "/bin/sh", "-c", "echo hi")
    assert done.returncode == 0
    return capsule


def complaint(path: Path) -> str:
    """The one line that a replay gives."""
    said = run([*blink("replay"), str(path)], path.parent)
    text = said.stderr.decode()
    assert (said.returncode, said.stdout) == (125, b""), text
    assert text.startswith(f"blink: {path}: ")
    assert text.count("\n") == 1
    return text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"", "no capsule"),
        (lambda data: b"#!/bin/sh\n" * 100, "no capsule"),
        (lambda data: data[: len(data) // 2], "cut off"),
        (lambda data: data[:20], "no capsule"),
        (lambda data: data[:VERSION_AT] + b"\xff" + data[VERSION_AT + 1 :], "a newer blink"),
        (lambda data: data[:VERSION_AT] + b"\1" + data[VERSION_AT + 1 :], "an older blink"),
        (lambda data: data[:FINISHED_AT] + b"\0" + data[FINISHED_AT + 1 :], "damaged"),
        (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "damaged"),
        (lambda data: data[:5000] + bytes([data[5000] ^ 64]) + data[5001:], "damaged"),
    ],
    ids="empty foreign half head newer older unfinished end meta".split(),
)
def test_what_is_wrong(change: object, words: str, whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.cap"
    path.write_bytes(change(whole.read_bytes()))  # type: ignore[operator]
    assert words in complaint(path)


def test_another_make_of_cpu_is_named(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Capsule.open(str(whole))
    assert opened.meta["vendor"] == capsule.processor() != ""
    assert opened.foreign() == ""
    monkeypatch.setattr(capsule, "processor", lambda: "Another")
    assert opened.foreign().startswith(f"it was recorded on a CPU of {opened.meta['vendor']}, this")


def test_no_such_file_and_no_file(tmp_path: Path) -> None:
    assert "No such file" in complaint(tmp_path / "absent.cap")
    (tmp_path / "folder").mkdir()
    complaint(tmp_path / "folder")


def test_any_byte(whole: Path, tmp_path: Path) -> None:
    """Whatever byte changes, it is noticed before anything runs."""
    chance = random.Random(int(os.environ["BLINK_SEED"]))
    data = whole.read_bytes()
    for _ in range(5):
        at = chance.choice(
            (chance.randrange(12), 16 + chance.randrange(40), chance.randrange(4096, len(data)))
        )
        path = tmp_path / "bad.cap"
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        complaint(path)


def unfinished(data: bytes) -> bytearray:
    """As a recorder that was killed leaves it: nothing tells whether the bytes are right."""
    left = bytearray(data)
    left[FINISHED_AT : FINISHED_AT + 4] = bytes(4)
    left[DIGEST_AT : DIGEST_AT + 16] = bytes(16)
    return left


def verified(path: Path) -> tuple[int, str]:
    said = run([*blink("replay", "--verify"), str(path)], path.parent)
    return said.returncode, said.stderr.decode()


@pytest.mark.ci
def test_any_byte_of_what_was_not_finished(whole: Path, tmp_path: Path) -> None:
    """Nobody can notice it before the program runs; it ends with a line all the same."""
    chance = random.Random(int(os.environ["BLINK_SEED"]))
    data, path = unfinished(whole.read_bytes()), tmp_path / "bad.cap"
    heads = [at for at in range(4096, len(data), 8) if 0 < data[at + 4] < 8 and data[at] > 31]
    for _ in range(8):
        bad = bytearray(data)
        bad[chance.choice(heads) + chance.randrange(48)] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        status, text = verified(path)
        assert status in (0, 50, 125), text
        assert text.count("\n") <= 1


def test_a_recorder_that_was_killed(tmp_path: Path) -> None:
    capsule = tmp_path / "it.cap"
    command = [*blink("record", "-o", str(capsule)), "/bin/sh", "-c"]
    command.append("i=0; while :; do i=$((i+1)); echo $i; done")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.readline() != b"200\n":
            pass
        process.kill()
    said = run([*blink("replay"), str(capsule)], tmp_path)
    assert said.returncode == 0
    assert said.stdout.startswith(b"1\n2\n3\n")
    assert b"\n199\n" in said.stdout  # what is written is noted when the call has ended
    text = "the recording was not finished: its program, or blink, was killed"
    assert said.stderr.decode() == f"blink: {text}\n"
    with Session.open(str(capsule)) as session:
        session.cont()
        assert session.wait(100).reason == "end"
        session.reverse_step()
        assert session.wait(100).time == session.end - 1


def test_no_room_for_a_recording(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(20_000_000))
    command = [*blink("record", "-o", "it.cap"), "dd", "if=big", "of=/dev/null", "bs=1M"]
    before = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (12_000_000,) * 2)"
    )
    script = f"{before}; os.execv(sys.argv[1], sys.argv[1:])"
    said = run([sys.executable, "-c", script, *command], tmp_path)
    assert said.returncode == 0
    assert b"the recording ends here: its limit is reached" in said.stderr
    assert verified(tmp_path / "it.cap") == (
        0,
        "blink: the recording ends before the program does\n",
    )


def test_an_interrupt_ends_a_recording_well(tmp_path: Path) -> None:
    command = [*blink("record", "-o", "it.cap"), "/bin/sh", "-c", "echo on; while :; do :; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(100) == -signal.SIGINT
    said = run([*blink("replay", "--verify"), "it.cap"], tmp_path)
    assert said.stdout.endswith(b"killed by signal 2\n")


def test_a_command_line_that_makes_no_sense(tmp_path: Path) -> None:
    for words, text in (
        (["record", "/bin/true"], b"record needs -o FILE"),
        (["record", "-o", "x"], b"no program was named"),
        (["record", "-o", "x", "-l", "7Q", "/bin/true"], b"is no size"),
        (["record", "-o", "x", "-s", "/bin/true"], b"there is no option -s"),
        (["record", "-o", "x", "--doctor", "/bin/true"], b"there is no option --doctor"),
        (["replay"], b"replay needs one capsule"),
        (["replay", "a", "b"], b"replay needs one capsule"),
        (["replay", "--diff", "a"], b"--diff needs two capsules"),
        (["replay", "-Vs", "a"], b"-s does not go with -V"),
        (["replay", "--gdb=x1", "a"], b"x1 is neither PORT nor HOST:PORT"),
    ):
        said = run(blink(*words), tmp_path)
        assert said.returncode == 48
        assert text in said.stderr
        assert not (tmp_path / "x").exists()


def test_what_cannot_be_recorded(tmp_path: Path) -> None:
    said = run(blink("record", "-o", "it.cap", "/no/such/program"), tmp_path)
    assert said.returncode == 127
    assert not (tmp_path / "it.cap").exists()
    said = run(blink("record", "-o", "no/folder/it.cap", "/bin/true"), tmp_path)
    assert said.returncode == 125
    assert b"No such file" in said.stderr
