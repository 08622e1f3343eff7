"""What `blink -h` prints."""

from __future__ import annotations

HELP = """\
usage: blink [OPTIONS] PROGRAM [ARGUMENTS]
       blink -0 [OPTIONS] PROGRAM ARGV0 [ARGUMENTS]
       blink profile | trace [OPTIONS] PROGRAM [ARGUMENTS], blink sql FILE QUERY (-h tells more)
       blink record -o FILE PROGRAM [ARGUMENTS], blink replay FILE (-h tells more)
       blink isa coverage [--json] DIR...

Runs an x86-64 Linux program in a user-space machine.

  -h, --help            print this text
  -v, --version         print the version
  -e, --log-stderr      write the log to standard error
  -L, --log PATH        append the log to a file
  -s, --strace          log each system call; -ss: also before one that may wait; -sss: before all
  -c, --summary         a table of the system calls when a process ends; alone: no other log of them
  -W, --trace NAMES     log these calls only: names, classes (file desc network process memory
                        signal ipc), !name to leave one out, with commas between
  -J, --trace-json      log system calls as JSON, an object a line
  -t, --trace-times     log the time of day and the duration of each call
  -S, --string-limit N  bytes of a string that are shown in the log of calls (32)
  -Z, --stats           print statistics at the end
  -B, --show-blocks     list what was translated when a process ends
  -P, --perf-map        write /tmp/perf-PID.map when a process ends: names for perf report
  -D, --doctor          compare the translator with the interpreter, block by block
  -m, --memory-checked  check every access to memory; isolates the program, slower
  -j, --no-jit          interpret only
  -0, --argv0           the word after PROGRAM becomes its argv[0]
  -C, --root PATH       the folder that is the program's root
  -I, --image PATH      a container image (OCI layout, docker save, tar of a root) as root
  -O, --overlay A:B:... the root is these folders merged, the first that has a name counts;
                        an empty one is the host's root (also: BLINK_OVERLAYS)
  -U, --upper PATH      the folder that all writes go to; else the first of the root's
  -b, --bind SRC:DST[:ro]  a file or folder of the host at DST
  -T, --tmpfs DST       an empty folder at DST, gone at the end
  -N, --no-mounts       no /proc, /dev, /sys and /tmp other than what the root has
      --binfmt          print the line that makes a kernel start x86-64 programs with blink
  -M, --cpu MODEL       what the CPU can do: max (the default), x86-64-v1...; help lists them
  -g, --gdb PORT        wait for GDB at PORT of this host, or at HOST:PORT

`isa coverage` lists the instructions that the programs below folders contain, and which of them are
not implemented; a program of that name is `./isa`.

The exit status is the program's; 48 for a wrong command line, 49 when --doctor found a difference,
50 when a replay is not what was recorded, 125 when blink itself cannot start, 126 when the program
cannot be run, 127 when it is not found.
More: man blink
"""


def models() -> str:
    """What `blink --cpu help` prints: a line for each model, below it its features."""
    from textwrap import fill

    from blink.isa.cpuid import MODELS

    indent = " " * 4
    parts = [
        f"{name}\n{fill(' '.join(features), 90, initial_indent=indent, subsequent_indent=indent)}\n"
        for name, features in MODELS.items()
    ]
    return "".join(parts)
