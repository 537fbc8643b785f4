# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM and MINIMUM: two tensors, either of which may repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.compiler.fixed_point import INT8_MAX, INT8_MIN
from harness.compiler.kernel_call import (
    C_TYPES,
    Constant,
    KernelCall,
    destination,
    int8_array,
    int32_literal,
    source,
    structure,
    structure_array,
)
from harness.compiler.kernels.broadcast import broadcast_axes
from harness.compiler.kernels.common import (
    check_dims,
    check_one_scale,
    options,
    per_tensor,
    range_float32,
    stored_limits,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.kernels.stored_arithmetic import Quantizations, stored_product, stored_sum
from harness.compiler.site import Site
from harness.graph import Activation, ActivationParams, AddParams, DType, Quantization, Tensor

_ARITHMETIC: Final = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)
_CHOICE: Final = (*_ARITHMETIC, DType.INT64)
_QUANTIZED: Final = (DType.INT8, DType.INT16)

#: Two stored values -> the stored result.
_Function = Callable[[int, int], int]


def add(site: Site) -> KernelCall:
    """ADD and SUB. int32 is added without an activation: the reference leaves it out."""
    activation = options(site, AddParams).activation
    dtype = _dtype(site, _ARITHMETIC)
    if dtype is DType.INT32 and site.op.kind == "ADD":
        if activation is not Activation.NONE:
            raise unsupported(site, f"fuses {activation} to int32", fix="int32 is added without activation.")
        return _call(site, dtype)
    if dtype not in _QUANTIZED:
        return _call(site, dtype, _plain_range(dtype, activation))
    stored = stored_sum(site.op.kind, dtype, _quantizations(site), activation)
    return _quantized_call(site, dtype, stored.value, stored.params)


def squared_difference(site: Site) -> KernelCall:
    """Of int8, int16, int32 and float32."""
    dtype = _dtype(site, _ARITHMETIC)
    if dtype not in _QUANTIZED:
        return _call(site, dtype)
    _check_symmetric_int16(site, dtype)
    stored = stored_sum(site.op.kind, dtype, _quantizations(site), Activation.NONE)
    return _quantized_call(site, dtype, stored.value, stored.params)


def mul(site: Site) -> KernelCall:
    """int8 and int16 scale the product of the two values."""
    activation = options(site, ActivationParams).activation
    dtype = _dtype(site, _ARITHMETIC)
    if dtype not in _QUANTIZED:
        return _call(site, dtype, _plain_range(dtype, activation))
    _check_symmetric_int16(site, dtype)
    stored = stored_product(dtype, _quantizations(site), activation)
    return _quantized_call(site, dtype, stored.value, stored.params)


def maximum(site: Site) -> KernelCall:
    """MAXIMUM and MINIMUM choose among stored values, so all of them must mean the same."""
    dtype = _dtype(site, _CHOICE)
    if dtype not in _QUANTIZED:
        return _call(site, dtype)
    check_one_scale(site, _tensors(site))
    return _quantized_call(site, dtype, max if site.op.kind == "MAXIMUM" else min)


def _tensors(site: Site) -> tuple[Tensor, Tensor, Tensor]:
    return tensor_in(site, 0), tensor_in(site, 1), tensor_out(site)


def _quantizations(site: Site) -> Quantizations:
    a, b, y = (per_tensor(site, tensor) for tensor in _tensors(site))
    return a, b, y


def _dtype(site: Site, supported: tuple[DType, ...]) -> DType:
    """The type that both operands and the output have."""
    tensors = _tensors(site)
    dtype = tensors[0].dtype
    names = ", ".join(supported)
    if any(tensor.dtype is not dtype for tensor in tensors) or dtype not in supported:
        found = " and ".join(tensor.dtype for tensor in tensors[:2])
        fix = f"Operands and output of one type: {names}."
        raise unsupported(site, f"makes {tensors[2].dtype} of {found}", fix=fix)
    if dtype not in (*_QUANTIZED, DType.FLOAT32) and any(tensor.quantization for tensor in tensors):
        raise unsupported(site, f"works on {dtype} with a scale", fix="Quantize to int8 or int16.")
    return dtype


def _check_symmetric_int16(site: Site, dtype: DType) -> None:
    if dtype is DType.INT16 and any(q.zero_point for q in _quantizations(site)):
        raise unsupported(site, "has int16 values with a zero point", fix="int16 wants a zero point of 0.")


def _plain_range(dtype: DType, activation: Activation) -> Constant:
    """The range of a fused activation on numbers without a scale."""
    if dtype is DType.FLOAT32:
        return range_float32(activation)
    limits = stored_limits(Quantization(scales=(1.0,), zero_points=(0,)), dtype, activation)
    return structure("range", "struct nn_range_int32", [int32_literal(limit) for limit in limits])


def _quantized_call(site: Site, dtype: DType, function: _Function, *constants: Constant) -> KernelCall:
    """The kernel; or a table, where one operand is a constant int8 number and the other is as the output."""
    tensors = _tensors(site)
    if dtype is not DType.INT8:
        return _call(site, dtype, *constants)
    for position, (number, other) in enumerate(((tensors[0], tensors[1]), (tensors[1], tensors[0]))):
        if number.data is None or number.elements != 1 or other.elements != tensors[2].elements:
            continue
        broadcast_axes(tensors[0].shape, tensors[1].shape, tensors[2].shape)
        check_dims(site, (other.elements,))
        n = int(number.data.reshape(-1)[0])
        values = range(INT8_MIN, INT8_MAX + 1)
        table = [function(n, x) if position == 0 else function(x, n) for x in values]
        return KernelCall(
            function="nn_lookup_int8",
            arguments=(
                source("int8_t", 1 - position), destination("int8_t"), str(other.elements),
                int8_array("table", table),
            ),
            in_place=(1 - position,),
        )  # fmt: skip
    return _call(site, dtype, *constants)


def _call(site: Site, dtype: DType, *constants: Constant) -> KernelCall:
    """The kernel of this operation and type on the broadcast shapes."""
    a, b, y = _tensors(site)
    axes = broadcast_axes(a.shape, b.shape, y.shape)
    check_dims(site, (a.elements, b.elements, y.elements))
    ctype = C_TYPES[dtype]
    rows = [(str(axis.size), str(axis.a_stride), str(axis.b_stride)) for axis in axes]
    return KernelCall(
        function=f"nn_{site.op.kind.lower()}_{dtype}",
        arguments=(
            source(ctype, 0), source(ctype, 1), destination(ctype),
            structure_array("axes", "struct nn_axis_pair", rows, item_bytes=3 * 4),
            str(len(axes)), *constants,
        ),
        in_place=tuple(i for i, tensor in enumerate((a, b)) if tensor.elements == y.elements),
    )  # fmt: skip


KERNELS = {
    "ADD": add,
    "MAXIMUM": maximum,
    "MINIMUM": maximum,
    "MUL": mul,
    "SQUARED_DIFFERENCE": squared_difference,
    "SUB": add,
}
