# SPDX-License-Identifier: Apache-2.0
"""`./run sizes`: flash, model, RAM and arena of every reference model on every board.

Beside the reference run. Builds only, nothing is run. A plus is growth.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.boards import load_boards
from harness.build import build
from harness.compiler import compile_graph, cpu_named
from harness.errors import DoesNotFitError
from harness.graph import read_tflite
from harness.resources import cache_dir
from harness.rows import Row
from harness.run_reader import RunReader
from harness.sweep import Case

REFERENCE: Final = Path(__file__).resolve().parents[1] / "results" / "reference"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Sizes of one case now and in the reference run, in bytes."""

    case: str
    now: dict[str, int]
    before: dict[str, int | None]


def measure(row: Row) -> Line:
    """Build the row's case from the kept .tflite."""
    case = Case.parse(row.case)
    model = REFERENCE / "models" / f"{case.workload}__{case.variant}.tflite"
    board = load_boards()[case.board]
    source = compile_graph(read_tflite(model.read_bytes(), name=model.name), cpu_named(board.cpu))
    try:
        sizes = build(source, board, case_id=case.id, cache=cache_dir()).sizes
        now = {
            "flash": sizes.flash_bytes,
            "model": sizes.flash_model_bytes,
            "ram": sizes.ram_static_bytes,
            "arena": sizes.arena_bytes,
        }
    except DoesNotFitError as error:
        known = error.sizes or {}
        names = {"flash": "flash_bytes", "model": "flash_model_bytes", "ram": "ram_static_bytes"}
        now = {key: known.get(name, 0) for key, name in names.items()} | {"arena": source.arena_bytes}
    before = {
        "flash": row.flash_bytes,
        "model": row.flash_model_bytes,
        "ram": row.ram_static_bytes,
        "arena": row.arena_bytes,
    }
    return Line(case=row.case, now=now, before=before)


def main() -> None:
    """Print the table."""
    rows = RunReader.open(REFERENCE).rows
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        lines = list(pool.map(measure, rows))
    print(f"{'case':<40}" + "".join(f"{name:>16}" for name in lines[0].now))
    for line in lines:
        cells = []
        for name, now in line.now.items():
            was = line.before[name]
            change = "" if was is None or was == now else f" ({now - was:+d})"
            cells.append(f"{now}{change}".rjust(16))
        print(f"{line.case:<40}" + "".join(cells))


if __name__ == "__main__":
    main()
