"""Every generated file, by name."""

from __future__ import annotations

from pathlib import Path

from blink.codegen import (
    emit_cpuid,
    emit_flags,
    emit_forms,
    emit_galois,
    emit_handlers,
    emit_maps,
    emit_syscalls,
)
from blink.isa import families
from blink.isa.spec import REGISTRY

SCALAR, VECTORS = 4, 4  # files of the handlers


def generate() -> dict[str, str]:
    """File name -> content.  Deterministic: the same spec gives the same bytes."""
    families.load()
    calls = emit_syscalls.load()
    handlers, forms = emit_handlers.build(REGISTRY)
    files = {
        "_generated_maps.h": emit_maps.emit(),
        "_generated_features.h": emit_cpuid.header(),
        "_generated_cpuid.c": emit_cpuid.source(),
        "_generated_galois.h": emit_galois.header(),
        "_generated_syscalls.h": emit_syscalls.emit(calls),
        "_generated_index.py": emit_syscalls.index(calls),
        "_generated_flags.h": emit_flags.header(),
        "_generated_flags.c": emit_flags.source(),
        "_generated_forms.c": emit_forms.source(handlers, forms),
        "_generated_handlers_couples.c": emit_handlers.couples(handlers),
        "_generated_handlers_table.c": emit_handlers.table(handlers),
    }
    for n in range(SCALAR):
        files[f"_generated_handlers_scalar_{n}.c"] = emit_handlers.scalar(handlers, n, SCALAR)
    for n in range(VECTORS):
        files[f"_generated_handlers_vectors_{n}.c"] = emit_handlers.vectors(handlers, n, VECTORS)
    return files


def write(out: Path) -> int:
    """Write what changed; remove generated files that are no longer made.  The number of files."""
    files = generate()
    for old in out.glob("_generated_*"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        path = out / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    return len(files)
