# SPDX-License-Identifier: Apache-2.0
"""A user's own workload: `--model FILE.keras|.h5 --data FILE.npz`.

The data file holds x_train, y_train, x_test and y_test. Integer targets, or one-hot rows, make it a
classification (metric accuracy), others a regression (metric MAE). A fifth of the training rows is set
aside for calibration.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.workloads.dataset import DataSet, TargetArray, accuracy, mean_absolute_error
from harness.workloads.model_file import load_model

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
MIN_TRAIN_ROWS = 20
#: The name is part of case ids, which name files.
MAX_STEM_CHARS = 40


class CustomWorkload:
    """A workload made of two files; satisfies `Workload`.

    Raises:
        ModelError: a file is not there, or has another ending than .keras, .h5, .npz.
    """

    def __init__(self, model: Path, data: Path) -> None:
        for path, endings in ((model, (".keras", ".h5")), (data, (".npz",))):
            if path.suffix not in endings:
                raise ModelError(f"{path}: not a file of kind {' or '.join(endings)}.")
            if not path.is_file():
                raise ModelError(f"{path}: no such file.")
        self.model = model.resolve()
        self.data = data.resolve()
        self.NAME = f"{_word(model.stem)}-{_sha256(model)[:8]}"
        self.TITLE = f"{model.name} on {data.name}"
        self.SYNTHETIC = False
        self.SEED = 1
        with np.load(_opened(data), allow_pickle=False) as arrays:
            self.METRIC = "accuracy" if _targets(arrays, "y_test", data).dtype == np.int32 else "mae"

    def data_files(self) -> tuple[Path, ...]:
        """The model and its data."""
        return (self.model, self.data)

    def load_data(self) -> DataSet:
        """The arrays as float32, with a calibration split taken from the training rows.

        Raises:
            ModelError: an array is missing or malformed.
        """
        with np.load(_opened(self.data), allow_pickle=False) as arrays:
            x_train, x_test = (_inputs(arrays, name, self.data) for name in ("x_train", "x_test"))
            y_train, y_test = (_targets(arrays, name, self.data) for name in ("y_train", "y_test"))
        if len(x_train) < MIN_TRAIN_ROWS:
            raise ModelError(
                f"{self.data}: x_train has {len(x_train)} rows; at least {MIN_TRAIN_ROWS} are needed."
            )
        if len(x_train) != len(y_train):
            raise ModelError(f"{self.data}: x_train has {len(x_train)} rows, y_train {len(y_train)}.")
        order = np.random.default_rng(self.SEED).permutation(len(x_train))
        aside, rest = order[: len(order) // 5], order[len(order) // 5 :]
        try:
            return DataSet(
                x_train=x_train[rest],
                y_train=y_train[rest],
                x_calibration=x_train[aside],
                y_calibration=y_train[aside],
                x_test=x_test,
                y_test=y_test,
            )
        except ValueError as error:
            raise ModelError(f"{self.data}: {error}.") from error

    def build_and_train(self, data: DataSet) -> Any:
        """The user's model as it is in the file: trained already, maybe by Keras 3.

        Raises:
            ModelError: it cannot be read, or it does not fit the data.
            UnsupportedError: it has layers that are not read, or several inputs or outputs.
        """
        model = load_model(self.model)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ModelError(
                f"{self.model}: {len(model.inputs)} inputs and {len(model.outputs)} outputs.",
                fix="Give a model with one of each.",
            )
        wanted, given = tuple(model.inputs[0].shape[1:]), data.x_train.shape[1:]
        if len(wanted) != len(given) or any(a not in (None, b) for a, b in zip(wanted, given, strict=True)):
            raise ModelError(
                f"{self.model} takes inputs of shape {wanted}; {self.data} has rows of shape {given}."
            )
        self._check_targets(data, outputs=int(np.prod(model.outputs[0].shape[1:])))
        return model

    def _check_targets(self, data: DataSet, *, outputs: int) -> None:
        targets = np.concatenate([data.y_train, data.y_calibration, data.y_test])
        if self.METRIC == "accuracy":
            classes = max(outputs, 2)
            if targets.min() < 0 or targets.max() >= classes:
                raise ModelError(
                    f"{self.data}: classes {targets.min()} to {targets.max()};"
                    f" the model tells {classes} apart, 0 to {classes - 1}."
                )
        elif int(np.prod(targets.shape[1:])) != outputs:
            raise ModelError(
                f"{self.data}: target rows of shape {targets.shape[1:]}; the model gives {outputs} values."
            )

    def score(self, outputs: npt.NDArray[Any], y_test: TargetArray) -> float:
        """Accuracy, 0 to 1, or mean absolute error of dequantized outputs (n, k)."""
        return (accuracy if self.METRIC == "accuracy" else mean_absolute_error)(outputs, y_test)


def _word(stem: str) -> str:
    """`stem` as a workload's name may be: ASCII letters and digits, single . _ - between them."""
    legal = re.sub(r"(?![._-][A-Za-z0-9])[^A-Za-z0-9]+", "-", stem)
    return legal.strip("._-")[:MAX_STEM_CHARS].rstrip("._-") or "model"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path) -> Path:
    """`path`, if it is an archive that holds the four arrays.

    Raises:
        ModelError: it is not.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            missing = [name for name in ARRAYS if name not in getattr(arrays, "files", ())]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read as an .npz file ({error}).") from error
    if missing:
        raise ModelError(
            f"{path}: no array {missing[0]}.", fix=f"Save it with np.savez({', '.join(ARRAYS)})."
        )
    return path


def _read(arrays: Any, name: str, path: Path) -> npt.NDArray[Any]:
    """One array of numbers with rows; np.load refuses pickles, so an array of objects ends here too."""
    try:
        array: npt.NDArray[Any] = arrays[name]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: {name} cannot be read ({error}).") from error
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        raise ModelError(f"{path}: {name} is {array.dtype}{array.shape}, not rows of numbers.")
    if not np.isfinite(array).all():
        raise ModelError(f"{path}: {name} holds NaN or infinity.")
    return array


def _inputs(arrays: Any, name: str, path: Path) -> npt.NDArray[np.float32]:
    return _read(arrays, name, path).astype(np.float32)


def _targets(arrays: Any, name: str, path: Path) -> TargetArray:
    """int32 class numbers (n,) from integers (n,), (n, 1) or one-hot rows; else float32 (n, k)."""
    array = _read(arrays, name, path)
    rows = array.reshape(len(array), -1)
    if rows.shape[1] > 1 and np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all():
        classes: TargetArray = np.argmax(rows, axis=1).astype(np.int32)
        return classes
    if array.dtype.kind in "iub" and rows.shape[1] == 1:
        return rows[:, 0].astype(np.int32)
    return rows.astype(np.float32)
