"""Which names in /proc are the process's own."""

from __future__ import annotations

import os

import pytest

from blink.vfs import proc

PID = b"PID"  # stands for this process's number in the cases


@pytest.mark.parametrize(
    ("directory", "name", "own"),
    [
        (b"/proc/" + PID, b"maps", b"maps"),
        (b"/proc/" + PID + b"/task/" + PID, b"maps", b"maps"),
        (b"/proc/" + PID + b"/task/77", b"exe", b"exe"),
        (b"/proc/" + PID + b"/fd", b"3", b"fd/3"),
        (b"/proc/" + PID + b"/task/" + PID + b"/fdinfo", b"3", b"fdinfo/3"),
        (b"/root/proc/" + PID, b"auxv", b"auxv"),
        (b"/proc/1", b"maps", None),
        (b"/proc", b"self", None),
        (b"/proc", b"cpuinfo", b"/cpuinfo"),
        (b"/proc/" + PID + b"/net", b"unix", None),
        (b"/tmp", b"maps", None),
        (b"/", b"maps", None),
    ],
)
def test_own_names(directory: bytes, name: bytes, own: bytes | None) -> None:
    directory = directory.replace(PID, b"%d" % os.getpid())
    assert proc.own_name(directory, name) == own


@pytest.mark.parametrize(
    ("path", "may"),
    [
        (b"/proc/self/exe", True),
        (b"proc", True),
        (b"../../proc/self", True),
        (b"/dev/fd/3", True),
        (b"/usr/bin/procs", False),
        (b"/sproc/x", False),
        (b"", False),
    ],
)
def test_words_that_may_lead_there(path: bytes, may: bool) -> None:
    assert proc.may_name_proc(path) == may


def test_plain_names() -> None:
    assert proc.plain_name(b"/proc/self/exe") == b"exe"
    for path in (b"/proc/self/fd/3", b"/proc/self/", b"/proc/self/..", b"/proc/1/exe", b"exe"):
        assert proc.plain_name(path) is None


def test_descriptors() -> None:
    assert proc.descriptor(b"fd/12") == 12
    assert proc.descriptor(b"fdinfo/3") == 3
    assert proc.descriptor(b"fd/x") is proc.descriptor(b"fd") is proc.descriptor(b"maps") is None


def test_every_text_has_its_writer() -> None:
    for name, module in proc.TEXTS.items():
        writer = __import__(f"blink.vfs._{module}", fromlist=["x"])
        assert callable(getattr(writer, name.lstrip(b"/").decode()))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"/proc/1/exe", (1, b"exe")),
        (b"/proc/1/maps", (1, b"maps")),
        (b"/proc/1/status", (1, b"status")),
        (b"/proc/1/environ", None),
        (b"/proc/self/exe", None),
        (b"/x/proc/1/exe", None),
        (b"proc/1/exe", None),
        (b"/proc/1/task/1/exe", None),
        (b"/proc/PID/exe", None),
    ],
)
def test_entries_of_other_processes(path: bytes, found: tuple[int, bytes] | None) -> None:
    assert proc.other_entry(path.replace(PID, b"%d" % os.getpid())) == found
