# SPDX-License-Identifier: Apache-2.0
"""Operations on one value, or one pair of values, at a time: all may work in place."""

from __future__ import annotations

from collections.abc import Callable

from harness.compiler.fixed_point import (
    INT8_MAX,
    INT8_MIN,
    clamp_int8,
    quantize_multiplier,
    quantize_value,
    scale,
)
from harness.compiler.kernel_call import (
    KernelCall,
    destination,
    float_literal,
    int8_array,
    source,
)
from harness.compiler.kernels.common import (
    check_dims,
    element_type,
    per_tensor,
    range_float32,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.graph import Activation, DType


def relu(site: Site) -> KernelCall:
    """int8: rescaled from the input's to the output's scale, then clamped at zero."""

    def int8_function() -> Callable[[int], int]:
        q_in = per_tensor(site, tensor_in(site, 0))
        q_out = per_tensor(site, tensor_out(site))
        multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
        low = max(INT8_MIN, q_out.zero_point)
        return lambda x: max(
            low, min(INT8_MAX, q_out.zero_point + scale(x - q_in.zero_point, multiplier, shift))
        )

    return _unary(site, int8_function, Activation.RELU)


def relu6(site: Site) -> KernelCall:
    """int8: clamped between the stored values of 0 and 6; the reference does not rescale."""

    def int8_function() -> Callable[[int], int]:
        q_in = per_tensor(site, tensor_in(site, 0))
        six = clamp_int8(quantize_value(6.0, q_in.scale, q_in.zero_point))
        return lambda x: max(q_in.zero_point, min(six, x))

    return _unary(site, int8_function, Activation.RELU6)


def _unary(site: Site, int8_function: Callable[[], Callable[[int], int]], kind: Activation) -> KernelCall:
    count = _count(site)
    if element_type(site) is DType.FLOAT32:
        return KernelCall(
            function="nn_clamp_float32",
            arguments=(source("float"), destination("float"), str(count), range_float32(kind)),
            in_place=(0,),
        )
    return _lookup(count, int8_function())


def _lookup(count: int, function: Callable[[int], int]) -> KernelCall:
    """A function of one int8 value as a table of all its values."""
    table = int8_array("table", [function(x) for x in range(INT8_MIN, INT8_MAX + 1)])
    return KernelCall(
        function="nn_lookup_int8",
        arguments=(source("int8_t"), destination("int8_t"), str(count), table),
        in_place=(0,),
    )


def _count(site: Site) -> int:
    elements = tensor_in(site, 0).elements
    if elements != tensor_out(site).elements:
        raise unsupported(site, "changes the number of elements")
    check_dims(site, (elements,))
    return elements


def quantize(site: Site) -> KernelCall:
    """float32 -> int8, or int8 -> int8 with another scale."""
    x, y = tensor_in(site, 0), tensor_out(site)
    count = _count(site)
    if y.dtype is not DType.INT8 or x.dtype not in (DType.FLOAT32, DType.INT8):
        raise unsupported(site, f"makes {y.dtype.value} from {x.dtype.value}")
    q_out = per_tensor(site, y)
    if x.dtype is DType.FLOAT32:
        return KernelCall(
            function="nn_quantize_float32_int8",
            arguments=(
                source("float"), destination("int8_t"), str(count),
                float_literal(q_out.scale), str(q_out.zero_point),
            ),
            in_place=(0,),
        )  # fmt: skip
    q_in = per_tensor(site, x)
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    return _lookup(
        count, lambda v: clamp_int8(scale(v - q_in.zero_point, multiplier, shift) + q_out.zero_point)
    )


def dequantize(site: Site) -> KernelCall:
    """int8 -> float32."""
    x, y = tensor_in(site, 0), tensor_out(site)
    count = _count(site)
    if x.dtype is not DType.INT8 or y.dtype is not DType.FLOAT32:
        raise unsupported(site, f"makes {y.dtype.value} from {x.dtype.value}")
    q = per_tensor(site, x)
    return KernelCall(
        function="nn_dequantize_int8_float32",
        arguments=(
            source("int8_t"),
            destination("float"),
            str(count),
            float_literal(q.scale),
            str(q.zero_point),
        ),
        in_place=(0,),
    )


KERNELS = {
    "DEQUANTIZE": dequantize,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu6,
}
