# SPDX-License-Identifier: Apache-2.0
"""Runs on the disk that the store's tests write, and what makes one sound."""

from __future__ import annotations

import resource as limits
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.links import link_lines
from harness.records import Attempt, LinkRecord, Result
from harness.rows import format_row, parse_row
from harness.run_reader import RunReader
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
RESULTS = tuple(fixtures.result_of(case) for case in CASES)
SMALL = tuple(fixtures.measured(case, samples=4) for case in CASES[-9:-6])
#: What a killed child was writing: enough of it that a kill falls into the middle of a case.
MEDIUM = tuple(fixtures.measured(case, samples=60) for case in CASES)
TROUBLE = Attempt(
    reason_code="hang",
    reason='It said "bye", then\nnothing.',
    seconds=0.5,
    link=LinkRecord(requests=7, resets=1),
)
#: A case that came through at the third try.
TRIED = replace(SMALL[2], attempts=(TROUBLE, replace(TROUBLE, link=None)))
#: Of the first of SMALL, with another number of samples.
SEVEN = fixtures.measured(CASES[-9], samples=7)
ADDED = {(result.case_id, result.row()["samples"]): result for result in (*RESULTS, *MEDIUM, *SMALL, SEVEN)}
LINES = {key: link_lines(result, row=1, earlier=0) for key, result in ADDED.items()}


def run_of(root: Path, results: Sequence[Result]) -> Path:
    return fixtures.write_run(root, results)


def assert_sound(reader: RunReader) -> None:
    """Every row is one that was added, whole, with the samples that belong to it."""
    for row in reader.rows:
        result = ADDED[row.case, row.samples]
        assert row == parse_row(format_row(result)[:-1], "")
        samples = reader.samples(row.case)
        if result.measurement is None:
            assert samples is None
        else:
            assert samples is not None
            assert samples.ticks == result.measurement.ticks
            assert samples.warmup_ticks == result.measurement.warmup_ticks
            np.testing.assert_array_equal(samples.outputs, result.measurement.outputs)
    lines = [LINES.get((row.case, row.samples), ()) for row in reader.all_rows]
    numbers = [number for number, of_row in enumerate(lines, 1) for _ in of_row]
    assert [line.row for line in reader.links] == numbers
    last = {line.case: line for line in reader.links}
    for row in reader.rows:
        for line in LINES[row.case, row.samples][-1:]:
            assert last[row.case] == replace(line, row=last[row.case].row, attempt=last[row.case].attempt)
    attempts = [line.attempt for line in reader.links if line.case == SMALL[0].case_id]
    assert attempts == list(range(1, len(attempts) + 1))
    assert set(reader.provenance.devices) >= {
        f"{row.board}:{row.target}" for row in reader.rows if row.samples
    }


@contextmanager
def files_end_at(size_bytes: int) -> Iterator[None]:
    """No file can grow beyond this, as on a full disk."""
    old = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (size_bytes, old[1]))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, old)


def contents(path: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in path.iterdir() if item.is_file()}
