"""What CPUID reports: feature bits, and the leaves built from them (SDM volume 2, CPUID).

`ADVERTISED` lists the features of which every instruction is implemented.  A definition's `feature`
must be known here; a test compares both directions.  `MODELS` are the CPUs that `--cpu` offers: of
what a model does not have, CPUID says nothing, and the instructions are undefined.
"""

from __future__ import annotations

from dataclasses import dataclass

# feature -> (leaf, subleaf, register, bit)
BITS: dict[str, tuple[int, int, str, int]] = {
    "FPU": (1, 0, "edx", 0),
    "TSC": (1, 0, "edx", 4),
    "CX8": (1, 0, "edx", 8),
    "CMOV": (1, 0, "edx", 15),
    "CLFSH": (1, 0, "edx", 19),
    "MMX": (1, 0, "edx", 23),
    "FXSR": (1, 0, "edx", 24),
    "SSE": (1, 0, "edx", 25),
    "SSE2": (1, 0, "edx", 26),
    "SSE3": (1, 0, "ecx", 0),
    "PCLMULQDQ": (1, 0, "ecx", 1),
    "SSSE3": (1, 0, "ecx", 9),
    "FMA": (1, 0, "ecx", 12),
    "CX16": (1, 0, "ecx", 13),
    "SSE4.1": (1, 0, "ecx", 19),
    "SSE4.2": (1, 0, "ecx", 20),
    "MOVBE": (1, 0, "ecx", 22),
    "POPCNT": (1, 0, "ecx", 23),
    "AES": (1, 0, "ecx", 25),
    "XSAVE": (1, 0, "ecx", 26),
    "OSXSAVE": (1, 0, "ecx", 27),
    "AVX": (1, 0, "ecx", 28),
    "F16C": (1, 0, "ecx", 29),
    "RDRAND": (1, 0, "ecx", 30),
    "FSGSBASE": (7, 0, "ebx", 0),
    "BMI1": (7, 0, "ebx", 3),
    "AVX2": (7, 0, "ebx", 5),
    "BMI2": (7, 0, "ebx", 8),
    "AVX-VNNI": (7, 1, "eax", 4),
    "XSAVEOPT": (0xD, 1, "eax", 0),
    "XSAVEC": (0xD, 1, "eax", 1),
    "XGETBV1": (0xD, 1, "eax", 2),
    "XSAVES": (0xD, 1, "eax", 3),
    "RDSEED": (7, 0, "ebx", 18),
    "ADX": (7, 0, "ebx", 19),
    "CLFLUSHOPT": (7, 0, "ebx", 23),
    "CLWB": (7, 0, "ebx", 24),
    "SHA": (7, 0, "ebx", 29),
    "WAITPKG": (7, 0, "ecx", 5),
    "GFNI": (7, 0, "ecx", 8),
    "VAES": (7, 0, "ecx", 9),
    "VPCLMULQDQ": (7, 0, "ecx", 10),
    "RDPID": (7, 0, "ecx", 22),
    "MOVDIRI": (7, 0, "ecx", 27),
    "MOVDIR64B": (7, 0, "ecx", 28),
    "SERIALIZE": (7, 0, "edx", 14),
    "SYSCALL": (0x8000_0001, 0, "edx", 11),
    "NX": (0x8000_0001, 0, "edx", 20),
    "RDTSCP": (0x8000_0001, 0, "edx", 27),
    "LM": (0x8000_0001, 0, "edx", 29),
    "LAHF_LM": (0x8000_0001, 0, "ecx", 0),
    "LZCNT": (0x8000_0001, 0, "ecx", 5),
    "PREFETCHW": (0x8000_0001, 0, "ecx", 8),
}
BASELINE = "FPU TSC CX8 CMOV CLFSH MMX FXSR SSE SSE2 SYSCALL NX LM".split()  # every x86-64 CPU
ADVERTISED = (
    "FPU TSC CX8 CMOV CLFSH MMX FXSR SSE SSE2 SSE3 SSSE3 SSE4.1 SSE4.2 CX16 MOVBE POPCNT "
    "BMI1 BMI2 SYSCALL NX RDTSCP LM LAHF_LM LZCNT PREFETCHW "
    "XSAVE OSXSAVE XSAVEOPT XSAVEC XGETBV1 XSAVES "
    "AVX AVX2 FMA F16C VAES VPCLMULQDQ "
    "PCLMULQDQ AES SHA GFNI ADX RDRAND RDSEED RDPID FSGSBASE CLFLUSHOPT CLWB SERIALIZE WAITPKG "
    "MOVDIRI MOVDIR64B"
).split()
VENDOR = "GenuineIntel"
BRAND = "Blinkenlights virtual CPU"
SIGNATURE = 0x000006F2  # family 6, model 15
ANY = 0xFFFF_FFFF


# What each microarchitecture level of the psABI adds to the one before (x86-64 psABI, 3.1.1).
LEVELS = {
    "x86-64-v1": BASELINE,
    "x86-64-v2": "SSE3 SSSE3 SSE4.1 SSE4.2 CX16 LAHF_LM POPCNT".split(),
    "x86-64-v3": "AVX AVX2 BMI1 BMI2 F16C FMA LZCNT MOVBE XSAVE OSXSAVE".split(),
}
MAX = "max"  # all of ADVERTISED


def _models() -> dict[str, list[str]]:
    """The features of each model.  A level has only those that are implemented."""
    models, features = {MAX: ADVERTISED}, set()
    for level, more in LEVELS.items():
        features |= set(more)
        models[level] = [name for name in ADVERTISED if name in features]
    return models


MODELS = _models()
_LEGACY_AREA, _AVX_AREA = 576, 256  # bytes of the XSAVE area; AVX state follows the header


@dataclass
class Leaf:
    """One CPUID result; `sub` is ANY when the subleaf does not matter."""

    leaf: int
    sub: int = ANY
    eax: int = 0
    ebx: int = 0
    ecx: int = 0
    edx: int = 0


def _text(text: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(text[i : i + 4], "little") for i in range(0, len(text), 4))


def _cache(sub: int, kind: int, level: int, size: int, ways: int) -> Leaf:
    """Deterministic cache parameters (leaf 4): 64-byte lines."""
    sets = size // (64 * ways)
    return Leaf(4, sub, kind | level << 5 | 1 << 8, (ways - 1) << 22 | 63, sets - 1, 0)


_L2_SIZE = 1 << 20  # in leaf 4 and, for older programs such as OpenBLAS, in leaf 80000006H
_WAYS_16 = 8


def _brand() -> list[Leaf]:
    words = _text(BRAND.encode().ljust(48, b"\0"))
    return [Leaf(0x8000_0002 + i, ANY, *words[4 * i : 4 * i + 4]) for i in range(3)]


def xcr0(model: str = MAX) -> int:
    """The state components that there are (SDM volume 1, 13.1): x87 and SSE, AVX."""
    return 7 if "AVX" in MODELS[model] else 3


def _xsave(components: int) -> list[Leaf]:
    """Leaf 0DH: all that XCR0 can have is always on, so the two sizes are the same."""
    avx = components & 4
    size = _LEGACY_AREA + (_AVX_AREA if avx else 0)
    result = [Leaf(0xD, 0, components, size, size), Leaf(0xD, 1, 0, size)]
    return [*result, Leaf(0xD, 2, _AVX_AREA, _LEGACY_AREA)] if avx else result


def leaves(model: str = MAX) -> list[Leaf]:
    """Every leaf of a model, in order."""
    b, d, c = _text(VENDOR.encode())
    result = [
        Leaf(0, ANY, 0xD, b, c, d),
        Leaf(1, ANY, SIGNATURE, 8 << 8 | 1 << 16),
        _cache(0, 1, 1, 32 << 10, 8),
        _cache(1, 2, 1, 32 << 10, 8),
        _cache(2, 3, 2, _L2_SIZE, 16),
        _cache(3, 3, 3, 16 << 20, 16),
        Leaf(7, 0, 1),  # EAX: the last subleaf
        Leaf(7, 1),
        *(_xsave(xcr0(model)) if "XSAVE" in MODELS[model] else []),
        Leaf(0x8000_0000, ANY, 0x8000_0008),
        Leaf(0x8000_0001),
        *_brand(),
        Leaf(0x8000_0006, ANY, 0, 0, _L2_SIZE >> 10 << 16 | _WAYS_16 << 12 | 64),
        Leaf(0x8000_0008, ANY, 0x3030),
    ]
    for name in MODELS[model]:
        leaf, sub, register, bit = BITS[name]
        target = next(x for x in result if x.leaf == leaf and x.sub in (ANY, sub))
        setattr(target, register, getattr(target, register) | 1 << bit)
    return result
