# SPDX-License-Identifier: Apache-2.0
"""Files of a user's: their names, their digests, and the arrays of an .npz, each checked."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError

#: A workload's name is part of case ids, which name files.
MAX_STEM_CHARS = 40
#: Far above what a microcontroller holds, and far below what reading it would cost this machine.
MAX_MODEL_BYTES = 256 * 2**20
_MODELS = (".tflite", ".keras", ".h5")

Arrays = Mapping[str, npt.NDArray[Any]]


def existing(path: Path, *endings: str) -> Path:
    """`path`, absolute.

    Raises:
        ModelError: there is no such file, it has none of `endings`, or is too large for a model.
    """
    if path.suffix not in endings:
        kinds = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise ModelError(f"{path}: not a file of kind {kinds}.")
    try:
        found = path.is_file()
        size = path.stat().st_size if found else 0
    except OSError as error:  # a name too long, a folder that may not be looked into
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
    if not found:
        what = "a folder, not a file" if path.is_dir() else "no such file"
        raise ModelError(f"{path}: {what}.")
    if path.suffix in _MODELS and size > MAX_MODEL_BYTES:
        raise ModelError(
            f"{path}: {size:,} bytes.",
            cause=f"Models of up to {MAX_MODEL_BYTES:,} bytes are read; no microcontroller holds more.",
            fix="Check that this is the model that you mean.",
        )
    return path.resolve()


def word(stem: str) -> str:
    """`stem` as a workload's name may be: ASCII letters and digits, single . _ - between them."""
    legal = re.sub(r"(?![._-][A-Za-z0-9])[^A-Za-z0-9]+", "-", stem)
    return legal.strip("._-")[:MAX_STEM_CHARS].rstrip("._-") or "model"


def name_of(path: Path) -> str:
    """The name of the workload that a model's file makes: its stem, and its digest's beginning."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{word(path.stem)}-{digest[:8]}"


def read_npz(path: Path, wanted: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Every array x_... and y_... of the archive.

    Raises:
        ModelError: it is none, lacks one of `wanted`, or one is not an array of finite numbers with rows.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except Exception as error:  # what numpy and zipfile raise depends on where the file is damaged
        raise ModelError(f"{path}: cannot be read as an .npz file ({_said(error)}).") from error
    if not isinstance(loaded, np.lib.npyio.NpzFile):
        raise ModelError(
            f"{path}: one lone array (.npy), not an archive of named ones.",
            fix=f"Save it with np.savez({', '.join(f'{name}=...' for name in wanted)}).",
        )
    with loaded as archive:
        missing = [name for name in wanted if name not in archive.files]
        if missing:
            there = ", ".join(archive.files[:8]) or "none"
            raise ModelError(
                f"{path}: no array {missing[0]} (there are: {there}).",
                fix=f"Save it with np.savez({', '.join(f'{name}=...' for name in wanted)}).",
            )
        return {name: _read(archive, name, path) for name in archive.files if name.startswith(("x_", "y_"))}


def _read(archive: Any, name: str, path: Path) -> npt.NDArray[Any]:
    """One array; np.load refuses pickles, so an array of objects ends here too."""
    try:
        array: npt.NDArray[Any] | bytes = archive[name]
    except Exception as error:  # as above: damage has many names, MemoryError for a wrong size among them
        raise ModelError(f"{path}: {name} cannot be read ({_said(error)}).") from error
    if not isinstance(array, np.ndarray):  # numpy hands over what is no .npy as it is
        raise ModelError(f"{path}: {name} is not an array.", fix="Save it with np.savez.")
    return checked(array, name, path)


def _said(error: Exception) -> str:
    if "pickle" in str(error):  # numpy's own words tell how to load it "unsafely"
        return "it holds Python objects, not numbers"
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def checked(array: npt.NDArray[Any], name: str, where: Path) -> npt.NDArray[Any]:
    """`array`, if it is rows of finite numbers.

    Raises:
        ModelError: it is not.
    """
    if array.dtype.kind not in "fiub" or array.ndim == 0 or len(array) == 0:
        raise ModelError(f"{where}: {name} is {array.dtype}{array.shape}, not rows of numbers.")
    if not np.isfinite(array).all():
        raise ModelError(f"{where}: {name} holds NaN or infinity.")
    return array
