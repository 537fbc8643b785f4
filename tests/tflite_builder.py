# SPDX-License-Identifier: Apache-2.0
"""Small .tflite files by hand: any shape, quantization and option, sound or not, without TensorFlow.

b = ModelBuilder()
x = b.tensor((1, 4, 4, 3), scale=0.5, zero_point=-1)
y = b.tensor((1, 2, 2, 3), scale=0.5, zero_point=-1)
b.op("MAX_POOL_2D", [x], [y], pool_options(filter_size=(2, 2), strides=(2, 2)))
data = b.build([x], [y])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import tflite

Array = npt.NDArray[Any]

#: A table of builtin options, and its fields as the schema names them (absent ones keep defaults).
Options = tuple[str, Mapping[str, Any]]

_BUFFER_ALIGNMENT = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorRecord:
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int
    name: str
    buffer: int
    is_variable: bool = False
    signature: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpRecord:
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options | None


@dataclass(slots=True)
class ModelBuilder:
    """One subgraph that grows; tensors are named by their index. Nothing is checked."""

    tensors: list[TensorRecord] = field(default_factory=list)
    ops: list[OpRecord] = field(default_factory=list)
    # By convention buffer 0 is the empty one of all tensors that are computed.
    buffers: list[bytes] = field(default_factory=lambda: [b""])

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "int8",
        *,
        scale: float | None = None,
        zero_point: int = 0,
        name: str | None = None,
        is_variable: bool = False,
        signature: Sequence[int] = (),
    ) -> int:
        """A value that is given or computed at run time; unquantized where `scale` is None."""
        scales, zero_points = ((), ()) if scale is None else ((scale,), (zero_point,))
        index = self._add(
            tuple(shape), dtype, scales=scales, zero_points=zero_points, axis=0, name=name, buffer=0
        )
        self.tensors[index] = replace(
            self.tensors[index], is_variable=is_variable, signature=tuple(signature)
        )
        return index

    def constant(
        self,
        values: npt.ArrayLike,
        dtype: str = "int8",
        *,
        scales: Sequence[float] = (),
        zero_points: Sequence[int] | None = None,
        axis: int = 0,
        name: str | None = None,
    ) -> int:
        """A value in the file; zero points are 0 unless given."""
        array = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
        self.buffers.append(array.tobytes())
        zeros = (0,) * len(scales) if zero_points is None else tuple(zero_points)
        return self._add(
            np.shape(values), dtype, scales=tuple(scales), zero_points=zeros, axis=axis, name=name,
            buffer=len(self.buffers) - 1,
        )  # fmt: skip

    def _add(
        self,
        shape: tuple[int, ...],
        dtype: str,
        *,
        scales: tuple[float, ...],
        zero_points: tuple[int, ...],
        axis: int,
        name: str | None,
        buffer: int,
    ) -> int:
        index = len(self.tensors)
        self.tensors.append(
            TensorRecord(
                shape=shape, dtype=dtype, scales=scales, zero_points=zero_points, axis=axis,
                name=f"t{index}" if name is None else name, buffer=buffer,
            )
        )  # fmt: skip
        return index

    def op(
        self, kind: str, inputs: Sequence[int], outputs: Sequence[int], options: Options | None = None
    ) -> None:
        """One operation; an input of -1 is absent."""
        self.ops.append(OpRecord(kind=kind, inputs=tuple(inputs), outputs=tuple(outputs), options=options))

    def build(self, inputs: Sequence[int], outputs: Sequence[int], *, subgraphs: int = 1) -> bytes:
        """The file; the same subgraph is repeated `subgraphs` times."""
        b = flatbuffers.Builder(1024)
        kinds = sorted({op.kind for op in self.ops})
        codes = _vector(b, [self._code(b, kind) for kind in kinds], "uoffset")
        tensors = _vector(b, [_tensor(b, tensor) for tensor in self.tensors], "uoffset")
        ops = _vector(b, [_operator(b, op, kinds.index(op.kind)) for op in self.ops], "uoffset")
        graph = _table(
            b, "SubGraph",
            {
                "Tensors": tensors, "Inputs": _vector(b, inputs, "int32"),
                "Outputs": _vector(b, outputs, "int32"), "Operators": ops, "Name": b.CreateString("main"),
            },
        )  # fmt: skip
        graphs = _vector(b, [graph] * subgraphs, "uoffset")
        buffers = _vector(b, [_buffer(b, content) for content in self.buffers], "uoffset")
        fields = {"Version": 3, "OperatorCodes": codes, "Subgraphs": graphs, "Buffers": buffers}
        b.Finish(_table(b, "Model", fields), b"TFL3")
        return bytes(b.Output())

    @staticmethod
    def _code(b: Any, kind: str) -> int:
        builtin = getattr(tflite.BuiltinOperator, kind)
        fields = {"DeprecatedBuiltinCode": min(builtin, 127), "BuiltinCode": builtin, "Version": 1}
        if kind == "CUSTOM":
            fields["CustomCode"] = b.CreateString("MyOwnOp")
        return _table(b, "OperatorCode", fields)


def _table(b: Any, name: str, fields: Mapping[str, Any]) -> int:
    """A table by the generated functions `<name>Start`, `<name>Add<field>`, `<name>End`."""
    getattr(tflite, f"{name}Start")(b)
    for key, value in fields.items():
        getattr(tflite, f"{name}Add{key}")(b, value)
    return int(getattr(tflite, f"{name}End")(b))


def _vector(b: Any, items: Iterable[Any], kind: str) -> int:
    prepend, size = {
        "uoffset": (b.PrependUOffsetTRelative, 4),
        "int32": (b.PrependInt32, 4),
        "int64": (b.PrependInt64, 8),
        "float32": (b.PrependFloat32, 4),
    }[kind]
    values = list(items)
    b.StartVector(size, len(values), size)
    for value in reversed(values):
        prepend(value)
    return int(b.EndVector())


def _buffer(b: Any, content: bytes) -> int:
    if not content:
        return _table(b, "Buffer", {})
    b.StartVector(1, len(content), _BUFFER_ALIGNMENT)
    b.head -= len(content)
    b.Bytes[b.head : b.head + len(content)] = content
    return _table(b, "Buffer", {"Data": b.EndVector()})


def _tensor(b: Any, tensor: TensorRecord) -> int:
    fields: dict[str, Any] = {
        "Shape": _vector(b, tensor.shape, "int32"),
        "Type": getattr(tflite.TensorType, tensor.dtype.upper()),
        "Buffer": tensor.buffer,
        "Name": b.CreateString(tensor.name),
        "IsVariable": tensor.is_variable,
    }
    if tensor.signature:
        fields["ShapeSignature"] = _vector(b, tensor.signature, "int32")
    if tensor.scales:
        quantization = {
            "Scale": _vector(b, tensor.scales, "float32"),
            "ZeroPoint": _vector(b, tensor.zero_points, "int64"),
            "QuantizedDimension": tensor.axis,
        }
        fields["Quantization"] = _table(b, "QuantizationParameters", quantization)
    return _table(b, "Tensor", fields)


def _operator(b: Any, op: OpRecord, code: int) -> int:
    fields: dict[str, Any] = {
        "OpcodeIndex": code,
        "Inputs": _vector(b, op.inputs, "int32"),
        "Outputs": _vector(b, op.outputs, "int32"),
    }
    if op.options:
        name, values = op.options
        scalars = {k: _vector(b, v, "int32") if isinstance(v, tuple) else v for k, v in values.items()}
        fields["BuiltinOptionsType"] = getattr(tflite.BuiltinOptions, name)
        fields["BuiltinOptions"] = _table(b, name, scalars)
    return _table(b, "Operator", fields)


def _activation(name: str) -> Any:
    return getattr(tflite.ActivationFunctionType, name)


def conv_options(
    *,
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
    padding: str = "VALID",
    activation: str = "NONE",
    depth_multiplier: int | None = None,
) -> Options:
    """CONV_2D, or DEPTHWISE_CONV_2D where `depth_multiplier` is given; pairs are (height, width)."""
    fields: dict[str, Any] = {
        "Padding": getattr(tflite.Padding, padding),
        "StrideH": strides[0],
        "StrideW": strides[1],
        "DilationHFactor": dilations[0],
        "DilationWFactor": dilations[1],
        "FusedActivationFunction": _activation(activation),
    }
    if depth_multiplier is None:
        return "Conv2DOptions", fields
    return "DepthwiseConv2DOptions", fields | {"DepthMultiplier": depth_multiplier}


def transpose_conv_options(
    *, strides: tuple[int, int] = (1, 1), padding: str = "VALID", activation: str = "NONE"
) -> Options:
    """TRANSPOSE_CONV."""
    return "TransposeConvOptions", {
        "Padding": getattr(tflite.Padding, padding),
        "StrideH": strides[0],
        "StrideW": strides[1],
        "FusedActivationFunction": _activation(activation),
    }


def pool_options(
    *,
    filter_size: tuple[int, int],
    strides: tuple[int, int] = (1, 1),
    padding: str = "VALID",
    activation: str = "NONE",
) -> Options:
    """MAX_POOL_2D and AVERAGE_POOL_2D."""
    return "Pool2DOptions", {
        "Padding": getattr(tflite.Padding, padding),
        "StrideH": strides[0],
        "StrideW": strides[1],
        "FilterHeight": filter_size[0],
        "FilterWidth": filter_size[1],
        "FusedActivationFunction": _activation(activation),
    }


def fully_connected_options(*, activation: str = "NONE") -> Options:
    """FULLY_CONNECTED."""
    return "FullyConnectedOptions", {"FusedActivationFunction": _activation(activation)}


def add_options(*, activation: str = "NONE") -> Options:
    """ADD."""
    return "AddOptions", {"FusedActivationFunction": _activation(activation)}


def svdf_options(rank: int, *, activation: str = "NONE") -> Options:
    """SVDF."""
    return "SVDFOptions", {"Rank": rank, "FusedActivationFunction": _activation(activation)}


def lstm_options(*, time_major: bool = False, cell_clip: float = 0.0, activation: str = "TANH") -> Options:
    """UNIDIRECTIONAL_SEQUENCE_LSTM."""
    return "UnidirectionalSequenceLSTMOptions", {
        "FusedActivationFunction": _activation(activation),
        "CellClip": cell_clip,
        "TimeMajor": time_major,
    }


def mean_options(*, keep_dims: bool = False) -> Options:
    """MEAN."""
    return "ReducerOptions", {"KeepDims": keep_dims}


def softmax_options(*, beta: float = 1.0) -> Options:
    """SOFTMAX."""
    return "SoftmaxOptions", {"Beta": beta}


def reshape_options(shape: Sequence[int]) -> Options:
    """RESHAPE."""
    return "ReshapeOptions", {"NewShape": tuple(shape)}


def pack_options(*, count: int, axis: int = 0) -> Options:
    """PACK."""
    return "PackOptions", {"ValuesCount": count, "Axis": axis}


def slice_options(*, shrink_axis_mask: int = 0, begin_mask: int = 0, end_mask: int = 0) -> Options:
    """STRIDED_SLICE."""
    return "StridedSliceOptions", {
        "BeginMask": begin_mask,
        "EndMask": end_mask,
        "ShrinkAxisMask": shrink_axis_mask,
    }


def leaky_relu_options(alpha: float) -> Options:
    """LEAKY_RELU."""
    return "LeakyReluOptions", {"Alpha": alpha}


def cast_options(source: str, target: str) -> Options:
    """CAST between two element types."""
    kinds = (getattr(tflite.TensorType, name.upper()) for name in (source, target))
    return "CastOptions", dict(zip(("InDataType", "OutDataType"), kinds, strict=True))
