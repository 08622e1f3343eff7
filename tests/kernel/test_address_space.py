"""The table of mappings, against a model that keeps one entry a page."""

from __future__ import annotations

import itertools
import random
from errno import ENOMEM
from typing import TYPE_CHECKING, cast

import pytest

from blink.abi.errors import SysError
from blink.abi.layout import GUEST_MIN, MMAP_TOP, PAGE
from blink.kernel.address_space import STACK_GUARD, AddressSpace, Vma
from kernel.fakes import FakeMemory

if TYPE_CHECKING:
    from blink._engine import Memory

BASE = 0x1000_0000


@pytest.fixture
def space() -> AddressSpace:
    return AddressSpace(cast("Memory", FakeMemory()))


def pages(space: AddressSpace) -> list[tuple[int, int, int]]:
    return [((v.start - BASE) // PAGE, (v.end - BASE) // PAGE, v.prot) for v in space]


def add(space: AddressSpace, first: int, last: int, prot: int = 3) -> None:
    space.map(Vma(BASE + first * PAGE, BASE + last * PAGE, prot), 0x22)


def test_an_empty_range_changes_nothing(space: AddressSpace) -> None:
    add(space, 0, 16)
    middle = BASE + 4 * PAGE
    space.seal(middle, middle)
    space.mark_fork(middle, middle, True)
    assert pages(space) == [(0, 16, 3)]
    assert not space.has_sealed(BASE, BASE + 16 * PAGE)


def test_neighbours_merge(space: AddressSpace) -> None:
    add(space, 0, 2)
    add(space, 4, 6)
    add(space, 2, 4)
    assert pages(space) == [(0, 6, 3)]


def test_other_protection_or_origin_does_not_merge(space: AddressSpace) -> None:
    add(space, 0, 2, 3)
    add(space, 2, 4, 1)
    space.insert(Vma(BASE + 4 * PAGE, BASE + 6 * PAGE, 1, origin=space.new_origin()))
    assert pages(space) == [(0, 2, 3), (2, 4, 1), (4, 6, 1)]


def test_unmap_splits(space: AddressSpace) -> None:
    add(space, 0, 10)
    space.unmap(BASE + 3 * PAGE, BASE + 5 * PAGE)
    assert pages(space) == [(0, 3, 3), (5, 10, 3)]
    assert cast(FakeMemory, space.memory).calls[-1] == ("unmap", BASE + 3 * PAGE, 2 * PAGE)


def test_unmap_leaves_host_areas_alone(space: AddressSpace) -> None:
    add(space, 0, 1)
    add(space, 9, 10)
    space.unmap(BASE, BASE + 10 * PAGE)
    calls = cast(FakeMemory, space.memory).calls[2:]
    assert calls == [("unmap", BASE, PAGE), ("unmap", BASE + 9 * PAGE, PAGE)]


def test_protect_stops_at_a_hole(space: AddressSpace) -> None:
    add(space, 0, 2)
    add(space, 3, 5)
    with pytest.raises(SysError) as caught:
        space.protect(BASE, BASE + 5 * PAGE, 1)
    assert caught.value.errno == ENOMEM
    assert pages(space) == [(0, 2, 1), (3, 5, 3)]


def test_protect_a_part(space: AddressSpace) -> None:
    add(space, 0, 6)
    space.protect(BASE + 2 * PAGE, BASE + 4 * PAGE, 0)
    assert pages(space) == [(0, 2, 3), (2, 4, 0), (4, 6, 3)]
    space.protect(BASE + 2 * PAGE, BASE + 4 * PAGE, 3)
    assert pages(space) == [(0, 6, 3)]


def test_gaps_are_taken_from_the_top(space: AddressSpace) -> None:
    first = space.find_gap(3 * PAGE)
    assert first == MMAP_TOP - 3 * PAGE
    space.insert(Vma(first, first + 3 * PAGE, 3))
    second = space.find_gap(PAGE)
    assert second == first - PAGE
    space.insert(Vma(second - PAGE, second, 1))  # leaves one page free between
    assert space.find_gap(PAGE) == second
    assert space.find_gap(2 * PAGE) == second - 3 * PAGE


def test_a_hint_is_taken_when_free(space: AddressSpace) -> None:
    assert space.choose(BASE + 1, PAGE) == BASE  # rounded down, as in Linux
    add(space, 0, 4)
    assert space.choose(BASE, PAGE) == MMAP_TOP - PAGE
    assert space.choose(GUEST_MIN - PAGE, PAGE) == GUEST_MIN


def test_no_gap_is_enomem(space: AddressSpace) -> None:
    with pytest.raises(SysError):
        space.find_gap(MMAP_TOP)


def test_guard_below_growing_stacks(space: AddressSpace) -> None:
    vma = Vma(MMAP_TOP - PAGE, MMAP_TOP, 3)
    vma.grows = True
    space.insert(vma)
    assert space.find_gap(PAGE) == MMAP_TOP - PAGE - STACK_GUARD - PAGE


def test_grow_down(space: AddressSpace) -> None:
    vma = Vma(BASE + 300 * PAGE, BASE + 301 * PAGE, 3)
    vma.grows = True
    space.map(vma, 0x22)
    assert not space.grow_down(BASE + 290 * PAGE, 2 * PAGE)  # the limit
    assert space.grow_down(BASE + 298 * PAGE + 5, 8 << 20)
    assert pages(space) == [(298, 301, 3)]
    add(space, 10, 11)
    assert not space.grow_down(BASE + 200 * PAGE, 8 << 20)  # into the guard gap
    assert not space.grow_down(BASE + 400 * PAGE, 8 << 20)


def test_brk(space: AddressSpace) -> None:
    space.set_heap(BASE)
    assert space.set_brk(0) == BASE
    assert space.set_brk(BASE + 100) == BASE + 100
    assert pages(space) == [(0, 1, 3)]
    assert space.set_brk(BASE + 3 * PAGE) == BASE + 3 * PAGE
    assert pages(space) == [(0, 3, 3)]
    assert space.set_brk(BASE + PAGE) == BASE + PAGE
    assert pages(space) == [(0, 1, 3)]
    add(space, 4, 5, 1)
    assert space.set_brk(BASE + 5 * PAGE) == BASE + PAGE
    assert space.set_brk(BASE - 1) == BASE + PAGE


def test_against_a_model(space: AddressSpace) -> None:
    rng = random.Random(2024)
    model: dict[int, int] = {}
    for step in range(2000):
        first = rng.randrange(60)
        last = first + rng.randrange(1, 12)
        prot = rng.choice((0, 1, 3, 5))
        kind = rng.choice(("map", "unmap", "protect"))
        if kind == "map":
            add(space, first, last, prot)
            model.update(dict.fromkeys(range(first, last), prot))
        elif kind == "unmap":
            space.unmap(BASE + first * PAGE, BASE + last * PAGE)
            for page in range(first, last):
                model.pop(page, None)
        else:
            expect_protect(space, model, first, last, prot)
        seen = {p: prot for a, b, prot in pages(space) for p in range(a, b)}
        assert seen == model, step
        check_order(space)


def expect_protect(
    space: AddressSpace, model: dict[int, int], first: int, last: int, prot: int
) -> None:
    mapped = [page for page in range(first, last) if page in model]
    run = mapped if len(mapped) == last - first else []
    if not run:
        page = first
        while page in model:
            run.append(page)
            page += 1
    try:
        space.protect(BASE + first * PAGE, BASE + last * PAGE, prot)
        assert len(mapped) == last - first
    except SysError:
        assert len(mapped) < last - first
    model.update(dict.fromkeys(run, prot))


def check_order(space: AddressSpace) -> None:
    vmas = list(space)
    for a, b in itertools.pairwise(vmas):
        assert a.end <= b.start
        assert a.end < b.start or not a.joins(b)
    assert space._starts == [v.start for v in vmas]


def test_covered_and_find(space: AddressSpace) -> None:
    add(space, 0, 2, 1)
    add(space, 2, 3, 3)
    assert space.covered(BASE, BASE + 3 * PAGE)
    assert not space.covered(BASE, BASE + 4 * PAGE)
    found = space.find(BASE + 2 * PAGE)
    assert found is not None
    assert found.prot == 3
    assert space.find(BASE + 3 * PAGE) is None
    assert space.find(BASE - 1) is None
