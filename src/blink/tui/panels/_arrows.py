"""Lanes of arrows beside the code: where jumps go that are in sight."""

from __future__ import annotations

LANES = 2
WIDTH = LANES + 2  # a head, and a gap


def arrows(addresses: list[int | None], jumps: dict[int, int | None], present: int) -> list[str]:
    """WIDTH characters a row: lanes, an arrow's head, a gap.

    The jump that runs next has the inner lane; then short jumps come before long ones.
    """
    rows = {address: y for y, address in enumerate(addresses) if address is not None}
    spans = [
        (source != present, abs(rows[source] - rows[target]), rows[source], rows[target])
        for source, target in jumps.items()
        if source in rows and target is not None and target in rows and target != source
    ]
    grid = [[" "] * (LANES + 1) for _ in addresses]
    for _, _, start, end in sorted(spans):
        _draw(grid, start, end)
    return ["".join(cells) + " " for cells in grid]


def _draw(grid: list[list[str]], start: int, end: int) -> None:
    """Draws one arrow in the innermost lane that is free; none if there is none."""
    low, high = min(start, end), max(start, end)
    for lane in range(LANES - 1, -1, -1):
        if all(grid[y][lane] == " " for y in range(low, high + 1)):
            break
    else:
        return
    for y in range(low + 1, high):
        grid[y][lane] = "│"
    grid[low][lane], grid[high][lane] = "╭", "╰"
    for y, head in ((start, "─"), (end, "→")):
        for x in range(lane + 1, LANES + 1):
            if grid[y][x] in " ─":
                grid[y][x] = "─"
        grid[y][LANES] = head
