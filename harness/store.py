# SPDX-License-Identifier: Apache-2.0
"""Writes `results/<run>/`: append-only files that survive a kill at any moment (docs/RESULTS.md).

A case's samples and links are on the disk before its row is, and a row is one line. So a killed run has at
most a torn last line, and samples and links without a row; the reader passes over them, and
`RunWriter.reopen` cuts them off. A case that is run again appends a second row, and the last row of a case
counts. run.json alone is replaced, whole, when a lane's device has answered for the first time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import os
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from harness.errors import ConfigError, RunBusyError
from harness.links import LINKS_HEADER, format_links, link_lines
from harness.locks import FileLock
from harness.records import Provenance, Result
from harness.rows import RESULTS_HEADER, SAMPLES_HEADER, format_provenance, format_row, format_samples
from harness.run_reader import RunReader

_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_STALE_STAGING_S: Final = 60.0
_CONTINUE: Final = "Free some space, then continue with --resume."


def new_run_id(name: str, started: datetime) -> str:
    """`2026-11-21T0145-default`; other characters than letters, digits, dots become hyphens."""
    tail = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "run"
    return f"{started:%Y-%m-%dT%H%M}-{tail}"


class RunWriter:
    """The one process that writes a run. Threads may share it."""

    def __init__(self, path: Path, lock: FileLock, reader: RunReader, repairs: tuple[str, ...] = ()) -> None:
        """Use `create` or `reopen`."""
        self.path: Final = path
        self.provenance = reader.provenance
        self.repairs: Final = repairs
        """What `reopen` cut off, a sentence each."""
        self._file_lock = lock
        self._thread_lock = threading.Lock()
        self._closed = False
        self._row_count = len(reader.all_rows)
        self._attempts = Counter(line.case for line in reader.links)

    @classmethod
    def create(cls, root: Path, provenance: Provenance) -> Self:
        """Make a new folder under `root`, named by `provenance.run_id` and, if that is taken, a number.

        The folder appears whole: a kill before that leaves only a hidden one, removed by a later run.

        Raises:
            ConfigError: `root` cannot be written, or its disk is full; nothing is left there.
            ValueError: `provenance` is not plain values, or its run id is no file name.
        """
        if not _RUN_ID.fullmatch(provenance.run_id):
            raise ValueError(f"run id {provenance.run_id!r} is not a file name")
        with _writing(root, fix="Free some space, or choose another --out."):
            root.mkdir(parents=True, exist_ok=True)
            _remove_stale(root)
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
            lock: FileLock | None = None
            try:
                staging.chmod(0o755)
                lock = _lock(staging)
                (staging / "log").mkdir()
                _replace_file(staging / "results.csv", RESULTS_HEADER)
                _replace_file(staging / "samples.csv", SAMPLES_HEADER)
                _replace_file(staging / "links.csv", LINKS_HEADER)
                path = _publish(staging, root, provenance)
                lock.path = path / ".lock"
                return cls(path, lock, RunReader.open(path))
            except BaseException:
                if lock is not None:
                    lock.release()
                shutil.rmtree(staging, ignore_errors=True)
                raise

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Continue a run: cut off what a kill left behind, then append.

        Raises:
            ConfigError: not a results folder, one that cannot be written, or damaged in a way that no
                kill explains.
            RunBusyError: another process writes it.
        """
        RunReader.open(path)
        with _writing(path, fix="Free some space, or permit it, then try again."):
            lock = _lock(path)
            try:
                repairs = _repair(path)
                return cls(path, lock, RunReader.open(path), repairs)
            except BaseException:
                lock.release()
                raise

    @property
    def run_id(self) -> str:
        return self.provenance.run_id

    def add(self, result: Result) -> None:
        """Store a case's samples and links, then its row; on return all are on the disk.

        Raises:
            ConfigError: the disk is full or gone. The CSV files are as before; where even that fails, the
                writer is closed, and `reopen` cuts off what is left.
            ValueError: the case is not of this run, or the writer is closed.
        """
        if result.case_id not in self.provenance.cases:
            raise ValueError(f"case {result.case_id!r} was not planned in run {self.run_id}")
        measured = result.measurement
        block = format_samples(result.case_id, measured) if measured else b""
        with self._thread_lock:
            if self._closed:
                raise ValueError("the run is closed")
            self._note_device(result)
            row, case = self._row_count + 1, result.case_id
            links = link_lines(result, row=row, earlier=self._attempts[case])
            self._append_all(
                {"samples.csv": block, "links.csv": format_links(links), "results.csv": format_row(result)}
            )
            self._row_count = row
            self._attempts[case] += len(links)

    def _note_device(self, result: Result) -> None:
        """Put what a lane's device says of itself into run.json, unless it is there."""
        lane, device = f"{result.board}:{result.target}", result.device
        if device is None or lane in self.provenance.devices:
            return
        known = {**self.provenance.devices, lane: device}
        provenance = dataclasses.replace(self.provenance, devices=known)
        path = self.path / "run.json"
        with _writing(path, fix=_CONTINUE):
            begun_ns = path.stat().st_mtime_ns
            _replace_file(path, format_provenance(provenance))
            # the newest run is the one that was begun last
            os.utime(path, ns=(begun_ns, begun_ns))
            _sync_folder(self.path)
        self.provenance = provenance

    def _append_all(self, blocks: Mapping[str, bytes]) -> None:
        """Append to each file, in this order; all of it or nothing."""
        before_bytes: dict[Path, int] = {}
        try:
            for name, data in blocks.items():
                path = self.path / name
                with _writing(path, fix=_CONTINUE):
                    before_bytes[path] = path.stat().st_size
                    _append(path, data)
        except ConfigError:
            self._take_back(before_bytes)
            raise

    def _take_back(self, before_bytes: dict[Path, int]) -> None:
        """Cut the files to their former lengths: nothing may follow half a line, or samples without a row."""
        try:
            for path, size in before_bytes.items():
                os.truncate(path, size)
        except OSError:
            self._closed = True
            self._file_lock.release()

    def close(self) -> None:
        with self._thread_lock:
            if not self._closed:
                self._closed = True
                self._file_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


@contextlib.contextmanager
def _writing(path: Path, *, fix: str) -> Iterator[None]:
    """What the system refuses in this block is a ConfigError about `path`."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror or error}.", fix=fix) from error


def _repair(path: Path) -> tuple[str, ...]:
    """Cut off what no row stands for; what was done, a sentence each."""
    if not (path / "links.csv").exists():
        _replace_file(path / "links.csv", LINKS_HEADER)
    reader = RunReader.open(path)
    repairs = []
    for name, whole_bytes in (
        ("results.csv", reader.whole_results_bytes),
        ("samples.csv", reader.whole_samples_bytes),
        ("links.csv", reader.whole_links_bytes),
    ):
        excess = (path / name).stat().st_size - whole_bytes
        if excess:
            os.truncate(path / name, whole_bytes)
            repairs.append(f"{name}: cut off {excess} bytes of a case that had not ended.")
    if reader.whole_results_bytes == 0:
        _replace_file(path / "results.csv", RESULTS_HEADER)
    return tuple(repairs)


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
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())
