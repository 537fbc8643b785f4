# SPDX-License-Identifier: Apache-2.0
"""Every lane that this machine can run: the same variant gives the same outputs everywhere."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from harness.boards import load_boards
from harness.pipeline import Bench, Trained, run_case
from harness.records import Result, Status
from harness.resources import cache_dir
from harness.sweep import DEFAULT_LANES, Case, Lane
from harness.targets import TARGETS
from harness.workloads import WORKLOADS
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


class _Quiet:
    def step(self, name: str, text: str) -> None: ...

    def samples(self, case_id: str, done: int, total: int) -> None: ...

    def finished(self, name: str) -> None: ...


@cache
def _result(workload: str, variant: str, lane: Lane, folder: Path) -> Result:
    case = Case(workload=workload, variant=variant, engine="aot", board=lane.board, target=lane.target)
    bench = Bench(
        boards=BOARDS,
        workloads=WORKLOADS,
        cache=cache_dir(),
        log_folder=folder,
        models=folder,
        progress=_Quiet(),
        jobs=1,
        samples=SAMPLES,
    )
    trained = Trained(workload=WORKLOADS[workload], data=WORKLOADS[workload].load_data())
    return run_case(case, variants_of(workload)[variant], trained, bench)


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
    counts = {}
    for board in ("stm32f4", "mps2_an386"):
        measured = _result("digits", "ptq-int8", Lane(board=board, target="qemu"), folder).measurement
        assert measured is not None
        counts[board] = measured.ticks
    assert counts["stm32f4"] == counts["mps2_an386"]


@pytest.mark.xdist_group("lanes")
def test_the_arduino_core_costs_nothing_while_timed(folder: Path) -> None:
    """The same kernels, the same counter: bare metal and Arduino core give the same cycles on the Uno."""
    counts = {}
    for board in ("uno", "uno-arduino"):
        measured = _result("digits", "ptq-int8", Lane(board=board, target="simavr"), folder).measurement
        assert measured is not None
        counts[board] = measured.ticks
    assert counts["uno"] == counts["uno-arduino"]
