# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from harness.records import Clock, Outcome, Status
from harness.report.tables import EMPTY, Table, escape_markdown, markdown_table, tables, terminal_tables
from harness.report.view import Entry, View, duration, integer, metric_text
from harness.rows import Row, format_row, parse_row
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
ROWS = tuple(parse_row(format_row(fixtures.result_of(case))[:-1], "") for case in CASES)
VIEW = View.of(ROWS, PROVENANCE)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


def number(text: str) -> float:
    return float(text.replace(",", ""))


def cells_of(table: Table) -> dict[tuple[str, str], dict[str, str]]:
    """(lane, variant) -> column -> cell."""
    return {(row[0], row[1]): dict(zip(table.columns, row, strict=True)) for row in table.rows}


def terminal(rows: tuple[Row, ...], width: int = 100) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    for part in terminal_tables(rows, PROVENANCE):
        console.print(part)
    return file.getvalue()


def rendered(text: str) -> list[list[str]]:
    """The cells' text of the one Markdown table in `text`, as a browser shows it."""
    tokens = MARKDOWN.parse(text)
    assert [token.type for token in tokens].count("table_open") == 1
    assert not any(token.type.startswith("html") for token in tokens)
    inline = {child.type for token in tokens for child in token.children or []}
    assert inline <= {"text", "text_special", "hardbreak", "softbreak"}
    found: list[list[str]] = []
    inside = False
    for token in tokens:
        inside = token.type in ("th_open", "td_open") or (inside and token.type == "inline")
        if token.type == "tr_open":
            found.append([])
        elif inside and token.type == "inline":
            found[-1].append("".join(child.content for child in token.children or []))
    return found


def test_one_table_per_clock_and_workload() -> None:
    found = [(table.clock, table.workload) for table in tables(VIEW)]
    clocks = (Clock.CYCLES, Clock.INSTRUCTIONS, Clock.WALL)
    assert found == [(clock, workload) for clock in clocks for workload in ("digits", "gesture", "sine")]


def test_clocks_are_never_mixed() -> None:
    lanes = {Clock.CYCLES: "uno:simavr", Clock.INSTRUCTIONS: "stm32f4:qemu", Clock.WALL: "native:native"}
    for table in tables(VIEW):
        assert table.clock is not None
        assert {row[0] for row in table.rows} == {lanes[table.clock]}
        titles = " ".join(table.columns)
        assert ("cycles" in titles) == (table.clock is Clock.CYCLES)
        assert ("instructions" in titles) == (table.clock is Clock.INSTRUCTIONS)
        assert ("time" in titles) == (table.clock is not Clock.INSTRUCTIONS)
        if table.clock is Clock.INSTRUCTIONS:
            assert not re.search(r"[µm]?s\b", " ".join(cell for row in table.rows for cell in row[3:]))


def test_every_planned_case_has_one_line_with_its_numbers() -> None:
    shown = {}
    for table in tables(VIEW):
        for (lane, variant), cells in cells_of(table).items():
            shown[f"{table.workload}/{variant}/aot@{lane}"] = (table.clock, cells)
    assert set(shown) == set(PROVENANCE.cases)
    for row in ROWS:
        clock, cells = shown[row.case]
        if row.status is not Status.OK:
            continue
        check_numbers(row, clock, cells)


def check_numbers(row: Row, clock: Clock | None, cells: dict[str, str]) -> None:
    assert row.samples
    assert row.outputs_compared is not None
    if clock in (Clock.CYCLES, Clock.INSTRUCTIONS):
        median, mad = cells[f"{clock}, median ± MAD"].split(" ± ")
        assert (number(median), number(mad)) == (row.latency_ticks_median, row.latency_ticks_mad)
        assert number(cells[f"{clock}, p95"]) == pytest.approx(row.latency_ticks_p95, abs=0.0501)
    if clock is Clock.CYCLES:
        value, unit = cells["time, median"].split()
        microseconds = number(value) * {"µs": 1, "ms": 1e3, "s": 1e6}[unit]
        assert microseconds == pytest.approx(row.latency_us_median, rel=5e-4)
    flash, model = re.findall(r"[\d,]+", cells["flash (model), B"].replace(", B", ""))
    assert (number(flash), number(model)) == (row.flash_bytes, row.flash_model_bytes)
    static, arena = re.findall(r"[\d,]+", cells["static RAM (arena), B"])
    assert (number(static), number(arena)) == (row.ram_static_bytes, row.arena_bytes)
    assert cells["mismatches"] == f"0 of {row.outputs_compared:,}"
    if row.metric == "accuracy":
        shown = re.match(r"([\d.]+) % \(([\d.]+) to ([\d.]+)\)", cells["accuracy (95 % interval)"])
        assert shown
        assert float(shown[1]) / 100 == pytest.approx(row.metric_value, abs=5e-5)
        assert float(shown[2]) < float(shown[1]) < float(shown[3])
    else:
        assert number(cells["MAE (lower is better)"]) == pytest.approx(row.metric_value, rel=5e-4)


def test_each_empty_cell_leads_to_its_reason() -> None:
    for brief in (False, True):
        for table in tables(View.of(ROWS[:-3], PROVENANCE), brief=brief):
            for row in table.rows:
                for cell in row:
                    if cell.startswith(EMPTY):
                        index = int(
                            "".join(str(SUPERSCRIPTS.index(char)) for char in cell.removeprefix(EMPTY))
                        )
                        assert len(table.notes[index - 1]) > 10


def test_does_not_fit_says_region_needed_and_available() -> None:
    (table,) = (t for t in tables(VIEW) if t.clock is Clock.CYCLES and t.workload == "gesture")
    assert cells_of(table)["uno:simavr", "float32"]["outcome"] == "does not fit¹"
    assert table.notes[0].startswith("flash: needs 40056 bytes, the board has 32256")
    assert "needs 40056 bytes, the board has 32256" in " ".join(terminal(ROWS).split())


def test_the_labels_and_the_word_synthetic_are_shown() -> None:
    text = terminal(ROWS)
    for target in PROVENANCE.targets.values():
        assert target["label"] in text
    assert "gesture (synthetic): Accelerometer gestures" in text
    assert "sine: Noisy sine, regression (synthetic)" in text
    assert "digits (synthetic)" not in text


def test_the_terminal_has_the_main_numbers_in_80_columns() -> None:
    lines = terminal(ROWS, width=80).splitlines()
    for row in ROWS:
        if row.status is Status.OK and row.clock is not Clock.WALL:
            assert row.latency_ticks_median is not None
            assert row.arena_bytes is not None
            wanted = {row.variant, integer(row.latency_ticks_median), integer(row.arena_bytes), "0"}
            assert any(wanted <= set(line.split()) for line in lines), row.case


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_keeps_every_variant(width: int) -> None:
    lines = terminal(ROWS, width=width).splitlines()
    assert max(map(len, lines)) <= width
    for variant in ("float32", "ptq-int8", "qat-int8"):
        starts = [line for line in lines if re.match(rf"(\S+ +)?{variant}\b", line)]
        assert len(starts) == 9
    assert "\u2026" not in "".join(lines)


def test_cases_without_a_row_are_shown() -> None:
    rows = ROWS[:20]
    text = terminal(rows)
    assert text.count("not run") == 7
    assert "--resume" in text
    assert sum(len(table.rows) for table in tables(View.of(rows, PROVENANCE))) == 27
    assert terminal(()).count("not run") == 27


def test_a_clock_that_nobody_knows_has_its_own_tables() -> None:
    provenance = replace(PROVENANCE, targets={})
    row = replace(ROWS[0], clock=None, status=Status.FAILED, reason="It broke.", reason_code="build")
    view = View.of([row, *ROWS[1:]], provenance)
    (table,) = (table for table in tables(view) if table.clock is None and table.workload == "digits")
    assert cells_of(table)["native:native", "float32"]["outcome"] == "FAILED¹"
    assert view.lane_label("native:native") == "What it counts is not recorded."


def test_doubts_stand_beside_the_outcome() -> None:
    rows = (replace(ROWS[0], warnings="2 frames were sent again"), *ROWS[1:])
    (table,) = (
        t for t in tables(View.of(rows, PROVENANCE)) if t.clock is Clock.WALL and t.workload == "digits"
    )
    outcome = cells_of(table)["native:native", "float32"]["outcome"]
    assert outcome.startswith("ok")
    assert table.notes[SUPERSCRIPTS.index(outcome[-1]) - 1] == "2 frames were sent again."
    assert "2 frames were sent again." in terminal(rows)


hostile = st.text(
    alphabet=st.one_of(st.sampled_from("|<>&`*_[]()!\\\n\r\t#-+~$:{}\"'\x1b\0/hrefscipt="), st.characters())
)


@given(hostile)
def test_no_text_breaks_a_markdown_table(reason: str) -> None:
    result = replace(
        fixtures.failed(CASES[1], "-"),
        outcome=Outcome(status=Status.FAILED, reason_code="build", reason=reason or "-"),
    )
    row = parse_row(format_row(result)[:-1], "")
    view = View.of([row, *ROWS[2:]], PROVENANCE)
    table = next(iter(tables(view)))
    text = markdown_table(table)
    found = rendered(text)
    assert found[0] == list(table.columns)
    assert found[1:] == [list(line) for line in table.rows]


def test_cells_show_as_they_are() -> None:
    table = replace(next(tables(VIEW)), columns=("a_b_c", "<i>"), names=1, rows=(("x|*y*", "~z~"),), notes=())
    assert rendered(markdown_table(table)) == [["a_b_c", "<i>"], ["x|*y*", "~z~"]]


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a | b\n| c",
        "[x](javascript:1) ![y](z)",
        "`code` **bold** _it_ ~~no~~ $x$",
        "back\\slash &amp; &lt;",
        "\x1b[31mred",
    ],
)
def test_escaped_text_shows_as_it_is(text: str) -> None:
    escaped = escape_markdown(text)
    assert "\n" not in escaped
    assert "\x1b" not in escaped
    html = MARKDOWN.render(f"| {escaped} |\n| --- |\n")
    shown = re.sub(r"<[^>]+>", "", html).strip()
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, char)
    assert shown == " ".join(text.replace("\x1b", " ").split())
    assert set(re.findall(r"<(\w+)", html)) <= {"table", "thead", "tr", "th"}


def test_control_sequences_never_reach_a_terminal() -> None:
    rows = (
        replace(ROWS[1], status=Status.FAILED, reason="a\x1b[2Jb [bold]c", reason_code="build"),
        *ROWS[2:],
    )
    text = terminal(tuple(parse_again(row) for row in rows))
    assert "\x1b" not in text
    assert "[bold]c" in text


def parse_again(row: Row) -> Row:
    """What the reader makes of the row: text is cleaned when it is stored."""
    return replace(row, reason=" ".join((row.reason or "").replace("\x1b", " ").split()) or None)


def test_variants_name_their_engine_where_there_are_several() -> None:
    cases = ("w/float32/aot@b:t", "w/float32/tflm@b:t")
    view = View.of([], replace(PROVENANCE, cases=cases))
    assert view.variants == ("float32 (aot)", "float32 (tflm)")
    assert [entry.case for entry in view.entries] == list(cases)
    assert isinstance(view.entries[0], Entry)


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0.5, "0.5000 µs"),
        (999.9, "999.9 µs"),
        (1000, "1.000 ms"),
        (185371.1, "185.4 ms"),
        (2.5e6, "2.500 s"),
        (12345e6, "12,345 s"),
    ],
)
def test_durations(microseconds: float, text: str) -> None:
    assert duration(microseconds) == text


def test_numbers_as_text() -> None:
    assert (integer(1234567), integer(12.5), integer(0)) == ("1,234,567", "12.5", "0")
    assert (metric_text("accuracy", 0.97222), metric_text("mae", 0.061234)) == ("97.22 %", "0.06123")
