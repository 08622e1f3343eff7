"""What a file or a directory holds: an OCI image layout, a `docker save` archive, or a root.

All three come as a directory or as a tar archive (gzip, bzip2, xz or zstd).  A root without an
image around it has no configuration.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from lzma import LZMAError
from pathlib import Path

from blink.images import ImageError, zstd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any, Self

BROKEN = (tarfile.TarError, EOFError, zlib.error, LZMAError, zstd.Damaged)
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
INDEX = (OCI + "index.v1+json", DOCKER + "distribution.manifest.list.v2+json")
MANIFEST = (OCI + "manifest.v1+json", DOCKER + "distribution.manifest.v2+json")
LAYERS = (
    *(OCI + "layer.v1.tar" + packed for packed in ("", "+gzip", "+zstd")),
    *(OCI + "layer.nondistributable.v1.tar" + packed for packed in ("", "+gzip", "+zstd")),
    *(DOCKER + "image.rootfs.diff.tar" + packed for packed in ("", ".gzip", ".zstd")),
)
ARCHITECTURE, SYSTEM = "amd64", "linux"
MAX_JSON = 16 << 20


class Member(tarfile.TarInfo):
    """A member whose archive may not just end, or go on with rubbish, as tarfile allows."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Reads a header; an archive ends with one of zeros."""
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise
            raise tarfile.ReadError(str(error)) from None


class Files:
    """Names and contents: a directory, or the members of an archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tar: tarfile.TarFile | None = None
        if not path.is_dir():
            try:
                file = zstd.unpacked(path.open("rb"), path)
                self.tar = tarfile.open(fileobj=file, tarinfo=Member)  # noqa: SIM115 - we live on
                self.members = {name.lstrip("./"): name for name in self.tar.getnames()}
            except BROKEN:
                raise damaged(path) from None

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return name in self.members if self.tar is not None else (self.path / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        """Opens a file.  Raises ImageError."""
        if not self.has(name):
            raise ImageError(f"{self.path}: the image names {name}, which is not there")
        if self.tar is None:
            return (self.path / name).open("rb")
        found = self.tar.extractfile(self.members[name])
        if found is None:
            raise ImageError(f"{self.path}: {name} is no file")
        return found

    def json(self, name: str) -> Any:
        """A file as JSON."""
        try:
            with self.open(name) as file:
                return json.loads(file.read(MAX_JSON))
        except BROKEN:
            raise damaged(self.path) from None
        except ValueError:
            raise ImageError(f"{self.path}: {name} is no JSON") from None


def damaged(path: Path) -> ImageError:
    """For an archive that cannot be read to its end."""
    return ImageError(f"{path}: is no tar archive, or is truncated or damaged; copy it again")


class Image:
    """A root's layers, the lowest first, and how to run it.

    config   the image's `config`: Env, Entrypoint, Cmd, WorkingDir, User
    key      names it in the cache
    """

    def __init__(self, path: Path, key: str, config: dict[str, Any]) -> None:
        self.path = path
        self.key = key
        self.config = config

    def layers(self) -> Iterator[IO[bytes]]:
        """The layers as tar archives, which may be compressed."""
        raise NotImplementedError


class _Layered(Image):
    """Layers among the files of an image: names, and digests to check or empty."""

    def __init__(
        self, files: Files, key: str, config: dict[str, Any], names: list[tuple[str, str]]
    ) -> None:
        super().__init__(files.path, key, config)
        self.files = files
        self.names = names

    def layers(self) -> Iterator[IO[bytes]]:
        """The layers, checked."""
        for name, digest in self.names:
            if digest:
                check(self.files, name, digest)
            with self.files.open(name) as file:
                yield file


class _Plain(Image):
    """A tar archive that is the root itself."""

    def layers(self) -> Iterator[IO[bytes]]:
        """The archive."""
        with self.path.open("rb") as file:
            yield file


def open_image(path: Path) -> Image:
    """Reads what an image consists of.  Raises ImageError."""
    if not path.exists():
        raise ImageError(f"{path}: no such file or directory")
    files = Files(path)
    if files.has("index.json"):
        return _oci(files)
    if files.has("manifest.json"):
        return _docker(files)
    if path.is_dir():
        raise ImageError(f"{path}: holds no image (index.json, manifest.json); a root is for -C")
    return _Plain(path, "root-" + _digest_of(path), {})


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- OCI ---


def blob(digest: str, path: Path) -> str:
    """The name of a blob in a layout."""
    kind, _, value = digest.partition(":")
    if kind not in ("sha256", "sha512") or not value.isalnum():
        raise ImageError(f"{path}: {digest!r} is no digest that blink knows")
    return f"blobs/{kind}/{value}"


def check(files: Files, name: str, digest: str) -> None:
    """Raises ImageError when a blob is not what its digest says."""
    kind, _, value = digest.partition(":")
    found = hashlib.new(kind)
    try:
        with files.open(name) as file:
            while part := file.read(1 << 20):
                found.update(part)
    except BROKEN:
        raise damaged(files.path) from None
    if found.hexdigest() != value:
        raise ImageError(f"{files.path}: {name} is damaged: it does not match its digest")


def _read_blob(files: Files, descriptor: dict[str, Any]) -> Any:
    name = blob(str(descriptor.get("digest")), files.path)
    check(files, name, descriptor["digest"])
    return files.json(name)


def _oci(files: Files) -> Image:
    manifest, digest = _manifest(files, files.json("index.json"), "")
    config = _read_blob(files, manifest.get("config", {}))
    _require_platform(files.path, config)
    names = [_layer(files, descriptor) for descriptor in manifest.get("layers", [])]
    return _Layered(files, digest.replace(":", "-"), config.get("config") or {}, names)


def _layer(files: Files, descriptor: dict[str, Any]) -> tuple[str, str]:
    kind = descriptor.get("mediaType", "")
    if kind not in LAYERS:
        raise ImageError(f"{files.path}: a layer has the media type {kind!r}, unknown to blink")
    return blob(str(descriptor.get("digest")), files.path), descriptor["digest"]


def _manifest(files: Files, document: dict[str, Any], digest: str) -> tuple[dict[str, Any], str]:
    """The manifest for this architecture, behind any number of indexes, and its digest."""
    if "manifests" not in document:
        return document, digest
    fitting = [entry for entry in document["manifests"] if _fits(entry)]
    if not fitting:
        names = sorted({_platform(entry) for entry in document["manifests"]}) or ["nothing"]
        raise ImageError(f"{files.path}: is for {', '.join(names)}; blink runs linux/amd64")
    entry = fitting[0]
    kind = entry.get("mediaType", MANIFEST[0])
    if kind not in (*INDEX, *MANIFEST):
        raise ImageError(f"{files.path}: a manifest has the media type {kind!r}, unknown to blink")
    return _manifest(files, _read_blob(files, entry), str(entry["digest"]))


def _fits(entry: dict[str, Any]) -> bool:
    platform = entry.get("platform")
    return not platform or _platform(entry) == f"{SYSTEM}/{ARCHITECTURE}"


def _platform(entry: dict[str, Any]) -> str:
    platform = entry.get("platform") or {}
    return f"{platform.get('os', SYSTEM)}/{platform.get('architecture', 'unknown')}"


def _require_platform(path: Path, config: dict[str, Any]) -> None:
    found = _platform({"platform": {"architecture": ARCHITECTURE, **config}})
    if found != f"{SYSTEM}/{ARCHITECTURE}":
        raise ImageError(f"{path}: is for {found}; blink runs {SYSTEM}/{ARCHITECTURE}")


# --- docker save ---


def _docker(files: Files) -> Image:
    images = files.json("manifest.json")
    if not isinstance(images, list) or not images:
        raise ImageError(f"{files.path}: manifest.json names no image")
    first = images[0]
    text = files.open(str(first.get("Config"))).read(MAX_JSON)
    config = json.load(io.BytesIO(text))
    _require_platform(files.path, config)
    key = "docker-" + hashlib.sha256(text + json.dumps(first).encode()).hexdigest()
    names = [(str(name), "") for name in first.get("Layers", [])]
    return _Layered(files, key, config.get("config") or {}, names)
