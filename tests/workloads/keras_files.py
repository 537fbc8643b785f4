# SPDX-License-Identifier: Apache-2.0
"""Small model and data files as a user, or somebody malicious, might bring them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def sequential_config(layers: Sequence[tuple[str, str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Keras 3 configuration of a Sequential model; each layer is (name, class, more configuration)."""
    items = [
        {
            "module": "keras.layers",
            "class_name": kind,
            "config": {"name": name, **more},
            "registered_name": None,
        }
        for name, kind, more in layers
    ]
    config = {"name": "net", "layers": items}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def write_zip(
    path: Path,
    *,
    layers: Sequence[tuple[str, str, Mapping[str, Any]]] = (),
    config: Any = None,
    version: str = "3.15.1",
) -> None:
    """A .keras file without weights."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr(
            "config.json", json.dumps(config if config is not None else sequential_config(layers))
        )


def write_data(path: Path, *, rows: int = 40, **changed: Any) -> None:
    """An .npz with three features and two classes; `changed` replaces arrays, None leaves one out."""
    rng = np.random.default_rng(3)
    arrays: dict[str, Any] = {
        "x_train": rng.normal(size=(rows, 3)).astype(np.float32),
        "y_train": rng.integers(0, 2, rows),
        "x_test": rng.normal(size=(10, 3)).astype(np.float32),
        "y_test": rng.integers(0, 2, 10),
        **changed,
    }
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
