# SPDX-License-Identifier: Apache-2.0
"""LLVM's Xtensa code generator is experimental: random programs must give what this computer's compiler
gives. Three here, fifty by `./run fuzz` (QUANTRIG_FUZZ_PROGRAMS, QUANTRIG_FUZZ_SEED: the first one).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import xtensa
from tests.fuzz.xtensa_programs import program

pytestmark = pytest.mark.emulator

MAIN = Path(__file__).with_name("xtensa_main.c")
LEVELS = ("-O2", "-O1", "-Os", "-O3")
#: What the program's text does not decide otherwise: no fusion, no wider floats, no warnings about it.
HOST = ["gcc", "-O1", "-std=gnu11", "-ffp-contract=off", "-fno-strict-aliasing", "-w"]


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Objects of everything but the random program."""
    folder = tmp_path_factory.mktemp("frame")
    return [*xtensa.runtime(folder), xtensa.compile_object(MAIN, folder)]


def disagreement(folder: Path, frame: list[Path], seed: int) -> str:
    """The first line of output in which the two machines differ, or nothing."""
    source = folder / f"program{seed}.c"
    source.write_text(program(seed), encoding="utf-8")
    native = folder / f"program{seed}"
    subprocess.run([*HOST, "-o", native, source, MAIN, "-lm"], check=True)
    expected = subprocess.run([native], capture_output=True, check=True).stdout.decode()
    level = LEVELS[seed % len(LEVELS)]
    target = xtensa.compile_object(source, folder, level, "-w")
    got = xtensa.run(xtensa.link([*frame, target], folder / f"program{seed}.elf")).decode()
    assert expected.count("\n") > 100
    lines = zip(expected.splitlines(), got.splitlines(), strict=False)
    first = next((pair for pair in lines if pair[0] != pair[1]), ("end", "end"))
    return "" if expected == got else f"seed {seed} {level}: {first[0]} here, {first[1]} there"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_program_gives_the_same_there(tmp_path: Path, frame: list[Path], seed: int) -> None:
    assert disagreement(tmp_path, frame, seed) == ""


@pytest.mark.fuzz
def test_many_programs_give_the_same_there(tmp_path: Path, frame: list[Path]) -> None:
    count = int(os.environ.get("QUANTRIG_FUZZ_PROGRAMS", "50"))
    begin = int(os.environ.get("QUANTRIG_FUZZ_SEED", "100"))
    found = [disagreement(tmp_path, frame, seed) for seed in range(begin, begin + count)]
    print(f"{found.count('')} of {count} programs agree, from seed {begin}")
    assert [text for text in found if text] == []


def test_programs_differ_and_repeat() -> None:
    assert program(1) == program(1)
    assert program(1) != program(2)
