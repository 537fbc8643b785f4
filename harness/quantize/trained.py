# SPDX-License-Identifier: Apache-2.0
"""Trained models and variants from the cache, made first if need be, in a child process.

Cache: `trained/<digest>/` holds data.npz, model.keras and info.json; `variants/<digest>.tflite`. The
digests are of `digests.py`. Several processes and threads may ask at once: one makes, the others wait.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness import children, errors
from harness.errors import QuantizeError, QuantrigError
from harness.locks import locked
from harness.quantize import Variant, parse_variant
from harness.quantize.digests import recipe_digest, training_digest
from harness.quantize.variant import join_options
from harness.quantize.worker import DATA_FILE, workload_to_json
from harness.resources import cache_dir
from harness.workloads import DataSet, TrainedWorkload

TIMEOUT_S = 1800.0


def trained(workload: TrainedWorkload, *, log: Path | None = None) -> Path:
    """The folder with the workload's data set and trained model.

    Raises:
        ModelError, UnsupportedError: the user's model or data.
        QuantizeError: training failed.
    """
    prepare(workload, (), log=log)
    return _train_dir(workload)


def data_set(workload: TrainedWorkload, *, log: Path | None = None) -> DataSet:
    """The data that the workload was trained on; raises as `trained` does."""
    folder = trained(workload, log=log)
    try:
        return DataSet.load(folder / DATA_FILE)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise QuantizeError(
            f"The cached data of {workload.NAME} cannot be read: {error}.",
            cause="The disk was full, or the machine lost power.",
            fix=f"Delete {folder}; it is made again.",
        ) from error


def variant(workload: TrainedWorkload, identifier: str, *, log: Path | None = None) -> Variant:
    """One variant, `identifier` as in `parse_variant`.

    Raises:
        ConfigError: there is no such variant or option.
        ModelError, UnsupportedError: the model cannot be treated; QuantizeError: conversion failed.
    """
    name, options = parse_variant(identifier)
    failed = prepare(workload, (identifier,), log=log)
    if identifier in failed:
        raise failed[identifier]
    content = _variant_path(workload, identifier).read_bytes()
    return Variant(name=name, options=join_options(options), tflite=content)


def prepare(
    workload: TrainedWorkload, identifiers: Sequence[str], *, log: Path | None = None
) -> dict[str, QuantrigError]:
    """Make all that is missing for these variants in one child: TensorFlow then starts once, not for each.

    A variant that fails costs the others nothing; should it bring the child down, another one makes those.

    Returns:
        What `variant` would raise, by identifier, for each variant that could not be made.

    Raises:
        ConfigError: there is no such variant or option.
        ModelError, UnsupportedError, QuantizeError: there is no trained model, as for `trained`.
    """
    train_dir = _train_dir(workload)
    paths = {identifier: _variant_path(workload, identifier) for identifier in identifiers}
    _discard_empty(train_dir, paths.values())
    if train_dir.exists() and all(path.exists() for path in paths.values()):
        return {}
    failed: dict[str, QuantrigError] = {}
    with locked(train_dir.with_suffix(".lock")):
        _clear_left_overs((train_dir, *paths.values()))
        while (missing := _missing(paths, failed)) or not train_dir.exists():
            failed |= _run_worker(workload, train_dir, missing, log)
    return failed


def _missing(paths: Mapping[str, Path], failed: Mapping[str, QuantrigError]) -> dict[str, Path]:
    """Those of `paths` that are still to be made."""
    return {
        identifier: path
        for identifier, path in paths.items()
        if identifier not in failed and not path.exists()
    }


def _train_dir(workload: TrainedWorkload) -> Path:
    return cache_dir() / "trained" / training_digest(workload)


def _variant_path(workload: TrainedWorkload, identifier: str) -> Path:
    return cache_dir() / "variants" / f"{recipe_digest(workload, identifier)}.tflite"


def _discard_empty(train_dir: Path, variants: Iterable[Path]) -> None:
    """Remove files that a power cut or a full disk has emptied: they are made anew, not met again."""
    for path in variants:
        if path.exists() and path.stat().st_size == 0:
            path.unlink(missing_ok=True)
    if train_dir.exists() and any(path.stat().st_size == 0 for path in train_dir.iterdir()):
        shutil.rmtree(train_dir)


def _clear_left_overs(paths: Sequence[Path]) -> None:
    """Remove what killed workers have left half made; the caller holds the lock."""
    for path in paths:
        for left_over in path.parent.glob(f"{path.name}.partial-*"):
            if left_over.is_dir():
                shutil.rmtree(left_over)
            else:
                left_over.unlink()


def _run_worker(
    workload: TrainedWorkload, train_dir: Path, variants: Mapping[str, Path], log: Path | None
) -> dict[str, QuantrigError]:
    """Start a child for what is missing; returns the errors of variants, at least one if any is not made.

    Raises:
        QuantrigError: what the training said; QuantizeError: the child ended during the training.
    """
    with tempfile.TemporaryDirectory(prefix="quantrig-") as scratch:
        errors_file = Path(scratch) / "errors.jsonl"
        job = {
            "workload": workload_to_json(workload),
            "train_dir": str(train_dir),
            "train": not train_dir.exists(),
            "variants": {identifier: str(path) for identifier, path in variants.items()},
            "errors": str(errors_file),
        }
        done = children.run(
            # -P: a folder named harness where the user happens to be is not us.
            [sys.executable, "-P", "-m", "harness.quantize.worker", json.dumps(job)],
            timeout_s=TIMEOUT_S,
            log=log,
            env=children.package_environment(),
        )
        failed = _explained(errors_file)
    if None in failed:
        raise failed[None]
    of_variants = {identifier: error for identifier, error in failed.items() if identifier is not None}
    undone = [*_missing(variants, of_variants)]
    if train_dir.exists() and not undone:
        return of_variants
    what = "took too long" if done.timed_out else f"ended with code {done.returncode}"
    last = (done.output.strip().splitlines() or ["it printed nothing"])[-1][:300]
    crash = QuantizeError(f"Training or conversion of {workload.NAME} {what}: {last}.")
    if not train_dir.exists():
        raise crash
    # The child makes them in this order, so the first that is not there brought it down.
    return of_variants | {undone[0]: crash}


def _explained(errors_file: Path) -> dict[str | None, QuantrigError]:
    """The worker's errors as the same classes here, by variant; None: of the training."""
    failed: dict[str | None, QuantrigError] = {}
    if errors_file.exists():
        for line in errors_file.read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            kind: type[QuantrigError] = getattr(errors, message["class"])
            error = kind(message["what"], cause=message["cause"], fix=message["fix"])
            failed[message["variant"]] = error
    return failed
