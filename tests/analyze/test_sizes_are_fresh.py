# SPDX-License-Identifier: Apache-2.0
"""The committed tables know every kernel and board; how they are measured, on small objects."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.analyze.size_table import size_table
from harness.boards import load_boards
from tests.size_tables import probe, stack
from tests.size_tables.link_map import read_map
from tests.size_tables.objects import read_objects

ENVIRONMENTS = sorted({board.pio_env for board in load_boards().values() if not board.upstream})

SOURCE = """
extern int helper(int);
static const int numbers[3] = {1, 2, 3};
int kernel(int i) { return helper(numbers[i]); }
int other(void) { return 7; }
"""
HELPER = "int state; int helper(int x) { return x + state; } int unused(void) { return 1; }"

MAP = """\
Archive member included to satisfy reference by file (symbol)

/usr/lib/libm.a(round.o)      /tmp/x/build/firmware/nn/a.o (roundf)

Discarded input sections

 .text.gone     0x00000000       0x10 /tmp/x/build/firmware/nn/a.o

Linker script and memory map

LOAD /tmp/x/build/firmware/nn/a.o
LOAD /usr/lib/libm.a

.text           0x08000000       0x54
 .text.nn_a     0x08000000       0x20 /tmp/x/build/firmware/nn/a.o
 *fill*         0x08000020        0x4
 .text.nn_a_function_of_a_long_name
                0x08000024       0x30 /usr/lib/libm.a(round.o)
 .text          0x08000054        0x0 /tmp/x/build/firmware/nn/a.o
"""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_tables_have_every_kernel_structure_and_board(environment: str) -> None:
    table = size_table(environment)
    assert table is not None, "./run size_tables"
    text = probe.headers()
    assert {kernel.name for kernel in probe.kernels(text)} <= table.kernels.keys(), "./run size_tables"
    assert set(probe.structures(text)) == table.structures.keys(), "./run size_tables"
    boards = {b.name for b in load_boards().values() if b.pio_env == environment}
    assert boards == table.boards.keys()


def test_kernels_are_found_in_headers() -> None:
    text = "void nn_a(const int8_t *x,\n    NN_FLASH struct nn_b *p, nn_dim n);\n"
    (kernel,) = probe.kernels(f"{text}static inline void nn_c(int x) {{\n")
    assert kernel.name == "nn_a"
    assert kernel.parameters == ("const int8_t *", "NN_FLASH struct nn_b *", "nn_dim")


def test_a_map_tells_what_was_linked_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "firmware.map"
    file.write_text(MAP, encoding="utf-8")
    found = read_map(file)
    assert found.objects == ("/tmp/x/build/firmware/nn/a.o", "/usr/lib/libm.a(round.o)")  # noqa: S108
    assert [(p.output, p.name, p.size) for p in found.placed] == [
        (".text", ".text.nn_a", 0x20),
        (".text", ".text.nn_a_function_of_a_long_name", 0x30),
    ]


def test_a_closure_holds_what_is_referred_to_and_nothing_else(tmp_path: Path) -> None:
    for name, text in (("a", SOURCE), ("b", HELPER)):
        (tmp_path / f"{name}.c").write_text(text, encoding="utf-8")
        sections = ("-ffunction-sections", "-fdata-sections")
        subprocess.run(
            ["gcc", "-O1", "-fno-asynchronous-unwind-tables", *sections, "-c", f"{name}.c"],
            cwd=tmp_path,
            check=True,
        )
    subprocess.run(["ar", "rc", "lib.a", "b.o"], cwd=tmp_path, check=True)
    objects = read_objects([str(tmp_path / "a.o"), f"{tmp_path / 'lib.a'}(b.o)"])
    kept = {objects.sections[key].name for key in objects.closure(["kernel"]) if not isinstance(key, str)}
    assert kept == {".text.kernel", ".rodata.numbers", ".text.helper", ".bss.state"}


def test_a_far_literal_is_found_where_objdump_shows_it_too_far_up() -> None:
    """By hand: the load at 0x400ec000 is of the word at 0x400d0c24, 115 KiB before it."""
    sys.path.insert(0, str(stack.PLATFORM))
    xtensa: Any = importlib.import_module("stack_xtensa")
    far = [
        "400ec000 <caller>:",
        "400ec000:      \tentry\ta1, 32",
        "400ec003:      \tl32r\ta8, 0x400f0c24",
        "400ec006:      \tcallx8\ta8",
        "400ec009:      \tretw.n",
        "400ec010 <callee>:",
        "400ec010:      \tentry\ta1, 16",
        "400ec013:      \tretw.n",
        " 400d0c24 10c00e40                             ....",
    ]
    functions = xtensa.parse("\n".join(far))
    assert functions[0x400EC000].calls == {0x400EC010}
    assert not functions[0x400EC000].indirect
