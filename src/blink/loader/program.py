"""From a path to a program that can be loaded: scripts resolved, headers read, all files open.

What can fail fails here, before the caller's point of no return (execve(2), binfmt_elf, exec.c).
"""

from __future__ import annotations

from errno import E2BIG, EACCES, ELIBBAD, ELOOP, ENODEV, ENOENT, ENOTDIR, ESTALE, ETIMEDOUT

from blink.abi.encoding import encode

from ..abi.layout import PIE_BASE, STACK_SIZE
from .elf import MAGIC, MAX_SPAN, Elf
from .errors import LoadError, show
from .script import BadShebang, behind_blink, names_blink, parse_shebang
from .source import Source, open_host, open_interpreter, open_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .source import OpenFile

    Name = bytes | str  # str as from os.fsdecode

_FLAT_SUFFIXES = (b".bin", b".img", b".raw")
_MAX_REWRITES = 5
_MAX_STRING = 128 << 10  # bytes of one argument, with its NUL: MAX_ARG_STRLEN
_MAX_TOTAL = 6 << 20  # of all strings and the pointers to them
_ARG_MAX = 128 << 10  # always allowed, however small the stack's limit
_DEFAULT_PATH = b"/bin:/usr/bin"
_NOT_HERE = (ENOENT, ENOTDIR, ESTALE, ENODEV, ETIMEDOUT)


class Program:
    """What `load` maps: `elf` with its interpreter `interp`, or a flat image `flat`.

    `path` is the name it was started by (AT_EXECFN, and comm is its last part), `argv` and `env`
    are the strings of its stack.  The files stay open until `close`, or the end of a `with`.
    """

    __slots__ = ("argv", "elf", "env", "files", "flat", "interp", "path")

    def __init__(self, path: bytes, argv: list[bytes], env: list[bytes]) -> None:
        self.path = path
        self.argv = argv
        self.env = env
        self.files: list[Source] = []
        self.elf: Elf | None = None
        self.interp: Elf | None = None
        self.flat: Source | None = None

    @property
    def source(self) -> Source:
        """The file that becomes /proc/self/exe: of a script, its last interpreter."""
        source = self.flat if self.elf is None else self.elf.source
        assert source is not None
        return source

    def close(self) -> None:
        """Closes the files; mappings of them stay."""
        for source in self.files:
            source.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Arguments:
    """argv while #! lines rewrite it, and the room that strings may take on the stack."""

    __slots__ = ("argv", "label", "limit", "size")

    def __init__(self, program: Program, stack_limit: int) -> None:
        if not program.argv:  # Linux gives such a program one empty string
            program.argv.append(b"")
        self.argv = program.argv
        self.label = show(program.path)
        strings = [program.path, *program.argv, *program.env]
        if any(len(string) >= _MAX_STRING for string in strings):
            raise self._error("an argument or variable has more than 128 KiB")
        room = _MAX_TOTAL if stack_limit < 0 else max(min(_MAX_TOTAL, stack_limit // 4), _ARG_MAX)
        self.limit = room - 8 * (len(strings) - 1)  # the path has no pointer
        self.size = sum(map(len, strings)) + len(strings)
        self._check()

    def rewrite(self, script: bytes, interpreter: bytes, argument: bytes | None) -> None:
        """Replaces argv[0] by the interpreter, its argument and the script's name."""
        front = [interpreter, script] if argument is None else [interpreter, argument, script]
        self.size += sum(map(len, front)) + len(front) - len(self.argv[0]) - 1
        self.argv[:1] = front
        self._check()

    def _check(self) -> None:
        if self.size > self.limit or self.limit <= 0:
            raise self._error("the arguments and environment are too long together")

    def _error(self, text: str) -> LoadError:
        return LoadError(E2BIG, f"{self.label}: {text}; shorten them, or use xargs or a file")


def open_program(
    path: Name,
    argv: Sequence[Name],
    env: Sequence[Name],
    *,
    open_file: OpenFile = open_host,
    stack_limit: int = STACK_SIZE,
    allow_flat: bool = True,
    path_inaccessible: bool = False,
) -> Program:
    """Opens and checks a program; implements execve(2) up to its point of no return.

    `open_file(path)` opens a guest path for reading and returns a fd (with O_CLOEXEC and
    O_NONBLOCK) or raises OSError.  `stack_limit` is RLIMIT_STACK, which bounds argv and env (below
    0: none).  `path_inaccessible`: the path goes through a CLOEXEC fd, so scripts get ENOENT
    (execveat(2)).
    Flat images (.bin .img .raw) need no x bit.  Raises LoadError; nothing is left open then.
    """
    strings, variables = [encode(s) for s in argv], [encode(s) for s in env]
    program = Program(encode(path), strings, variables)
    try:
        source = open_source(program.path, open_file)
        program.files.append(source)
        arguments = _Arguments(program, stack_limit)
        if allow_flat and _is_flat(source):
            _check_flat(source)
            program.flat = source
            return program
        _check_script(source, path_inaccessible)
        source = _follow_scripts(program, source, arguments, open_file)
        _read_elf(program, source, open_file)
    except BaseException:
        program.close()
        raise
    return program


def _check_script(source: Source, path_inaccessible: bool) -> None:
    source.require_exec()
    if path_inaccessible and source.head[:2] == b"#!":
        raise source.error("is a script whose fd closes on exec; clear FD_CLOEXEC", ENOENT)


def check_program(path: Name, open_file: OpenFile) -> None:
    """What execve(2) checks before it reads argv.  Raises LoadError."""
    source = open_source(encode(path), open_file)
    try:
        source.require_exec()
    finally:
        source.close()


def find_program(name: Name, search: Name | None, *, open_file: OpenFile = open_host) -> bytes:
    """Returns the path of a program to run, searched in `search` ($PATH) as execvp(3) does.

    A name with a slash is returned as it is.  A file that may not be executed is passed over, and
    its error raised (126) if nothing follows; LoadError with ENOENT (127) if there was none.
    """
    wanted = encode(name)
    if b"/" in wanted:
        return wanted
    folders = _DEFAULT_PATH if search is None else encode(search)
    denied: LoadError | None = None
    for folder in folders.split(b":") if wanted else ():
        path = folder + b"/" + wanted if folder else wanted
        try:
            source = open_source(path, open_file)
            try:
                source.require_exec()
            finally:
                source.close()
            return path
        except LoadError as error:
            if error.errno == EACCES:
                denied = denied or error
            elif error.errno not in _NOT_HERE:
                raise
    if denied is not None:
        raise denied
    raise LoadError(ENOENT, f"{show(wanted)}: not found in PATH; check the name, or give its path")


def _is_flat(source: Source) -> bool:
    head = source.head
    return source.path.endswith(_FLAT_SUFFIXES) and head[:2] != b"#!" and head[:4] != MAGIC


def _check_flat(source: Source) -> None:
    if not source.head:
        raise source.error("is empty; build or copy it again")
    if source.stat.st_size > MAX_SPAN:
        raise source.error(f"is larger than {MAX_SPAN >> 30} GiB; use a smaller image")


def _follow_scripts(
    program: Program, source: Source, arguments: _Arguments, open_file: OpenFile
) -> Source:
    """Returns the first file behind the #! lines that is no script itself."""
    rewrites = 0
    while source.head[:2] == b"#!":
        try:
            interpreter, argument = parse_shebang(source.head)
            if names_blink(interpreter, argument):
                interpreter, argument = behind_blink(source.head)
        except BadShebang as error:
            raise source.error(str(error)) from None
        arguments.rewrite(source.path, interpreter, argument)
        absent = "no such file; install it, or correct the #! line"
        if interpreter.endswith(b"\r"):
            absent = "no such file: the #! line ends in a carriage return; use dos2unix"
        source = open_interpreter(interpreter, open_file, source, absent)
        program.files.append(source)
        rewrites += 1
        if rewrites > _MAX_REWRITES:
            raise source.error("more than 5 scripts run each other; run a program directly", ELOOP)
    return source


def _read_elf(program: Program, source: Source, open_file: OpenFile) -> None:
    """Reads and checks the headers of the program and of its interpreter, in Linux's order."""
    elf = program.elf = Elf(source)
    name = elf.read_interp()
    if name is not None:
        absent = "no such file; install its package, or name the root that has it with -C"
        found = open_interpreter(name, open_file, source, absent, ELIBBAD)
        program.files.append(found)
        program.interp = Elf(found)
    elf.check_segments()
    elf.place(PIE_BASE)
    if program.interp is not None:
        program.interp.check_segments()
