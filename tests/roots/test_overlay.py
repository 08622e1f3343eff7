"""Overlays, mounts and what they show, against directories of the host."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "guests"
SOURCE = Path(__file__).parents[2] / "src"
BLINK = [
    *(sys.executable, "-I", "-S", "-c"),
    f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    "sys.exit(main())",
]
COUNTS = {"unit": 1, "ci": 6, "all": 200}


def run(
    folder: Path, *words: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BLINK, *words],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/bin", "TMPDIR": str(folder), **(env or {})},
    )


def built(folder: Path, gcc: str, name: str) -> Path:
    command = [gcc, "-O1", "-static", "-w", "-o", str(folder / name), str(HERE / f"{name}.c")]
    subprocess.run(command, check=True, timeout=60)
    return folder / name


@pytest.fixture(scope="session")
def fsops(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    return built(tmp_path_factory.mktemp("fsops"), need("gcc"), "fsops")


def tree(folder: Path, fsops: Path) -> None:
    (folder / "L0" / "L2").mkdir(parents=True)
    (folder / "L1").mkdir()
    for place in (".", "L0", "L1", "L0/L2"):
        for name in ("f0", "f1", "f2"):
            (folder / place / name).write_text(f"{place} {name}\n")
        (folder / place / "s0").symlink_to("f1")
    shutil.copy(fsops, folder / "fsops")


def described(folder: Path) -> list[tuple[str, int, int, int]]:
    found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    return [(str(path), s.st_mode, s.st_mtime_ns, s.st_size) for path, s in found]


def test_random_calls_are_as_in_a_directory(
    fsops: Path, tmp_path: Path, seed: int, tier: str
) -> None:
    """Twice over the same upper directory; the lower one stays as it was."""
    dice = random.Random(seed)
    for number in range(COUNTS[tier]):
        native, lower, upper = (tmp_path / f"{name}{number}" for name in ("native", "low", "up"))
        upper.mkdir()
        tree(native, fsops)
        subprocess.run(["cp", "-a", str(native), str(lower)], check=True, timeout=60)
        before = described(lower)
        for _ in range(2):
            words = [str(dice.randrange(1 << 32)), "300"]
            expected = subprocess.run(
                ["./fsops", *words], cwd=native, capture_output=True, text=True, check=True
            )
            got = run(tmp_path, "-N", "-C", str(lower), "-U", str(upper), "/fsops", *words)
            assert got.stdout.splitlines() == expected.stdout.splitlines(), (words, got.stderr)
        assert described(lower) == before


def test_renames_fail_as_in_a_directory(tmp_path: Path, need: Callable[[str], str]) -> None:
    for name in ("native", "low", "up"):
        (tmp_path / name).mkdir()
    program = built(tmp_path / "low", need("gcc"), "renames")
    expected = subprocess.run(
        [str(program)], cwd=tmp_path / "native", capture_output=True, text=True, check=True
    )
    got = run(tmp_path, "-N", "-C", "low", "-U", "up", "/renames")
    assert got.stdout.splitlines() == expected.stdout.splitlines(), got.stderr


@pytest.fixture
def root(tmp_path: Path, need: Callable[[str], str]) -> Path:
    """A root with busybox."""
    made = tmp_path / "root"
    (made / "bin").mkdir(parents=True)
    (made / "etc").mkdir()
    shutil.copy(need("busybox"), made / "bin" / "busybox")
    for name in "sh cat ls mkdir rm mv ln chmod mount df touch readlink stat id ps nc".split():
        (made / "bin" / name).symlink_to("busybox")
    return made


def test_the_first_layer_that_has_a_name_shows_it(tmp_path: Path, root: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "d").mkdir(parents=True)
        (tmp_path / name / "d" / "both").write_text(f"{name}\n")
        (tmp_path / name / "d" / name).write_text(f"only {name}\n")
    script = "cat /d/*; ls /d; echo new > /d/two; cat /d/two; rm /d/both; ls /d"
    layers = f"{tmp_path}/one:{tmp_path}/two:{root}"
    expected = "one\nonly one\nonly two\nboth\none\ntwo\nnew\none\ntwo\n"
    for options, env in ((["-O", layers], {}), ([], {"BLINK_OVERLAYS": layers})):
        said = run(tmp_path, *options, "sh", "-c", script, env=env)
        assert (said.stdout, said.stderr) == (expected, "")
        assert (tmp_path / "one" / "d" / "two").read_text() == "new\n"
        assert (tmp_path / "two" / "d" / "two").read_text() == "only two\n"
        assert (tmp_path / "one" / "d" / ".wh.both").exists()
        (tmp_path / "one" / "d" / ".wh.both").unlink()
        (tmp_path / "one" / "d" / "two").unlink()
        (tmp_path / "one" / "d" / "both").write_text("one\n")


def test_an_empty_layer_is_the_host(tmp_path: Path) -> None:
    made = tmp_path / "over" / "etc"
    made.mkdir(parents=True)
    (made / "blink-test").write_text("laid over\n")
    said = run(tmp_path, "-O", f"{tmp_path}/over:", "/bin/cat", "/etc/blink-test", "/etc/passwd")
    assert said.stdout == "laid over\n" + Path("/etc/passwd").read_text()


MOUNTS = r"""
cat /seen/file; echo no > /seen/file; echo "status $?"; echo no > /seen/other; rm /seen/file
mkdir /seen/d; chmod 777 /seen/file; ln /seen/file /seen/hard; mv /seen/file /seen/moved
echo yes > /open/made; cat /open/made; mv /open/made /elsewhere 2>&1; cat /elsewhere
ln /elsewhere /open/hard; ln /one-file /etc/hard
cat /one-file; rm /one-file; rmdir /seen 2>&1; mv /open /opened; cd /seen; cat ../seen/file; ls /
cat /deep/down/here/file; ls /deep /deep/down; echo x > /empty/x; ls /empty
while read source point type options; do echo "$point $type ${options%%,*}"; done < /proc/mounts
"""


BUSY = "rmdir: '/seen': Device or resource busy"
TABLE = [
    *("/ DISK rw", "/deep tmpfs rw", "/deep/down/here DISK ro", "/dev tmpfs rw", "/empty tmpfs rw"),
    *("/one-file DISK ro", "/open DISK rw", "/proc proc rw", "/seen DISK ro", "/sys sysfs ro"),
    "/tmp tmpfs rw",
]


def _all_tmpfs() -> list[str]:
    return [line.replace("DISK", "tmpfs") for line in TABLE]


def without_disks(line: str) -> str:
    """A line of the table without the type of the host's file system."""
    point, kind, options = line.split(" ")
    return f"{point} {kind if kind in ('tmpfs', 'proc', 'sysfs') else 'DISK'} {options}"


def test_binds_and_tmpfs(tmp_path: Path, root: Path) -> None:
    for name in ("read", "write"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"of {name}\n")
    options = [f"--bind={tmp_path}/read:/seen:ro", f"--bind={tmp_path}/write:/open"]
    options += [f"--bind={tmp_path}/read/file:/one-file:ro", "--tmpfs=/empty"]
    options += [f"--bind={tmp_path}/read:/deep/down/here:ro", "-C", str(root)]
    said = run(tmp_path, *options, "sh", "-c", MOUNTS + "sh -c 'ls /empty'")
    assert [line.rpartition(": ")[2] for line in said.stderr.splitlines()] == [
        *("Read-only file system",) * 7,
        *("Invalid cross-device link",) * 2,
        *("Device or resource busy",) * 2,
    ]
    lines = said.stdout.splitlines()
    assert lines[:6] == ["of read", "status 1", "yes", "yes", "of read", BUSY]
    names = "bin deep dev elsewhere empty etc one-file open proc seen sys tmp".split()
    assert lines[6 : 7 + len(names)] == ["of read", *names]
    rest = lines[7 + len(names) :]
    assert rest[:7] == ["of read", "/deep:", "down", "", "/deep/down:", "here", "x"]
    # On a host whose disk is a tmpfs, it is one here, too.
    assert [without_disks(line) for line in rest[7:-1]] in (TABLE, _all_tmpfs())
    assert rest[-1] == "x"
    assert (tmp_path / "read" / "file").read_text() == "of read\n"
    assert not [*tmp_path.glob("blink-*/*")]
