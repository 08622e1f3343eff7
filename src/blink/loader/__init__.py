"""Programs into memory: `open_program`, then `load`, then `build_stack`.

with open_program(path, argv, env) as program:        # what can fail fails here
    image = load(program, memory, place=allocate)
    rsp = build_stack(memory, image, program.argv, program.env, execfn=program.path, ...)
"""

from __future__ import annotations

from .errors import LoadError
from .image import Image, Segment, load
from .program import Program, find_program, open_program
from .source import open_host
from .stack import build_stack

__all__ = [
    "Image",
    "LoadError",
    "Program",
    "Segment",
    "build_stack",
    "find_program",
    "load",
    "open_host",
    "open_program",
]
