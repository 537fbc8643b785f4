# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ModelError
from harness.workloads.gesture_generator import CLASSES
from harness.workloads.gesture_recordings import read_recordings, split_by_subject


def _csv(samples: int, value: float = 0.5) -> str:
    return "time,x,y,z\n" + "".join(f"{i / 50},{value},{i / 1000},-1\n" for i in range(samples))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four subjects, one recording of 50 samples for each class, except anna's wave with 100."""
    for number, subject in enumerate(("anna", "ben", "carl", "dora")):
        for name in CLASSES:
            (tmp_path / name).mkdir(exist_ok=True)
            samples = 100 if (subject, name) == ("anna", "wave") else 50
            (tmp_path / name / f"{subject}_1.csv").write_text(_csv(samples, number / 10))
    return tmp_path


def test_windows_overlap_by_half(folder: Path) -> None:
    recordings = read_recordings(folder)
    waves = recordings.windows[(recordings.labels == 0) & (recordings.subjects == 0)]
    assert waves.shape == (3, 50, 3)
    assert waves[:, 0, 1] == pytest.approx(np.array([0.0, 0.025, 0.05]))
    assert len(recordings.windows) == 15 + 3


def test_columns_are_found_by_name(folder: Path) -> None:
    recordings = read_recordings(folder)
    assert recordings.windows[-1, 0] == pytest.approx(np.array([0.3, 0.0, -1.0]))


def test_splits_share_no_subject_and_have_every_class(folder: Path) -> None:
    splits = split_by_subject(read_recordings(folder), seed=50)
    subjects = [set(split.subjects.tolist()) for split in splits.values()]
    assert sorted(number for group in subjects for number in group) == [0, 1, 2, 3]
    assert all(set(split.labels.tolist()) == {0, 1, 2, 3} for split in splits.values())


def test_the_variable_replaces_the_generator(folder: Path) -> None:
    code = (
        "from harness.workloads import gesture as g;"
        "print(g.SYNTHETIC, g.TITLE, len(g.data_files()), g.load_data().x_test.shape)"
    )
    environment = {**os.environ, "QUANTRIG_GESTURE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.startswith("False Gestures, 1 s of 3-axis acceleration at 50 Hz (recorded) 16 (")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n1,2\n", "wave/ben_1.csv: no column z"),
        ("", "wave/ben_1.csv: no column x"),
        (_csv(49), "wave/ben_1.csv: 49 samples; a window takes 50"),
        ("x,y,z\n1,2,3\n1,,3\n", "wave/ben_1.csv, line 3: y is '', not a number"),
        ("x,y,z\n1,2\n", "wave/ben_1.csv, line 2: z is None, not a number"),
        ("x,y,z\n1,2,nan\n", "line 2: z is 'nan', not a number"),
        ("x,y,z\n1,2,left\n", "line 2: z is 'left', not a number"),
        ("\xff\xfe", "cannot be read as CSV"),
    ],
)
def test_a_malformed_file_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "wave" / "ben_1.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=message):
        read_recordings(folder)


def test_a_missing_class_is_named(folder: Path) -> None:
    for path in (folder / "flex").iterdir():
        path.unlink()
    with pytest.raises(ModelError, match="no recordings of class flex"):
        read_recordings(folder)


def test_a_file_name_without_subject(folder: Path) -> None:
    (folder / "wave" / "take1.csv").write_text(_csv(50))
    with pytest.raises(ModelError, match=r"take1.csv: the file name does not begin with a subject"):
        read_recordings(folder)


def test_two_subjects_are_too_few(folder: Path) -> None:
    for subject in ("carl", "dora"):
        for path in folder.rglob(f"{subject}_*.csv"):
            path.unlink()
    with pytest.raises(ModelError, match="from 2 subjects; at least 3"):
        split_by_subject(read_recordings(folder), seed=1)


def test_a_split_without_a_class(folder: Path) -> None:
    for subject in ("anna", "ben", "carl"):
        (folder / "punch" / f"{subject}_1.csv").unlink()
    with pytest.raises(ModelError, match="split have no recordings of class punch"):
        split_by_subject(read_recordings(folder), seed=1)
