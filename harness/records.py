# SPDX-License-Identifier: Apache-2.0
"""What was measured, as frozen values. Raw data are stored; everything derived is derived here, late.

A `Result` is one case's row. `Result.row()` gives the columns of docs/RESULTS.md, in order; a value
that was not measured is None (an empty cell), never zero.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

SCHEMA_VERSION: Final = 2

#: docs/METHOD.md, Verification: a float32 output counts as equal within this much of its own size, or of the
#: largest size in its tensor.
FLOAT_TOLERANCE: Final = 1e-5

#: The counter (as HELLO names it) that is a clock of microseconds: its ticks are wall time on any board.
MICROS: Final = "micros"

#: A 95th percentile of fewer values than this says nothing, so it stays empty.
P95_MIN_VALUES: Final = 100


class Status(enum.StrEnum):
    """How a case ended. Only FAILED makes the exit code non-zero."""

    OK = "ok"
    DOES_NOT_FIT = "does-not-fit"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    SKIPPED = "skipped"
    FAILED = "failed"


class Clock(enum.StrEnum):
    """What one tick is. Numbers of different clocks never share a table column or a plot."""

    CYCLES = "cycles"
    INSTRUCTIONS = "instructions"
    WALL = "wall"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Status of a case with the reason behind it; `reason` is a sentence for every status but OK."""

    status: Status
    reason_code: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status is not Status.OK and not (self.reason and self.reason_code):
            raise ValueError(f"status {self.status} needs a reason and a reason_code")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """What is known of a variant before any build."""

    tflite_bytes: int
    tflite_gzip_bytes: int
    params: int
    macs: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """Memory of one firmware, from its ELF; all in bytes."""

    flash_bytes: int
    flash_model_bytes: int
    ram_static_bytes: int
    arena_bytes: int
    stack_reserve_bytes: int
    """Worst-case stack from the call graph, one interrupt included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One uninterrupted timed stretch of many inferences on the same inputs: it shows the spread."""

    ticks: int
    inferences: int

    def __post_init__(self) -> None:
        if self.ticks < 0 or self.inferences < 1:
            raise ValueError(f"a window of {self.ticks} ticks and {self.inferences} inferences")


@dataclass(frozen=True, kw_only=True, slots=True)
class HostCheck:
    """One stretch of work, timed by the device's counter and by the host's clock."""

    ticks: int
    host_s: float

    def __post_init__(self) -> None:
        if self.ticks < 0 or not (math.isfinite(self.host_s) and self.host_s > 0):
            raise ValueError(f"a host check of {self.ticks} ticks and {self.host_s} s")


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRecord:
    """What the line to one device went through while its case was measured. It moves no number."""

    requests: int = 0
    """Requests that were made, repetitions not counted."""
    retries: int = 0
    """Requests that had to be sent again."""
    resets: int = 0
    """How often the device lost its session and was set up anew."""
    reconnects: int = 0
    """How often the line went away and was opened again."""
    power_cycles: int = 0
    rx_lost: int = 0
    """Bytes the device lost on receiving."""
    baud: int | None = None
    """Rate at the end, in bit/s; None where the line has none."""
    start_baud: int | None = None
    """Rate at which the device starts, in bit/s."""

    def __post_init__(self) -> None:
        counts = (self.requests, self.retries, self.resets, self.reconnects, self.power_cycles, self.rx_lost)
        rates = tuple(rate for rate in (self.baud, self.start_baud) if rate is not None)
        if any(count < 0 for count in counts) or any(rate < 1 for rate in rates):
            raise ValueError(f"not a link record: {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What one device sent."""

    counter: str
    """Name of the hardware counter that timed (docs/PROTOCOL.md)."""
    counter_hz: int
    warmup_ticks: tuple[int, ...]
    ticks: tuple[int, ...]
    """One value per sample of the test set, in its order."""
    outputs: npt.NDArray[Any]
    """(samples, elements of all output tensors), in their dtype; int64 where they are of several, float64
    where one of these is float32."""
    stack_bytes: int | None
    """Deepest of the timed sections, by painting; None where the port cannot tell."""
    firmware_sha256: str
    """As the device echoed it."""
    any_stack_bytes: int | None = None
    """Deepest of all that ran on the device, interrupts and the link's own code included."""
    windows: tuple[Window, ...] = ()
    """Real boards only: how far the same work differs from one stretch to the next."""
    host_check: HostCheck | None = None
    """Real boards only."""
    link: LinkRecord = field(default_factory=LinkRecord)
    settings: str = ""
    """What the port says of clock, caches and wait states: `clock=hse;flash_ws=5` (docs/PROTOCOL.md)."""
    cpu_hz: int | None = None
    """As the device said; None where that means nothing."""

    def __post_init__(self) -> None:
        if len(self.ticks) != len(self.outputs):
            raise ValueError(f"{len(self.ticks)} ticks but {len(self.outputs)} outputs")
        if any(tick < 0 for tick in self.ticks):
            raise ValueError("a negative tick count")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """Comparison of every output element with an independent interpreter's."""

    oracle: str
    outputs_compared: int
    mismatches: int
    max_abs_diff: float
    """In units of the output tensor: LSB for integers."""
    first_mismatch: tuple[int, int] | None = None
    """(sample, element) of the first output that differs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """The workload's metric, computed from what the device sent, and from the oracle's outputs."""

    metric: str
    value: float
    reference: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Everything a run's numbers depend on that is not in its rows; becomes run.json.

    `tools` maps a tool's name to its version line; `boards` maps a board's name to its limits and
    labels: {"flash_bytes", "ram_bytes", "cpu_hz", "title", "notes"}; `workloads` maps a workload to
    {"title", "synthetic", "seed", "metric", "test_samples", ...}; `cases` lists every planned case id.
    """

    run_id: str
    started_at: str
    command: tuple[str, ...]
    quantrig_version: str
    git_revision: str
    host: Mapping[str, Any]
    tools: Mapping[str, str]
    flags: Mapping[str, str]
    boards: Mapping[str, Mapping[str, Any]]
    targets: Mapping[str, Mapping[str, Any]]
    workloads: Mapping[str, Mapping[str, Any]]
    cases: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """What `--resume` needs to rebuild the same sweep (`SweepSpec` as plain values)."""
    devices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By lane, what its device said of itself when it first answered: `Result.device`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try at a case that came to nothing, with what its line went through where that is known."""

    reason_code: str
    reason: str
    seconds: float
    link: LinkRecord | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One case's row: its names, its outcome, and whatever was measured before it ended."""

    case_id: str
    workload: str
    variant: str
    options: str
    engine: str
    board: str
    target: str
    outcome: Outcome
    started_at: str
    """UTC, ISO 8601, to the second."""
    seconds: float
    clock: Clock | None = None
    facts: ModelFacts | None = None
    footprint: Footprint | None = None
    measurement: Measurement | None = None
    verification: Verification | None = None
    score: Score | None = None
    toolchain: str | None = None
    link: LinkRecord | None = None
    """What the line went through, also where the numbers were not kept."""
    attempts: tuple[Attempt, ...] = ()
    """The tries before the one that this row is of."""
    address: str = ""
    """Where the board is; empty for an emulator."""

    @property
    def device(self) -> dict[str, Any] | None:
        """What a measured case's device said of itself, for run.json; None where none answered."""
        measured = self.measurement
        if measured is None:
            return None
        return {
            "settings": measured.settings,
            "cpu_hz": measured.cpu_hz,
            "counter": measured.counter,
            "counter_hz": measured.counter_hz,
            "address": self.address,
        }

    def row(self) -> dict[str, Any]:
        """The columns of docs/RESULTS.md in their order; None where nothing was measured."""
        facts, footprint, measured = self.facts, self.footprint, self.measurement
        checked, score = self.verification, self.score
        ticks = summarize_ticks(measured.ticks) if measured and measured.ticks and self.clock else None
        timed = self.clock in (Clock.CYCLES, Clock.WALL) and measured is not None
        per_us = 1e6 / measured.counter_hz if timed and measured and measured.counter_hz else None
        return {
            "case": self.case_id,
            "workload": self.workload,
            "variant": self.variant,
            "options": self.options,
            "engine": self.engine,
            "board": self.board,
            "target": self.target,
            "clock": self.clock.value if self.clock else None,
            "clock_hz": measured.counter_hz if timed and measured else None,
            "status": self.outcome.status.value,
            "reason_code": self.outcome.reason_code or None,
            "reason": self.outcome.reason or None,
            "warnings": "; ".join(self.outcome.warnings) or None,
            "tflite_bytes": facts and facts.tflite_bytes,
            "tflite_gzip_bytes": facts and facts.tflite_gzip_bytes,
            "params": facts and facts.params,
            "macs": facts and facts.macs,
            "flash_bytes": footprint and footprint.flash_bytes,
            "flash_model_bytes": footprint and footprint.flash_model_bytes,
            "ram_static_bytes": footprint and footprint.ram_static_bytes,
            "arena_bytes": footprint and footprint.arena_bytes,
            "stack_bytes": measured and measured.stack_bytes,
            "latency_ticks_median": ticks and ticks.median,
            "latency_ticks_mad": ticks and ticks.mad,
            "latency_ticks_p95": ticks and ticks.p95,
            "latency_us_median": ticks.median * per_us if ticks and per_us else None,
            "latency_us_p95": ticks.p95 * per_us if ticks and per_us and ticks.p95 is not None else None,
            "metric": score and score.metric,
            "metric_value": score and score.value,
            "metric_reference": score and score.reference,
            "samples": len(measured.ticks) if measured else None,
            "outputs_compared": checked and checked.outputs_compared,
            "mismatches": checked.mismatches if checked else None,
            "max_abs_diff": checked.max_abs_diff if checked else None,
            "oracle": checked and checked.oracle,
            "firmware_sha256": measured and measured.firmware_sha256,
            "model_sha256": facts and facts.sha256,
            "toolchain": self.toolchain,
            "started_at": self.started_at,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class TickSummary:
    """Median, median absolute deviation (unscaled) and 95th percentile of one case's ticks."""

    median: float
    mad: float
    p95: float | None


def summarize_ticks(ticks: tuple[int, ...]) -> TickSummary:
    """Summarise raw ticks; `p95` is None below `P95_MIN_VALUES` values.

    Raises:
        ValueError: there are no ticks.
    """
    if not ticks:
        raise ValueError("no ticks to summarise")
    values = np.asarray(ticks, dtype=np.float64)
    median = float(np.median(values))
    p95 = float(np.percentile(values, 95)) if len(values) >= P95_MIN_VALUES else None
    return TickSummary(median=median, mad=float(np.median(np.abs(values - median))), p95=p95)


def verify(outputs: npt.NDArray[Any], expected: npt.NDArray[Any], oracle: str) -> Verification:
    """Compare device outputs with the oracle's, element by element.

    Both have shape (samples, elements) and the same dtype. Integers must be equal. A float32 may differ
    by `FLOAT_TOLERANCE` x max(abs(expected), largest abs in that sample's expected tensor). A NaN on
    either side alone is a mismatch.

    Raises:
        ValueError: shapes or dtypes differ.
    """
    if outputs.shape != expected.shape or outputs.dtype != expected.dtype:
        shapes = f"{outputs.dtype}{outputs.shape} with {expected.dtype}{expected.shape}"
        raise ValueError(f"cannot compare {shapes}")
    actual, wanted = outputs.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where(actual == wanted, 0.0, np.abs(actual - wanted))
    if np.issubdtype(outputs.dtype, np.integer):
        wrong = outputs != expected
    else:
        sizes = np.where(np.isfinite(wanted), np.abs(wanted), 0.0)
        limit = FLOAT_TOLERANCE * np.maximum(sizes, sizes.max(axis=1, keepdims=True, initial=0.0))
        both_nan = np.isnan(actual) & np.isnan(wanted)
        difference = np.where(both_nan, 0.0, difference)
        wrong = ~(difference <= limit)
    where = np.argwhere(wrong)
    largest = float(np.max(difference, initial=0.0))
    return Verification(
        oracle=oracle,
        outputs_compared=int(outputs.size),
        mismatches=len(where),
        max_abs_diff=math.inf if math.isnan(largest) else largest,
        first_mismatch=(int(where[0][0]), int(where[0][1])) if len(where) else None,
    )
