# SPDX-License-Identifier: Apache-2.0
"""The data of a workload: three splits that never share a row, and the two metrics on them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
TargetArray = npt.NDArray[Any]
"""int32 class numbers, shape (n,), where the metric is accuracy; else float32, shape (n, k)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """Inputs are float32, shape (samples, ...); targets have one row per input (`TargetArray`).

    The order of `x_train` means something: its last rows serve as validation set (`quantize`), so a
    workload either shuffles its rows or puts subjects there that do not occur before.

    Raises:
        ValueError: a split is empty, is ragged or holds NaN or infinity, or input shapes differ.
    """

    x_train: FloatArray
    y_train: TargetArray
    x_calibration: FloatArray
    y_calibration: TargetArray
    x_test: FloatArray
    y_test: TargetArray

    def __post_init__(self) -> None:
        for split in ("train", "calibration", "test"):
            x, y = getattr(self, f"x_{split}"), getattr(self, f"y_{split}")
            if x.dtype != np.float32 or y.dtype not in (np.float32, np.int32):
                raise ValueError(f"{split}: dtypes {x.dtype} and {y.dtype}")
            if len(x) == 0 or len(x) != len(y):
                raise ValueError(f"{split}: {len(x)} inputs, {len(y)} targets")
            if x.shape[1:] != self.x_train.shape[1:] or y.shape[1:] != self.y_train.shape[1:]:
                raise ValueError(f"{split}: rows have another shape than those of train")
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                raise ValueError(f"{split}: holds NaN or infinity")

    def save(self, path: Path) -> None:
        """Write the six arrays to an .npz file."""
        with path.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> DataSet:
        """Read what `save` wrote.

        Raises:
            OSError, ValueError, KeyError: the file is not one of ours.
        """
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def accuracy(outputs: npt.NDArray[Any], y_true: TargetArray) -> float:
    """Share of rows, 0 to 1, whose largest of `outputs` (n, classes) is at the class in `y_true` (n,).

    One output column alone is a probability: 0.5 and more is class 1. The first of equal maxima counts.
    """
    scores = outputs.reshape(len(y_true), -1)
    found = scores[:, 0] >= 0.5 if scores.shape[1] == 1 else scores.argmax(axis=1)
    return float(np.mean(found == y_true))


def mean_absolute_error(outputs: npt.NDArray[Any], y_true: TargetArray) -> float:
    """Mean of |output - target| over all elements, in units of the target."""
    return float(np.mean(np.abs(outputs.reshape(y_true.shape).astype(np.float64) - y_true)))
