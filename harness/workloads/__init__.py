# SPDX-License-Identifier: Apache-2.0
"""The workloads: each a data set, a Keras model that is trained on it, and a metric.

Importing this package imports neither TensorFlow nor scikit-learn; `load_data` and `build_and_train` do.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from harness.errors import ConfigError
from harness.workloads import digits, gesture, sine
from harness.workloads.custom import CustomWorkload
from harness.workloads.dataset import DataSet, TargetArray

__all__ = ["WORKLOADS", "CustomWorkload", "DataSet", "Workload", "find_workload"]


class Workload(Protocol):
    """What a module of this package, and `CustomWorkload`, offer."""

    NAME: str
    TITLE: str
    SYNTHETIC: bool
    """True: the data are made up, which is said wherever they are shown."""
    METRIC: str
    """"accuracy" (more is better) or "mae" (less is better)."""
    SEED: int

    def data_files(self) -> tuple[Path, ...]:
        """Files of the user's that decide what the workload is; their contents enter the cache key."""

    def load_data(self) -> DataSet:
        """The three splits; the same at each call. Raises ModelError for a malformed file."""

    def build_and_train(self, data: DataSet) -> Any:
        """A trained Keras model with one input and one output. Raises ModelError, UnsupportedError."""

    def score(self, outputs: npt.NDArray[Any], y_test: TargetArray) -> float:
        """The metric of dequantized outputs (n, k); needs no TensorFlow."""


WORKLOADS: Mapping[str, Workload] = {
    digits.NAME: digits,
    gesture.NAME: gesture,
    sine.NAME: sine,
}


def find_workload(name: str) -> Workload:
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
