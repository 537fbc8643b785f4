# SPDX-License-Identifier: Apache-2.0
"""tf-keras model to .tflite, with a batch of one, and a check that the file is what was asked for."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from harness.errors import QuantizeError, UnsupportedError
from harness.workloads.dataset import FloatArray
from harness.workloads.runtime import tensorflow


def export(model: Any, *, int8: bool, calibration: FloatArray | None = None) -> bytes:
    """The .tflite of `model`, float32 or full-integer int8 (inputs and outputs included).

    `calibration` (samples, ...) sets the activations' ranges; None where fake quantization already does.

    Raises:
        UnsupportedError: TensorFlow Lite has no (integer) form of an operation.
        QuantizeError: the converter failed otherwise, or made something else.
    """
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    spec = tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name="input")
    # A function with the batch fixed: the converter then folds every shape computation away.
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    # Frozen first: only among a graph's own nodes does the converter look for fake quantization.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(function)])
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    if calibration is not None:
        # Not for fake quantization: the converter then asks for samples all the same.
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in calibration)
    try:
        content = bytes(converter.convert())
    except Exception as error:  # the converter raises its own and bare exceptions alike
        raise _conversion_error(error) from error
    _check(content, dtype="INT8" if int8 else "FLOAT32")
    return content


def _conversion_error(error: Exception) -> Exception:
    text = str(error)
    missing = re.findall(r"(?:tf|tfl)\.[A-Za-z0-9_]+", text)
    if "neither a custom op nor a flex op" in text or "not supported" in text.lower():
        named = f": {missing[0]}" if missing else ""
        return UnsupportedError(
            f"TensorFlow Lite has no operation for a part of the model{named}.",
            fix="Use layers that TensorFlow Lite's built-in operations cover.",
        )
    first = (text.strip().splitlines() or [type(error).__name__])[0][:300]
    return QuantizeError(f"TensorFlow's converter failed: {first}.")


def _check(content: bytes, *, dtype: str) -> None:
    import tflite

    model = tflite.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    ends = {"input": graph.InputsAsNumpy(), "output": graph.OutputsAsNumpy()}
    wanted = getattr(tflite.TensorType, dtype)
    for end, tensors in ends.items():
        if len(tensors) != 1 or model.SubgraphsLength() != 1:
            raise QuantizeError(
                f"The converter made a model with {len(tensors)} {end}s.", fix="Give a model with one."
            )
        tensor = graph.Tensors(int(tensors[0]))
        if tensor.Type() != wanted or tensor.ShapeAsNumpy()[0] != 1:
            raise QuantizeError(f"The converter made an {end} that is not {dtype} with a batch of one.")
    for index in range(graph.TensorsLength()):
        if dtype == "INT8" and graph.Tensors(index).Type() == tflite.TensorType.FLOAT32:
            name = graph.Tensors(index).Name().decode("utf-8", "replace")
            raise UnsupportedError(f"TensorFlow Lite has no int8 form of the operation that yields {name}.")
