"""Which files a replayed program has mapped where: what /proc/self/maps would say."""

from __future__ import annotations

TYPE_CHECKING = False


class MappedFiles:
    """Ranges of addresses with the path, and the offset of their beginning."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, bytes, int]] = []

    def add(self, start: int, end: int, path: bytes, offset: int) -> None:
        """The latest comes first."""
        self._rows.insert(0, (start, end, path, offset))

    def move(self, old: int, new: int, length: int) -> None:
        """mremap(2)."""
        found = self.find(old)
        if found is not None:
            self.add(new, new + length, *found)

    def clear(self) -> None:
        self._rows.clear()

    def find(self, address: int) -> tuple[bytes, int] | None:
        """(path, offset of that address) of the file that was mapped there last; mappings without a
        file are known by their origin 0."""
        for start, end, path, offset in self._rows:
            if start <= address < end:
                return path, offset + address - start
        return None
