# SPDX-License-Identifier: Apache-2.0
"""report.md: what a run found, in words, tables and plots, and what its numbers are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.records import Clock, Status
from harness.report.devices import NO_TRIES, Tries, device_sections
from harness.report.stats import base_of, ratio
from harness.report.tables import clock_title, escape_markdown, markdown_table, tables
from harness.report.view import (
    FLOAT,
    HARDWARE,
    QUARANTINED,
    STATUS_TEXT,
    TICKS,
    Entry,
    View,
    integer,
    status_text,
)
from harness.rows import Row, Samples

_READING: Final = """\
- **ticks** are what the target's clock counts; each section above has one clock, and clocks are never
  compared. Instructions are not time, so they are not shown as time.
- **median ± MAD**: middle of all inferences of the test set, and the median distance from it. Under an
  emulator the same input always takes the same ticks: a spread there comes from the data alone.
- **p95**: 95 of 100 inferences took at most this; empty below 100 inferences.
- **accuracy (95 % interval)**: share of the test set that the device got right, and where the share among
  all such data probably lies (Wilson). Two variants whose intervals overlap widely may be equally good.
- **flash (model)**: all bytes that are flashed, and how many of them are the model's.
- **static RAM (arena)**: .data and .bss, and how much of it is the buffer of the model's activations.
  **stack** is how deep it really went, measured by painting.
- **mismatches**: output elements that differ from the reference interpreter's, of all that were compared:
  integers at all, float32 by more than 1e-5 of the tensor's largest.
- An empty cell (–) was not measured; its number leads to the reason. Nothing that was not measured is 0.
"""  # noqa: RUF001 - the dash that the tables show


def report_text(
    view: View,
    samples: Mapping[str, Samples],
    plots: Sequence[tuple[str, str]],
    tries: Tries = NO_TRIES,
) -> str:
    """The whole report; `plots` are (path relative to the report, caption)."""
    sections = [
        f"# Run {escape_markdown(view.provenance.run_id)}\n",
        "\n".join(f"- {line}" for line in _summary(view)) + "\n",
        *_results(view, samples),
        *device_sections(view, tries),
        _plots(plots),
        "## How to read this\n\n" + _READING,
        _not_on_hardware(view),
        _provenance(view),
    ]
    return "\n".join(section for section in sections if section)


def _summary(view: View) -> Iterator[str]:
    counts = Counter(status_text(entry.row) for entry in view.entries if entry.row is not None)
    names = (*STATUS_TEXT.values(), QUARANTINED)
    parts = [f"{counts[name]} {name}" for name in names if counts[name]]
    pending = len(view.entries) - counts.total()
    if pending:
        parts.append(f"{pending} not run yet")
    yield f"**{len(view.entries)} cases**: {', '.join(parts) or 'none has ended'}."
    yield _correctness(view)
    for clock in view.clocks():
        if clock is not None:
            yield from _against_float(view, clock)
    for entry in view.entries:
        if entry.row is not None and entry.row.status not in (Status.OK, Status.SKIPPED):
            reason = escape_markdown(entry.row.reason or "")
            yield f"{escape_markdown(entry.case)}: {STATUS_TEXT[entry.row.status]}. {reason}"


def _correctness(view: View) -> str:
    compared = sum(row.outputs_compared or 0 for row in view.rows)
    wrong = [row for row in view.rows if row.mismatches]
    oracles = sorted({escape_markdown(row.oracle) for row in view.rows if row.oracle})
    if not compared:
        return "No output was compared with a reference interpreter."
    against = f"{integer(compared)} output elements compared with {' and '.join(oracles)}"
    if not wrong:
        return f"{against}: **none differs**."
    total = sum(row.mismatches or 0 for row in wrong)
    return f"{against}: **{integer(total)} differ**, in {len(wrong)} cases."


def _against_float(view: View, clock: Clock) -> Iterator[str]:
    """What each other variant costs and gains on each lane, over the workloads that allow it."""
    entries = view.of_clock(clock)
    unit = "time" if clock is Clock.WALL else TICKS[clock]
    for lane in dict.fromkeys(entry.lane for entry in entries):
        for variant in view.variants:
            pairs = [
                (entry, base)
                for entry in entries
                if (entry.lane, entry.variant) == (lane, variant)
                and variant.split()[0] != FLOAT
                and entry.ok
                and (base := base_of(view, entry))
            ]
            columns = {unit: "latency_ticks_median", "arena": "arena_bytes", "flash": "flash_bytes"}
            texts = [
                f"{_range(ratios)} of the {name}"
                for name, column in columns.items()
                if (ratios := [_ratio(entry, base, column) for entry, base in pairs])
            ]
            if texts:
                changes = "".join(f"; {text}" for text in [_quality(pairs)] if text)
                board = escape_markdown(view.board_title(pairs[0][0].board))
                what = f"{escape_markdown(variant)} on {lane}, {board}, compared with {FLOAT}"
                yield f"{what}: {', '.join(texts)}{changes}."


def _ratio(entry: Entry, base: Row, column: str) -> float | None:
    return ratio(getattr(entry.row, column), getattr(base, column))


def _range(ratios: Sequence[float | None]) -> str:
    known = [value for value in ratios if value is not None]
    if not known:
        return "an unknown share"
    low, high = f"{min(known):.2f}", f"{max(known):.2f}"
    return low if low == high else f"{low} to {high}"


def _quality(pairs: Sequence[tuple[Entry, Row]]) -> str:
    """Change per workload: of an accuracy in points, of an MAE as its ratio."""
    points, ratios = [], []
    for entry, base in pairs:
        row = entry.row
        if row is None or row.metric != base.metric or row.metric_value is None or base.metric_value is None:
            continue
        if row.metric == "accuracy":
            change = (row.metric_value - base.metric_value) * 100
            points.append(f"{change:+.2f} points on {entry.workload}")
        elif row.metric == "mae" and base.metric_value:
            ratios.append(f"\u00d7{row.metric_value / base.metric_value:.2f} on {entry.workload}")
    named = {"accuracy": points, "MAE": ratios}
    return "; ".join(f"{name} {', '.join(changes)}" for name, changes in named.items() if changes)


def _results(view: View, samples: Mapping[str, Samples]) -> Iterator[str]:
    shown: set[Clock | None] = set()
    for table in tables(view, samples):
        if table.clock not in shown:
            shown.add(table.clock)
            yield f"## {clock_title(table.clock)}\n"
            entries = view.of_clock(table.clock)
            lines = [f"`{lanes}`: {escape_markdown(label)}  " for lanes, label in view.labels(entries)]
            if table.clock is Clock.CYCLES:
                lines += [f"Times are at {rate}.  " for rate in _rates(entries)]
            yield "\n".join(lines) + "\n"
        yield f"### {escape_markdown(view.workload_title(table.workload))}\n"
        yield markdown_table(table)


def _rates(entries: Sequence[Entry]) -> Iterator[str]:
    """`16 MHz on uno:simavr`, as the devices said."""
    known = {(entry.lane, entry.row.clock_hz) for entry in entries if entry.row and entry.row.clock_hz}
    yield from (f"{hz / 1e6:g} MHz on {lane}" for lane, hz in sorted(known))


def _plots(plots: Sequence[tuple[str, str]]) -> str:
    if not plots:
        return ""
    images = [f"![{escape_markdown(caption)}]({path})\n" for path, caption in plots]
    return "## Plots\n\n" + "\n".join(images)


def _not_on_hardware(view: View) -> str:
    """The lanes that are no board, and what their numbers are worth."""
    labels = view.labels([entry for entry in view.entries if entry.target != HARDWARE])
    if not labels:
        return ""
    every = all(entry.target != HARDWARE for entry in view.entries)
    first = "**Nothing in this run was measured on a board.**" if every else "These lanes are not boards:"
    lines = [f"- `{lanes}`: {escape_markdown(label)}" for lanes, label in labels]
    synthetic = [name for name in view.workloads if view.provenance.workloads.get(name, {}).get("synthetic")]
    if synthetic:
        lines.append(f"- Synthetic data, made by a generator: {', '.join(map(escape_markdown, synthetic))}.")
    return f"## What was not measured on hardware\n\n{first}\n\n" + "\n".join(lines) + "\n"


def _provenance(view: View) -> str:
    """The run's surroundings; run.json has all of it."""
    facts = view.provenance
    general = {
        "started": facts.started_at,
        "command": " ".join(facts.command),
        "quantrig": f"{facts.quantrig_version} {facts.git_revision}".strip(),
        **{f"host {key}": value for key, value in facts.host.items()},
        **{f"tool {key}": value for key, value in facts.tools.items()},
        **{f"flags {key}": value for key, value in facts.flags.items()},
    }
    lines = ["## Provenance", "", "| what | value |", "| --- | --- |"]
    lines += [
        f"| {escape_markdown(str(key))} | {escape_markdown(str(value))} |" for key, value in general.items()
    ]
    lines += [
        "",
        "| board | MCU clock, Hz | flash, B | RAM, B | notes |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for name, board in facts.boards.items():
        numbers = [board.get(key) for key in ("cpu_hz", "flash_bytes", "ram_bytes")]
        cells = [integer(value) if isinstance(value, int) and value else "none" for value in numbers]
        title, notes = escape_markdown(view.board_title(name)), escape_markdown(str(board.get("notes") or ""))
        lines.append(f"| {escape_markdown(name)}: {title} | {' | '.join(cells)} | {notes} |")
    return "\n".join(lines) + "\n"
