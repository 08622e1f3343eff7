"""C++ and Rust names as their authors wrote them, by cxxfilt (the C++ library's own demangler)."""

from __future__ import annotations

import functools

_MANGLED = ("_Z", "__Z", "_R")
_LONGEST = 4096


@functools.lru_cache(4096)
def demangle(name: str) -> str:
    """`ns::f(int)` for `_ZN2ns1fEi`; a name that is not mangled, or cannot be read, as it is."""
    if not name.startswith(_MANGLED) or len(name) > _LONGEST:
        return name
    base, at, version = name.partition("@")
    try:
        import cxxfilt

        plain: str = cxxfilt.demangle(base)
    except Exception:  # no C++ library on this host, or a name that it refuses
        return name
    return plain + at + version


def bare(name: str) -> str:
    """A demangled function's name without its parameters: `ns::f` for `ns::f(int) const`."""
    plain = demangle(name)
    depth = 0
    for i in range(len(plain) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(plain[i], 0)
        if plain[i] == "(" and depth == 0 and not plain.endswith("operator()", 0, i + 2):
            return plain[:i]
    return plain
