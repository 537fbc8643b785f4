# SPDX-License-Identifier: Apache-2.0
"""A model as frozen values: tensors, operations in execution order, inputs and outputs."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


class DType(enum.StrEnum):
    """Element type of a tensor."""

    FLOAT32 = "float32"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    BOOL = "bool"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.numpy.itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        """The same type in numpy, little-endian."""
        return np.dtype(self.value).newbyteorder("<")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantization:
    """real = scale * (stored - zero_point); one scale per tensor, or one per index of `axis`."""

    scales: tuple[float, ...]
    """Exact float32 values."""
    zero_points: tuple[int, ...]
    axis: int = 0

    @property
    def scale(self) -> float:
        """The scale of a per-tensor quantization (the first one otherwise)."""
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a per-tensor quantization (the first one otherwise)."""
        return self.zero_points[0]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tensor:
    """One value of the graph; `data` is set for constants only and then has exactly `shape`."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: DType
    quantization: Quantization | None
    data: npt.NDArray[Any] | None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.elements * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowParams:
    """CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D and AVERAGE_POOL_2D.

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


@dataclass(frozen=True, kw_only=True, slots=True)
class ActivationParams:
    """FULLY_CONNECTED and ADD: nothing but a fused activation matters."""

    activation: Activation


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftmaxParams:
    """SOFTMAX: exp(beta * x), normalised over the last axis."""

    beta: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StridedSliceParams:
    """STRIDED_SLICE masks, bit i for axis i."""

    begin_mask: int
    end_mask: int
    ellipsis_mask: int
    new_axis_mask: int
    shrink_axis_mask: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PackParams:
    """PACK: stack the inputs along a new `axis`."""

    axis: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NoParams:
    """An operation whose tensors say everything."""


Params = WindowParams | ActivationParams | SoftmaxParams | StridedSliceParams | PackParams | NoParams


@dataclass(frozen=True, kw_only=True, slots=True)
class Op:
    """One operation; tensors by index into `Graph.tensors`, None for an absent optional input."""

    index: int
    kind: str
    """Name of the TFLite builtin operator, e.g. CONV_2D."""
    inputs: tuple[int | None, ...]
    outputs: tuple[int, ...]
    params: Params

    def required_input(self, position: int) -> int:
        """Index of the tensor at input `position`; ValueError where the file leaves it out."""
        index = self.inputs[position]
        if index is None:
            raise ValueError(f"operation {self.index} {self.kind} lacks its input {position}")
        return index


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Graph:
    """A whole model. `sha256` is the digest of the .tflite file that it was read from."""

    name: str
    sha256: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def input_tensors(self) -> tuple[Tensor, ...]:
        """The model's input tensors in order."""
        return tuple(self.tensors[i] for i in self.inputs)

    def output_tensors(self) -> tuple[Tensor, ...]:
        """The model's output tensors in order."""
        return tuple(self.tensors[i] for i in self.outputs)
