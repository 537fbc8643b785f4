# SPDX-License-Identifier: Apache-2.0
"""`./run sizes`: flash, model, RAM and arena of every reference model on every board.

Beside the reference run (a plus is growth), and how far off `quantrig analyze` estimates flash and RAM.
Builds only, nothing is run.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.analyze import fit
from harness.boards import load_boards
from harness.build import build
from harness.compiler import compile_graph, cpu_named, lower
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
    estimate: str


def measure(row: Row) -> Line:
    """Build the row's case from the kept .tflite."""
    case = Case.parse(row.case)
    model = REFERENCE / "models" / f"{case.workload}__{case.variant}.tflite"
    board = load_boards()[case.board]
    graph, cpu = read_tflite(model.read_bytes(), name=model.name), cpu_named(board.cpu)
    source, found = compile_graph(graph, cpu), fit(lower(graph, cpu), board).footprint
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
    estimate = "unknown"
    if found is not None and now["flash"]:
        flash, ram = found.flash_bytes - now["flash"], found.ram_static_bytes - now["ram"]
        estimate = f"flash {flash:+d} ({flash / now['flash']:+.2%}), RAM {ram:+d}"
    return Line(case=row.case, now=now, before=before, estimate=estimate)


def main() -> None:
    """Print the table."""
    rows = RunReader.open(REFERENCE).rows
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        lines = list(pool.map(measure, rows))
    print(f"{'case':<40}" + "".join(f"{name:>16}" for name in lines[0].now) + "  estimate")
    for line in lines:
        cells = []
        for name, now in line.now.items():
            was = line.before[name]
            change = "" if was is None or was == now else f" ({now - was:+d})"
            cells.append(f"{now}{change}".rjust(16))
        print(f"{line.case:<40}{''.join(cells)}  {line.estimate}")


if __name__ == "__main__":
    main()
