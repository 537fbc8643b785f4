# SPDX-License-Identifier: Apache-2.0
"""The one place that imports TensorFlow: quiet, deterministic, on one thread, with tf-keras.

One thread and no oneDNN: the order of float additions, and so every trained weight, is then the same
at each run. The models are so small that more threads would only wait for each other.
"""

from __future__ import annotations

import functools
import os
import warnings
from typing import Any

ENVIRONMENT = {
    "TF_USE_LEGACY_KERAS": "1",  # tensorflow-model-optimization works on tf-keras only
    "KERAS_BACKEND": "tensorflow",  # for a user's Keras 3 model, before it is rebuilt
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_DETERMINISTIC_OPS": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
}


@functools.cache
def tensorflow() -> Any:
    """The `tensorflow` module."""
    os.environ.update(ENVIRONMENT)
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    warnings.filterwarnings("ignore", module=r"(tensorflow|tf_keras|keras|tensorflow_model_optimization)\b.*")
    return tf


@functools.cache
def tf_keras() -> Any:
    """The `tf_keras` module."""
    tensorflow()
    import tf_keras as module

    return module


def seed_everything(seed: int) -> None:
    """Make all that follows in this process repeatable: Python's, NumPy's and TensorFlow's generators."""
    keras = tf_keras()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def fit(model: Any, x: Any, y: Any, *, loss: str, epochs: int, batch: int, learning_rate: float) -> None:
    """Train `model` in place with Adam, its rate falling to zero on a cosine."""
    keras = tf_keras()
    steps = epochs * -(-len(x) // batch)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss=loss)
    model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
