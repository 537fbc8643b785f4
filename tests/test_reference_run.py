# SPDX-License-Identifier: Apache-2.0
"""The committed reference run: its gates, and that today's code gives the same from its .tflite files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from harness.compiler import lower
from harness.graph import read_tflite
from harness.records import Clock, Result, Status
from harness.rows import Row
from harness.run_reader import RunReader
from harness.spec_file import spec_from_plain
from harness.sweep import DEFAULT_LANES, Case, SweepSpec
from tests import readme
from tests.case_runner import result_of

REFERENCE: Final = readme.REFERENCE
INT8: Final = ("ptq-int8", "qat-int8")
TEST_SET: Final = {"digits": 360, "gesture": 200, "sine": 200}


@cache
def _run() -> RunReader:
    return RunReader.open(REFERENCE)


@cache
def _rows() -> dict[tuple[str, str, str], Row]:
    return {(row.workload, row.variant, row.board): row for row in _run().rows}


def _model(workload: str, variant: str) -> bytes:
    return (REFERENCE / "models" / f"{workload}__{variant}.tflite").read_bytes()


def test_it_is_the_default_sweep_and_only_one_case_does_not_fit() -> None:
    assert spec_from_plain(_run().provenance.options) == SweepSpec()
    assert len(_run().rows) == 36
    others = [row for row in _run().rows if row.status is not Status.OK]
    assert [(row.case, row.status) for row in others] == [
        ("gesture/float32/aot@uno:simavr", Status.DOES_NOT_FIT)
    ]
    assert others[0].reason is not None
    assert others[0].reason.startswith("flash: needs ")
    assert "the board has 32256" in others[0].reason


def test_every_output_of_the_whole_test_set_was_compared_and_none_differs() -> None:
    for row in _run().rows:
        if row.status is Status.OK:
            assert row.samples == TEST_SET[row.workload]
            assert row.mismatches == 0
            assert row.oracle is not None
            assert row.oracle.startswith("tflm ")


@pytest.mark.parametrize("workload", TEST_SET)
@pytest.mark.parametrize("variant", INT8)
def test_every_lane_sent_the_same_int8_outputs(workload: str, variant: str) -> None:
    """On the whole test set; tests/test_lanes.py asks the lanes that are not in the default sweep."""
    outputs = {}
    for lane in DEFAULT_LANES:
        samples = _run().samples(f"{workload}/{variant}/aot@{lane.id}")
        assert samples is not None
        outputs[lane.id] = samples.outputs
        assert len(samples.outputs) == TEST_SET[workload]
    assert len(outputs) == 4
    first, *others = outputs.values()
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_accuracy_gates() -> None:
    for board in ("native", "uno", "stm32f4", "esp32"):
        for workload, low, high in (("digits", 0.96, 1.0), ("gesture", 0.90, 0.98)):
            float32 = _rows()[workload, "float32", "native"].metric_value
            qat = _rows()[workload, "qat-int8", board].metric_value
            assert float32 is not None
            assert qat is not None
            assert low <= float32 <= high
            assert abs(qat - float32) <= 0.005 + 1e-9


def test_on_the_uno_int8_beats_float32_and_arenas_keep_their_limits() -> None:
    for workload in TEST_SET:
        float32 = _rows()[workload, "float32", "uno"]
        for variant in INT8:
            int8 = _rows()[workload, variant, "uno"]
            assert int8.arena_bytes is not None
            assert int8.arena_bytes < (float32.arena_bytes or 0)
            if float32.status is Status.OK:
                assert (int8.latency_ticks_median or 0) < (float32.latency_ticks_median or 0)
    assert (_rows()["digits", "float32", "uno"].arena_bytes or 0) <= 1000
    for variant in INT8:
        assert (_rows()["gesture", variant, "uno"].arena_bytes or 0) <= 900


@pytest.mark.parametrize("workload", TEST_SET)
@pytest.mark.parametrize("variant", ["float32", *INT8])
def test_the_arena_plan_reaches_its_lower_bound(workload: str, variant: str) -> None:
    plan = lower(read_tflite(_model(workload, variant), name=workload)).layout.plan
    assert plan.arena_bytes == plan.lower_bound_bytes
    assert plan.arena_bytes == _rows()[workload, variant, "native"].arena_bytes


def test_the_table_in_readme_is_the_run() -> None:
    text = (readme.ROOT / "README.md").read_text(encoding="utf-8")
    assert text == readme.replaced(text), "run `python -m tests.readme --write`"


@pytest.mark.emulator
@pytest.mark.parametrize("row", _run().rows, ids=lambda row: row.case)
def test_today_gives_the_same_row(row: Row, tmp_path: Path) -> None:
    """Arena, outputs and metric anywhere; sizes and every tick where compiler and flags are the same."""
    case = Case.parse(row.case)
    result = result_of(case, _model(case.workload, case.variant), tmp_path)
    today = result.row()
    for column in ("status", "arena_bytes", "metric_value", "samples", "mismatches", "macs", "params"):
        assert today[column] == getattr(row, column), column
    if result.toolchain == row.toolchain:
        _same_build(result, row)


def _same_build(result: Result, row: Row) -> None:
    today = result.row()
    for column in ("flash_bytes", "flash_model_bytes", "ram_static_bytes", "reason"):
        assert today[column] == getattr(row, column), f"{column}: see `./run sizes`"
    samples = _run().samples(row.case)
    if row.clock is not Clock.WALL and result.measurement is not None:
        assert samples is not None
        assert result.measurement.ticks == samples.ticks
