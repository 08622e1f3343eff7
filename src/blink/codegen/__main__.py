"""`python -m blink.codegen OUTDIR`: write the engine's generated sources."""

from __future__ import annotations

import sys
from pathlib import Path

from blink.codegen import outputs


def main(argv: list[str]) -> int:
    """Writes the sources into the folder argv[1]; returns the exit status."""
    if len(argv) != 2:
        print("usage: python -m blink.codegen OUTDIR", file=sys.stderr)
        return 2
    out = Path(argv[1])
    out.mkdir(parents=True, exist_ok=True)
    written = outputs.write(out)
    print(f"codegen: {written} files in {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
