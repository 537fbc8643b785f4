# SPDX-License-Identifier: Apache-2.0
"""A run as its reports look at it: planned cases with or without a row, and what things are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from harness.errors import ReasonCode
from harness.records import Clock, Provenance, Status
from harness.rows import Row, one_line

#: What a figure or table about a clock shows; the order in which they come.
CLOCK_TITLES: Final = {
    Clock.CYCLES: "CPU cycles",
    Clock.INSTRUCTIONS: "Executed instructions",
    Clock.WALL: "Wall time of the host",
}
#: One tick of the clock, in the plural.
TICKS: Final = {Clock.CYCLES: "cycles", Clock.INSTRUCTIONS: "instructions", Clock.WALL: "ticks"}
STATUS_TEXT: Final = {
    Status.OK: "ok",
    Status.DOES_NOT_FIT: "does not fit",
    Status.UNSUPPORTED: "unsupported",
    Status.UNAVAILABLE: "unavailable",
    Status.SKIPPED: "skipped",
    Status.FAILED: "FAILED",
}
QUARANTINED: Final = "quarantined"
HARDWARE: Final = "hardware"
FLOAT: Final = "float32"
#: How each metric is written and read; another one is shown as it is.
METRIC_TITLES: Final = {"accuracy": "accuracy", "mae": "MAE (lower is better)", "auc": "AUC"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A planned case; `row` is None as long as it has not ended."""

    case: str
    workload: str
    variant: str
    """With its options, and its engine where the run has several."""
    board: str
    target: str
    row: Row | None

    @property
    def lane(self) -> str:
        return f"{self.board}:{self.target}"

    @property
    def ok(self) -> Row | None:
        """The row, if it holds a whole measurement."""
        return self.row if self.row is not None and self.row.status is Status.OK else None


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """All entries in planned order, with the provenance that names them."""

    provenance: Provenance
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, rows: Iterable[Row], provenance: Provenance) -> Self:
        by_case = {row.case: row for row in rows}
        parts = {case: re.split("[/@:]", case) for case in provenance.cases}
        engines = {names[2] for names in parts.values()}
        entries = tuple(
            Entry(
                case=case,
                workload=names[0],
                variant=names[1] if len(engines) == 1 else f"{names[1]} ({names[2]})",
                board=names[3],
                target=names[4],
                row=by_case.get(case),
            )
            for case, names in parts.items()
        )
        return cls(provenance=provenance, entries=entries)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(entry.row for entry in self.entries if entry.row is not None)

    @property
    def variants(self) -> tuple[str, ...]:
        return _unique(entry.variant for entry in self.entries)

    @property
    def workloads(self) -> tuple[str, ...]:
        return _unique(entry.workload for entry in self.entries)

    def clock(self, entry: Entry) -> Clock | None:
        """The clock of its target, known also where nothing was measured."""
        if entry.row is not None and entry.row.clock is not None:
            return entry.row.clock
        name = self.provenance.targets.get(entry.lane, {}).get("clock")
        return Clock(name) if name in tuple(Clock) else None

    def clocks(self) -> tuple[Clock | None, ...]:
        """Those of the run, in the order of reports; None for cases whose clock nobody knows."""
        found = {self.clock(entry) for entry in self.entries}
        return tuple(clock for clock in (*CLOCK_TITLES, None) if clock in found)

    def of_clock(self, clock: Clock | None) -> tuple[Entry, ...]:
        """Its entries: by workload, then by lane, then by variant, so that variants can be compared."""
        chosen = [entry for entry in self.entries if self.clock(entry) is clock]
        lanes = _unique(entry.lane for entry in self.entries)
        return tuple(
            sorted(
                chosen,
                key=lambda entry: (
                    self.workloads.index(entry.workload),
                    lanes.index(entry.lane),
                    self.variants.index(entry.variant),
                ),
            )
        )

    def workload_title(self, name: str) -> str:
        """`gesture: Accelerometer gestures (synthetic)`."""
        title = one_line(str(self.provenance.workloads.get(name, {}).get("title", "")))
        if not title:
            return self.workload_name(name)
        return f"{name if 'synthetic' in title else self.workload_name(name)}: {title}"

    def workload_name(self, name: str) -> str:
        """The name, marked where the data are synthetic."""
        synthetic = self.provenance.workloads.get(name, {}).get("synthetic")
        return f"{name} (synthetic)" if synthetic else name

    def board_title(self, name: str) -> str:
        return one_line(str(self.provenance.boards.get(name, {}).get("title") or name))

    def lane_label(self, lane: str) -> str:
        """What numbers of this lane are, one sentence."""
        return lane_label(self.provenance, lane)

    def limit(self, board: str, key: str) -> int | None:
        """`flash_bytes` or `ram_bytes` of a board; None where it has no limit."""
        value = self.provenance.boards.get(board, {}).get(key)
        return value if isinstance(value, int) and value > 0 else None

    def labels(self, entries: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
        """(lanes, label) of the lanes among the entries, those of one label together."""
        return together({lane: self.lane_label(lane) for lane in _unique(entry.lane for entry in entries)})


def status_text(row: Row) -> str:
    """How a report calls the outcome of a row."""
    return QUARANTINED if row.reason_code == ReasonCode.QUARANTINED else STATUS_TEXT[row.status]


def lane_label(provenance: Provenance | None, lane: str) -> str:
    """What numbers of a lane are, one sentence."""
    facts = provenance.targets.get(lane, {}) if provenance is not None else {}
    return one_line(str(facts.get("label") or "What it counts is not recorded."))


def together(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """(lanes, label) from labels by lane; the lanes of one label in one text."""
    lanes: dict[str, list[str]] = {}
    for lane, label in labels.items():
        lanes.setdefault(label, []).append(lane)
    return tuple((", ".join(names), label) for label, names in lanes.items())


def of_workload(entries: Sequence[Entry], workload: str) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry.workload == workload)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def integer(value: float) -> str:
    """`12,345`; a half stays one."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def duration(microseconds: float, digits: int = 4) -> str:
    """So many significant digits with the unit that fits: `185.4 ms`."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{_significant(microseconds / size, digits)} {unit}"
    return f"{_significant(microseconds, digits)} \u00b5s"


def _significant(value: float, digits: int) -> str:
    return f"{value:,.0f}" if value >= 10**digits else f"{value:#.{digits}g}".rstrip(".")


def metric_text(metric: str | None, value: float) -> str:
    """`97.22 %` for an accuracy, four digits for anything else."""
    return f"{value:.2%}".replace("%", " %") if metric == "accuracy" else f"{value:.4g}"
