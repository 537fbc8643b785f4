# SPDX-License-Identifier: Apache-2.0
"""CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV."""

from __future__ import annotations

from dataclasses import astuple
from typing import Final

import numpy as np

from harness.compiler.fixed_point import INT32_MAX
from harness.compiler.kernel_call import Argument, KernelCall, scratch
from harness.compiler.kernels.common import check_dims, options, tensor_in, tensor_out, unsupported
from harness.compiler.kernels.last_read import is_last_reader
from harness.compiler.kernels.weighted import Layer, bias_types, constant_weights
from harness.compiler.kernels.window import Window, images, sliding_window
from harness.compiler.site import Site
from harness.graph import DType, Padding, WindowParams

#: A ring of more than this part of the output is not worth its copying.
_LARGEST_SHARE: Final = 2


def conv_2d(site: Site) -> KernelCall:
    """Weights stay in the converter's order [out][height][width][in / groups]."""
    x, y = tensor_in(site, 0), tensor_out(site)
    images(site, x, y)
    weights = constant_weights(site)
    shape, inputs, outputs = weights.shape, x.shape[3], y.shape[3]
    if len(shape) != 4 or shape[0] != outputs or inputs % shape[3] or outputs % (inputs // shape[3]):
        raise unsupported(
            site, f"has weights of shape {list(shape)} for {inputs} -> {outputs} channels",
            fix="The groups of a grouped convolution divide its input and its output channels.",
        )  # fmt: skip
    window = sliding_window(site, x, filter_size=(shape[1], shape[2]), filter_channels=shape[3])
    window, in_place, ring = _in_place(site, window, channelwise=False)
    params = options(site, WindowParams)
    return Layer(
        site=site,
        name="conv_2d",
        weights=weights.reshape(outputs, -1),
        geometry=(window.constant(),),
        activation=params.activation,
        int16_biases=bias_types(params.quantized_bias_type),
        in_place=in_place,
        ring=(ring,),
    ).call()


def depthwise_conv_2d(site: Site) -> KernelCall:
    """Weights are turned from [1][height][width][out] to [out][height][width]: one channel, one run."""
    x, y = tensor_in(site, 0), tensor_out(site)
    images(site, x, y)
    weights = constant_weights(site)
    shape, inputs, outputs = weights.shape, x.shape[3], y.shape[3]
    if len(shape) != 4 or shape[0] != 1 or shape[3] != outputs or outputs % inputs:
        raise unsupported(site, f"has weights of shape {list(shape)} for {inputs} -> {outputs} channels")
    params = options(site, WindowParams)
    if params.depth_multiplier != outputs // inputs:
        raise unsupported(
            site, f"has depth multiplier {params.depth_multiplier} for {inputs} -> {outputs} channels"
        )
    window = sliding_window(site, x, filter_size=(shape[1], shape[2]))
    if x.elements + window.reach * inputs > INT32_MAX:
        raise unsupported(site, "has a window that reaches further than 32 bits count")
    window, in_place, ring = _in_place(site, window, channelwise=True)
    return Layer(
        site=site,
        name="depthwise_conv_2d",
        weights=np.moveaxis(weights[0], 2, 0).reshape(outputs, -1),
        geometry=(window.constant(),),
        activation=params.activation,
        channel_axis=3,
        int16_biases=(DType.INT64,),
        in_place=in_place,
        ring=(ring,),
    ).call()


def _in_place(site: Site, window: Window, *, channelwise: bool) -> tuple[Window, bool, Argument]:
    """The window, whether its output may lie on its input, and the ring in which pixels wait for that."""
    nowhere = "0"
    if window.allows_in_place(channelwise=channelwise):
        return window, True, nowhere
    waiting, y = window.waiting(), tensor_out(site)
    if waiting is None or not is_last_reader(site, 0) or y.nbytes > tensor_in(site, 0).nbytes:
        return window, False, nowhere
    count = waiting.held_pixels * waiting.out_channels
    if count > y.elements // _LARGEST_SHARE:
        return window, False, nowhere
    return waiting, True, scratch("ring", "void", count, itemsize=y.dtype.itemsize)


def transpose_conv(site: Site) -> KernelCall:
    """Input 0 is the shape of the output, which the output tensor has as well; input 2 the image."""
    x, y = tensor_in(site, 2), tensor_out(site)
    height, width = images(site, x, y)
    wanted = tensor_in(site, 0).data
    if wanted is not None and tuple(wanted.reshape(-1).tolist()) != y.shape:
        raise unsupported(site, f"makes shape {wanted.tolist()}, but its output has {list(y.shape)}")
    weights = constant_weights(site)
    shape, outputs = weights.shape, y.shape[3]
    if len(shape) != 4 or shape[0] != outputs or shape[3] != x.shape[3]:
        raise unsupported(site, f"has weights of shape {list(shape)} for {x.shape[3]} -> {outputs} channels")
    params = options(site, WindowParams)
    if min(params.stride_height, params.stride_width) < 1:
        raise unsupported(site, "has a stride below 1")
    window = Window(
        x.shape[0], height, width, x.shape[3], y.shape[1], y.shape[2], outputs,
        shape[1], shape[2], shape[3], params.stride_height, params.stride_width, 1, 1,
        _cut(y.shape[1], shape[1], params.stride_height, params.padding),
        _cut(y.shape[2], shape[2], params.stride_width, params.padding),
    )  # fmt: skip
    reaches = (
        max(height * params.stride_height, y.shape[1] + params.stride_height) + shape[1],
        max(width * params.stride_width, y.shape[2] + params.stride_width) + shape[2],
    )
    check_dims(site, (*astuple(window), *reaches, weights.size, x.elements, y.elements))
    return Layer(
        site=site,
        name="transpose_conv",
        weights=weights.reshape(outputs, -1),
        geometry=(window.constant(),),
        activation=params.activation,
        zero_point_folded=False,
        int16_biases=(DType.INT16, DType.INT64),
        x_at=2,
        bias_at=3,
    ).call()


def _cut(out_size: int, filter_size: int, stride: int, padding: Padding) -> int:
    """Rows or columns that are cut off before the output: the padding of the convolution turned round."""
    if padding is Padding.VALID:
        return 0
    steps = -(-out_size // stride)
    return max(0, (steps - 1) * stride + filter_size - out_size) // 2


KERNELS = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "TRANSPOSE_CONV": transpose_conv,
}
