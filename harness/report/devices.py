# SPDX-License-Identifier: Apache-2.0
"""Sections of a report on how its numbers came about: the boards, their lines, their windows, quarantine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from harness.errors import ReasonCode
from harness.links import LinkLine
from harness.marks import MAX_CLOCK_ERROR, MAX_WINDOW_SPREAD, clock_error, summarize_windows
from harness.report.tables import EMPTY, escape_markdown
from harness.report.view import View, integer
from harness.run_reader import RunReader

#: Columns of links.csv that count trouble, with what each is called.
_TROUBLE: Final = {
    "retries": "sent again",
    "resets": "resets",
    "reconnects": "reconnects",
    "power_cycles": "power cycles",
    "rx_lost": "bytes lost",
}
_LINES: Final = """\
What a line went through moves no number: a reply that was damaged is asked for again, and a board that was
reset is set up anew and warmed up before it goes on. Many repetitions are a reason to look at the cable.
The table counts the tries behind the rows that count.
"""
_WINDOWS: Final = f"""\
A window is one timed stretch of many inferences on a board, the writing of their inputs included: windows are
compared with each other only. The spread is the largest window less the smallest, over the median; above
{MAX_WINDOW_SPREAD:.0%} the number is marked. "Clock off" is the board's clock against the host's; beyond
{MAX_CLOCK_ERROR:.0%} times are marked, cycles hold all the same.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tries:
    """All tries at a run's cases, and those behind the rows that count."""

    ever: tuple[LinkLine, ...] = ()
    current: tuple[LinkLine, ...] = ()

    @classmethod
    def of(cls, reader: RunReader) -> Self:
        return cls(ever=reader.links, current=reader.current_links)


NO_TRIES: Final = Tries()


def device_sections(view: View, tries: Tries) -> Iterator[str]:
    """Markdown of each section that has something to say."""
    current = tries.current
    failed = [line for line in tries.ever if line.reason_code]
    if view.provenance.devices or current or failed:
        yield "## Boards and their lines\n"
        if view.provenance.devices:
            yield _devices(view)
        if current:
            yield _LINES
            yield _by_lane(current)
        if troubled := [line for line in current if _troubled(line)]:
            yield f"Cases whose line was not clean:\n\n{_by_case(troubled)}"
        if failed:
            yield "Tries that failed:\n\n" + "".join(map(_try, failed))
    if timed := [line for line in current if line.windows or line.host_check]:
        yield f"## Windows\n\n{_WINDOWS}"
        yield _windows(view, timed)
    yield from _quarantine(view)


def line_remarks(lines: Iterable[LinkLine]) -> Iterator[str]:
    """For a terminal: each lane whose line was not clean, in a sentence."""
    lanes: dict[str, list[LinkLine]] = {}
    for line in lines:
        lanes.setdefault(_lane(line), []).append(line)
    for lane, own in lanes.items():
        sums = {name: _sum(own, column) for column, name in _TROUBLE.items()}
        sums["failed tries"] = sum(1 for line in own if line.reason_code)
        parts = [f"{name} {count}" for name, count in sums.items() if count]
        if parts:
            yield f"{lane}: {', '.join(parts)}."


def _lane(line: LinkLine) -> str:
    return line.case.rpartition("@")[2]


def _troubled(line: LinkLine) -> bool:
    return any(_troubles(line))


def _troubles(line: LinkLine) -> list[int | None]:
    return [getattr(line, column) for column in _TROUBLE]


def _sum(lines: Iterable[LinkLine], column: str) -> int:
    return sum(getattr(line, column) or 0 for line in lines)


def _devices(view: View) -> str:
    rows = []
    for lane, device in view.provenance.devices.items():
        counter_hz, counter = device.get("counter_hz"), str(device.get("counter") or "")
        at = f"{counter}, {integer(counter_hz)} Hz" if isinstance(counter_hz, int) and counter_hz else counter
        cpu_hz = device.get("cpu_hz")
        rows.append(
            (
                lane,
                str(device.get("address") or ""),
                integer(cpu_hz) if isinstance(cpu_hz, int) else "",
                at,
                str(device.get("settings") or "").replace(";", ", "),
            )
        )
    return _grid(("lane", "where", "CPU clock, Hz", "counter", "settings"), rows, align="llrll")


def _by_lane(lines: Sequence[LinkLine]) -> str:
    rows = []
    for lane in dict.fromkeys(map(_lane, lines)):
        own = [line for line in lines if _lane(line) == lane]
        cases = len({line.case for line in own})
        sums = [_sum(own, column) for column in ("requests", *_TROUBLE)]
        rows.append((lane, integer(cases), integer(len(own)), *map(integer, sums), _rates(own)))
    columns = ("lane", "cases", "tries", "requests", *_TROUBLE.values(), "bit/s")
    return _grid(columns, rows)


def _by_case(lines: Sequence[LinkLine]) -> str:
    rows = [
        (
            line.case,
            str(line.attempt),
            *map(_count, _troubles(line)),
            _rates([line]),
        )
        for line in lines
    ]
    return _grid(("case", "try", *_TROUBLE.values(), "bit/s"), rows)


def _count(value: int | None) -> str:
    return "" if value is None else integer(value)


def _rates(lines: Sequence[LinkLine]) -> str:
    """`115,200 to 1,000,000`: the lowest that a try began with, the highest that one ended with."""
    starts = [line.start_baud for line in lines if line.start_baud]
    ends = [line.baud for line in lines if line.baud]
    bounds = [integer(rate) for rate in (min(starts, default=0), max(ends, default=0)) if rate]
    return " to ".join(dict.fromkeys(bounds))


def _try(line: LinkLine) -> str:
    what = f"{line.case}, try {line.attempt}: {line.reason_code}. {line.reason or ''}"
    return f"- {escape_markdown(what)}\n"


def _windows(view: View, lines: Sequence[LinkLine]) -> str:
    rows = []
    for line in lines:
        summary = summarize_windows(line.window_list)
        cells = [""] * 4
        if summary is not None:
            cells = [
                integer(summary.count),
                f"{integer(round(summary.median, 1))} ± {integer(round(summary.mad, 1))}",
                "" if summary.p95 is None else integer(round(summary.p95, 1)),
                f"{summary.spread:.2%}",
            ]
        rows.append((line.case, *cells, *_host_check(view, line)))
    values = ("windows", "ticks per inference, median ± MAD", "p95", "spread", "check, s", "clock off")
    return _grid(("case", *values), rows)


def _host_check(view: View, line: LinkLine) -> tuple[str, str]:
    check, counter_hz = line.host_check, view.provenance.devices.get(_lane(line), {}).get("counter_hz")
    if check is None:
        return "", ""
    error = clock_error(check, counter_hz) if isinstance(counter_hz, int) else None
    return f"{check.host_s:.2f}", "" if error is None else f"{error:+.2%}"


def _quarantine(view: View) -> Iterator[str]:
    rows = [row for row in view.rows if row.reason_code == ReasonCode.QUARANTINED]
    if rows:
        yield "## Quarantine\n\nKnown to be bad, and left out:\n"
        yield "".join(f"- {escape_markdown(f'{row.case}: {row.reason}')}\n" for row in rows)


def _grid(columns: Sequence[str], rows: Sequence[Sequence[str]], *, align: str = "l") -> str:
    """A Markdown table; `align` has l or r for each column, r for those that it does not reach. An empty cell
    was not told."""
    lines = [columns, *([cell or EMPTY for cell in row] for row in rows)]
    texts = ["| " + " | ".join(map(escape_markdown, line)) + " |" for line in lines]
    rules = {"l": " --- |", "r": " ---: |"}
    texts.insert(1, "|" + "".join(rules[side] for side in align.ljust(len(columns), "r")))
    return "\n".join(texts) + "\n"
