"""The object cache: what is compiled again, and what is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import engine_build
from toolchain import BuildError

MODULE_C = """
#include <Python.h>
#include "part.h"
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, "_engine", 0, -1, 0, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit__engine(void) { return PyModule_Create(&def); }
"""
TWICE_C = """/* build: twice */
#include "part.h"
#ifdef BLINK_PAGED
int paged(void) { return PART; }
#else
int linear(void) { return PART; }
#endif
"""
CODEGEN = """
import sys
from pathlib import Path
from blink.isa import spec
text = f"int generated(void);\\nint generated(void) {{ return {spec.VALUE}; }}\\n"
Path(sys.argv[1], "_generated_table.c").write_text(text)
Path(sys.argv[1], "_generated_index.py").write_text("INDEX = 1")
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with two C files (one built twice), a header, and a codegen of one line."""
    package = tmp_path / "src" / "blink"
    for part in ("engine", "isa", "codegen", "syscalls", "abi"):
        (package / part).mkdir(parents=True)
    (package / "engine" / "py_module.c").write_text(MODULE_C)
    (package / "engine" / "twice.c").write_text(TWICE_C)
    (package / "engine" / "part.h").write_text("#define PART 1\n")
    (package / "isa" / "spec.py").write_text("VALUE = 1\n")
    (package / "codegen" / "__main__.py").write_text(CODEGEN)
    (package / "__init__.py").touch()
    monkeypatch.setattr(engine_build, "ROOT", tmp_path)
    monkeypatch.setattr(engine_build, "BUILD", tmp_path / "build")
    monkeypatch.setattr(engine_build, "GENERATED", tmp_path / "build" / "generated")
    monkeypatch.setattr(engine_build, "ENGINE", package / "engine")
    return tmp_path


def compiled(capsys: pytest.CaptureFixture[str]) -> tuple[str, bool, bool]:
    """Builds; returns ("N of M", whether codegen ran, whether it was linked)."""
    capsys.readouterr()
    engine_build.build(engine_build.release(), jobs=2)
    said = capsys.readouterr().out
    return said.split(": ")[1].partition(" objects")[0], "codegen run" in said, "linked" in said


def test_first_build_then_nothing(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compiled(capsys) == ("4 of 4", True, True)
    assert (tree / "src" / "blink" / engine_build.MODULE).read_bytes()[:4] == b"\x7fELF"
    assert compiled(capsys) == ("0 of 4", False, False)


def test_a_new_time_is_no_change(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    for path in (tree / "src").rglob("*.*"):
        path.touch()
    assert compiled(capsys) == ("0 of 4", False, False)


def test_a_source_compiles_alone(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    source = tree / "src/blink/engine/twice.c"
    source.write_text(source.read_text() + "/* more */\n")
    assert compiled(capsys) == ("2 of 4", False, True)


def test_a_header_compiles_its_readers(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    (tree / "src/blink/engine/part.h").write_text("#define PART 2\n")
    assert compiled(capsys) == ("3 of 4", False, True)


def test_a_spec_runs_codegen(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    (tree / "src/blink/isa/spec.py").write_text("VALUE = 22\n")
    assert compiled(capsys) == ("1 of 4", True, True)
    assert "return 22" in (tree / "build/generated/_generated_table.c").read_text()


def test_codegen_with_the_same_result(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    (tree / "src/blink/isa/spec.py").write_text("VALUE = 1  # one\n")
    assert compiled(capsys) == ("0 of 4", True, False)


def test_a_lost_generated_file_comes_back(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    (tree / "build/generated/_generated_table.c").unlink()
    assert compiled(capsys) == ("0 of 4", True, False)


def test_generated_modules_join_the_package(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = tree / "src/blink/syscalls/_generated_index.py"
    compiled(capsys)
    assert index.read_text() == "INDEX = 1"
    index.unlink()
    assert compiled(capsys) == ("0 of 4", False, False)
    assert index.read_text() == "INDEX = 1"
    main = tree / "src/blink/codegen/__main__.py"
    main.write_text(main.read_text().replace('Path(sys.argv[1], "_generated_index', "#"))
    assert compiled(capsys) == ("0 of 4", True, False)
    assert not index.exists()


def test_a_removed_source_is_linked_out(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    (tree / "src/blink/engine/twice.c").unlink()
    assert compiled(capsys) == ("0 of 2", False, True)
    left = {path.stem for path in engine_build.release().objects.iterdir()}
    assert left == {"py_module", "_generated_table", "linked"}


def test_flags_are_part_of_the_key(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    variant = engine_build.release()
    variant.flags = [*variant.flags, "-DMORE=1"]
    engine_build.build(variant, jobs=2)
    assert "4 of 4 objects" in capsys.readouterr().out


def test_scalar_handlers_need_less_of_gcc(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "build/generated").mkdir(parents=True)
    for kind in ("scalar_0", "vectors_0"):
        (tree / f"build/generated/_generated_handlers_{kind}.c").touch()
    for gcc, levels in ((True, {"-O1", "-O2"}), (False, {"-O2"})):
        monkeypatch.setattr(engine_build, "is_gcc", lambda gcc=gcc: gcc)
        found = engine_build.units(engine_build.release())
        last = {u.object.name: [f for f in u.flags if f.startswith("-O")][-1] for u in found}
        assert set(last.values()) == levels
        assert last["_generated_handlers_vectors_0.paged.o"] == last["py_module.o"] == "-O2"
        assert last["_generated_handlers_scalar_0.paged.o"] == min(levels)


def test_an_error_is_told_and_not_remembered(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tree / "src/blink/engine/twice.c"
    good = source.read_text()
    source.write_text(good + "int broken(void) { return; }\n")
    with pytest.raises(BuildError, match=r"twice\.c"):
        compiled(capsys)
    with pytest.raises(BuildError, match=r"twice\.c"):
        compiled(capsys)
    source.write_text(good)
    assert compiled(capsys)[1:] == (False, True)


def test_an_undefined_symbol_is_told(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tree / "src/blink/engine/py_module.c"
    good = source.read_text()
    use = "int nowhere(void); int (*volatile keep)(void) = nowhere;\n"
    source.write_text(good.replace("static struct", use + "static struct"))
    for _ in range(2):
        with pytest.raises(BuildError, match="nowhere"):
            compiled(capsys)
    source.write_text(good)
    assert compiled(capsys) == ("1 of 4", False, True)


def test_the_sanitized_engine_stands_beside(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(capsys)
    place = engine_build.build(engine_build.sanitize(), jobs=2)
    assert place == tree / "build/sanitize/blink" / engine_build.MODULE
    assert (place.parent / "isa").resolve() == tree / "src/blink/isa"
    assert compiled(capsys) == ("0 of 4", False, False)


def test_a_failing_codegen_keeps_the_old_files(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(capsys)
    (tree / "src/blink/isa/spec.py").write_text("VALUE = undefined\n")
    with pytest.raises(BuildError, match="codegen failed"):
        compiled(capsys)
    assert (tree / "build/generated/_generated_table.c").exists()


def test_make_rules_with_spaces() -> None:
    rule = "a.o: src/a.c \\\n src/with\\ space.h src/a.h\n"
    assert engine_build._dependencies(rule) == ["src/a.c", "src/a.h", "src/with space.h"]


def test_hashing_keeps_parts_apart() -> None:
    assert engine_build.digest("ab", "c") != engine_build.digest("a", "bc")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_compiler_is_found() -> None:
    import toolchain

    assert toolchain.has_compiler()
    assert toolchain.compiler_version()
