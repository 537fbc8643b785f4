# SPDX-License-Identifier: Apache-2.0
"""QUANTIZE, DEQUANTIZE and CAST: from one element type to another, in place."""

from __future__ import annotations

from typing import Final

from harness.compiler.fixed_point import INT8_MAX, INT8_MIN, quantize_multiplier, scale
from harness.compiler.kernel_call import (
    C_TYPES,
    Argument,
    Constant,
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
    per_tensor,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.graph import DType, Quantization

_BYTES: Final = (DType.INT8, DType.UINT8)
#: Input type -> output types of QUANTIZE.
_QUANTIZED: Final = {
    DType.FLOAT32: (DType.INT8, DType.UINT8, DType.INT16),
    DType.INT8: (DType.INT8, DType.UINT8, DType.INT16, DType.INT32),
    DType.UINT8: (DType.INT8, DType.UINT8),
    DType.INT16: (DType.INT8, DType.INT16, DType.INT32),
    DType.INT32: (DType.INT8, DType.INT16),
}
_DEQUANTIZED: Final = (DType.INT8, DType.UINT8, DType.INT16)
#: What a float's sign bit leaves of its last byte.
_WITHOUT_SIGN: Final = 0x7F


def quantize(site: Site) -> KernelCall:
    """float32 to stored values, or stored values to another type, scale and zero point."""
    x, y = tensor_in(site, 0), tensor_out(site)
    if y.dtype not in _QUANTIZED.get(x.dtype, ()):
        forms = "; ".join(f"{a} to {', '.join(b)}" for a, b in _QUANTIZED.items())
        raise unsupported(site, f"makes {y.dtype} of {x.dtype}", fix=f"It works from {forms}.")
    q_out = per_tensor(site, y)
    function = f"nn_quantize_{x.dtype}_{y.dtype}"
    if x.dtype is DType.FLOAT32:
        return _call(site, function, float_literal(q_out.scale), str(q_out.zero_point))
    q_in = per_tensor(site, x)
    if x.dtype in _BYTES and y.dtype in _BYTES:
        return _byte_table_call(site, q_in, q_out)
    return _call(site, function, rescale(q_in, q_out, integer_range(y.dtype)))


def rescale(q_in: Quantization, q_out: Quantization, limits: tuple[int, int]) -> Constant:
    """struct nn_rescale."""
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    fields = (q_in.zero_point, q_out.zero_point, *limits, multiplier, shift)
    return structure("rescale", "struct nn_rescale", [int32_literal(v) for v in fields])


def _byte_table_call(site: Site, q_in: Quantization, q_out: Quantization) -> KernelCall:
    """int8 and uint8 among each other: a table of int8_t, in which a uint8_t of 128 and more is negative."""
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    low, high = integer_range(tensor_out(site).dtype)
    is_unsigned = tensor_in(site, 0).dtype is DType.UINT8

    def stored(byte: int) -> int:
        x = byte % 256 if is_unsigned else byte
        y = max(low, min(high, scale(x - q_in.zero_point, multiplier, shift) + q_out.zero_point))
        return y - 256 if y > INT8_MAX else y

    table = int8_array("table", [stored(byte) for byte in range(INT8_MIN, INT8_MAX + 1)])
    return _typed_call(site, "nn_lookup_int8", "int8_t", "int8_t", table)


def dequantize(site: Site) -> KernelCall:
    """Stored values to float32."""
    x, y = tensor_in(site, 0), tensor_out(site)
    if x.dtype not in _DEQUANTIZED or y.dtype is not DType.FLOAT32:
        raise unsupported(
            site, f"makes {y.dtype} of {x.dtype}",
            fix=f"It works from {', '.join(_DEQUANTIZED)} to float32; from float16 on constants.",
        )  # fmt: skip
    q = per_tensor(site, x)
    return _call(site, f"nn_dequantize_{x.dtype}_float32", float_literal(q.scale), str(q.zero_point))


def cast(site: Site) -> KernelCall:
    """Between any two of bool, integers and float32, as C converts them."""
    x, y = tensor_in(site, 0), tensor_out(site)
    for dtype in (x.dtype, y.dtype):
        if dtype not in C_TYPES:
            fix = f"It works among {', '.join(C_TYPES)}; from float16 on constants."
            raise unsupported(site, f"makes {y.dtype} of {x.dtype}", fix=fix)
    if y.dtype is DType.BOOL:
        top_mask = _WITHOUT_SIGN if x.dtype is DType.FLOAT32 else 0xFF
        return _bytes_call(site, "nn_cast_bool", str(x.dtype.itemsize), str(top_mask))
    from_float, to_float = (tensor.dtype is DType.FLOAT32 for tensor in (x, y))
    if from_float is to_float:
        return _bytes_call(site, "nn_cast_integer", _integer_form(x.dtype), str(y.dtype.itemsize))
    if DType.INT64 in (x.dtype, y.dtype):
        return _call(site, f"nn_cast_{x.dtype}_{y.dtype}")
    if from_float:
        return _typed_call(site, "nn_cast_float32_integer", "float", "uint8_t", str(y.dtype.itemsize))
    return _typed_call(site, "nn_cast_integer_float32", "uint8_t", "float", _integer_form(x.dtype))


def _integer_form(dtype: DType) -> Constant:
    """struct nn_integer_form; a float that is only copied counts as unsigned."""
    is_signed = dtype in (DType.INT8, DType.INT16, DType.INT32, DType.INT64)
    return structure("form", "struct nn_integer_form", [str(dtype.itemsize), str(int(is_signed))])


def _bytes_call(site: Site, function: str, *parameters: Argument) -> KernelCall:
    return _typed_call(site, function, "uint8_t", "uint8_t", *parameters)


def _call(site: Site, function: str, *parameters: Argument) -> KernelCall:
    """A kernel that takes both tensors by their own types."""
    types = (C_TYPES[tensor.dtype] for tensor in (tensor_in(site, 0), tensor_out(site)))
    return _typed_call(site, function, *types, *parameters)


def _typed_call(site: Site, function: str, x: str, y: str, *parameters: Argument) -> KernelCall:
    count = tensor_in(site, 0).elements
    if count != tensor_out(site).elements:
        raise unsupported(site, "changes the number of elements")
    check_dims(site, (count,))
    return KernelCall(
        function=function,
        arguments=(source(x), destination(y), str(count), *parameters),
        in_place=(0,),
    )


KERNELS = {
    "CAST": cast,
    "DEQUANTIZE": dequantize,
    "QUANTIZE": quantize,
}
