# SPDX-License-Identifier: Apache-2.0
"""The compiler driver of the ESP32 lane: its arguments, and LLVM's faults that it works around."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import xtensa

sys.path.insert(0, str(xtensa.DRIVER.parent))
xtensa_cc: Any = importlib.import_module("xtensa_cc")

MAIN = Path(__file__).resolve().parents[1] / "fuzz" / "xtensa_main.c"

#: llc hoists the division out of the loop, where its divisor may be 0: EXCCAUSE 6.
GUARDED_DIVISION = """
static volatile int32_t divisor;
static volatile uint8_t narrow;

__attribute__((noinline)) static int32_t wide_sum(const int32_t *a, int32_t n, int32_t b)
{
    int32_t sum = 0;

    for (int32_t i = 0; i < n; i++)
        sum += b != 0 ? 1000 / b + a[i] : -a[i];
    return sum;
}

__attribute__((noinline)) static uint32_t narrow_sum(const int32_t *a, int32_t n, uint8_t b, uint8_t c)
{
    uint32_t sum = 0;

    for (int32_t i = 0; i < n; i++)
        sum += b != 0 ? (uint8_t)(c / b) + (uint8_t)(c % b) : (uint32_t)a[i];
    return sum;
}

void run_all(void)
{
    static const int32_t values[3] = {1, 20, 300};

    check(0, (uint64_t)(int64_t)wide_sum(values, 3, divisor));
    divisor = -7;
    check(1, (uint64_t)(int64_t)wide_sum(values, 3, divisor));
    check(2, narrow_sum(values, 3, narrow, 200));
    narrow = 7;
    check(3, narrow_sum(values, 3, narrow, 200));
}
"""

#: llc makes a table of the two constants and then knows no way to address it.
FLOAT_CHOICES = """
static volatile float x = -3.0f;

static uint64_t bits(float value)
{
    uint32_t all;

    __builtin_memcpy(&all, &value, sizeof all);
    return all;
}

void run_all(void)
{
    check(0, bits(x < 0 ? -0.5f : 0.5f));
    check(1, bits(x > 0 ? 1e-42f : 3.4e38f));
    check(2, bits((float)(x < 0)));
    check(3, bits(x == -3.0f ? __builtin_inff() : 0.1f));
}
"""


def values(folder: Path, code: str, level: str = "-O2") -> list[int]:
    """What a program hands over to `check`."""
    source = folder / "program.c"
    source.write_text("#include <stdint.h>\nvoid check(uint32_t function, uint64_t value);\n" + code)
    objects = [*xtensa.runtime(folder), xtensa.compile_object(MAIN, folder)]
    program = xtensa.link([*objects, xtensa.compile_object(source, folder, level)], folder / "program.elf")
    return [int(line.split()[1], 16) for line in xtensa.run(program).decode().splitlines()]


@pytest.mark.emulator
def test_a_division_stays_behind_its_guard(tmp_path: Path) -> None:
    minus = (1 << 64) - 1
    assert values(tmp_path, GUARDED_DIVISION) == [minus - 320, minus + 1 - 3 * 142 + 321, 321, 3 * (28 + 4)]


@pytest.mark.emulator
def test_a_choice_between_float_constants(tmp_path: Path) -> None:
    assert values(tmp_path, FLOAT_CHOICES) == [0xBF000000, 0x7F7FC99E, 0x3F800000, 0x7F800000]


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("1.000000e+00", 0x3F800000),
        ("-5.000000e-01", 0xBF000000),
        ("0x3FB99999A0000000", 0x3DCCCCCD),
        ("0x7FF0000000000000", 0x7F800000),
        ("0x36E0000000000000", 0x00000010),
    ],
)
def test_constants_as_llvm_writes_them(text: str, bits: int) -> None:
    assert xtensa_cc.float_bits(text) == bits


def test_divisions_by_constants_are_left_to_llc() -> None:
    line = "  %a = sdiv i32 %b, 7\n  %c = udiv i64 %d, %e\n  %f = fdiv float %g, %h\n"
    assert xtensa_cc.divide_in_place(line) == line
    assert "remu $0" in xtensa_cc.divide_in_place("  %a = urem i16 %b, %c\n")


def test_the_object_does_not_depend_on_folders(tmp_path: Path) -> None:
    objects = []
    for name in ("a", "another folder"):
        folder = tmp_path / name
        folder.mkdir()
        source = folder / "x.c"
        source.write_text(
            "const char *where = __FILE__; float half(float x) { return x < 0 ? -x : x / 3; }\n"
        )
        made = xtensa.compile_object(source, folder, "-O2", f"-ffile-prefix-map={folder}=.")
        objects.append(made.read_bytes())
    assert objects[0] == objects[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-O2", "-c", "-o", "x.o"], "one source"),
        (["-O2", "-c", "x.c"], "one source"),
        (["-c", "-o", "x.o", "x.c"], "optimisation level"),
        (["-O2", "-O0", "-c", "-o", "x.o", "x.c"], "optimisation level"),
    ],
)
def test_arguments_that_it_refuses(tmp_path: Path, arguments: list[str], reason: str) -> None:
    (tmp_path / "x.c").write_text("int x;\n")
    command = [sys.executable, str(xtensa.DRIVER), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert reason in done.stderr


def test_errors_of_the_source_are_clang_s(tmp_path: Path) -> None:
    source = tmp_path / "x.c"
    source.write_text("int f(void) { return y; }\n")
    command = [sys.executable, str(xtensa.DRIVER), "-O2", "-c", "-o", str(tmp_path / "x.o"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "undeclared identifier 'y'" in done.stderr
    assert not (tmp_path / "x.o").exists()
