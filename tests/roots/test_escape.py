"""Nothing outside a root can be reached: each way out is tried, natively too, where it does."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "guests"
SOURCE = Path(__file__).parents[2] / "src"
SETUPS = {
    "chroot": ("-N", "-C"),
    "mounts": ("-C",),
    "bare": ("-N", "-O"),
    "overlay": ("--upper", "UPPER", "-C"),
    "overlay without Landlock": ("--upper", "UPPER", "-C"),
}
# What changes the host beyond the test's folder, or needs what a test machine may not have.
NOT_NATIVE = {
    *("mount_bind", "mount_namespace", "pivot", "enter_namespace", "disk", "kernel_memory"),
    *("kernel_setting", "parent_memory", "parent_environment", "by_handle", "init_root"),
    *("rename_race", "hard_link", "link_follow"),  # a race; fs.protected_hardlinks
}
BLINK = [
    *(sys.executable, "-I", "-S", "-c"),
    f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    "sys.exit(main())",
]
QUICK = ("chroot", "mounts", "overlay")  # in the unit tier
NO_LANDLOCK = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import blink.roots.landlock as l; "
NO_LANDLOCK += "l.confine = lambda *given: None; "


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A folder with `program`, and with `loader`, which is an ELF interpreter."""
    folder = tmp_path_factory.mktemp("escape")
    source = str(HERE / "escape.c")
    compiler = [need("gcc"), "-std=gnu11", "-O1", "-w", "-pthread", source, "-o"]
    subprocess.run([*compiler, str(folder / "program"), "-static"], check=True, timeout=60)
    text = 'void _start(void) { __asm__("mov $77, %edi; mov $60, %eax; syscall"); }'
    command = [need("gcc"), "-x", "c", "-", "-nostdlib", "-static", "-o", str(folder / "loader")]
    subprocess.run(command, input=text.encode(), check=True, timeout=60)
    return folder


class Place:
    """A root with what a way out needs, and what lies outside, next to it."""

    def __init__(self, folder: Path, programs: Path, compiler: str) -> None:
        self.outside = folder
        self.root = folder / "root"
        (self.root / "dir").mkdir(parents=True)
        (folder / "secret").write_text("the secret\n")
        (folder / "movable").write_text("movable\n")
        (folder / "a-link").symlink_to("secret")
        (folder / "aside").mkdir()
        shutil.copy(programs / "program", folder / "program")
        shutil.copy(programs / "loader", folder / "loader")
        shutil.copy(programs / "program", self.root / "escape")
        self.compiler = compiler
        self.server = socket.socket(socket.AF_UNIX)
        here = os.open(folder, os.O_PATH)  # a path that is not too long
        self.server.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        self.server.listen(9)

    def make_dynamic(self) -> None:
        """A program whose interpreter is outside."""
        command = [self.compiler, "-x", "c", "-", "-w", "-o", str(self.root / "dynamic")]
        command.append(f"-Wl,--dynamic-linker={self.outside}/loader")
        source = b"int main(void) { return 0; }"
        subprocess.run(command, input=source, check=True, timeout=60)

    def run(self, command: list[str], way: str) -> str:
        """What a try prints."""
        if way in ("all", "interpreter"):
            self.make_dynamic()
        aside = os.open(self.outside / "aside", os.O_RDONLY)
        secret = os.open(self.outside / "secret", os.O_RDONLY)
        words = [way, str(self.outside), str(secret), self.handle(), self.disk(), "1"]
        said = subprocess.run(
            [*command, *words],
            capture_output=True,
            timeout=120,
            check=False,
            cwd=self.root,
            pass_fds=(aside,),
            env={"OUTER": str(os.getpid()), "ASIDE": str(aside)},
        )
        os.close(aside)
        os.close(secret)
        return (said.stdout + said.stderr).decode().strip()

    def handle(self) -> str:
        """The file handle of the secret, TYPE:HEX."""
        made = ctypes.create_string_buffer(136)
        made[0:4] = (128).to_bytes(4, "little")
        path = os.fsencode(self.outside / "secret")
        call = ctypes.CDLL(None).syscall
        if call(303, -100, path, made, ctypes.byref(ctypes.c_int()), 0):
            return "1:00"  # this file system has none
        size, kind = (int.from_bytes(made[i : i + 4], "little") for i in (0, 4))
        return f"{kind}:{made[8 : 8 + size].hex()}"

    def disk(self) -> str:
        device = self.outside.stat().st_dev
        return f"{os.major(device)}:{os.minor(device)}"

    def left(self) -> dict[str, tuple[int, bytes]]:
        """What is outside: names, modes, content."""
        files = [path for path in self.outside.iterdir() if path.name != "root"]
        return {
            path.name: (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in files
        }


@pytest.fixture
def place(
    tmp_path: Path, programs: Path, need: Callable[[str], str]
) -> Iterator[Callable[[str], Place]]:
    made: list[Place] = []

    def make(name: str) -> Place:
        made.append(Place(tmp_path / name, programs, need("gcc")))
        return made[-1]

    yield make
    for one in made:
        one.server.close()


def ways() -> list[str]:
    text = (HERE / "escape.c").read_text()
    return [part.partition(")")[0] for part in text.split("WAY(")[2:]]


@pytest.mark.parametrize(
    "setup",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.ci) for name in SETUPS],
)
def test_no_way_leads_out(setup: str, place: Callable[[str], Place], tmp_path: Path) -> None:
    there = place("host")
    (tmp_path / "upper").mkdir()
    options = [str(tmp_path / "upper") if word == "UPPER" else word for word in SETUPS[setup]]
    before = there.left()
    blink = BLINK if "without" not in setup else [*BLINK[:-1], NO_LANDLOCK + BLINK[-1]]
    said = there.run([*blink, *options, str(there.root), "/escape"], "all")
    results = dict(line.split(": ", 1) for line in said.splitlines())
    assert sorted(results) == sorted(ways()), said
    assert [way for way, result in results.items() if result == "ESCAPED"] == []
    assert there.left() == before


def test_each_way_leads_out_where_nothing_confines(place: Callable[[str], Place]) -> None:
    """Else the test above would show nothing."""
    stuck = {}
    for way in sorted(set(ways()) - NOT_NATIVE):
        if os.geteuid() != 0 and way in ("again_chroot", "chroot_fd"):
            continue
        there = place(way)
        result = there.run(["./escape"], way)
        if result != "ESCAPED":
            stuck[way] = result
    assert stuck == {}
