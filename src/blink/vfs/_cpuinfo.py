"""/proc/cpuinfo: the CPU that the guest runs on, as many as the host has."""

from __future__ import annotations

from blink.isa import cpuid
from blink.vfs.proc import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from blink.kernel.task import Task

# Linux's names where they are not the manual's in lower case.
# It has none for OSXSAVE.
LINUX_NAMES = {
    "CLFSH": "clflush",
    "SSE3": "pni",
    "PREFETCHW": "3dnowprefetch",
    "LZCNT": "abm",
    "OSXSAVE": "",
    "SHA": "sha_ni",
}
KEPT = (
    b"processor",
    b"physical id",
    b"siblings",
    b"core id",
    b"cpu cores",
    b"apicid",
    b"initial apicid",
    b"cpu MHz",
    b"bogomips",
)


def cpuinfo(task: Task) -> bytes:
    """The host's text with the model, the caches and the features that CPUID reports."""
    new = _description(task.cpu.model)
    blocks = [_block(block, new) for block in read("/proc/cpuinfo").split(b"\n\n") if block.strip()]
    return b"".join(blocks)


def _description(model: str) -> dict[bytes, str]:
    signature = cpuid.SIGNATURE
    flags = [LINUX_NAMES.get(name, name.lower().replace(".", "_")) for name in cpuid.MODELS[model]]
    last = [leaf for leaf in cpuid.leaves(model) if leaf.leaf == 4][-1]
    cache = ((last.ebx >> 22) + 1) * ((last.ebx & 0xFFF) + 1) * (last.ecx + 1)
    return {
        b"vendor_id": cpuid.VENDOR,
        b"cpu family": str(signature >> 8 & 15),
        b"model": str(signature >> 4 & 15 | signature >> 12 & 0xF0),
        b"model name": cpuid.BRAND,
        b"stepping": str(signature & 15),
        b"cache size": f"{cache >> 10} KB",
        b"fpu": "yes",
        b"fpu_exception": "yes",
        b"cpuid level": "13",
        b"wp": "yes",
        b"flags": " ".join(filter(None, flags)),
        b"bugs": "",
        b"clflush size": "64",
        b"cache_alignment": "64",
        b"address sizes": "48 bits physical, 48 bits virtual",
    }


def _block(block: bytes, new: dict[bytes, str]) -> bytes:
    lines = []
    for line in block.splitlines():
        name, _, _value = line.partition(b"\t")
        name = name.rstrip(b" :")
        if name in new:
            line = line.partition(b":")[0] + b": " + new[name].encode()
        elif name not in KEPT:
            continue
        lines.append(line + b"\n")
    return b"".join(lines) + b"\n"
