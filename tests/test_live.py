# SPDX-License-Identifier: Apache-2.0
"""The line that a case leaves on the terminal when it has ended."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.live import Live
from harness.records import Result
from tests.report import fixtures

CASE = fixtures.default_cases()[1]
OK = fixtures.measured(CASE)


@pytest.mark.parametrize(
    ("result", "tries", "text"),
    [
        (OK, 0, " cycles, accuracy 0.9722, 3.5 s\n"),
        (OK, 2, " 3.5 s (failed tries before it: 2)\n"),
        # an emulator whose counter means nothing, and data without labels
        (replace(OK, clock=None, score=None), 0, "  not timed, 3.5 s\n"),
        (fixtures.failed(CASE, "It [bold] broke."), 0, "  It [bold] broke.\n"),
    ],
)
def test_a_case_that_ended_leaves_one_line(result: Result, tries: int, text: str) -> None:
    console = Console(file=io.StringIO(), width=200)
    with Live(console, 7) as live:
        live.ended(CASE.id, result.row(), failed_tries=tries)
    assert isinstance(console.file, io.StringIO)
    line = console.file.getvalue()
    assert line.startswith(f"  1/7 {result.outcome.status.value:<12} {CASE.id}")
    assert line.endswith(text)
