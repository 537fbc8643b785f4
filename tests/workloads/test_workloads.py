# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.quantize.calibration import DEFAULT_SAMPLES
from harness.workloads import WORKLOADS, DataSet, find_workload
from harness.workloads.metrics import accuracy, mean_absolute_error

SPLITS = ("train", "calibration", "test")
TEST_SAMPLES = {"digits": 360, "gesture": 200, "sine": 200}


def _rows(array: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in array}


@pytest.mark.parametrize("name", WORKLOADS)
def test_no_row_is_in_two_splits(name: str) -> None:
    data = find_workload(name).load_data()
    train, calibration, test = _rows(data.x_train), _rows(data.x_calibration), _rows(data.x_test)
    assert not train & test
    assert not calibration & test
    assert not train & calibration


@pytest.mark.parametrize("name", WORKLOADS)
def test_sizes_and_dtypes(name: str) -> None:
    workload = find_workload(name)
    data = workload.load_data()
    assert len(data.x_test) == TEST_SAMPLES[name]
    assert len(data.x_calibration) >= DEFAULT_SAMPLES
    assert data.x_test.dtype == np.float32


@pytest.mark.parametrize("name", ["digits", "gesture"])
def test_test_split_is_balanced(name: str) -> None:
    counts = np.bincount(find_workload(name).load_data().y_test)
    assert counts.min() == counts.max()


@pytest.mark.parametrize("name", WORKLOADS)
def test_data_are_the_same_at_each_call(name: str) -> None:
    first, second = find_workload(name).load_data(), find_workload(name).load_data()
    for field in dataclasses.fields(DataSet):
        assert np.array_equal(getattr(first, field.name), getattr(second, field.name))


def test_made_up_data_are_called_synthetic() -> None:
    assert {name: w.SYNTHETIC for name, w in WORKLOADS.items()} == {
        "digits": False,
        "gesture": True,
        "sine": True,
    }
    assert all("synthetic" in w.TITLE for w in WORKLOADS.values() if w.SYNTHETIC)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"no workload 'digist'.*digits, gesture, sine"):
        find_workload("digist")


def test_import_is_light() -> None:
    code = (
        "import sys, harness.workloads, harness.quantize.trained;"
        "heavy = {'tensorflow', 'tf_keras', 'keras', 'sklearn', 'scipy', 'h5py'};"
        "sys.exit(', '.join(heavy & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_accuracy_by_hand() -> None:
    outputs = np.array([[0.1, 0.9], [0.5, 0.5], [0.2, 0.8], [1.0, 0.0]])
    assert accuracy(outputs, np.array([1, 0, 0, 0], dtype=np.int32)) == 0.75


def test_accuracy_of_a_single_probability() -> None:
    outputs = np.array([[0.49], [0.5], [0.9]])
    assert accuracy(outputs, np.array([0, 1, 0], dtype=np.int32)) == pytest.approx(2 / 3)


def test_mean_absolute_error_by_hand() -> None:
    assert mean_absolute_error(np.array([1.0, -1.0]), np.array([[0.5], [-2.0]], dtype=np.float32)) == 0.75


def _small_data_set(**changed: np.ndarray) -> DataSet:
    x, y = np.zeros((2, 3), np.float32), np.zeros(2, np.int32)
    arrays: dict[str, Any] = {f"{kind}_{split}": x if kind == "x" else y for kind in "xy" for split in SPLITS}
    return DataSet(**{**arrays, **changed})


def test_data_set_survives_its_file(tmp_path: Path) -> None:
    data = _small_data_set(x_test=np.arange(6, dtype=np.float32).reshape(2, 3))
    data.save(tmp_path / "data.npz")
    loaded = DataSet.load(tmp_path / "data.npz")
    for field in dataclasses.fields(DataSet):
        assert np.array_equal(getattr(data, field.name), getattr(loaded, field.name))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_test": np.zeros((2, 3))}, "test: dtypes float64"),
        ({"x_test": np.zeros((0, 3), np.float32)}, "test: 0 inputs"),
        ({"y_train": np.zeros(3, np.int32)}, "train: 2 inputs, 3 targets"),
        ({"x_test": np.zeros((2, 4), np.float32)}, "another shape"),
        ({"x_calibration": np.full((2, 3), np.nan, np.float32)}, "calibration: holds NaN"),
    ],
)
def test_data_set_refuses_what_is_malformed(changed: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _small_data_set(**changed)
