"""Words for files that are no x86-64 Linux programs."""

from __future__ import annotations

_TYPES = {
    0: "is an ELF file of type none; rebuild it as a program",
    1: "is an object file, not a program; link it first",
    4: "is a core dump, not a program; open it with a debugger",
}

_MACHINES = {
    2: "sparc",
    3: "i386",
    4: "m68k",
    6: "i486",
    8: "mips",
    15: "parisc",
    18: "sparc32plus",
    20: "powerpc",
    21: "powerpc64",
    22: "s390x",
    40: "arm",
    42: "superh",
    43: "sparc64",
    50: "ia64",
    62: "x86-64",
    75: "vax",
    83: "avr",
    92: "openrisc",
    93: "arc",
    94: "xtensa",
    105: "msp430",
    113: "nios2",
    164: "hexagon",
    183: "aarch64",
    189: "microblaze",
    190: "cuda",
    195: "arcv2",
    224: "amdgpu",
    243: "riscv",
    247: "bpf",
    252: "csky",
    258: "loongarch",
    0x9026: "alpha",
}

_MAGICS = (
    (b"MZ", "is a Windows, DOS or portable (APE) program"),
    (b"\xcf\xfa\xed\xfe", "is a macOS program"),
    (b"\xca\xfe\xba\xbe", "is a macOS program or Java class"),
    (b"!<arch>\n", "is an ar archive, not a program"),
    (b"\x1f\x8b", "is a gzip file, not a program"),
    (b"PK\3\4", "is a zip file, not a program"),
)
_PLAIN = bytes(range(32, 127)) + b"\t\n\r\f"
_WANTED = "blink runs x86-64 ELF programs and #! scripts"


def describe_foreign(head: bytes) -> str:
    """Says what a file is that begins neither with the ELF magic nor with `#!`."""
    if not head:
        return "is empty; build or copy it again"
    for magic, text in _MAGICS:
        if head.startswith(magic):
            return f"{text}; {_WANTED}"
    if b"\x7fELF".startswith(head[:4]):
        return f"is truncated: {len(head)} of the 64 bytes of an ELF header; copy it again"
    if not head[:256].translate(None, _PLAIN):
        return "is text without a #! line; name its interpreter, as in blink /bin/sh FILE"
    return f"is not an ELF file; {_WANTED}"


def describe_machine(head: bytes) -> str:
    """Names class, byte order and machine of an ELF file that is not for x86-64."""
    bits = {1: "32-bit ", 2: "64-bit "}.get(head[4], f"class {head[4]} ")
    order = {1: "", 2: "big-endian "}.get(head[5], f"byte order {head[5]} ")
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    machine = _MACHINES.get(number, f"machine {number}")
    return f"is a {bits}{order}{machine} program; blink runs 64-bit x86-64 programs"


def describe_type(kind: int) -> str:
    """Says what an ELF file is that is neither ET_EXEC nor ET_DYN."""
    return _TYPES.get(kind, f"is an ELF file of type {kind}, not a program; rebuild it")
