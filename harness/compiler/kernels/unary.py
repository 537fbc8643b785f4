# SPDX-License-Identifier: Apache-2.0
"""Functions of one value at a time: all work in place. In int8 each is a table of its 256 values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.compiler.activations import (
    StoredFunction,
    abs_int8,
    elu_int8,
    hard_swish_int8,
    is_power_of_two,
    leaky_relu_int8,
    leaky_relu_scalings,
    logistic_int8,
    neg_int8,
    relu6_int8,
    relu_int8,
    relu_n1_to_1_int8,
    rsqrt_int8,
    rsqrt_scaling,
    sigmoid_argument,
    tanh_int8,
)
from harness.compiler.fixed_point import INT8_MAX, INT8_MIN, quantize_multiplier, quantize_value
from harness.compiler.kernel_call import (
    C_TYPES,
    Argument,
    KernelCall,
    destination,
    float_literal,
    int8_array,
    int32_literal,
    source,
    structure,
)
from harness.compiler.kernels.common import (
    check_dims,
    integer_range,
    options,
    per_tensor,
    range_float32,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.kernels.convert import rescale
from harness.compiler.sigmoid_table import sigmoid_table
from harness.compiler.site import Site
from harness.graph import Activation, DType, LeakyReluParams, Quantization

#: What an int16 LOGISTIC or TANH makes of its input's scale 2^-12 by doubling it this often, exactly.
_DOUBLINGS: Final = {"LOGISTIC": 0, "TANH": 1}

TableMaker = Callable[[Quantization, Quantization], StoredFunction]


def relu(site: Site) -> KernelCall:
    """Stored values are rescaled from the input's to the output's scale, then clamped at zero."""
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.FLOAT32:
        return _float_call(site, "clamp", range_float32(Activation.RELU))
    if dtype is DType.INT8:
        return _table_call(site, relu_int8)
    q_in, q_out = _quantizations(site)
    return KernelCall(
        function="nn_quantize_int16_int16",
        arguments=(
            source("int16_t"), destination("int16_t"), str(_count(site)),
            rescale(q_in, q_out, (0, integer_range(dtype)[1])),
        ),
        in_place=(0,),
    )  # fmt: skip


def relu6(site: Site) -> KernelCall:
    """Stored values are clamped between those of 0 and 6; the reference does not rescale."""
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.FLOAT32:
        return _float_call(site, "clamp", range_float32(Activation.RELU6))
    if dtype is DType.INT8:
        return _table_call(site, lambda q_in, _: relu6_int8(q_in))
    q_in, _ = _quantizations(site)
    six = min(integer_range(dtype)[1], quantize_value(6.0, q_in.scale, 0))
    return _int16_call(site, "relu6", "0", str(six))


def relu_n1_to_1(site: Site) -> KernelCall:
    """Between -1 and 1, stored values rescaled as in RELU."""
    if _dtype(site, DType.INT8, DType.FLOAT32) is DType.FLOAT32:
        return _float_call(site, "clamp", range_float32(Activation.RELU_N1_TO_1))
    return _table_call(site, relu_n1_to_1_int8)


def logistic(site: Site) -> KernelCall:
    """int8: an output of scale 1/256 and zero point -128; int16: of 2^-15."""
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.INT16:
        return _interpolated(site)
    if dtype is DType.FLOAT32:
        return _float_call(site, "logistic")
    _check_output(site, scale=1 / 256, zero_point=INT8_MIN)
    return _table_call(site, lambda q_in, _: logistic_int8(q_in))


def tanh(site: Site) -> KernelCall:
    """int8: an output of scale 1/128 and zero point 0; int16: of 2^-15."""
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.INT16:
        return _interpolated(site)
    if dtype is DType.FLOAT32:
        return _float_call(site, "tanh")
    _check_output(site, scale=1 / 128, zero_point=0)
    return _table_call(site, lambda q_in, _: tanh_int8(q_in))


def _interpolated(site: Site) -> KernelCall:
    q_in, q_out = _quantizations(site)
    if not is_power_of_two(q_out.scale, -15):
        raise unsupported(
            site, f"has an output scale of {q_out.scale:g}", fix="An int16 output has the scale 2^-15."
        )
    multiplier, shift = sigmoid_argument(q_in.scale, most_doublings=_DOUBLINGS[site.op.kind])
    return _int16_call(site, site.op.kind.lower(), str(multiplier), str(shift), sigmoid_table())


def _check_output(site: Site, *, scale: float, zero_point: int) -> None:
    q_out = per_tensor(site, tensor_out(site))
    if (q_out.scale, q_out.zero_point) != (scale, zero_point):
        raise unsupported(
            site, f"has an output of scale {q_out.scale:g} and zero point {q_out.zero_point}",
            fix=f"An int8 output has the scale {scale:g} and the zero point {zero_point}.",
        )  # fmt: skip


def elu(site: Site) -> KernelCall:
    """With alpha 1, as TFLite has it."""
    if _dtype(site, DType.INT8, DType.FLOAT32) is DType.FLOAT32:
        return _float_call(site, "elu")
    return _table_call(site, elu_int8)


def hard_swish(site: Site) -> KernelCall:
    """x * relu6(x + 3) / 6."""
    if _dtype(site, DType.INT8, DType.FLOAT32) is DType.FLOAT32:
        return _float_call(site, "hard_swish")
    return _table_call(site, hard_swish_int8)


def leaky_relu(site: Site) -> KernelCall:
    """With a slope of any sign."""
    alpha = options(site, LeakyReluParams).alpha
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.FLOAT32:
        return _float_call(site, "leaky_relu", float_literal(alpha))
    if dtype is DType.INT8:
        return _table_call(site, lambda q_in, q_out: leaky_relu_int8(q_in, q_out, alpha))
    identity, slope = leaky_relu_scalings(*_quantizations(site), alpha)
    fields = (
        identity.multiplier, slope.multiplier, identity.shift, slope.shift, int(slope.is_negative)
    )  # fmt: skip
    params = structure("params", "struct nn_leaky_relu_int16", [str(v) for v in fields])
    return _int16_call(site, "leaky_relu", params)


def absolute(site: Site) -> KernelCall:
    """ABS, rescaled where the scales differ."""
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.FLOAT32:
        return _float_call(site, "abs")
    if dtype is DType.INT8:
        return _table_call(site, abs_int8)
    q_in, q_out = _quantizations(site)
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    return _int16_call(site, "abs", int32_literal(multiplier), str(shift))


def negate(site: Site) -> KernelCall:
    """NEG; int32 as plain numbers."""
    dtype = _dtype(site, DType.INT8, DType.INT32, DType.FLOAT32)
    if dtype is DType.INT8:
        return _table_call(site, neg_int8)
    return _call(site, f"nn_neg_{dtype}", dtype)


def rsqrt(site: Site) -> KernelCall:
    """Stored values below 0, where the reference stops with an error, make the largest value."""
    dtype = _dtype(site, DType.INT8, DType.INT16, DType.FLOAT32)
    if dtype is DType.FLOAT32:
        return _float_call(site, "rsqrt")
    if dtype is DType.INT8:
        return _table_call(site, rsqrt_int8)
    multiplier, shift = rsqrt_scaling(*_quantizations(site))
    return _int16_call(site, "rsqrt", int32_literal(multiplier), str(shift))


def _dtype(site: Site, *supported: DType) -> DType:
    """The type of input 0 and of the output, which must be one of these."""
    x, y = tensor_in(site, 0), tensor_out(site)
    if x.dtype is not y.dtype or x.dtype not in supported:
        raise unsupported(
            site, f"makes {y.dtype} of {x.dtype}",
            fix=f"It works on one type of {', '.join(supported)}.",
        )  # fmt: skip
    return x.dtype


def _quantizations(site: Site) -> tuple[Quantization, Quantization]:
    """Those of the input and of the output; symmetric where they are int16."""
    tensors = (tensor_in(site, 0), tensor_out(site))
    q_in, q_out = (per_tensor(site, tensor) for tensor in tensors)
    if tensors[0].dtype is DType.INT16 and (q_in.zero_point or q_out.zero_point):
        raise unsupported(site, "has int16 tensors with a zero point", fix="int16 must be symmetric.")
    return q_in, q_out


def _table_call(site: Site, make: TableMaker) -> KernelCall:
    function = make(*_quantizations(site))
    table = int8_array("table", [function(x) for x in range(INT8_MIN, INT8_MAX + 1)])
    return _call(site, "nn_lookup_int8", DType.INT8, table)


def _int16_call(site: Site, name: str, *parameters: Argument) -> KernelCall:
    return _call(site, f"nn_{name}_int16", DType.INT16, *parameters)


def _float_call(site: Site, name: str, *parameters: Argument) -> KernelCall:
    return _call(site, f"nn_{name}_float32", DType.FLOAT32, *parameters)


def _call(site: Site, function: str, dtype: DType, *parameters: Argument) -> KernelCall:
    ctype = C_TYPES[dtype]
    return KernelCall(
        function=function,
        arguments=(source(ctype), destination(ctype), str(_count(site)), *parameters),
        in_place=(0,),
    )


def _count(site: Site) -> int:
    elements = tensor_in(site, 0).elements
    if elements != tensor_out(site).elements:
        raise unsupported(site, "changes the number of elements")
    check_dims(site, (elements,))
    return elements


KERNELS = {
    "ABS": absolute,
    "ELU": elu,
    "HARD_SWISH": hard_swish,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": logistic,
    "NEG": negate,
    "RELU": relu,
    "RELU6": relu6,
    "RELU_N1_TO_1": relu_n1_to_1,
    "RSQRT": rsqrt,
    "TANH": tanh,
}
