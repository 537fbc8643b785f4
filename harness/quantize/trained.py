# SPDX-License-Identifier: Apache-2.0
"""Trained models and variants from the cache, made first if need be, in a child process.

Cache: `trained/<digest>/` holds data.npz, model.keras and info.json; `variants/<digest>.tflite`. The
digests are of `digests.py`. Several processes and threads may ask at once: one makes, the others wait.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import children, errors
from harness.errors import QuantizeError, QuantrigError
from harness.quantize import Variant, parse_variant
from harness.quantize.digests import recipe_digest, training_digest
from harness.quantize.variant import join_options
from harness.quantize.worker import DATA_FILE, EXIT_EXPLAINED, workload_to_json
from harness.resources import cache_dir
from harness.workloads import DataSet, Workload

TIMEOUT_S = 1800.0


def trained(workload: Workload, *, log: Path | None = None) -> Path:
    """The folder with the workload's data set and trained model.

    Raises:
        ModelError, UnsupportedError: the user's model or data.
        QuantizeError: training failed.
    """
    prepare(workload, (), log=log)
    return _train_dir(workload)


def data_set(workload: Workload, *, log: Path | None = None) -> DataSet:
    """The data that the workload was trained on; raises as `trained` does."""
    return DataSet.load(trained(workload, log=log) / DATA_FILE)


def variant(workload: Workload, identifier: str, *, log: Path | None = None) -> Variant:
    """One variant, `identifier` as in `parse_variant`.

    Raises:
        ConfigError: there is no such variant or option.
        ModelError, UnsupportedError: the model cannot be treated; QuantizeError: conversion failed.
    """
    name, options = parse_variant(identifier)
    prepare(workload, (identifier,), log=log)
    content = _variant_path(workload, identifier).read_bytes()
    return Variant(name=name, options=join_options(options), tflite=content)


def prepare(workload: Workload, identifiers: Sequence[str], *, log: Path | None = None) -> None:
    """Make all that is missing for these variants in one child: TensorFlow then starts once, not for each.

    Raises as `variant` does, the first error if several; the other variants have then been made.
    """
    train_dir = _train_dir(workload)
    paths = {identifier: _variant_path(workload, identifier) for identifier in identifiers}
    if train_dir.exists() and all(path.exists() for path in paths.values()):
        return
    with _lock(train_dir):
        _clear_left_overs((train_dir, *paths.values()))
        missing = {identifier: path for identifier, path in paths.items() if not path.exists()}
        if missing or not train_dir.exists():
            _run_worker(workload, train_dir, missing, log)


def _train_dir(workload: Workload) -> Path:
    return cache_dir() / "trained" / training_digest(workload)


def _variant_path(workload: Workload, identifier: str) -> Path:
    return cache_dir() / "variants" / f"{recipe_digest(workload, identifier)}.tflite"


@contextlib.contextmanager
def _lock(train_dir: Path) -> Iterator[None]:
    """Be the only one who makes anything of this workload; waits until the others have finished."""
    import fcntl  # not at the top: Windows lacks it, and `--help` works there

    train_dir.parent.mkdir(parents=True, exist_ok=True)
    with train_dir.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _clear_left_overs(paths: Sequence[Path]) -> None:
    """Remove what killed workers have left half made; the caller holds the lock."""
    for path in paths:
        for left_over in path.parent.glob(f"{path.name}.partial-*"):
            if left_over.is_dir():
                shutil.rmtree(left_over)
            else:
                left_over.unlink()


def _run_worker(workload: Workload, train_dir: Path, variants: dict[str, Path], log: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="quantrig-") as scratch:
        error_file = Path(scratch) / "error.json"
        job = {
            "workload": workload_to_json(workload),
            "train_dir": str(train_dir),
            "train": not train_dir.exists(),
            "variants": {identifier: str(path) for identifier, path in variants.items()},
            "error": str(error_file),
        }
        done = children.run(
            # -P: a folder named harness where the user happens to be is not us.
            [sys.executable, "-P", "-m", "harness.quantize.worker", json.dumps(job)],
            timeout_s=TIMEOUT_S,
            log=log,
            env=children.package_environment(),
        )
        if done.returncode == EXIT_EXPLAINED and error_file.exists():
            raise _explained(error_file)
    if done.returncode != 0:
        what = "took too long" if done.timed_out else f"ended with code {done.returncode}"
        last = (done.output.strip().splitlines() or ["it printed nothing"])[-1][:300]
        raise QuantizeError(f"Training or conversion of {workload.NAME} {what}: {last}.")


def _explained(error_file: Path) -> QuantrigError:
    """The worker's error, as the same class here."""
    message = json.loads(error_file.read_text(encoding="utf-8"))
    kind: type[QuantrigError] = getattr(errors, message["class"])
    return kind(message["what"], cause=message["cause"], fix=message["fix"])
