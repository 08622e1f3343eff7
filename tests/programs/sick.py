"""`blink --doctor` with a translator that is wrong on purpose: NAME PROGRAM ARGUMENTS...

The switch is reachable from Python only.
"""

from __future__ import annotations

import sys

from blink import _engine
from blink.cli.main import main
from blink.kernel import boot
from blink.kernel import exec as exec_

enter = exec_.enter


def enter_sick(task: boot.Task, program: object) -> None:
    task.cpu.break_copy(sys.argv[1])
    enter(task, program)  # type: ignore[arg-type]


exec_.enter = enter_sick  # type: ignore[assignment]
_engine.set_message_fd(2)
sys.exit(main(["--doctor", *sys.argv[2:]]))
