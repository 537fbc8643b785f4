# SPDX-License-Identifier: Apache-2.0
""".tflite bytes -> Graph. A malformed file gives one ModelError; nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tflite

from harness.errors import ModelError, UnsupportedError
from harness.graph.nodes import Graph, Op, Quantization, Tensor
from harness.graph.options import DTYPES, read_params

_OP_NAMES: Final = {
    value: name for name, value in vars(tflite.BuiltinOperator).items() if not name.startswith("_")
}

#: No model for a microcontroller comes near; more is a damaged size field.
_MAX_ELEMENTS: Final = 1 << 28
_MAX_RANK: Final = 8


def read_tflite(data: bytes, *, name: str) -> Graph:
    """Read a flatbuffer of the TFLite schema; `name` is used in messages and in generated comments.

    Raises:
        ModelError: the bytes are not a well-formed TFLite model.
        UnsupportedError: well-formed, but with more than one subgraph, a custom operator or a type
            that no engine here knows.
    """
    if data[4:8] != b"TFL3":
        raise ModelError(
            f"{name}: not a .tflite file.",
            cause="The identifier TFL3 is missing at byte 4.",
            fix="Give the file that TFLiteConverter wrote.",
        )
    try:
        return _read(data, name)
    except (
        struct.error,
        AttributeError,  # a table that is absent reads as None
        IndexError,
        ValueError,
        TypeError,
        KeyError,
        OverflowError,
    ) as error:
        raise ModelError(
            f"{name}: the .tflite file is damaged ({type(error).__name__}: {error}).",
            cause="An offset or a size in it points outside of the file or of its meaning.",
            fix="Convert the model again, or check how the file was copied.",
        ) from error


def _read(data: bytes, name: str) -> Graph:
    model = tflite.Model.GetRootAs(data, 0)
    if model.SubgraphsLength() == 0:
        raise ValueError("it holds no graph")
    if model.SubgraphsLength() != 1:
        raise UnsupportedError(
            f"{name}: has {model.SubgraphsLength()} subgraphs, only one is supported.",
            cause="Control flow (IF, WHILE) makes more, and a recurrent layer may be converted to a loop.",
            fix="Give the .keras file (an LSTM then becomes one operation), or build it with unroll=True.",
        )
    subgraph = model.Subgraphs(0)
    tensors = tuple(_tensor(model, subgraph.Tensors(i), i, name) for i in range(subgraph.TensorsLength()))
    ops = tuple(_op(model, subgraph.Operators(i), i, name) for i in range(subgraph.OperatorsLength()))
    graph = Graph(
        name=name,
        sha256=hashlib.sha256(data).hexdigest(),
        tensors=tensors,
        ops=ops,
        inputs=_indices(subgraph.InputsAsNumpy()),
        outputs=_indices(subgraph.OutputsAsNumpy()),
    )
    _check(graph)
    return graph


def _indices(array: npt.NDArray[np.int32] | int) -> tuple[int, ...]:
    # The generated reader returns the number 0 for an absent vector.
    return () if isinstance(array, int) else tuple(int(i) for i in array)


def _check(graph: Graph) -> None:
    count = len(graph.tensors)
    used = [i for op in graph.ops for i in (*op.inputs, *op.outputs, *op.intermediates) if i is not None]
    for index in (*used, *graph.inputs, *graph.outputs):
        if not 0 <= index < count:
            raise ValueError(f"tensor {index} of {count}")
    if not graph.inputs or not graph.outputs:
        raise ValueError("no inputs or no outputs")
    known = {i for i, tensor in enumerate(graph.tensors) if tensor.data is not None or tensor.is_variable}
    known.update(graph.inputs)
    for op in graph.ops:
        if unmade := [i for i in op.inputs if i is not None and i not in known]:
            raise ValueError(f"operation {op.index} {op.kind} reads tensor {unmade[0]} before it is made")
        for index in op.outputs:
            if index in known:
                raise ValueError(f"tensor {index} is made twice")
            known.add(index)
    if missing := [i for i in graph.outputs if i not in known]:
        raise ValueError(f"output tensor {missing[0]} is never made")


def _tensor(model: Any, raw: Any, index: int, name: str) -> Tensor:
    dtype = DTYPES.get(raw.Type())
    tensor_name = (raw.Name() or b"").decode("utf-8", "replace")
    if dtype is None:
        raise UnsupportedError(
            f"{name}: tensor {index} '{tensor_name}' has an unsupported type ({raw.Type()})."
        )
    shape = _indices(raw.ShapeAsNumpy())
    if len(shape) > _MAX_RANK or any(size < 0 for size in shape):
        raise ValueError(f"tensor {index} has shape {shape}")
    elements = 1
    for size in shape:
        elements *= size
    if elements > _MAX_ELEMENTS:
        raise ValueError(f"tensor {index} has {elements} elements")
    if not 0 <= raw.Buffer() < model.BuffersLength():
        raise ValueError(f"tensor {index} has buffer {raw.Buffer()} of {model.BuffersLength()}")
    content = model.Buffers(raw.Buffer()).DataAsNumpy()
    values: npt.NDArray[Any] | None = None
    if not isinstance(content, int) and content.size:
        # A view, not a copy: a damaged file may point many tensors at the same bytes.
        values = np.frombuffer(content, dtype=dtype.numpy).reshape(shape)
    return Tensor(
        index=index,
        name=tensor_name,
        shape=shape,
        dtype=dtype,
        quantization=_quantization(raw.Quantization()),
        data=values,
        is_variable=bool(raw.IsVariable()),
        is_dynamic=any(size < 0 for size in _indices(raw.ShapeSignatureAsNumpy())),
    )


def _quantization(raw: Any) -> Quantization | None:
    if raw is None or raw.ScaleLength() == 0:
        return None
    scales = tuple(float(value) for value in raw.ScaleAsNumpy())
    zero_points = _indices(raw.ZeroPointAsNumpy()) or (0,) * len(scales)
    if len(zero_points) != len(scales):
        raise ValueError(f"{len(scales)} scales but {len(zero_points)} zero points")
    if not all(np.isfinite(scales)) or any(scale < 0 for scale in scales):
        raise ValueError("a scale is negative or not finite")
    if any(not -(2**31) <= zero_point < 2**31 for zero_point in zero_points):
        raise ValueError("a zero point has more than 32 bits")
    return Quantization(scales=scales, zero_points=zero_points, axis=raw.QuantizedDimension())


def _op(model: Any, raw: Any, index: int, name: str) -> Op:
    if not 0 <= raw.OpcodeIndex() < model.OperatorCodesLength():
        raise ValueError(f"operation {index} has code {raw.OpcodeIndex()} of {model.OperatorCodesLength()}")
    code = model.OperatorCodes(raw.OpcodeIndex())
    # Codes above 127 live in the second field; files of old converters fill only the first.
    builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if builtin == tflite.BuiltinOperator.CUSTOM:
        custom = (code.CustomCode() or b"?").decode("utf-8", "replace")
        raise UnsupportedError(
            f"{name}: operation {index} is the custom operator '{custom}'.",
            fix="Rebuild the model from built-in layers.",
        )
    kind = _OP_NAMES[builtin]
    inputs = tuple(None if i == -1 else i for i in _indices(raw.InputsAsNumpy()))
    return Op(
        index=index,
        kind=kind,
        inputs=inputs,
        outputs=_indices(raw.OutputsAsNumpy()),
        params=read_params(kind, raw.BuiltinOptions()),
        intermediates=_indices(raw.IntermediatesAsNumpy()),
    )
