# SPDX-License-Identifier: Apache-2.0
"""Which samples set the ranges of an int8 variant: balanced, and the same at each call."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError
from harness.workloads import DataSet
from harness.workloads.dataset import FloatArray, TargetArray

#: For a recipe that is not told otherwise; a smaller calibration split is then used whole.
DEFAULT_SAMPLES = 200


def calibration_inputs(data: DataSet, options: Mapping[str, str], *, seed: int) -> FloatArray:
    """The inputs of the samples that option `calib` asks for, shape (samples, ...).

    Raises:
        ConfigError: the calibration split holds fewer.
    """
    available = len(data.x_calibration)
    count = int(options["calib"]) if "calib" in options else min(DEFAULT_SAMPLES, available)
    if count > available:
        raise ConfigError(
            f"calib={count}: the calibration split holds {available} samples.",
            fix=f"Ask for at most {available}.",
        )
    return data.x_calibration[choose(data.y_calibration, count, seed=seed)]


def choose(targets: TargetArray, count: int, *, seed: int) -> npt.NDArray[np.intp]:
    """Indices of `count` rows: equally many of each class, or evenly spread quantiles of the target.

    Where a class has too few rows, the others fill up. `targets` as in `DataSet`.
    """
    if targets.dtype == np.int32:
        return _by_class(targets, count, np.random.default_rng(seed))
    order = np.argsort(targets.reshape(len(targets), -1)[:, 0], kind="stable")
    return np.sort(order[((np.arange(count) + 0.5) * len(order) / count).astype(np.intp)])


def _by_class(labels: npt.NDArray[np.int32], count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Deal from shuffled classes in turn, so that class sizes differ by one at most while they last."""
    shuffled = rng.permutation(len(labels))
    turn = np.empty(len(labels), dtype=np.intp)
    for label in np.unique(labels):
        rows = shuffled[labels[shuffled] == label]
        turn[rows] = np.arange(len(rows))
    return np.sort(shuffled[np.argsort(turn[shuffled], kind="stable")][:count])
