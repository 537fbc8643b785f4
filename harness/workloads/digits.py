# SPDX-License-Identifier: Apache-2.0
"""Handwritten digits: UCI's 8x8 images as bundled with scikit-learn, and a CNN that fits an Arduino Uno.

The network is shaped by 1,000 bytes of float32 arena: the largest step holds the first feature map
(4x4x8) and the second (2x2x28), 960 bytes. Strides instead of pooling keep it at 10 k multiplications.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from harness.workloads.dataset import DataSet, FloatArray
from harness.workloads.metrics import METRICS
from harness.workloads.runtime import fit, seed_everything, tf_keras

NAME = "digits"
TITLE = "UCI handwritten digits, 8x8 (scikit-learn)"
SYNTHETIC = False
METRIC = "accuracy"
SEED = 1797
STREAM = False
score = METRICS[METRIC]

TEST_PER_CLASS = 36
CALIBRATION_PER_CLASS = 24
DISTORTED_COPIES = 15


def data_files() -> tuple[Path, ...]:
    """None: the data do not come from files of the user's."""
    return ()


def load_data() -> DataSet:
    """1797 images, values 0 to 1, shape (8, 8, 1): 360 for the test, 240 for calibration, each balanced."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / 16.0).astype(np.float32)[..., np.newaxis]
    labels = bunch.target.astype(np.int32)
    rng = np.random.default_rng(SEED)
    shuffled = rng.permutation(len(labels))
    order = {digit: shuffled[labels[shuffled] == digit] for digit in range(10)}
    end = TEST_PER_CLASS + CALIBRATION_PER_CLASS
    test = np.sort(np.concatenate([rows[:TEST_PER_CLASS] for rows in order.values()]))
    calibration = np.sort(np.concatenate([rows[TEST_PER_CLASS:end] for rows in order.values()]))
    train = rng.permutation(np.concatenate([rows[end:] for rows in order.values()]))
    return DataSet(
        x_train=images[train],
        y_train=labels[train],
        x_calibration=images[calibration],
        y_calibration=labels[calibration],
        x_test=images[test],
        y_test=labels[test],
    )


def build_model() -> Any:
    """The untrained network: 3,254 parameters, 10,336 multiply-accumulates."""
    keras = tf_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(28, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        name=NAME,
    )


def distort(images: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Each image turned, scaled, sheared and shifted a little, as another hand would write it."""
    from scipy.ndimage import affine_transform  # type: ignore[import-untyped]

    centre = np.array([3.5, 3.5])
    distorted = np.empty_like(images)
    for index, image in enumerate(images[..., 0]):
        angle, shear = rng.uniform(-0.2, 0.2, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1, shear], [0, 1]]) @ np.diag(rng.uniform(0.88, 1.14, 2))
        offset = centre - matrix @ centre + rng.uniform(-0.8, 0.8, 2)
        distorted[index, ..., 0] = affine_transform(image, matrix, offset, order=1)
    return distorted


def build_and_train(data: DataSet) -> Any:
    """The trained tf-keras model; the training images are joined by distorted copies."""
    rng = np.random.default_rng(SEED)
    copies = [data.x_train, *(distort(data.x_train, rng) for _ in range(DISTORTED_COPIES))]
    seed_everything(SEED)
    model = build_model()
    fit(
        model,
        np.concatenate(copies),
        np.tile(data.y_train, len(copies)),
        loss="sparse_categorical_crossentropy",
        epochs=24,
        batch=64,
        learning_rate=5e-3,
    )
    return model
