"""What the engine finds out about the host's CPU, against /proc/cpuinfo."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from blink.codegen import emit_cpuid, emit_forms
from blink.codegen.emit_handlers import Handlers, build_form
from blink.isa import families
from blink.isa.spec import REGISTRY
from isa.features import host_has

ENGINE = Path(__file__).parents[2] / "src" / "blink" / "engine"
# /proc/cpuinfo shows no bits for these
UNSEEN = {"OSXSAVE", "NX", "SYSCALL", "LM"}
PROGRAM = """
#include <stdio.h>
#include "host_cpu.c"
%s
int main(void) {
  for (u32 i = 0; i < sizeof cpu_features / sizeof *cpu_features; i++) printf("%%d", host_has(i));
  return 0;
}
"""


def test_answers(tmp_path: Path, need: Callable[[str], str]) -> None:
    source, program = tmp_path / "p.c", tmp_path / "p"
    source.write_text(PROGRAM % emit_forms.feature_table())
    subprocess.run([need("gcc"), f"-I{ENGINE}", str(source), "-o", str(program)], check=True)
    said = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    answers = dict(zip(emit_cpuid.features(), said, strict=True))
    assert answers.pop("") == "1"
    seen = {name: answer for name, answer in answers.items() if name not in UNSEEN}
    assert seen == {name: str(int(host_has(name))) for name in seen}


@pytest.mark.parametrize(("name", "feature"), [("LZCNT", "LZCNT"), ("BLSR", "BMI1"), ("ADD", "")])
def test_a_form_names_its_feature(name: str, feature: str) -> None:
    families.load()
    form = next(form for insn in REGISTRY if insn.name == name for form in insn.forms)
    row = emit_forms.row(build_form(Handlers(), form))
    number = row.split("{")[1].split(",")[12]  # FormDef.feature
    assert emit_cpuid.features()[int(number)] == feature
