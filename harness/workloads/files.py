# SPDX-License-Identifier: Apache-2.0
"""Files of a user's: their names, their digests, and the arrays of an .npz, each checked."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError

#: A workload's name is part of case ids, which name files.
MAX_STEM_CHARS = 40

Arrays = Mapping[str, npt.NDArray[Any]]


def existing(path: Path, *endings: str) -> Path:
    """`path`, absolute.

    Raises:
        ModelError: there is no such file, or it has none of `endings`.
    """
    if path.suffix not in endings:
        raise ModelError(f"{path}: not a file of kind {' or '.join(endings)}.")
    if not path.is_file():
        raise ModelError(f"{path}: no such file.")
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
        with np.load(path, allow_pickle=False) as archive:
            names = getattr(archive, "files", ())
            missing = [name for name in wanted if name not in names]
            if missing:
                raise ModelError(
                    f"{path}: no array {missing[0]}.", fix=f"Save it with np.savez({', '.join(wanted)})."
                )
            return {name: _read(archive, name, path) for name in names if name.startswith(("x_", "y_"))}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: cannot be read as an .npz file ({error}).") from error


def _read(archive: Any, name: str, path: Path) -> npt.NDArray[Any]:
    """One array; np.load refuses pickles, so an array of objects ends here too."""
    try:
        array: npt.NDArray[Any] = archive[name]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: {name} cannot be read ({error}).") from error
    return checked(array, name, path)


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
