"""Capsules: recordings as files.  A capsule is a log (`replay.log`) whose header is complete."""

from __future__ import annotations

import json
import posix
from hashlib import blake2b
from stat import S_ISREG
from struct import error as StructError

from blink import _engine
from blink.abi.encoding import decode
from blink.replay.log import HEADER, MAGIC, META, OLDEST, PAGE, VERSION, Log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from blink.replay.replayer import Replayer

_CHUNK = 1 << 24
_NO_DIGEST = bytes(16)
_AT_FINISHED = 12


class CapsuleError(Exception):
    """A file that cannot be replayed; the message is one line for the user."""


def finish(log: Log) -> None:
    """Completes the header of a log that is a file: its size, and a digest."""
    used = log.used
    posix.ftruncate(log.fd, used)
    _complete(log.fd, used, log.end, log.files)


def save(log: Log, path: bytes | str) -> None:
    """Writes what a log has so far as a capsule.  Raises OSError."""
    used, end, files = log.used, log.end, log.files
    fd = posix.open(path, posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o666)
    try:
        for at in range(0, used, _CHUNK):
            _write(fd, memoryview(log.view)[at : min(at + _CHUNK, used)])
        _complete(fd, used, end, files)
    except OSError as error:
        discard(fd, path)
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        posix.close(fd)


def discard(fd: int, path: bytes | str) -> None:
    """Half a capsule is of no use."""
    if S_ISREG(posix.fstat(fd).st_mode):
        posix.ftruncate(fd, 0)
        posix.unlink(path)


def _write(fd: int, data: memoryview) -> None:
    while data:
        data = data[posix.write(fd, data) :]


def _complete(fd: int, *said: int) -> None:
    posix.pwrite(fd, HEADER.pack(MAGIC, VERSION, 1, *said, _digest(fd, VERSION, *said)), 0)


def _digest(fd: int, version: int, used: int, end: int, files: int) -> bytes:
    """Of what a header says, and of all behind it."""
    found = blake2b(HEADER.pack(MAGIC, version, 1, used, end, files, b""), digest_size=16)
    for at in range(PAGE, used, _CHUNK):
        found.update(posix.pread(fd, min(_CHUNK, used - at), at))
    return found.digest()


class Capsule:
    """A capsule that was opened and checked.

    meta      what it says of the recording: program, argv, env, cwd, cpu, checked, uname, vendor,
              blink
    log       its events
    finished  whether its recording came to an end by itself
    """

    def __init__(self, log: Log, meta: dict[str, Any], finished: bool) -> None:
        self.log = log
        self.meta = meta
        self.finished = finished

    @classmethod
    def open(cls, path: bytes | str) -> Capsule:
        """Raises CapsuleError, or OSError."""
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            finished = _check(fd)
            log = Log(fd, readable=True)
            return cls(log, _meta(log), finished)
        except BaseException:
            posix.close(fd)
            raise

    def foreign(self) -> str:
        """What may make a replay differ here, in a line; nothing on the make of CPU of the
        recording."""
        there, here = self.meta.get("vendor", ""), processor()
        if not there or not here or there == here:
            return ""
        return (
            f"it was recorded on a CPU of {there}, this is {here}: RCPPS, RSQRTPS and undefined "
            "flags may differ"
        )

    def replayer(self) -> Replayer:
        """At the start of the program.  Raises CapsuleError."""
        from blink.replay.replayer import DAMAGE, Replayer

        try:
            return Replayer.open(self.log, self.meta["cpu"], self.meta["checked"])
        except DAMAGE as error:
            raise CapsuleError(f"the program cannot be loaded: {error}") from None


def _check(fd: int) -> bool:
    """Whether it was finished.  One that was not, because its program or blink was killed, goes as
    far as it is."""
    head = posix.pread(fd, HEADER.size, 0)
    if len(head) < HEADER.size or not head.startswith(MAGIC):
        raise CapsuleError("this is no capsule")
    _, version, finished, used, end, files, digest = HEADER.unpack(head)
    if not OLDEST <= version <= VERSION:
        age = "a newer" if version > VERSION else "an older"
        raise CapsuleError(
            f"the capsule is of {age} blink: its format is {version}, this one reads {OLDEST} to "
            f"{VERSION}"
        )
    size = posix.fstat(fd).st_size
    if size < used or used < PAGE:
        raise CapsuleError(f"the capsule is cut off: {size} bytes of {used}")
    good = _digest(fd, version, used, end, files) if finished == 1 else _NO_DIGEST
    if digest != good:
        raise CapsuleError("the capsule is damaged: its bytes are not those that were written")
    return bool(finished == 1)


def _meta(log: Log) -> dict[str, Any]:
    try:
        found = log.read(PAGE)
        if found is None or found[0].kind != META:
            raise ValueError
        meta: dict[str, Any] = json.loads(bytes(found[0].payload).rstrip(b"\0"))
        model, size, bits = meta["cpu"], meta["state"], meta["checked"]
    except (ValueError, KeyError, TypeError, StructError):
        raise CapsuleError("the capsule is damaged: it does not say what it records") from None
    if model not in _engine.CPU_MODELS:
        raise CapsuleError(f"the capsule needs the CPU model {model}, which this blink lacks")
    if size != state_size() or not isinstance(bits, bool):
        raise CapsuleError(f"the capsule is of another build: blink {meta.get('blink')}")
    return meta


def processor() -> str:
    """The make of this machine's CPU, as /proc/cpuinfo names it; on it depend RCPPS, RSQRTPS and
    the flags that instructions leave undefined."""
    try:
        with open("/proc/cpuinfo", "rb") as file:
            rows = (decode(line).partition(":") for line in file)
            return next((text.strip() for name, _, text in rows if name.startswith("vendor")), "")
    except OSError:
        return ""


def state_size() -> int:
    """Bytes of a saved Cpu: those of another build mean something else."""
    return len(_engine.Cpu(_engine.Memory()).state())
