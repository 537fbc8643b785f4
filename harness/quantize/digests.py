# SPDX-License-Identifier: Apache-2.0
"""Cache keys: what a trained model and a variant depend on, in one SHA-256. Imports no TensorFlow."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

from harness.quantize import parse_variant
from harness.quantize.variant import join_options
from harness.workloads import WORKLOADS, Workload

_QUANTIZE = Path(__file__).resolve().parent
_WORKLOADS = _QUANTIZE.parent / "workloads"
#: What reads a user's own files.
_OF_USERS = ("arrays.py", "custom.py", "files.py", "model_file.py", "user_file.py")
_DISTRIBUTIONS = (
    "keras",
    "numpy",
    "scikit-learn",
    "scipy",
    "tensorflow",
    "tensorflow-model-optimization",
    "tf-keras",
)


def training_digest(workload: Workload) -> str:
    """Key of a workload's data and trained model: its sources, its files, the libraries, the machine kind.

    Raises:
        ModelError: a file of the user's is malformed or gone.
    """
    sources = [_WORKLOADS / "dataset.py", _WORKLOADS / "runtime.py", _QUANTIZE / "worker.py"]
    if workload.NAME in WORKLOADS:
        sources += sorted(_WORKLOADS.glob(f"{workload.NAME}*.py"))
    else:
        sources += [_WORKLOADS / name for name in _OF_USERS] + [_QUANTIZE / "keras3.py"]
    return _digest(
        {
            "workload": workload.NAME,
            "metric": workload.METRIC,
            "seed": workload.SEED,
            "sources": {path.name: _sha256(path) for path in sources},
            "files": [[path.parent.name, path.name, _sha256(path)] for path in workload.data_files()],
            "versions": _versions(),
            "machine": platform.machine(),
        }
    )


def recipe_digest(workload: Workload, variant: str) -> str:
    """Key of one variant, `variant` as in `parse_variant`: all that training depends on, and the recipe.

    Raises:
        ConfigError: there is no such variant.
        ModelError: a file of the user's is malformed or gone.
    """
    name, options = parse_variant(variant)
    sources = [
        _QUANTIZE / "calibration.py",
        _QUANTIZE / "export.py",
        _QUANTIZE / f"{name.replace('-', '_')}.py",
    ]
    return _digest(
        {
            "training": training_digest(workload),
            "variant": name,
            "options": join_options(options),
            "sources": {path.name: _sha256(path) for path in sources},
        }
    )


def _digest(parts: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.cache
def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _DISTRIBUTIONS}
