"""perl's own tests of processes, pipes and signals: what succeeds natively does so under blink.

They come from perl's source package; the perl that runs them is the machine's, with its library.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from programs.debian_source import NotFetched, fetched
from programs.harness import BLINK, ENVIRONMENT, execute

PERL = "/usr/bin/perl"
PARTS = ("t/", "ext/IPC-Open3/t/", "ext/POSIX/t/", "dist/threads/t/", "dist/Time-HiRes/t/",
         "dist/IO/t/", "cpan/IPC-SysV/t/", "cpan/Socket/t/")  # fmt: skip
LIMIT = 1800  # seconds; the longest starts some thousand perls: natively 20
MODES = {"plain": [], "interpreted": ["-j"]}

QUICK = ("op/exec op/kill0 op/sigsystem op/die_exit io/dup io/closepid io/socketpair io/sem io/msg "
         "run/exit run/cloexec ext/IPC-Open3/fd dist/IO/io_pipe").split()  # fmt: skip
SLOW = """
    op/fork op/sigdispatch op/alarm op/magic op/stat op/waitpid op/getppid op/getpid op/sleep
    op/sselect op/select op/time op/chdir op/readline op/threads op/die_keeperr op/sysio op/filetest
    op/filetest_t op/groups op/glob op/mkdir op/exp op/print op/infnan op/readdir op/unlink op/lfs
    op/goto op/blocks op/eval op/die op/local op/setpgrpstack op/stat_errors op/threads-dirh op/dump
    io/pipe io/fs io/open io/perlio io/argv io/tell io/say io/print io/nargv io/read io/inplace
    io/iofile io/shm io/socket io/errno io/errnosig io/data io/utf8 io/through io/crlf io/layers
    io/openpid io/perlio_open io/perlio_fail io/perlio_leaks io/eintr io/eintr_print io/fflush
    io/getcwd io/semctl io/defout io/binmode
    run/fresh_perl run/runenv run/switches run/script run/locale run/noswitch run/switchd
    run/switchF run/switchn run/switchp run/switchx run/switcha run/switchM run/switchI
    run/runenv_hashseed ext/IPC-Open3/IPC-Open2 ext/IPC-Open3/IPC-Open3
    ext/POSIX/posix ext/POSIX/sigaction ext/POSIX/sigset ext/POSIX/sysconf ext/POSIX/termios
    ext/POSIX/time ext/POSIX/waitpid ext/POSIX/wrappers ext/POSIX/fenv ext/POSIX/math
    dist/threads/basic dist/threads/exit dist/threads/free dist/threads/join dist/threads/kill
    dist/threads/kill2 dist/threads/kill3 dist/threads/libc dist/threads/list dist/threads/problems
    dist/threads/stack dist/threads/state dist/threads/stress_string dist/threads/thread
    dist/Time-HiRes/alarm dist/Time-HiRes/clock dist/Time-HiRes/itimer dist/Time-HiRes/nanosleep
    dist/Time-HiRes/sleep dist/Time-HiRes/stat dist/Time-HiRes/ualarm
    dist/Time-HiRes/usleep dist/Time-HiRes/utime
    dist/IO/IO dist/IO/io_dup dist/IO/io_file dist/IO/io_linenum dist/IO/io_multihomed
    dist/IO/io_poll dist/IO/io_sel dist/IO/io_sock dist/IO/io_udp dist/IO/io_unix
    dist/IO/cachepropagate-unix dist/IO/cachepropagate-tcp dist/IO/cachepropagate-udp
    cpan/IPC-SysV/ipcsysv cpan/IPC-SysV/msg cpan/IPC-SysV/sem cpan/IPC-SysV/shm
    cpan/Socket/getaddrinfo cpan/Socket/getnameinfo cpan/Socket/socketpair cpan/Socket/sockaddr
""".split()


@pytest.fixture(scope="module")
def source(tier: str) -> Path:
    """perl's tests.  Whoever has no mirror with sources cannot get them: only `all` insists."""
    try:
        return fetched("perl", PARTS)
    except NotFetched as reason:
        complain = pytest.fail if tier == "all" else pytest.skip
        complain(f"perl's source package could not be fetched: {reason}")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, need: Callable[[str], str]) -> Path:
    """One folder with links to perl's modules, which the tests expect beside theirs."""
    folder = tmp_path_factory.mktemp("perl") / "lib"
    need("perl")
    code = "use Config; print join qq{\\n}, @Config{qw(archlibexp privlibexp)}, grep {/base$/} @INC"
    said = subprocess.run(
        [PERL, "-e", code], capture_output=True, text=True, check=True, timeout=60
    )
    for place in map(Path, said.stdout.split("\n")):
        for path in place.rglob("*"):
            link = folder / path.relative_to(place)
            if not path.is_dir() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path)
    return folder


def prepare(folder: Path, source: Path, library: Path, name: str) -> tuple[Path, str]:
    """A fresh place for one run: its working directory, and the test's name there."""
    folder.mkdir()
    (folder / "lib").symlink_to(library)
    place, _, test = name.rpartition("/")
    shutil.copytree(source / "t", folder / "t")
    (folder / "t" / "perl").symlink_to(PERL)
    if name.count("/") == 1:
        return folder / "t", f"{name}.t"
    shutil.copytree(source / place, folder / place)
    return folder / place, f"t/{test}.t"


def outcome(prefix: list[str], place: Path, test: str) -> tuple[dict[str, str], str]:
    """How each numbered check ended, the exit status as one more, and all that was said."""
    temporary = place / "tmp"
    temporary.mkdir()
    environment = {**ENVIRONMENT, "PERL_CORE": "1", "HOME": str(place), "TMPDIR": str(temporary)}
    status, stdout, stderr = execute([*prefix, PERL, test], place, b"", environment, LIMIT)
    text = stdout.decode(errors="replace")
    checks = re.findall(r"^(not ok|ok) (\d+)([^\n]*# *(?:skip|TODO))?", text, re.M | re.I)
    ends = {number: "skip" if why else how for how, number, why in checks}
    return {**ends, "status": str(status)}, f"{text[-3000:]}\n{stderr.decode(errors='replace')}"


def compare(folder: Path, source: Path, library: Path, name: str, options: list[str]) -> None:
    """Native and emulated at the same time, for most of these sleep.

    What is worse on a busy machine runs again: three times is no accident.
    """
    folder.mkdir()
    worse = {}
    for attempt in range(3):
        runs = {
            how: (prefix, *prepare(folder / f"{how}{attempt}", source, library, name))
            for how, prefix in (("native", []), ("blink", [str(BLINK), *options]))
        }
        with ThreadPoolExecutor(2) as pool:
            native, emulated = pool.map(lambda run: outcome(*run), runs.values())
        good = [(number, how) for number, how in native[0].items() if how in ("ok", "0")]
        ours = emulated[0]
        worse = {number: ours.get(number) for number, how in good if ours.get(number) != how}
        if not worse:
            return
        warnings.warn(f"{name}: worse under blink, attempt {attempt}: {worse}", stacklevel=2)
    pytest.fail(f"{name}: {worse}\n{emulated[1]}\n--- native\n{native[1]}")


@pytest.mark.ci
@pytest.mark.timeout(300)
def test_quick(tmp_path: Path, source: Path, library: Path) -> None:
    for name in QUICK:
        compare(tmp_path / name.replace("/", "-"), source, library, name, [])


@pytest.mark.long
@pytest.mark.timeout(2 * LIMIT)
@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_all(tmp_path: Path, source: Path, library: Path, name: str, options: list[str]) -> None:
    compare(tmp_path / "runs", source, library, name, options)
