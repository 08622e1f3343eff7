"""Other projects' test suites, run by an interpreter under blink: our longest programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from programs.harness import BLINK

MODULES = """
    test_math test_cmath test_float test_complex test_long test_strtod test_struct test_fractions
    test_statistics test_random test_json test_re test_zlib test_bytes test_unicode test_array
    test_memoryview test_itertools test_collections test_csv test_set test_dict test_descr
    test_fcntl test_mmap test_pty test_resource test_pwd test_popen test_subprocess test_signal
    test_tempfile test_glob test_fileio test_gzip test_bz2 test_lzma test_datetime test_format
""".split()


@pytest.fixture(scope="module")
def python() -> str:
    """The interpreter that runs us, where its own tests are installed."""
    path = str(Path(sys._base_executable))  # type: ignore[attr-defined]
    code = "import test.test_math, test.libregrtest"
    if subprocess.run([path, "-c", code], capture_output=True, timeout=60).returncode:
        pytest.skip("this Python has no test suite")
    return path


@pytest.mark.long
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("mode", [(), ("-j",), ("-m",)], ids=["plain", "interpreted", "checked"])
@pytest.mark.parametrize("module", MODULES)
def test_cpython(python: str, module: str, mode: tuple[str, ...], tmp_path: Path) -> None:
    said = subprocess.run(
        [BLINK, *mode, python, "-m", "test", "-q", module],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=1200,
    )
    assert said.returncode == 0, said.stdout[-5000:] + said.stderr[-2000:]
