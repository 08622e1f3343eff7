"""The verbs of ./dev; `./dev help` lists them."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import engine_build
import machine_setup
from engine_build import ROOT
from machine_setup import PYTHON, VENV
from toolchain import BuildError

Verb = Callable[[argparse.Namespace], int]
LEFTOVERS = (".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "build", "dist")


def run(*command: str, **environment: str) -> int:
    """Runs a program in the root of the tree; returns its exit status."""
    sys.stdout.flush()
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, check=False
    ).returncode


def demo(options: argparse.Namespace) -> int:
    """set up, then run programs of this machine under blink"""
    machine_setup.prepare()
    return run(str(PYTHON), "tools/demo.py")


def test(options: argparse.Namespace) -> int:
    """set up, then run the tests (--ci: the longer tier; --all: without bounds)"""
    machine_setup.prepare(tools=True, programs=True, everything=options.all)
    tier = "all" if options.all else "ci" if options.ci else "unit"
    limit = {"unit": "400", "ci": "900", "all": "0"}[tier]
    command = [str(PYTHON), "-m", "pytest", "-n", "2", "--dist", "worksteal", "-rs"]
    command += ["--durations=20", "--durations-min=10"]
    return run(*command, f"--timeout={limit}", *options.rest, BLINK_TIER=tier)


def lint(options: argparse.Namespace) -> int:
    """check style and types (--fix: repair what a tool can)"""
    machine_setup.enter_venv()
    machine_setup.install_tools()
    c_files = [str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("src/**/*.[ch]"))]
    fix, mode = (["--fix"], ["-i"]) if options.fix else ([], ["--dry-run", "-Werror"])
    tools = str(VENV / "bin")
    steps = [
        [f"{tools}/ruff", "check", "-q", *fix, "."],
        [f"{tools}/ruff", "format", "-q", *([] if options.fix else ["--check"]), "."],
        [f"{tools}/clang-format", *mode, *c_files],
        [f"{tools}/mypy"],
    ]
    failed = [step[0].rpartition("/")[2] for step in steps if run(*step)]
    print("lint: " + ("failed: " + ", ".join(failed) if failed else "clean"))
    return int(bool(failed))


def bench(options: argparse.Namespace) -> int:
    """measure against native and qemu-user (arguments go to bench/)"""
    machine_setup.prepare(programs=True)
    return run(str(PYTHON), "-m", "bench", *options.rest)


def docs(options: argparse.Namespace) -> int:
    """write the generated pages of docs/"""
    machine_setup.prepare()
    return run(str(PYTHON), "-m", "blink.codegen.emit_docs", "docs/guide")


def build(options: argparse.Namespace) -> int:
    """bring the engine up to date (--sanitize: ASan and UBSan, in build/sanitize)"""
    machine_setup.enter_venv()
    machine_setup.ensure_compiler()
    variant = engine_build.sanitize() if options.sanitize else engine_build.release()
    if engine_build.build(variant, options.jobs) is None:
        raise BuildError("blink: src/blink/engine holds no C source")
    machine_setup.install_package()
    return 0


def fuzz_isa(options: argparse.Namespace) -> int:
    """compare instructions with the host CPU (--seconds N --filter WORD; see --help)"""
    machine_setup.prepare(tools=True)
    return run(str(PYTHON), "-m", "tests.isa.fuzz", *options.rest, PYTHONPATH="src")


def fuzz_syscalls(options: argparse.Namespace) -> int:
    """compare system calls with the host kernel (--seconds N --calls N; see --help)"""
    machine_setup.prepare(tools=True)
    return run(str(PYTHON), "-m", "syscalls.fuzz", *options.rest, PYTHONPATH="src:tests")


def clean(options: argparse.Namespace) -> int:
    """remove what was built (--all: .venv too)"""
    for name in (*LEFTOVERS, *([".venv"] if options.all else [])):
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for cache in (ROOT / "src").rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    (ROOT / "src" / "blink" / engine_build.MODULE).unlink(missing_ok=True)
    return 0


def help_text(options: argparse.Namespace) -> int:
    """print this list"""
    print("usage: ./dev VERB [OPTIONS]\n")
    for name, verb in VERBS.items():
        print(f"  {name:13} {verb.__doc__}")
    return 0


VERBS: dict[str, Verb] = {
    "demo": demo,
    "test": test,
    "lint": lint,
    "bench": bench,
    "docs": docs,
    "build": build,
    "clean": clean,
    "fuzz-isa": fuzz_isa,
    "fuzz-syscalls": fuzz_syscalls,
    "help": help_text,
}
FLAGS = {
    "test": ("--ci", "--all"),
    "lint": ("--fix",),
    "build": ("--sanitize",),
    "clean": ("--all",),
}
PASS_ON = ("test", "bench", "fuzz-isa", "fuzz-syscalls")


def parse(words: list[str]) -> tuple[Verb, argparse.Namespace]:
    """Finds the verb; what is no option of ours goes on to the verb's tool if it has one."""
    name, *rest = words or ["help"]
    if name in ("-h", "--help"):
        name = "help"
    if name not in VERBS:
        raise BuildError(f"./dev: no verb {name!r}: see ./dev help")
    parser = argparse.ArgumentParser(prog=f"./dev {name}", allow_abbrev=False)
    for flag in FLAGS.get(name, ()):
        parser.add_argument(flag, action="store_true")
    if name == "build":
        parser.add_argument("-j", "--jobs", type=int, default=0)
    options, options_rest = parser.parse_known_args(rest)
    if options_rest and name not in PASS_ON:
        parser.error("unknown: " + " ".join(options_rest))
    options.rest = options_rest
    return VERBS[name], options


def main() -> int:
    """Runs one verb; returns the exit status."""
    try:
        verb, options = parse(sys.argv[1:])
        return verb(options)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
