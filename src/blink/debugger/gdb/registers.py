"""The registers as GDB knows them: the target description, and their order and sizes.

Source: the GDB manual, appendix G, "Standard Target Features": i386 Features.
"""

from __future__ import annotations

from typing import NamedTuple

_HALF = (1 << 128) - 1


class Register(NamedTuple):
    """`name` is GDB's; `ours` the session's, whose bits from `first` on it is; "" when it reads 0
    and is never written."""

    name: str
    size: int
    type: str
    ours: str
    first: int = 0


def _core() -> list[Register]:
    names = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()
    kinds = {"rbp": "data_ptr", "rsp": "data_ptr"}
    found = [Register(name, 8, kinds.get(name, "int64"), name) for name in names]
    found += [Register("rip", 8, "code_ptr", "rip"), Register("eflags", 4, "i386_eflags", "eflags")]
    found += [Register(name, 4, "int32", name) for name in ("cs", "ss", "ds", "es", "fs", "gs")]
    found += [Register(f"st{n}", 10, "i387_ext", f"st{n}") for n in range(8)]
    control = {"fctrl": "fcw", "fstat": "fsw", "ftag": "ftw", "fop": "fop"}
    control |= {"fioff": "fip", "fooff": "fdp"}
    order = ("fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop")
    return found + [Register(name, 4, "int", control.get(name, "")) for name in order]


def _sse() -> list[Register]:
    vectors = [Register(f"xmm{n}", 16, "vec128", f"ymm{n}") for n in range(16)]
    return [*vectors, Register("mxcsr", 4, "i386_mxcsr", "mxcsr")]


# Feature -> its registers, in the order of their numbers.
FEATURES = {
    "org.gnu.gdb.i386.core": _core(),
    "org.gnu.gdb.i386.sse": _sse(),
    "org.gnu.gdb.i386.linux": [Register("orig_rax", 8, "int", "")],
    "org.gnu.gdb.i386.segments": [
        Register("fs_base", 8, "int", "fs_base"),
        Register("gs_base", 8, "int", "gs_base"),
    ],
    "org.gnu.gdb.i386.avx": [
        Register(f"ymm{n}h", 16, "uint128", f"ymm{n}", 128) for n in range(16)
    ],
}
ALL = [register for registers in FEATURES.values() for register in registers]
NUMBER = {register.name: number for number, register in enumerate(ALL)}
_SIZE = sum(register.size for register in ALL)

_TYPES = {
    "org.gnu.gdb.i386.core": """\
<flags id="i386_eflags" size="4">
<field name="" start="22" end="31"/><field name="ID" start="21" end="21"/>
<field name="VIP" start="20" end="20"/><field name="VIF" start="19" end="19"/>
<field name="AC" start="18" end="18"/><field name="VM" start="17" end="17"/>
<field name="RF" start="16" end="16"/><field name="NT" start="14" end="14"/>
<field name="OF" start="11" end="11"/><field name="DF" start="10" end="10"/>
<field name="IF" start="9" end="9"/><field name="TF" start="8" end="8"/>
<field name="SF" start="7" end="7"/><field name="ZF" start="6" end="6"/>
<field name="AF" start="4" end="4"/><field name="PF" start="2" end="2"/>
<field name="" start="1" end="1"/><field name="CF" start="0" end="0"/>
</flags>
""",
    "org.gnu.gdb.i386.sse": """\
<vector id="v4f" type="ieee_single" count="4"/>
<vector id="v2d" type="ieee_double" count="2"/><vector id="v16i8" type="int8" count="16"/>
<vector id="v8i16" type="int16" count="8"/><vector id="v4i32" type="int32" count="4"/>
<vector id="v2i64" type="int64" count="2"/>
<union id="vec128">
<field name="v4_float" type="v4f"/>
<field name="v2_double" type="v2d"/><field name="v16_int8" type="v16i8"/>
<field name="v8_int16" type="v8i16"/><field name="v4_int32" type="v4i32"/>
<field name="v2_int64" type="v2i64"/><field name="uint128" type="uint128"/>
</union>
<flags id="i386_mxcsr" size="4">
<field name="IE" start="0" end="0"/><field name="DE" start="1" end="1"/>
<field name="ZE" start="2" end="2"/><field name="OE" start="3" end="3"/>
<field name="UE" start="4" end="4"/><field name="PE" start="5" end="5"/>
<field name="DAZ" start="6" end="6"/><field name="IM" start="7" end="7"/>
<field name="DM" start="8" end="8"/><field name="ZM" start="9" end="9"/>
<field name="OM" start="10" end="10"/><field name="UM" start="11" end="11"/>
<field name="PM" start="12" end="12"/><field name="FZ" start="15" end="15"/>
</flags>
""",
}


def description() -> str:
    """target.xml."""
    parts = [
        '<?xml version="1.0"?>\n<!DOCTYPE target SYSTEM "gdb-target.dtd">\n',
        '<target version="1.0">\n',
        "<architecture>i386:x86-64</architecture>\n<osabi>GNU/Linux</osabi>\n",
    ]
    for feature, registers in FEATURES.items():
        parts.append(f'<feature name="{feature}">\n{_TYPES.get(feature, "")}')
        parts += [
            f'<reg name="{r.name}" bitsize="{8 * r.size}" type="{r.type}" regnum="{NUMBER[r.name]}"'
            f"{_group(r)}/>\n"
            for r in registers
        ]
        parts.append("</feature>\n")
    return "".join([*parts, "</target>\n"])


def _group(register: Register) -> str:
    return ' group="float"' if register.name.startswith("f") and register.type == "int" else ""


def encode(values: dict[str, int]) -> bytes:
    """All registers, for `g`, in hexadecimal digits."""
    return b"".join(encode_one(register, values) for register in ALL)


def encode_one(register: Register, values: dict[str, int]) -> bytes:
    """One, for `p`."""
    value = values.get(register.ours, 0) >> register.first
    if register.name == "orig_rax":  # no system call is to be restarted
        value = -1
    return (value & (1 << 8 * register.size) - 1).to_bytes(register.size, "little").hex().encode()


def changes(data: bytes, values: dict[str, int]) -> dict[str, int]:
    """Which of the session's registers a `G` packet changes, and to what.

    Raises ValueError for one of another length.
    """
    if len(data) != _SIZE:
        raise ValueError(f"{len(data)} bytes of registers, not {_SIZE}")
    new = dict(values)
    at = 0
    for register in ALL:
        part = data[at : at + register.size]
        at += register.size
        if bytes.fromhex(encode_one(register, values).decode()) != part:
            put(register, part, new)
    return {name: value for name, value in new.items() if value != values[name]}


def put(register: Register, data: bytes, values: dict[str, int]) -> None:
    """Stores one register's bytes in a session's table; what has no place there is dropped."""
    if register.ours not in values:
        return
    value = int.from_bytes(data[: register.size], "little")
    if register.ours.startswith("ymm"):
        keep = values[register.ours] & ~(_HALF << register.first)
        value = keep | (value & _HALF) << register.first
    values[register.ours] = value
