"""CPUID reports what is implemented, and no more."""

from __future__ import annotations

import itertools

import pytest

from blink.isa import families
from blink.isa.cpuid import ADVERTISED, BITS, LEVELS, MAX, MODELS, Leaf, leaves, xcr0
from blink.isa.spec import REGISTRY

# Features that are no instructions with that name in the spec
NO_INSTRUCTION = {
    "LM": "64-bit mode itself",
    "NX": "page protection, which Memory has",
    "SYSCALL": "SYSCALL is always there in 64-bit mode",
    "OSXSAVE": "that XGETBV may be used",
    "XGETBV1": "a value of ECX for XGETBV",
    "PREFETCHW": "its opcode is a hint like the other prefetches",
}
# Features with an instruction that are not reported
HIDDEN: dict[str, str] = {
    "AVX-VNNI": "many hosts lack it, where interpreting it is slower than to do without",
}
# What glibc and gcc may take for granted on x86-64
BASELINE = "FPU TSC CX8 CMOV MMX FXSR SSE SSE2 SYSCALL LM NX".split()


@pytest.fixture(scope="module")
def features() -> set[str]:
    """The features that the definitions name."""
    families.load()
    return {insn.feature for insn in REGISTRY} - {""}


def test_every_feature_of_an_instruction_is_known(features: set[str]) -> None:
    assert features <= BITS.keys()


def test_every_advertised_feature_has_an_instruction(features: set[str]) -> None:
    assert set(ADVERTISED) - features == NO_INSTRUCTION.keys()


def test_every_other_feature_is_advertised(features: set[str]) -> None:
    assert features - set(ADVERTISED) == HIDDEN.keys()


def test_the_baseline_is_advertised() -> None:
    assert set(BASELINE) <= set(ADVERTISED)


def test_bits_are_distinct() -> None:
    assert len(set(BITS.values())) == len(BITS)
    assert all(register in ("eax", "ebx", "ecx", "edx") for _, _, register, _ in BITS.values())


def find(leaf: int, sub: int = 0, model: str = MAX) -> Leaf:
    (found,) = [x for x in leaves(model) if x.leaf == leaf and x.sub in (0xFFFF_FFFF, sub)]
    return found


@pytest.mark.parametrize("model", MODELS)
def test_leaves_hold_exactly_the_bits_of_the_model(model: str) -> None:
    for leaf, sub, register in {(leaf, sub, reg) for leaf, sub, reg, _ in BITS.values()}:
        wanted = sum(
            1 << bit
            for name, (at, below, reg, bit) in BITS.items()
            if (at, below, reg) == (leaf, sub, register) and name in MODELS[model]
        )
        assert not wanted or getattr(find(leaf, sub, model), register) == wanted, hex(leaf)


def test_levels_grow() -> None:
    assert MODELS[MAX] == ADVERTISED
    names = [MODELS[level] for level in LEVELS]
    assert all(set(small) < set(large) for small, large in itertools.pairwise([*names, ADVERTISED]))
    assert not {"SSE3", "XSAVE", "RDTSCP"} & set(names[0])
    assert set(LEVELS["x86-64-v2"]) <= set(names[1])


def test_leaves_go_as_far_as_they_say() -> None:
    highest, extended = find(0).eax, find(0x8000_0000).eax
    numbers = {x.leaf for x in leaves()}
    assert max(n for n in numbers if n < 0x8000_0000) <= highest
    assert max(numbers) == extended
    assert {0, 1, 4, 7} <= numbers


@pytest.mark.parametrize("model", [m for m in MODELS if "XSAVE" in MODELS[m]])
def test_xsave_area_holds_what_xcr0_has(model: str) -> None:
    """Leaf 0DH (SDM volume 1, 13.2): the sizes end where the last component does."""
    whole, optional = find(0xD, 0, model), find(0xD, 1, model)
    assert whole.eax == xcr0(model) == (7 if avx(model) else 3)
    assert whole.ebx == whole.ecx == optional.ebx
    part = find(0xD, 2, model) if avx(model) else Leaf(0xD, 2, 0, 576)
    assert whole.ebx == part.eax + part.ebx


def test_without_xsave_there_is_no_leaf_for_it() -> None:
    assert not [x for x in leaves("x86-64-v1") if x.leaf == 0xD]


def avx(model: str) -> bool:
    return "AVX" in MODELS[model]


def test_names() -> None:
    vendor = b"".join(n.to_bytes(4, "little") for n in (find(0).ebx, find(0).edx, find(0).ecx))
    assert vendor in (b"GenuineIntel", b"AuthenticAMD")
    brand = b"".join(
        getattr(find(0x8000_0002 + i), register).to_bytes(4, "little")
        for i in range(3)
        for register in ("eax", "ebx", "ecx", "edx")
    )
    assert brand.rstrip(b"\0").isascii() and brand.endswith(b"\0")


def test_caches_are_as_large_as_their_parts() -> None:
    """Leaf 4: ways, partitions, line size and sets multiply to the size (SDM volume 2, CPUID)."""
    sizes = []
    for leaf in (x for x in leaves() if x.leaf == 4):
        parts = (leaf.ebx >> 22, leaf.ebx >> 12 & 0x3FF, leaf.ebx & 0xFFF, leaf.ecx)
        size = 1
        for part in parts:
            size *= part + 1
        sizes.append((leaf.eax >> 5 & 7, leaf.eax & 31, size))
    levels = [level for level, _, _ in sizes]
    assert levels == sorted(levels) and all(kind in (1, 2, 3) for _, kind, _ in sizes)
    assert all(size & (size - 1) == 0 for _, _, size in sizes)
