"""Expression graphs and traces to C: one temporary a node, so that every value is computed once."""

from __future__ import annotations

from blink.codegen.trace import LANE, Effect, Trace, walk
from blink.isa.bits import Bits
from blink.isa.flags import Add, Explicit, FlagState, Guarded, Result, Sub, operands
from blink.isa.host_simd import level

_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "and": "&",
    "or": "|",
    "xor": "^",
    "udiv": "/",
    "urem": "%",
}
_SIGNED = {"sdiv": "/", "srem": "%"}
_NOT_OF_ONE_BIT = ("add", "sub", "mul", "not", "shl")
_MACRO = {"shl": "SHL", "shr": "SHR", "sar": "SAR", "umulh": "UMULH", "smulh": "SMULH"}
_UNARY = {"popcnt": "POPCNT", "clz": "CLZ", "ctz": "CTZ", "bswap": "BSWAP"}
_OF_VECTORS = ("vmap", "simd", "fp")
_VECTOR = {
    "and": "v_and",
    "or": "v_or",
    "xor": "v_xor",
    "not": "v_not",
    "add": "v_add128",
    "shl": "v_shl128",
    "shr": "v_shr128",
}


def ctype(w: int) -> str:
    """The C type that holds `w` bits: a flag is a byte."""
    return f"V{w}" if w >= 128 else f"u{max(w, 8)}"


def literal(value: int, w: int) -> str:
    """`value` as a C constant of `w` bits."""
    if w == 128:
        low, high = value & (1 << 64) - 1, value >> 64
        return f"V_CONST(0x{low:x}ull, 0x{high:x}ull)"
    if w == 64:
        return f"0x{value:x}ull"
    return f"{value}u" if value < 10 else f"0x{value:x}u"


def _choice(n: Bits, a: list[str]) -> str:
    """A guest's condition is as hard to predict as its data, so no branch of ours depends on it."""
    if n.w <= 64 and n.args[0].op == "in" and str(n.args[0].aux).startswith("cond_"):
        return f"SELECT({', '.join(a)})"
    return f"{a[0]} ? {a[1]} : {a[2]}"


class Printer:
    """Prints nodes into `lines`, remembering the temporary of each."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[int, str] = {}
        self.keep: list[Bits] = []  # ids stay unique only while nodes live
        self.count = 0
        self.same: dict[tuple[object, ...], str] = {}
        self.pairs: dict[int, tuple[Bits, Bits]] = {}

    def line(self, text: str) -> None:
        self.lines.append(text)

    def fresh(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def bind(self, node: Bits, text: str) -> str:
        """Give `node` a temporary with the value `text`."""
        name = self.fresh()
        self.line(f"const {ctype(node.w)} {name} = {text};")
        return self.alias(node, name)

    def alias(self, node: Bits, name: str) -> str:
        self.names[id(node)] = name
        self.keep.append(node)
        return name

    def value(self, node: Bits) -> str:
        """The C name (or literal) of a node, printing what it needs first."""
        known = self.names.get(id(node))
        if known:
            return known
        if node.op == "const":
            return literal(int(node), node.w)
        if node.op == "vmap":
            return self._vmap(node)
        if node.op == "simd":
            return self._simd(node)
        if id(node) in self.pairs:
            self._pair(*self.pairs[id(node)])
            return self.names[id(node)]
        args = [self.value(a) for a in node.args]
        key = (node.op, node.w, tuple(args), node.aux if isinstance(node.aux, str | int) else None)
        if key in self.same:
            return self.alias(node, self.same[key])
        self.same[key] = self.bind(node, self._expression(node, args))
        return self.same[key]

    def _pair(self, low: Bits, high: Bits) -> None:
        """Two halves of a 256-bit operation, whose exceptions are raised together."""
        vectors = [self.value(v) for n in (low, high) for v in n.args if v.w == 128]
        shared = [self.value(v) for v in low.args if v.w != 128]
        name = self.fresh()
        self.line(f"const V256 {name} = y_{str(low.aux)[2:]}({', '.join(vectors + shared)});")
        self.alias(low, f"{name}.x[0]")
        self.alias(high, f"{name}.x[1]")

    def _expression(self, n: Bits, a: list[str]) -> str:
        w, op = n.w, n.op
        if w == 1 and op in _NOT_OF_ONE_BIT:
            raise NotImplementedError(f"C for {n!r}: one bit is a byte that holds 0 or 1")
        if op == "in":
            return str(n.aux)
        if w == 128 and op in _VECTOR:
            return f"{_VECTOR[op]}({', '.join(a)})"
        if op in _INFIX:
            return f"(u{max(w, 8)})({a[0]} {_INFIX[op]} {a[1]})"
        if op in _SIGNED:
            return f"(u{w})((s{w}){a[0]} {_SIGNED[op]} (s{w}){a[1]})"
        if op in _MACRO:
            return f"{_MACRO[op]}({w}, {a[0]}, {a[1]})"
        if op in _UNARY:
            return f"(u{w}){_UNARY[op]}({w}, {a[0]})"
        return self._other(n, a)

    def _other(self, n: Bits, a: list[str]) -> str:
        w, op = n.w, n.op
        width = n.args[0].w if n.args else 0
        if op in ("eq", "ult", "slt"):
            return self._comparison(op, width, a)
        if op == "not":
            return f"(u{w})~{a[0]}"
        if op == "ite":
            return _choice(n, a)
        if op == "zext" and w <= 128:
            return f"V_LOW({a[0]})" if w == 128 else f"{a[0]}"
        if op == "trunc":
            return f"(u8)({a[0]} & 1)" if w == 1 else f"(u{w}){a[0]}"
        if op == "sext":
            return f"(u{w})-(s{w}){a[0]}" if width == 1 else f"(u{w})(s{w})(s{width}){a[0]}"
        if op == "lane":
            mask = width // w - 1
            index = str(int(n.args[1]) & mask) if n.args[1].is_const else f"{a[1]} & {mask}"
            return f"{a[0]}.{LANE[w]}[{index}]"
        if op == "lanes":
            return f"(V{w}){{.{LANE[n.args[0].w]} = {{{', '.join(a)}}}}}"
        if op == "fp":
            return f"{n.aux}({', '.join(a)})"
        raise NotImplementedError(f"C for {n!r}")

    def _comparison(self, op: str, width: int, a: list[str]) -> str:
        if width == 128:
            return f"v_eq({a[0]}, {a[1]})"
        if op == "slt":
            return f"(s{width}){a[0]} < (s{width}){a[1]}"
        return f"{a[0]} {'==' if op == 'eq' else '<'} {a[1]}"

    def _inner(self) -> Printer:
        """For a block inside; it knows what is known here."""
        inner = Printer()
        inner.names, inner.count, inner.keep = dict(self.names), self.count + 1000, self.keep
        return inner

    def _simd(self, node: Bits) -> str:
        """The host's instruction, or the definition where it has none.

        The definition works on copies: indexing would force the vectors into memory for both.
        """
        meaning, *inputs = node.args
        names = [self.value(v) for v in inputs]
        out, inner = self.fresh(), self._inner()
        for v, name in zip(inputs, names, strict=True):
            if not v.is_const:
                inner.bind(v, name)
        inner.line(f"{out} = {inner.value(meaning)};")
        self.line(f"{ctype(node.w)} {out};")
        self.line(f"if (SIMD_{level(str(node.aux))}) {{")
        self.line(f"{out} = simd_{node.aux}({', '.join(names)});")
        self.line("} else {")
        self.lines += inner.lines
        self.line("}")
        return self.alias(node, out)

    def _vmap(self, node: Bits) -> str:
        """One loop over the lanes; a body that is a single primitive becomes its packed twin."""
        lane = node.aux
        assert isinstance(lane, int)
        body, rest = node.args[0], node.args[1:]
        params, vectors = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        if body.op == "fp" and [id(x) for x in body.args] == [id(p) for p in params]:
            args = ", ".join(self.value(v) for v in vectors)
            return self.bind(node, f"v_{body.aux}({args})")
        inner_of = _dependent(body, params)
        for n in walk([body]):
            if id(n) not in inner_of and n.op not in ("const",):
                self.value(n)
        names = [self.value(v) for v in vectors]
        out, inner = self.fresh(), self._inner()
        for p, name in zip(params, names, strict=True):
            inner.bind(p, f"{name}.{LANE[lane]}[i]")
        inner.line(f"{out}.{LANE[lane]}[i] = {inner.value(body)};")
        self.line(f"V128 {out};")
        self.line(f"for (int i = 0; i < {128 // lane}; i++) {{")
        self.lines += inner.lines
        self.line("}")
        return self.alias(node, out)


def _dependent(body: Bits, params: tuple[Bits, ...]) -> set[int]:
    """Ids of the nodes below `body` that a lane parameter reaches."""
    ids = {id(p) for p in params}
    memo: dict[int, bool] = {}

    def reaches(n: Bits) -> bool:
        if id(n) not in memo:
            memo[id(n)] = id(n) in ids or max(map(reaches, n.args), default=False)
        return memo[id(n)]

    reaches(body)
    return {k for k, v in memo.items() if v}


class HandlerPrinter(Printer):
    """Prints a whole handler body from a trace.

    `rec` is the record that holds its links: of two fused instructions that of the second, r + 1.
    """

    def __init__(self, trace: Trace, rec: str = "r") -> None:
        super().__init__()
        self.trace = trace
        self.rec = rec
        self.cas: tuple[int, str] | None = None
        self.memory = any(e.op != "fault" for e in trace.effects)  # the two memory modes differ
        self.vectors = any(n.w > 64 or n.op in _OF_VECTORS for n in walk(self._roots()))
        for pair in zip(*trace.halves, strict=True):
            self.pairs |= {id(node): pair for node in pair}

    def body(self) -> list[str]:
        t = self.trace
        if t.may_fault:
            self.line("c->cur = r;")
        self._read_leaves()
        for effect in t.effects:
            self._effect(effect)
        end = self._prepare_end()
        values = [(loc, self.value(v)) for loc, v in _last_writes(t.commits)]
        if t.flags is not None:
            self._prepare_flags(t.flags)
        for location, name in values:
            self.line(f"{location} = {name};")
            if location.startswith("MMX("):  # exponent and sign of the x87 register become ones
                self.line(f"MMX_TOP{location[3:]} = 0xffff;")
        if t.flags is not None:
            self._commit_flags(t.flags)
        self.lines += end
        return self.lines

    def _roots(self) -> list[Bits]:
        t = self.trace
        roots = [v for _, v in t.commits]
        roots += [e for e in t.end if isinstance(e, Bits) and not _is_target(e)]
        for effect in t.effects:
            roots += [a for a in effect.args if isinstance(a, Bits)]
            roots += [effect.guard] if effect.guard is not None else []
        return roots + (operands(t.flags) if t.flags is not None else [])

    def _read_leaves(self) -> None:
        leaves = [
            n for n in walk(self._roots()) if n.op == "in" and not str(n.aux).startswith("lane")
        ]
        for leaf in sorted(leaves, key=lambda n: str(n.aux)):
            if id(leaf) not in self.names:
                self.value(leaf)

    # -- effects --

    def _effect(self, e: Effect) -> None:
        if e.op == "update":
            self._update(e)
            return
        args = [self.value(a) if isinstance(a, Bits) else a for a in e.args]
        guard = self.value(e.guard) if e.guard is not None else None
        getattr(self, f"_{e.op}")(e, args, f"if ({guard}) " if guard else "")

    def _load(self, e: Effect, args: list[str], guard: str) -> None:
        assert e.result is not None
        self._assign(e.result, f"LOAD{e.result.w}(c, {args[0]})", guard)

    def _assign(self, result: Bits, text: str, guard: str) -> None:
        """Give `result` the value of a call, or zero where the guard does not hold."""
        if not guard:
            self.bind(result, text)
            return
        name, zero = self.fresh(), "V_CONST(0, 0)" if result.w == 128 else "0"
        self.line(f"{ctype(result.w)} {name} = {zero};")
        self.line(f"{guard}{name} = {text};")
        self.alias(result, name)

    def _store(self, e: Effect, args: list[str], guard: str) -> None:
        self.line(f"{guard}STORE{e.args[1].w}(c, {args[0]}, {args[1]});")

    def _store256(self, e: Effect, args: list[str], guard: str) -> None:
        self.line(f"{guard}STORE256(c, {', '.join(args)});")

    def _fault(self, e: Effect, args: list[str], guard: str) -> None:
        condition = f"{guard[4:-2]} && {args[0]}" if guard else args[0]
        self.line(f"if (unlikely({condition})) FAULT(c, {e.args[1]}, {e.args[2]});")

    def _call(self, e: Effect, args: list[str], guard: str) -> None:
        name = args[0]
        if name.startswith("rep"):
            name = f"BODY({name})"  # string bodies, by memory mode
        call = f"{name}({', '.join(['c', *args[1:]])})"
        if e.result is None:
            self.line(f"{guard}{call};")
        else:
            self._assign(e.result, call, guard)

    def _rmw(self, e: Effect, args: list[str], guard: str) -> None:
        """The memory destination: one pointer for the read and the write, as one access."""
        assert e.result is not None
        w = e.args[1]
        self.line(f"void *const p = mem_wr(c, {args[0]}, {w // 8});")
        if e.args[2]:
            self.line("retry:;")
        name = self.fresh()
        self.line(f"const {ctype(w)} {name} = RD{w}(p);")
        self.alias(e.result, name)
        self.cas = (w, name)

    def _update(self, e: Effect) -> None:
        assert self.cas is not None
        w, old = self.cas
        new = self.value(e.args[0])
        if e.args[1]:
            self.line(f"if (unlikely(!CAS{w}(p, {old}, {new}))) goto retry;")
        else:
            self.line(f"WR{w}(p, {new});")

    # -- flags --

    def _prepare_flags(self, f: FlagState) -> None:
        for node in operands(f):
            self.value(node)

    def _commit_flags(self, f: FlagState) -> None:
        if isinstance(f, Guarded):
            if isinstance(f.old, Sub | Add | Result | Explicit | Guarded):
                self._commit_flags(f.old)
            self.line(f"if ({self.value(f.condition)}) {{")
            self._commit_flags(f.new)
            self.line("}")
        elif isinstance(f, Explicit):
            self.line(f"c->eflags = (c->eflags & ~FLAGS_STATUS) | {self.value(f.value)};")
            self.line("c->cc_op = CC_FLAGS;")
        else:
            self._commit_lazy(f)

    def _commit_lazy(self, f: FlagState) -> None:
        if isinstance(f, Sub | Add):
            w, kind, a, b = f.a.w, type(f).__name__.upper(), self._wide(f.a), self._wide(f.b)
        else:
            assert isinstance(f, Result)
            w, kind, a = f.result.w, "RES", self._wide(f.result)
            cf, of, af = (f"(u64){self.value(x)}" for x in (f.cf, f.of, f.af))
            b = f"{cf} | {of} << 11 | {af} << 4"
        self.line(f"c->cc_a = {a};")
        self.line(f"c->cc_b = {b};")
        self.line(f"c->cc_op = CC_{kind}{w};")

    def _wide(self, node: Bits) -> str:
        return self.value(node) if node.w == 64 else f"(u64)(s64)(s{node.w}){self.value(node)}"

    # -- leaving --

    def _prepare_end(self) -> list[str]:
        kind, *args = self.trace.end
        r = self.rec
        if kind == "next":
            return ["NEXT(r);"]
        if kind == "far":
            return [f"FAR({r});"]
        if kind == "stop":
            return [f"STOP(c, r, {_stop(args[0])});"]
        if kind == "jump":
            if _is_target(args[0]):
                return [f"BRANCH({r}, {r}->link);"]
            return [f"INDIRECT({r}, {self.value(args[0])});"]
        condition = self.value(args[0])
        if kind == "again":
            return [f"if ({condition}) AGAIN({r}, {r}->link);", f"BRANCH({r}, {r}->link2);"]
        if not _is_target(args[1]):
            raise SyntaxError("s.branch needs a relative target")
        return [f"if ({condition}) BRANCH({r}, {r}->link);", f"BRANCH({r}, {r}->link2);"]


def _is_target(node: Bits) -> bool:
    return node.op == "in" and node.aux == "TARGET"


def _stop(reason: str) -> str:
    name, _, vector = reason.partition(":")
    return f"STOP_{name}, {vector or 0}"


def _last_writes(commits: list[tuple[str, Bits]]) -> list[tuple[str, Bits]]:
    """Later writes of the same location win; distinct locations keep their order."""
    last = {location: i for i, (location, _) in enumerate(commits)}
    return [c for i, c in enumerate(commits) if last[c[0]] == i]
