# SPDX-License-Identifier: Apache-2.0
"""The metrics: how well real-valued outputs answer a test set. No TensorFlow, no scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.workloads.dataset import TargetArray

Score = Callable[[npt.NDArray[Any], npt.NDArray[Any], TargetArray], float]
"""(outputs, x_test, y_test) -> the metric; see `Workload.score`."""


def accuracy(outputs: npt.NDArray[Any], y_true: TargetArray) -> float:
    """Share of rows, 0 to 1, whose largest of `outputs` (n, classes) is at the class in `y_true` (n,).

    One output column alone is a probability: 0.5 and more is class 1. The first of equal maxima counts.

    Raises:
        ModelError: a class that the model cannot answer with.
    """
    scores = outputs.reshape(len(y_true), -1)
    classes = max(scores.shape[1], 2)
    if np.min(y_true) < 0 or np.max(y_true) >= classes:
        raise ModelError(
            f"Accuracy: y_test holds classes {np.min(y_true)} to {np.max(y_true)};"
            f" the model tells {classes} apart, 0 to {classes - 1}.",
            fix="Give class numbers that the model was trained on, or real numbers for a regression.",
        )
    found = scores[:, 0] >= 0.5 if scores.shape[1] == 1 else scores.argmax(axis=1)
    return float(np.mean(found == y_true))


def mean_absolute_error(outputs: npt.NDArray[Any], y_true: TargetArray) -> float:
    """Mean of |output - target| over all elements, in units of the target.

    Raises:
        ModelError: a row of targets has more or fewer elements than one of outputs.
    """
    if outputs.size != y_true.size:
        raise ModelError(
            f"MAE: y_test has rows of {y_true.size // len(y_true)} values;"
            f" the model gives {outputs.size // len(outputs)}.",
            fix="Give the targets of the model's first output.",
        )
    return float(np.mean(np.abs(outputs.reshape(y_true.shape).astype(np.float64) - y_true)))


def anomaly_scores(outputs: npt.NDArray[Any], inputs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """One number per sample, larger where the sample is stranger, shape (n,).

    The mean squared difference of an autoencoder's output and its input. A model with one output value and
    several input values is taken to give the score itself.

    Raises:
        ModelError: neither fits.
    """
    found = outputs.reshape(len(outputs), -1).astype(np.float64)
    given = inputs.reshape(len(inputs), -1).astype(np.float64)
    if found.shape == given.shape:
        errors: npt.NDArray[np.float64] = np.mean(np.square(found - given), axis=1)
        return errors
    if found.shape[1] == 1:
        return found[:, 0]
    raise ModelError(
        f"AUC: the model gives {found.shape[1]} values for {given.shape[1]} input values.",
        cause="The anomaly score is the reconstruction error, so that an output is as large as its input.",
        fix="Give an autoencoder, or a workload file with a score() of its own.",
    )


def area_under_curve(scores: npt.NDArray[Any], labels: TargetArray) -> float:
    """Area under the ROC curve, exactly: how often a sample of label 1 scores above one of label 0.

    Ties count half. `scores` (n,) are finite; `labels` (n,) are 0 and 1.

    Raises:
        ModelError: one of the labels does not occur.
    """
    positive = np.asarray(labels).reshape(-1) == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        raise ModelError(
            f"AUC: all {ones + zeros} samples have label {int(bool(ones))}.",
            fix="Give samples of both labels; raise --samples if that cut them off.",
        )
    values, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    del values
    last = np.cumsum(counts)
    # twice the mean rank of each group of equals: whole numbers, so that nothing is rounded before the end
    twice_rank = 2 * last - counts + 1
    twice_sum = int(twice_rank[group.reshape(-1)][positive].sum())
    return (twice_sum - ones * (ones + 1)) / (2 * ones * zeros)


def _accuracy(outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray) -> float:
    del x_test
    return accuracy(outputs, y_test)


def _mae(outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray) -> float:
    del x_test
    return mean_absolute_error(outputs, y_test)


def _auc(outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray) -> float:
    return area_under_curve(anomaly_scores(outputs, x_test), y_test)


#: By the word in column `metric`.
METRICS: Final[Mapping[str, Score]] = {"accuracy": _accuracy, "mae": _mae, "auc": _auc}
