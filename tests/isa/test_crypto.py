"""AES, SHA, GFNI and PCLMULQDQ against the standards: needs no host that has them.

FIPS 197 gives AES vectors; hashlib is an implementation of SHA that shares nothing with ours.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from functools import cache
from random import Random

import pytest

from .asm import assemble
from .cpustate import NO_FAULT, Case, Subject, set_xmm
from .session import make_subject

Do = Callable[..., int]  # (instruction, xmm0, xmm1, xmm2) -> xmm1
MASK32 = (1 << 32) - 1
LANES = range(0, 128, 32)
assembled = cache(assemble)


@pytest.fixture(scope="module", params=("linear", "translated", "reference"))
def do(request: pytest.FixtureRequest) -> Do:
    """Runs one instruction on XMM0 to XMM2 and returns XMM1."""
    cpu: Subject = make_subject(request.param)

    def run(text: str, *registers: int) -> int:
        case = Case(assembled(text))
        case = case._replace(fx=set_xmm(case.fx, dict(enumerate(registers))))
        (outcome,) = cpu.run([case])
        assert outcome.vector == NO_FAULT
        return outcome.xmm(1)

    return run


def block(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


# --- AES -------------------------------------------------------------------------------------

PLAIN = block("00112233445566778899aabbccddeeff")
# FIPS 197, appendix C: key and cipher text
VECTORS = {
    "000102030405060708090a0b0c0d0e0f": "69c4e0d86a7b0430d8cdb78070b4c55a",
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f": (
        "8ea2b7ca516745bfeafc49904b496089"
    ),
}


def words_of(value: int, n: int = 4) -> list[int]:
    return [value >> 32 * i & MASK32 for i in range(n)]


def vector_of(words: list[int]) -> int:
    return sum((word & MASK32) << 32 * i for i, word in enumerate(words))


def assist(do: Do, word: int, constant: int) -> tuple[int, int]:
    """SubWord, and RotWord(SubWord) ^ constant."""
    made = words_of(do(f"aeskeygenassist xmm1,xmm2,{constant}", 0, 0, word << 32))
    return made[0], made[1]


def expanded(do: Do, key: bytes) -> list[int]:
    """The round keys (FIPS 197, 5.2)."""
    n, constant = len(key) // 4, 1
    words = list(struct.unpack(f"<{n}I", key))
    while len(words) < 4 * (n + 7):
        last = words[-1]
        if len(words) % n == 0:
            last = assist(do, last, constant)[1]
            constant = constant << 1 ^ (0x11B if constant & 0x80 else 0)
        elif n > 6 and len(words) % n == 4:
            last = assist(do, last, 0)[0]
        words.append(words[-n] ^ last)
    return [vector_of(words[i : i + 4]) for i in range(0, len(words), 4)]


@pytest.mark.parametrize("key", VECTORS)
def test_aes(do: Do, key: str) -> None:
    first, *middle, last = expanded(do, bytes.fromhex(key))
    state = PLAIN ^ first
    for round_key in middle:
        state = do("aesenc xmm1,xmm2", 0, state, round_key)
    cipher = do("aesenclast xmm1,xmm2", 0, state, last)
    assert cipher == block(VECTORS[key])
    state = cipher ^ last
    for round_key in reversed(middle):
        inverse = do("aesimc xmm1,xmm2", 0, 0, round_key)
        state = do("aesdec xmm1,xmm2", 0, state, inverse)
    assert do("aesdeclast xmm1,xmm2", 0, state, first) == PLAIN


# --- SHA -------------------------------------------------------------------------------------


def primes() -> Iterator[int]:
    n = 2
    while True:
        if all(n % d for d in range(2, n)):
            yield n
        n += 1


def root_fraction(n: int, degree: int) -> int:
    """The first 32 bits behind the point of a root."""
    scaled, low, high = n << 32 * degree, 0, n << 32
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= scaled else (low, middle - 1)
    return low & MASK32


def padded(message: bytes) -> bytes:
    """One block of a message of at most 55 bytes."""
    return message + b"\x80" + bytes(55 - len(message)) + struct.pack(">Q", 8 * len(message))


@pytest.fixture(params=range(3))
def message(request: pytest.FixtureRequest, seed: int) -> bytes:
    rng = Random(f"{seed} {request.param}")
    return b"abc" if request.param == 0 else rng.randbytes(rng.randrange(56))


def added(a: int, b: int) -> int:
    return vector_of([x + y for x, y in zip(words_of(a), words_of(b), strict=True)])


def sha256(do: Do, data: bytes) -> bytes:
    known = [root_fraction(p, 3) for p, _ in zip(primes(), range(64), strict=False)]
    start = [root_fraction(p, 2) for p, _ in zip(primes(), range(8), strict=False)]
    a, b, c, d, e, f, g, h = start
    abef, cdgh = vector_of([f, e, b, a]), vector_of([h, g, d, c])
    x = [vector_of(list(struct.unpack(">4I", data[i : i + 16]))) for i in range(0, 64, 16)]
    for i in range(16):
        if i >= 4:
            between = (x[i - 1] << 128 | x[i - 2]) >> 32 & (1 << 128) - 1
            partial = added(do("sha256msg1 xmm1,xmm2", 0, x[i - 4], x[i - 3]), between)
            x.append(do("sha256msg2 xmm1,xmm2", 0, partial, x[i - 1]))
        sums = added(x[i], vector_of(known[4 * i : 4 * i + 4]))
        for part in (sums, sums >> 64):
            abef, cdgh = do("sha256rnds2 xmm1,xmm2", part, cdgh, abef), abef
    (f, e, b, a), (h, g, d, c) = words_of(abef), words_of(cdgh)
    result = [x + y & MASK32 for x, y in zip((a, b, c, d, e, f, g, h), start, strict=True)]
    return struct.pack(">8I", *result)


def test_sha256(do: Do, message: bytes) -> None:
    assert sha256(do, padded(message)) == hashlib.sha256(message).digest()


def big_vector(words: tuple[int, ...] | list[int]) -> int:
    """The first word is the most significant one."""
    return vector_of(list(words)[::-1])


def sha1(do: Do, data: bytes) -> bytes:
    start = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)
    abcd, e = big_vector(start[:4]), start[4] << 96
    x = [big_vector(struct.unpack(">4I", data[i : i + 16])) for i in range(0, 64, 16)]
    for i in range(20):
        if i >= 4:
            partial = do("sha1msg1 xmm1,xmm2", 0, x[i - 4], x[i - 3]) ^ x[i - 2]
            x.append(do("sha1msg2 xmm1,xmm2", 0, partial, x[i - 1]))
        e = added(e, x[i]) if i == 0 else do("sha1nexte xmm1,xmm2", 0, e, x[i])
        abcd, e = do(f"sha1rnds4 xmm1,xmm2,{i // 5}", 0, abcd, e), abcd
    last = do("sha1nexte xmm1,xmm2", 0, e, start[4] << 96)
    sums = words_of(added(abcd, big_vector(start[:4])))[::-1]
    return struct.pack(">5I", *sums, last >> 96)


def test_sha1(do: Do, message: bytes) -> None:
    assert sha1(do, padded(message)) == hashlib.sha1(message).digest()


# --- Polynomials -----------------------------------------------------------------------------


def product(a: int, b: int) -> int:
    """Without carries, by the definition: bit n is the parity of pairs of bits at i and n - i."""
    return sum((sum(a >> i & 1 & (b >> n - i) for i in range(n + 1)) & 1) << n for n in range(128))


@pytest.mark.parametrize("choice", (0x00, 0x01, 0x10, 0x11, 0xEE))
def test_pclmulqdq(do: Do, choice: int, seed: int) -> None:
    rng = Random(seed)
    a, b = rng.getrandbits(128), rng.getrandbits(128)
    halves = a >> 64 * (choice & 1) & (1 << 64) - 1, b >> 4 * (choice & 16) & (1 << 64) - 1
    assert do(f"pclmulqdq xmm1,xmm2,{choice}", 0, a, b) == product(*halves)


def reduced(value: int) -> int:
    """Modulo the polynomial of AES."""
    for n in range(14, 7, -1):
        value ^= 0x11B << n - 8 if value >> n & 1 else 0
    return value


def test_gf2p8mulb(do: Do, seed: int) -> None:
    rng = Random(seed)
    a, b = rng.randbytes(16), rng.randbytes(16)
    wanted = bytes(reduced(product(x, y)) for x, y in zip(a, b, strict=True))
    got = do("gf2p8mulb xmm1,xmm2", 0, *(int.from_bytes(v, "little") for v in (a, b)))
    assert got.to_bytes(16, "little") == wanted


def test_gfni_makes_the_s_box(do: Do) -> None:
    """SubBytes as AESENCLAST does it is one affine transformation of the inverse."""
    matrix = 0xF1E3C78F1F3E7CF8 * (1 | 1 << 64)
    for high in range(0, 256, 16):
        data = bytes(high + i for i in range(16))
        rotated = bytes(data[(i - 4 * (i % 4)) % 16] for i in range(16))  # undoes ShiftRows
        boxed = do("aesenclast xmm1,xmm2", 0, int.from_bytes(rotated, "little"), 0)
        value = int.from_bytes(data, "little")
        assert do("gf2p8affineinvqb xmm1,xmm2,0x63", 0, value, matrix) == boxed


def test_affine_identity_and_constant(do: Do, seed: int) -> None:
    data = Random(seed).getrandbits(128)
    identity = 0x0102040810204080 * (1 | 1 << 64)
    assert do("gf2p8affineqb xmm1,xmm2,0", 0, data, identity) == data
    assert do("gf2p8affineqb xmm1,xmm2,0xff", 0, data, identity) == data ^ (1 << 128) - 1
