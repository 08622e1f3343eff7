"""Programs whose results hang on every bit: mathematics, ciphers, video, linear algebra."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from programs.harness import BLINK, Same

Compile = Callable[..., str]
WIDTH, HEIGHT, FRAMES = 176, 144, 24
DIGESTS = "md5 sha1 sha224 sha256 sha384 sha512 sha3-256 blake2s256 blake2b512 sm3 ripemd160"
CIPHERS = {  # and the bytes of their keys
    "aes-128-cbc": 16, "aes-192-ctr": 24, "aes-256-cbc": 32, "aes-256-cfb": 32, "aes-128-ofb": 16,
    "aes-256-ctr": 32, "camellia-256-cbc": 32, "chacha20": 32, "aria-256-ctr": 32, "sm4-cbc": 16,
}  # fmt: skip
SPEED = "aes-128-gcm aes-256-cbc chacha20-poly1305 sha1 sha256 sha512"


def test_libm(same: Same, compile_c: Compile) -> None:
    """glibc chooses by CPUID among variants whose last bits differ: the host's must be ours."""
    same(compile_c("libm", "-lm"))


def noise(size: int) -> bytes:
    """Bytes that repeat after 256 * 251 only."""
    return bytes((i * 73 ^ i >> 3) % 251 for i in range(size))


@pytest.mark.parametrize("name", DIGESTS.split())
def test_digest(same: Same, name: str) -> None:
    same("openssl", "dgst", f"-{name}", "data", files={"data": noise(100_003)})


@pytest.mark.parametrize(("name", "size"), CIPHERS.items())
def test_cipher(same: Same, name: str, size: int) -> None:
    key = bytes(i * 37 % 256 for i in range(size)).hex()
    options = ["-K", key, "-iv", "0f" * 16, "-in", "data", "-out", "secret"]
    same("openssl", "enc", f"-{name}", *options, files={"data": noise(70_001)})


@pytest.mark.ci
@pytest.mark.parametrize("mode", [(), ("-j",)], ids=["translated", "interpreted"])
@pytest.mark.parametrize("name", SPEED.split())
def test_openssl_speed(need: Callable[[str], str], name: str, mode: tuple[str, ...]) -> None:
    command = [need("openssl"), "speed", "-seconds", "1", "-bytes", "1024", "-evp", name]
    said = subprocess.run([BLINK, *mode, *command], capture_output=True, text=True, timeout=400)
    assert said.returncode == 0, said.stderr
    assert "1024 bytes" in said.stdout


def clip() -> bytes:
    """A moving pattern as YUV4MPEG2."""
    parts = [b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT)]
    for f in range(FRAMES):
        luma = ((x * 3 + y * 5 + f * 7) ^ (x * y >> 4) for y in range(HEIGHT) for x in range(WIDTH))
        halves = range(HEIGHT // 2), range(WIDTH // 2)
        blue = (x + f * 3 for _ in halves[0] for x in halves[1])
        red = (y * 2 + f for y in halves[0] for _ in halves[1])
        parts.append(b"FRAME\n" + bytes(v & 255 for plane in (luma, blue, red) for v in plane))
    return b"".join(parts)


@pytest.mark.ci
@pytest.mark.parametrize("level", ["SSE2Fast", "SSE4.2", "AVX2"])
def test_x264(same: Same, level: str) -> None:
    """The same level in both: x264 has other code for AVX-512, with other decisions."""
    command = f"x264 --threads 1 --asm {level} -o out.264 clip.y4m 2>/dev/null"  # it tells of speed
    same.sh(command, files={"clip.y4m": clip()})


@pytest.fixture(scope="module")
def numpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with numpy from PyPI and what its tests need."""
    folder = tmp_path_factory.mktemp("numpy")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder)]
    subprocess.run([*pip, "numpy", "pytest", "hypothesis"], check=True, timeout=600)
    return folder


@pytest.mark.ci
@pytest.mark.parametrize("package", ["numpy.fft", "numpy.linalg"])
def test_numpy(numpy: Path, package: str, tmp_path: Path) -> None:
    """numpy's own tests, in a guest Python."""
    python = str(Path(sys._base_executable))  # type: ignore[attr-defined]
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", package]
    said = subprocess.run(
        [BLINK, *command], env={"PYTHONPATH": str(numpy), "PATH": "/usr/bin:/bin"}, cwd=tmp_path,
        capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout[-3000:] + said.stderr[-1000:]
    assert " passed" in said.stdout
