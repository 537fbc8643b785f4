# SPDX-License-Identifier: Apache-2.0
"""FULLY_CONNECTED: a matrix times a vector."""

from __future__ import annotations

import numpy as np

from harness.compiler.kernel_call import KernelCall, destination, float_array, int8_array, source
from harness.compiler.kernels.common import (
    check_dims,
    element_type,
    options,
    per_tensor,
    range_float32,
    range_int8,
    requant_channels,
    tensor_in,
    tensor_out,
    unsupported,
    weight_scales,
    weights_and_bias,
)
from harness.compiler.site import Site
from harness.graph import DType, FullyConnectedParams


def fully_connected(site: Site) -> KernelCall:
    """Weights stay in the converter's order [outputs][inputs]."""
    params = options(site, FullyConnectedParams)
    dtype = element_type(site)
    x = tensor_in(site, 0)
    shape = tensor_in(site, 1).shape
    if (
        len(shape) != 2
        or x.elements % shape[1]
        or tensor_out(site).elements != x.elements // shape[1] * shape[0]
    ):
        raise unsupported(site, f"has weights of shape {list(shape)} on an input of {list(x.shape)}")
    outputs, inputs = shape
    rows = x.elements // inputs
    check_dims(site, (rows, inputs, outputs))
    weights, bias = weights_and_bias(site, dtype, outputs)
    sizes = (str(rows), str(inputs), str(outputs))
    if dtype is DType.FLOAT32:
        return KernelCall(
            function="nn_fully_connected_float32",
            arguments=(
                source("float"), destination("float"),
                float_array("weights", weights), float_array("bias", bias),
                *sizes, range_float32(params.activation),
            ),
        )  # fmt: skip
    q_in = per_tensor(site, x)
    q_out = per_tensor(site, tensor_out(site))
    scales = weight_scales(site, outputs)
    per_channel = len(set(scales)) > 1 or len(_weight_quantization_scales(site)) > 1
    sums = weights.astype(np.int64).sum(axis=1)
    channels = requant_channels(
        (
            int(b) - q_in.zero_point * int(s),
            _multiplier(q_in.scale, scale, q_out.scale, per_channel=per_channel),
        )
        for b, s, scale in zip(bias, sums, scales, strict=True)
    )
    return KernelCall(
        function="nn_fully_connected_int8",
        arguments=(
            source("int8_t"), destination("int8_t"), int8_array("weights", weights), channels,
            *sizes, range_int8(q_in, q_out, params.activation),
        ),
    )  # fmt: skip


def _weight_quantization_scales(site: Site) -> tuple[float, ...]:
    q = tensor_in(site, 1).quantization
    return q.scales if q else ()


def _multiplier(input_scale: float, weight_scale: float, output_scale: float, *, per_channel: bool) -> float:
    """input * weight / output; per tensor the reference rounds the product to float32 first."""
    if per_channel:
        return input_scale * weight_scale / output_scale
    return float(np.float32(input_scale) * np.float32(weight_scale)) / output_scale


KERNELS = {
    "FULLY_CONNECTED": fully_connected,
}
