# SPDX-License-Identifier: Apache-2.0
"""The table in README.md, made from the committed reference run: `python -m tests.readme --write`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from harness.records import Clock, Status
from harness.rows import Row
from harness.run_reader import RunReader

ROOT: Final = Path(__file__).resolve().parents[1]
REFERENCE: Final = ROOT / "results" / "reference"
BEGIN: Final = "<!-- reference table: begin -->\n"
END: Final = "<!-- reference table: end -->"
_HEAD: Final = (
    "workload",
    "variant",
    "board",
    "latency, median",
    "quality",
    "flash",
    "RAM",
    "arena",
    "stack",
    "wrong",
)


def table() -> str:
    """Markdown of the emulated boards' rows; the native lane is in the report."""
    rows = [row for row in RunReader.open(REFERENCE).rows if row.clock is not Clock.WALL]
    lines = [_line(_HEAD), _line(["---"] * 3 + ["---:"] * 7)]
    lines += [_line(_cells(row)) for row in rows if row.target != "native"]
    notes = [f"\\* {row.case}: {row.reason}" for row in rows if row.status is Status.DOES_NOT_FIT]
    return "\n".join([*lines, "", *notes, ""])


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Row) -> list[str]:
    synthetic = RunReader.open(REFERENCE).provenance.workloads[row.workload]["synthetic"]
    names = [f"{row.workload}{' (synthetic)' if synthetic else ''}", row.variant, f"{row.board}:{row.target}"]
    memory = [
        _bytes(row.flash_bytes),
        _bytes(row.ram_static_bytes),
        _bytes(row.arena_bytes),
        _bytes(row.stack_bytes),
    ]
    if row.status is not Status.OK:
        return [*names, f"{row.status.value.replace('-', ' ')} \\*", "", *memory, ""]
    assert row.latency_ticks_median is not None
    assert row.metric_value is not None
    assert row.clock is not None
    latency = f"{row.latency_ticks_median:,.0f} {row.clock.value}"
    if row.latency_us_median is not None:
        latency += f" = {row.latency_us_median / 1000:.1f} ms"
    accurate = row.metric == "accuracy"
    quality = f"{row.metric_value:.2%}" if accurate else f"MAE {row.metric_value:.4f}"
    return [*names, latency, quality, *memory, f"{row.mismatches} of {row.outputs_compared:,}"]


def _bytes(size: int | None) -> str:
    return "" if size is None else f"{size:,}"


def replaced(readme: str) -> str:
    """The text of README.md with the table of today."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + table() + END + tail


if __name__ == "__main__":
    file = ROOT / "README.md"
    if sys.argv[1:] == ["--write"]:
        file.write_text(replaced(file.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(table())
