"""What `blinkenlights -h` prints besides the options."""

from __future__ import annotations

USAGE = """\
blinkenlights [OPTIONS] PROGRAM [ARGUMENTS]
       blinkenlights [OPTIONS] FILE.cap"""
DESCRIPTION = """\
Runs an x86-64 Linux program in a user-space machine and shows it at work: code, registers, memory,
stack, system calls, its terminal.  Goes back in time.  FILE.cap is a recording by `blink record` or
by ctrl-S.  In the interface ? lists the keys and : the commands.
"""
EPILOG = """\
All behind PROGRAM belongs to the program.  -j and -m mean what they mean in `blink`, which is the
opposite of what they mean in Blink's blinkenlights.  With -t the exit status is the program's; 48
is for a wrong command line, 125 for what cannot be started.  More: man blinkenlights
"""
