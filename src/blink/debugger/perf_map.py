"""`--perf-map`: which guest function each piece of translated code comes from, for `perf report`.

perf(1) reads /tmp/perf-PID.map for code that no file holds: start, size and name a line, numbers in
hexadecimal (tools/perf/Documentation/jit-interface.txt in Linux).
"""

from __future__ import annotations

import os

from blink.debugger.objects import Objects
from blink.debugger.places import read_mappings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.kernel.process import Process

FOLDER = "/tmp"


def write(process: Process, folder: str = FOLDER) -> None:
    """Writes the map of what is translated now; for the end of a process."""
    path = f"{folder}/perf-{os.getpid()}.map"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        process.log(f"{path}: {error.strerror}")
        return
    with os.fdopen(fd, "w") as file:
        file.writelines(lines(process))


def lines(process: Process) -> Iterator[str]:
    """`start size name`, a block a line."""
    objects = Objects(read_mappings(process.memory.skew))
    for task in process.tasks.values():
        for rip, host, _, code, _ in task.cpu.blocks():
            place = objects.at(rip, lines=False)
            name = str(place) or f"{place.object.rpartition('/')[2]} {rip:#x}"
            yield f"{host:x} {len(code):x} {name}\n"
