# SPDX-License-Identifier: Apache-2.0
""".tflite bytes -> Graph. A malformed file gives one ModelError; nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tflite

from harness.errors import ModelError, UnsupportedError
from harness.graph.nodes import (
    Activation,
    ActivationParams,
    DType,
    Graph,
    NoParams,
    Op,
    PackParams,
    Padding,
    Params,
    Quantization,
    SoftmaxParams,
    StridedSliceParams,
    Tensor,
    WindowParams,
)

_DTYPES: Final = {
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.INT8: DType.INT8,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.BOOL: DType.BOOL,
}
_ACTIVATIONS: Final = {
    tflite.ActivationFunctionType.NONE: Activation.NONE,
    tflite.ActivationFunctionType.RELU: Activation.RELU,
    tflite.ActivationFunctionType.RELU_N1_TO_1: Activation.RELU_N1_TO_1,
    tflite.ActivationFunctionType.RELU6: Activation.RELU6,
}
_PADDINGS: Final = {tflite.Padding.SAME: Padding.SAME, tflite.Padding.VALID: Padding.VALID}
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
            cause="Control flow (IF, WHILE) makes more.",
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
    used = [i for op in graph.ops for i in (*op.inputs, *op.outputs) if i is not None]
    for index in (*used, *graph.inputs, *graph.outputs):
        if not 0 <= index < count:
            raise ValueError(f"tensor {index} of {count}")
    if not graph.inputs or not graph.outputs:
        raise ValueError("no inputs or no outputs")
    known = {i for i, tensor in enumerate(graph.tensors) if tensor.data is not None} | set(graph.inputs)
    for op in graph.ops:
        if unmade := [i for i in op.inputs if i is not None and i not in known]:
            raise ValueError(f"operation {op.index} {op.kind} reads tensor {unmade[0]} before it is made")
        for index in op.outputs:
            if index in known:
                raise ValueError(f"tensor {index} is made twice")
        known.update(op.outputs)
    if missing := [i for i in graph.outputs if i not in known]:
        raise ValueError(f"output tensor {missing[0]} is never made")


def _tensor(model: Any, raw: Any, index: int, name: str) -> Tensor:
    dtype = _DTYPES.get(raw.Type())
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
        params=_params(kind, raw.BuiltinOptions()),
    )


def _options(reader: Any, table: Any) -> Any:
    if table is None:
        raise ValueError(f"{reader.__name__} are missing")
    options = reader()
    options.Init(table.Bytes, table.Pos)
    return options


def _window(options: Any, **own: int) -> Params:
    """What every sliding window has, and what is its kind's own."""
    return WindowParams(
        stride_height=options.StrideH(),
        stride_width=options.StrideW(),
        padding=_PADDINGS[options.Padding()],
        activation=_ACTIVATIONS[options.FusedActivationFunction()],
        **own,
    )


def _convolution(table: Any) -> Params:
    options = _options(tflite.Conv2DOptions, table)
    return _window(
        options, dilation_height=options.DilationHFactor(), dilation_width=options.DilationWFactor()
    )


def _depthwise(table: Any) -> Params:
    options = _options(tflite.DepthwiseConv2DOptions, table)
    return _window(
        options,
        dilation_height=options.DilationHFactor(),
        dilation_width=options.DilationWFactor(),
        depth_multiplier=options.DepthMultiplier(),
    )


def _pool(table: Any) -> Params:
    options = _options(tflite.Pool2DOptions, table)
    return _window(options, filter_height=options.FilterHeight(), filter_width=options.FilterWidth())


def _fully_connected(table: Any) -> Params:
    options = _options(tflite.FullyConnectedOptions, table)
    if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise ValueError("FULLY_CONNECTED weights are shuffled")
    return ActivationParams(activation=_ACTIVATIONS[options.FusedActivationFunction()])


def _add(table: Any) -> Params:
    options = _options(tflite.AddOptions, table)
    return ActivationParams(activation=_ACTIVATIONS[options.FusedActivationFunction()])


def _softmax(table: Any) -> Params:
    return SoftmaxParams(beta=float(_options(tflite.SoftmaxOptions, table).Beta()))


def _strided_slice(table: Any) -> Params:
    options = _options(tflite.StridedSliceOptions, table)
    return StridedSliceParams(
        begin_mask=options.BeginMask(),
        end_mask=options.EndMask(),
        ellipsis_mask=options.EllipsisMask(),
        new_axis_mask=options.NewAxisMask(),
        shrink_axis_mask=options.ShrinkAxisMask(),
    )


def _pack(table: Any) -> Params:
    return PackParams(axis=_options(tflite.PackOptions, table).Axis())


_PARAMS: Final[dict[str, Callable[[Any], Params]]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "MAX_POOL_2D": _pool,
    "AVERAGE_POOL_2D": _pool,
    "FULLY_CONNECTED": _fully_connected,
    "ADD": _add,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _strided_slice,
    "PACK": _pack,
}


def _params(kind: str, table: Any) -> Params:
    read = _PARAMS.get(kind)
    return read(table) if read else NoParams()
