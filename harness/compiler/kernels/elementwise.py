# SPDX-License-Identifier: Apache-2.0
"""Operations on one value, or one pair of values, at a time: all may work in place."""

from __future__ import annotations

import itertools
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
    structure,
)
from harness.compiler.kernels.common import (
    check_dims,
    element_type,
    int8_limits,
    options,
    per_tensor,
    range_float32,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.graph import Activation, AddParams, DType, Tensor

#: Head room of the scaled operands of an int8 ADD, as in nn's add_int8.c.
_ADD_SHIFT = 20


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


def add(site: Site) -> KernelCall:
    """Equal shapes, or one operand repeated along the leading axes of the other."""
    params = options(site, AddParams)
    dtype = element_type(site)
    a, b = tensor_in(site, 0), tensor_in(site, 1)
    y = tensor_out(site)
    operands = (0, 1)
    if b.elements > a.elements:
        a, b, operands = b, a, (1, 0)
    if a.dtype is not b.dtype or _significant(a) != _significant(y) or not _repeats(b, a):
        raise unsupported(site, f"adds shapes {list(a.shape)} and {list(b.shape)}")
    check_dims(site, (a.elements,))
    sizes = (str(a.elements), str(b.elements))
    in_place = tuple(o for o, t in zip(operands, (a, b), strict=True) if t.elements == a.elements)
    if dtype is DType.FLOAT32:
        return KernelCall(
            function="nn_add_float32",
            arguments=(
                source("float", operands[0]), source("float", operands[1]), destination("float"),
                *sizes, range_float32(params.activation),
            ),
            in_place=in_place,
        )  # fmt: skip
    q_a, q_b, q_y = (per_tensor(site, t) for t in (a, b, y))
    twice_largest = 2.0 * max(q_a.scale, q_b.scale)
    scalings = [
        quantize_multiplier(real)
        for real in (
            q_a.scale / twice_largest,
            q_b.scale / twice_largest,
            twice_largest / ((1 << _ADD_SHIFT) * q_y.scale),
        )
    ]
    low, high = int8_limits(q_y, params.activation)
    zero_points = [q.zero_point for q in (q_a, q_b, q_y)]
    fields = [*zero_points, low, high, *(shift for _, shift in scalings), *(m for m, _ in scalings)]
    return KernelCall(
        function="nn_add_int8",
        arguments=(
            source("int8_t", operands[0]), source("int8_t", operands[1]), destination("int8_t"),
            *sizes, structure("params", "struct nn_add_int8", [str(v) for v in fields]),
        ),
        in_place=in_place,
    )  # fmt: skip


def _repeats(small: Tensor, large: Tensor) -> bool:
    """Whether `small` is the end of `large`'s shape, leading ones aside."""
    tail = _significant(small)
    return not tail or large.shape[-len(tail) :] == tail


def _significant(tensor: Tensor) -> tuple[int, ...]:
    """The shape without its leading ones."""
    return tuple(itertools.dropwhile(lambda size: size == 1, tensor.shape))


KERNELS = {
    "ADD": add,
    "DEQUANTIZE": dequantize,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu6,
}
