# SPDX-License-Identifier: Apache-2.0
"""Each way in which a case can end becomes a row, and the sweep goes on."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import reference
from harness.boards import load_boards
from harness.build import build
from harness.case_run import CaseRun, warnings_of
from harness.compiler import compile_graph
from harness.errors import HangError, QuantizeError
from harness.layer_check import LayerReport
from harness.measure import measure
from harness.pipeline import Bench, run_sweep
from harness.quantize.trained import variant
from harness.records import Clock, Measurement, Result, Status
from harness.reference import Expected, Trace
from harness.resources import cache_dir
from harness.sweep import Case
from harness.workloads import WORKLOADS

pytestmark = pytest.mark.train


class Silent:
    """A Progress that remembers the names which have not finished."""

    def __init__(self) -> None:
        self.open: set[str] = set()

    def step(self, name: str, text: str) -> None:
        self.open.add(name)

    def samples(self, case_id: str, done: int, total: int) -> None:
        assert 0 < done <= total

    def finished(self, name: str) -> None:
        self.open.discard(name)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        boards=load_boards(),
        workloads=WORKLOADS,
        cache=cache_dir(),
        log_folder=tmp_path,
        models=tmp_path,
        progress=Silent(),
        jobs=2,
        samples=5,
    )


def _run(bench: Bench, *ids: str) -> dict[str, Result]:
    results = {result.case_id: result for result in run_sweep([Case.parse(i) for i in ids], bench)}
    assert set(results) == set(ids)
    assert isinstance(bench.progress, Silent)
    assert not bench.progress.open
    return results


NATIVE = "sine/ptq-int8/aot@native:native"
FLOAT = "sine/float32/aot@native:native"


def test_a_case_that_goes_well_has_every_number_verified(bench: Bench) -> None:
    result = _run(bench, NATIVE)[NATIVE]
    row = result.row()
    assert result.outcome.status is Status.OK
    assert (row["samples"], row["outputs_compared"], row["mismatches"]) == (5, 5, 0)
    assert row["metric_value"] == row["metric_reference"]
    assert row["firmware_sha256"] != row["model_sha256"]


def test_a_case_that_hung_is_tried_again_and_the_hang_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = 2

    def hanging(*arguments: Any, **options: Any) -> Measurement:
        nonlocal hangs
        hangs -= 1
        if hangs >= 0:
            raise HangError("It says nothing any more.")
        return measure(*arguments, **options)

    monkeypatch.setattr("harness.pipeline.measure", hanging)
    (clean,) = _run(replace(bench, retries=0), FLOAT).values()
    assert (clean.outcome.reason_code, clean.attempts) == ("hang", ())
    hangs = 2
    result = _run(replace(bench, retries=2), NATIVE)[NATIVE]
    assert result.outcome.status is Status.OK
    assert [attempt.reason_code for attempt in result.attempts] == ["hang", "hang"]
    assert result.row()["warnings"] is None
    assert result.link is not None
    hangs = 2
    result = _run(replace(bench, retries=1), NATIVE)[NATIVE]
    assert (result.outcome.reason_code, len(result.attempts)) == ("hang", 1)


def test_what_a_failed_tries_line_went_through_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def stamped_otherwise(*arguments: Any, **options: Any) -> Any:
        return replace(build(*arguments, **options), firmware_sha256="0" * 64)

    monkeypatch.setattr("harness.pipeline.build", stamped_otherwise)
    result = _run(replace(bench, retries=1), NATIVE)[NATIVE]
    assert result.outcome.reason_code == "wrong-firmware"
    (first,) = result.attempts
    for link in (first.link, result.link):
        assert link is not None
        assert link.requests > 0
        assert link.baud is None


def test_a_quarantined_case_costs_nothing_and_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.pipeline.train", None)
    outcome = _run(replace(bench, quarantined={NATIVE: "Known to be bad."}), NATIVE)[NATIVE].outcome
    assert (outcome.status, outcome.reason_code, outcome.reason) == (
        *(Status.SKIPPED, "quarantined"),
        "Known to be bad.",
    )


def test_a_boards_numbers_are_marked_and_an_emulators_are_not(bench: Bench) -> None:
    """Without windows and a look at its clock, nobody knows what a board's numbers are worth."""
    result = _run(bench, NATIVE)[NATIVE]
    assert result.measurement
    for target, count in (("native", 0), ("hardware", 2)):
        case = replace(Case.parse(NATIVE), target=target)
        run = CaseRun(case=case, started=0.0, started_at="")
        run.clock, run.measurement = Clock.WALL, replace(result.measurement, windows=(), host_check=None)
        assert len(warnings_of(run)) == count


def test_a_mismatch_fails_the_case_and_takes_its_numbers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reference.expected_outputs

    def off_by_one(*given: Any, **options: Any) -> Expected:
        told = real(*given, **options)
        told.outputs[0][3, 0] ^= 1
        return told

    monkeypatch.setattr(reference, "expected_outputs", off_by_one)
    row = _run(bench, NATIVE)[NATIVE].row()
    assert (row["status"], row["reason_code"], row["mismatches"]) == ("failed", "mismatch", 1)
    assert "sample 3, element 0" in row["reason"]
    assert row["latency_ticks_median"] is None
    assert row["metric_value"] is None
    # what its line went through may explain it
    assert _run(bench, NATIVE)[NATIVE].link is not None


def test_layers_are_checked_too_and_the_first_that_differs_is_the_reason(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench = replace(bench, check_layers=True)
    assert _run(bench, NATIVE)[NATIVE].outcome.status is Status.OK
    table = tmp_path / f"{Case.parse(NATIVE).slug}.layers.csv"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 3
    assert {(row["op"], row["mismatches"]) for row in rows} == {("FULLY_CONNECTED", "0")}
    real = reference.tensors

    def off_by_two(*given: Any, **options: Any) -> Trace:
        told = real(*given, **options)
        told.values[int(rows[1]["tensor"])][2, 5] ^= 2
        return told

    monkeypatch.setattr(reference, "tensors", off_by_two)
    row = _run(bench, NATIVE)[NATIVE].row()
    assert (row["status"], row["reason_code"], row["mismatches"]) == ("failed", "mismatch", 0)
    assert "(step 1): 1 of 48 elements differ from tflm" in row["reason"]
    assert "by at most 2; 1 of 3 layers differ" in row["reason"]
    assert row["latency_ticks_median"] is None


def test_layers_that_cannot_be_checked_are_a_warning(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*given: Any, **options: Any) -> LayerReport:
        return LayerReport(layers=(), remark="The layers were not checked: too large.")

    monkeypatch.setattr("harness.pipeline.check_layers", too_large)
    row = _run(replace(bench, check_layers=True), NATIVE)[NATIVE].row()
    assert (row["status"], row["warnings"]) == ("ok", "The layers were not checked: too large.")


def test_an_unforeseen_error_is_a_row_and_the_other_case_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    def broken(graph: Any, cpu: Any) -> Any:
        if "float32" in graph.name:
            raise ZeroDivisionError("no such luck")
        return compile_graph(graph, cpu)

    monkeypatch.setattr("harness.pipeline.compile_graph", broken)
    results = _run(bench, FLOAT, NATIVE)
    row = results[FLOAT].row()
    assert (row["status"], row["reason_code"]) == ("failed", "internal")
    assert "no such luck" in row["reason"]
    assert "Traceback" in (tmp_path / f"{Case.parse(FLOAT).slug}.log").read_text()
    assert results[NATIVE].outcome.status is Status.OK


def test_a_variant_that_cannot_be_made_fails_its_own_cases_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(workload: Any, identifier: str) -> Any:
        if identifier == "float32":
            raise QuantizeError("The converter is out.", fix="Wait.")
        return variant(workload, identifier)

    monkeypatch.setattr("harness.pipeline.variant", refuse)
    results = _run(bench, FLOAT, NATIVE)
    assert results[FLOAT].outcome.reason == "The converter is out. Wait."
    assert results[FLOAT].outcome.status is Status.FAILED
    assert results[NATIVE].outcome.status is Status.OK


def test_a_lane_that_is_not_here_says_why_before_anything_is_trained(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    case = "sine/float32/aot@uno:simavr"
    outcome = _run(bench, case)[case].outcome
    assert outcome.status is Status.UNAVAILABLE
    assert "apt-get install" in outcome.reason


def test_a_stack_beyond_its_bound_fails_the_case(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound decides what fits: a firmware that passes it must not look fine."""
    case = "sine/ptq-int8/aot@uno:simavr"

    def lower_bound(*arguments: Any, **options: Any) -> Any:
        firmware = build(*arguments, **options)
        return replace(firmware, sizes=replace(firmware.sizes, stack_reserve_bytes=20))

    monkeypatch.setattr("harness.pipeline.build", lower_bound)
    outcome = _run(bench, case)[case].outcome
    assert (outcome.status, outcome.reason_code) == (Status.FAILED, "stack")
