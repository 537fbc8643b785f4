# SPDX-License-Identifier: Apache-2.0
"""What is known of one case while it runs, and how that, or the error that ended it, becomes its Result."""

from __future__ import annotations

import gzip
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.case_log import note
from harness.errors import MismatchError, QuantrigError, ReasonCode, StackBoundError
from harness.graph import Graph, count_macs, count_params
from harness.marks import marks
from harness.records import (
    Clock,
    Footprint,
    LinkRecord,
    Measurement,
    ModelFacts,
    Outcome,
    Result,
    Score,
    Status,
    Verification,
)
from harness.sweep import HARDWARE, Case


@dataclass(kw_only=True, slots=True)
class CaseRun:
    """What is known of a case so far."""

    case: Case
    started: float
    started_at: str
    outcome: Outcome | None = None
    clock: Clock | None = None
    facts: ModelFacts | None = None
    footprint: Footprint | None = None
    measurement: Measurement | None = None
    verification: Verification | None = None
    score: Score | None = None
    toolchain: str | None = None
    link: LinkRecord | None = None
    address: str = ""
    remarks: tuple[str, ...] = ()
    """Doubts that its steps told."""

    def keep_link(self, link: LinkRecord) -> None:
        """Keep what the line went through, also where nothing else comes of it."""
        self.link = link

    def result(self) -> Result:
        if self.outcome is None:
            raise RuntimeError(f"{self.case.id} has not ended")
        return replace(
            ended(self.case, self.outcome),
            started_at=self.started_at,
            seconds=time.monotonic() - self.started,
            clock=self.clock,
            facts=self.facts,
            footprint=self.footprint,
            measurement=self.measurement,
            verification=self.verification,
            score=self.score,
            toolchain=self.toolchain,
            link=self.link,
            address=self.address,
        )


def facts_of(graph: Graph, tflite: bytes) -> ModelFacts:
    """What is known of a variant before any build."""
    return ModelFacts(
        tflite_bytes=len(tflite),
        # no time stamp in the header: the same file has the same size everywhere
        tflite_gzip_bytes=len(gzip.compress(tflite, compresslevel=9, mtime=0)),
        params=count_params(graph),
        macs=count_macs(graph),
        sha256=graph.sha256,
    )


def mismatch(outputs: Sequence[Any], expected: Sequence[Any], verification: Verification) -> MismatchError:
    """The error that says where device and oracle differ, and by how much; one array per output tensor."""
    at = verification.first_mismatch
    where = f"; first in sample {at[0]}, element {at[1]}: " if at else ""
    found, wanted = (np.concatenate([*arrays], axis=1) for arrays in (outputs, expected))
    values = f"{found[at]} instead of {wanted[at]}" if at else ""
    cause = "A kernel or the compiler is wrong; the numbers of this firmware are worth nothing."
    if not verification.oracle.startswith("tflm") and wanted.dtype.kind != "f":
        cause = "A kernel is wrong, or TFLite rounds otherwise here than TFLM, which does not take the model."
    return MismatchError(
        f"{verification.mismatches} of {verification.outputs_compared} outputs differ from "
        f"{verification.oracle}, by at most {verification.max_abs_diff:g}{where}{values}.",
        cause=cause,
        fix="Please report it with the .tflite.",
    )


def check_stack(measurement: Measurement, footprint: Footprint) -> None:
    """The bound decides what fits, so a firmware that passes it proves the bound wrong.

    Raises:
        StackBoundError: it does.
    """
    used, bound = measurement.any_stack_bytes or 0, footprint.stack_reserve_bytes
    if 0 < bound < used:
        raise StackBoundError(
            f"The stack reached {used} bytes; the bound computed from the call graph is {bound}.",
            cause="The stack analysis missed a call or a frame.",
            fix="Please report it with the case's log.",
        )


def warnings_of(run: CaseRun) -> tuple[str, ...]:
    """Doubts about a measured case's numbers."""
    measured = run.measurement
    if measured is None:
        return ()
    warnings = [*run.remarks]
    if run.clock is None:
        warnings.append("the counter of this machine means nothing: outputs are compared, nothing is timed")
    if run.case.target == HARDWARE:
        warnings.extend(marks(measured))
    return tuple(warnings)


def outcome_of(error: Exception, log: Path) -> Outcome:
    """An error as a row's outcome; one that nobody foresaw leaves its traceback in the log."""
    if isinstance(error, QuantrigError):
        return Outcome(status=Status(error.status), reason_code=error.reason_code, reason=str(error))
    note(log, "".join(traceback.format_exception(error)).removesuffix("\n"))
    reason = f"Internal error, please report it: {type(error).__name__}: {error} (traceback in {log})."
    return Outcome(status=Status.FAILED, reason_code=ReasonCode.INTERNAL, reason=reason)


def ended(case: Case, outcome: Outcome) -> Result:
    """A row with nothing measured."""
    return Result(
        case_id=case.id,
        workload=case.workload,
        variant=case.variant_name,
        options=case.options_text,
        engine=case.engine,
        board=case.board,
        target=case.target,
        outcome=outcome,
        started_at=now_text(),
        seconds=0.0,
    )


def now_text() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
