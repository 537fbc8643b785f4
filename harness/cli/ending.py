# SPDX-License-Identifier: Apache-2.0
"""How a command that shows a run ends: its tables, and the exit code by its rows."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import PLAIN, say
from harness.errors import ReasonCode

if TYPE_CHECKING:
    from rich.console import Console

    from harness.rows import Row


def show_run(console: Console, folder: Path) -> tuple[Row, ...]:
    """Tables and counts of a run; gives its rows."""
    from harness.report import terminal_remarks, terminal_tables
    from harness.run_reader import RunReader

    reader = RunReader.open(folder)
    for table in terminal_tables(reader.rows, reader.provenance):
        console.print(table)
    for remark in terminal_remarks(reader):
        console.print(f"line of {remark}", **PLAIN)
    counts = Counter(row.status.value for row in reader.rows)
    console.print(", ".join(f"{count} {status}" for status, count in counts.items()), highlight=False)
    return reader.rows


def end_by(rows: tuple[Row, ...], *, strict: bool) -> None:
    """Exit 1 if a case failed; 4 if a lane that was asked for is not available; else by the worst reason
    why not one case has a result, which is 3 where every case failed by the model or its data."""
    reasons = {
        status: dict.fromkeys(row.reason for row in rows if row.status.value == status)
        for status in ("failed", "unavailable", "unsupported")
    }
    for row in rows:
        if row.status.value == "failed":
            say(f"failed: {row.case}: {row.reason}")
    empty = not any(row.status.value in ("ok", "does-not-fit") for row in rows)
    if reasons["failed"]:
        by_model = all(row.reason_code == ReasonCode.MODEL for row in rows if row.status.value == "failed")
        sys.exit(3 if empty and by_model else 1)
    for status, code in (("unavailable", 4), ("unsupported", 3)):
        if reasons[status] and (empty or (strict and status == "unavailable")):
            for reason in reasons[status]:
                say(f"{status}: {reason}")
            sys.exit(code)
