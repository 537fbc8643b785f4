# SPDX-License-Identifier: Apache-2.0
"""Regression of a noisy sine by a small multi-layer perceptron; the metric is the mean absolute error.

The three splits take their points from one fine grid over one period, no point twice. Training and
calibration targets carry noise; the test's targets are the true sine, so that its error is the model's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.workloads.dataset import DataSet
from harness.workloads.metrics import METRICS
from harness.workloads.runtime import fit, seed_everything, tf_keras

NAME = "sine"
TITLE = "Noisy sine, regression (synthetic)"
SYNTHETIC = True
METRIC = "mae"
SEED = 3
STREAM = False
score = METRICS[METRIC]

TRAIN_POINTS = 2400
CALIBRATION_POINTS = 400
TEST_POINTS = 200
NOISE = 0.05


def data_files() -> tuple[Path, ...]:
    """None: the data do not come from files of the user's."""
    return ()


def load_data() -> DataSet:
    """Angles in rad, 0 to 2 pi, shape (n, 1), and their sines, shape (n, 1)."""
    rng = np.random.default_rng(SEED)
    points = TRAIN_POINTS + CALIBRATION_POINTS + TEST_POINTS
    angles = ((rng.permutation(points) + 0.5) / points * 2.0 * np.pi).reshape(-1, 1)
    clean = np.sin(angles)
    noisy = clean + rng.normal(0.0, NOISE, clean.shape)
    train, calibration, test = np.split(np.arange(points), [TRAIN_POINTS, TRAIN_POINTS + CALIBRATION_POINTS])
    return DataSet(
        x_train=angles[train].astype(np.float32),
        y_train=noisy[train].astype(np.float32),
        x_calibration=angles[calibration].astype(np.float32),
        y_calibration=noisy[calibration].astype(np.float32),
        x_test=angles[test].astype(np.float32),
        y_test=clean[test].astype(np.float32),
    )


def build_model() -> Any:
    """The untrained network: 321 parameters, 288 multiply-accumulates."""
    keras = tf_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((1,)),
            layers.Dense(16, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ],
        name=NAME,
    )


def build_and_train(data: DataSet) -> Any:
    """The trained tf-keras model."""
    seed_everything(SEED)
    model = build_model()
    fit(model, data.x_train, data.y_train, loss="mse", epochs=120, batch=64, learning_rate=1e-2)
    return model
