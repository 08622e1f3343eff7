"""Inside a process of blink (`-s`): notes each system call of the guest, for `coverage`."""

from __future__ import annotations

import os
import struct

ROW = struct.Struct("<iQQQQQQq")  # number, arguments, result
HIDDEN = "coverage"


def install(path: str) -> None:
    """Makes the tracer of `-s` append to a file in place of its lines."""
    from blink.abi.errors import SysError
    from blink.syscalls import _trace
    from blink.syscalls._spec import KEEP

    def note(task, call, registers, result):  # type: ignore[no-untyped-def]
        process = task.process
        if HIDDEN not in process.hidden.fds:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            process.hidden.keep(HIDDEN, process.hidden.with_room(os.open, path, flags))
        with process.limits.without_file_size():
            os.write(process.hidden.fds[HIDDEN], ROW.pack(call.number, *registers, result))

    def traced(self, task, call, registers, invoke):  # type: ignore[no-untyped-def]
        if call.name in _trace.LEAVES:
            note(task, call, registers, 0)
        result = invoke(task, call, registers)
        if result != KEEP:
            note(task, call, registers, result)
        return result

    del SysError
    _trace.Tracer.call = traced  # type: ignore[method-assign]
