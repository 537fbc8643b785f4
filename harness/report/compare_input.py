# SPDX-License-Identifier: Apache-2.0
"""What can be compared: a run's folder, or its results.csv alone (a baseline that somebody committed)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from harness.errors import ConfigError
from harness.records import SCHEMA_VERSION, Provenance
from harness.rows import RESULTS_HEADER, Row, one_line, parse_row
from harness.run_reader import RunReader, find_run

_CASE: Final = re.compile(r"[\w.+=-]+/[\w.+=-]+/[\w.-]+@[\w.-]+:[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One of the two runs."""

    label: str
    rows: tuple[Row, ...]
    """One per case."""
    provenance: Provenance | None
    """None if there is only a table."""
    pending: int = 0
    """Planned cases without a row."""

    @classmethod
    def open(cls, root: Path, name: str) -> Self:
        """A run by folder, by id under `root`, as `latest`, or by its results.csv.

        Raises:
            ConfigError: there is none, or it is malformed.
        """
        path = Path(name)
        if path.is_file():
            if path.name != "results.csv" or not (path.parent / "run.json").exists():
                return cls._of_table(path)
            path = path.parent
        elif (path / "results.csv").is_file() and not (path / "run.json").exists():
            return cls._of_table(path / "results.csv")
        else:
            path = find_run(root, name)
        reader = RunReader.open(path)
        for row in reader.rows:
            _check(row.case, str(path / "results.csv"))
        return cls(
            # Runs of two roots may share a name.
            label=one_line(name if "/" in name else path.resolve().name),
            rows=reader.rows,
            provenance=reader.provenance,
            pending=len(reader.pending),
        )

    @classmethod
    def _of_table(cls, path: Path) -> Self:
        try:
            lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
        except OSError as error:
            raise ConfigError(
                f"Cannot read {path}: {error.strerror}.", fix="Name a run, or a results.csv."
            ) from error
        if not lines or lines[0] != RESULTS_HEADER[:-1]:
            what = f"{path}:1: not the columns of results.csv, schema version {SCHEMA_VERSION}."
            raise ConfigError(what, fix="Name a run, or a results.csv that `quantrig sweep` made.")
        rows: dict[str, Row] = {}
        for number, line in enumerate(lines[1:], 2):
            row = parse_row(line, f"{path}:{number}")
            _check(row.case, f"{path}:{number}")
            # A case that was run again has a second line, and the last one counts.
            rows[row.case] = row
        return cls(label=one_line(str(path)), rows=tuple(rows.values()), provenance=None)


def _check(case: str, where: str) -> None:
    if not _CASE.fullmatch(case):
        raise ConfigError(f"{where}: {one_line(case)!r} is not a case.", fix="Restore the file.")
