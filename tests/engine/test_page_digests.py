"""page_digests(), of which digests of a program's state are made."""

from random import Random

from blink._engine import page_digests

PAGE = 4096


def pairs(said: bytes) -> list[tuple[int, int]]:
    words = memoryview(said).cast("Q").tolist()
    return list(zip(words[::2], words[1::2], strict=True))


def test_pages_of_zeros_are_left_out() -> None:
    data = bytearray(4 * PAGE)
    data[PAGE + 17] = data[4 * PAGE - 1] = 1
    assert [address for address, _ in pairs(page_digests(0x7000, data))] == [0x8000, 0xA000]
    assert page_digests(0, bytes(PAGE)) == page_digests(0, b"") == b""


def test_each_bit_counts(seed: int) -> None:
    page = bytearray(Random(seed).randbytes(PAGE))
    found = {page_digests(0, page)}
    for at in range(PAGE):
        page[at] ^= 1 << at % 8
        found.add(page_digests(0, page))
        page[at] ^= 1 << at % 8
    assert len(found) == PAGE + 1
    assert page_digests(0, page) in found


def test_equal_pages_have_equal_digests_anywhere(seed: int) -> None:
    page = Random(seed).randbytes(PAGE)
    (a, first), (b, second) = pairs(page_digests(PAGE, page + page))
    assert (a, b, first) == (PAGE, 2 * PAGE, second)
