"""The instruction families: importing one registers its instructions."""

from __future__ import annotations

import importlib
import pkgutil


def load() -> None:
    """Import every family; blink.isa.spec.REGISTRY is complete afterwards."""
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        importlib.import_module(f"{__name__}.{module.name}")
