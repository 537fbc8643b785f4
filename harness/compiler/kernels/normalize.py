# SPDX-License-Identifier: Apache-2.0
"""SOFTMAX and L2_NORMALIZATION, both over the last axis."""

from __future__ import annotations

from typing import Final

from harness.compiler.fixed_point import quantize_multiplier, softmax_exponentials
from harness.compiler.kernel_call import (
    KernelCall,
    destination,
    float_literal,
    int16_array,
    int32_array,
    source,
    structure,
)
from harness.compiler.kernels.common import (
    check_dims,
    options,
    per_tensor,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.compiler.softmax_tables import DIFFERENCE_STEP, exponential_table, reciprocal_table
from harness.graph import Activation, ActivationParams, DType, Quantization, SoftmaxParams

#: Above this the sum of exponentials passes 12 integer bits, or 31 bits in int16 (nn_normalize.h).
_INT8_MAX_DEPTH: Final = 4095
_INT16_MAX_DEPTH: Final = 65535
#: Above this the sum of squares passes 31 bits.
_L2_MAX_DEPTH: Final = 33025

_INT8_INT8: Final = (DType.INT8, DType.INT8)
_INT8_INT16: Final = (DType.INT8, DType.INT16)
_INT16_INT16: Final = (DType.INT16, DType.INT16)
_FLOAT32: Final = (DType.FLOAT32, DType.FLOAT32)

#: Types in and out -> scale and zero point that the output must have.
_SOFTMAX_OUTPUTS: Final = {
    _INT8_INT8: (1 / 256, -128),
    _INT8_INT16: (1 / 65536, -32768),
    _INT16_INT16: (1 / 32768, 0),
}


def softmax(site: Site) -> KernelCall:
    """int8 to int8 or int16, int16, float32; the exponentials are tables."""
    beta = options(site, SoftmaxParams).beta
    types, rows, depth = _rows(site)
    sizes = (str(rows), str(depth))
    if types == _FLOAT32:
        return KernelCall(
            function="nn_softmax_float32",
            arguments=(source("float"), destination("float"), *sizes, float_literal(beta)),
            in_place=(0,),
        )
    if types not in _SOFTMAX_OUTPUTS:
        raise unsupported(
            site, f"makes {types[1]} of {types[0]}",
            fix="int8 to int8 or int16, int16 to int16 and float32 are supported.",
        )  # fmt: skip
    most = _INT16_MAX_DEPTH if types == _INT16_INT16 else _INT8_MAX_DEPTH
    _check_output(site, *_SOFTMAX_OUTPUTS[types])
    if depth > most:
        raise unsupported(site, f"has depth {depth}", fix=f"At most {most} is supported.")
    quantization = per_tensor(site, tensor_in(site, 0))
    if types == _INT16_INT16:
        return _softmax_int16(site, quantization, beta, sizes)
    exponentials = softmax_exponentials(quantization.scale, beta)
    kind, ctype = ("int8", "int8_t") if types == _INT8_INT8 else ("int8_int16", "int16_t")
    return KernelCall(
        function=f"nn_softmax_{kind}",
        arguments=(
            source("int8_t"), destination(ctype), *sizes, int32_array("exponentials", exponentials),
            str(len(exponentials)),
        ),
        in_place=(0,) if types == _INT8_INT8 else (),
    )  # fmt: skip


def _softmax_int16(site: Site, quantization: Quantization, beta: float, sizes: tuple[str, str]) -> KernelCall:
    if quantization.zero_point:
        raise unsupported(site, "has int16 values with a zero point", fix="int16 wants a zero point of 0.")
    multiplier, shift = quantize_multiplier(quantization.scale * beta / DIFFERENCE_STEP)
    return KernelCall(
        function="nn_softmax_int16",
        arguments=(
            source("int16_t"), destination("int16_t"), *sizes,
            int16_array("exponentials", exponential_table()),
            int16_array("reciprocals", reciprocal_table()),
            structure("params", "struct nn_softmax_int16", [str(multiplier), str(shift)]),
        ),
        in_place=(0,),
    )  # fmt: skip


def l2_normalization(site: Site) -> KernelCall:
    """int8 and float32, without an activation."""
    types, rows, depth = _rows(site)
    if options(site, ActivationParams).activation is not Activation.NONE:
        raise unsupported(site, "fuses an activation", fix="It is supported without one.")
    sizes = (str(rows), str(depth))
    if types == _FLOAT32:
        return KernelCall(
            function="nn_l2_normalization_float32",
            arguments=(source("float"), destination("float"), *sizes),
            in_place=(0,),
        )
    if types != _INT8_INT8:
        raise unsupported(site, f"makes {types[1]} of {types[0]}", fix="int8 and float32 are supported.")
    if depth > _L2_MAX_DEPTH:
        raise unsupported(site, f"has depth {depth}", fix=f"At most {_L2_MAX_DEPTH} is supported.")
    _check_output(site, 1 / 128, 0)
    zero_point = per_tensor(site, tensor_in(site, 0)).zero_point
    return KernelCall(
        function="nn_l2_normalization_int8",
        arguments=(source("int8_t"), destination("int8_t"), *sizes, str(zero_point)),
        in_place=(0,),
    )


def _rows(site: Site) -> tuple[tuple[DType, DType], int, int]:
    """Types in and out, number of rows, and their length."""
    x, y = tensor_in(site, 0), tensor_out(site)
    if x.elements != y.elements:
        raise unsupported(site, "changes the number of elements")
    depth = x.shape[-1] if x.shape else 1
    check_dims(site, (x.elements,))
    return (x.dtype, y.dtype), x.elements // depth, depth


def _check_output(site: Site, scale: float, zero_point: int) -> None:
    """The output's range is fixed; the converter may miss 16-bit scales by a rounding."""
    q = per_tensor(site, tensor_out(site))
    allowed = 0.001 * scale if tensor_out(site).dtype is DType.INT16 else 0.0
    if abs(q.scale - scale) > allowed or q.zero_point != zero_point:
        raise unsupported(
            site, f"has output scale {q.scale:g} and zero point {q.zero_point}",
            fix=f"1/{round(1 / scale)} and {zero_point} are supported.",
        )  # fmt: skip


KERNELS = {
    "L2_NORMALIZATION": l2_normalization,
    "SOFTMAX": softmax,
}
