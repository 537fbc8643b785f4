# SPDX-License-Identifier: Apache-2.0
"""A run's folder as anybody reads it, also while its writer is at work or after a kill (docs/RESULTS.md)."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from harness.errors import ConfigError
from harness.links import LINKS_HEADER, LinkLine, parse_link
from harness.records import SCHEMA_VERSION, Provenance, Status
from harness.rows import (
    COLUMNS,
    RESULTS_HEADER,
    SAMPLES_HEADER,
    TEST,
    WARMUP,
    Row,
    Samples,
    parse_provenance,
    parse_row,
    parse_samples,
)

if TYPE_CHECKING:
    import pandas as pd


#: A case with one of these is run again by `--resume`: another try can change the outcome.
UNFINISHED: Final = frozenset({Status.FAILED, Status.UNAVAILABLE})


def find_run(root: Path, name: str) -> Path:
    """The folder of a run given by path, by id under `root`, or as `latest`.

    Raises:
        ConfigError: there is none.
    """
    runs = sorted(path.parent for path in root.glob("*/run.json"))
    if name == "latest" and runs:
        return max(runs, key=lambda run: ((run / "run.json").stat().st_mtime, run.name))
    for path in (root / name, Path(name)):
        with contextlib.suppress(OSError):  # a name too long is none of a run
            if path.is_dir():
                return path
    names = [run.name for run in runs]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[-3:]
    fix = f"There are: {', '.join(near)}." if near else "Start one with `quantrig sweep`."
    raise ConfigError(f"No run {name!r} in {root}.", fix=fix)


# No slots: cached_property keeps its value in the instance's dict.
@dataclasses.dataclass(frozen=True, kw_only=True)
class RunReader:
    """A run as it lies on the disk, also while another process writes it."""

    path: Path
    provenance: Provenance
    rows: tuple[Row, ...]
    """One per case that has one, the last of it, in planned order."""
    all_rows: tuple[Row, ...]
    """As stored, superseded ones included."""
    whole_results_bytes: int
    """Length of results.csv without a torn last line."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read run.json and results.csv; samples.csv is read when it is asked for.

        Raises:
            ConfigError: no results folder, of a newer schema, or malformed; with file and line.
        """
        file = path / "run.json"
        provenance = parse_provenance(_read(file), str(file))
        stored, whole_bytes = _read_rows(path / "results.csv", provenance.cases)
        last = {row.case: row for row in stored}
        return cls(
            path=path,
            provenance=provenance,
            rows=tuple(last[case] for case in provenance.cases if case in last),
            all_rows=stored,
            whole_results_bytes=whole_bytes,
        )

    @property
    def finished(self) -> frozenset[str]:
        """Cases that `--resume` need not run again."""
        return frozenset(row.case for row in self.rows if row.status not in UNFINISHED)

    @property
    def pending(self) -> tuple[str, ...]:
        """Planned cases that have no row yet."""
        have = {row.case for row in self.rows}
        return tuple(case for case in self.provenance.cases if case not in have)

    def samples(self, case: str) -> Samples | None:
        """The samples behind the row of `case`; None where nothing was measured.

        Raises:
            ConfigError: samples.csv does not agree with results.csv.
        """
        row = next((row for row in self.rows if row.case == case), None)
        if row is None or row.samples is None:
            return None
        first, lines = self._blocks[case]
        return parse_samples(lines, str(self.path / "samples.csv"), first + 1)

    def frame(self) -> pd.DataFrame:
        """The rows as a DataFrame, nullable dtypes, for notebooks."""
        import pandas as pd

        table = pd.DataFrame([dataclasses.asdict(row) for row in self.rows], columns=list(COLUMNS))
        return table.convert_dtypes()

    @cached_property
    def links(self) -> tuple[LinkLine, ...]:
        """The attempts behind all stored rows, in their order; none in runs that are older than links.csv.

        Raises:
            ConfigError: links.csv is damaged, or does not agree with results.csv.
        """
        path = self.path / "links.csv"
        lines: list[LinkLine] = []
        for number, line in enumerate(self._link_file[1:], 2):
            parsed = parse_link(line, f"{path}:{number}")
            if parsed.row > len(self.all_rows):
                break  # of a case that had not ended
            before = lines[-1].row if lines else 1
            if parsed.row < before or self.all_rows[parsed.row - 1].case != parsed.case:
                what = f"{path}:{number}: row {parsed.row} of results.csv is not the next of {parsed.case}."
                raise ConfigError(what, cause="Rows and links differ.", fix="Restore the file.")
            lines.append(parsed)
        return tuple(lines)

    @property
    def current_links(self) -> tuple[LinkLine, ...]:
        """The attempts behind the rows that count, in planned order."""
        last = {row.case: number for number, row in enumerate(self.all_rows, 1)}
        lines: dict[str, list[LinkLine]] = {case: [] for case in self.provenance.cases}
        for line in self.links:
            if line.row == last[line.case]:
                lines[line.case].append(line)
        return tuple(line for case in lines.values() for line in case)

    @property
    def whole_links_bytes(self) -> int:
        """Length of links.csv without lines that no row stands for; 0 where there is no such file."""
        return sum(len(line) + 1 for line in self._link_file[: 1 + len(self.links)])

    @cached_property
    def _link_file(self) -> list[bytes]:
        path = self.path / "links.csv"
        if not path.exists():
            return []
        lines = _whole_lines(path)
        if not lines or not _is_header(lines[0], LINKS_HEADER):
            raise ConfigError(f"{path}:1: not the header of links.csv.", fix="Restore the file.")
        return lines

    @property
    def whole_samples_bytes(self) -> int:
        """Length of samples.csv without lines that no row stands for."""
        first_free = max((first + len(lines) for first, lines in self._blocks_in_order), default=1)
        return sum(len(line) + 1 for line in self._sample_file[:first_free])

    @cached_property
    def _sample_file(self) -> list[bytes]:
        path = self.path / "samples.csv"
        lines = _whole_lines(path)
        if not lines or not _is_header(lines[0], SAMPLES_HEADER):
            raise ConfigError(f"{path}:1: not the header of samples.csv.", fix="Restore the file.")
        return lines

    @cached_property
    def _blocks_in_order(self) -> list[tuple[int, list[bytes]]]:
        """For each stored row with a measurement: index of its first line, and its lines.

        Rows and blocks were appended in the same order, so one walk finds all blocks, those of superseded
        rows too.
        """
        path, lines, at = self.path / "samples.csv", self._sample_file, 1
        blocks = []
        for row in self.all_rows:
            if row.samples is None:
                continue
            first, own = at, f"{row.case},".encode()
            while at < len(lines) and lines[at].startswith(own + WARMUP.encode()):
                at += 1
            for index in range(row.samples):
                if at >= len(lines) or not lines[at].startswith(own + f"{TEST},{index},".encode()):
                    what = f"{path}:{at + 1}: sample {index} of {row.case} should be here."
                    raise ConfigError(
                        what, cause="Rows and samples differ.", fix="Restore the file or start anew."
                    )
                at += 1
            blocks.append((first, lines[first:at]))
        return blocks

    @cached_property
    def _blocks(self) -> dict[str, tuple[int, list[bytes]]]:
        measured = (row.case for row in self.all_rows if row.samples is not None)
        return dict(zip(measured, self._blocks_in_order, strict=True))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"{path.parent} is not a results folder: {path.name}: {error.strerror}."
        raise ConfigError(what, fix="Name a folder that `quantrig sweep` made.") from error


def _whole_lines(path: Path) -> list[bytes]:
    """The lines that end in a newline, without it."""
    return _read(path).split(b"\n")[:-1]


def _is_header(line: bytes, header: bytes) -> bool:
    # A spreadsheet that saved the file leaves a BOM and CR LF.
    return line.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r") == header[:-1]


def _read_rows(path: Path, planned: tuple[str, ...]) -> tuple[tuple[Row, ...], int]:
    """All whole rows, and how many bytes hold them and the header."""
    data = _read(path)
    lines = data.split(b"\n")[:-1]
    if not lines and RESULTS_HEADER.startswith(data):
        samples = _whole_lines(path.parent / "samples.csv")
        # A run's folder appears with the header in it, so that no kill leaves nothing.
        if not data or len(samples) > 1:
            raise ConfigError(
                f"{path} has lost its header and all lines.",
                cause="Something emptied the file; a killed run leaves the header at least.",
                fix="Restore the file, or start a new run.",
            )
        return (), 0
    if not lines or not _is_header(lines[0], RESULTS_HEADER):
        what = f"{path}:1: not the columns of schema version {SCHEMA_VERSION}."
        raise ConfigError(what, fix="Restore the header, or name another folder.")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        row = parse_row(line, f"{path}:{number}")
        if row.case not in planned:
            what = f"{path}:{number}: case {row.case!r} is not in run.json."
            raise ConfigError(what, cause="The files are of different runs.", fix="Restore them.")
        rows.append(row)
    return tuple(rows), sum(len(line) + 1 for line in lines)
