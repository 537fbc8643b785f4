# SPDX-License-Identifier: Apache-2.0
"""A user's own trained Keras model: `--model FILE.keras|.h5 --data FILE.npz`.

The data file holds x_train, y_train, x_test and y_test. Integer targets, or one-hot rows, make it a
classification (metric accuracy), others a regression (metric MAE); `--metric auc` makes it an anomaly
detection. A fifth of the training rows is set aside for calibration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.workloads.arrays import data_set, metric_of
from harness.workloads.dataset import DataSet, TargetArray
from harness.workloads.files import existing, name_of, read_npz
from harness.workloads.metrics import METRICS
from harness.workloads.model_file import load_model


class CustomWorkload:
    """A workload made of two files; satisfies `TrainedWorkload`.

    Raises:
        ConfigError: there is no such metric.
        ModelError: a file is not there, or has another ending than .keras, .h5, .npz.
    """

    def __init__(self, model: Path, data: Path, metric: str | None = None) -> None:
        self.model = existing(model, ".keras", ".h5")
        self.data = existing(data, ".npz")
        self.NAME = name_of(self.model)
        self.TITLE = f"{self.model.name} on {self.data.name}"
        self.SYNTHETIC = False
        self.SEED = 1
        self.STREAM = False
        self.METRIC = metric_of(read_npz(self.data, ("x_train", "x_test", "y_test"))["y_test"], metric)

    def data_files(self) -> tuple[Path, ...]:
        """The model and its data."""
        return (self.model, self.data)

    def load_data(self) -> DataSet:
        """The arrays as float32, with a calibration split taken from the training rows.

        Raises:
            ModelError: an array is missing or malformed.
        """
        arrays = read_npz(self.data, ("x_train", "x_test", "y_test"))
        return data_set(arrays, metric=self.METRIC, seed=self.SEED, where=self.data)

    def build_and_train(self, data: DataSet, /) -> Any:
        """The user's model as it is in the file: trained already, maybe by Keras 3.

        Raises:
            ModelError: it cannot be read, or it does not fit the data.
            UnsupportedError: it has layers that are not read, or several inputs or outputs.
        """
        return trained_model(self.model, data, metric=self.METRIC, source=self.data)

    def score(self, outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray, /) -> float:
        """See `Workload`."""
        return METRICS[self.METRIC](outputs, x_test, y_test)


def trained_model(path: Path, data: DataSet, *, metric: str, source: Path) -> Any:
    """The Keras model in a file, once it is sure that it fits `data`, which come from `source`.

    Targets are not looked at where `metric` is empty.

    Raises:
        ModelError: it cannot be read, or it does not fit the data.
        UnsupportedError: it has layers that are not read.
    """
    model = load_model(path)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{path}: {len(model.inputs)} inputs and {len(model.outputs)} outputs.",
            fix="Give a model with one of each, or convert it yourself and give the .tflite.",
        )
    check_inputs(model, data, name=str(path), source=str(source))
    check_targets(model, data, metric=metric, source=str(source))
    return model


def check_inputs(model: Any, data: DataSet, *, name: str, source: str) -> None:
    """Raises ModelError where rows of the data are not what the Keras model takes."""
    wanted, given = tuple(model.inputs[0].shape[1:]), data.x_train.shape[1:]
    if len(wanted) != len(given) or any(a not in (None, b) for a, b in zip(wanted, given, strict=True)):
        raise ModelError(f"{name} takes inputs of shape {wanted}; {source} has rows of shape {given}.")


def _elements(shape: tuple[int | None, ...]) -> int | None:
    """None where the model leaves a size open, as recurrent and fully convolutional ones may."""
    return None if None in shape else int(np.prod([size or 1 for size in shape]))


def check_targets(model: Any, data: DataSet, *, metric: str, source: str) -> None:
    """Raises ModelError where the metric cannot be told from the Keras model's output and the targets."""
    targets = np.concatenate([data.y_train, data.y_calibration, data.y_test])
    outputs = _elements(model.outputs[0].shape[1:])
    if outputs is None:
        return
    if metric == "accuracy":
        classes = max(outputs, 2)
        if targets.min() < 0 or targets.max() >= classes:
            raise ModelError(
                f"{source}: classes {targets.min()} to {targets.max()};"
                f" the model tells {classes} apart, 0 to {classes - 1}."
            )
    elif metric == "mae" and int(np.prod(targets.shape[1:])) != outputs:
        raise ModelError(
            f"{source}: target rows of shape {targets.shape[1:]}; the model gives {outputs} values."
        )
    elif metric == "auc" and outputs not in (1, int(np.prod(data.x_test.shape[1:]))):
        raise ModelError(
            f"{source}: metric auc wants a model whose output is as large as its input, or one score;"
            f" it gives {outputs} values for {int(np.prod(data.x_test.shape[1:]))}."
        )
