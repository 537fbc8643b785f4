# SPDX-License-Identifier: Apache-2.0
"""Tables of a run: one per clock and workload, every empty cell with its reason below.

The same cells become Markdown and a terminal's table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from harness.records import P95_MIN_VALUES, Clock, Provenance
from harness.report.stats import doubts, metric_interval
from harness.report.view import (
    CLOCK_TITLES,
    METRIC_TITLES,
    TICKS,
    Entry,
    View,
    duration,
    integer,
    metric_text,
    of_workload,
    status_text,
)
from harness.rows import Row, Samples, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

EMPTY: Final = "–"  # noqa: RUF001 - an en dash is what tables show for nothing
#: Heading of the column that says what a line is about.
KEY: Final = "variant"
_SUPERSCRIPTS: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NOT_TIMED: Final = "No inference was timed."
_NO_RATE: Final = "The rate of this clock is not known, so that ticks cannot become time."
_NO_P95: Final = f"A p95 needs {P95_MIN_VALUES} samples."
_NO_LABELS: Final = "The workload has no labels, so that there is nothing to score."
_NO_SIZE: Final = "This target's firmware has no such size."
_NO_STACK: Final = "This port cannot tell how deep its stack went."
_NO_ORACLE: Final = "No reference interpreter ran this model, so that nothing was compared."
_NOT_RUN: Final = "This case has no row yet: continue the run with --resume."


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of measured values; `why_empty` explains a None in a row that is ok."""

    title: str
    cell: Callable[[Row], str | None]
    why_empty: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Text of one table. The first columns are names, left-aligned; the others are values."""

    clock: Clock | None
    workload: str
    lane: str
    """The lane of all rows, where it is not a column; else empty."""
    columns: tuple[str, ...]
    names: int
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    """Note n (from 1) is what a cell's superscript n means."""


class Notes:
    """Numbers each distinct note once."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return str(self.texts.index(text) + 1).translate(_SUPERSCRIPTS)


def tables(
    view: View, samples: Mapping[str, Samples] | None = None, *, brief: bool = False
) -> Iterator[Table]:
    """All tables, by clock and then by workload. `samples` by case sharpen the doubts.

    Brief ones, for a terminal, have the main values only, and the outcome in place of the first value.
    """
    for clock in view.clocks():
        entries = view.of_clock(clock)
        for workload in view.workloads:
            if chosen := of_workload(entries, workload):
                yield _table(clock, workload, chosen, samples or {}, brief)


def _table(
    clock: Clock | None, workload: str, entries: Sequence[Entry], samples: Mapping[str, Samples], brief: bool
) -> Table:
    metric = _metric_title(entries)
    columns = tuple(_brief_columns(clock, metric) if brief else _full_columns(clock, metric))
    notes = Notes()
    rows = []
    for entry in entries:
        outcome, reason = _outcome(entry)
        marks = [notes.mark(reason)] if reason else []
        if not reason and entry.row is not None:
            marks = [notes.mark(doubt) for doubt in doubts(entry.row, samples.get(entry.case))]
        outcome += " ".join(marks)
        values = []
        for column in columns:
            text = column.cell(entry.row) if entry.row is not None else None
            values.append(EMPTY + notes.mark(reason or column.why_empty) if text is None else text)
        if not brief:
            rows.append((entry.lane, entry.variant, outcome, *values))
        elif reason:
            rows.append((entry.lane, entry.variant, outcome, *values[1:]))
        else:
            rows.append((entry.lane, entry.variant + " ".join(marks), *values))
    names = ("board", KEY) if brief else ("board", KEY, "outcome")
    # A terminal has no room to repeat what is the same in all rows.
    same = brief and len({entry.lane for entry in entries}) == 1
    return Table(
        clock=clock,
        workload=workload,
        lane=entries[0].lane if same else "",
        columns=(*names, *(column.title for column in columns))[same:],
        names=len(names) - same,
        rows=tuple(row[same:] for row in rows),
        notes=tuple(notes.texts),
    )


def _outcome(entry: Entry) -> tuple[str, str]:
    """What is shown for the status, and the reason unless it is ok."""
    if entry.row is None:
        return "not run", _NOT_RUN
    if entry.ok:
        return "ok", ""
    return status_text(entry.row), entry.row.reason or f"No reason given ({entry.row.reason_code})."


def _metric_title(entries: Sequence[Entry]) -> str:
    metrics = sorted({entry.row.metric for entry in entries if entry.row is not None and entry.row.metric})
    return "/".join(METRIC_TITLES.get(metric, metric) for metric in metrics) or "metric"


def _full_columns(clock: Clock | None, metric: str) -> Iterator[Column]:
    if clock is Clock.WALL:
        yield Column(title="time, median ± MAD", cell=_wall, why_empty=_NO_RATE)
        yield Column(title="time, p95", cell=lambda row: _time(row.latency_us_p95), why_empty=_NO_P95)
    elif clock is not None:
        unit = TICKS[clock]
        yield Column(title=f"{unit}, median ± MAD", cell=_ticks, why_empty=_NOT_TIMED)
        yield Column(title=f"{unit}, p95", cell=lambda row: _number(row.latency_ticks_p95), why_empty=_NO_P95)
        # Instructions are never dressed up as time: they have no such column.
        if clock is Clock.CYCLES:
            yield Column(
                title="time, median", cell=lambda row: _time(row.latency_us_median), why_empty=_NO_RATE
            )
    title = f"{metric} (95 % interval)" if metric == "accuracy" else metric
    yield Column(title=title, cell=_metric, why_empty=_NO_LABELS)
    yield Column(
        title="flash (model), B",
        cell=lambda row: _pair(row.flash_bytes, row.flash_model_bytes),
        why_empty=_NO_SIZE,
    )
    yield Column(
        title="static RAM (arena), B",
        cell=lambda row: _pair(row.ram_static_bytes, row.arena_bytes),
        why_empty=_NO_SIZE,
    )
    yield Column(title="stack, B", cell=lambda row: _number(row.stack_bytes), why_empty=_NO_STACK)
    yield Column(title="mismatches", cell=_mismatches, why_empty=_NO_ORACLE)


def _brief_columns(clock: Clock | None, metric: str) -> Iterator[Column]:
    if clock in (Clock.CYCLES, Clock.INSTRUCTIONS):
        unit = TICKS[clock]
        yield Column(title=unit, cell=lambda row: _number(row.latency_ticks_median), why_empty=_NOT_TIMED)
    if clock in (Clock.CYCLES, Clock.WALL):
        yield Column(title="time", cell=lambda row: _time(row.latency_us_median), why_empty=_NO_RATE)
    yield Column(
        title=metric.removesuffix(" (lower is better)"),
        cell=lambda row: None if row.metric_value is None else metric_text(row.metric, row.metric_value),
        why_empty=_NO_LABELS,
    )
    yield Column(title="flash B", cell=lambda row: _number(row.flash_bytes), why_empty=_NO_SIZE)
    yield Column(title="RAM B", cell=lambda row: _number(row.ram_static_bytes), why_empty=_NO_SIZE)
    yield Column(title="arena B", cell=lambda row: _number(row.arena_bytes), why_empty=_NO_SIZE)
    yield Column(title="wrong", cell=lambda row: _number(row.mismatches), why_empty=_NO_ORACLE)


def _ticks(row: Row) -> str | None:
    if row.latency_ticks_median is None or row.latency_ticks_mad is None:
        return None
    return f"{integer(row.latency_ticks_median)} ± {integer(row.latency_ticks_mad)}"


def _time(microseconds: float | None) -> str | None:
    return None if microseconds is None else duration(microseconds)


def _mismatches(row: Row) -> str | None:
    if row.mismatches is None or row.outputs_compared is None:
        return None
    return f"{integer(row.mismatches)} of {integer(row.outputs_compared)}"


def _wall(row: Row) -> str | None:
    if row.latency_us_median is None or not row.latency_ticks_median or row.latency_ticks_mad is None:
        return None
    mad_us = row.latency_ticks_mad * row.latency_us_median / row.latency_ticks_median
    return f"{duration(row.latency_us_median)} ± {duration(mad_us, 2)}"


def _metric(row: Row) -> str | None:
    if row.metric_value is None:
        return None
    text = metric_text(row.metric, row.metric_value)
    bounds = metric_interval(row)
    return f"{text} ({bounds[0] * 100:.1f} to {bounds[1] * 100:.1f})" if bounds else text


def _pair(whole: int | None, part: int | None) -> str | None:
    if whole is None:
        return None
    return integer(whole) if part is None else f"{integer(whole)} ({integer(part)})"


def _number(value: float | None) -> str | None:
    return None if value is None else integer(value)


def escape_markdown(text: str) -> str:
    """Text as it is, on one line, in a Markdown table or list: no markup, no HTML, no cell border."""
    line = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{char}" if char in "\\`*_[]|~$" else char for char in line)


def markdown_table(table: Table) -> str:
    """The table in Markdown, its notes below it."""
    lines = [_markdown_row(table.columns)]
    lines.append("|" + " --- |" * table.names + " ---: |" * (len(table.columns) - table.names))
    lines += [_markdown_row(row) for row in table.rows]
    if table.notes:
        lines.append("")
        lines += [
            f"{str(number).translate(_SUPERSCRIPTS)} {escape_markdown(note)}  "
            for number, note in enumerate(table.notes, 1)
        ]
    return "\n".join(lines) + "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(escape_markdown, cells)) + " |"


def terminal_tables(rows: Iterable[Row], provenance: Provenance) -> Iterator[RenderableType]:
    """The tables for a terminal: for each clock what it counts, its tables, and their notes."""
    from rich.text import Text

    view = View.of(rows, provenance)
    shown: set[Clock | None] = set()
    for table in tables(view, brief=True):
        if table.clock not in shown:
            shown.add(table.clock)
            yield Text(f"\n{clock_title(table.clock)}", style="bold")
            for target, label in view.labels(view.of_clock(table.clock)):
                yield Text(f"{target}: {label}", style="dim")
        yield from rich_table(table, view.workload_title(table.workload))


def rich_table(table: Table, title: str) -> Iterator[RenderableType]:
    """One table for a terminal, and its notes."""
    from rich.cells import cell_len
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        title=Text(f"{table.lane}  {title}".strip()), title_justify="left", box=None, pad_edge=False
    )
    for index, heading in enumerate(table.columns):
        justify: Literal["left", "right"] = "left" if index < table.names else "right"
        is_key = heading == KEY
        drawn.add_column(
            Text(heading, style="bold"),
            justify=justify,
            # A narrow terminal folds the values: a line without its variant says nothing.
            no_wrap=is_key,
            min_width=max(cell_len(row[index]) for row in table.rows) if is_key else None,
            overflow="fold",
        )
    for row in table.rows:
        drawn.add_row(*(Text(cell, style=_style(cell)) for cell in row))
    yield drawn
    for number, note in enumerate(table.notes, 1):
        yield Text(f"  {str(number).translate(_SUPERSCRIPTS)} {note}", style="dim")


def _style(cell: str) -> str:
    styles = {"FAILED": "red", "worse": "red", "gone": "red", "does not fit": "yellow", "better": "green"}
    return next((style for start, style in styles.items() if cell.startswith(start)), "")


def clock_title(clock: Clock | None) -> str:
    return "Not timed" if clock is None else CLOCK_TITLES[clock]
