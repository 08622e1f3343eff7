"""The verbs of ./dev."""

from __future__ import annotations

import argparse
import sys

import engine_build
from toolchain import BuildError


def build(options: argparse.Namespace) -> int:
    """Brings the engine up to date in place (src/blink/_engine.abi3.so)."""
    variant = engine_build.sanitize() if options.sanitize else engine_build.release()
    if engine_build.build(variant, options.jobs) is None:
        print("engine: no C source yet")
    return 0


def main() -> int:
    """Parses the command line and runs one verb."""
    parser = argparse.ArgumentParser(prog="./dev")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("build", help="build the engine in place")
    verb.add_argument("--sanitize", action="store_true", help="ASan and UBSan, build/sanitize")
    verb.add_argument("-j", "--jobs", type=int, default=0)
    verb.set_defaults(run=build)
    options = parser.parse_args()
    try:
        return int(options.run(options))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
