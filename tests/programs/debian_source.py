"""Upstream sources of a Debian package, for tests that Debian's binary packages leave out.

apt fetches and verifies them as it does packages, with lists of its own: the machine's sources stay
as they are, and no right but that to read them is needed.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tarfile
import zlib
from pathlib import Path

CACHE = Path(__file__).parents[2] / "build" / "sources"
KEYS = {
    "Debian": Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    "Ubuntu": Path("/usr/share/keyrings/ubuntu-archive-keyring.gpg"),
}
TARGETS = ["indextargets", "--format", "$(ORIGIN) $(SITE) $(RELEASE) $(COMPONENT)"]
LIMIT = 120  # seconds, for each of the two steps


class NotFetched(Exception):
    """Says why."""


def fetched(package: str, parts: tuple[str, ...]) -> Path:
    """The folder that holds these parts of the package's upstream source: kept in build/sources.

    Raises NotFetched, where there is no apt-get or its mirror does not answer.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{package}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = CACHE / f"{package}-{zlib.crc32(repr(parts).encode()):08x}"
        if not folder.exists():
            archive = _archive(package, CACHE / f"{package}.fetch")
            _unpack(archive, folder, parts)
            shutil.rmtree(archive.parent)
        return folder


def _archive(package: str, work: Path) -> Path:
    """From the first repository that has it whole: a mirror may lack an update's files."""
    reasons = []
    for line in _source_lines():
        shutil.rmtree(work, ignore_errors=True)
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "sources.list").write_text(line + "\n")
        try:
            _apt(work, "update")
            _apt(work, "source", "--download-only", "--only-source", package)
            return next(work.glob(f"{package}_*.orig.tar.*z"))
        except NotFetched as reason:
            reasons.append(str(reason))
    raise NotFetched("; ".join(reasons) or "no repository of the distribution's own")


def _source_lines() -> list[str]:
    """`deb-src` lines for the distribution's own repositories, as far as this machine uses them."""
    if not shutil.which("apt-get"):
        raise NotFetched("no apt-get here")
    said = subprocess.run(["apt-get", *TARGETS], capture_output=True, text=True, timeout=LIMIT)
    rows = {tuple(line.split()) for line in said.stdout.splitlines()}
    mine = [row for row in rows if len(row) == 4 and row[0] in KEYS and row[3] == "main"]
    mine.sort(key=lambda row: (len(row[2]), row))  # bookworm, bookworm-updates
    return [f"deb-src {_signed(row[0])}{' '.join(row[1:])}" for row in mine]


def _signed(origin: str) -> str:
    return f"[signed-by={KEYS[origin]}] " if KEYS[origin].exists() else ""


def _apt(work: Path, *arguments: str) -> None:
    options = {
        "Dir::Etc::sourcelist": str(work / "sources.list"),
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": str(work / "lists"),
        "Dir::Cache": str(work),
        "APT::Sandbox::User": "",  # root's folder is none of _apt's
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "20",
    }
    command = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in options.items())]
    try:
        done = subprocess.run(
            [*command, *arguments],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise NotFetched(f"apt-get {arguments[0]}: no end after {LIMIT} s") from None
    if done.returncode:
        raise NotFetched(f"apt-get {' '.join(arguments)}: {done.stderr[-300:]}")


def _unpack(archive: Path, folder: Path, parts: tuple[str, ...]) -> None:
    """Without the folder that the archive has at its top; whole or not at all."""
    fresh = archive.parent / "fresh"
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, member.name = member.name.partition("/")
            if (member.isreg() or member.isdir()) and member.name.startswith(parts):
                tar.extract(member, fresh, filter="data")
    fresh.rename(folder)
