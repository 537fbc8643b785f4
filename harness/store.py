# SPDX-License-Identifier: Apache-2.0
"""`results/<run>/`: append-only files that survive a kill at any moment (docs/RESULTS.md).

A case's samples are on the disk before its row is, and a row is one line. So a killed run has at most a
torn last line and samples without a row; the reader passes over both, and `RunWriter.reopen` cuts them
off. A case that is run again appends a second row, and the last row of a case counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import itertools
import os
import re
import shutil
import tempfile
import threading
import time
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self

from harness.errors import ConfigError, RunBusyError
from harness.locks import FileLock
from harness.records import SCHEMA_VERSION, Provenance, Result, Status
from harness.rows import (
    COLUMNS,
    RESULTS_HEADER,
    SAMPLES_HEADER,
    TEST,
    WARMUP,
    Row,
    Samples,
    format_provenance,
    format_row,
    format_samples,
    parse_provenance,
    parse_row,
    parse_samples,
)

if TYPE_CHECKING:
    import pandas as pd

#: A case with one of these is run again by `--resume`: another try can change the outcome.
UNFINISHED: Final = frozenset({Status.FAILED, Status.UNAVAILABLE})
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STALE_STAGING_S: Final = 60.0


class _HasSlug(Protocol):
    @property
    def slug(self) -> str: ...


def new_run_id(name: str, started: datetime) -> str:
    """`2026-11-21T0145-default`; other characters than letters, digits, dots become hyphens."""
    tail = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "run"
    return f"{started:%Y-%m-%dT%H%M}-{tail}"


def find_run(root: Path, name: str) -> Path:
    """The folder of a run given by path, by id under `root`, or as `latest`.

    Raises:
        ConfigError: there is none.
    """
    runs = sorted(path.parent for path in root.glob("*/run.json"))
    if name == "latest" and runs:
        return max(runs, key=lambda run: ((run / "run.json").stat().st_mtime, run.name))
    for path in (root / name, Path(name)):
        if path.is_dir():
            return path
    names = [run.name for run in runs]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names[-3:]
    fix = f"There are: {', '.join(near)}." if near else "Start one with `quantrig sweep`."
    raise ConfigError(f"No run {name!r} in {root}.", fix=fix)


class RunWriter:
    """The one process that writes a run. Threads may share it."""

    def __init__(self, path: Path, lock: FileLock, reader: RunReader, repairs: tuple[str, ...] = ()) -> None:
        """Use `create` or `reopen`."""
        self.path: Final = path
        self.provenance: Final = reader.provenance
        self.finished: Final = frozenset(row.case for row in reader.rows if row.status not in UNFINISHED)
        """Cases that a resumed run need not run again."""
        self.repairs: Final = repairs
        """What `reopen` cut off, a sentence each."""
        self._file_lock = lock
        self._thread_lock = threading.Lock()
        self._closed = False

    @classmethod
    def create(cls, root: Path, provenance: Provenance) -> Self:
        """Make a new folder under `root`, named by `provenance.run_id` and, if that is taken, a number.

        The folder appears whole: a kill before that leaves only a hidden one, removed by a later run.

        Raises:
            ConfigError: `root` cannot be written.
            ValueError: `provenance` is not plain values, or its run id is no file name.
        """
        if not _RUN_ID.fullmatch(provenance.run_id):
            raise ValueError(f"run id {provenance.run_id!r} is not a file name")
        try:
            root.mkdir(parents=True, exist_ok=True)
            _remove_stale(root)
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
            staging.chmod(0o755)
        except OSError as error:
            raise ConfigError(
                f"Cannot write to {root}: {error.strerror}.", fix="Choose another --out."
            ) from error
        lock: FileLock | None = None
        try:
            lock = _lock(staging)
            (staging / "log").mkdir()
            _replace_file(staging / "results.csv", RESULTS_HEADER)
            _replace_file(staging / "samples.csv", SAMPLES_HEADER)
            path = _publish(staging, root, provenance)
        except BaseException:
            if lock is not None:
                lock.release()
            shutil.rmtree(staging, ignore_errors=True)
            raise
        lock.path = path / ".lock"
        return cls(path, lock, RunReader.open(path))

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Continue a run: cut off what a kill left behind, then append.

        Raises:
            ConfigError: not a results folder, or damaged in a way that no kill explains.
            RunBusyError: another process writes it.
        """
        RunReader.open(path)
        lock = _lock(path)
        try:
            reader = RunReader.open(path)
            repairs = []
            for name, whole_bytes in (
                ("results.csv", reader.whole_results_bytes),
                ("samples.csv", reader.whole_samples_bytes),
            ):
                excess = (path / name).stat().st_size - whole_bytes
                if excess:
                    os.truncate(path / name, whole_bytes)
                    repairs.append(f"{name}: cut off {excess} bytes of a case that had not ended.")
            if reader.whole_results_bytes == 0:
                _replace_file(path / "results.csv", RESULTS_HEADER)
            return cls(path, lock, RunReader.open(path), tuple(repairs))
        except BaseException:
            lock.release()
            raise

    @property
    def run_id(self) -> str:
        return self.provenance.run_id

    def case_log(self, case: _HasSlug) -> Path:
        """The file for a case's log; its folder exists."""
        folder = self.path / "log"
        folder.mkdir(exist_ok=True)
        return folder / f"{case.slug}.log"

    def add(self, result: Result) -> None:
        """Store a case's samples, then its row; on return both are on the disk.

        Raises:
            ConfigError: the disk is full or gone; the files are as before.
            ValueError: the case is not of this run, or the writer is closed.
        """
        if result.case_id not in self.provenance.cases:
            raise ValueError(f"case {result.case_id!r} was not planned in run {self.run_id}")
        measured = result.measurement
        block = format_samples(result.case_id, measured) if measured else b""
        line = format_row(result)
        with self._thread_lock:
            if self._closed:
                raise ValueError("the run is closed")
            _append(self.path / "samples.csv", block)
            _append(self.path / "results.csv", line)

    def close(self) -> None:
        with self._thread_lock:
            if not self._closed:
                self._closed = True
                self._file_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


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


def _lock(path: Path) -> FileLock:
    return FileLock(path / ".lock", what=f"Run {path.name} is being written", busy=RunBusyError)


def _remove_stale(root: Path) -> None:
    """Remove folders that a killed `create` left; a living one needs them for milliseconds only."""
    for folder in root.glob(".new-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_STAGING_S:
                shutil.rmtree(folder)


def _publish(staging: Path, root: Path, provenance: Provenance) -> Path:
    """Rename the staged folder to the first free name; run.json carries that name."""
    for number in itertools.count(1):
        run_id = provenance.run_id if number == 1 else f"{provenance.run_id}-{number}"
        path = root / run_id
        if path.exists() or path.is_symlink():
            continue
        text = format_provenance(dataclasses.replace(provenance, run_id=run_id))
        _replace_file(staging / "run.json", text)
        try:
            staging.rename(path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            continue
        _sync_folder(root)
        return path
    raise AssertionError("itertools.count ended")


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _replace_file(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _append(path: Path, data: bytes) -> None:
    if not data:
        return
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as error:
            # Half a line must not stay in front of the next one.
            file.truncate(before)
            what = f"Cannot write {path}: {error.strerror}."
            raise ConfigError(what, fix="Free some space, then continue with --resume.") from error


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
