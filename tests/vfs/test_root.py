"""`blink -C ROOT` against chroot(1): the same script, the same output, the same files left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
SCRIPT = r"""
cd /; pwd
ls -a / ; ls -la / | wc -l; ls etc; cat /etc/passwd
cat /out; cat /out-relative; cat /../../secret; cat /absolute; cat /up
cd /etc; pwd; cat ../file; cat ../../../../file; cd ..; pwd; cd ../../..; pwd
cd /folder; pwd; pwd -P; cat passwd
cd -P /folder; pwd
mkdir -p /a/b/c; echo new > /a/b/c/file; cat /a/b/../b/c/file
ln -s /a/b /link; cat /link/c/file; rm /link; ls /a/b; rmdir /a/b/c
ln -s / /top; cat /top/file; ls -d /top/; cat /top/../secret
mv /a /moved; ls /moved/b; rm -r /moved; ls /
cp /file /copy; cmp /file /copy; chmod 600 /absolute; stat -c %a /file; ln /copy /hard
ls -l /hard | wc -l
readlink /out; readlink -f /up; readlink -f /folder/passwd; test -L /absolute; echo $?
echo created > /dangling; cat /made; find / -name 'file*' | sort; find /etc/.. -maxdepth 1 | sort
mkfifo /fifo; echo through > /fifo & cat /fifo; wait
/bin/busybox ls /etc/passwd; /script; echo "status $?"; ./nothing; echo "status $?"
tar c etc | tar t; touch -d @1000 /file; stat -c %Y /file; du -s / | wc -l; truncate -s 3 /up
cat /file
(cd /etc && rmdir /etc 2>/dev/null; pwd); echo done > /dev/null; sh -c 'cd /; exec cat file'
"""


@pytest.fixture
def chroot(tmp_path: Path, need: Callable[[str], str]) -> Callable[[str], Path]:
    """Makes a root with busybox; its path."""
    if os.geteuid() != 0:
        pytest.skip("chroot(1) needs root")
    busybox = need("busybox")

    def make(name: str) -> Path:
        outer = tmp_path / name
        root = outer / "root"
        for folder in ("bin", "etc", "dev", "proc"):
            (root / folder).mkdir(parents=True)
        (outer / "secret").write_text("secret\n")
        shutil.copy(busybox, root / "bin" / "busybox")
        for applet in subprocess.check_output([busybox, "--list"], text=True).split():
            if applet != "busybox":
                (root / "bin" / applet).symlink_to("busybox")
        (root / "dev" / "null").touch()
        (root / "file").write_text("inside\n")
        (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
        (root / "script").write_text("#!/bin/sh\necho script runs; exit 5\n")
        (root / "script").chmod(0o755)
        links = {"absolute": "/file", "up": "../../file", "folder": "/etc", "dangling": "/made"}
        links |= {"out": "/secret", "out-relative": "../secret"}
        for link, target in links.items():
            (root / link).symlink_to(target)
        return root

    return make


def run(command: list[str]) -> tuple[int, bytes, bytes]:
    said = subprocess.run(
        [*command, "-c", SCRIPT],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=50,
        check=False,
        env={"PATH": "/bin"},
    )
    return said.returncode, said.stdout, said.stderr


def left(root: Path) -> list[str]:
    """Names and kinds of what is there; the outside too."""
    paths = [*root.parent.rglob("*")]
    return sorted(f"{p.relative_to(root.parent)} {p.lstat().st_mode:o}" for p in paths)


@pytest.mark.parametrize("options", [("-N", "-C"), ("-N", "-O")], ids=["chroot", "mounts"])
def test_same_as_chroot(chroot: Callable[[str], Path], options: tuple[str, ...]) -> None:
    native, guest = chroot("native"), chroot("blink")
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    blink = [sys.executable, "-I", "-S", "-c", code + "sys.exit(main())", *options, str(guest)]
    expected = run([str(shutil.which("chroot")), str(native), "/bin/sh"])
    got = run([*blink, "/bin/sh"])
    assert got[1].decode().splitlines() == expected[1].decode().splitlines(), got[2].decode()
    assert got[2].splitlines() == expected[2].splitlines()
    assert got[0] == expected[0]
    assert left(guest) == left(native)
    assert (guest.parent / "secret").read_text() == "secret\n"


def test_an_overlay_looks_the_same(chroot: Callable[[str], Path], tmp_path: Path) -> None:
    """All that the script changes is in the upper directory, and the guest cannot tell."""
    native, lower, upper = chroot("native"), chroot("lower"), tmp_path / "upper"
    upper.mkdir()
    before = left(lower)
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    blink = [sys.executable, "-I", "-S", "-c", code + "sys.exit(main())", "-N"]
    expected = run([str(shutil.which("chroot")), str(native), "/bin/sh"])
    got = run([*blink, "-C", str(lower), "--upper", str(upper), "/bin/sh"])
    assert got[1].decode().splitlines() == expected[1].decode().splitlines(), got[2].decode()
    assert got[2].splitlines() == expected[2].splitlines()
    assert left(lower) == before
    names = {str(path.relative_to(upper)) for path in upper.rglob("*")}
    assert {"copy", "hard", "made", "file"} <= names
    assert "etc" not in names


def test_a_root_that_is_none(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    blink = [sys.executable, "-I", "-S", "-c", code + "sys.exit(main())"]
    for root in (tmp_path / "absent", Path("/etc/passwd")):
        said = subprocess.run(
            [*blink, "-C", str(root), "/bin/true"], capture_output=True, timeout=60, check=False
        )
        assert said.returncode == 125
        assert said.stderr.count(b"\n") == 1 and str(root).encode() in said.stderr
