# SPDX-License-Identifier: Apache-2.0
"""The oracle: what a model must output, by an interpreter that shares no code with our kernels.

TensorFlow Lite Micro on the host (PyPI `tflite-micro`) wherever that wheel exists; elsewhere TFLite's
reference kernels, whose int8 FULLY_CONNECTED rounds once instead of twice and may differ by 2 LSB.
The row names the oracle that was used.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError
from harness.graph import read_tflite

#: Room for the interpreter's tensors and its own tables; host memory is no concern.
_TFLM_ARENA_BYTES: Final = 16 << 20

Array = npt.NDArray[Any]


def oracle_name() -> str:
    """Name and version of the interpreter that `expected_outputs` uses on this machine."""
    if importlib.util.find_spec("tflite_micro"):
        return f"tflm {version('tflite-micro')}"
    return f"tflite-reference {version('tensorflow')}"


def expected_outputs(model: bytes, inputs: Sequence[Array]) -> list[Array]:
    """Outputs for every sample.

    Args:
        model: a .tflite file.
        inputs: one array per input tensor, shape (samples, ...) in the tensor's own dtype.

    Returns:
        One array per output tensor, shape (samples, elements), in the tensor's own dtype.

    Raises:
        ModelError: the interpreter refuses the model.
    """
    infer = _tflm(model) if importlib.util.find_spec("tflite_micro") else _tflite_reference(model)
    samples = [infer(list(sample)) for sample in zip(*inputs, strict=True)]
    return [np.stack(column) for column in zip(*samples, strict=True)]


def _tflm(model: bytes) -> Callable[[Sequence[Array]], list[Array]]:
    from tflite_micro import runtime

    try:
        interpreter = runtime.Interpreter.from_bytes(model, arena_size=_TFLM_ARENA_BYTES)
    except (RuntimeError, ValueError) as error:
        raise ModelError(
            f"TensorFlow Lite Micro refuses the model: {error}",
            cause="It lacks an operation, or a form of one (hybrid models, for example).",
        ) from error
    graph = read_tflite(model, name="model")

    def infer(sample: Sequence[Array]) -> list[Array]:
        for i, (value, tensor) in enumerate(zip(sample, graph.input_tensors(), strict=True)):
            interpreter.set_input(value.reshape(tensor.shape), i)
        interpreter.invoke()
        return [np.array(interpreter.get_output(i)).reshape(-1) for i in range(len(graph.outputs))]

    return infer


def _tflite_reference(model: bytes) -> Callable[[Sequence[Array]], list[Array]]:
    from tensorflow import lite

    resolver = lite.experimental.OpResolverType.BUILTIN_REF
    try:
        interpreter = lite.Interpreter(
            model_content=model, experimental_op_resolver_type=resolver, num_threads=1
        )
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"TensorFlow Lite refuses the model: {error}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def infer(sample: Sequence[Array]) -> list[Array]:
        for value, details in zip(sample, inputs, strict=True):
            interpreter.set_tensor(details["index"], value.reshape(details["shape"]))
        interpreter.invoke()
        return [interpreter.get_tensor(details["index"]).reshape(-1) for details in outputs]

    return infer
