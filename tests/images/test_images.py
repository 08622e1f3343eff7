"""Images as roots: OCI layouts, `docker save` archives and plain archives, made here."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blink import _engine
from blink.images import ImageError, cache, source, zstd
from blink.images.unpack import unpack

SOURCE = Path(__file__).parents[2] / "src"
BLINK = [
    *(sys.executable, "-I", "-S", "-c"),
    f"import sys; sys.path.insert(0, {str(SOURCE)!r}); from blink.cli.main import main; "
    "sys.exit(main())",
]
Entry = tuple[str, str, str | bytes]  # name, kind (f, d, l: symbolic, h: hard), content or target
TYPES = {"d": tarfile.DIRTYPE, "l": tarfile.SYMTYPE, "h": tarfile.LNKTYPE, "c": tarfile.CHRTYPE}
MODES = {"d": 0o755, "f": 0o755, "l": 0o777, "h": 0o644, "c": 0o666}
OCI = "application/vnd.oci.image."


def tar(*entries: Entry) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for name, kind, content in entries:
            member = tarfile.TarInfo(name)
            member.mode = MODES[kind]
            member.type = TYPES.get(kind, tarfile.REGTYPE)
            if kind in "lh":
                member.linkname = str(content)
            data = content.encode() if isinstance(content, str) else content
            member.size = len(data) if kind == "f" else 0
            made.addfile(member, io.BytesIO(data))
    return file.getvalue()


class Layout:
    """An OCI image layout in a directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, kind: str, **more: Any) -> dict[str, Any]:
        value = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / value).write_bytes(data)
        return {"mediaType": OCI + kind, "digest": f"sha256:{value}", "size": len(data), **more}

    def index(self, *manifests: dict[str, Any]) -> None:
        text = json.dumps({"schemaVersion": 2, "manifests": manifests})
        (self.folder / "index.json").write_text(text)

    def manifest(
        self, layers: list[bytes], config: dict[str, Any], kind: str = "layer.v1.tar", **more: Any
    ) -> dict[str, Any]:
        document = {"architecture": "amd64", "os": "linux", "config": config, **more}
        descriptor = self.blob(json.dumps(document).encode(), "config.v1+json")
        made = {"config": descriptor, "layers": [self.blob(layer, kind) for layer in layers]}
        return self.blob(json.dumps(made).encode(), "manifest.v1+json")


def oci(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    layout = Layout(path)
    layout.index(layout.manifest(layers, config))


def oci_archive(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    folder = path.with_suffix(".layout")
    layout = Layout(folder)
    packed = [gzip.compress(layer, 1) for layer in layers]
    inner = layout.manifest(packed, config, "layer.v1.tar+gzip")
    inner["platform"] = {"architecture": "amd64", "os": "linux"}
    other = {**inner, "digest": "sha256:00", "platform": {"architecture": "arm64", "os": "linux"}}
    text = json.dumps({"manifests": [other, inner]}).encode()
    layout.index(layout.blob(text, "index.v1+json"))  # an index in an index
    with tarfile.open(path, "w") as made:
        made.add(folder, ".")


def docker(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    document = {"architecture": "amd64", "os": "linux", "config": config}
    names = [f"{i}/layer.tar" for i in range(len(layers))]
    manifest = [{"Config": "config.json", "Layers": names, "RepoTags": ["x:1"]}]
    files = [("config.json", json.dumps(document)), ("manifest.json", json.dumps(manifest))]
    entries: list[Entry] = [(name, "f", data) for name, data in files]
    entries += [(name, "f", layer) for name, layer in zip(names, layers, strict=True)]
    path.write_bytes(gzip.compress(tar(*entries), 1))


def plain(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    path.write_bytes(layers[0])


def packed(data: bytes) -> bytes:
    """By zstd, in frames of 100,000 bytes."""
    new = pytest.importorskip("zstandard").ZstdCompressor
    return b"".join(new().compress(data[at : at + 100_000]) for at in range(0, len(data), 100_000))


def oci_zstd(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    layout = Layout(path)
    layout.index(layout.manifest([packed(one) for one in layers], config, "layer.v1.tar+zstd"))


def docker_zstd(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    docker(path, layers, config)
    path.write_bytes(packed(gzip.decompress(path.read_bytes())))


def plain_zstd(path: Path, layers: list[bytes], config: dict[str, Any]) -> None:
    path.write_bytes(packed(layers[0]))


FORMS = {
    "oci": oci,
    "oci-archive": oci_archive,
    "oci-zstd": oci_zstd,
    "docker": docker,
    "docker-zstd": docker_zstd,
    "plain": plain,
    "plain-zstd": plain_zstd,
}


@pytest.fixture
def base(need: Callable[[str], str]) -> bytes:
    """A layer with a shell."""
    return tar(
        ("bin", "d", ""),
        ("bin/busybox", "f", Path(need("busybox")).read_bytes()),
        *((f"bin/{name}", "l", "busybox") for name in ("sh", "cat", "ls", "id", "env", "pwd")),
        ("etc", "d", ""),
        ("etc/passwd", "f", "root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n"),
        ("gone", "f", "of the base"),
        ("kept", "f", "of the base"),
        ("full", "d", ""),
        ("full/old", "f", "of the base"),
        ("dev/null", "c", ""),
    )


UPPER = tar(
    (".wh.gone", "f", ""),
    ("full", "d", ""),
    ("full/new", "f", "of the layer"),
    ("full/.wh..wh..opq", "f", ""),
    ("added", "f", "of the layer"),
)


def run(tmp_path: Path, *words: str, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    said = subprocess.run(
        [*BLINK, *words],
        capture_output=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path / "cache"), **(env or {})},
    )
    return said.returncode, said.stdout.decode(), said.stderr.decode()


@pytest.mark.parametrize(
    "form",
    ["oci", "plain", *(pytest.param(f, marks=pytest.mark.ci) for f in ("oci-archive", "docker"))],
)
def test_each_form_runs(form: str, base: bytes, tmp_path: Path) -> None:
    FORMS[form](tmp_path / "image", [base], {})
    script = "cat /etc/passwd; pwd; echo $HOME; echo x > /new; cat /new; exit 7"
    status, out, err = run(tmp_path, "--image", "image", "sh", "-c", script)
    assert (status, err) == (7, "")
    assert out.splitlines()[2:] == ["/", "/root", "x"]
    # What it wrote is gone, and a second start needs no archive.
    assert run(tmp_path, "--image", "image", "/bin/cat", "/new")[0] == 1


def test_layers_and_configuration(base: bytes, tmp_path: Path) -> None:
    config = {
        "Env": ["PATH=/bin", "COLOUR=blue"],
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ["pwd; env; ls /; ls /full; ls /kept; id -u"],
        "WorkingDir": "/srv/data",
        "User": "app" if os.geteuid() == 0 else "",
    }
    oci(tmp_path / "image", [base, UPPER], config)
    status, out, err = run(tmp_path, "--image", "image", env={"SECRET": "of the host"})
    words = out.split()
    assert (status, err, words[0]) == (0, "", "/srv/data")
    assert "COLOUR=blue" in words and "PATH=/bin" in words and "SECRET" not in out
    assert {"added", "kept", "new", "/kept"} <= set(words) and not {"gone", "old"} & set(words)
    if os.geteuid() == 0:
        assert words[-1] == "1234" and "HOME=/home/app" in words
    # A program that is named takes the place of the image's own.
    assert run(tmp_path, "--image", "image", "cat", "/added")[1] == "of the layer"


def test_writes_go_to_an_upper_directory(base: bytes, tmp_path: Path) -> None:
    plain(tmp_path / "image", [base], {})
    (tmp_path / "upper").mkdir()
    options = ("--image", "image", "--upper", "upper", "sh", "-c")
    assert run(tmp_path, *options, "echo 1 > /kept; busybox rm /gone; busybox mkdir /d")[0] == 0
    assert (tmp_path / "upper" / "kept").read_text() == "1\n"
    assert (tmp_path / "upper" / ".wh.gone").exists() and (tmp_path / "upper" / "d").is_dir()
    assert run(tmp_path, *options, "cat /kept; ls /gone")[:2] == (1, "1\n")


# --- what must not happen ---

EVIL: dict[str, tuple[Entry, ...]] = {
    "dots": (("../evil", "f", "x"),),
    "dots inside": (("a/../../evil", "f", "x"),),
    "absolute": (("/evil-inside", "f", "x"),),
    "through a link": (("out", "l", "OUTSIDE"), ("out/evil", "f", "x")),
    "through a relative link": (("out", "l", "../.."), ("out/evil", "f", "x")),
    "onto a link": (("out", "l", "OUTSIDE/victim"), ("out", "f", "x")),
    "hard link": (("h", "h", "../victim"), ("h", "f", "x")),
    "hard link through a link": (("out", "l", "OUTSIDE"), ("h", "h", "out/victim")),
    "whiteout through a link": (("out", "l", "OUTSIDE"), ("out/.wh.victim", "f", "")),
    "opaque through a link": (("out", "l", "OUTSIDE"), ("out/.wh..wh..opq", "f", "")),
    "whiteout of dots": ((".wh...", "f", ""),),
    "directory over a link": (("out", "l", "OUTSIDE"), ("out", "d", ""), ("out/evil", "f", "")),
}


@pytest.mark.parametrize("way", EVIL)
def test_no_member_leads_out(way: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    target = outside / "one" / "root"
    target.mkdir(parents=True)
    (outside / "victim").write_text("safe")
    entries = [
        (name, kind, str(content).replace("OUTSIDE", str(outside)))
        for name, kind, content in EVIL[way]
    ]
    image = tmp_path / "image.tar"
    image.write_bytes(tar(*entries))
    try:
        unpack(source.open_image(image), target, _engine.host_call_now)
    except ImageError as error:
        assert str(error).startswith(str(image)) and "\n" not in str(error)
    assert sorted(path.name for path in outside.iterdir()) == ["one", "victim"]
    assert [path.name for path in (outside / "one").iterdir()] == ["root"]
    assert (outside / "victim").read_text() == "safe"
    assert (outside / "victim").stat().st_nlink == 1


END = 512 + 98 * 512  # of the member of 50,000 bytes


def wrong(tmp_path: Path, kind: str) -> Path:
    """An image with something wrong in it."""
    path = tmp_path / "image"
    layer = tar(("file", "f", os.urandom(50_000)))
    if kind == "absent":
        return path
    if kind == "text":
        path.write_text("just text")
    elif kind == "truncated":
        path.write_bytes(layer[:20_000])
    elif kind == "truncated at a header":
        path.write_bytes(layer[:END])
    elif kind == "truncated gzip":
        path.write_bytes(gzip.compress(layer, 1)[:20_000])
    elif kind == "truncated zstd":
        path.write_bytes(packed(layer)[:20_000])
    elif kind == "zstd of nothing":
        path.write_bytes(zstd.MAGIC + bytes(100))
    elif kind == "rubbish inside":
        path.write_bytes(layer[:END] + os.urandom(512) + bytes(1024))
    else:
        layout = Layout(path)
        types = {"layer type": "layer.v1.tar+lz4"}
        more = {"architecture": "arm64"} if kind == "architecture" else {}
        made = layout.manifest([layer], {}, types.get(kind, "layer.v1.tar"), **more)
        if kind == "platform":
            made["platform"] = {"architecture": "riscv64", "os": "linux"}
        if kind == "manifest type":
            made["mediaType"] = "application/x-strange"
        if kind == "digest":
            blob = max((path / "blobs" / "sha256").iterdir(), key=lambda file: file.stat().st_size)
            blob.write_bytes(layer + b"more")
        if kind == "blob missing":
            (path / "blobs" / "sha256" / made["digest"][7:]).unlink()
        layout.index(made)
        if kind == "json":
            (path / "index.json").write_text("{")
    return path


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("absent", "No such file or directory"),
        ("text", "is no tar archive, or is truncated or damaged"),
        ("truncated", "truncated or damaged"),
        ("truncated at a header", "truncated or damaged"),
        ("truncated gzip", "truncated or damaged"),
        ("truncated zstd", "truncated or damaged"),
        ("zstd of nothing", "truncated or damaged"),
        ("rubbish inside", "truncated or damaged"),
        ("layer type", "unknown to blink"),
        ("manifest type", "media type 'application/x-strange'"),
        ("architecture", "is for linux/arm64; blink runs linux/amd64"),
        ("platform", "is for linux/riscv64; blink runs linux/amd64"),
        ("digest", "does not match its digest"),
        ("blob missing", "is not there"),
        ("json", "is no JSON"),
    ],
)
def test_errors_are_one_line(
    kind: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = wrong(tmp_path, kind)
    with pytest.raises(ImageError) as caught:
        cache.find(path, _engine.host_call_now)
    assert text in str(caught.value) and "\n" not in str(caught.value)
    kept = [*(tmp_path / "cache").rglob("root")]
    assert kept == []  # nothing half unpacked


def test_the_command_tells_it(tmp_path: Path) -> None:
    status, out, err = run(tmp_path, "--image", str(wrong(tmp_path, "architecture")))
    assert (status, out, err.count("\n")) == (125, "", 1)
    assert err.startswith("blink: ") and "arm64" in err


def test_zstd_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("zstandard", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "image"
    path.write_bytes(zstd.MAGIC)
    with pytest.raises(ImageError, match="pip install zstandard") as caught:
        cache.find(path, _engine.host_call_now)
    assert "\n" not in str(caught.value)
