"""SHA extensions: SHA-1 and SHA-256 rounds and message schedules (FIPS 180-4; SDM volume 2).

Memory need not be aligned, as on AMD; Intel raises #GP, on which no program relies.
Word lists begin with the most significant lane, as the SDM and the standard write them.
"""

from __future__ import annotations

from blink.isa.bits import Bits, from_lanes, ite
from blink.isa.spec import Form, insn
from blink.isa.state import State

FEATURE = "SHA"
SHA1_CONSTANTS = (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6)


def _words(vector: Bits) -> list[Bits]:
    return vector.lanes(32)[::-1]


def _vector(words: list[Bits]) -> Bits:
    return from_lanes(words[::-1])


def _rol(value: Bits, n: int) -> Bits:
    return (value << n) | (value >> (32 - n))


def _ror(value: Bits, n: int) -> Bits:
    return _rol(value, 32 - n)


def choose(x: Bits, y: Bits, z: Bits) -> Bits:
    return (x & y) ^ (~x & z)


def majority(x: Bits, y: Bits, z: Bits) -> Bits:
    return (x & y) ^ (x & z) ^ (y & z)


def _select(which: Bits, values: list[Bits]) -> Bits:
    """One of four values by a number of two bits."""
    low, high = which.bit(0), which.bit(1)
    return ite(high, ite(low, values[3], values[2]), ite(low, values[1], values[0]))


@insn("SHA1RNDS4", Form("NP 0F 3A CC /r ib", "xmm:rw xm128u imm8"), feature=FEATURE)
def sha1rnds4(s: State, dst: Bits, schedule: Bits, stage: Bits) -> Bits:
    """Four rounds; E is in the first word of the schedule already (SHA1NEXTE)."""
    a, b, c, d = _words(dst)
    e = Bits.const(0, 32)
    constant = _select(stage, [Bits.const(k, 32) for k in SHA1_CONSTANTS])
    for word in _words(schedule):
        parity = b ^ c ^ d
        f = _select(stage, [choose(b, c, d), parity, majority(b, c, d), parity])
        a, b, c, d, e = f + _rol(a, 5) + word + e + constant, a, _rol(b, 30), c, d
    return _vector([a, b, c, d])


@insn("SHA1NEXTE", Form("NP 0F 38 C8 /r", "xmm:rw xm128u"), feature=FEATURE)
def sha1nexte(s: State, dst: Bits, src: Bits) -> Bits:
    return src.with_lane(3, src.lane(32, 3) + _rol(dst.lane(32, 3), 30))


@insn("SHA1MSG1", Form("NP 0F 38 C9 /r", "xmm:rw xm128u"), feature=FEATURE)
def sha1msg1(s: State, dst: Bits, src: Bits) -> Bits:
    w = _words(dst) + _words(src)
    return _vector([w[i] ^ w[i + 2] for i in range(4)])


@insn("SHA1MSG2", Form("NP 0F 38 CA /r", "xmm:rw xm128u"), feature=FEATURE)
def sha1msg2(s: State, dst: Bits, src: Bits) -> Bits:
    partial, w = _words(dst), _words(src)[1:]
    for i in range(4):  # the last word needs the first one made here
        w.append(_rol(partial[i] ^ w[i], 1))
    return _vector(w[3:])


@insn("SHA256RNDS2", Form("NP 0F 38 CB /r", "xmm:rw xm128u"), feature=FEATURE)
def sha256rnds2(s: State, dst: Bits, src: Bits) -> Bits:
    """Two rounds: C, D, G, H come in the destination, A, B, E, F in the source."""
    (c, d, g, h), (a, b, e, f) = _words(dst), _words(src)
    schedule = s.xmm(0)
    for i in range(2):
        word = schedule.lane(32, i)
        first = choose(e, f, g) + (_ror(e, 6) ^ _ror(e, 11) ^ _ror(e, 25)) + word + h
        second = majority(a, b, c) + (_ror(a, 2) ^ _ror(a, 13) ^ _ror(a, 22))
        a, b, c, d, e, f, g, h = first + second, a, b, c, first + d, e, f, g
    return _vector([a, b, e, f])


@insn("SHA256MSG1", Form("NP 0F 38 CC /r", "xmm:rw xm128u"), feature=FEATURE)
def sha256msg1(s: State, dst: Bits, src: Bits) -> Bits:
    w = [*dst.lanes(32), src.lane(32, 0)]
    return from_lanes([w[i] + _small(w[i + 1], 7, 18, 3) for i in range(4)])


@insn("SHA256MSG2", Form("NP 0F 38 CD /r", "xmm:rw xm128u"), feature=FEATURE)
def sha256msg2(s: State, dst: Bits, src: Bits) -> Bits:
    w = src.lanes(32)[2:]
    for partial in dst.lanes(32):  # the last two words need the first two made here
        w.append(partial + _small(w[-2], 17, 19, 10))
    return from_lanes(w[2:])


def _small(x: Bits, first: int, second: int, shift: int) -> Bits:
    """The lower-case sigma functions."""
    return _ror(x, first) ^ _ror(x, second) ^ (x >> shift)
