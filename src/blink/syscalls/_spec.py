"""The definition of a system call: one decorated function with typed arguments.

    @syscall(0, passthrough=True)
    def read(fd: Fd, buf: Out[Buffer, "count"], count: Size) -> None:
        \"\"\"Implements read(2).\"\"\"

Everything else is derived from the `Call` that the decorator builds: the dispatch table (`_table`),
the engine's native path (codegen), the log's text (`_strace`), the compatibility page.

Annotations serve two readers.  For mypy they are plain types: `Fd` is int, `Path` is bytes and
`Out[Buffer, "count"]` is `Annotated[int, "count"]`.  At run time they are `Type` objects.  Hence no
`from __future__ import annotations` in the modules of families, and the first item in the brackets
always is a type.

A handler gets the task first, then one value per argument: signed or unsigned integers of the
declared width, addresses as integers, paths as bytes.  It returns the result (None means 0) or
raises `SysError`.
"""

from __future__ import annotations

from blink.abi.flags import FlagSet
from blink.abi.structs import Struct as Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Annotated as By
    from typing import Annotated as Flags
    from typing import Annotated as If
    from typing import Annotated as In
    from typing import Annotated as InOut
    from typing import Annotated as Opaque
    from typing import Annotated as Out
    from typing import Annotated as Unless
    from typing import Annotated as With
    from typing import Any, TypeAlias, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])
    Int: TypeAlias = int
    UInt: TypeAlias = int
    Long: TypeAlias = int
    ULong: TypeAlias = int
    Fd: TypeAlias = int
    NewFd: TypeAlias = int
    Off: TypeAlias = int
    Size: TypeAlias = int
    Mode: TypeAlias = int
    Signal: TypeAlias = int
    Ptr: TypeAlias = int
    Argv: TypeAlias = int
    Envp: TypeAlias = int
    Range: TypeAlias = int
    Path: TypeAlias = bytes
    OptionalPath: TypeAlias = bytes | None
    LinkPath: TypeAlias = bytes
    Text: TypeAlias = int
    Buffer: TypeAlias = int
    Struct: TypeAlias = int
    Array: TypeAlias = int
    Iov: TypeAlias = int
    Bits: TypeAlias = int
    Sockaddr: TypeAlias = int
    Sigset: TypeAlias = int

__all__ = [
    "ALWAYS",
    "CALLS",
    "KEEP",
    "NEVER",
    "UNLESS_POLICY",
    "Arg",
    "Argv",
    "Array",
    "Bits",
    "Buffer",
    "By",
    "Call",
    "Envp",
    "Fd",
    "Flags",
    "If",
    "In",
    "InOut",
    "Int",
    "Iov",
    "LinkPath",
    "Long",
    "Mode",
    "NewFd",
    "Off",
    "Opaque",
    "OptionalPath",
    "Out",
    "Path",
    "Ptr",
    "Range",
    "Signal",
    "Sigset",
    "Size",
    "Sockaddr",
    "Struct",
    "Text",
    "Type",
    "UInt",
    "ULong",
    "Unless",
    "With",
    "syscall",
]

PATH_MAX = 4096
LEVELS = ("full", "partial", "none")
NEVER, ALWAYS, UNLESS_POLICY = 0, 1, 2
"""When the engine makes a call itself.  UNLESS_POLICY: while `blink.vfs` has no say, that is
without a root and before a directory of /proc is open; a call with a path is also left to Python
when the path may lead into /proc."""

KEEP = 1 << 80
"""A handler returns KEEP when it has set the registers itself (rt_sigreturn, execve)."""

CALLS: dict[int, Call] = {}
"""Number -> definition, for the families that are imported so far."""


class Type:
    """What an annotation means at run time.

    kind       "value" or one of the pointer kinds: "path", "buffer", "struct", "array", "iov",
               "bits", "sockaddr", "range" (pages that the call acts on)
    bits       width of a value: 32 or 64
    signed     whether the value is sign-extended from `bits`
    show       how the log prints a value: "dec", "hex", "oct", "fd", "newfd", "signal"; "argv" and
               "envp" are vectors of strings
    direction  "value", "in", "out" or "inout"
    length     None, or the bytes behind a pointer, as a rule (see Arg)
    layout     a Layout, for structures and arrays
    flags      a FlagSet, for flag words
    optional   a path that may be NULL
    follow     whether a path's last symbolic link is followed; or (argument, bit, the bit's sense)
    choices    value of the argument that `length` names -> Type
    opaque     the engine cannot pass it, so that a call with it (not NULL) is Python's
    given      None, or (argument, bits): passed only if that argument has one of the bits
    """

    __slots__ = (
        "bits", "choices", "direction", "flags", "follow", "given", "kind", "layout", "length",
        "opaque", "optional", "show", "signed",
    )  # fmt: skip

    def __init__(self, kind: str, bits: int = 64, signed: bool = False, show: str = "dec") -> None:
        self.kind = kind
        self.bits = bits
        self.signed = signed
        self.show = show
        self.direction = "value"
        self.length: int | str | None = None
        self.layout: Layout | None = None
        self.flags: FlagSet | None = None
        self.optional = False
        self.follow: bool | tuple[str, int, bool] = True
        self.choices: dict[int, Type] | None = None
        self.opaque = False
        self.given: tuple[str, int] | None = None

    def copy(self) -> Type:
        twin = Type(self.kind, self.bits, self.signed, self.show)
        for name in self.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin


class _Directed:
    """`In[...]`, `Out[...]`, `InOut[...]`: a pointer kind, then its layout and its length rule.

    `Opaque[...]` is an In whose structure holds pointers.
    """

    __slots__ = ("direction", "opaque")

    def __init__(self, direction: str, opaque: bool = False) -> None:
        self.direction = direction
        self.opaque = opaque

    def __getitem__(self, items: tuple[Type, *tuple[Layout | int | str, ...]]) -> Type:
        made = items[0].copy()
        made.direction = self.direction
        made.opaque = self.opaque
        for item in items[1:]:
            if isinstance(item, Layout):
                made.layout = item
            else:
                made.length = item
        return made


class _Flags:
    """`Flags[Int, NAMES]`: a value with names for its bits."""

    __slots__ = ()

    def __getitem__(self, items: tuple[Type, FlagSet]) -> Type:
        made = items[0].copy()
        made.flags = items[1]
        return made


class _Follow:
    """`Unless[Path, "flags", BIT]`, `If[...]`: the last symbolic link is followed, or not."""

    __slots__ = ("sense",)

    def __init__(self, sense: bool) -> None:
        self.sense = sense

    def __getitem__(self, items: tuple[Type, str, int]) -> Type:
        made = items[0].copy()
        made.follow = (items[1], items[2], self.sense)
        return made


class _With:
    """`With[Mode, "flags", BITS]`: an argument that C's callers leave out unless a bit is set."""

    __slots__ = ()

    def __getitem__(self, items: tuple[Type, str, int]) -> Type:
        made = items[0].copy()
        made.given = items[1:]
        return made


class _By:
    """`By[Long, "command", {F_GETFD: Int, ...}]`: the type depends on another argument's value."""

    __slots__ = ()

    def __getitem__(self, items: tuple[Type, str, dict[int, Type]]) -> Type:
        made = Type("by", show="hex")
        made.length = items[1]
        made.choices = items[2]
        return made


def _string(kind: str, optional: bool = False, follow: bool = True) -> Type:
    made = Type(kind)
    made.direction = "in"
    made.optional = optional
    made.follow = follow
    return made


if not TYPE_CHECKING:
    Int = Type("value", 32, True)
    UInt = Type("value", 32)
    Long = Type("value", 64, True)
    ULong = Type("value", 64)
    Fd = Type("value", 32, True, "fd")
    NewFd = Type("value", 32, True, "newfd")
    Off = Type("value", 64, True)
    Size = Type("value", 64)
    Mode = Type("value", 32, False, "oct")
    Signal = Type("value", 32, True, "signal")
    Ptr = Type("value", 64, False, "hex")
    Argv = Type("value", 64, False, "argv")
    Envp = Type("value", 64, False, "envp")
    Path = _string("path")
    OptionalPath = _string("path", optional=True)
    LinkPath = _string("path", follow=False)
    Text = _string("text")
    Buffer = Type("buffer")
    Struct = Type("struct")
    Array = Type("array")
    Iov = Type("iov")
    Bits = Type("bits")
    Sockaddr = Type("sockaddr")
    Sigset = Type("sigset")
    Sigset.direction, Sigset.length = "in", 8
    Range = Type("range", show="hex")
    In = _Directed("in")
    Out = _Directed("out")
    InOut = _Directed("inout")
    Flags = _Flags()
    By = _By()
    Opaque = _Directed("in", opaque=True)
    If = _Follow(True)
    Unless = _Follow(False)
    With = _With()


class Arg:
    """One argument of a call, resolved: what codegen, dispatch and the log read.

    name, index   its name and place
    type          the Type (kind, bits, signed, show, direction, layout, flags, optional)
    length        the bytes behind a pointer, one of
                    None               a value
                    ("const", n)       n bytes
                    ("arg", i, k)      argument i times k bytes
                    ("bits", i)        argument i bits, rounded up to 8 bytes (fd_set)
                    ("iov", i)         argument i iovecs; `direction` is that of the buffers
                    ("ref", i)         the u32 behind pointer argument i (socklen_t), in and out
                    ("path", n)        a NUL-terminated string, at most n bytes with the NUL
                    ("by", i)          as the type that argument i chooses, see `chosen`
    length_bits   width of the argument that holds the length
    dirfd         of a path: the place of the descriptor that it is relative to, or None
    follow        of a path: as in Type, the argument by its place
    given         as in Type, the argument by its place
    """

    __slots__ = ("dirfd", "follow", "given", "index", "length", "length_bits", "name", "type")

    def __init__(self, name: str, index: int, names: tuple[str, ...], types: list[Type]) -> None:
        self.name = name
        self.index = index
        self.type = types[index]
        self.length = _length_rule(self.type, names, types)
        self.length_bits = 64
        if self.length is not None and self.length[0] in ("arg", "bits"):
            self.length_bits = types[int(self.length[1])].bits
        relative = index > 0 and self.type.kind == "path" and names[index - 1].endswith("dirfd")
        self.dirfd = index - 1 if relative else None
        follow = self.type.follow
        self.follow = follow if isinstance(follow, bool) else (names.index(follow[0]), *follow[1:])
        given = self.type.given
        self.given = None if given is None else (names.index(given[0]), given[1])

    @property
    def is_pointer(self) -> bool:
        return self.type.kind != "value"

    def is_given(self, registers: tuple[int, ...]) -> bool:
        """Whether a call has the argument: open(2) has a mode only where it may create."""
        return self.given is None or bool(registers[self.given[0]] & self.given[1])

    def variant(self, kind: Type) -> Arg:
        """The same argument with another type."""
        made = Arg(self.name, 0, (self.name,), [kind])
        made.index = self.index
        return made

    def chosen(self, registers: tuple[int, ...]) -> Arg | None:
        """What a "by" argument is in this call; None when nobody knows the other one's value."""
        assert self.length is not None and self.type.choices is not None
        kind = self.type.choices.get(registers[int(self.length[1])] & 0xFFFFFFFF)
        return None if kind is None else self.variant(kind)


def _length_rule(
    kind: Type, names: tuple[str, ...], types: list[Type]
) -> tuple[str | int, ...] | None:
    rule = kind.length
    if kind.kind == "value":
        return None
    if kind.kind in ("path", "text"):
        return ("path", PATH_MAX)
    unit = kind.layout.size if kind.layout is not None else 1
    if kind.kind == "struct" and rule is None:
        return ("const", unit)
    if isinstance(rule, int):
        return ("const", rule * unit)
    if rule is None:
        raise TypeError(f"a {kind.kind} needs a length")
    index = names.index(rule)
    if kind.kind in ("iov", "bits", "by"):
        return (kind.kind, index)
    return ("arg", index, unit) if types[index].kind == "value" else ("ref", index)


class Call:
    """One system call, as defined by its decorated function.

    number, name, family   "identity" for blink.syscalls.identity
    args                   tuple of Arg
    function               the handler; None for a passthrough call
    passthrough            same ABI as the host's, no policy: runs natively
    native                 NEVER, ALWAYS or UNLESS_POLICY: when the engine makes the call itself
    paths                  those of `args` that are paths
    level, note            "full", "partial" or "none", and what is missing
    result                 how the log prints the result: "dec" or "hex"
    waits                  the log tells (`-ss`) when such a call begins: it may take long
    sigmask                index of the argument that points to a signal mask which holds during
                           the call (ppoll), or None: a handler that ends the call starts from it
    """

    __slots__ = (
        "args", "converters", "doc", "family", "function", "level", "name", "native", "note",
        "number", "passthrough", "paths", "result", "sigmask", "waits",
    )  # fmt: skip

    def __init__(
        self, number: int, function: Callable[..., Any], passthrough: bool, level: str, note: str,
        result: str, sigmask: str | None, native: int | None = None, waits: bool = False,
        raw_paths: bool = False,
    ) -> None:  # fmt: skip
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no support level")
        code = function.__code__
        skip = 0 if passthrough else 1  # the task
        names = code.co_varnames[skip : code.co_argcount]
        types = [function.__annotations__[name] for name in names]
        self.number = number
        self.name = function.__name__.rstrip("_")
        self.family = function.__module__.rpartition(".")[2]
        self.args = tuple(Arg(name, i, names, types) for i, name in enumerate(names))
        self.function = None if passthrough else function
        self.passthrough = passthrough
        self.native = int(passthrough) if native is None else native
        self.paths = tuple(arg for arg in self.args if arg.type.kind == "path")
        self.level = level
        self.waits = waits
        self.note = note
        self.result = result
        self.sigmask = None if sigmask is None else names.index(sigmask)
        self.doc = function.__doc__ or ""
        self.converters = tuple(
            _u64 if raw_paths and arg.type.kind == "path" else _converter(arg.type)
            for arg in self.args
        )


def syscall(
    number: int, *, passthrough: bool = False, native: int | None = None, level: str = "full",
    note: str = "", result: str = "dec", sigmask: str | None = None, waits: bool = False,
    raw_paths: bool = False,
) -> Callable[[F], F]:  # fmt: skip
    """Defines system call `number`; the function's name (less a trailing `_`) is the call's.

    `native` with a body: the engine makes the call itself when it may, else the body runs.
    `raw_paths`: the body gets addresses of paths, for `forward` to translate.
    """

    def define(function: F) -> F:
        call = Call(
            number, function, passthrough, level, note, result, sigmask, native, waits, raw_paths
        )
        if number in CALLS:
            raise ValueError(f"system call {number} is defined twice: {call.name}")
        CALLS[number] = call
        return function

    return define


def _s32(_task: Any, value: int) -> int:
    value &= 0xFFFFFFFF
    return value - ((value & 0x80000000) << 1)


def _u32(_task: Any, value: int) -> int:
    return value & 0xFFFFFFFF


def _s64(_task: Any, value: int) -> int:
    return value - ((value & 1 << 63) << 1)


def _u64(_task: Any, value: int) -> int:
    return value


def _fd(task: Any, value: int) -> int:
    value = _s32(task, value)
    return -1 if task.process.hides(value) else value


def _read_path(task: Any, value: int) -> bytes:
    path: bytes = task.read_path(value)
    return path


def _read_optional_path(task: Any, value: int) -> bytes | None:
    return None if value == 0 else _read_path(task, value)


def _converter(kind: Type) -> Callable[[Any, int], Any]:
    """From a register's 64 bits to the handler's value."""
    if kind.kind == "path":
        return _read_optional_path if kind.optional else _read_path
    if kind.show == "fd":
        return _fd
    if kind.bits == 32:
        return _s32 if kind.signed else _u32
    return _s64 if kind.signed else _u64
