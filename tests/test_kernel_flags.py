"""Does a variant's machine code keep to what a kernel may use: no vector registers, no red zone?"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import iova_variants
from iova_variants import building

pytestmark = [
    pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86-64 registers"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump: apt install binutils"),
]

VECTOR = re.compile(r"%[xyz]?mm\d+|%st\b")
#: Memory below the stack pointer: what a kernel's interrupts write over.
RED_ZONE = re.compile(r"-0x[0-9a-f]+\(%rsp\)")


def machine_code(path: Path) -> str:
    """Disassemble all functions of a shared object or object file."""
    command = ["objdump", "--disassemble", "--no-show-raw-insn", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("variant", iova_variants.names())
def test_no_variant_uses_vector_registers_or_the_red_zone(variant: str) -> None:
    code = machine_code(iova_variants.load(variant, build="timed").path)
    assert "%rsp" in code
    assert VECTOR.search(code) is None
    # A probe of the stack (orq $0, -8(%rsp)) would show here, too.
    assert RED_ZONE.search(code) is None


#: Those whose objects seconds are spent on.
SLOW = {"sanitized", "traced", "tsan"}


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(build, marks=[pytest.mark.slow] if build in SLOW else [])
        for build in building.BUILDS
    ],
)
def test_every_build_has_the_flags(build: building.Build) -> None:
    code = machine_code(building.compile_variant(building.VARIANT_DIR / "augmented.c", build))
    assert VECTOR.search(code) is None


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """Without the flags the same compiler does use what is looked for."""
    source, target = tmp_path / "copy.c", tmp_path / "copy.o"
    text = "struct pair { long a, b; }; void copy(struct pair *to, struct pair *from)"
    source.write_text(f"{text} {{ *to = *from; }}\n", encoding="utf-8")
    command = [building.compiler(), "-O2", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    assert VECTOR.search(machine_code(target))
    subprocess.run([*command, *building.MACHINE_CFLAGS["x86_64"]], check=True)
    assert VECTOR.search(machine_code(target)) is None
