# SPDX-License-Identifier: Apache-2.0
"""A .tflite of a user's: its name, its data, its metric."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError, ModelError
from harness.workloads import AsIsWorkload, CustomWorkload, model_workload
from tests.workloads.keras_files import write_data, write_zip


def _files(folder: Path, **arrays: Any) -> tuple[Path, Path]:
    model, data = folder / "net.tflite", folder / "data.npz"
    model.write_bytes(b"any bytes: it is not read here")
    np.savez(data, **arrays)
    return model, data


def test_without_data_it_is_a_stream_of_drawn_inputs_without_a_metric(tmp_path: Path) -> None:
    model, _ = _files(tmp_path)
    workload = AsIsWorkload.from_files(model, None, None)
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    assert f"net-{digest[:8]}" == workload.NAME
    assert (workload.METRIC, workload.STREAM, workload.SYNTHETIC) == ("", True, True)
    assert workload.examples() is None
    assert workload.tflite() == model.read_bytes()
    assert workload.data_files() == (model,)


@pytest.mark.parametrize(
    ("y_test", "asked", "metric"),
    [
        (np.arange(4) % 2, None, "accuracy"),
        (np.arange(4) % 2, "auc", "auc"),
        (np.arange(4) % 2, "mae", "mae"),
        (np.linspace(0, 1, 4), None, "mae"),
    ],
)
def test_the_metric_is_what_is_asked_or_what_the_targets_suggest(
    tmp_path: Path, y_test: Any, asked: str | None, metric: str
) -> None:
    model, data = _files(tmp_path, x_test=np.ones((4, 3)), y_test=y_test)
    workload = AsIsWorkload.from_files(model, data, asked)
    assert (metric, False, False) == (workload.METRIC, workload.STREAM, workload.SYNTHETIC)
    examples = workload.examples()
    assert examples is not None
    assert examples.targets is not None
    assert examples.targets.dtype == (np.float32 if metric == "mae" else np.int32)


def test_integer_inputs_stay_what_they_are_and_inputs_keep_their_order(tmp_path: Path) -> None:
    arrays = {
        f"x_test{tail}": np.full((2, 1), number, np.int8) for number, tail in enumerate(["", "_1", "_2"])
    }
    examples = AsIsWorkload.from_files(*_files(tmp_path, **arrays), None).examples()
    assert examples is not None
    assert [int(array[0, 0]) for array in examples.inputs] == [0, 1, 2]
    assert {array.dtype for array in examples.inputs} == {np.dtype(np.int8)}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y_test": np.ones(3)}, "no array x_test"),
        ({"x_test": np.ones((3, 1)), "x_test_2": np.ones((3, 1))}, "x_test_2 is no input's name"),
        ({"x_test": np.ones((3, 1)), "y_test": np.ones(4)}, "arrays of [3, 4] samples"),
        ({"x_test": np.full((3, 1), np.nan)}, "x_test holds NaN"),
        ({"x_test": np.array(["a"])}, "x_test is <U1"),
    ],
)
def test_malformed_data(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        AsIsWorkload.from_files(*_files(tmp_path, **arrays), None).examples()


def test_labels_of_an_anomaly_detection_are_0_and_1(tmp_path: Path) -> None:
    model, data = _files(tmp_path, x_test=np.ones((3, 1)), y_test=np.array([0, 1, 2]))
    with pytest.raises(ModelError, match=r"y_test holds 0 to 2.*0 for a normal sample"):
        AsIsWorkload.from_files(model, data, "auc").examples()
    _files(tmp_path, x_test=np.ones((3, 1)), y_test=np.array([0.5, 1, 2]))
    with pytest.raises(ModelError, match="one whole number per row"):
        AsIsWorkload.from_files(model, data, "auc").examples()


def test_a_metric_needs_something_to_score(tmp_path: Path) -> None:
    model, data = _files(tmp_path, x_test=np.ones((3, 1)))
    with pytest.raises(ConfigError, match="--metric mae without --data"):
        model_workload(model, None, "mae")
    with pytest.raises(ConfigError, match="no array y_test"):
        model_workload(model, data, "mae")
    _files(tmp_path, x_test=np.ones((3, 1)), y_test=np.ones(3))
    with pytest.raises(ConfigError, match=r"no metric 'f1'.*accuracy, mae, auc"):
        model_workload(model, data, "f1")


def test_the_ending_decides_what_a_model_becomes(tmp_path: Path) -> None:
    write_zip(tmp_path / "net.keras")
    write_data(tmp_path / "data.npz")
    own = model_workload(tmp_path / "net.keras", tmp_path / "data.npz", None)
    assert isinstance(own, CustomWorkload)
    with pytest.raises(ConfigError, match=r"net\.keras without --data"):
        model_workload(tmp_path / "net.keras", None, None)
    with pytest.raises(ModelError, match=r"gone.tflite: no such file"):
        model_workload(tmp_path / "gone.tflite", None, None)


def test_an_autoencoder_needs_no_training_targets(tmp_path: Path) -> None:
    write_zip(tmp_path / "net.keras")
    write_data(tmp_path / "data.npz", y_train=None)
    own = model_workload(tmp_path / "net.keras", tmp_path / "data.npz", "auc")
    assert isinstance(own, CustomWorkload)
    data = own.load_data()
    assert len(data.x_train) == len(data.y_train) == 32
    with pytest.raises(ModelError, match="no array y_train"):
        CustomWorkload(tmp_path / "net.keras", tmp_path / "data.npz", "accuracy").load_data()
