# SPDX-License-Identifier: Apache-2.0
"""The data of a workload: three splits that never share a row, or examples to run a finished model on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
TargetArray = npt.NDArray[Any]
"""int32 class numbers or labels, shape (n,), where the metric is accuracy or auc; else float32, (n, k)."""


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

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Of one input."""
        return self.x_train.shape[1:]

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """What a model is run on, sample by sample, and what it should give.

    Raises:
        ValueError: no inputs, no rows, another number of rows, NaN or infinity.
    """

    inputs: tuple[npt.NDArray[Any], ...]
    """By input tensor, (samples, ...): floats are real numbers, integers are what the tensor stores."""
    targets: TargetArray | None = None
    """Of the first output; None: nothing is scored."""

    def __post_init__(self) -> None:
        rows = {len(array) for array in (*self.inputs, *(() if self.targets is None else (self.targets,)))}
        if not self.inputs or len(rows) != 1 or 0 in rows:
            raise ValueError(f"arrays of {sorted(rows)} samples")
        if not all(np.isfinite(array).all() for array in self.inputs):
            raise ValueError("inputs hold NaN or infinity")

    def first(self, count: int | None) -> Examples:
        """At most so many, from the first on; None: all."""
        targets = None if self.targets is None else self.targets[:count]
        return Examples(inputs=tuple(array[:count] for array in self.inputs), targets=targets)
