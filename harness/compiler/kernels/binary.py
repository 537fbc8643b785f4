# SPDX-License-Identifier: Apache-2.0
"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM and MINIMUM: two tensors, either of which may repeat."""

from __future__ import annotations

from typing import Final

from harness.compiler.fixed_point import quantize_multiplier
from harness.compiler.kernel_call import (
    C_TYPES,
    Constant,
    KernelCall,
    destination,
    int32_literal,
    source,
    structure,
    structure_array,
)
from harness.compiler.kernels.broadcast import AxisPair, broadcast_axes
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
from harness.compiler.site import Site
from harness.graph import Activation, ActivationParams, AddParams, DType, Quantization, Tensor

_ARITHMETIC: Final = (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32)
_CHOICE: Final = (*_ARITHMETIC, DType.INT64)
_QUANTIZED: Final = (DType.INT8, DType.INT16)

#: How far operands are shifted up before they are brought to one scale: HEAD_ROOM of the kernels.
_SUM_HEAD_ROOM: Final = {DType.INT8: 20, DType.INT16: 15}
_SQUARE_HEAD_ROOM: Final = {DType.INT8: 7, DType.INT16: 0}


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
    return _call(site, dtype, _sum_params(site, dtype, activation, _SUM_HEAD_ROOM[dtype]))


def squared_difference(site: Site) -> KernelCall:
    """Of int8, int16, int32 and float32."""
    dtype = _dtype(site, _ARITHMETIC)
    if dtype not in _QUANTIZED:
        return _call(site, dtype)

    _symmetric_int16(site, dtype)
    return _call(site, dtype, _sum_params(site, dtype, Activation.NONE, _SQUARE_HEAD_ROOM[dtype], power=2))


def mul(site: Site) -> KernelCall:
    """int8 and int16 scale the product of the two values."""
    activation = options(site, ActivationParams).activation
    dtype = _dtype(site, _ARITHMETIC)
    if dtype not in _QUANTIZED:
        return _call(site, dtype, _plain_range(dtype, activation))
    _symmetric_int16(site, dtype)
    a, b, y = (per_tensor(site, tensor) for tensor in _tensors(site))
    multiplier, shift = quantize_multiplier(a.scale * b.scale / y.scale)
    limits = stored_limits(y, dtype, activation)
    fields = (a.zero_point, b.zero_point, y.zero_point, *limits, shift, multiplier)
    return _call(site, dtype, structure("params", "struct nn_product", [str(v) for v in fields]))


def maximum(site: Site) -> KernelCall:
    """MAXIMUM and MINIMUM choose among stored values, so all of them must mean the same."""
    dtype = _dtype(site, _CHOICE)
    if dtype in _QUANTIZED:
        check_one_scale(site, _tensors(site))
    return _call(site, dtype)


def _tensors(site: Site) -> tuple[Tensor, Tensor, Tensor]:
    return tensor_in(site, 0), tensor_in(site, 1), tensor_out(site)


def _dtype(site: Site, supported: tuple[DType, ...]) -> DType:
    """The type that both operands and the output have."""
    tensors = _tensors(site)
    dtype = tensors[0].dtype
    names = ", ".join(supported)
    if any(tensor.dtype is not dtype for tensor in tensors) or dtype not in supported:
        found = " and ".join(tensor.dtype for tensor in tensors[:2])
        raise unsupported(
            site, f"makes {tensors[2].dtype} of {found}", fix=f"It works on one type of {names}."
        )
    if dtype not in (*_QUANTIZED, DType.FLOAT32) and any(tensor.quantization for tensor in tensors):
        raise unsupported(site, f"works on {dtype} with a scale", fix="Quantize to int8 or int16.")
    return dtype


def _symmetric_int16(site: Site, dtype: DType) -> None:
    if dtype is DType.INT16 and any(per_tensor(site, tensor).zero_point for tensor in _tensors(site)):
        raise unsupported(site, "has int16 values with a zero point", fix="int16 wants a zero point of 0.")


def _plain_range(dtype: DType, activation: Activation) -> Constant:
    """The range of a fused activation on numbers without a scale."""
    if dtype is DType.FLOAT32:
        return range_float32(activation)
    limits = stored_limits(Quantization(scales=(1.0,), zero_points=(0,)), dtype, activation)
    return structure("range", "struct nn_range_int32", [int32_literal(limit) for limit in limits])


def _sum_params(
    site: Site, dtype: DType, activation: Activation, head_room: int, *, power: int = 1
) -> Constant:
    """struct nn_sum; `power` is 2 where the difference is squared."""
    a, b, y = (per_tensor(site, tensor) for tensor in _tensors(site))
    twice_largest = 2.0 * max(a.scale, b.scale)
    output = twice_largest**power / ((1 << (head_room * power)) * y.scale)
    # The kernels' sums stay within 32 bits because no operand grows.
    if power == 1 and output >= 1:
        raise unsupported(site, f"has scales {a.scale:g}, {b.scale:g} and {y.scale:g}, too far apart")
    scalings = [
        quantize_multiplier(real) for real in (a.scale / twice_largest, b.scale / twice_largest, output)
    ]
    fields = (
        a.zero_point, b.zero_point, y.zero_point, *stored_limits(y, dtype, activation),
        *(shift for _, shift in scalings), *(multiplier for multiplier, _ in scalings),
    )  # fmt: skip
    return structure("params", "struct nn_sum", [str(v) for v in fields])


def _call(site: Site, dtype: DType, *constants: Constant) -> KernelCall:
    """The kernel of this operation and type on the broadcast shapes."""
    a, b, y = _tensors(site)
    axes = broadcast_axes(a.shape, b.shape, y.shape)
    check_dims(site, (a.elements, b.elements, y.elements))
    ctype = C_TYPES[dtype]
    return KernelCall(
        function=f"nn_{site.op.kind.lower()}_{dtype}",
        arguments=(
            source(ctype, 0), source(ctype, 1), destination(ctype),
            _axis_table(axes), str(len(axes)), *constants,
        ),
        in_place=tuple(i for i, tensor in enumerate((a, b)) if tensor.elements == y.elements),
    )  # fmt: skip


def _axis_table(axes: tuple[AxisPair, ...]) -> Constant:
    rows = [(str(axis.size), str(axis.a_stride), str(axis.b_stride)) for axis in axes]
    return structure_array("axes", "struct nn_axis_pair", rows, item_bytes=3 * 4)


KERNELS = {
    "ADD": add,
    "MAXIMUM": maximum,
    "MINIMUM": maximum,
    "MUL": mul,
    "SQUARED_DIFFERENCE": squared_difference,
    "SUB": add,
}
