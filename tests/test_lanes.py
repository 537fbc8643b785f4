# SPDX-License-Identifier: Apache-2.0
"""Every lane that this machine can run: the same variant gives the same outputs everywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from harness.boards import load_boards
from harness.records import Result, Status
from harness.sweep import DEFAULT_LANES, Case, Lane
from harness.targets import TARGETS
from tests.case_runner import result_of
from tests.trained_models import variants_of

BOARDS = load_boards()
LANES: Final = tuple(
    Lane(board=board.name, target=target)
    for board in BOARDS.values()
    for target in board.targets
    if target != "hardware" and TARGETS[target].unavailable(board) is None
)
#: What packages alone can run: these lanes are never missing where the tests run.
PROMISED: Final = {
    *(lane.id for lane in DEFAULT_LANES),
    *("mps2_an386:qemu", "mps2_an500:qemu", "lm3s6965evb:qemu", "nucleo_f446re:qemu", "black_f407ve:qemu"),
    *("uno-arduino:simavr", "megaatmega2560:simavr"),
}
SAMPLES: Final = 12

pytestmark = [pytest.mark.emulator, pytest.mark.train]


@cache
def _result(workload: str, variant: str, lane: Lane, folder: Path) -> Result:
    case = Case(workload=workload, variant=variant, engine="aot", board=lane.board, target=lane.target)
    return result_of(case, variants_of(workload)[variant], folder, samples=SAMPLES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lanes")


def test_no_promised_lane_is_missing() -> None:
    assert {lane.id for lane in LANES} >= PROMISED


@pytest.mark.xdist_group("lanes")
@pytest.mark.parametrize("lane", LANES, ids=lambda lane: lane.id)
@pytest.mark.parametrize("variant", ["ptq-int8", "float32"])
def test_every_lane_gives_the_outputs_of_the_native_one(variant: str, lane: Lane, folder: Path) -> None:
    """int8 to the bit; float32 by the rule of the records, which `run_case` applies to each lane."""
    result = _result("digits", variant, lane, folder)
    assert result.outcome.status is Status.OK, result.outcome.reason
    assert result.verification is not None
    assert result.verification.mismatches == 0
    assert result.verification.outputs_compared == SAMPLES * 10
    native = _result("digits", variant, DEFAULT_LANES[0], folder)
    assert result.measurement is not None
    assert native.measurement is not None
    if variant == "ptq-int8":
        np.testing.assert_array_equal(result.measurement.outputs, native.measurement.outputs)


@pytest.mark.xdist_group("lanes")
def test_cores_with_the_same_instructions_count_the_same(folder: Path) -> None:
    """The F405 and AN386 run the same code for a Cortex-M4; their ports count it by different timers."""
    assert _ticks("stm32f4:qemu", folder) == _ticks("mps2_an386:qemu", folder)


@pytest.mark.xdist_group("lanes")
def test_the_arduino_core_costs_nothing_while_timed(folder: Path) -> None:
    """The same kernels, the same counter: bare metal and Arduino core give the same cycles on the Uno."""
    assert _ticks("uno:simavr", folder) == _ticks("uno-arduino:simavr", folder)


def _ticks(lane: str, folder: Path) -> tuple[int, ...]:
    measured = _result("digits", "ptq-int8", Lane.parse(lane), folder).measurement
    assert measured is not None
    return measured.ticks
