"""The dispatch as compiled: every handler leaves by a jump, with the stack as it found it.

gcc 12 has no musttail: that `return next->fn(c, next)` became a sibling call is checked here, in
the machine code of the release build (design.md, section 4).
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import pytest

import engine_build
from blink.codegen.trace import trace
from blink.isa import families
from blink.isa.binding import Variant
from blink.isa.host_simd import LEVELS
from blink.isa.spec import REGISTRY, Form

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86-64 machine code")

# They may also return NULL to run(), which ends it
HAND_WRITTEN = {"stub_handler", "jump_handler", "ea_handler", "breakpoint_handler"}
HAND_WRITTEN |= {"segment_ea_handler", "limit_handler"}
NO_RETURN = {"fault_here", "cpu_fault", "cpu_unimplemented", "abort"}
# Out of line by intent: faults, TLB misses, flags that are no comparison, libgcc's POPCNT
SUPPORT = {"fault_here", "mem_slow", "flags_cond", "flags_status", "__popcountdi2", "resolve"}
# VCMP's predicates above 7, made of others; and what the host may lack, in integers
SUPPORT |= {"fp_cmp_any32", "fp_cmp_any64"}
SUPPORT |= {f"soft_{kind}_fma" for kind in ("f32", "f64", "v_f32", "v_f64", "y_f32", "y_f64")}
SUPPORT |= {f"soft_{kind}_{cvt}" for kind in "vy" for cvt in ("cvt_f16_f32", "cvt_f32_f16")}
SUPPORT |= {"far_resume", "segment_address"}
BLOCK_ENTRIES = {"cache_block", "cache_link"}  # a stub's first execution
DEEPEST = 512  # bytes of stack that one handler may use, and gives back

PREFIXES = ("addr32", "bnd", "cs", "data16", "lock", "rep", "repz")
PADDING = ("nop", "nopw", "nopl", "xchg")
LINE = re.compile(r"^ *([0-9a-f]+):\t(.*)$")
HEAD = re.compile(r"^[0-9a-f]+ <(.+)>:$")
TARGET = re.compile(r"^([0-9a-f]+) <([^+>]+)(?:\+0x[0-9a-f]+)?>")


class Instruction(NamedTuple):
    """`next` is the address behind it; `name` and `at` say where a direct branch goes."""

    mnemonic: str
    operands: str
    next: int
    name: str
    at: int


Code = dict[int, Instruction]


def parse(text: str) -> tuple[dict[str, int], Code]:
    """objdump's text: entry points by name, and all instructions by address."""
    entries: dict[str, int] = {}
    lines: list[tuple[int, str]] = []
    name = ""
    for line in text.splitlines():
        if found := LINE.match(line):
            if name:
                entries[name] = int(found[1], 16)
                name = ""
            lines.append((int(found[1], 16), found[2]))
        elif found := HEAD.match(line):
            name = found[1]
    following = [address for address, _ in lines[1:]] + [0]
    return entries, {
        address: instruction(words, after)
        for (address, words), after in zip(lines, following, strict=True)
    }


def instruction(text: str, after: int) -> Instruction:
    words = text.partition("#")[0].split(None, 1)
    while len(words) > 1 and words[0] in PREFIXES:
        words = words[1].split(None, 1)
    mnemonic, operands = words[0], words[1].strip() if len(words) > 1 else ""
    found = TARGET.match(operands) if mnemonic[0] == "j" or mnemonic == "call" else None
    return Instruction(
        mnemonic, operands, after, found[2] if found else "", int(found[1], 16) if found else 0
    )


def growth(i: Instruction) -> int:
    """By how many bytes the stack grows."""
    if i.mnemonic == "push":
        return 8
    if i.mnemonic == "pop":
        return -8
    if not i.operands.endswith(",%rsp"):
        return 0
    if i.mnemonic in ("add", "sub") and i.operands.startswith("$"):
        amount = int(i.operands[1 : i.operands.index(",")], 16)
        amount -= (amount >> 63) << 64
        return amount if i.mnemonic == "sub" else -amount
    raise AssertionError(f"{i.mnemonic} {i.operands}: what does it do to the stack?")


class Handler:
    """What one handler does: whom it calls, and how it leaves."""

    def __init__(self, name: str, entry: int, end: int, code: Code) -> None:
        self.name, self.entry, self.code = name, entry, code
        self.calls: set[str] = set()
        self.exits = 0
        self.faults: list[str] = []
        self._depths = {entry: 0}
        self._tables: set[int] = set()
        self._todo = [entry]
        self._walk()
        self._switch(end)

    @property
    def mnemonics(self) -> set[str]:
        return {self.code[address].mnemonic for address in self._depths}

    def _walk(self) -> None:
        while self._todo:
            self._step(self._todo.pop())

    def _switch(self, end: int) -> None:
        """Behind a jump table: the blocks that no branch reached."""
        tables, at = sorted(self._tables), self.entry
        while tables and at < end:
            i = self.code[at]
            jumped = i.mnemonic in ("jmp", "ud2") or i.name in NO_RETURN
            at = i.next
            while at < end and self.code[at].mnemonic in PADDING:
                at = self.code[at].next
            if jumped and at < end and at not in self._depths:
                self._go(at, tables[0])
                self._walk()
        if len(self._tables) > 1:
            self.faults.append("jump tables with different stacks")

    def _go(self, address: int, depth: int) -> None:
        if address not in self._depths:
            self._depths[address] = depth
            self._todo.append(address)
        elif self._depths[address] != depth:
            self.faults.append(f"{address:x}: reached with different stacks")

    def _step(self, address: int) -> None:
        i = self.code[address]
        depth = self._depths[address] + growth(i)
        if not 0 <= depth <= DEEPEST:
            self.faults.append(f"{address:x}: {depth} bytes of stack")
        elif i.mnemonic == "call":
            self._call(i, depth)
        elif i.mnemonic == "jmp" and i.operands[0] == "*" and self._indexed(address, i.operands):
            self._tables.add(depth)
        elif i.mnemonic[0] == "j":
            self._jump(i, depth)
        elif i.mnemonic == "ret":
            self._return(depth)
        elif i.mnemonic not in ("ud2", "hlt"):
            self._go(i.next, depth)

    def _indexed(self, address: int, target: str) -> bool:
        """Whether the jump at this address goes through a table of offsets."""
        before = next((self.code[a] for a in range(address - 1, 0, -1) if a in self.code), None)
        return (
            before is not None
            and before.mnemonic == "add"
            and before.operands.endswith("," + target[1:])
        )

    def _return(self, depth: int) -> None:
        if self.name not in HAND_WRITTEN or depth:
            self.faults.append(f"returns with {depth} bytes on the stack")

    def _call(self, i: Instruction, depth: int) -> None:
        self.calls.add(i.name or i.operands)
        if i.name not in NO_RETURN:
            self._go(i.next, depth)

    def _jump(self, i: Instruction, depth: int) -> None:
        if i.name in (self.name, f"{self.name}.cold"):
            self._go(i.at, depth)
        else:
            self.exits += 1
            if depth:
                self.faults.append(f"leaves with {depth} bytes on the stack")
            if i.name and i.name.startswith("h_"):
                self.faults.append(f"leaves to {i.name}, not to the record's handler")
        if i.mnemonic != "jmp":
            self._go(i.next, depth)


def variants(form: Form, mode: int) -> list[Variant]:
    rm = form.rm
    kinds = ((False, rm is None or rm.kind.reg), (True, rm is not None and rm.kind.mem))
    return [Variant(size, mem) for size in form.sizes_in(mode) for mem, there in kinds if there]


def bodies() -> set[str]:
    """Names of the C functions that instructions call."""
    families.load()
    forms = [form for insn in REGISTRY for form in insn.forms]
    traces = [trace(form, v) for form in forms if 64 in form.modes for v in variants(form, 64)]
    legacy = [form for form in forms if form.legacy]
    traces += [trace(form, v, 32) for form in legacy for v in variants(form, 32)]
    names = {e.args[0] for t in traces for e in t.effects if e.op == "call"}
    return {name + mode for name in names for mode in ("", "_linear", "_paged")}


@pytest.fixture(scope="module")
def handlers(need: Callable[[str], str]) -> list[Handler]:
    module = engine_build.release().output
    assert module.exists(), "no release build: ./dev build"
    command = [need("objdump"), "-d", "--no-show-raw-insn", str(module)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    entries, code = parse(text)
    found = sorted((address, name) for name, address in entries.items())
    ends = [address for address, _ in found[1:]] + [max(code)]
    return [
        Handler(name, entry, end, code)
        for (entry, name), end in zip(found, ends, strict=True)
        if name in HAND_WRITTEN or (name[:2] == "h_" and ".cold" not in name)
    ]


def test_all_handlers_are_there(handlers: list[Handler]) -> None:
    names = {handler.name for handler in handlers}
    generated = (engine_build.GENERATED / "_generated_handlers_table.c").read_text()
    wanted = re.findall(r"^HANDLER\((\w+)\);$", generated, re.MULTILINE)
    common = re.findall(r"^COMMON_HANDLER\((\w+)\);$", generated, re.MULTILINE)
    assert len(wanted) > 1000 and len(common) > 1000
    twice = {f"h_{n}_{mode}" for n in wanted for mode in ("linear", "paged")}
    assert names == HAND_WRITTEN | twice | {f"h_{n}_both" for n in common}


def test_every_handler_leaves_by_a_jump(handlers: list[Handler]) -> None:
    assert {h.name: h.faults for h in handlers if h.faults} == {}
    assert [h.name for h in handlers if not h.exits and not h.calls & NO_RETURN] == []


def test_nothing_is_called_through_a_pointer(handlers: list[Handler]) -> None:
    assert [h.name for h in handlers if any(name.startswith("*") for name in h.calls)] == []


def test_only_known_functions_are_called(handlers: list[Handler]) -> None:
    callers: dict[str, list[str]] = defaultdict(list)
    for handler in handlers:
        allowed = SUPPORT | BLOCK_ENTRIES if handler.name in HAND_WRITTEN else SUPPORT
        for name in handler.calls - allowed:
            callers[name].append(handler.name)
    known = bodies()
    assert {name: users[:3] for name, users in callers.items() if name not in known} == {}


# Written lane by lane in Python, one vector instruction of the host in the end
VECTOR = """
    paddb paddd pmullw pmulhw pcmpeqb pcmpgtd pminub pavgb vpaddb vpaddd vpaddq vpmullw vpcmpeqb
    vpand vpxor mulps addpd sqrtps minps vmulps vaddpd vsqrtps
""".split()


@pytest.mark.parametrize("name", VECTOR)
def test_vectors_are_the_host_s(handlers: list[Handler], name: str) -> None:
    found = [h for h in handlers if h.name.startswith(f"h_{name}_")]
    lanes = name.removeprefix("v")
    assert found
    assert [h.name for h in found if not {lanes, name} & h.mnemonics] == []


SLIDES = {"palignr", "psrldq", "pslldq"}  # bytes in an order that a table holds


@pytest.mark.parametrize("name", sorted(n.lower() for names in LEVELS.values() for n in names))
def test_integers_are_the_host_s(handlers: list[Handler], name: str) -> None:
    """Of all forms but those on MMX registers, of which the first thing is to wait for the x87."""
    prefixes = (f"h_{name}_", f"h_v{name}_")
    found = [h for h in handlers if h.name.startswith(prefixes) and "x87_wait" not in h.calls]
    wanted = "pshufb" if name in SLIDES else name
    assert found
    assert [h.name for h in found if wanted not in h.mnemonics] == []


# --- The inspection itself ---------------------------------------------------------------------


def inspected(text: str) -> Handler:
    """A handler at 0x10 from its instructions, one byte each."""
    lines = [f"  {0x10 + n:x}:\t{line}" for n, line in enumerate(text.split("; "))]
    entries, code = parse("\n".join(["0010 <h_toy_linear>:", *lines, "  ff:\thlt"]))
    assert entries == {"h_toy_linear": 0x10}
    return Handler("h_toy_linear", 0x10, 0xFF, code)


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("mov 0x20(%rsi),%rax; jmp *%rax", []),
        ("push %rbx; call 900 <f>; pop %rbx; jmp *0x20(%rsi)", []),
        ("sub $0x18,%rsp; je 14 <h_toy_linear+0x4>; nop; ud2; add $0x18,%rsp; jmp *%rax", []),
        ("add $0xffffffffffffff80,%rsp; sub $0xffffffffffffff80,%rsp; jmp *(%rsi)", []),
        ("sub $0x8,%rsp; addr32 call 900 <fault_here>", []),
        ("push %rbx; jmp *0x20(%rsi)", ["leaves with 8 bytes on the stack"]),
        ("sub $0x8,%rsp; call *0x20(%rsi); pop %rdx; ret", ["returns with 0 bytes on the stack"]),
        ("jmp 40 <h_other_linear>", ["leaves to h_other_linear, not to the record's handler"]),
        ("je 12 <h_toy_linear+0x2>; push %rax; jmp *%rax", ["12: reached with different stacks"]),
        ("push %rax; movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax; pop %rax; jmp *%rcx", []),
        ("push %rax; add %rdx,%rax; jmp *%rax; jmp *%rcx", ["leaves with 8 bytes on the stack"]),
    ],
)  # fmt: skip
def test_inspection(text: str, faults: list[str]) -> None:
    handler = inspected(text)
    assert handler.faults[: len(faults)] == faults and bool(handler.faults) == bool(faults)
    assert ("*0x20(%rsi)" in handler.calls) == ("call *" in text)
