"""Follows input bytes through registers and memory, an instruction at a time."""

from __future__ import annotations

from build import build
from iced_x86 import Decoder, InstructionInfoFactory, OpAccess, Register, RegisterExt

import blink

SOURCE = r"""
char key[4] = "abc", copy[4], plain[4];
void work(void) {
  for (int i = 0; i < 3; i++) copy[i] = key[i] ^ 0x55;
  for (int i = 0; i < 3; i++) plain[i] = '0' + i;
}
int main(void) { work(); return 0; }
"""
MASK = (1 << 64) - 1
READS = (OpAccess.READ, OpAccess.READ_WRITE, OpAccess.COND_READ, OpAccess.READ_COND_WRITE)
WRITES = (OpAccess.WRITE, OpAccess.READ_WRITE, OpAccess.COND_WRITE, OpAccess.READ_COND_WRITE)


class Taint:
    """What depends on the marked bytes: addresses, and names of whole registers."""

    def __init__(self, program: blink.Program, start: int, length: int) -> None:
        self.program = program
        self.memory = set(range(start, start + length))
        self.registers: set[str] = set()
        self._names = {getattr(Register, n): n.lower() for n in dir(Register) if n.isupper()}
        self._factory = InstructionInfoFactory()

    def step(self) -> None:
        """One instruction: what it writes is tainted if something that it reads is."""
        program = self.program
        values = program.session.registers()
        code = program.session.read(values["rip"], 15)
        instruction = Decoder(64, code, ip=values["rip"]).decode()
        info = self._factory.info(instruction)

        def cell(used: object) -> range:
            index = values.get(self._whole(used.index), 0) * used.scale
            start = values.get(self._whole(used.base), 0) + index + used.displacement
            return range(start & MASK, (start & MASK) + max(1, _bytes_of(instruction)))

        cells = [(used.access, cell(used)) for used in info.used_memory()]
        names = [
            (used.access, name)
            for used in info.used_registers()
            if (name := self._whole(used.register)) not in ("rsp", "rip", "rbp")
        ]
        tainted = any(a in READS and self.memory & set(r) for a, r in cells) or any(
            a in READS and name in self.registers for a, name in names
        )
        program.step()
        for access, place in cells:
            if access in WRITES:
                (self.memory.update if tainted else self.memory.difference_update)(place)
        for access, name in names:
            if access in WRITES:
                (self.registers.add if tainted else self.registers.discard)(name)

    def _whole(self, register: int) -> str:
        if register == Register.NONE:
            return ""
        return self._names[RegisterExt.full_register(register)]


def _bytes_of(instruction: object) -> int:
    from iced_x86 import MemorySizeExt

    return int(MemorySizeExt.size(instruction.memory_size))


def main() -> dict[str, bool]:
    """Which of the two buffers depend on the key."""
    with blink.load([build(SOURCE)]) as program:
        program.run_to("work")
        key, copy, plain = (program.address(name) for name in ("key", "copy", "plain"))
        taint = Taint(program, key, 3)
        back = program.session.backtrace()[1].pc
        while program.rip != back:
            taint.step()
    found = {name: start in taint.memory for name, start in (("copy", copy), ("plain", plain))}
    print(found)
    return found


if __name__ == "__main__":
    main()
