# SPDX-License-Identifier: Apache-2.0
"""What layers with a memory share: their states, constants and scalings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy.typing as npt

from harness.compiler.fixed_point import quantize_multiplier
from harness.compiler.kernel_call import Constant, int32_array
from harness.compiler.kernels.common import integer_range, tensor_in, unsupported
from harness.compiler.site import Site
from harness.graph import DType, Quantization, Tensor

Array = npt.NDArray[Any]

#: A left shift beyond this makes a scaled value plus a zero point leave 32 bits.
_LARGEST_PRODUCT_SHIFT: Final = 0


def has_input(site: Site, position: int) -> bool:
    """Whether an optional input is there."""
    return position < len(site.op.inputs) and site.op.inputs[position] is not None


def state_tensor(site: Site, position: int, dtype: DType, elements: int) -> Tensor:
    """A variable of this type and size."""
    tensor = tensor_in(site, position)
    if not tensor.is_variable or tensor.data is not None:
        raise unsupported(
            site, f"has a state '{tensor.name}' that is no variable",
            fix="The state must be a variable tensor, as TensorFlow's converter makes it.",
        )  # fmt: skip
    if (tensor.dtype, tensor.elements) != (dtype, elements):
        raise unsupported(
            site, f"has a state '{tensor.name}' of {tensor.elements} {tensor.dtype.value}, "
            f"not {elements} {dtype.value}"
        )  # fmt: skip
    return tensor


def constant_of(site: Site, position: int, dtypes: Iterable[DType], shape: tuple[int, ...]) -> Array:
    """The values of a constant input of one of these types and of this shape."""
    tensor = tensor_in(site, position)
    names = " or ".join(dtype.value for dtype in dtypes)
    if tensor.data is None or tensor.dtype not in dtypes or tensor.shape != shape:
        what = "a computed" if tensor.data is None else "a"
        raise unsupported(
            site, f"has {what} input {position} of shape {list(tensor.shape)} and type {tensor.dtype.value}",
            fix=f"A constant {names} of shape {list(shape)} is supported there.",
        )  # fmt: skip
    return tensor.data


def symmetric(site: Site, tensor: Tensor) -> Quantization:
    """One scale above 0 and a zero point of 0."""
    q = tensor.quantization
    if q is None or len(q.scales) != 1 or q.scale <= 0 or q.zero_point:
        raise unsupported(
            site, f"has no usable quantization on tensor '{tensor.name}'",
            fix="One scale with a zero point of 0 is supported there.",
        )  # fmt: skip
    return q


def asymmetric(site: Site, tensor: Tensor) -> Quantization:
    """One scale above 0 and a zero point within int8; int16 has a zero point of 0."""
    if tensor.dtype is not DType.INT8:
        return symmetric(site, tensor)
    low, high = integer_range(tensor.dtype)
    q = tensor.quantization
    if q is None or len(q.scales) != 1 or q.scale <= 0 or not low <= q.zero_point <= high:
        raise unsupported(site, f"has no usable int8 quantization on tensor '{tensor.name}'")
    return q


def factor(multiplier: int, shift: int) -> str:
    """struct nn_factor."""
    return f"{{{multiplier}, {shift}}}"


def product_scale(site: Site, real: float) -> str:
    """struct nn_factor of products of two int16 values by a real number of at most 1."""
    multiplier, shift = quantize_multiplier(real)
    if shift > _LARGEST_PRODUCT_SHIFT:
        raise unsupported(site, f"scales products of its gates by {real:g}", fix="Its scales are too fine.")
    return factor(multiplier, shift)


def wrapped_int32(role: str, values: Iterable[int]) -> Constant:
    """A table of sums that wrap at 32 bits, as the device adds them up."""
    return int32_array(role, [(value + 2**31) % 2**32 - 2**31 for value in values])
