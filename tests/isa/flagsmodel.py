"""The six status flags by the book (SDM volume 1, 3.4.3), on plain integers.  Slow and obvious."""

from __future__ import annotations

FLAGS = {"CF": 0, "PF": 2, "AF": 4, "ZF": 6, "SF": 7, "OF": 11}


def signed(a: int, w: int) -> int:
    return a - (1 << w) if a >> (w - 1) else a


def of_result(result: int, w: int) -> dict[str, bool]:
    """ZF, SF, PF."""
    return {
        "ZF": result == 0,
        "SF": bool(result >> (w - 1)),
        "PF": f"{result & 0xFF:b}".count("1") % 2 == 0,
    }


def of_add(a: int, b: int, w: int) -> dict[str, bool]:
    total = signed(a, w) + signed(b, w)
    return {
        **of_result((a + b) % 2**w, w),
        "CF": a + b >= 2**w,
        "OF": not -(2 ** (w - 1)) <= total < 2 ** (w - 1),
        "AF": a % 16 + b % 16 >= 16,
    }


def of_sub(a: int, b: int, w: int) -> dict[str, bool]:
    total = signed(a, w) - signed(b, w)
    return {
        **of_result((a - b) % 2**w, w),
        "CF": a < b,
        "OF": not -(2 ** (w - 1)) <= total < 2 ** (w - 1),
        "AF": a % 16 < b % 16,
    }


def word(flags: dict[str, bool]) -> int:
    """At their EFLAGS positions."""
    return sum(flags[name] << position for name, position in FLAGS.items())


def conditions(f: dict[str, bool]) -> list[bool]:
    """The 16 conditions in the order of their encodings (SDM volume 1, appendix B.1)."""
    less = f["SF"] != f["OF"]
    even = [f["OF"], f["CF"], f["ZF"], f["CF"] or f["ZF"], f["SF"], f["PF"], less, less or f["ZF"]]
    return [value != odd for value in even for odd in (False, True)]


def condition_mask(f: dict[str, bool]) -> int:
    """Bit n: condition n holds."""
    return sum(holds << n for n, holds in enumerate(conditions(f)))
