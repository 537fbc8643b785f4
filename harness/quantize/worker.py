# SPDX-License-Identifier: Apache-2.0
"""The child process in which TensorFlow lives: `python -m harness.quantize.worker JOB`.

JOB is a JSON object: `workload` (a name, or the paths of a user's files), `train_dir`, `train`
(whether to fill that folder first), `variants` (identifier -> path of the .tflite to write, made in this
order), `errors`. Files appear under their names only when complete. What fails for a reason that we know
becomes a line of JSON in the file `errors` as soon as it has failed; anything else ends in a traceback.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import ModelError, QuantrigError
from harness.quantize import VARIANTS, parse_variant
from harness.quantize.keras3 import as_tf_keras
from harness.workloads import (
    CustomWorkload,
    DataSet,
    TrainedWorkload,
    UserWorkload,
    find_workload,
    read_workload_file,
)
from harness.workloads.runtime import tf_keras

DATA_FILE = "data.npz"
MODEL_FILE = "model.keras"
INFO_FILE = "info.json"


def workload_to_json(workload: TrainedWorkload) -> Any:
    """What `workload_from_json` needs to find it again in another process."""
    if isinstance(workload, CustomWorkload):
        return {"model": str(workload.model), "data": str(workload.data), "metric": workload.METRIC}
    return {"file": str(workload.path)} if isinstance(workload, UserWorkload) else workload.NAME


def workload_from_json(value: Any) -> TrainedWorkload:
    """The workload that `workload_to_json` described."""
    if isinstance(value, str):
        return find_workload(value)
    if "model" in value:
        return CustomWorkload(Path(value["model"]), Path(value["data"]), value["metric"])
    found = read_workload_file(Path(value["file"]))
    if not isinstance(found, UserWorkload):
        raise ModelError(f"{found.model} is used as it is: there is nothing to train.")
    return found


def train(workload: TrainedWorkload, folder: Path) -> None:
    """Make `folder`, with the data set and the trained model as tf-keras file."""
    started = time.monotonic()
    data = workload.load_data()
    model = as_tf_keras(workload.build_and_train(data), data.x_train)
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    data.save(partial / DATA_FILE)
    model.save(partial / MODEL_FILE)
    info = {"workload": workload.NAME, "seconds": round(time.monotonic() - started, 3)}
    (partial / INFO_FILE).write_text(json.dumps(info) + "\n", encoding="utf-8")
    partial.rename(folder)


def make_variant(workload: TrainedWorkload, identifier: str, train_dir: Path, path: Path) -> None:
    """Write the .tflite of one variant of a trained workload to `path`."""
    name, options = parse_variant(identifier)
    data = DataSet.load(train_dir / DATA_FILE)
    keras = tf_keras()
    keras.backend.clear_session()  # or the names in the file would depend on what was made before it
    model = keras.models.load_model(train_dir / MODEL_FILE, compile=False)
    variant = VARIANTS[name].convert(model, data, options=options, seed=workload.SEED)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(variant.tflite)
    partial.replace(path)


def perform(job: Mapping[str, Any]) -> None:
    """Carry out a job as described at the top."""
    train_dir, errors_file = Path(job["train_dir"]), Path(job["errors"])
    try:
        workload = workload_from_json(job["workload"])
        if job["train"]:
            train(workload, train_dir)
    except QuantrigError as error:
        note(error, None, errors_file)
        return
    for identifier, path in job["variants"].items():
        try:
            make_variant(workload, identifier, train_dir, Path(path))
        except QuantrigError as error:  # one that this model does not admit must not cost the others
            note(error, identifier, errors_file)


def note(error: QuantrigError, variant: str | None, errors_file: Path) -> None:
    """Add the error of a variant, or of the training, to the file."""
    kind = type(error).__name__
    message = {"variant": variant, "class": kind, "what": error.what, "cause": error.cause, "fix": error.fix}
    with errors_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(message) + "\n")


if __name__ == "__main__":
    perform(json.loads(sys.argv[1]))
