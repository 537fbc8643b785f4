# SPDX-License-Identifier: Apache-2.0
"""The estimate beside the linked firmware: flash within 3 % or 512 bytes, RAM to the byte."""

from __future__ import annotations

import dataclasses

import pytest

from harness.analyze import fit
from harness.analyze.footprint import ram_sizes
from harness.analyze.size_table import RamPart, RamSection, size_table
from harness.boards import load_boards
from harness.build import build
from harness.compiler import Program, compile_graph, cpu_named, lower
from harness.errors import DoesNotFitError
from harness.graph import Graph, read_tflite
from harness.resources import cache_dir
from tests import readme
from tests.analyze.estimate import check_estimate
from tests.tflite_builder import ModelBuilder, fully_connected_options

MODELS = readme.REFERENCE / "models"
BOARDS = load_boards()


def graph_of(name: str) -> Graph:
    path = MODELS / f"{name}.tflite"
    return read_tflite(path.read_bytes(), name=path.name)


@pytest.mark.parametrize(
    ("model", "board"),
    [
        ("gesture__float32", "uno"),
        ("digits__ptq-int8", "uno"),
        ("digits__float32", "stm32f4"),
        ("digits__ptq-int8", "esp32"),
        ("sine__float32", "native"),
    ],
)
def test_equals_the_linked_firmware(model: str, board: str) -> None:
    graph, target = graph_of(model), BOARDS[board]
    case_id = f"{model.replace('__', '/')}/aot@{board}:size"
    source = compile_graph(graph, cpu_named(target.cpu))
    try:
        sizes = dataclasses.asdict(build(source, target, case_id=case_id, cache=cache_dir()).sizes)
    except DoesNotFitError as error:
        check_estimate(graph, target, error.sizes or {}, fits=False)
    else:
        check_estimate(graph, target, sizes)


def program(rows: int) -> Program:
    b = ModelBuilder()
    x, y = b.tensor((rows, 40), "float32"), b.tensor((rows, 30), "float32")
    weights = b.constant([[0.5] * 40] * 30, "float32")
    b.op("FULLY_CONNECTED", [x, weights], [y], fully_connected_options())
    return lower(read_tflite(b.build([x], [y]), name="dense"))


def test_a_board_without_measured_sizes_says_so() -> None:
    unknown = fit(program(1), BOARDS["pico"])
    assert unknown.footprint is None
    assert unknown.fits is None
    assert "no sizes have been measured" in unknown.reason


def test_an_arena_that_is_too_large_does_not_fit_on_any_board() -> None:
    found = fit(program(2000), BOARDS["pico"])
    assert found.fits is False
    assert "the arena alone takes 560,000 of 270,336 bytes" in found.reason


def test_ram_is_laid_out_as_a_linker_does() -> None:
    """By hand: 4 of .data and an atom's 1; then from 8 an arena of 10, 4 more from 20, the end at 24."""
    parts = [RamPart(owner="base", size=4, align=4), RamPart(owner=3, size=1, align=1)]
    data = RamSection(name=".data", end_align=1, fixed_bytes=0, parts=tuple(parts))
    parts = [RamPart(owner="arena", size=99, align=8), RamPart(owner="base", size=4, align=4)]
    bss = RamSection(name=".bss", end_align=8, fixed_bytes=0, parts=tuple(parts))
    assert ram_sizes((data, bss), frozenset({3}), 10) == (5, 16)
    assert ram_sizes((data, bss), frozenset(), 10) == (4, 16)


def test_constants_are_as_large_as_the_compiler_makes_them() -> None:
    avr, arm = size_table("uno"), size_table("stm32f4")
    assert avr is not None
    assert arm is not None
    # int32 bias and multiplier, int8 shift
    assert avr.layout("struct nn_requant", 3) == (27, 1)
    assert arm.layout("struct nn_requant", 3) == (36, 4)
    assert arm.layout("int8_t", 5) == (5, 4)
    assert arm.layout("int64_t", 1) == (8, 8)
