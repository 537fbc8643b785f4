# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console

from harness.cli import main
from harness.errors import ConfigError
from harness.records import Clock, Status
from harness.report.compare import (
    INTERRUPT_FRAME_BYTES,
    QUANTITIES,
    REPEATABILITY,
    CaseChange,
    Change,
    Verdict,
    compare,
    repeatability,
)
from harness.report.compare_input import Side
from harness.report.compare_rules import ANY, Judgement, parse_rules
from harness.report.compare_table import breach_text, json_text, markdown, terminal_parts
from harness.rows import Row, format_row, parse_row
from tests.readme import REFERENCE
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
ROWS = {row.case: row for row in (parse_row(format_row(fixtures.result_of(case))[:-1], "") for case in CASES)}
UNO = ROWS["digits/ptq-int8/aot@uno:simavr"]
STM = ROWS["digits/float32/aot@stm32f4:qemu"]
NATIVE = ROWS["digits/ptq-int8/aot@native:native"]
ESP32 = replace(
    STM, case="digits/float32/aot@esp32:qemu", board="esp32", toolchain="clang-22 22.1.8 -mcpu=esp32"
)
BOARD = replace(UNO, case="digits/ptq-int8/aot@uno:hardware", target="hardware", latency_ticks_mad=3.0)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


def side(*rows: Row, label: str = "a") -> Side:
    return Side(label=label, rows=rows, provenance=PROVENANCE)


def compared(base: Row, new: Row) -> CaseChange:
    (case,) = compare(side(base), side(new)).cases
    return case


def change(base: Row, new: Row, quantity: str = "latency") -> Change:
    return next(found for found in compared(base, new).changes if found.quantity == quantity)


def both(like: Row, column: str, base: object, new: object) -> tuple[Row, Row]:
    """Two rows that differ in one column."""
    values: list[dict[str, Any]] = [{column: base}, {column: new}]
    return replace(like, **values[0]), replace(like, **values[1])


def broken(base: Row, new: Row, *rules: str) -> list[str]:
    """Texts of the rules that break."""
    judgement = Judgement.of(compare(side(base), side(new)), parse_rules(rules))
    return [breach.rule.text for breach in judgement.breaches]


def terminal(judgement: Judgement, width: int, *, everything: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    for part in terminal_parts(judgement, width=width, everything=everything):
        console.print(part)
    return file.getvalue()


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


TIGHT = (
    "status", "mismatches", "latency>0", "wall>0", "flash>0", "ram>0", "arena>0", "stack>0", "metric<-0",
    "tflite>0",
)  # fmt: skip


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


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 4000))
def test_a_size_rule_breaks_exactly_beyond_its_limit(base: int, new: int, hundredths: int) -> None:
    """Cross-multiplied integers decide here: no division, no floating point."""
    rows = both(UNO, "flash_bytes", base, new)
    percent = f"flash>{hundredths / 100}%"
    assert bool(broken(*rows, percent)) == ((new - base) * 10_000 > hundredths * base)
    assert bool(broken(*rows, f"flash>{hundredths}B")) == (new - base > hundredths)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 4000), st.sampled_from([UNO, ESP32]))
def test_a_latency_rule_breaks_exactly_beyond_limit_and_tolerance(
    base: int, new: int, hundredths: int, like: Row
) -> None:
    rows = both(like, "latency_ticks_median", float(base), float(new))
    real = new - base > (1 if like is ESP32 else 0)
    percent = f"latency>{hundredths / 100}%"
    assert bool(broken(*rows, percent)) == (real and (new - base) * 10_000 > hundredths * base)
    assert bool(broken(*rows, f"latency>{hundredths}")) == (real and new - base > hundredths)


@given(st.integers(1, 500), st.data(), st.integers(0, 1000))
def test_an_accuracy_rule_counts_points(samples: int, data: st.DataObject, tenths: int) -> None:
    base, new = (data.draw(st.integers(0, samples)) for _ in range(2))
    rows = both(UNO, "metric_value", base / samples, new / samples)
    rule = f"metric<-{tenths / 10}%"
    assert bool(broken(*rows, rule)) == ((base - new) * 1000 > tenths * samples)


@pytest.mark.parametrize("samples", [200, 360, 600, 1000, 1800])
def test_exactly_half_a_point_is_no_more_than_half_a_point(samples: int) -> None:
    """Whatever the floats of both shares round to."""
    half = Fraction(samples, 200)
    for right in range(-(-samples // 200) + 1, samples + 1):
        rows = both(UNO, "metric_value", right / samples, float((right - half) / samples))
        assert not broken(*rows, "metric<-0.5%")


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_percentages_agree_with_exact_fractions(base: int, new: int) -> None:
    assume(base != new)
    found = change(*both(UNO, "ram_static_bytes", base, new), "ram")
    exact = Fraction(new - base, base) * 100
    assert found.difference == new - base
    assert found.percent == pytest.approx(float(exact), rel=1e-12)


def test_more_from_nothing_breaks_any_percentage() -> None:
    rows = both(UNO, "arena_bytes", 0, 1)
    assert broken(*rows, "arena>1000%") == ["arena>1000%"]
    assert broken(rows[1], rows[0], "arena>0") == []


def test_mae_rules_are_relative_and_absolute() -> None:
    rows = both(replace(UNO, metric="mae"), "metric_value", 0.1, 0.101)
    assert broken(*rows, "metric<-0.9%", "metric<-1%", "metric<-0.0009", "metric<-0.001") == [
        "metric<-0.9%",
        "metric<-0.0009",
    ]


def test_wall_time_breaks_only_the_rule_that_names_it() -> None:
    slow = replace(NATIVE, latency_ticks_median=(NATIVE.latency_ticks_median or 0) * 3)
    assert broken(NATIVE, slow, "latency>0", "any") == []
    assert broken(NATIVE, slow, "wall>150%", "wall>250%") == ["wall>150%"]
    cycles = replace(UNO, latency_ticks_median=(UNO.latency_ticks_median or 0) * 3)
    assert broken(UNO, cycles, "wall>0") == []


# --- rules as text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("latency", "'latency>2%'"),
        ("latncy>3%", "'latency>3%'"),
        ("latency>=2%", "'latency>2%'"),
        ("latency<2%", "'latency>2%'"),
        ("latency>5ms", "'latency>2%'"),
        ("latency>\u0663%", "'latency>2%'"),
        ("ram>1MB", "'ram>64B'"),
        ("ram>1e3", "'ram>64B'"),
        ("ram>2kB", "'ram>2KiB'"),
        ("LATENCY>2%", "'latency>2%'"),
        ("flash > 1 %", "'flash>1%'"),
        ("ram>64b", "'ram>64B'"),
        ("ram>64kib", "'ram>64KiB'"),
        ("ram>-64B", "'ram>64B'"),
        ("metric>0.5%", "'metric<-0.5%'"),
        ("metric<0.5%", "'metric<-0.5%'"),
        ("latency>64B", "'latency>64'"),
        ("statsu", "'status'"),
        ("status>0", "'status'"),
        ("mismatches>2%", "'mismatches'"),
        ("", "latency>2%, "),
        ("frobnicate", "metric<-0.5%, "),
        ("latency>2%,", "latency>2%, "),
    ],
)
def test_a_malformed_rule_is_refused_with_the_nearest_right_form(text: str, right: str) -> None:
    with pytest.raises(ConfigError, match="is not a rule") as caught:
        parse_rules([text])
    assert right in caught.value.fix
    suggested = re.search(r"Did you mean '([^']+)'", caught.value.fix)
    if suggested:
        parse_rules([suggested[1]])


@given(st.text(alphabet="latencyflshrmeic<>-0123456789.%BKi, ", max_size=14))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rules = parse_rules([text])
    except ConfigError:
        return
    assert rules


def test_rules_come_repeated_in_lists_and_once_each() -> None:
    rules = parse_rules(["latency>2%, flash>0", "any", "flash>0", "ram>1.5KiB"])
    assert [rule.text for rule in rules][:2] == ["latency>2%", "flash>0"]
    assert {rule.text for rule in rules} == {*ANY, "flash>0", "ram>1.5KiB"}
    assert rules[-1].limit == 1536
    assert parse_rules([]) == ()


# --- what is shown ----------------------------------------------------------------------------------


def doctored(row: Row) -> Row:
    if row.case == UNO.case:
        return replace(row, latency_ticks_median=999_999.0, model_sha256="cd" * 32)
    if row.case == STM.case:
        return replace(row, status=Status.FAILED, reason="a <b>|bad</b> `end`", latency_ticks_median=None)
    return row


RULES = parse_rules(["any"])
COMPARISON = compare(
    side(*ROWS.values()), side(*(doctored(row) for row in list(ROWS.values())[:-1]), label="<script>|b")
)
JUDGEMENT = Judgement.of(COMPARISON, RULES)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("everything", [False, True])
def test_tables_keep_their_width_and_their_numbers(width: int, everything: bool) -> None:
    text = terminal(JUDGEMENT, width, everything=everything)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    line = next(line for line in text.splitlines() if "999,999" in line)
    base = UNO.latency_ticks_median or 0
    assert f"{base:,.0f}" in line, "numbers must not be folded"
    assert f"{(999_999 - base) / base:+.2%}".replace("%", " %") in line
    assert line.rstrip().endswith("worse")
    assert (f"+{999_999 - base:,.0f}" in line) == (width >= 80)
    assert ("same" in text.split("\nCPU cycles\n")[1]) == everything


def test_only_what_changed_is_shown_unless_all_is_asked_for() -> None:
    text = terminal(JUDGEMENT, 120)
    assert "24 cases did not change" in text
    assert "gesture" not in text
    assert "gesture" in terminal(JUDGEMENT, 120, everything=True)


@pytest.mark.parametrize("known_by", ["base", "new"])
def test_every_lane_shown_is_labelled_for_what_its_numbers_are(known_by: str) -> None:
    """Most of all the ESP32's, which is none."""
    label = "Instructions of LLVM's code <on> QEMU's core; no ESP32"
    known = replace(PROVENANCE, targets={"esp32:qemu": {"label": label, "clock": "instructions"}})
    sides = {
        name: replace(side(row), provenance=known if name == known_by else None)
        for name, row in (("base", ESP32), ("new", replace(ESP32, flash_bytes=1)))
    }
    judgement = Judgement.of(compare(sides["base"], sides["new"]), ())
    assert f"Executed instructions\nesp32:qemu: {label}\n" in terminal(judgement, 120)
    assert f"esp32:qemu: {label}" in MARKDOWN.render(markdown(judgement)).replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    assert json.loads(json_text(judgement))["lanes"] == {"esp32:qemu": label}
    nameless = compare(*(replace(found, provenance=None) for found in sides.values()))
    assert "esp32:qemu: What it counts is not recorded." in terminal(Judgement.of(nameless, ()), 120)


def test_markdown_shows_hostile_text_as_text() -> None:
    text = markdown(JUDGEMENT)
    tokens = MARKDOWN.parse(text)
    inline = [child for token in tokens for child in token.children or []]
    assert not any(token.type.startswith("html") for token in [*tokens, *inline])
    shown = "\n".join(child.content for child in inline)
    assert "<script>|b" in shown
    assert "a <b>|bad</b> `end`" in shown
    widths = {row.count("|") - row.count("\\|") for row in text.splitlines() if row.startswith("| ")}
    assert len(widths) == 1, "each row has all its cells"


def test_json_holds_every_number_of_every_case() -> None:
    plain = json.loads(json_text(JUDGEMENT))
    assert [case["case"] for case in plain["cases"]] == list(ROWS)
    found = next(case for case in plain["cases"] if case["case"] == UNO.case)
    assert found["numbers"]["latency"] | {"reason": ""} == {
        "base": UNO.latency_ticks_median,
        "new": 999_999.0,
        "difference": 999_999.0 - (UNO.latency_ticks_median or 0),
        "percent": pytest.approx((999_999.0 / (UNO.latency_ticks_median or 1) - 1) * 100),
        "tolerance": 0.0,
        "verdict": "worse",
        "reason": "",
        "clock": "cycles",
        "metric": None,
    }
    assert found["numbers"]["flash"]["verdict"] == "same"
    assert {(breach["case"], breach["rule"]) for breach in plain["breaches"]} == {
        (UNO.case, "latency>2%"),
        (STM.case, "status"),
        (list(ROWS)[-1], "status"),
    }


def test_json_stays_json_with_numbers_that_are_none() -> None:
    comparison = compare(side(UNO), side(replace(UNO, latency_ticks_median=float("inf"))))
    plain = json.loads(json_text(Judgement.of(comparison, ())))
    assert plain["cases"][0]["numbers"]["latency"]["new"] is None


def test_a_breach_names_case_numbers_and_rule() -> None:
    (breach,) = Judgement.of(
        compare(side(UNO), side(replace(UNO, latency_ticks_median=(UNO.latency_ticks_median or 0) * 2))),
        parse_rules(["latency>2%"]),
    ).breaches
    ticks = f"{UNO.latency_ticks_median:,.0f}"
    assert breach_text(breach).startswith(f"{UNO.case}: breaks latency>2%: latency {ticks} -> ")
    assert breach_text(breach).endswith(f" cycles (+{ticks}, +100.00 %)")


# --- the command ------------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def quantrig(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `quantrig compare` in a folder with results/reference; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("reference", "new"):
        (tmp_path / "results" / name).mkdir(parents=True)
        for file in ("run.json", "results.csv"):
            shutil.copy(REFERENCE / file, tmp_path / "results" / name)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["compare", *arguments])
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


def edit(path: Path, case: str, **cells: Callable[[str], str]) -> None:
    """Change cells of a case's line in a results.csv."""
    with path.open(newline="") as file:
        header, *lines = list(csv.reader(file))
    for line in lines:
        if line[0] == case:
            for column, make in cells.items():
                line[header.index(column)] = make(line[header.index(column)])
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])


CASE = "digits/ptq-int8/aot@uno:simavr"


def test_the_reference_run_equals_itself(quantrig: Run) -> None:
    code, out, err = quantrig("reference", "new", "--fail-on", "any," + ",".join(TIGHT))
    assert (code, err) == (0, "")
    assert re.search(r"(\d+) cases in both; numbers: \d+ same\n\n\1 cases did not change", out)


def test_a_slower_case_fails_by_its_rule_and_is_shown_without(quantrig: Run, tmp_path: Path) -> None:
    edit(
        tmp_path / "results" / "new" / "results.csv",
        CASE,
        latency_ticks_median=lambda ticks: str(float(ticks) * 1.03),
        flash_bytes=lambda size: str(int(size) + 2),
    )
    code, out, err = quantrig("reference", "new")
    assert (code, err) == (0, "")
    assert "+3.00 %" in out
    assert quantrig("reference", "new", "--fail-on", "latency>4%,flash>2B")[0] == 0
    code, _, err = quantrig("reference", "new", "--fail-on", "latency>2%", "--fail-on", "flash>1")
    assert code == 1
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        [CASE, "breaks latency>2%"],
        [CASE, "breaks flash>1"],
    ]
    code, out, _ = quantrig("reference", "new", "--fail-on", "latency>2%", "--json", "--markdown", "s.md")
    assert code == 1
    assert json.loads(out)["breaches"][0]["case"] == CASE
    assert "breaks latency&gt;2%" in (tmp_path / "s.md").read_text()
    assert quantrig("new", "reference", "--fail-on", "any")[0] == 0, "faster is no failure"


def test_a_lone_results_csv_is_a_baseline(quantrig: Run, tmp_path: Path) -> None:
    base = tmp_path / "baseline.csv"
    shutil.copy(REFERENCE / "results.csv", base)
    code, out, _ = quantrig("baseline.csv", "latest", "--fail-on", "any")
    assert code == 0
    assert "BASE is a table without run.json" in out
    # An editor that saves without the last newline, or with CR LF, does no harm.
    base.write_bytes(base.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))
    assert quantrig("baseline.csv", "new", "--fail-on", "any")[0] == 0
    edit(base, CASE, arena_bytes=lambda size: str(int(size) - 1))
    assert quantrig("baseline.csv", "results/new/results.csv", "--fail-on", "arena>0")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("reference", "nope"), ("No run 'nope'",)),
        (("reference", "new", "--fail-on", "latency>two"), ("not a rule", "latency>2%")),
        (("text.csv", "new"), ("text.csv:1", "columns")),
        (("torn.csv", "new"), ("torn.csv:2", "cells")),
        (("hostile.csv", "new"), ("hostile.csv:2", "is not a case")),
        (("other.csv", "new"), ("no case in common",)),
        (("reference", "new", "--markdown", "results"), ("Cannot write results",)),
        (("reference",), ("Missing argument 'NEW'",)),
    ],
    ids=" ".join,
)
def test_what_cannot_be_compared_is_said_by_exit_code_two(
    quantrig: Run, tmp_path: Path, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    lines = (REFERENCE / "results.csv").read_bytes().split(b"\n")
    case = lines[1].split(b",")[0]
    (tmp_path / "text.csv").write_text("case,flash\n")
    (tmp_path / "torn.csv").write_bytes(lines[0] + b"\n" + lines[1][:40])
    (tmp_path / "hostile.csv").write_bytes(lines[0] + b"\n" + lines[1].replace(case, b"<b>/x|y/z@a:b"))
    (tmp_path / "other.csv").write_bytes(lines[0] + b"\n" + lines[1].replace(case, b"w/v/aot@b:t"))
    code, _, err = quantrig(*arguments)
    assert code == 2
    assert "Traceback" not in err
    for part in parts:
        assert part in err, err


def test_the_documentation_has_the_rules_and_tolerances_of_the_code() -> None:
    text = (REFERENCE.parents[1] / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    section = text.split("## Comparing two runs")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line
    ]
    rules = [rule for row in rows if len(row) == 2 for rule in re.findall(r"`([^`]+)`", row[0])]
    assert {rule.name for rule in parse_rules([rule for rule in rules if rule != "rule"])} >= {
        *QUANTITIES,
        "wall",
    }
    assert next(re.findall(r"`([^`]+)`", row[1]) for row in rows if row[0] == "`any`") == list(ANY)
    latency = [row[2] for row in rows if row[0] == "latency"]
    assert [re.findall(r"\d+", cell)[0] for cell in latency] == ["0", "1", "0", "2", "25"]
    assert [max(rule.absolute_ticks, 100 * rule.relative) for rule in REPEATABILITY] == [0, 1, 0, 0, 25, 2]
    stack = next(row[2] for row in rows if row[0] == "stack")
    assert {int(size) for size in re.findall(r"\d+", stack)} == set(INTERRUPT_FRAME_BYTES.values())
