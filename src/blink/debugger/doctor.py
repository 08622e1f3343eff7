"""`blink --doctor`: how translator and interpreter differ, for people to read, and as
a line for tests/isa/regressions.txt (its format: tests/isa/regression.py)."""

from __future__ import annotations

from blink.abi.layout import PAGE
from blink.debugger.disassembly import MAX_INSTRUCTION, disassemble
from blink.kernel import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from blink._engine import CpuSnapshot, Difference
    from blink.kernel.process import Process
    from blink.kernel.task import Task

REGISTERS = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
FLAGS = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "df": 10, "of": 11}
FAULTS = {faults.DE: "de", faults.SS: "ss", faults.GP: "gp", faults.PF: "pf", faults.XM: "xm"}
# Where tests have their code and data (tests/isa/cpustate.py); the last is in the middle of a page.
CODE_BASE, DATA = 0x1357_0000_0000, 0x1357_0010_0800
NEAR = PAGE // 2  # bytes between a register's value and the memory that it points to
MXCSR = 0x1F80
VECTOR = 32  # bytes of a register


def report(task: Task) -> None:
    """Tells everybody what the doctor found."""
    found = task.cpu.difference()
    assert found is not None
    for line in lines(found, code_at(task, found)):
        task.process.messages.tell(line)


def summary(process: Process) -> None:
    """Writes to the log how much was compared, when all was the same."""
    if any(task.cpu.difference() for task in process.tasks.values()):
        return
    compared = sum(task.cpu.counters()["compared"] for task in process.tasks.values())
    process.log(f"doctor: {compared} blocks agree")


def code_at(task: Task, found: Difference) -> bytes:
    """The bytes of the instructions that were compared."""
    start, size = found["before"]["rip"], found["count"] * MAX_INSTRUCTION
    bad = task.memory.probe(start, size, False)
    code = task.memory.read(start, size if bad is None else bad - start)
    return b"".join(data for _, data, _ in disassemble(code, start, found["count"]))


def lines(found: Difference, code: bytes) -> Iterator[str]:
    """The report, line by line."""
    rip, count = found["before"]["rip"], found["count"]
    listed = disassemble(code, rip, count)
    text = "; ".join(text or data.hex(" ") for _, data, text in listed)
    yield f"doctor: translated code differs from the interpreter's at {rip:#x}: {text}"
    yield f"  bytes {code.hex(' ')}"
    for name, wanted, got in differences(found):
        yield f"  {name}: interpreted {wanted}, translated {got}"
    yield f"  test case: {case_line(found, code, text)}"


def differences(found: Difference) -> Iterator[tuple[str, str, str]]:
    """What differs: its name, as interpreted, as translated."""
    defined = ~found["undefined"]
    a, b = (values(found[side], defined) for side in ("interpreted", "translated"))
    for name, wanted in a.items():
        if wanted != b[name]:
            yield name, f"{wanted:#x}", f"{b[name]:#x}"
    for address, _, _, wanted_bytes, got_bytes in found["accesses"]:
        if wanted_bytes != got_bytes:
            yield f"[{address:#x}]", wanted_bytes.hex(), got_bytes.hex()


def values(s: CpuSnapshot, defined: int) -> dict[str, int]:
    """All that is compared but memory, by name."""
    vectors = {f"ymm{n}": vector(s, n) for n in range(16)}
    rest = {
        "rip": s["rip"],
        "eflags": s["eflags"] & defined,
        "mxcsr": s["mxcsr"],
        "stop": s["stop"],
    }
    more = {"vector": s["vector"], "address": s["address"], "instructions": s["icount"]}
    return {**dict(zip(REGISTERS, s["gpr"], strict=True)), **rest, **more, **vectors}


def vector(s: CpuSnapshot, number: int) -> int:
    """A 256-bit register."""
    return int.from_bytes(s["vectors"][VECTOR * number : VECTOR * (number + 1)], "little")


# --- the test case ---


def case_line(found: Difference, code: bytes, text: str) -> str:
    """Bytes ; disassembly ; state before ; state after, as the interpreter has it.

    Memory and the registers that point there move to where tests have their data.
    """
    shift = data_shift(found)
    before, after = moved(found, "before", shift), moved(found, "interpreted", shift)
    return " ; ".join(
        [
            code.hex(" "),
            text.replace(";", ","),
            " ".join(state_before(found, before, shift, text)),
            " ".join(state_after(found, before, after, shift, len(code))),
        ]
    )


def data_shift(found: Difference) -> int:
    """From the guest's address of the first access to the tests'."""
    return DATA - (found["accesses"][0][0] & -16) if found["accesses"] else 0


def moved(found: Difference, which: str, shift: int) -> dict[str, int]:
    """The general registers, pointers to the accessed memory moved with it."""
    state: CpuSnapshot = found[which]  # type: ignore[literal-required]
    places = [address for address, *_ in found["accesses"]]
    registers = dict(zip(REGISTERS, state["gpr"], strict=True))
    for name, value in registers.items():
        if any(abs(value - place) <= NEAR for place in places):
            registers[name] = value + shift & (1 << 64) - 1
    return registers


def state_before(found: Difference, before: dict[str, int], shift: int, text: str) -> Iterator[str]:
    """Registers that are not zero, and the memory that is accessed."""
    state = found["before"]
    yield from (f"{name}={value:x}" for name, value in before.items() if value)
    if flags_text(state["eflags"]) != "-":
        yield f"flags={flags_text(state['eflags'])}"
    if state["mxcsr"] != MXCSR:
        yield f"mxcsr={state['mxcsr']:x}"
    if "mm" in text:
        for n in range(16):
            yield from vector_words(n, vector(state, n), 0)
    for address, _, content, *_ in found["accesses"]:
        if any(content):
            yield f"[{address + shift:x}]={content.hex()}"
    if found["count"] > 1:
        yield "until=int3"


def state_after(
    found: Difference, before: dict[str, int], after: dict[str, int], shift: int, size: int
) -> Iterator[str]:
    """What the interpreter changed."""
    old, new = found["before"], found["interpreted"]
    yield from (f"{name}={value:x}" for name, value in after.items() if value != before[name])
    if new["rip"] != old["rip"] + size and not new["vector"]:
        yield f"rip={new['rip'] - old['rip'] + CODE_BASE:x}"
    if flags_text(old["eflags"]) != flags_text(new["eflags"]):
        yield f"flags={flags_text(new['eflags'])}"
    if new["mxcsr"] != old["mxcsr"]:
        yield f"mxcsr={new['mxcsr']:x}"
    for n in range(16):
        if vector(old, n) != vector(new, n):
            yield from vector_words(n, vector(new, n), vector(old, n))
    yield from stored(found, shift)
    if new["vector"]:
        yield f"fault={FAULTS.get(new['vector'], new['vector'])}"
    if found["undefined"]:
        yield f"undefined={flags_text(found['undefined'])}"


def stored(found: Difference, shift: int) -> Iterator[str]:
    """The one range that changed: the format knows no more."""
    changed = [(a, old, new) for a, write, old, new, _ in found["accesses"] if write and old != new]
    if not changed:
        return
    address, old, new = changed[0]
    low = next(i for i in range(len(old)) if old[i] != new[i])
    high = next(i for i in reversed(range(len(old))) if old[i] != new[i])
    yield f"[{address + low + shift:x}]={new[low : high + 1].hex()}"


def vector_words(number: int, value: int, old: int) -> Iterator[str]:
    """xmm1=.. and ymm1h=.., the halves that differ from `old`."""
    half = (1 << 128) - 1
    if value & half != old & half:
        yield f"xmm{number}={value & half:x}"
    if value >> 128 != old >> 128:
        yield f"ymm{number}h={value >> 128:x}"


def flags_text(flags: int) -> str:
    """Names of the set flags, or '-'."""
    return ",".join(n for n, bit in FLAGS.items() if flags >> bit & 1) or "-"
