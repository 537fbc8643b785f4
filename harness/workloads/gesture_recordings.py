# SPDX-License-Identifier: Apache-2.0
"""A user's own accelerometer recordings in place of the generator.

The folder holds `<class>/<subject>_<anything>.csv`, classes wave, punch, flex and idle. Each file has a
header line with columns x, y, z (others are ignored) and one line per sample: g, 50 Hz. A file of 50
samples is one window; a longer one gives windows that overlap by half.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.workloads.gesture_generator import CLASSES, WINDOW_SAMPLES, Recordings

MIN_SUBJECTS = 3
TEST_SHARE = 0.2


def recording_files(folder: Path) -> tuple[Path, ...]:
    """Every recording, sorted.

    Raises:
        ModelError: there is no such folder, or a class has no recordings.
    """
    for name in CLASSES:
        if not any((folder / name).glob("*.csv")):
            raise ModelError(
                f"{folder}: no recordings of class {name}.",
                fix=f"Put them into {folder / name}/<subject>_<take>.csv, or unset QUANTRIG_GESTURE_DIR.",
            )
    return tuple(path for name in CLASSES for path in sorted((folder / name).glob("*.csv")))


def read_recordings(folder: Path) -> Recordings:
    """All windows of a folder; subjects are numbered in the order of their names.

    Raises:
        ModelError: a file or its name is malformed; the message names file and line.
    """
    files = recording_files(folder)
    names = [_subject(path) for path in files]
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    windows, labels, subjects = [], [], []
    for path, name in zip(files, names, strict=True):
        samples = _read_csv(path)
        for start in range(0, len(samples) - WINDOW_SAMPLES + 1, WINDOW_SAMPLES // 2):
            windows.append(samples[start : start + WINDOW_SAMPLES])
            labels.append(CLASSES.index(path.parent.name))
            subjects.append(numbers[name])
    return Recordings(
        windows=np.stack(windows),
        labels=np.array(labels, dtype=np.int32),
        subjects=np.array(subjects, dtype=np.int32),
    )


def split_by_subject(recordings: Recordings, *, seed: int) -> dict[str, Recordings]:
    """Splits train, calibration and test with no subject in common; train is sorted by subject.

    Raises:
        ModelError: there are too few subjects, or a split lacks a class.
    """
    people = np.random.default_rng(seed).permutation(np.unique(recordings.subjects))
    if len(people) < MIN_SUBJECTS:
        raise ModelError(
            f"The recordings come from {len(people)} subjects; at least {MIN_SUBJECTS} are needed.",
            cause="Training, calibration and test never share a subject.",
            fix="Name the files <subject>_<take>.csv and record more people.",
        )
    share = max(1, round(TEST_SHARE * len(people)))
    groups = {
        "test": people[:share],
        "calibration": people[share : 2 * share],
        "train": people[2 * share :],
    }
    splits = {name: _only(recordings, group) for name, group in groups.items()}
    for name, split in splits.items():
        absent = [CLASSES[label] for label in range(len(CLASSES)) if label not in split.labels]
        if absent:
            raise ModelError(
                f"The subjects of the {name} split have no recordings of class {absent[0]}.",
                fix="Record every class with every subject.",
            )
    return splits


def _only(recordings: Recordings, subjects: npt.NDArray[np.int32]) -> Recordings:
    chosen = np.flatnonzero(np.isin(recordings.subjects, subjects))
    chosen = chosen[np.argsort(recordings.subjects[chosen], kind="stable")]
    return Recordings(
        windows=recordings.windows[chosen],
        labels=recordings.labels[chosen],
        subjects=recordings.subjects[chosen],
    )


def _subject(path: Path) -> str:
    subject, underscore, _ = path.stem.partition("_")
    if not (subject and underscore):
        raise ModelError(
            f"{path}: the file name does not begin with a subject.", fix="Name it <subject>_<take>.csv."
        )
    return subject


def _read_csv(path: Path) -> npt.NDArray[np.float32]:
    """Samples of one file, shape (n, 3), n >= 50."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = {"x", "y", "z"} - set(reader.fieldnames or ())
            if missing:
                raise ModelError(
                    f"{path}: no column {min(missing)}.", fix="Begin the file with a header line x,y,z."
                )
            rows = [_sample(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{path}: cannot be read as CSV ({error}).") from error
    if len(rows) < WINDOW_SAMPLES:
        raise ModelError(
            f"{path}: {len(rows)} samples; a window takes {WINDOW_SAMPLES}.",
            fix="Record at least 1 s at 50 Hz.",
        )
    return np.array(rows, dtype=np.float32)


def _sample(path: Path, line: int, row: dict[str, str | None]) -> list[float]:
    values = []
    for axis in ("x", "y", "z"):
        try:
            value = float(row[axis] or "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ModelError(
                f"{path}, line {line}: {axis} is {row[axis]!r}, not a number.", fix="Give accelerations in g."
            )
        values.append(value)
    return values
