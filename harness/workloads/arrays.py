# SPDX-License-Identifier: Apache-2.0
"""A user's arrays as the splits and targets of a workload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError, ModelError
from harness.workloads.dataset import DataSet, Examples, TargetArray
from harness.workloads.files import Arrays
from harness.workloads.metrics import METRICS

MIN_TRAIN_ROWS = 20


def metric_of(y_test: npt.NDArray[Any], asked: str | None) -> str:
    """What is asked for; else accuracy where the targets are classes, and mae for numbers.

    Raises:
        ConfigError: there is no such metric.
    """
    if asked is not None:
        if asked not in METRICS:
            raise ConfigError(f"There is no metric {asked!r}.", fix=f"Choose one of {', '.join(METRICS)}.")
        return asked
    return "mae" if _classes(y_test) is None else "accuracy"


def targets(array: npt.NDArray[Any], metric: str, name: str, where: Path) -> TargetArray:
    """The rows of `array` as `metric` wants them: int32 (n,) for accuracy and auc, float32 (n, k) for mae.

    Raises:
        ModelError: they are not such.
    """
    rows = array.reshape(len(array), -1)
    if metric == "mae":
        return rows.astype(np.float32)
    found = _classes(array)
    if found is None and rows.shape[1] == 1 and (rows == np.rint(rows)).all():
        found = rows[:, 0].astype(np.int32)
    if found is None:
        raise ModelError(
            f"{where}: {name} is {array.dtype}{array.shape}; metric {metric} wants one whole number per row."
        )
    if metric == "auc" and not np.isin(found, (0, 1)).all():
        raise ModelError(
            f"{where}: {name} holds {found.min()} to {found.max()}.",
            fix="Give 0 for a normal sample and 1 for an anomaly.",
        )
    return found


def _classes(array: npt.NDArray[Any]) -> TargetArray | None:
    """int32 class numbers (n,) from integers (n,), (n, 1) or one-hot rows; None where they are neither."""
    rows = array.reshape(len(array), -1)
    if rows.shape[1] > 1 and np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all():
        classes: TargetArray = np.argmax(rows, axis=1).astype(np.int32)
        return classes
    if array.dtype.kind in "iub" and rows.shape[1] == 1:
        return rows[:, 0].astype(np.int32)
    return None


def data_set(arrays: Arrays, *, metric: str, seed: int, where: Path) -> DataSet:
    """The splits of x_train, y_train, x_test and y_test, as float32.

    A fifth of the training rows is set aside for calibration unless x_calibration and y_calibration are
    there. For auc y_train may be left out: an autoencoder learns from normal samples alone.

    Raises:
        ModelError: an array is missing or malformed.
    """
    given = dict(arrays)
    if metric == "auc":
        for split in ("train", "calibration"):
            if f"x_{split}" in given:
                given.setdefault(f"y_{split}", np.zeros(len(given[f"x_{split}"]), np.int32))
    missing = [name for name in ("x_train", "y_train", "x_test", "y_test") if name not in given]
    if missing:
        raise ModelError(f"{where}: no array {missing[0]}.")
    rows = len(given["x_train"])
    if rows < MIN_TRAIN_ROWS:
        raise ModelError(f"{where}: x_train has {rows} rows; at least {MIN_TRAIN_ROWS} are needed.")
    if rows != len(given["y_train"]):
        raise ModelError(f"{where}: x_train has {rows} rows, y_train {len(given['y_train'])}.")
    if "x_calibration" not in given or "y_calibration" not in given:
        order = np.random.default_rng(seed).permutation(rows)
        aside, rest = order[: rows // 5], order[rows // 5 :]
        for name in ("x", "y"):
            whole = given[f"{name}_train"]
            given[f"{name}_calibration"], given[f"{name}_train"] = whole[aside], whole[rest]
    splits = ("train", "calibration", "test")
    xs = {f"x_{split}": given[f"x_{split}"].astype(np.float32) for split in splits}
    ys = {f"y_{split}": targets(given[f"y_{split}"], metric, f"y_{split}", where) for split in splits}
    try:
        return DataSet(**xs, **ys)
    except ValueError as error:
        raise ModelError(f"{where}: {error}.") from error


def input_names(arrays: Arrays) -> list[str]:
    """x_test, x_test_1, x_test_2 ... as far as they go on: one per input tensor."""
    names = ["x_test"]
    while f"x_test_{len(names)}" in arrays:
        names.append(f"x_test_{len(names)}")
    return names


def examples(arrays: Arrays, *, metric: str, where: Path) -> Examples:
    """The test set of a finished model: x_test, x_test_1 ..., and y_test where the metric is not empty.

    Raises:
        ModelError: an array is missing or malformed.
    """
    _only_inputs(arrays, input_names(arrays), where)
    y_test = targets(arrays["y_test"], metric, "y_test", where) if metric else None
    try:
        return Examples(inputs=tuple(arrays[name] for name in input_names(arrays)), targets=y_test)
    except ValueError as error:
        raise ModelError(f"{where}: {error}.", fix="Give every array as many rows.") from error


def _only_inputs(arrays: Arrays, names: Sequence[str], where: Path) -> None:
    if "x_test" not in arrays:
        raise ModelError(f"{where}: no array x_test.")
    left = sorted(name for name in arrays if name.startswith("x_test") and name not in names)
    if left:
        raise ModelError(
            f"{where}: {left[0]} is no input's name.",
            fix="Name them x_test, x_test_1, x_test_2 and so on, in the order of the model's inputs.",
        )
