"""CPUID features of the host, by the names that the spec uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

# Names in the spec -> names in /proc/cpuinfo, where lower case is not enough.
_LINUX = {
    "SSE3": "pni",
    "SSE4.1": "sse4_1",
    "SSE4.2": "sse4_2",
    "CLFSH": "clflush",
    "PREFETCHW": "3dnowprefetch",
    "LZCNT": "abm",
    "SHA": "sha_ni",
    "RDTSCP": "rdtscp",
    "OSXSAVE": "xsave",
    "AVX-VNNI": "avx_vnni",
}


@cache
def is_amd() -> bool:
    """Whether the host is one of AMD's processors, whose choices are ours where they differ."""
    return "AuthenticAMD" in Path("/proc/cpuinfo").read_text()


@cache
def split_locks_are_slow() -> bool:
    """Whether locked accesses across cache lines are reported, which slows them down.

    In a virtual machine one took up to 3 s, and one to a page that is not there up to a minute.
    """
    return bool(_flags() & {"bus_lock_detect", "split_lock_detect"})


@cache
def _flags() -> frozenset[str]:
    text = Path("/proc/cpuinfo").read_text()
    line = next((t for t in text.splitlines() if t.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def host_has(feature: str) -> bool:
    """Whether the host can be the oracle for forms of this feature ("" is always there)."""
    return not feature or _LINUX.get(feature, feature.lower()) in _flags()
