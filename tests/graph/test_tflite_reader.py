# SPDX-License-Identifier: Apache-2.0
"""Reading .tflite files: what is in them, and every way in which they can be damaged."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.compiler import GeneratedSource, compile_graph
from harness.errors import ModelError, UnsupportedError
from harness.graph import (
    Activation,
    ActivationParams,
    AddParams,
    AxisParams,
    BatchMatMulParams,
    CastParams,
    DType,
    FullyConnectedParams,
    GatherParams,
    LeakyReluParams,
    LstmParams,
    MirrorMode,
    MirrorPadParams,
    NoParams,
    Padding,
    Quantization,
    ReduceParams,
    ResizeParams,
    SoftmaxParams,
    SqueezeParams,
    StridedSliceParams,
    SvdfParams,
    WindowParams,
    read_tflite,
)
from tests import tflite_builder as tb
from tests.kernels.models import mean, pad, softmax
from tests.kernels.models_unary import unary
from tests.kernels.models_window import Window, convolution, depthwise
from tests.tflite_builder import ModelBuilder


def float32(value: float) -> float:
    return float(np.float32(value))


# -- sound files --------------------------------------------------------------------------------------


def test_everything_of_a_convolution() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 5, 6, 2), scale=0.1, zero_point=-128, name="image")
    values = np.arange(3 * 2 * 3 * 2).reshape(3, 2, 3, 2) - 18
    w = b.constant(values, scales=[0.1, 0.2, 0.3], axis=0, name="weights")
    y = b.tensor((1, 3, 2, 3), scale=0.7, zero_point=127, name="features")
    options = tb.conv_options(strides=(2, 3), dilations=(1, 2), padding="SAME", activation="RELU6")
    b.op("CONV_2D", [x, w, -1], [y], options)
    data = b.build([x], [y])
    graph = read_tflite(data, name="some.tflite")

    assert (graph.name, graph.sha256) == ("some.tflite", hashlib.sha256(data).hexdigest())
    assert (graph.inputs, graph.outputs) == ((x,), (y,))
    image, weights, features = graph.tensors
    assert (image.name, image.shape, image.dtype) == ("image", (1, 5, 6, 2), DType.INT8)
    assert image.quantization == Quantization(scales=(float32(0.1),), zero_points=(-128,))
    assert (image.data, image.elements, image.nbytes) == (None, 60, 60)
    assert weights.quantization == Quantization(
        scales=(float32(0.1), float32(0.2), float32(0.3)), zero_points=(0, 0, 0)
    )
    assert weights.data is not None
    assert np.array_equal(weights.data, values)
    assert features.quantization is not None
    assert (features.quantization.scale, features.quantization.zero_point) == (float32(0.7), 127)
    [op] = graph.ops
    assert (op.index, op.kind, op.inputs, op.outputs) == (0, "CONV_2D", (x, w, None), (y,))
    assert op.params == WindowParams(
        stride_height=2, stride_width=3, padding=Padding.SAME, activation=Activation.RELU6,
        dilation_height=1, dilation_width=2,
    )  # fmt: skip
    with pytest.raises(ValueError, match="lacks its input 2"):
        op.required_input(2)


@pytest.mark.parametrize(
    ("kind", "options", "params"),
    [
        (
            "DEPTHWISE_CONV_2D", tb.conv_options(strides=(1, 2), activation="RELU", depth_multiplier=4),
            WindowParams(
                stride_height=1, stride_width=2, padding=Padding.VALID, activation=Activation.RELU,
                depth_multiplier=4,
            ),
        ),
        (
            "AVERAGE_POOL_2D", tb.pool_options(filter_size=(2, 3), strides=(4, 5), activation="RELU_N1_TO_1"),
            WindowParams(
                stride_height=4, stride_width=5, padding=Padding.VALID, activation=Activation.RELU_N1_TO_1,
                filter_height=2, filter_width=3,
            ),
        ),
        ("ADD", tb.add_options(activation="RELU"), AddParams(activation=Activation.RELU)),
        ("MUL", ("MulOptions", {}), ActivationParams(activation=Activation.NONE)),
        ("FULLY_CONNECTED", tb.fully_connected_options(), FullyConnectedParams(activation=Activation.NONE)),
        ("SOFTMAX", tb.softmax_options(beta=0.5), SoftmaxParams(beta=0.5)),
        ("PACK", tb.pack_options(count=1, axis=2), AxisParams(axis=2)),
        (
            "STRIDED_SLICE", tb.slice_options(shrink_axis_mask=1, begin_mask=2, end_mask=4),
            StridedSliceParams(
                begin_mask=2, end_mask=4, ellipsis_mask=0, new_axis_mask=0, shrink_axis_mask=1
            ),
        ),
        (
            "TRANSPOSE_CONV", ("TransposeConvOptions", {"StrideH": 2, "StrideW": 3, "Padding": 1}),
            WindowParams(
                stride_height=2, stride_width=3, padding=Padding.VALID, activation=Activation.NONE
            ),
        ),
        (
            "FULLY_CONNECTED",
            ("FullyConnectedOptions", {"KeepNumDims": True, "FusedActivationFunction": 3}),
            FullyConnectedParams(activation=Activation.RELU6, keep_num_dims=True),
        ),
        (
            "SUB", ("SubOptions", {"PotScaleInt16": False, "FusedActivationFunction": 4}),
            AddParams(activation=Activation.TANH, pot_scale_int16=False),
        ),
        (
            "BATCH_MATMUL", ("BatchMatMulOptions", {"AdjX": False, "AdjY": True}),
            BatchMatMulParams(adj_x=False, adj_y=True),
        ),
        ("LEAKY_RELU", ("LeakyReluOptions", {"Alpha": 0.25}), LeakyReluParams(alpha=0.25)),
        ("REDUCE_MAX", tb.mean_options(keep_dims=True), ReduceParams(keep_dims=True)),
        (
            "CONCATENATION", ("ConcatenationOptions", {"Axis": -1, "FusedActivationFunction": 1}),
            AxisParams(axis=-1, activation=Activation.RELU),
        ),
        ("UNPACK", ("UnpackOptions", {"Axis": 2, "Num": 3}), AxisParams(axis=2)),
        ("GATHER", ("GatherOptions", {"Axis": 2, "BatchDims": 1}), GatherParams(axis=2, batch_dims=1)),
        ("MIRROR_PAD", ("MirrorPadOptions", {"Mode": 1}), MirrorPadParams(mode=MirrorMode.SYMMETRIC)),
        ("SQUEEZE", ("SqueezeOptions", {"SqueezeDims": (0, 2)}), SqueezeParams(axes=(0, 2))),
        (
            "RESIZE_BILINEAR", ("ResizeBilinearOptions", {"AlignCorners": True}),
            ResizeParams(align_corners=True, half_pixel_centers=False),
        ),
        (
            "RESIZE_NEAREST_NEIGHBOR", ("ResizeNearestNeighborOptions", {"HalfPixelCenters": True}),
            ResizeParams(align_corners=False, half_pixel_centers=True),
        ),
        (
            "CAST", ("CastOptions", {"InDataType": 9, "OutDataType": 2}),
            CastParams(source=DType.INT8, target=DType.INT32),
        ),
        ("CAST", None, CastParams(source=None, target=None)),
        (
            "SVDF", ("SVDFOptions", {"Rank": 2, "FusedActivationFunction": 1}),
            SvdfParams(rank=2, activation=Activation.RELU),
        ),
        (
            "UNIDIRECTIONAL_SEQUENCE_LSTM",
            (
                "UnidirectionalSequenceLSTMOptions",
                {"FusedActivationFunction": 4, "CellClip": 10.0, "ProjClip": 0.5, "TimeMajor": True},
            ),
            LstmParams(activation=Activation.TANH, cell_clip=10.0, projection_clip=0.5, time_major=True),
        ),
        ("LOGISTIC", None, NoParams()),
        # Above 127 the code moves to a field of its own.
        ("BROADCAST_TO", None, NoParams()),
    ],
)  # fmt: skip
def test_options(kind: str, options: tb.Options | None, params: Any) -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), "float32"), b.tensor((1, 4), "float32")
    b.op(kind, [x], [y], options)
    [op] = read_tflite(b.build([x], [y]), name="model").ops
    assert (op.kind, op.params) == (kind, params)


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16", "int32", "int64", "bool"])
def test_constants_of_every_type(dtype: str) -> None:
    b = ModelBuilder()
    x, y = b.tensor((2,), "float32"), b.tensor((2,), "float32")
    values = np.array([[1, 0], [1, 1]], dtype)
    c = b.constant(values, dtype)
    b.op("CUMSUM", [x, c], [y])
    tensor = read_tflite(b.build([x], [y]), name="model").tensors[c]
    assert tensor.data is not None
    assert tensor.data.dtype == values.dtype
    assert np.array_equal(tensor.data, values)
    assert tensor.nbytes == values.nbytes


# -- files that say no ---------------------------------------------------------------------------------


def test_custom_operators_and_control_flow_are_unsupported() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1,), "float32"), b.tensor((1,), "float32")
    b.op("CUSTOM", [x], [y])
    with pytest.raises(UnsupportedError, match="operation 0 is the custom operator 'MyOwnOp'"):
        read_tflite(b.build([x], [y]), name="model")
    b = ModelBuilder()
    x, y = b.tensor((1,), "float32"), b.tensor((1,), "float32")
    b.op("RELU", [x], [y])
    with pytest.raises(UnsupportedError, match="has 2 subgraphs"):
        read_tflite(b.build([x], [y], subgraphs=2), name="model")


def test_unknown_types_are_unsupported() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1,), "float64", name="half"), b.tensor((1,), "float32")
    b.op("DEQUANTIZE", [x], [y])
    with pytest.raises(UnsupportedError, match="'half' has an unsupported type"):
        read_tflite(b.build([x], [y]), name="model")


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0\0\0\0TFL3", b"PK\3\4" * 20, bytes(100)])
def test_other_files_are_not_models(data: bytes) -> None:
    with pytest.raises(ModelError):
        read_tflite(data, name="photo.jpg")


def wrong_flow() -> dict[str, bytes]:
    """Models whose tensors are read before they are made, made twice, or not there."""
    made = {}
    for name, (inputs, outputs, ends) in {
        "reads tensor 2 before": ([2], [1], [1]),
        "made twice": ([0], [0], [0]),
        "tensor 1 is made twice": ([0], [1, 1], [1]),
        "output tensor 2 is never made": ([0], [1], [2]),
        "tensor 9 of 3": ([9], [1], [1]),
        "tensor -2 of 3": ([-2], [1], [1]),
        "no inputs or no outputs": ([0], [1], []),
    }.items():
        b = ModelBuilder()
        for _ in range(3):
            b.tensor((1,), "float32")
        b.op("RELU", inputs, outputs)
        made[name] = b.build([0], ends)
    return made


@pytest.mark.parametrize("reason", wrong_flow())
def test_dataflow_is_checked(reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        read_tflite(wrong_flow()[reason], name="model")


@pytest.mark.parametrize(
    ("scale", "zero_point", "shape"),
    [
        (-1.0, 0, (1,)),
        (float("inf"), 0, (1,)),
        (float("nan"), 0, (1,)),
        (1.0, 2**40, (1,)),
        (1.0, 0, (-1,)),
        (1.0, 0, (2**15, 2**15)),
        (1.0, 0, (1,) * 9),
    ],
)
def test_values_out_of_range(scale: float, zero_point: int, shape: tuple[int, ...]) -> None:
    b = ModelBuilder()
    x, y = b.tensor(shape, scale=scale, zero_point=zero_point), b.tensor((1,))
    b.op("RELU", [x], [y])
    with pytest.raises(ModelError, match="damaged"):
        read_tflite(b.build([x], [y]), name="model")


def test_a_variable_is_known_before_anything_makes_it() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1,), "float32"), b.tensor((1,), "float32")
    memory = b.tensor((1,), "float32", is_variable=True)
    b.op("ADD", [x, memory], [y], tb.add_options())
    graph = read_tflite(b.build([x], [y]), name="model")
    assert [tensor.is_variable for tensor in graph.tensors] == [False, False, True]


def test_a_size_that_is_left_open_is_noted() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), "float32", signature=(-1, 4)), b.tensor((1, 4), "float32")
    b.op("RELU", [x], [y])
    graph = read_tflite(b.build([x], [y]), name="model")
    assert [tensor.is_dynamic for tensor in graph.tensors] == [True, False]


def test_a_buffer_of_another_size_is_damage() -> None:
    b = ModelBuilder()
    x, y, c = b.tensor((1,), "float32"), b.tensor((1,), "float32"), b.constant([1, 2, 3], "float32")
    b.buffers[1] = b.buffers[1][:-1]
    b.op("ADD", [x, c], [y], tb.add_options())
    with pytest.raises(ModelError, match="damaged"):
        read_tflite(b.build([x], [y]), name="model")


# -- damaged files --------------------------------------------------------------------------------------


def read_and_compile(data: bytes) -> GeneratedSource | None:
    """What a user's file goes through; only errors of the file may come out."""
    try:
        return compile_graph(read_tflite(data, name="model"))
    except (ModelError, UnsupportedError):
        return None


@functools.cache
def small() -> bytes:
    return unary("RELU", "int8", (1, 4))


@functools.cache
def victims() -> list[bytes]:
    """Models with every kind of table that the reader knows."""
    window = Window(size=(3, 4), channels=2, kernel=(2, 2))
    b = ModelBuilder()
    x, flat, y = b.tensor((1, 2, 2), "float32"), b.tensor((1, 4), "float32"), b.tensor((1, 2), "float32")
    shape, batch, target = b.tensor((3,), "int32"), b.tensor((), "int32"), b.tensor((2,), "int32")
    b.op("SHAPE", [x], [shape], ("ShapeOptions", {"OutType": 2}))
    bounds = [b.constant([value], "int32") for value in (0, 1, 1)]
    b.op("STRIDED_SLICE", [shape, *bounds], [batch], tb.slice_options(shrink_axis_mask=1))
    b.op("PACK", [batch, b.constant(4, "int32")], [target], tb.pack_options(count=2))
    b.op("RESHAPE", [x, target], [flat], tb.reshape_options([1, 4]))
    w, bias = b.constant(np.ones((2, 4)), "float32"), b.constant([1, 2], "float32")
    b.op("FULLY_CONNECTED", [flat, w, bias], [y], tb.fully_connected_options())
    return [
        small(),
        b.build([x], [y]),
        convolution("int8", window, outputs=2),
        depthwise("float32", window, multiplier=2),
        mean("int8", (1, 2, 3, 2), (1, 2)),
        pad("float32", (1, 2, 2, 1), ((0, 0), (1, 0), (0, 1), (0, 0))),
        softmax("int8", (1, 5)),
    ]


def test_every_truncation_is_an_error() -> None:
    data = small()
    assert read_and_compile(data)
    for length in range(len(data)):
        # Only alignment at the end may be missed: a prefix that reads well must compile to the same.
        source = read_and_compile(data[:length])
        if source is not None:
            assert length > len(data) - 8


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """One of the victims with up to four bytes or 32-bit words replaced."""
    data = bytearray(draw(st.sampled_from(victims())))
    words = st.sampled_from(
        [0, 1, 2, 127, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, len(data), len(data) // 2]
    )
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 4))
        if draw(st.booleans()):
            data[at] = draw(st.integers(0, 255))
        else:
            at = at // 4 * 4
            data[at : at + 4] = draw(words).to_bytes(4, "little")
    return bytes(data)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@example(b"TFL3" * 3)
@given(mutations())
def test_damage_never_gives_another_error(data: bytes) -> None:
    read_and_compile(data)


def test_every_byte_of_a_small_file_set_to_extremes() -> None:
    data = small()
    for at in range(len(data)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            read_and_compile(data[:at] + bytes([value]) + data[at + 1 :])
