# SPDX-License-Identifier: Apache-2.0
"""A Keras file as a float32 .tflite without any data, for who only wants to look at it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.errors import ModelError
from harness.quantize.export import Form, export
from harness.quantize.keras3 import as_tf_keras
from harness.workloads.model_file import load_model


def float32_tflite(path: Path) -> bytes:
    """What the recipe `float32` makes of the model.

    Raises:
        ModelError: it cannot be read, leaves a size open, or has several inputs or outputs.
        UnsupportedError: it has layers that are not read, or that TensorFlow Lite does not have.
        QuantizeError: the converter failed.
    """
    model = load_model(path)
    convert = "Convert it yourself and give the .tflite."
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(f"{path}: {len(model.inputs)} inputs and {len(model.outputs)} outputs.", fix=convert)
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ModelError(f"{path}: the input's shape {shape} leaves a size open.", fix=convert)
    samples = np.random.default_rng(1).random((4, *shape), np.float32)
    return export(as_tf_keras(model, samples), Form.FLOAT32, sample_shape=shape)
