"""Run an instruction body on symbols and record what it does: the input of the C printer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blink.isa.binding import Binder, Operands, Variant, execute
from blink.isa.bits import Bits, from_lanes
from blink.isa.flags import FlagState, operands
from blink.isa.spec import Form

LANE = {8: "b", 16: "w", 32: "d", 64: "q", 128: "x"}  # members of V128 and V256
ZERO = Bits.const(0, 128)


@dataclass
class Effect:
    """Something that happens in order: load, store, fault, call or cas (a LOCKed update)."""

    op: str
    args: tuple[Any, ...]
    guard: Bits | None
    result: Bits | None = None


@dataclass
class Trace:
    """All that one handler does.

    `end` is how it leaves: next, jump, branch, again, stop or far.
    `specials`: the fields of Cpu that it names, read or written.
    `halves` holds the floating-point operations of the two halves of 256 bits: the n-th of the one
    and the n-th of the other are one operation of the CPU.
    """

    effects: list[Effect] = field(default_factory=list)
    commits: list[tuple[str, Bits]] = field(default_factory=list)
    flags: FlagState | None = None
    end: tuple[Any, ...] = ("next",)
    uses_next_ip: bool = False
    uses_string_base: bool = False
    specials: set[str] = field(default_factory=set)
    halves: tuple[list[Bits], list[Bits]] = field(default_factory=lambda: ([], []))

    @property
    def may_fault(self) -> bool:
        return bool(self.effects) or self.uses_fp

    @property
    def uses_fp(self) -> bool:
        roots = [v for _, v in self.commits] + (operands(self.flags) if self.flags else [])
        roots += [a for e in self.effects for a in e.args if isinstance(a, Bits)]
        return any(node.op == "fp" for node in walk(roots))


def walk(roots: list[Bits]) -> list[Bits]:
    """All nodes below the roots, each once."""
    seen: dict[int, Bits] = {}
    todo = list(roots)
    while todo:
        node = todo.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            todo.extend(node.args)
    return list(seen.values())


class CurrentFlags(FlagState):
    """The flags as the CPU holds them at the start: leaves that C evaluates lazily."""

    def get(self, name: str) -> Bits:
        return Bits.symbol(f"flag_{name.lower()}(c)", 1)

    def cond(self, cc: int) -> Bits:
        return Bits.symbol(f"cond_{cc}(c)", 1)

    def word(self) -> Bits:
        return Bits.symbol("flags_status(c)", 32)


class TraceState(Operands):
    """Records into `trace`.  Equal leaves are one node: the printer reads each location once."""

    def __init__(self, form: Form, variant: Variant, mode: int = 64) -> None:
        self.size = variant.size
        self._mode = mode
        self.cc = form.insn.cond or 0
        self.fields = _fields(form, variant.mem)
        self.accumulator = _implies_accumulator(form)
        self.trace = Trace()
        self._leaves: dict[str, Bits] = {}
        self._written: dict[str, Bits] = {}
        self._vex = form.enc.enc == "vex"
        self._half: int | None = None
        super().__init__()

    @property
    def mode(self) -> int:
        return self._mode

    def initial_flags(self) -> FlagState:
        return CurrentFlags()

    def leaf(self, name: str, w: int) -> Bits:
        return self._leaves.setdefault(name, Bits.symbol(name, w))

    def _effect(self, op: str, *args: Any, result: Bits | None = None) -> None:
        self.trace.effects.append(Effect(op, args, self._guard, result))

    def _result(self, w: int) -> Bits:
        return Bits("result", w, (), len(self.trace.effects))

    def commit(self, location: str, value: Bits) -> None:
        """Write `location` (a C lvalue) when the instruction retires."""
        self._written[location] = value
        self.trace.commits.append((location, value))

    # -- leaves --

    def gpr(self, n: int, w: int = 64) -> Bits:
        for width in (8, 16, 64):
            written = self._written.get(f"GPR{width}({n})")
            if written is not None and w > width:
                raise SyntaxError(f"{w} bits of register {n}, of which {width} were just written")
            if written is not None:
                return written.zext(w)
        return self.leaf(f"GPR{w}({n})", w)

    def _write_gpr(self, n: int, value: Bits) -> None:
        wide = value.zext(64) if value.w == 32 else value
        for narrower in (8, 16):
            if narrower < wide.w:
                self._written.pop(f"GPR{narrower}({n})", None)
        self.commit(f"GPR{wide.w}({n})", wide)

    def xmm(self, n: int) -> Bits:
        written = self._written.get(f"XMM({n})")
        return written if written is not None else self.leaf(f"XMM({n})", 128)

    def _write_xmm(self, n: int, value: Bits) -> None:
        self._commit_vector(str(n), value)

    def _commit_vector(self, slot: str, value: Bits) -> None:
        """VEX instructions clear what is above 128 bits, legacy ones keep it."""
        low = value.lane(128, 0)
        if low is not self._leaves.get(f"XMM({slot})"):  # VZEROUPPER
            self.commit(f"XMM({slot})", low)
        if value.w == 256 or self._vex:
            self.commit(f"YMMH({slot})", value.lane(128, 1) if value.w == 256 else ZERO)

    def special(self, name: str, w: int) -> Bits:
        self.trace.specials.add(name)
        written = self._written.get(f"c->{name}")
        return written if written is not None else self.leaf(f"c->{name}", w)

    def _write_special(self, name: str, value: Bits) -> None:
        self.trace.specials.add(name)
        self.commit(f"c->{name}", value)

    def segment(self, n: int) -> Bits:
        return self.leaf(f"c->seg[{n}]", 16)

    def load(self, address: Bits, w: int) -> Bits:
        if w == 256:
            return from_lanes([self.load(address, 128), self.load(address + 16, 128)])
        result = self._result(w)
        self._effect("load", address, result=result)
        return result

    def _store(self, address: Bits, value: Bits) -> None:
        if value.w == 256:
            self._effect("store256", address, *value.lanes(128))
        else:
            self._effect("store", address, value)

    def fault_if(self, condition: Bits | bool, vector: int, error: int = 0) -> None:
        c = Bits.const(int(condition), 1) if isinstance(condition, bool) else condition
        if not (c.is_const and not c.aux):
            self._effect("fault", c, vector, error)

    def call(self, name: str, *args: Bits | int, w: int = 0) -> Bits:
        result = self._result(w) if w else None
        nodes = tuple(Bits.const(a, 32) if isinstance(a, int) else a for a in args)
        self._effect("call", name, *nodes, result=result)
        return result if result is not None else Bits.const(0, 1)

    def fp(self, name: str, w: int, *args: Bits) -> Bits:
        node = Bits("fp", w, args, name)
        if self._half is not None:
            self.trace.halves[self._half].append(node)
        return node

    def half(self, n: int | None) -> None:
        self._half = n

    # -- control flow --

    def _end(self, *end: Any) -> None:
        if self._guard is not None:
            raise SyntaxError("control flow inside a traced `if`: use s.branch(condition, target)")
        self.trace.end = end

    def jump(self, target: Bits) -> None:
        self.check_target(target)
        relative = target.op == "in" and target.aux == "TARGET"
        if self.mode != 64 and not relative:
            target = self.special("code_key", 64) | target.zext(64)
        self._end("jump", target)

    def branch(self, condition: Bits, target: Bits) -> None:
        self._end("branch", condition, target)

    def again(self, condition: Bits) -> None:
        self._end("again", condition)

    def stop(self, reason: str) -> None:
        self._end("stop", reason)

    def far(self) -> None:
        self._end("far")

    def register_number(self, where: str) -> Bits:
        return self.leaf(self.fields[where], 8)

    @property
    def vsib_scale(self) -> Bits:
        return self.leaf("r->scale", 8)

    @property
    def vsib_address(self) -> Bits:
        return self.leaf("(u32)r->imm", 32)

    def note_x87(self, memory: bool = False) -> None:
        self._write_special("x87.last", self.leaf("r->imm", 64))
        if memory:
            self._write_special("x87.fdp", self.leaf("OFFSET(r)", 64))
            self._write_special("x87.fds", Bits.const(0, 16))

    @property
    def next_ip(self) -> Bits:
        self.trace.uses_next_ip = True
        return self.leaf("r->imm", 64)

    @property
    def string_base(self) -> Bits:
        self.trace.uses_string_base = True
        return self.leaf("REG64(r->base)", 64)

    @property
    def string_segment(self) -> Bits:
        self.trace.uses_string_base = True
        return self.leaf("r->v", 8)

    # -- operands --

    def effective_address(self) -> Bits:
        return self.leaf("EA(r)", 64)

    def immediate(self, w: int) -> Bits:
        return self.leaf(f"(u{w})r->imm", w)

    def second_immediate(self) -> Bits:
        return self.leaf("r->v", 8)

    def selector(self) -> Bits:
        return self.leaf("(u16)r->disp", 16)

    def target(self) -> Bits:
        return self.leaf("TARGET", 64)

    def stack_index(self) -> Bits:
        return self.leaf("r->b", 8)

    def read_register(self, bank: str, where: str, w: int) -> Bits:
        slot = self.fields[where]
        if w == 256:
            return from_lanes([self.leaf(f"XMM({slot})", 128), self.leaf(f"YMMH({slot})", 128)])
        return self.leaf(_register(slot, bank, w), w)

    def write_register(self, bank: str, where: str, w: int, value: Bits) -> None:
        slot = self.fields[where]
        if bank in ("xmm", "ymm") and w >= 128:
            self._commit_vector(slot, value)
        else:
            self.commit(_register(slot, bank, w), value)

    def read_fixed(self, n: int, w: int) -> Bits:
        return self.read_register("gpr", "opcode", w) if self.accumulator else self.gpr(n, w)

    def write_fixed(self, n: int, value: Bits) -> None:
        if self.accumulator:
            wide = value.zext(64) if value.w == 32 else value
            self.write_register("gpr", "opcode", wide.w, wide)
        else:
            self.set_gpr(n, value)

    def read_for_update(self, address: Bits, w: int, lock: bool) -> Bits:
        result = self._result(w)
        self._effect("rmw", address, w, lock, result=result)
        return result

    def update(self, value: Bits, lock: bool) -> None:
        self._effect("update", value, lock)

    def finish(self) -> Trace:
        self.trace.flags = None if isinstance(self.flags, CurrentFlags) else self.flags
        return self.trace


def swaps(form: Form) -> bool:
    """Whether a register form's two fields change places.

    `rm, reg` is then the same handler as `reg, rm`.
    """
    where = [o.kind.where for o in form.operands if o.kind.where in ("rm", "reg")]
    return where == ["rm", "reg"]


def _fields(form: Form, mem: bool) -> dict[str, str]:
    """Which field of the record holds the register that an operand names."""
    fields = {"reg": "r->a", "rm": "r->b", "opcode": "r->b", "vvvv": "r->v"}
    fields |= {"is4": "(u8)r->imm >> 4", "vsib": "r->b"}
    if swaps(form) and not mem:
        fields |= {"reg": "r->b", "rm": "r->a"}
    return fields


def _implies_accumulator(form: Form) -> bool:
    """The forms with AL or rAX and an immediate: handled like a register operand (field b is 0)."""
    return all(o.kind.where in ("fixed", "imm") and not o.kind.fixed for o in form.operands)


def _register(slot: str, bank: str, w: int) -> str:
    """The C lvalue of a register operand."""
    if bank == "gpr":
        return f"REG{w}({slot})"
    if bank in ("xmm", "ymm", ""):  # "": a memory operand that was loaded into its slot
        return f"XMM({slot})" if w == 128 else f"XMM({slot}).{LANE[w]}[0]"
    if bank == "mm":
        return f"MMX({slot})" if w == 64 else f"(*(u32 *)&MMX({slot}))"
    return {"seg": f"c->seg[{slot}]", "no": slot, "number": slot}[bank]


def trace(form: Form, variant: Variant, mode: int = 64) -> Trace:
    """The effects of one variant of a form in 64-bit mode, or in the others (32)."""
    s = TraceState(form, variant, mode)
    execute(s, form, variant)
    return s.finish()


def trace_load(form: Form) -> Trace:
    """Loading a form's memory operand into the slot that its register handler reads."""
    s = TraceState(form, Variant(form.sizes[0], True))
    assert form.rm is not None
    value = Binder(s, form, Variant(form.sizes[0], True)).read(form.rm)
    if value.w >= 128:
        s.commit("XMM(VEC_OPERAND)", value.lane(128, 0))
    else:
        s.commit(_register("VEC_OPERAND", "xmm", value.w), value)
    if value.w == 256:
        s.commit("YMMH(VEC_OPERAND)", value.lane(128, 1))
    return s.finish()
