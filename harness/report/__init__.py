# SPDX-License-Identifier: Apache-2.0
"""Results -> text and pictures: `report.md` and `plots/` in a run's folder, tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import ConfigError
from harness.report.compare import compare
from harness.report.compare_input import Side
from harness.report.compare_rules import Judgement, parse_rules
from harness.report.devices import Tries, line_remarks
from harness.report.markdown import report_text
from harness.report.plots import figures
from harness.report.style import save
from harness.report.tables import terminal_tables
from harness.report.view import View
from harness.run_reader import RunReader

__all__ = ["compare_runs", "terminal_remarks", "terminal_tables", "write_report"]


def write_report(run: Path) -> Path:
    """Write report.md and plots/*.png into a run's folder, in place of older ones; gives report.md.

    The same results give the same bytes.

    Raises:
        ConfigError: not a results folder, or one that cannot be written.
    """
    reader = RunReader.open(run)
    view = View.of(reader.rows, reader.provenance)
    samples = {row.case: found for row in reader.rows if (found := reader.samples(row.case)) is not None}
    folder, report = run / "plots", run / "report.md"
    try:
        folder.mkdir(exist_ok=True)
        images = []
        for stem, caption, figure in figures(view):
            path = folder / f"{stem}.png"
            temporary = folder / f".{stem}.tmp.png"
            save(figure, temporary)
            temporary.replace(path)
            images.append((f"plots/{path.name}", caption))
        current = {folder / Path(name).name for name, _ in images}
        for stale in set(folder.glob("*.png")) - current:
            stale.unlink()
        temporary = run / ".report.md.tmp"
        temporary.write_text(report_text(view, samples, images, Tries.of(reader)), encoding="utf-8")
        temporary.replace(report)
    except OSError as error:
        raise ConfigError(
            f"Cannot write the report of {run}: {error.strerror}.", fix="Free space or permit it."
        ) from error
    return report


def terminal_remarks(reader: RunReader) -> Iterator[str]:
    """What a run's lines went through, a sentence per lane that was not clean."""
    return line_remarks(reader.current_links)


def compare_runs(root: Path, base: str, new: str, rules: Sequence[str]) -> Judgement:
    """Compare two runs under `root`, given by folder, name, `latest` or results.csv, and apply the rules.

    Raises:
        ConfigError: a wrong rule, no such run, or two runs without a case in common.
    """
    parsed = parse_rules(rules)
    sides = Side.open(root, base), Side.open(root, new)
    comparison = compare(*sides)
    if not any(case.base and case.new for case in comparison.cases):
        first = [side.rows[0].case if side.rows else "no row" for side in sides]
        raise ConfigError(
            f"{base} and {new} have no case in common.",
            cause=f"BASE has {first[0]}, NEW has {first[1]}.",
            fix="Compare runs of the same workloads, variants and lanes.",
        )
    return Judgement.of(comparison, parsed)
