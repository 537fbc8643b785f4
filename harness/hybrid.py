# SPDX-License-Identifier: Apache-2.0
"""Hybrid models (float activations, integer weights) as the float models that they stand for.

TFLite computes such an operation by quantizing its activations on the fly, which loses accuracy that the
model's author never asked to lose. Our kernels multiply the float activations by the stored weights; so
what they must equal is the same model with its weights dequantized.
"""

from __future__ import annotations

import copy
from typing import Any, Final

import numpy as np

#: Operations whose weights may be integers while their activations are float32.
_KINDS: Final = (
    "BATCH_MATMUL",
    "BIDIRECTIONAL_SEQUENCE_LSTM",
    "BIDIRECTIONAL_SEQUENCE_RNN",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "EMBEDDING_LOOKUP",
    "FULLY_CONNECTED",
    "LSTM",
    "RNN",
    "SVDF",
    "TRANSPOSE_CONV",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
    "UNIDIRECTIONAL_SEQUENCE_RNN",
)


def dequantized(model: bytes) -> bytes | None:
    """The float .tflite of a hybrid one; None where no operation is hybrid.

    Tensors keep their indices; the dequantized weights are added behind them.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    root = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0))
    kinds = {getattr(schema.BuiltinOperator, kind) for kind in _KINDS}
    changed = False
    for graph in root.subgraphs:
        made: dict[int, int] = {}
        for op in graph.operators or ():
            code = root.operatorCodes[op.opcodeIndex]
            if max(code.builtinCode, code.deprecatedBuiltinCode) not in kinds:
                continue
            if all(graph.tensors[i].type != schema.TensorType.FLOAT32 for i in op.outputs):
                continue
            op.inputs = list(op.inputs)
            for position, index in enumerate(op.inputs):
                if index >= 0 and _is_integer_constant(root, graph.tensors[index], schema):
                    if index not in made:
                        made[index] = _add_dequantized(root, graph, index, schema)
                    op.inputs[position] = made[index]
                    changed = True
    return _packed(root, schema) if changed else None


def _is_integer_constant(root: Any, tensor: Any, schema: Any) -> bool:
    """Whether it is a constant of quantized integers."""
    integers = (schema.TensorType.INT8, schema.TensorType.UINT8, schema.TensorType.INT16)
    if tensor.type not in integers or tensor.quantization is None or tensor.quantization.scale is None:
        return False
    data = root.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _add_dequantized(root: Any, graph: Any, index: int, schema: Any) -> int:
    """Add the float32 constant of the same values; returns its index."""
    tensor = copy.copy(graph.tensors[index])
    stored_as = {
        schema.TensorType.INT8: "<i1",
        schema.TensorType.UINT8: "<u1",
        schema.TensorType.INT16: "<i2",
    }
    shape = [int(size) for size in tensor.shape]
    stored = np.frombuffer(bytes(root.buffers[tensor.buffer].data), stored_as[tensor.type]).reshape(shape)
    scales = np.asarray(tensor.quantization.scale, np.float32)
    zero_points = np.zeros(len(scales), np.int64)
    if tensor.quantization.zeroPoint is not None and len(tensor.quantization.zeroPoint):
        zero_points = np.asarray(tensor.quantization.zeroPoint, np.int64)
    along = [1] * len(shape)
    if len(scales) > 1:
        along[tensor.quantization.quantizedDimension] = len(scales)
    values = (stored - zero_points.reshape(along)).astype(np.float32) * scales.reshape(along)
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
    root.buffers.append(buffer)
    tensor.buffer = len(root.buffers) - 1
    tensor.type = schema.TensorType.FLOAT32
    tensor.quantization = None
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _packed(root: Any, schema: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(root.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
