# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Clock, Status
from harness.report.compare import (
    QUANTITIES,
    Verdict,
    compare,
    repeatability,
)
from harness.report.compare_input import Side
from harness.report.compare_rules import ANY, Judgement, parse_rules
from harness.rows import Row
from tests.report.compared_rows import (
    BOARD,
    ESP32,
    NATIVE,
    PROVENANCE,
    STM,
    TIGHT,
    UNO,
    both,
    broken,
    change,
    compared,
    side,
    terminal,
)

# --- verdicts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "base", "new", "verdict"),
    [
        (UNO, 1000, 1001, Verdict.WORSE),
        (UNO, 1001, 1000, Verdict.BETTER),
        (UNO, 1000, 1000, Verdict.SAME),
        (STM, 100_000, 100_001, Verdict.WORSE),
        (ESP32, 100_000, 100_001, Verdict.SAME),
        (ESP32, 100_001, 100_000, Verdict.SAME),
        (ESP32, 100_000, 100_001.5, Verdict.WORSE),
        (BOARD, 1000, 1019, Verdict.SAME),
        (BOARD, 1000, 1020.2, Verdict.SAME),
        (BOARD, 1020.2, 1000, Verdict.SAME),
        (BOARD, 1000, 1021, Verdict.WORSE),
        (BOARD, 1021, 1000, Verdict.BETTER),
        (replace(BOARD, latency_ticks_mad=50.0), 1000, 1045, Verdict.SAME),
        (replace(UNO, latency_ticks_mad=50.0), 1000, 1001, Verdict.WORSE),
        (NATIVE, 1000, 1249, Verdict.SAME),
        (NATIVE, 1000, 1400, Verdict.WORSE),
    ],
)
def test_a_difference_counts_beyond_what_the_clock_repeats_by(
    row: Row, base: float, new: float, verdict: Verdict
) -> None:
    rows = both(row, "latency_ticks_median", float(base), float(new))
    assert change(*rows).verdict is verdict


def test_an_esp32_is_known_by_its_compiler_where_its_name_does_not_tell() -> None:
    mine = replace(ESP32, board="my_board", case="digits/float32/aot@my_board:qemu")
    assert repeatability(mine).absolute_ticks == 1
    gcc = replace(mine, toolchain="arm-none-eabi-gcc 12", latency_ticks_median=100_001.0)
    assert repeatability(gcc).absolute_ticks == 0
    llvm = replace(mine, latency_ticks_median=100_000.0)
    assert change(llvm, gcc).verdict is change(gcc, llvm).verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("base", "new", "reason"),
    [
        (UNO, replace(UNO, clock=Clock.INSTRUCTIONS), "BASE counts cycles, NEW instructions"),
        (UNO, replace(UNO, clock=None), "NEW an unknown clock"),
        (replace(UNO, clock=None), replace(UNO, clock=None), "BASE counts an unknown clock"),
        (NATIVE, replace(NATIVE, clock_hz=1_000_000), "clock ticks at 1000000000 Hz, NEW's at 1000000"),
        (
            UNO,
            replace(UNO, latency_ticks_median=None, status=Status.FAILED),
            "NEW did not measure it: failed",
        ),
        (UNO, replace(UNO, latency_ticks_median=float("nan")), "latency of NEW is no number"),
    ],
)
def test_ticks_that_cannot_be_compared_have_a_reason_and_no_difference(
    base: Row, new: Row, reason: str
) -> None:
    found = change(base, new)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert reason in found.reason
    assert found.difference is None
    assert found.percent is None
    judgement = Judgement.of(compare(side(base), side(new)), parse_rules(["latency>0", "wall>0"]))
    assert not judgement.breaches
    assert len(judgement.unchecked) == 1, "a rule that could not be checked must be told"


def test_what_base_did_not_measure_cannot_get_worse_and_is_not_complained_of() -> None:
    base = replace(UNO, latency_ticks_median=None, clock_hz=None, status=Status.FAILED)
    judgement = Judgement.of(compare(side(base), side(UNO)), parse_rules(["latency>0"]))
    assert not judgement.unchecked
    assert not judgement.breaches
    assert compared(base, UNO).remarks == ()


def test_cycles_are_compared_at_any_rate_and_the_rate_is_said() -> None:
    faster = replace(UNO, clock_hz=8_000_000)
    assert change(UNO, faster).verdict is Verdict.SAME
    assert any("16000000 Hz -> 8000000 Hz" in remark for remark in compared(UNO, faster).remarks)


@pytest.mark.parametrize(
    ("metric", "base", "new", "verdict"),
    [
        ("accuracy", 0.95, 0.94, Verdict.WORSE),
        ("auc", 0.95, 0.96, Verdict.BETTER),
        ("mae", 0.1, 0.2, Verdict.WORSE),
        ("mae", 0.2, 0.1, Verdict.BETTER),
        ("mae", 0.1 + 0.2, 0.3, Verdict.SAME),
        ("perplexity", 1.0, 2.0, Verdict.NOT_COMPARABLE),
    ],
)
def test_which_way_a_metric_is_worse(metric: str, base: float, new: float, verdict: Verdict) -> None:
    rows = both(replace(UNO, metric=metric), "metric_value", base, new)
    assert change(*rows, "metric").verdict is verdict


def test_two_metrics_are_not_compared() -> None:
    found = change(UNO, replace(UNO, metric="mae"), "metric")
    assert (found.verdict, found.reason) == (Verdict.NOT_COMPARABLE, "BASE's metric is accuracy, NEW's mae")


@pytest.mark.parametrize(
    ("base", "new", "verdict", "fails"),
    [
        (Status.OK, Status.FAILED, Verdict.WORSE, True),
        (Status.OK, Status.DOES_NOT_FIT, Verdict.WORSE, True),
        (Status.OK, Status.UNAVAILABLE, Verdict.WORSE, True),
        (Status.DOES_NOT_FIT, Status.FAILED, Verdict.WORSE, True),
        (Status.FAILED, Status.OK, Verdict.BETTER, False),
        (Status.UNAVAILABLE, Status.FAILED, Verdict.NOT_COMPARABLE, False),
        (Status.FAILED, Status.FAILED, Verdict.SAME, False),
    ],
)
def test_status(base: Status, new: Status, verdict: Verdict, fails: bool) -> None:
    rows = both(UNO, "status", base, new)
    assert compared(*rows).status is verdict
    assert bool(broken(*rows, "status")) == fails


def test_a_gone_case_breaks_status_and_a_new_one_breaks_nothing() -> None:
    comparison = compare(side(UNO, STM), side(UNO, NATIVE))
    assert {case.case: case.status for case in comparison.cases} == {
        UNO.case: Verdict.SAME,
        STM.case: Verdict.GONE,
        NATIVE.case: Verdict.NEW,
    }
    judgement = Judgement.of(comparison, parse_rules(["any"]))
    assert [(breach.case.case, breach.rule.text) for breach in judgement.breaches] == [(STM.case, "status")]


def test_stack_may_move_by_one_interrupt_and_no_further() -> None:
    assert UNO.stack_bytes is not None
    for more, verdict in ((20, Verdict.SAME), (60, Verdict.WORSE)):
        moved = replace(UNO, stack_bytes=UNO.stack_bytes + more)
        assert change(UNO, moved, "stack").verdict is verdict


def test_what_may_explain_a_change_is_said_and_the_numbers_still_compared() -> None:
    assert UNO.toolchain is not None
    new = replace(
        UNO, model_sha256="ab" * 32, samples=100, toolchain="gcc 12.2 -O3", oracle="tflite", flash_bytes=9999
    )
    found = compared(UNO, new)
    assert found.remarks == (
        f"The model itself changed: {(UNO.model_sha256 or '')[:8]} -> abababab.",
        "Samples measured: 360 -> 100.",
        "Toolchain: gcc ... -O2 -> -O3.",
        "Oracle: tflite-micro 0.dev20261023 -> tflite.",
    )
    assert change(UNO, new, "flash").verdict is Verdict.WORSE


@pytest.mark.parametrize(
    ("base", "new", "shown"),
    [
        ("gcc 12 -O2 -Wall", "gcc 12 -O3 -Wall", "gcc ... -O2 -> -O3"),
        ("gcc 12 -O2", "clang 22 -O2", "gcc 12 -> clang 22"),
        ("gcc 12", "gcc 12 -g", "gcc ... (nothing) -> -g"),
        ("gcc 12", "gcc 13", "12 -> 13"),
    ],
)
def test_only_the_words_of_a_toolchain_that_differ_are_shown(base: str, new: str, shown: str) -> None:
    assert compared(*both(UNO, "toolchain", base, new)).remarks == (f"Toolchain: {shown}.",)


def test_runs_with_other_tools_data_and_hosts_say_so() -> None:
    other = replace(
        PROVENANCE,
        quantrig_version="0.2.0",
        tools=dict(PROVENANCE.tools) | {"avr-gcc": "7.3.0"},
        workloads=dict(PROVENANCE.workloads) | {"sine": dict(PROVENANCE.workloads["sine"]) | {"seed": 2}},
        host=dict(PROVENANCE.host) | {"cores": 64},
    )
    new = Side(label="b", rows=(UNO, NATIVE), provenance=other, pending=2)
    remarks = compare(side(UNO, NATIVE), new).remarks
    assert remarks == (
        "NEW has no row yet for 2 of its planned cases.",
        "quantrig: 0.1.0 -> 0.2.0.",
        "avr-gcc: 5.4.0 -> 7.3.0.",
        "Workload sine differs: seed.",
        "The host differs: wall times are those of two machines.",
    )


def test_a_device_that_is_set_up_otherwise_is_said() -> None:
    """Half the time of a number may be a flash cache that was off."""
    device = {
        "settings": "clock=hse;art=on",
        "cpu_hz": 168,
        "counter": "dwt",
        "counter_hz": 168,
        "address": "a",
    }
    changed = {**device, "settings": "clock=hsi;art=off", "counter_hz": 84, "address": "b"}
    base, new = (
        Side(label="a", rows=(UNO,), provenance=replace(PROVENANCE, devices={"uno:simavr": facts, "x:y": {}}))
        for facts in (device, changed)
    )
    assert compare(base, new).remarks == (
        "The device of uno:simavr: settings clock=hse;art=on -> clock=hsi;art=off.",
    )
    assert compare(base, base).remarks == compare(side(UNO), new).remarks == ()


# --- properties -------------------------------------------------------------------------------------

FIELDS = sorted(QUANTITIES.values())
INTEGERS = st.integers(0, 2_000_000)


@st.composite
def rows_of_one_case(draw: st.DrawFn) -> tuple[Row, Row]:
    """Two rows of a case, with any numbers and any of them missing."""
    like = draw(st.sampled_from([UNO, STM, NATIVE, ESP32, BOARD]))
    pair = []
    for _ in range(2):
        row = replace(
            like,
            status=draw(st.sampled_from(Status)),
            metric=draw(st.sampled_from(["accuracy", "mae"])),
            metric_value=draw(st.none() | st.integers(0, 1000).map(lambda n: n / 1000)),
            latency_ticks_median=draw(st.none() | INTEGERS.map(lambda n: n / 2)),
            latency_ticks_mad=draw(st.none() | st.integers(0, 50).map(float)),
            toolchain=draw(st.sampled_from([like.toolchain, "gcc", None])),
            model_sha256=draw(st.sampled_from([like.model_sha256, "00" * 32])),
        )
        sizes = (
            "flash_bytes",
            "ram_static_bytes",
            "arena_bytes",
            "stack_bytes",
            "tflite_bytes",
            "mismatches",
        )
        values: dict[str, Any] = {name: draw(st.none() | INTEGERS) for name in sizes}
        pair.append(replace(row, **values))
    return pair[0], pair[1]


@given(rows_of_one_case())
def test_a_run_never_breaks_a_rule_against_itself(pair: tuple[Row, Row]) -> None:
    for row in pair:
        judgement = Judgement.of(compare(side(row), side(row)), parse_rules([*TIGHT, *ANY]))
        assert judgement.breaches == ()
        assert not judgement.comparison.cases[0].changed
    terminal(judgement, 80, everything=True)


@given(rows_of_one_case())
def test_swapping_the_runs_swaps_better_and_worse(pair: tuple[Row, Row]) -> None:
    mirror = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    there, back = compared(*pair), compared(pair[1], pair[0])
    assert back.status is mirror.get(there.status, there.status)
    assert [(c.quantity, mirror.get(c.verdict, c.verdict)) for c in there.changes] == [
        (c.quantity, c.verdict) for c in back.changes
    ]
    for first, second in zip(there.changes, back.changes, strict=True):
        assert first.difference == (None if second.difference is None else -second.difference)
