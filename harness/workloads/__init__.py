# SPDX-License-Identifier: Apache-2.0
"""The workloads: each a data set, a model, and a metric; built in, or a user's own (docs/WORKLOADS.md).

Importing this package imports neither TensorFlow nor scikit-learn; `load_data` and `build_and_train` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from harness.errors import ConfigError
from harness.workloads import digits, gesture, sine
from harness.workloads.as_is import AsIsWorkload
from harness.workloads.custom import CustomWorkload
from harness.workloads.dataset import DataSet, Examples, TargetArray
from harness.workloads.user_file import UserWorkload, read_workload_file

__all__ = [
    "WORKLOADS",
    "AsIsWorkload",
    "CustomWorkload",
    "DataSet",
    "Examples",
    "TrainedWorkload",
    "UserWorkload",
    "Workload",
    "find_workload",
    "model_workload",
    "read_workload_file",
]


class Workload(Protocol):
    """What every workload has."""

    NAME: str
    TITLE: str
    SYNTHETIC: bool
    """True: the data are made up, which is said wherever they are shown."""
    METRIC: str
    """Of `metrics.METRICS`: "accuracy", "auc" (more is better), "mae" (less is better); empty: no score."""
    SEED: int
    STREAM: bool
    """True: a model with a state keeps it from sample to sample; else each sample begins with a fresh one."""

    def data_files(self) -> tuple[Path, ...]:
        """Files of the user's that decide what the workload is; their contents enter the cache key."""

    def score(self, outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray, /) -> float:
        """The metric of dequantized outputs (n, k) of the first output tensor; needs no TensorFlow.

        `x_test` (n, ...) are the real-valued inputs of the first input tensor.

        Raises:
            ModelError: it cannot be told from these.
        """


class TrainedWorkload(Workload, Protocol):
    """One whose Keras model is there to be quantized: a module of this package, or a user's own."""

    def load_data(self) -> DataSet:
        """The three splits; the same at each call. Raises ModelError for a malformed file."""

    def build_and_train(self, data: DataSet, /) -> Any:
        """A trained Keras model with one input and one output. Raises ModelError, UnsupportedError."""


WORKLOADS: Mapping[str, TrainedWorkload] = {
    digits.NAME: digits,
    gesture.NAME: gesture,
    sine.NAME: sine,
}


def find_workload(name: str) -> TrainedWorkload:
    """The built-in workload `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in WORKLOADS:
        raise ConfigError(
            f"There is no workload {name!r}.",
            fix=f"Choose {', '.join(WORKLOADS)}, or give a model of your own with --model and --data.",
        )
    return WORKLOADS[name]


def model_workload(model: Path, data: Path | None, metric: str | None) -> CustomWorkload | AsIsWorkload:
    """What `--model`, `--data` and `--metric` make.

    Raises:
        ConfigError: a Keras model without data, or a metric without data.
        ModelError: a file is not there, of another kind, or damaged.
    """
    if model.suffix == ".tflite":
        return AsIsWorkload.from_files(model, data, metric)
    if data is None:
        raise ConfigError(f"--model {model} without --data.", fix="Give its data: --data FILE.npz.")
    return CustomWorkload(model, data, metric)
