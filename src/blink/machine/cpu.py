"""`Cpu`: one guest CPU, its registers by name."""

from __future__ import annotations

from blink import _engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.machine.memory import Memory

GENERAL = tuple("rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split())
OTHER = ("rip", "eflags", "fs_base", "gs_base", "mxcsr", "fcw", "es", "cs", "ss", "ds", "fs", "gs")
VECTOR = tuple(f"ymm{n}" for n in range(16))
# name -> (the whole register, first bit, width in bits)
_PARTS = {
    **{name[1:]: (name, 0, 16) for name in GENERAL[:8]},
    **{"e" + name[1:]: (name, 0, 32) for name in GENERAL[:8]},
    **{name[1] + "l": (name, 0, 8) for name in GENERAL[:4]},
    **{name[1] + "h": (name, 8, 8) for name in GENERAL[:4]},
    **{name[1:] + "l": (name, 0, 8) for name in GENERAL[4:8]},
    **{
        f"r{n}{s}": (f"r{n}", 0, w)
        for n in range(8, 16)
        for s, w in (("d", 32), ("w", 16), ("b", 8))
    },
    **{"x" + name[1:]: (name, 0, 128) for name in VECTOR},
}


class Cpu:
    """Registers are attributes: `cpu.rax`, `cpu.eax`, `cpu.ymm3`, `cpu.rip`, `cpu.eflags`.

    Values are unsigned integers of the register's width; writing reduces modulo that width, and,
    unlike an instruction, writing `eax` keeps the upper half of `rax`, and `xmm3` that of `ymm3`.
    AttributeError for names that no register has.  `cpu.entropy` is what RDRAND and RDSEED draw
    from: 0 for the host's randomness, else the state of a sequence that it determines.
    """

    __slots__ = ("raw",)

    raw: _engine.Cpu

    def __init__(self, memory: Memory) -> None:
        object.__setattr__(self, "raw", _engine.Cpu(memory))

    def __getattr__(self, name: str) -> int:
        value = read_register(self.raw, name)
        if value is None:
            raise AttributeError(f"no register is called {name}")
        return value

    def __setattr__(self, name: str, value: int) -> None:
        whole, first, width = part_of(name)
        mask = ((1 << width) - 1) << first
        try:
            keep = self.raw.get(whole) & ~mask if whole != name else 0
            self.raw.set(whole, keep | value << first & mask)
        except KeyError:
            raise AttributeError(f"no register is called {name}") from None

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Pairs of name and value of all whole registers."""
        for name in (*GENERAL, *OTHER, *VECTOR):
            yield name, self.raw.get(name)

    @property
    def mode(self) -> int:
        """16, 32 or 64, as the segment in CS says."""
        return self.raw.mode

    def set_mode(self, bits: int) -> None:
        """Segments of a 64 or 32-bit Linux process, or real mode as after a reset (16)."""
        self.raw.set_mode(bits)

    def segment(self, name: str) -> tuple[int, int, int, int]:
        """(selector, base, limit, rights) of a segment register, or of gdt, idt, ldt or tr.

        `rights` are bits 40 to 55 of the descriptor.  KeyError for other names.
        """
        return self.raw.segment(name)

    def set_segment(self, name: str, selector: int, base: int, limit: int, rights: int) -> None:
        """Load a register with its hidden part, unchecked; CS and SS may change the mode."""
        self.raw.set_segment(name, selector, base, limit, rights)

    @property
    def instructions(self) -> int:
        """Instructions retired since the Cpu was made, exactly."""
        return self.raw.icount

    def save(self) -> bytes:
        """All architectural state, for load()."""
        return self.raw.state()

    def load(self, state: bytes) -> None:
        """Restore what save() gave.  ValueError for a state of another version."""
        self.raw.load(state)


def read_register(raw: _engine.Cpu, name: str) -> int | None:
    """The value of a register, or of a part of one (eax, xmm3); None when none is called so."""
    whole, first, width = part_of(name)
    try:
        return raw.get(whole) >> first & ((1 << width) - 1)
    except KeyError:
        return None


def part_of(name: str) -> tuple[str, int, int]:
    """(the whole register, first bit, width) of a name, which may be no register's."""
    return _PARTS.get(name) or (name, 0, _width(name))


def _width(name: str) -> int:
    if name in VECTOR:
        return 256
    if name.startswith("st") and name[2:].isdigit():
        return 80
    return 32 if name in ("eflags", "mxcsr") else 16 if name in OTHER[5:] else 64
