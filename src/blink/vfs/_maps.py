"""/proc/self/maps and smaps: the guest's mappings, with what the host knows of their files."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from blink.vfs.proc import HostMapping, guest_mappings, read, shown_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink.kernel.address_space import Vma
    from blink.kernel.task import Task

PATH_COLUMN = 73
NO_FILE = (0, b"00:00", b"0", b"")
# Fields of smaps that describe a mapping rather than count its pages.
NOT_SUMMED = (b"Size", b"KernelPageSize", b"MMUPageSize")


def maps(task: Task) -> bytes:
    """One line a mapping, as proc_pid_maps(5)."""
    return b"".join(line for _, line in _lines(task))


def _lines(task: Task) -> Iterator[tuple[Vma, bytes]]:
    skew = task.memory.skew
    mappings = guest_mappings(task.memory)
    starts = [mapping.start for mapping in mappings]
    for vma in task.process.space:
        at = bisect_right(starts, vma.start + skew) - 1
        yield vma, _line(task, vma, *_file(mappings[at], vma.start + skew) if at >= 0 else NO_FILE)


def _file(mapping: HostMapping, address: int) -> tuple[int, bytes, bytes, bytes]:
    """(offset, device, inode, path) of the file behind an address."""
    _, offset, device, inode = mapping.fields[:4]
    if address >= mapping.end or inode == b"0":
        return NO_FILE
    return int(offset, 16) + address - mapping.start, device, inode, mapping.path


def _line(task: Task, vma: Vma, offset: int, device: bytes, inode: bytes, path: bytes) -> bytes:
    perms = "".join(c if vma.prot & bit else "-" for c, bit in (("r", 1), ("w", 2), ("x", 4)))
    perms += "s" if vma.shared else "p"
    head = f"{vma.start:08x}-{vma.end:08x} {perms} {offset:08x} ".encode()
    line = head + device + b" " + inode + b" "
    name = vma.label or _given_name(vma) or shown_path(task.process, path)
    return (line.ljust(PATH_COLUMN) + name if name else line) + b"\n"


def _given_name(vma: Vma) -> bytes:
    """What PR_SET_VMA called it, as the kernel shows it."""
    if vma.name is None:
        return b""
    return (b"[anon_shmem:%s]" if vma.shared else b"[anon:%s]") % vma.name


def smaps(task: Task) -> bytes:
    """maps(), each line followed by what the host counted in those pages."""
    counted = _host_counts()
    starts = [start for start, _ in counted]
    text = []
    for vma, line in _lines(task):
        low, high = vma.start + task.memory.skew, vma.end + task.memory.skew
        first = max(bisect_right(starts, low) - 1, 0)
        inside = [rows for _, rows in counted[first : bisect_left(starts, high)]]
        text.append(line + _sum(inside, vma.end - vma.start))
    return b"".join(text)


def smaps_rollup(task: Task) -> bytes:
    """The sums of smaps() over all mappings."""
    space = list(task.process.space)
    low, high = space[0].start + task.memory.skew, space[-1].end + task.memory.skew
    inside = [rows for start, rows in _host_counts() if low <= start < high]
    head = f"{space[0].start:08x}-{space[-1].end:08x} ---p 00000000 00:00 0 "
    body = _sum(inside, 0).splitlines(keepends=True)
    kept = [line for line in body if line.partition(b":")[0] not in (*NOT_SUMMED, b"VmFlags")]
    return head.encode().ljust(PATH_COLUMN) + b"[rollup]\n" + b"".join(kept)


Rows = list[bytes]


def _host_counts() -> list[tuple[int, Rows]]:
    """The host's smaps: start of a mapping, and its lines."""
    found: list[tuple[int, Rows]] = []
    for line in read("/proc/self/smaps").splitlines():
        word = line.split(maxsplit=1)[0]
        if word.endswith(b":"):
            found[-1][1].append(line)
        else:
            found.append((int(word.partition(b"-")[0], 16), []))
    return found


def _sum(mappings: list[Rows], size: int) -> bytes:
    """One set of lines for several host mappings; `size` is that of the guest's, in bytes."""
    text = []
    for rows in zip(*mappings):  # noqa: B905 - all have the same fields
        line = rows[0]
        name = line.partition(b":")[0]
        if name == b"Size":
            line = _count(name, size // 1024)
        elif line.endswith(b" kB") and name not in NOT_SUMMED:
            line = _count(name, sum(int(row.split()[1]) for row in rows))
        text.append(line + b"\n")
    return b"".join(text)


def _count(name: bytes, value: int) -> bytes:
    return (name + b":").ljust(16) + b"%8d kB" % value
