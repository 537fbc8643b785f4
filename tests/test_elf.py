# SPDX-License-Identifier: Apache-2.0
"""The function that an address belongs to, against binutils' own answer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.elf import function_at
from harness.errors import BuildError

SOURCE = """\
int first(int a) { return 3 * a; }
static int __attribute__((noinline)) second(int a) { return a / 7; }
int table[4] = {1};
int main(void) { return first(table[1]) + second(table[0]); }
void _start(void) { main(); }
"""
PREFIXES = {"arm-none-eabi-": ["-mcpu=cortex-m4", "-mthumb"], "avr-": ["-mmcu=atmega328p"], "": []}


@pytest.fixture(scope="module", params=PREFIXES)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("elf")
    (folder / "x.c").write_text(SOURCE)
    out = folder / "x.elf"
    prefix = str(request.param)
    options = ["-O1", "-nostartfiles", "-g", *PREFIXES[prefix]]
    subprocess.run([f"{prefix}gcc", *options, "-o", out, folder / "x.c"], check=True)
    return prefix, out


def listed(prefix: str, path: Path) -> str:
    """Address, size, kind and name of every symbol."""
    return subprocess.run([f"{prefix}nm", "-S", path], capture_output=True, text=True, check=True).stdout


def test_every_address_of_a_function_gives_its_name(program: tuple[str, Path]) -> None:
    prefix, path = program
    rows = [line.split() for line in listed(prefix, path).splitlines()]
    ours = ("first", "second", "main", "_start")
    spans = {row[3]: (int(row[0], 16), int(row[1], 16)) for row in rows if row[-1] in ours}
    assert len(spans) == len(ours)
    for name, (begin, size) in spans.items():
        assert {function_at(path, address) for address in range(begin, begin + size, 2)} == {name}


def test_what_is_no_functions_has_no_name(program: tuple[str, Path]) -> None:
    _, path = program
    assert function_at(path, 0x0FFF_FFF0) is None
    shown = listed(*program)
    table = next(int(line.split()[0], 16) for line in shown.splitlines() if line.endswith(" table"))
    assert function_at(path, table) is None


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"no program")
    with pytest.raises(BuildError, match="is not a usable ELF file"):
        function_at(tmp_path / "x", 0)
