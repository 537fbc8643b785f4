# SPDX-License-Identifier: Apache-2.0
"""Two runs, case by case: what got better, what got worse, and what cannot be compared.

Rows are joined by case. Ticks are compared within one clock only, and a difference counts only beyond what
two runs of the same firmware differ by: `REPEATABILITY` says how much that is, and why.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass
from typing import Final

from harness.records import Clock, Status
from harness.report.compare_input import Side
from harness.report.compare_remarks import case_remarks, run_remarks
from harness.report.view import lane_label
from harness.rows import Row


class Verdict(enum.StrEnum):
    """What became of a number, or of a case's status."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    NOT_COMPARABLE = "not comparable"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Repeatability:
    """By how many ticks two medians of the same firmware and model may differ."""

    clock: Clock | None
    """None: any."""
    target: str | None
    family: str
    """Found at the start of a word of the board's name or toolchain; empty: any."""
    absolute_ticks: float = 0.0
    relative: float = 0.0
    """Share of the larger median."""
    or_mad: bool = False
    """The runs' own median absolute deviation counts where it is larger."""
    why: str

    def fits(self, row: Row) -> bool:
        words = f"{row.board} {row.toolchain or ''}"
        return (
            self.clock in (None, row.clock)
            and self.target in (None, row.target)
            and re.search(rf"(?<![A-Za-z]){self.family}", words) is not None
        )


#: The first that fits a row counts.
REPEATABILITY: Final = (
    Repeatability(
        clock=Clock.CYCLES,
        target="simavr",
        family="",
        why="simavr gives the same cycles for the same firmware and input in every run",
    ),
    Repeatability(
        clock=Clock.INSTRUCTIONS,
        target="qemu",
        family="esp32",
        # CCOUNT advances 2.56 ticks per instruction and each run starts at another phase of it: a count moves
        # by at most one tick, thus by one instruction, and so does the median of such counts.
        absolute_ticks=1.0,
        why="QEMU's Xtensa counter ticks 2.56 times per instruction: a count repeats within one instruction",
    ),
    Repeatability(
        clock=Clock.INSTRUCTIONS,
        target="qemu",
        family="",
        why="QEMU counts every instruction of its Arm machines",
    ),
    Repeatability(
        clock=Clock.INSTRUCTIONS,
        target="renode",
        family="",
        why="Renode's CPU counts every instruction it executes",
    ),
    Repeatability(
        clock=Clock.WALL,
        target=None,
        family="",
        relative=0.25,
        or_mad=True,
        why="wall time moves with whatever else the computer does: shown, never judged by a latency rule",
    ),
    Repeatability(
        clock=None,
        target=None,
        family="",
        relative=0.02,
        or_mad=True,
        why="caches, wait states and interrupts of a real board: 2 %, or the runs' own MAD if that is larger",
    ),
)

#: Deepest stack by painting: it depends on whether an interrupt hit the deepest call, so that two runs differ
#: by its frame. target -> bytes. AVR: the return address and what the handler saves; Cortex-M with FPU: 104
#: bytes by the architecture, and the handler's own.
INTERRUPT_FRAME_BYTES: Final = {"simavr": 32, "hardware": 128, "qemu": 128, "renode": 128}

#: A metric is a sum in floating point: another machine may round it otherwise.
METRIC_ROUNDING: Final = 1e-9

#: Whether more of a metric is worse.
MORE_IS_WORSE: Final = {"accuracy": False, "auc": False, "mae": True}
#: Metrics that are shares of one: their differences are points.
SHARES: Final = frozenset({"accuracy", "auc"})

#: What is compared, by the name that rules use -> column of results.csv.
QUANTITIES: Final = {
    "latency": "latency_ticks_median",
    "flash": "flash_bytes",
    "ram": "ram_static_bytes",
    "arena": "arena_bytes",
    "stack": "stack_bytes",
    "metric": "metric_value",
    "mismatches": "mismatches",
    "tflite": "tflite_bytes",
}
SIZES: Final = frozenset({"flash", "ram", "arena", "stack", "tflite"})

#: ok is best; a failure is worse than a result that says no. Where either is missing here, nothing was tried.
_RANK: Final = {Status.OK: 0, Status.DOES_NOT_FIT: 1, Status.UNSUPPORTED: 1, Status.FAILED: 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One number of one case in both runs; None where it was not measured."""

    quantity: str
    base: float | None
    new: float | None
    verdict: Verdict
    tolerance: float = 0.0
    """A difference up to this is none; in the number's own unit."""
    reason: str = ""
    """Why the numbers cannot be compared, or where the tolerance comes from."""
    more_is_worse: bool = True
    clock: Clock | None = None
    """Of a latency."""
    metric: str | None = None
    """Name of a metric."""

    @property
    def difference(self) -> float | None:
        """new - base; None if they cannot be compared."""
        if self.verdict is Verdict.NOT_COMPARABLE or self.base is None or self.new is None:
            return None
        return self.new - self.base

    @property
    def percent(self) -> float | None:
        """The difference in percent of base; None also where base is 0."""
        difference = self.difference
        return difference * 100 / abs(self.base) if difference is not None and self.base else None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseChange:
    """One case of either run."""

    case: str
    row: Row
    """The newer of its rows, for its names."""
    base: Row | None
    new: Row | None
    status: Verdict
    changes: tuple[Change, ...]
    """Of every quantity that at least one run measured, if both have the case."""
    remarks: tuple[str, ...]
    """What else differs and may explain the changes, a sentence each."""

    @property
    def clock(self) -> Clock | None:
        return next((row.clock for row in (self.new, self.base) if row is not None and row.clock), None)

    @property
    def changed(self) -> bool:
        """Whether anything is other than the same."""
        return self.status is not Verdict.SAME or any(
            change.verdict is not Verdict.SAME for change in self.changes
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All cases of both runs, by planned order of BASE and then of NEW."""

    base: Side
    new: Side
    cases: tuple[CaseChange, ...]
    remarks: tuple[str, ...]

    def label(self, lane: str) -> str:
        """What the numbers of a lane are, as the newer run that knows it says."""
        for side in (self.new, self.base):
            if side.provenance is not None and lane in side.provenance.targets:
                return lane_label(side.provenance, lane)
        return lane_label(None, lane)

    def clock(self, case: CaseChange) -> Clock | None:
        """What timed the case, or would have: what does not fit stands beside what does."""
        if case.clock is not None:
            return case.clock
        lane = f"{case.row.board}:{case.row.target}"
        for side in (self.new, self.base):
            name = side.provenance.targets.get(lane, {}).get("clock") if side.provenance is not None else None
            if name in tuple(Clock):
                return Clock(name)
        return None


def compare(base: Side, new: Side) -> Comparison:
    """Join two runs by case."""
    before, after = ({row.case: row for row in side.rows} for side in (base, new))
    names = dict.fromkeys([*before, *after])
    return Comparison(
        base=base,
        new=new,
        cases=tuple(_case(name, before.get(name), after.get(name)) for name in names),
        remarks=tuple(run_remarks(base, new)),
    )


def _case(case: str, base: Row | None, new: Row | None) -> CaseChange:
    if base is None or new is None:
        row, status = (base, Verdict.GONE) if base is not None else (new, Verdict.NEW)
        if row is None:
            raise ValueError(f"{case} is in neither run")
        return CaseChange(case=case, row=row, base=base, new=new, status=status, changes=(), remarks=())
    changes = (_change(quantity, base, new) for quantity in QUANTITIES)
    return CaseChange(
        case=case,
        row=new,
        base=base,
        new=new,
        status=_status(base.status, new.status),
        changes=tuple(change for change in changes if change is not None),
        remarks=tuple(case_remarks(base, new)),
    )


def _status(base: Status, new: Status) -> Verdict:
    if base is new:
        return Verdict.SAME
    if Status.OK in (base, new):
        return Verdict.WORSE if base is Status.OK else Verdict.BETTER
    before, after = _RANK.get(base), _RANK.get(new)
    if before is None or after is None or before == after:
        return Verdict.NOT_COMPARABLE
    return Verdict.WORSE if after > before else Verdict.BETTER


def _change(quantity: str, base: Row, new: Row) -> Change | None:
    """None if neither run measured it."""
    before, after = (_value(row, quantity) for row in (base, new))
    if before is None and after is None:
        return None
    reason = _obstacle(quantity, base, new)
    clock = new.clock if quantity == "latency" and base.clock is new.clock else None
    if reason or before is None or after is None:
        verdict = Verdict.NOT_COMPARABLE
        return Change(quantity=quantity, base=before, new=after, verdict=verdict, reason=reason, clock=clock)
    metric = new.metric if quantity == "metric" else None
    more_is_worse = MORE_IS_WORSE[metric] if metric else True
    tolerance, why = _tolerance(quantity, base, new)
    difference = after - before
    if abs(difference) <= tolerance:
        verdict = Verdict.SAME
    else:
        verdict = Verdict.WORSE if (difference > 0) == more_is_worse else Verdict.BETTER
    return Change(
        quantity=quantity,
        base=before,
        new=after,
        verdict=verdict,
        tolerance=tolerance,
        reason=why,
        more_is_worse=more_is_worse,
        clock=clock,
        metric=metric,
    )


def _value(row: Row, quantity: str) -> float | None:
    value = getattr(row, QUANTITIES[quantity])
    return None if value is None else float(value) if quantity in ("latency", "metric") else int(value)


def _obstacle(quantity: str, base: Row, new: Row) -> str:
    """Why the numbers cannot be compared; empty if they can."""
    for name, row in (("BASE", base), ("NEW", new)):
        value = _value(row, quantity)
        if value is None:
            status = "" if row.status is Status.OK else f": {row.status.value}"
            return f"{name} did not measure it{status}"
        if not math.isfinite(value):
            return f"{quantity} of {name} is no number"
    if quantity == "latency":
        return _clock_obstacle(base, new)
    if quantity == "metric" and base.metric != new.metric:
        return f"BASE's metric is {base.metric}, NEW's {new.metric}"
    if quantity == "metric" and base.metric not in MORE_IS_WORSE:
        return f"whether more or less {base.metric} is better is not known"
    return ""


def _clock_obstacle(base: Row, new: Row) -> str:
    if base.clock is not new.clock or base.clock is None:
        names = [row.clock.value if row.clock else "an unknown clock" for row in (base, new)]
        return f"BASE counts {names[0]}, NEW {names[1]}"
    # The tick of a cycle counter is a cycle at any rate; the tick of a wall clock is what its rate says.
    if base.clock is Clock.WALL and base.clock_hz != new.clock_hz:
        return f"BASE's clock ticks at {base.clock_hz} Hz, NEW's at {new.clock_hz}"
    return ""


def repeatability(row: Row) -> Repeatability:
    """What repeats how well on the row's lane."""
    return next(rule for rule in REPEATABILITY if rule.fits(row))


def _tolerance(quantity: str, base: Row, new: Row) -> tuple[float, str]:
    """What two runs may differ by, and why. The same whichever run is called BASE."""
    largest = max(abs(_value(row, quantity) or 0) for row in (base, new))
    if quantity == "latency":
        mad = max(row.latency_ticks_mad or 0.0 for row in (base, new))
        return max(
            (max(rule.absolute_ticks, rule.relative * largest, mad if rule.or_mad else 0.0), rule.why)
            for rule in (repeatability(base), repeatability(new))
        )
    if quantity == "stack":
        return INTERRUPT_FRAME_BYTES.get(new.target, 0), "an interrupt at the deepest call adds its frame"
    if quantity == "metric":
        return METRIC_ROUNDING * largest, "rounding of floating point"
    return 0, ""
