"""Runs a command natively and under `blink`, and compares all that a user can see of it.

Both runs happen in a fresh folder of the same name, with the same short environment, so that paths
and sizes in their output are equal.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

BLINK = Path(os.environ.get("BLINK_PROGRAM") or Path(sys.executable).parent / "blink")
GUESTS = Path(__file__).parent / "guests"
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
TIMEOUT = 400
AGE = 1_000_000_000  # seconds since the epoch

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Outcome:
    """What a run left: `status` as subprocess tells it (-n: killed by signal n); `tree` maps the
    names of files to kind, permission bits and content."""

    status: int
    stdout: bytes
    stderr: bytes
    tree: dict[str, str]


def lines(name: str) -> list[str]:
    """The lines of a file in guests/, without comments."""
    return [line for line in (GUESTS / name).read_text().splitlines() if not line.startswith("# ")]


def sections(name: str) -> dict[str, str]:
    """The parts of a file in guests/ by the names in their `### name` lines."""
    parts = (GUESTS / name).read_text().split("### ")[1:]
    return {title: body.strip("\n") for title, _, body in (part.partition("\n") for part in parts)}


def describe(path: Path) -> str:
    """Kind, mode, size and digest of a file, or where a link leads."""
    if path.is_symlink():
        return f"link to {path.readlink()}"
    mode = path.stat().st_mode
    if not path.is_file():
        return f"{mode:o}"
    data = path.read_bytes()
    return f"{mode:o} {len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def free_port() -> str:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def snapshot(folder: Path, ignore: Sequence[str]) -> dict[str, str]:
    names = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*"))}
    kept = {n: p for n, p in names.items() if not any(fnmatch(n, pattern) for pattern in ignore)}
    return {name: describe(path) for name, path in kept.items()}


def fill(folder: Path, files: Files) -> None:
    """Writes files, all of one age; those that begin with `#!` become executable."""
    folder.mkdir()
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if data.startswith(b"#!") else 0o644)
    for path in (*folder.rglob("*"), folder, folder.parent):
        os.utime(path, (AGE, AGE))


def default_signals() -> None:
    """A shell's children have these; ours would inherit what Python ignores."""
    for signo in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(signo, signal.SIG_DFL)


def execute(
    command: Sequence[str], folder: Path, stdin: bytes, env: Mapping[str, str], timeout: float
) -> tuple[int, bytes, bytes]:
    """Status, stdout and stderr; at a timeout the whole process group is killed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=env,
        start_new_session=True,
        preexec_fn=default_signals,
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(
            f"no end after {timeout} s: {command}\n{stdout[-2000:]!r}\n{stderr[-2000:]!r}"
        ) from None
    return process.returncode, stdout, stderr


class Same:
    """The comparer.  `options` are blink's, such as ("-m",); `need` finds a program or skips."""

    def __init__(
        self, folder: Path, need: Callable[[str], str], options: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.need = need
        self.options = list(options)
        self.runs = 0

    def __call__(
        self,
        *command: str,
        stdin: str | bytes = b"",
        files: Files | None = None,
        env: Mapping[str, str] | None = None,
        status: int | None = 0,
        ignore: Sequence[str] = (),
        options: Sequence[str] = (),
        timeout: float = TIMEOUT,
    ) -> Outcome:
        """Asserts that both runs are equal, and end with `status` (None: whatever it is).

        `ignore` are patterns of file names whose content may differ.
        """
        if not command[0].startswith("./"):
            self.need(command[0])
        data = stdin.encode() if isinstance(stdin, str) else stdin
        variables = {**ENVIRONMENT, "HOME": str(self.folder / "work"), **(env or {})}
        blink = [str(BLINK), *self.options, *options]
        native, emulated = (
            self._run(how, [*prefix, *command], data, files or {}, variables, ignore, timeout)
            for how, prefix in (("native", []), ("blink", blink))
        )
        assert emulated.stderr == native.stderr, show(native, emulated)
        assert emulated.stdout == native.stdout, show(native, emulated)
        assert emulated.status == native.status, show(native, emulated)
        assert emulated.tree == native.tree
        if status is not None:
            assert native.status == status, native
        return native

    def sh(self, script: str, **arguments: object) -> Outcome:
        """The same for a script of /bin/sh; every program in it runs under blink, too."""
        return self("sh", "-c", script, **arguments)  # type: ignore[arg-type]

    def bash(self, script: str, **arguments: object) -> Outcome:
        return self("bash", "-c", script, **arguments)  # type: ignore[arg-type]

    def _run(
        self,
        how: str,
        command: list[str],
        stdin: bytes,
        files: Files,
        env: Mapping[str, str],
        ignore: Sequence[str],
        timeout: float,
    ) -> Outcome:
        self.runs += 1
        work = self.folder / "work"
        fill(work, files)
        result = execute(command, work, stdin, env, timeout)
        tree = snapshot(work, ignore)
        kept = self.folder / f"{how}-{self.runs}"
        work.rename(kept)
        if how == "native":
            shutil.rmtree(kept, ignore_errors=True)
        return Outcome(*result, tree)


def show(native: Outcome, emulated: Outcome) -> str:
    """Both ends, for a failed assertion."""
    return "\n".join(
        f"--- {how}: status {run.status}\n{run.stdout[-1500:].decode(errors='replace')}"
        f"\n-- stderr\n{run.stderr[-3000:].decode(errors='replace')}"
        for how, run in (("native", native), ("blink", emulated))
    )
