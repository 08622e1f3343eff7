"""Whole distributions as roots: musl with busybox, this machine's own files, debootstrap's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

SOURCE = Path(__file__).parents[2] / "src"
BLINK = [
    *(sys.executable, "-I", "-S", "-c"),
    f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    "sys.exit(main())",
]
LAUNCHER = os.environ.get("BLINK_PROGRAM") or str(Path(sys.executable).parent / "blink")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOBODY = 65534


def run(*words: str, user: int | None = None, **env: str) -> tuple[int, str, str]:
    said = subprocess.run(
        [LAUNCHER, *words] if user is not None else [*BLINK, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd="/",
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        env={"PATH": PATH, "LC_ALL": "C", **env},
    )
    return said.returncode, said.stdout, said.stderr


VIEW = r"""
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>
int main(int argc, char **argv) {
  char link[200] = "";
  struct utsname name;
  if (argc > 2) return execv(argv[1], argv + 1), 1; /* again, by a link that leads to itself */
  readlink("/proc/self/exe", link, sizeof link - 1);
  uname(&name);
  printf("%s %s %s %s\n", link, argv[1], name.machine, (char *)getauxval(AT_PLATFORM));
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[500];
  while (fgets(line, sizeof line, maps))
    if (strchr(line, '/')) printf("%s", strchr(line, '/'));
  return 0;
}
"""


@pytest.fixture(scope="module")
def musl(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """A root with busybox, musl's libc and a program that needs it."""
    folder = tmp_path_factory.mktemp("musl")
    folder.parent.chmod(0o755)
    root = folder / "root"
    for name in ("bin", "lib", "etc"):
        (root / name).mkdir(parents=True)
    busybox = need("busybox")
    shutil.copy(busybox, root / "bin" / "busybox")
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("/bin/busybox")
    command = [need("musl-gcc"), "-w", "-x", "c", "-", "-o", str(root / "bin" / "view")]
    subprocess.run(command, input=VIEW.encode(), check=True, timeout=60)
    shutil.copy("/usr/lib/x86_64-linux-musl/libc.so", root / "lib" / "libc.so")
    (root / "lib" / "ld-musl-x86_64.so.1").symlink_to("/lib/libc.so")
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "link").symlink_to("/proc/self/exe")
    return root


def test_musl(musl: Path) -> None:
    status, out, err = run(
        "-C", str(musl), "sh", "-c", "view /link again; seq 9 | sort -r | tr -d '\n'"
    )
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "/bin/view again x86_64 x86_64"
    assert set(lines[1:-1]) == {"/bin/view", "/lib/libc.so"}
    assert lines[-1] == "987654321"


PROCESSES = r"""
sleep 60 & other=$!
for name in exe cwd root; do readlink /proc/$other/$name; done
tr '\0' ' ' < /proc/$other/cmdline; echo; cat /proc/$other/comm
grep -c /bin/busybox /proc/$other/maps | grep -v '^0$' > /dev/null && echo maps
grep blink /proc/$other/maps; grep python /proc/$other/maps
for name in /proc/[0-9]*; do readlink $name/exe; done | sort -u
for name in maps smaps stat statm status cmdline environ auxv mounts mountinfo comm limits; do
  test $(cat /proc/self/$name | wc -c) -gt 0 || echo "$name is empty"
done
ls /proc/self/task | wc -l; ls /proc/self/fd; kill $other
test -e /proc/1 || echo "no init"; test -e /proc/kcore || echo "no kcore"
echo x 2> /dev/null > /proc/sys/kernel/core_pattern || echo "no writing"
echo name > /proc/self/comm && cat /proc/self/comm
grep -c 'model name.*Blinkenlights' /proc/cpuinfo; ls /sys/devices/system/cpu | grep -c 'cpu[0-9]'
echo "$(ls /dev)"
"""


def test_other_processes(musl: Path) -> None:
    """A guest sees the guests of its root, as they are, and nobody else."""
    status, out, err = run("-C", str(musl), "sh", "-c", PROCESSES)
    assert (status, err) == (0, "")
    count = str(os.cpu_count())
    assert out.splitlines() == [
        *("/bin/busybox", "/", "/", "sleep 60 ", "sleep", "maps", "/bin/busybox"),
        *("1", "0", "1", "2", "3", "no init", "no kcore", "no writing", "cat"),
        *(count, count, "console", "fd", "full", "null", "ptmx", "pts", "random", "shm"),
        *("stderr", "stdin", "stdout", "tty", "urandom", "zero"),
    ]


def test_an_ordinary_user(musl: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("every other test is one")
    try:
        works = run("/bin/true", user=NOBODY)[0] == 0
    except PermissionError:
        works = False
    if not works:
        pytest.skip("nobody may not read blink or its Python here")
    with TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        root = Path(folder) / "root"
        shutil.copytree(musl, root, symlinks=True)
        _run_as_nobody(root)


def _run_as_nobody(root: Path) -> None:
    script = (
        "id -u; view /link x; echo x > /tmp/file; cat /tmp/file /dev/null; echo y > /made; ls /dev"
    )
    status, out, err = run("-C", str(root), "sh", "-c", script, user=NOBODY, TMPDIR="/tmp")
    assert err == "sh: can't create /made: Permission denied\n"
    assert (status, out.splitlines()[0]) == (0, str(NOBODY))
    assert "/bin/view x x86_64 x86_64" in out and {"x", "urandom"} <= set(out.splitlines())


# --- this machine's own files as a root ---


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Options for a root of the host's /usr, /etc and /var, read-only."""
    root = tmp_path / "root"
    root.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        host = Path("/") / name
        if host.is_symlink():
            (root / name).symlink_to(host.readlink())
    binds = [f"--bind=/{name}:/{name}:ro" for name in ("usr", "etc", "var")]
    binds += [
        f"--bind=/{n}:/{n}:ro" for n in ("bin", "lib", "lib64") if not (root / n).is_symlink()
    ]
    return [*binds, "-C", str(root)]


PYTHON = """
import multiprocessing, os, sqlite3, ssl, subprocess, tempfile
print(multiprocessing.Pool(2).map(abs, [-1, -2]), os.getcwd(), os.path.dirname(tempfile.mkdtemp()))
print(subprocess.check_output(["sh", "-c", "echo through a shell"]), os.listdir("/"))
try:
    open("/usr/made", "w")
except OSError as error:
    print(error)
"""


@pytest.mark.ci
def test_tools_of_a_distribution(own: list[str], need: Callable[[str], str]) -> None:
    for command in (
        ["dpkg", "-l"],
        ["apt-get", "--version"],
        ["bash", "-c", "echo ${BASH_VERSION}"],
    ):
        need(command[0])
        native = subprocess.check_output(command, text=True, env={"PATH": PATH, "LC_ALL": "C"})
        assert run(*own, *command)[:2] == (0, native)
    status, out, _ = run(*own, need("/usr/bin/python3"), "-c", PYTHON)
    assert status == 0
    assert out.splitlines()[0] == "[1, 2] / /tmp"
    assert out.splitlines()[-1] == "[Errno 30] Read-only file system: '/usr/made'"


@pytest.mark.ci
def test_neofetch(own: list[str], need: Callable[[str], str]) -> None:
    need("neofetch")
    status, out, _ = run(*own, "neofetch", "--stdout", HOME="/tmp", TERM="xterm")
    said = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    assert status == 0 and said["OS"].strip().endswith("x86_64")
    assert said["Kernel"].strip() == os.uname().release
    assert said["CPU"].startswith("Blinkenlights virtual")


@pytest.mark.long
def test_debootstrap(tmp_path: Path, need: Callable[[str], str]) -> None:
    """A Debian that was never started: apt and dpkg work in it, and so does what they install."""
    if os.geteuid() != 0:
        pytest.skip("debootstrap(8) needs root")
    root = tmp_path / "debian"
    command = [need("debootstrap"), "--variant=minbase", "bookworm", str(root)]
    subprocess.run(command, check=True, timeout=900, stdout=subprocess.DEVNULL)
    status, out, _ = run("-C", str(root), "sh", "-c", "dpkg -l | grep -c ^ii; apt-get --version")
    assert status == 0 and int(out.split()[0]) > 50 and out.split()[1] == "apt"
    (tmp_path / "upper").mkdir()
    script = "apt-get update -qq && apt-get install -y -qq hello > /tmp/log 2>&1; hello"
    said = run("-C", str(root), "-U", str(tmp_path / "upper"), "sh", "-c", script)
    assert said[1] == "Hello, world!\n", said
    assert not (root / "usr" / "bin" / "hello").exists()
