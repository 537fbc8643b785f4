# SPDX-License-Identifier: Apache-2.0
"""Gestures from a wrist's accelerometer: one second at 50 Hz, four classes, split by subject.

The windows are synthetic (`gesture_generator`) unless QUANTRIG_GESTURE_DIR names a folder of recordings
(`gesture_recordings`). The network is shaped by an Uno: its int8 arena stays under 900 bytes, while its
7,414 parameters as float32 leave no room in 32,256 bytes of flash for the code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from harness.workloads.dataset import DataSet, FloatArray
from harness.workloads.gesture_generator import CLASSES, WINDOW_SAMPLES, Recordings, generate
from harness.workloads.gesture_recordings import read_recordings, recording_files, split_by_subject
from harness.workloads.metrics import METRICS
from harness.workloads.runtime import fit, seed_everything, tf_keras

RECORDINGS = Path(os.environ["QUANTRIG_GESTURE_DIR"]) if os.environ.get("QUANTRIG_GESTURE_DIR") else None

NAME = "gesture"
SYNTHETIC = RECORDINGS is None
TITLE = "Gestures, 1 s of 3-axis acceleration at 50 Hz" + (" (synthetic)" if SYNTHETIC else " (recorded)")
METRIC = "accuracy"
SEED = 50
STREAM = False
score = METRICS[METRIC]


def recordings() -> dict[str, Recordings]:
    """The three splits; no subject is in two of them.

    Raises:
        ModelError: the folder of recordings is malformed.
    """
    if RECORDINGS is not None:
        return split_by_subject(read_recordings(RECORDINGS), seed=SEED)
    return {
        "train": generate(first_subject=0, subjects=240, windows_per_class=8, seed=SEED),
        "calibration": generate(first_subject=500, subjects=20, windows_per_class=5, seed=SEED),
        "test": generate(first_subject=1000, subjects=25, windows_per_class=2, seed=SEED),
    }


def data_files() -> tuple[Path, ...]:
    """The recordings that replace the generator, if any."""
    return recording_files(RECORDINGS) if RECORDINGS is not None else ()


def load_data() -> DataSet:
    """Windows in g, shape (50, 1, 3): a column of time, so that 1-D convolutions are CONV_2D (k, 1)."""
    splits = recordings()

    def inputs(name: str) -> FloatArray:
        return splits[name].windows[:, :, np.newaxis, :]

    return DataSet(
        x_train=inputs("train"),
        y_train=splits["train"].labels,
        x_calibration=inputs("calibration"),
        y_calibration=splits["calibration"].labels,
        x_test=inputs("test"),
        y_test=splits["test"].labels,
    )


def build_model() -> Any:
    """The untrained network: 7,414 parameters, 57,152 multiply-accumulates."""
    keras = tf_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((WINDOW_SAMPLES, 1, 3)),
            layers.Conv2D(12, (5, 1), activation="relu"),
            layers.MaxPooling2D((2, 1)),
            layers.Conv2D(28, (5, 1), strides=(2, 1), activation="relu"),
            layers.Conv2D(38, (5, 1), activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(CLASSES), activation="softmax"),
        ],
        name=NAME,
    )


def build_and_train(data: DataSet) -> Any:
    """The trained tf-keras model."""
    seed_everything(SEED)
    model = build_model()
    fit(
        model,
        data.x_train,
        data.y_train,
        loss="sparse_categorical_crossentropy",
        epochs=18,
        batch=32,
        learning_rate=3e-3,
    )
    return model
