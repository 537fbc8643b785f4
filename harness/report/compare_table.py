# SPDX-License-Identifier: Apache-2.0
"""A comparison as text: tables for a terminal, Markdown for a CI's summary, JSON for machines."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.errors import ConfigError
from harness.records import Clock
from harness.report.compare import SHARES, CaseChange, Change, Comparison, Verdict
from harness.report.compare_rules import Breach, Judgement
from harness.report.tables import (
    EMPTY,
    KEY,
    Notes,
    Table,
    clock_title,
    escape_markdown,
    markdown_table,
    rich_table,
)
from harness.report.view import CLOCK_TITLES, TICKS, integer, metric_text, status_text, together
from harness.rows import Row, one_line

if TYPE_CHECKING:
    from rich.console import RenderableType

#: Version of the JSON; grows when a key changes its name or meaning.
JSON_VERSION: Final = 1
#: Below this width a terminal has no room for the difference beside the percentage.
_WIDE_COLUMNS: Final = 80
_WRONG: Final = "wrong"


def terminal_parts(judgement: Judgement, *, width: int, everything: bool) -> Iterator[RenderableType]:
    """The comparison for a terminal; `everything` shows numbers that stayed the same, too."""
    from rich.text import Text

    comparison = judgement.comparison
    yield Text("\n".join(_head(comparison)))
    for remark in comparison.remarks:
        yield Text(f"- {one_line(remark)}", style="dim")
    tables = tuple(_tables(comparison, everything=everything, wide=width >= _WIDE_COLUMNS))
    for clock in dict.fromkeys(table.clock for table in tables):
        yield Text(f"\n{clock_title(clock)}", style="bold")
        for lanes, label in _labels(comparison, tables, clock):
            yield Text(f"{lanes}: {label}", style="dim")
        for table in _of_clock(tables, clock):
            yield from rich_table(table, table.workload)
    yield Text("\n" + "\n".join([*_unchanged(comparison, everything=everything), *_verdict(judgement)]))


def markdown(judgement: Judgement) -> str:
    """The comparison for a CI's job summary: broken rules first."""
    comparison = judgement.comparison
    lines = ["# quantrig compare", "", *(f"{escape_markdown(line)}  " for line in _head(comparison)), ""]
    if judgement.rules:
        lines += [f"**{escape_markdown(line)}**  " for line in _verdict(judgement)]
        lines += ["", *(f"- {escape_markdown(breach_text(breach))}" for breach in judgement.breaches), ""]
    lines += [*(f"- {escape_markdown(remark)}" for remark in comparison.remarks), ""]
    tables = tuple(_tables(comparison, everything=False, wide=True))
    for clock in dict.fromkeys(table.clock for table in tables):
        labels = _labels(comparison, tables, clock)
        lines += [f"## {clock_title(clock)}", ""]
        lines += [*(f"{escape_markdown(f'{lanes}: {label}')}  " for lanes, label in labels), ""]
        for table in _of_clock(tables, clock):
            lines += [f"### {escape_markdown(f'{table.lane}  {table.workload}')}", "", markdown_table(table)]
    lines += [escape_markdown(line) for line in _unchanged(comparison, everything=False)]
    return "\n".join(lines) + "\n"


def write_markdown(judgement: Judgement, path: Path) -> None:
    """Put `markdown` into a file.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.write_text(markdown(judgement), encoding="utf-8")
    except OSError as error:
        fix = "Name another file for --markdown."
        raise ConfigError(f"Cannot write {path}: {error.strerror}.", fix=fix) from error


def json_text(judgement: Judgement) -> str:
    """The whole comparison, unchanged numbers included; sorted, one final newline."""
    comparison = judgement.comparison
    plain = {
        "schema_version": JSON_VERSION,
        "base": comparison.base.label,
        "new": comparison.new.label,
        "remarks": list(comparison.remarks),
        "lanes": {lane: comparison.label(lane) for lane in {_lane(case.row) for case in comparison.cases}},
        "cases": [_plain_case(case) for case in comparison.cases],
        "rules": [rule.text for rule in judgement.rules],
        "breaches": [
            {
                "case": breach.case.case,
                "rule": breach.rule.text,
                "quantity": breach.change.quantity if breach.change else "status",
                "text": breach_text(breach),
            }
            for breach in judgement.breaches
        ],
        "unchecked": [{"rule": rule.text, "cases": count} for rule, count in judgement.unchecked],
    }
    return json.dumps(plain, sort_keys=True, indent=2, allow_nan=False) + "\n"


def _plain_case(case: CaseChange) -> dict[str, Any]:
    return {
        "case": case.case,
        "status": {
            "base": case.base.status.value if case.base else None,
            "new": case.new.status.value if case.new else None,
            "verdict": case.status.value,
        },
        "remarks": list(case.remarks),
        "numbers": {change.quantity: _plain_change(change) for change in case.changes},
    }


def _plain_change(change: Change) -> dict[str, Any]:
    comparable = change.verdict is not Verdict.NOT_COMPARABLE
    return {
        "base": _finite(change.base),
        "new": _finite(change.new),
        "difference": change.difference,
        "percent": change.percent,
        "tolerance": change.tolerance if comparable else None,
        "verdict": change.verdict.value,
        "reason": change.reason or None,
        "clock": change.clock.value if change.clock else None,
        "metric": change.metric,
    }


def _finite(value: float | None) -> float | None:
    # JSON has no NaN and no infinity; `reason` says what is wrong with the number.
    return value if value is not None and math.isfinite(value) else None


def breach_text(breach: Breach) -> str:
    """One line: the case, the numbers, the rule."""
    case, change = breach.case, breach.change
    if change is None:
        after = one_line(case.new.reason or "") if case.new is not None else ""
        what = f"status {_status_text(case.base)} -> {_status_text(case.new)}"
        text = f"{what}{f': {after}' if after else ''}"
        return f"{case.case}: breaks {breach.rule.text}: {text}"
    unit = TICKS[change.clock] if change.clock else change.metric or ""
    values = f"{_number(change, change.base)} -> {_number(change, change.new)} {unit}".strip()
    sizes = ", ".join(text for text in (_difference(change), _percent(change)) if text)
    return f"{case.case}: breaks {breach.rule.text}: {change.quantity} {values} ({sizes})"


def _head(comparison: Comparison) -> Iterator[str]:
    base, new = comparison.base, comparison.new
    yield f"BASE {base.label}: {_cases(len(base.rows))}; NEW {new.label}: {_cases(len(new.rows))}"
    joined = Counter(case.status for case in comparison.cases)
    both = len(comparison.cases) - joined[Verdict.NEW] - joined[Verdict.GONE]
    numbers = Counter(change.verdict for case in comparison.cases for change in case.changes)
    parts = [f"{numbers[verdict]} {verdict.value}" for verdict in Verdict if numbers[verdict]]
    lone = "".join(f", {joined[kind]} {kind.value}" for kind in (Verdict.GONE, Verdict.NEW) if joined[kind])
    moved = [f"{joined[kind]} {kind.value}" for kind in (Verdict.WORSE, Verdict.BETTER) if joined[kind]]
    status = f"; status {', '.join(moved)}" if moved else ""
    yield f"{_cases(both)} in both{lone}{status}; numbers: {', '.join(parts) or 'none'}"


def _unchanged(comparison: Comparison, *, everything: bool) -> Iterator[str]:
    count = sum(not case.changed for case in comparison.cases)
    if count and not everything:
        yield f"{_cases(count)} did not change (--all shows them)."


def _verdict(judgement: Judgement) -> Iterator[str]:
    if not judgement.rules:
        return
    rules = ", ".join(rule.text for rule in judgement.rules)
    if judgement.breaches:
        broken = len({breach.case.case for breach in judgement.breaches})
        yield f"Rules broken {len(judgement.breaches)} times, in {_cases(broken)} ({rules})."
    else:
        yield f"No rule is broken ({rules})."
    for rule, count in judgement.unchecked:
        yield f"{rule.text} could not be checked in {_cases(count)}: see the reasons at the numbers."


def _tables(comparison: Comparison, *, everything: bool, wide: bool) -> Iterator[Table]:
    """By clock, workload and lane, as a run's own tables are."""
    cases = [case for case in comparison.cases if everything or case.changed]
    for clock in (*CLOCK_TITLES, None):
        for workload in _unique(case.row.workload for case in comparison.cases):
            for lane in _unique(_lane(case.row) for case in comparison.cases):
                chosen = [
                    case
                    for case in cases
                    if (comparison.clock(case), case.row.workload, _lane(case.row)) == (clock, workload, lane)
                ]
                if chosen:
                    yield _table(clock, chosen, everything=everything, wide=wide)


def _of_clock(tables: Iterable[Table], clock: Clock | None) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.clock is clock)


def _labels(
    comparison: Comparison, tables: Iterable[Table], clock: Clock | None
) -> tuple[tuple[str, str], ...]:
    """(lanes, what their numbers are) of the tables of a clock."""
    lanes = _unique(table.lane for table in _of_clock(tables, clock))
    return together({lane: comparison.label(lane) for lane in lanes})


def _table(clock: Clock | None, cases: Sequence[CaseChange], *, everything: bool, wide: bool) -> Table:
    """Of cases of one clock, workload and lane."""
    notes = Notes()
    several = len({case.row.engine for case in cases}) > 1
    rows: list[tuple[str, ...]] = []
    for case in cases:
        marks = " ".join(notes.mark(one_line(remark)) for remark in case.remarks)
        name = case.case.split("/")[1] + (f" ({case.row.engine})" if several else "") + marks
        if everything or case.status is not Verdict.SAME:
            rows.append((name, "status", *_status_cells(case, notes, wide)))
        rows += [
            (name, _what(change), *_change_cells(change, notes, wide))
            for change in case.changes
            if everything or change.verdict is not Verdict.SAME
        ]
    sizes = ("change", "in %") if wide else ("change",)
    return Table(
        clock=clock,
        workload=cases[0].row.workload,
        lane=_lane(cases[0].row),
        columns=(KEY, "what", "base", "new", *sizes, "verdict"),
        names=2,
        rows=tuple(rows),
        notes=tuple(notes.texts),
    )


def _status_cells(case: CaseChange, notes: Notes, wide: bool) -> tuple[str, ...]:
    after = case.new.reason if case.new is not None else None
    mark = notes.mark(one_line(after)) if after and case.status is not Verdict.SAME else ""
    texts = (_status_text(case.base), _status_text(case.new))
    verdict = EMPTY if case.status is Verdict.NOT_COMPARABLE else case.status.value
    return (*texts, *(("", "") if wide else ("",)), verdict + mark)


def _change_cells(change: Change, notes: Notes, wide: bool) -> tuple[str, ...]:
    difference, percent = _difference(change), _percent(change)
    # A share's difference is in points; a percentage of a percentage would only confuse.
    sizes = (difference, percent) if wide else (percent or difference,)
    if change.verdict is Verdict.NOT_COMPARABLE:
        verdict = EMPTY + notes.mark(f"Not comparable: {one_line(change.reason)}.")
    elif change.verdict is Verdict.SAME and change.difference:
        limit = integer(change.tolerance) if change.tolerance >= 1 else f"{change.tolerance:.2g}"
        verdict = f"same{notes.mark(f'Within {limit}: {change.reason}.')}"
    else:
        verdict = change.verdict.value
    values = [EMPTY if value is None else _number(change, value) for value in (change.base, change.new)]
    return (*values, *sizes, verdict)


def _what(change: Change) -> str:
    if change.quantity == "metric" and change.metric is not None:
        return change.metric
    return _WRONG if change.quantity == "mismatches" else change.quantity


def _number(change: Change, value: float | None) -> str:
    if value is None:
        return EMPTY
    return metric_text(change.metric, value) if change.quantity == "metric" else integer(value)


def _difference(change: Change) -> str:
    difference = change.difference
    if not difference:
        return ""
    if change.metric in SHARES:
        return f"{difference * 100:+.2f} pt"
    sign = "+" if difference > 0 else "-"
    size = abs(difference)
    return sign + (f"{size:.4g}" if change.quantity == "metric" else integer(size))


def _percent(change: Change) -> str:
    """Empty for shares, whose difference is in points, and where base is 0."""
    percent = change.percent
    if not percent or change.metric in SHARES:
        return ""
    return f"{percent:+.2f} %" if abs(percent) >= 0.01 else f"{percent:+.0e} %"


def _status_text(row: Row | None) -> str:
    return "absent" if row is None else status_text(row)


def _cases(count: int) -> str:
    return "1 case" if count == 1 else f"{count} cases"


def _lane(row: Row) -> str:
    return f"{row.board}:{row.target}"


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
