# SPDX-License-Identifier: Apache-2.0
"""An operation's options table in the flatbuffer -> its Params."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import tflite

from harness.graph.dtypes import DType
from harness.graph.params import (
    Activation,
    ActivationParams,
    AddParams,
    AxisParams,
    BatchMatMulParams,
    BlockParams,
    CastParams,
    FullyConnectedParams,
    GatherParams,
    LeakyReluParams,
    LstmParams,
    MirrorMode,
    MirrorPadParams,
    NoParams,
    Padding,
    Params,
    ReduceParams,
    ResizeParams,
    SoftmaxParams,
    SqueezeParams,
    StridedSliceParams,
    SvdfParams,
    WindowParams,
)

#: The types that a tensor may have.
DTYPES: Final = {
    tflite.TensorType.FLOAT32: DType.FLOAT32,
    tflite.TensorType.FLOAT16: DType.FLOAT16,
    tflite.TensorType.INT8: DType.INT8,
    tflite.TensorType.UINT8: DType.UINT8,
    tflite.TensorType.INT16: DType.INT16,
    tflite.TensorType.INT32: DType.INT32,
    tflite.TensorType.INT64: DType.INT64,
    tflite.TensorType.BOOL: DType.BOOL,
}
_ACTIVATIONS: Final = {getattr(tflite.ActivationFunctionType, member.value): member for member in Activation}
_PADDINGS: Final = {tflite.Padding.SAME: Padding.SAME, tflite.Padding.VALID: Padding.VALID}
_MIRRORS: Final = {
    tflite.MirrorPadMode.REFLECT: MirrorMode.REFLECT,
    tflite.MirrorPadMode.SYMMETRIC: MirrorMode.SYMMETRIC,
}


def read_params(kind: str, table: Any) -> Params:
    """The options of an operation of this kind; `table` is None where the file has none.

    Raises:
        ValueError, KeyError: options that are missing, or values that the schema does not know.
    """
    read = _READERS.get(kind)
    return read(table) if read else NoParams()


def _options(reader: Any, table: Any) -> Any:
    if table is None:
        raise ValueError(f"{reader.__name__} are missing")
    options = reader()
    options.Init(table.Bytes, table.Pos)
    return options


def _activation(options: Any) -> Activation:
    return _ACTIVATIONS[options.FusedActivationFunction()]


def _bias_type(options: Any) -> DType | None:
    """The type that the options declare for a bias; float32, the schema's default, declares nothing."""
    declared = DTYPES.get(options.QuantizedBiasType())
    return None if declared is DType.FLOAT32 else declared


def _window(options: Any, **own: Any) -> Params:
    """What every sliding window has, and what is its kind's own."""
    return WindowParams(
        stride_height=options.StrideH(),
        stride_width=options.StrideW(),
        padding=_PADDINGS[options.Padding()],
        activation=_activation(options),
        **own,
    )


def _convolution(table: Any) -> Params:
    options = _options(tflite.Conv2DOptions, table)
    return _window(
        options,
        dilation_height=options.DilationHFactor(),
        dilation_width=options.DilationWFactor(),
        quantized_bias_type=_bias_type(options),
    )


def _depthwise(table: Any) -> Params:
    options = _options(tflite.DepthwiseConv2DOptions, table)
    return _window(
        options,
        dilation_height=options.DilationHFactor(),
        dilation_width=options.DilationWFactor(),
        depth_multiplier=options.DepthMultiplier(),
    )


def _transpose_convolution(table: Any) -> Params:
    return _window(_options(tflite.TransposeConvOptions, table))


def _pool(table: Any) -> Params:
    options = _options(tflite.Pool2DOptions, table)
    return _window(options, filter_height=options.FilterHeight(), filter_width=options.FilterWidth())


def _fully_connected(table: Any) -> Params:
    options = _options(tflite.FullyConnectedOptions, table)
    if options.WeightsFormat() != tflite.FullyConnectedOptionsWeightsFormat.DEFAULT:
        raise ValueError("FULLY_CONNECTED weights are shuffled")
    return FullyConnectedParams(
        activation=_activation(options),
        keep_num_dims=bool(options.KeepNumDims()),
        quantized_bias_type=_bias_type(options),
    )


def _add(table: Any) -> Params:
    options = _options(tflite.AddOptions, table)
    return AddParams(activation=_activation(options), pot_scale_int16=bool(options.PotScaleInt16()))


def _sub(table: Any) -> Params:
    options = _options(tflite.SubOptions, table)
    return AddParams(activation=_activation(options), pot_scale_int16=bool(options.PotScaleInt16()))


def _mul(table: Any) -> Params:
    return ActivationParams(activation=_activation(_options(tflite.MulOptions, table)))


def _l2_normalization(table: Any) -> Params:
    return ActivationParams(activation=_activation(_options(tflite.L2NormOptions, table)))


def _batch_matmul(table: Any) -> Params:
    options = _options(tflite.BatchMatMulOptions, table)
    return BatchMatMulParams(adj_x=bool(options.AdjX()), adj_y=bool(options.AdjY()))


def _softmax(table: Any) -> Params:
    return SoftmaxParams(beta=float(_options(tflite.SoftmaxOptions, table).Beta()))


def _leaky_relu(table: Any) -> Params:
    return LeakyReluParams(alpha=float(_options(tflite.LeakyReluOptions, table).Alpha()))


def _reduce(table: Any) -> Params:
    return ReduceParams(keep_dims=bool(_options(tflite.ReducerOptions, table).KeepDims()))


def _strided_slice(table: Any) -> Params:
    options = _options(tflite.StridedSliceOptions, table)
    return StridedSliceParams(
        begin_mask=options.BeginMask(),
        end_mask=options.EndMask(),
        ellipsis_mask=options.EllipsisMask(),
        new_axis_mask=options.NewAxisMask(),
        shrink_axis_mask=options.ShrinkAxisMask(),
        offset=bool(options.Offset()),
    )


def _concatenation(table: Any) -> Params:
    options = _options(tflite.ConcatenationOptions, table)
    return AxisParams(axis=options.Axis(), activation=_activation(options))


def _pack(table: Any) -> Params:
    return AxisParams(axis=_options(tflite.PackOptions, table).Axis())


def _unpack(table: Any) -> Params:
    return AxisParams(axis=_options(tflite.UnpackOptions, table).Axis())


def _gather(table: Any) -> Params:
    options = _options(tflite.GatherOptions, table)
    return GatherParams(axis=options.Axis(), batch_dims=options.BatchDims())


def _mirror_pad(table: Any) -> Params:
    return MirrorPadParams(mode=_MIRRORS[_options(tflite.MirrorPadOptions, table).Mode()])


def _squeeze(table: Any) -> Params:
    options = _options(tflite.SqueezeOptions, table)
    return SqueezeParams(axes=tuple(options.SqueezeDims(i) for i in range(options.SqueezeDimsLength())))


def _resize_bilinear(table: Any) -> Params:
    return _resize(_options(tflite.ResizeBilinearOptions, table))


def _resize_nearest(table: Any) -> Params:
    return _resize(_options(tflite.ResizeNearestNeighborOptions, table))


def _resize(options: Any) -> Params:
    return ResizeParams(
        align_corners=bool(options.AlignCorners()), half_pixel_centers=bool(options.HalfPixelCenters())
    )


def _depth_to_space(table: Any) -> Params:
    return BlockParams(block_size=_options(tflite.DepthToSpaceOptions, table).BlockSize())


def _space_to_depth(table: Any) -> Params:
    return BlockParams(block_size=_options(tflite.SpaceToDepthOptions, table).BlockSize())


def _cast(table: Any) -> Params:
    if table is None:
        return CastParams(source=None, target=None)
    options = _options(tflite.CastOptions, table)
    return CastParams(source=DTYPES.get(options.InDataType()), target=DTYPES.get(options.OutDataType()))


def _svdf(table: Any) -> Params:
    options = _options(tflite.SVDFOptions, table)
    return SvdfParams(rank=options.Rank(), activation=_activation(options))


def _lstm(table: Any) -> Params:
    options = _options(tflite.UnidirectionalSequenceLSTMOptions, table)
    return LstmParams(
        activation=_activation(options),
        cell_clip=float(options.CellClip()),
        projection_clip=float(options.ProjClip()),
        time_major=bool(options.TimeMajor()),
    )


_READERS: Final[dict[str, Callable[[Any], Params]]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool,
    "BATCH_MATMUL": _batch_matmul,
    "CAST": _cast,
    "CONCATENATION": _concatenation,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "DEPTH_TO_SPACE": _depth_to_space,
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gather,
    "L2_NORMALIZATION": _l2_normalization,
    "LEAKY_RELU": _leaky_relu,
    "MAX_POOL_2D": _pool,
    "MEAN": _reduce,
    "MIRROR_PAD": _mirror_pad,
    "MUL": _mul,
    "PACK": _pack,
    "REDUCE_MAX": _reduce,
    "RESIZE_BILINEAR": _resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "SOFTMAX": _softmax,
    "SPACE_TO_DEPTH": _space_to_depth,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "SUB": _sub,
    "SUM": _reduce,
    "SVDF": _svdf,
    "TRANSPOSE_CONV": _transpose_convolution,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "UNPACK": _unpack,
}
