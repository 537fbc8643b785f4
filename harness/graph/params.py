# SPDX-License-Identifier: Apache-2.0
"""The options of operations, one frozen class per form, with the names of the TFLite schema."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from harness.graph.dtypes import DType


class Padding(enum.StrEnum):
    """How a sliding window treats the border."""

    SAME = "SAME"
    VALID = "VALID"


class Activation(enum.StrEnum):
    """An activation fused into an operation."""

    NONE = "NONE"
    RELU = "RELU"
    RELU_N1_TO_1 = "RELU_N1_TO_1"
    RELU6 = "RELU6"
    TANH = "TANH"


class MirrorMode(enum.StrEnum):
    """Whether a mirrored border repeats the edge itself (SYMMETRIC) or not (REFLECT)."""

    REFLECT = "REFLECT"
    SYMMETRIC = "SYMMETRIC"


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowParams:
    """CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, MAX_POOL_2D and AVERAGE_POOL_2D.

    `filter_height` and `filter_width` are the window of a pool (a convolution's is its weights');
    `depth_multiplier` belongs to DEPTHWISE_CONV_2D.
    """

    stride_height: int
    stride_width: int
    padding: Padding
    activation: Activation
    dilation_height: int = 1
    dilation_width: int = 1
    filter_height: int = 0
    filter_width: int = 0
    depth_multiplier: int = 1
    quantized_bias_type: DType | None = None
    """As in FullyConnectedParams; CONV_2D's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationParams:
    """MUL, DIV and L2_NORMALIZATION: nothing but a fused activation matters."""

    activation: Activation


@dataclass(frozen=True, kw_only=True, slots=True)
class AddParams:
    """ADD and SUB. `pot_scale_int16` asks for power-of-two scales of int16 operands."""

    activation: Activation
    pot_scale_int16: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class FullyConnectedParams:
    """FULLY_CONNECTED."""

    activation: Activation
    keep_num_dims: bool = False
    quantized_bias_type: DType | None = None
    """int32: int16 activations without a bias are summed in 32 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchMatMulParams:
    """BATCH_MATMUL: whether an operand's last two axes are swapped."""

    adj_x: bool
    adj_y: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftmaxParams:
    """SOFTMAX: exp(beta * x), normalised over the last axis."""

    beta: float


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakyReluParams:
    """LEAKY_RELU: x below 0 becomes alpha * x."""

    alpha: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ReduceParams:
    """MEAN, SUM, REDUCE_MAX: whether the reduced axes stay with size 1."""

    keep_dims: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StridedSliceParams:
    """STRIDED_SLICE masks, bit i for axis i; with `offset` the end is relative to the begin."""

    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int
    offset: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AxisParams:
    """CONCATENATION, PACK and UNPACK: the axis along which; CONCATENATION may fuse an activation."""

    axis: int
    activation: Activation = Activation.NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class GatherParams:
    """GATHER along `axis`; the first `batch_dims` axes of both operands go together."""

    axis: int
    batch_dims: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MirrorPadParams:
    """MIRROR_PAD."""

    mode: MirrorMode


@dataclass(frozen=True, kw_only=True, slots=True)
class SqueezeParams:
    """SQUEEZE: the axes of size 1 that go; none named: all of them."""

    axes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ResizeParams:
    """RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

    align_corners: bool
    half_pixel_centers: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockParams:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH: the side of the square of pixels that lies in the channels."""

    block_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CastParams:
    """CAST; None where the file leaves the type to the tensors."""

    source: DType | None
    target: DType | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SvdfParams:
    """SVDF: `rank` filters per unit."""

    rank: int
    activation: Activation


@dataclass(frozen=True, kw_only=True, slots=True)
class LstmParams:
    """UNIDIRECTIONAL_SEQUENCE_LSTM; a clip of 0 is none."""

    activation: Activation
    cell_clip: float
    projection_clip: float
    time_major: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NoParams:
    """An operation whose tensors say everything."""


Params = (
    WindowParams
    | ActivationParams
    | AddParams
    | FullyConnectedParams
    | BatchMatMulParams
    | SoftmaxParams
    | LeakyReluParams
    | ReduceParams
    | StridedSliceParams
    | AxisParams
    | GatherParams
    | MirrorPadParams
    | SqueezeParams
    | ResizeParams
    | BlockParams
    | CastParams
    | SvdfParams
    | LstmParams
    | NoParams
)
