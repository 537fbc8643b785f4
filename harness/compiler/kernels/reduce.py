# SPDX-License-Identifier: Apache-2.0
"""MEAN and SOFTMAX."""

from __future__ import annotations

import math

from harness.compiler.fixed_point import quantize_multiplier, softmax_exponentials
from harness.compiler.kernel_call import (
    KernelCall,
    destination,
    float_literal,
    int32_array,
    source,
)
from harness.compiler.kernels.common import (
    check_dims,
    constant_in,
    element_type,
    options,
    per_tensor,
    requant,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.graph import DType, SoftmaxParams

#: Above this the reference's last shift would pass 31 bits (nn.h, nn_softmax_int8).
_SOFTMAX_MAX_DEPTH = 511


def mean(site: Site) -> KernelCall:
    """Over one run of neighbouring axes."""
    dtype = element_type(site)
    x = tensor_in(site, 0)
    axes = sorted({int(axis) % len(x.shape) for axis in constant_in(site, 1).reshape(-1)})
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise unsupported(site, f"averages over axes {axes}", fix="Neighbouring axes are supported.")
    outer, inner = math.prod(x.shape[: axes[0]]), math.prod(x.shape[axes[-1] + 1 :])
    count = math.prod(x.shape[axes[0] : axes[-1] + 1])
    check_dims(site, (outer, count, inner))
    if tensor_out(site).elements != outer * inner:
        raise unsupported(site, f"should make {outer * inner} values by its axes")
    sizes = (str(outer), str(count), str(inner))
    if dtype is DType.FLOAT32:
        return KernelCall(
            function="nn_mean_float32", arguments=(source("float"), destination("float"), *sizes)
        )
    q_in, q_out = per_tensor(site, x), per_tensor(site, tensor_out(site))
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    # The reference takes 1 / count into the multiplier, keeping as many bits as fit.
    extra = min(count.bit_length() - 1, 32, 31 + shift)
    scale = requant(-q_in.zero_point * count, (multiplier << extra) // count, shift - extra)
    return KernelCall(
        function="nn_mean_int8",
        arguments=(source("int8_t"), destination("int8_t"), *sizes, scale, str(q_out.zero_point)),
    )


def softmax(site: Site) -> KernelCall:
    """Over the last axis. int8: the exponentials of all differences are a table."""
    params = options(site, SoftmaxParams)
    dtype = element_type(site)
    x = tensor_in(site, 0)
    depth = x.shape[-1] if x.shape else 1
    rows = x.elements // depth
    check_dims(site, (rows, depth))
    if tensor_out(site).elements != x.elements:
        raise unsupported(site, "changes the number of elements")
    sizes = (str(rows), str(depth))
    if dtype is DType.FLOAT32:
        return KernelCall(
            function="nn_softmax_float32",
            arguments=(source("float"), destination("float"), *sizes, float_literal(params.beta)),
            in_place=(0,),
        )
    q_out = per_tensor(site, tensor_out(site))
    if (q_out.scale, q_out.zero_point) != (1 / 256, -128) or depth > _SOFTMAX_MAX_DEPTH:
        raise unsupported(
            site, f"has depth {depth}, output scale {q_out.scale:g} and zero point {q_out.zero_point}",
            fix=f"int8 wants at most {_SOFTMAX_MAX_DEPTH}, 1/256 and -128.",
        )  # fmt: skip
    exponentials = softmax_exponentials(per_tensor(site, x).scale, params.beta)
    return KernelCall(
        function="nn_softmax_int8",
        arguments=(
            source("int8_t"), destination("int8_t"), *sizes, int32_array("exponentials", exponentials),
            str(len(exponentials)),
        ),
        in_place=(0,),
    )  # fmt: skip


KERNELS = {
    "MEAN": mean,
    "SOFTMAX": softmax,
}
