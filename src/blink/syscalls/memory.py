"""The address space: mmap(2) and its relatives.

Where things go is decided by `blink.kernel.address_space`; the host kernel does the mapping and
answers about files, protections and limits.
"""

from errno import EACCES, EBADF, EEXIST, EFAULT, EINTR, EINVAL, ENOMEM, EOPNOTSUPP, EPERM

from blink.abi import mman
from blink.abi.errors import SysError
from blink.abi.layout import GUEST_MIN, GUEST_TOP, MASK64, PAGE
from blink.kernel import host
from blink.kernel.address_space import PAGE_MASK, Vma, check_range, page_up
from blink.syscalls._dispatch import ULONG, USER_TOP
from blink.syscalls._spec import (
    Fd,
    Flags,
    In,
    Int,
    Ptr,
    Range,
    Size,
    Text,
    UInt,
    ULong,
    syscall,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

LOW_2G = (0x4000_0000, 0x8000_0000)  # where MAP_32BIT goes


@syscall(9, result="hex")
def mmap(
    task: "Task",
    addr: Ptr,
    length: Size,
    prot: Flags[Int, mman.PROT],
    flags: Flags[UInt, mman.MAP],
    fd: Fd,
    offset: ULong,
) -> int:
    """Implements mmap(2).

    Addresses are handed out deterministically.  MAP_HUGETLB finds no huge pages: ENOMEM.  MAP_SYNC
    finds no persistent memory: EOPNOTSUPP.  What may be executed can be read.
    """
    if offset & PAGE_MASK:
        raise SysError(EINVAL)
    size = page_up(length)
    if flags & mman.MAP_ANONYMOUS:
        fd, offset = -1, 0
    else:
        _check_file(fd, flags)
    _check_size(length, size, flags)
    start = _choose(task, addr, size, flags)
    typed = flags & mman.MAP_TYPE in (mman.MAP_SHARED, mman.MAP_PRIVATE, mman.MAP_SHARED_VALIDATE)
    asks = not typed or flags & mman.MAP_SYNC
    if asks and (refusal := _refusal(size, mman.PROT_READ, flags, fd, offset)):
        raise SysError(refusal)
    if not typed:  # MAP_DROPPABLE: pages that may be dropped, and never are
        flags = flags & ~mman.MAP_TYPE | mman.MAP_PRIVATE
    host_flags = _host_flags(flags)
    if prot & mman.PROT_EXEC and fd >= 0:
        _check_executable(prot & mman.PROT_RWX, flags, fd, offset)
    space = task.process.space
    space.check_exec_gain(prot, prot)
    vma = Vma(start, start + size, prot & mman.PROT_RWX)
    vma.unfiled = fd < 0
    vma.shared = flags & mman.MAP_TYPE != mman.MAP_PRIVATE
    vma.grows = bool(flags & mman.MAP_GROWSDOWN)
    if fd >= 0 or vma.shared:
        vma.origin = space.new_origin()
    if space.has_sealed(start, start + size):  # after what is wrong with a file
        raise SysError(_refusal(size, vma.prot & ~mman.PROT_EXEC, host_flags, fd, offset) or EPERM)
    space.map(vma, host_flags, fd, offset)
    return start


def _check_file(fd: int, flags: int) -> None:
    if host.now(host.NR_FCNTL, fd, host.F_GETOWN) < -EINTR:  # any other value is an owner
        raise SysError(EBADF)
    if flags & mman.MAP_HUGETLB:
        raise SysError(EINVAL)


def _host_flags(flags: int) -> int:
    """Less what says where; the host need not validate again what it would not know from us."""
    if flags & mman.MAP_TYPE == mman.MAP_SHARED_VALIDATE:
        if flags & mman.MAP_ANONYMOUS:
            raise SysError(EINVAL)
        if flags & ~mman.MAP_KNOWN:
            raise SysError(EOPNOTSUPP)
        flags ^= mman.MAP_SHARED_VALIDATE ^ mman.MAP_SHARED
    place = mman.MAP_FIXED | mman.MAP_FIXED_NOREPLACE | mman.MAP_32BIT | mman.MAP_GROWSDOWN
    return flags & ~place


def _refusal(size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """The host's errno for such a mapping somewhere else; 0 if there is none."""
    place = mman.MAP_FIXED | mman.MAP_FIXED_NOREPLACE
    found = host.now(host.NR_MMAP, 0, size, prot, flags & ~place, fd, offset)
    if found > 0:
        host.now(host.NR_MUNMAP, found, size)
    return max(-found, 0)


def _check_executable(prot: int, flags: int, fd: int, offset: int) -> None:
    """A file system may forbid it (noexec), and our host mappings are never executable: ask."""
    found = host.now(host.NR_MMAP, 0, PAGE, prot, flags & mman.MAP_TYPE, fd, offset)
    if found in (-EPERM, -EACCES):
        raise SysError(-found)
    if found > 0:
        host.now(host.NR_MUNMAP, found, PAGE)


def _check_size(length: int, size: int, flags: int) -> None:
    if length == 0:
        raise SysError(EINVAL)
    if size > GUEST_TOP or (flags & mman.MAP_HUGETLB and flags & mman.MAP_ANONYMOUS):
        raise SysError(ENOMEM)


def _choose(task: "Task", addr: int, size: int, flags: int) -> int:
    space = task.process.space
    if flags & (mman.MAP_FIXED | mman.MAP_FIXED_NOREPLACE):
        if addr & PAGE_MASK:
            raise SysError(EINVAL)
        if addr > GUEST_TOP - size:
            raise SysError(ENOMEM)
        if addr < GUEST_MIN:
            raise SysError(EPERM)
        if flags & mman.MAP_FIXED_NOREPLACE and not space.is_free(addr, addr + size):
            raise SysError(EEXIST)
        return addr
    if flags & mman.MAP_32BIT:
        hint = addr & ~PAGE_MASK
        taken = GUEST_MIN <= hint <= LOW_2G[1] - size and space.is_free(hint, hint + size)
        return hint if taken else space.find_gap(size, *LOW_2G)
    return space.choose(addr, size)


@syscall(11)
def munmap(task: "Task", addr: In[Range, "length"], length: Size) -> None:
    """Implements munmap(2)."""
    end = check_range(addr, length)
    if length == 0:
        raise SysError(EINVAL)
    _refuse_sealed(task, addr, end)
    task.process.space.unmap(addr, end)


def _refuse_sealed(task: "Task", start: int, end: int) -> None:
    """What would change sealed pages gives EPERM, and changes nothing."""
    if task.process.space.has_sealed(start, end):
        raise SysError(EPERM)


@syscall(12, result="hex")
def brk(task: "Task", addr: Ptr) -> int:
    """Implements brk(2)."""
    return task.process.space.set_brk(addr)


@syscall(25, result="hex")
def mremap(
    task: "Task",
    old: In[Range, "old_size"],
    old_size: Size,
    new_size: Size,
    flags: Flags[Int, mman.MREMAP],
    new: Ptr,
) -> int:
    """Implements mremap(2).

    What MREMAP_DONTUNMAP leaves of a private mapping of a file are zeros.
    """
    old_size, new_size = page_up(old_size), page_up(new_size)
    _check_mremap(old, old_size, new_size, flags, new)
    if flags & mman.MREMAP_FIXED and old_size == new_size:
        return _move_each(task, old, old_size, new, flags)
    vma = _to_remap(task, old, old_size)
    if flags & mman.MREMAP_FIXED:
        return _move(task, vma, old, old_size, new, new_size, flags)
    keep = flags & mman.MREMAP_DONTUNMAP
    if new_size <= old_size and not keep:
        _shrink(task, old, old_size, new_size)
        return old
    if vma.end < old + old_size:
        raise SysError(EFAULT)
    if old_size and not keep and _grow_in_place(task, vma, old, old_size, new_size):
        return old
    if not flags & mman.MREMAP_MAYMOVE:
        raise SysError(ENOMEM)
    new = task.process.space.choose(new if keep else 0, new_size)
    return _move(task, vma, old, old_size, new, new_size, flags)


def _check_mremap(old: int, old_size: int, new_size: int, flags: int, new: int) -> None:
    fixed, keep = flags & mman.MREMAP_FIXED, flags & mman.MREMAP_DONTUNMAP
    if flags & ~7 or old & PAGE_MASK or new_size == 0 or new_size > GUEST_TOP:
        raise SysError(EINVAL)
    if (fixed or keep) and not flags & mman.MREMAP_MAYMOVE:
        raise SysError(EINVAL)
    if keep and old_size != new_size:
        raise SysError(EINVAL)
    if fixed and (new & PAGE_MASK or new > GUEST_TOP - new_size):
        raise SysError(EINVAL)
    if fixed and new < old + old_size and old < new + new_size:
        raise SysError(EINVAL)


def _to_remap(task: "Task", old: int, old_size: int) -> Vma:
    vma = task.process.space.find(old)
    if vma is None:
        raise SysError(EFAULT)
    if vma.sealed:
        raise SysError(EPERM)
    if old_size == 0 and not vma.shared:
        raise SysError(EINVAL)
    return vma


def _shrink(task: "Task", old: int, old_size: int, new_size: int) -> None:
    if new_size < old_size:
        _refuse_sealed(task, old + new_size, old + old_size)
        task.process.space.unmap(old + new_size, old + old_size)


def _grow_in_place(task: "Task", vma: Vma, old: int, old_size: int, new_size: int) -> bool:
    space = task.process.space
    end, new_end = old + old_size, old + new_size
    if vma.end != end or new_end > GUEST_TOP or not space.is_free(end, new_end):
        return False
    space.check_limits(vma.piece(end, new_end))
    _remap(task, old, old_size, old, new_size)
    space.insert(vma.piece(end, new_end))
    return True


def _move_each(task: "Task", old: int, size: int, new: int, flags: int) -> int:
    """Moves all mappings in a range, and keeps the holes between them.

    At an error those before have moved.  EFAULT at several before Linux 6.17.
    """
    space, end = task.process.space, old + size
    found = space.overlapping(old, end)
    if not found or found[0].start > old or (found[0].end < end and not _moves_several()):
        raise SysError(EFAULT)
    for vma in found:
        first, last = max(vma.start, old), min(vma.end, end)
        target = new + first - old
        if vma.sealed:
            raise SysError(EPERM)
        _move(task, vma, first, last - first, target, last - first, flags)
    return new


def _moves_several() -> bool:
    """Whether the host's kernel moves more than one mapping at once: asked of four pages."""
    at = host.now(host.NR_MMAP, 0, 4 * PAGE, 0, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, -1, 0)
    host.now(host.NR_MPROTECT, at, PAGE, mman.PROT_READ)
    how = mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED
    moved = host.now(host.NR_MREMAP, at, 2 * PAGE, 2 * PAGE, how, at + 2 * PAGE)
    host.now(host.NR_MUNMAP, at, 4 * PAGE)
    return moved > 0


def _move(
    task: "Task", vma: Vma, old: int, old_size: int, new: int, new_size: int, flags: int
) -> int:
    """Moves [old, old + old_size), which lies in `vma`, to `new`; what was there goes."""
    space = task.process.space
    if vma.end < old + min(old_size, new_size):
        raise SysError(EFAULT)
    if new < GUEST_MIN:
        raise SysError(EPERM)
    _refuse_sealed(task, new, new + new_size)
    space.unmap(new, new + new_size)
    moved = vma.piece(new, new + new_size)
    if moved.origin:
        moved.origin = space.new_origin()
    if new_size < old_size:
        _shrink(task, old, old_size, new_size)
        old_size = new_size
    if new_size > old_size:
        space.check_limits(vma.piece(new, new + new_size - old_size))
    keep = flags & mman.MREMAP_DONTUNMAP
    if keep and vma.shared:
        _remap(task, old, 0, new, new_size)  # one more of the same
    else:
        _remap(task, old, old_size, new, new_size)
        space.remove(old, old + old_size)
    space.insert(moved)
    if keep and not vma.shared:
        _leave_zeros(task, vma.piece(old, old + old_size))
    return new


def _leave_zeros(task: "Task", vma: Vma) -> None:
    """MREMAP_DONTUNMAP: the old pages stay mapped and empty."""
    task.process.space.map(vma, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS)


def _remap(task: "Task", old: int, old_size: int, new: int, new_size: int) -> None:
    try:
        task.memory.remap(old, old_size, new, new_size)
    except OSError as error:
        raise SysError(error.errno or ENOMEM) from None


_SEALED_AGAINST = mman.MADV_DISCARDS | {mman.MADV_DONTFORK, mman.MADV_WIPEONFORK}


def _first_sealed(task: "Task", start: int, end: int) -> int | None:
    """Where the first sealed pages begin that the program cannot write: they keep their bytes."""
    for vma in task.process.space.overlapping(start, end):
        if vma.sealed and not vma.shared and not vma.prot & mman.PROT_WRITE:
            return max(vma.start, start)
    return None


def _advise_before(task: "Task", addr: int, length: int, advice: int) -> None:
    """The mappings before a sealed one come first, with errors of their own; holes do not count."""
    try:
        if length:
            madvise(task, addr, length, advice)
    except SysError as error:
        if error.errno != ENOMEM:
            raise


@syscall(28)
def madvise(
    task: "Task", addr: In[Range, "length"], length: Size, advice: Flags[Int, mman.MADV]
) -> None:
    """Implements madvise(2)."""
    target, size = task.pages(addr, length)
    inside = addr < GUEST_TOP and size < ULONG - PAGE - addr and not addr & PAGE_MASK
    if inside and advice in _SEALED_AGAINST:
        stop = _first_sealed(task, addr, addr + page_up(size))
        if stop is not None:
            _advise_before(task, addr, stop - addr, advice)
            raise SysError(EPERM)
    if advice == mman.MADV_FREE and task.process.director is not None:
        return  # the host would take the pages at a time of its own
    if inside:
        task.process.space.advise(addr, size, advice)
    else:
        task.host(host.NR_MADVISE, target, size, advice)


@syscall(27)
def mincore(task: "Task", addr: In[Range, "length"], length: Size, vec: Ptr) -> None:
    """Implements mincore(2)."""
    if addr & PAGE_MASK:
        raise SysError(EINVAL)
    if addr + page_up(length) > USER_TOP:
        raise SysError(ENOMEM)
    if vec + page_up(length) // PAGE > USER_TOP:
        raise SysError(EFAULT)
    vec = task.guest(vec, page_up(length) // PAGE, True)
    end = addr + page_up(length)
    stop = task.process.space.reach(addr, end)  # in a hole may be memory of ours
    task.host(host.NR_MINCORE, *task.pages(addr, stop - addr), vec)
    if stop < end:
        raise SysError(ENOMEM)


@syscall(26)
def msync(
    task: "Task", addr: In[Range, "length"], length: Size, flags: Flags[Int, mman.MSYNC]
) -> int:
    """Implements msync(2)."""
    start, size = task.pages(addr, length)
    end = addr + page_up(size)
    if addr & PAGE_MASK or end > MASK64 or task.process.space.covered(addr, end):
        return task.host(host.NR_MSYNC, start, size, flags)
    task.host(host.NR_MSYNC, start, 0, flags)
    for first, last in task.process.space.stretches(addr, end):
        task.host(host.NR_MSYNC, first + task.memory.skew, last - first, flags)
    raise SysError(ENOMEM)  # at the end; in a hole may be memory of ours


@syscall(216)
def remap_file_pages(
    task: "Task",
    addr: In[Range, "size"],
    size: Size,
    prot: Int,
    pgoff: ULong,
    flags: Flags[Int, mman.MAP],
) -> int:
    """Implements remap_file_pages(2)."""
    start = addr & ~PAGE_MASK
    vma = task.process.space.find(start)
    if vma is None:
        raise SysError(EINVAL)
    if size and vma.sealed and vma.shared and not prot:
        raise SysError(EPERM)
    task.guest(start, min(size, vma.end - start), True)  # the bytes change
    return task.host(host.NR_REMAP_FILE_PAGES, *task.pages(start, size), prot, pgoff, flags)


@syscall(447, passthrough=True)
def memfd_secret(flags: Flags[UInt, mman.MFD_SECRET]) -> None:
    """Implements memfd_secret(2)."""


@syscall(319, passthrough=True)
def memfd_create(name: Text, flags: Flags[UInt, mman.MFD]) -> None:
    """Implements memfd_create(2)."""
