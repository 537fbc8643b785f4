# SPDX-License-Identifier: Apache-2.0
"""CONV_2D, DEPTHWISE_CONV_2D, MAX_POOL_2D and AVERAGE_POOL_2D: a window slides over an image."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.compiler.kernel_call import (
    Constant,
    KernelCall,
    destination,
    float_array,
    int8_array,
    source,
    structure,
)
from harness.compiler.kernels.common import (
    check_dims,
    element_type,
    options,
    per_tensor,
    range_float32,
    range_int8,
    requant_channels,
    single_batch,
    tensor_in,
    tensor_out,
    unscaled,
    unsupported,
    weight_scales,
    weights_and_bias,
)
from harness.compiler.site import Site
from harness.graph import DType, Padding, WindowParams


@dataclass(frozen=True, slots=True)
class _Window:
    """The fields of struct nn_window, in its order."""

    in_height: int
    in_width: int
    in_channels: int
    out_height: int
    out_width: int
    out_channels: int
    filter_height: int
    filter_width: int
    stride_height: int
    stride_width: int
    dilation_height: int
    dilation_width: int
    pad_top: int
    pad_left: int

    @property
    def pads(self) -> bool:
        """Whether some window reaches outside of the input."""
        bottom = (self.out_height - 1) * self.stride_height + (self.filter_height - 1) * self.dilation_height
        right = (self.out_width - 1) * self.stride_width + (self.filter_width - 1) * self.dilation_width
        return (
            bool(self.pad_top or self.pad_left)
            or bottom - self.pad_top >= self.in_height
            or right - self.pad_left >= self.in_width
        )

    def upright_as_flat(self) -> _Window:
        """A window over a single column seen as one over a single row.

        With width 1 everywhere the memory is the same, and a whole row of taps is one run for the kernel.
        """
        if not (self.in_width == self.filter_width == self.out_width == 1 and self.pad_left == 0):
            return self
        return replace(
            self,
            in_height=1, in_width=self.in_height, out_height=1, out_width=self.out_height,
            filter_height=1, filter_width=self.filter_height,
            stride_height=1, stride_width=self.stride_height,
            dilation_height=1, dilation_width=self.dilation_height,
            pad_top=0, pad_left=self.pad_top,
        )  # fmt: skip

    def constant(self) -> Constant:
        return structure("window", "struct nn_window", [str(value) for value in astuple(self)])


def _window(site: Site, filter_size: tuple[int, int]) -> _Window:
    params = options(site, WindowParams)
    height, width, channels = single_batch(site, tensor_in(site, 0), 4)
    out_height, out_width, out_channels = single_batch(site, tensor_out(site), 4)
    filter_height, filter_width = filter_size
    strides = (params.stride_height, params.stride_width, params.dilation_height, params.dilation_width)
    if min(*strides, filter_height, filter_width) < 1:
        raise unsupported(site, "has a stride, dilation or filter size below 1")
    top, rows = _axis(height, filter_height, params.stride_height, params.dilation_height, params.padding)
    left, columns = _axis(width, filter_width, params.stride_width, params.dilation_width, params.padding)
    if (rows, columns) != (out_height, out_width):
        raise unsupported(
            site,
            f"should make {rows}x{columns} by its geometry, but its output is {out_height}x{out_width}",
        )
    window = _Window(
        height, width, channels, out_height, out_width, out_channels, filter_height, filter_width,
        params.stride_height, params.stride_width, params.dilation_height, params.dilation_width, top, left,
    )  # fmt: skip
    reaches = (
        rows * params.stride_height + (filter_height - 1) * params.dilation_height + 1,
        columns * params.stride_width + (filter_width - 1) * params.dilation_width + 1,
    )
    check_dims(site, (*astuple(window), *reaches, filter_height * filter_width * channels))
    return window.upright_as_flat()


def _axis(size: int, filter_size: int, stride: int, dilation: int, padding: Padding) -> tuple[int, int]:
    """(padding before, output size) along one axis, as TFLite computes them."""
    reach = (filter_size - 1) * dilation + 1
    if padding is Padding.VALID:
        return 0, max(0, (size - reach + stride) // stride)
    out = -(-size // stride)
    return max(0, (out - 1) * stride + reach - size) // 2, out


def conv_2d(site: Site) -> KernelCall:
    """Weights stay in the converter's order [out][height][width][in]."""
    dtype = element_type(site)
    shape = tensor_in(site, 1).shape
    outputs = tensor_out(site).shape[-1]
    if len(shape) != 4 or shape[0] != outputs or shape[3] != tensor_in(site, 0).shape[-1]:
        raise unsupported(site, f"has weights of shape {list(shape)} (grouped convolution?)")
    weights, bias = weights_and_bias(site, dtype, outputs)
    return _weighted(
        site, function="nn_conv_2d", window=_window(site, (shape[1], shape[2])),
        weights=weights.reshape(outputs, -1), bias=bias, channel_axis=0,
    )  # fmt: skip


def depthwise_conv_2d(site: Site) -> KernelCall:
    """Weights are turned from [1][height][width][out] to [out][height][width]: one channel, one run."""
    dtype = element_type(site)
    shape = tensor_in(site, 1).shape
    outputs = tensor_out(site).shape[-1]
    inputs = tensor_in(site, 0).shape[-1]
    if len(shape) != 4 or shape[0] != 1 or shape[3] != outputs or outputs % inputs:
        raise unsupported(site, f"has weights of shape {list(shape)} for {inputs} -> {outputs} channels")
    if (multiplier := options(site, WindowParams).depth_multiplier) != outputs // inputs:
        raise unsupported(site, f"has depth multiplier {multiplier} for {inputs} -> {outputs} channels")
    weights, bias = weights_and_bias(site, dtype, outputs)
    by_channel = np.moveaxis(weights[0], 2, 0).reshape(outputs, -1)
    return _weighted(
        site, function="nn_depthwise_conv_2d", window=_window(site, (shape[1], shape[2])),
        weights=by_channel, bias=bias, channel_axis=3,
    )  # fmt: skip


def _weighted(
    site: Site,
    *,
    function: str,
    window: _Window,
    weights: npt.NDArray[Any],
    bias: npt.NDArray[Any],
    channel_axis: int,
) -> KernelCall:
    """A convolution with `weights` of shape (outputs, taps) in the kernel's own order.

    `channel_axis` is that of the output channels in the converter's order.
    """
    params = options(site, WindowParams)
    if element_type(site) is DType.FLOAT32:
        return KernelCall(
            function=f"{function}_float32",
            arguments=(
                source("float"), destination("float"),
                float_array("weights", weights), float_array("bias", bias),
                window.constant(), range_float32(params.activation),
            ),
        )  # fmt: skip
    q_in = per_tensor(site, tensor_in(site, 0))
    q_out = per_tensor(site, tensor_out(site))
    sums = weights.astype(np.int64).sum(axis=1)
    scales = weight_scales(site, len(weights), axis=channel_axis)
    rows = [
        (int(b) - q_in.zero_point * int(s), q_in.scale * scale / q_out.scale)
        for b, s, scale in zip(bias, sums, scales, strict=True)
    ]
    return KernelCall(
        function=f"{function}_int8",
        arguments=(
            source("int8_t"), destination("int8_t"), int8_array("weights", weights), requant_channels(rows),
            window.constant(), range_int8(q_in, q_out, params.activation),
        ),
    )  # fmt: skip


def max_pool_2d(site: Site) -> KernelCall:
    """The largest value of each window."""
    return _pool(site, "nn_max_pool_2d")


def average_pool_2d(site: Site) -> KernelCall:
    """The mean of each window's taps inside the input."""
    return _pool(site, "nn_average_pool_2d")


def _pool(site: Site, function: str) -> KernelCall:
    params = options(site, WindowParams)
    dtype = element_type(site)
    window = _window(site, (params.filter_height, params.filter_width))
    if window.in_channels != window.out_channels:
        raise unsupported(site, f"makes {window.out_channels} channels of {window.in_channels}")
    # Window k starts at or behind output k, and channels are read before they are overwritten,
    # so without padding the output may follow the input through the same bytes.
    in_place = () if window.pads else (0,)
    if dtype is DType.FLOAT32:
        ctype, limits = "float", range_float32(params.activation)
    else:
        q = unscaled(site)
        ctype, limits = "int8_t", range_int8(q, q, params.activation)
    return KernelCall(
        function=f"{function}_{dtype.value}",
        arguments=(source(ctype), destination(ctype), window.constant(), limits),
        in_place=in_place,
    )


KERNELS = {
    "AVERAGE_POOL_2D": average_pool_2d,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "MAX_POOL_2D": max_pool_2d,
}
