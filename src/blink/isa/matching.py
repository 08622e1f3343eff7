"""Which form an instruction is: the rules that the generated C table and the reference share."""

from __future__ import annotations

from blink.isa.spec import ANY, Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ENC = {"legacy": 0, "vex": 1, "evex": 2}
Key = tuple[int, int, int]


def keys(form: Form) -> list[Key]:
    """The (encoding class, map, opcode) triples that lead to the form."""
    e = form.enc
    return [(ENC[e.enc], e.map, e.opcode + i) for i in range(8 if e.plus_r else 1)]


def mod(form: Form) -> str:
    """Whether ModRM.mod must say "mem" or "reg"; else "any"."""
    if form.enc.mask in (0xFF, 0xF8):
        return "reg"
    rm = form.rm
    if rm is None or rm.kind.where == "moffs" or (rm.kind.mem and rm.kind.reg):
        return "any"
    return "mem" if rm.kind.mem else "reg"


def specificity(form: Form) -> int:
    """How much a form demands; a prefixed form (F3 90 PAUSE) goes before a plain one (90 NOP)."""
    e = form.enc
    demands = (e.pp != ANY) * 4 + (e.w != ANY) * 2 + (form.asize != 0) * 2
    return form.no_rex_b + demands + e.mask.bit_count()


def clash(a: Form, b: Form) -> bool:
    """Whether some instruction would match both forms."""
    x, y = a.enc, b.enc
    if not set(a.modes) & set(b.modes) or (a.asize and b.asize and a.asize != b.asize):
        return False
    if any(
        ANY not in pair and pair[0] != pair[1] for pair in ((x.pp, y.pp), (x.w, y.w), (x.l, y.l))
    ):
        return False
    both = x.mask & y.mask
    if x.value & both != y.value & both:
        return False
    return "any" in (mod(a), mod(b)) or mod(a) == mod(b)


def index(forms: Iterable[Form]) -> dict[Key, list[Form]]:
    """Candidates by opcode, most specific first; equally specific ones that overlap: ValueError."""
    table: dict[Key, list[Form]] = {}
    for form in forms:
        for key in keys(form):
            for other in table.setdefault(key, []):
                if specificity(other) == specificity(form) and clash(other, form):
                    both = (f"{f.insn.name} {f.encoding!r}" for f in (other, form))
                    raise ValueError(f"{' and '.join(both)} overlap")
            table[key].append(form)
    for candidates in table.values():
        candidates.sort(key=lambda f: -specificity(f))
    return table


def matches(form: Form, insn: dict[str, int]) -> bool:
    """`insn` holds the decoder's fields (engine/decode.h)."""
    e = form.enc
    any_w = insn["mode"] != 64 and form.on_general_registers
    for want, field in ((e.pp, "pp"), (ANY if any_w else e.w, "w"), (e.l, "l")):
        if want not in (ANY, insn[field]):
            return False
    wanted = {"any": insn["mod"], "mem": min(insn["mod"], 2), "reg": 3}[mod(form)]
    if insn["modrm"] & e.mask != e.value or insn["mod"] != wanted:
        return False
    if (form.no_rex_b and insn["rex"] & 1) or form.asize not in (0, insn["addr_size"] * 8):
        return False
    return insn["mode"] in form.modes


def wrong_fields(candidates: Iterable[Form], insn: dict[str, int]) -> bool:
    """Whether a VEX opcode exists with this prefix, but not with these L, W and ModRM: #UD."""
    return insn["enc"] == ENC["vex"] and any(f.enc.pp == insn["pp"] for f in candidates)


def operand_size(form: Form, osz: int, mode: int = 64) -> int:
    """The operand size in bits that the form has at the decoder's size `osz` (in bits)."""
    if form.d64 and osz == 32 and mode == 64:
        osz = 64
    sizes = form.sizes_in(mode)
    return osz if osz in sizes else sizes[0]
