# SPDX-License-Identifier: Apache-2.0
"""What the integer kernels of nn_binary.h do with one pair of stored values: their parameters, and the same
arithmetic in Python, which makes a table of an operation with a constant number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.compiler.fixed_point import quantize_multiplier, scale
from harness.compiler.kernel_call import Constant, structure
from harness.compiler.kernels.common import stored_limits
from harness.graph import Activation, DType, Quantization

#: How far operands are shifted up before they are brought to one scale: HEAD_ROOM of the kernels.
_SUM_HEAD_ROOM: Final = {DType.INT8: 20, DType.INT16: 15}
_SQUARE_HEAD_ROOM: Final = {DType.INT8: 7, DType.INT16: 0}

#: Quantizations of a, of b and of the output.
Quantizations = tuple[Quantization, Quantization, Quantization]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSum:
    """ADD, SUB and SQUARED_DIFFERENCE."""

    kind: str
    zero_points: tuple[int, int, int]
    limits: tuple[int, int]
    head_room: int
    scalings: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    """(multiplier, shift) of a, of b and of the output."""

    @property
    def params(self) -> Constant:
        """struct nn_sum."""
        shifts = (shift for _, shift in self.scalings)
        multipliers = (multiplier for multiplier, _ in self.scalings)
        fields = (*self.zero_points, *self.limits, *shifts, *multipliers)
        return structure("params", "struct nn_sum", [str(v) for v in fields])

    def value(self, a: int, b: int) -> int:
        """The stored result."""
        wide = [(x - zero) << self.head_room for x, zero in zip((a, b), self.zero_points, strict=False)]
        scaled_a, scaled_b = (scale(x, *s) for x, s in zip(wide, self.scalings, strict=False))
        total = scaled_a + scaled_b if self.kind == "ADD" else scaled_a - scaled_b
        if self.kind == "SQUARED_DIFFERENCE":
            total *= total
        return _clamped(scale(total, *self.scalings[2]) + self.zero_points[2], self.limits)


def stored_sum(kind: str, dtype: DType, quantizations: Quantizations, activation: Activation) -> StoredSum:
    """The parameters of an operation.

    Raises:
        ValueError: scales that are too far apart for 32-bit sums.
    """
    a, b, y = quantizations
    squared = kind == "SQUARED_DIFFERENCE"
    power = 2 if squared else 1
    head_room = (_SQUARE_HEAD_ROOM if squared else _SUM_HEAD_ROOM)[dtype]
    twice_largest = 2.0 * max(a.scale, b.scale)
    output = twice_largest**power / ((1 << (head_room * power)) * y.scale)
    # The kernels' sums stay within 32 bits because no operand grows.
    if not squared and output >= 1:
        raise ValueError(f"scales {a.scale:g}, {b.scale:g} and {y.scale:g} are too far apart")
    return StoredSum(
        kind=kind,
        zero_points=(a.zero_point, b.zero_point, y.zero_point),
        limits=stored_limits(y, dtype, activation),
        head_room=head_room,
        scalings=(
            quantize_multiplier(a.scale / twice_largest),
            quantize_multiplier(b.scale / twice_largest),
            quantize_multiplier(output),
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredProduct:
    """MUL."""

    zero_points: tuple[int, int, int]
    limits: tuple[int, int]
    scaling: tuple[int, int]
    """(multiplier, shift) of the product."""

    @property
    def params(self) -> Constant:
        """struct nn_product."""
        multiplier, shift = self.scaling
        fields = (*self.zero_points, *self.limits, shift, multiplier)
        return structure("params", "struct nn_product", [str(v) for v in fields])

    def value(self, a: int, b: int) -> int:
        """The stored result."""
        product = (a - self.zero_points[0]) * (b - self.zero_points[1])
        return _clamped(scale(product, *self.scaling) + self.zero_points[2], self.limits)


def stored_product(dtype: DType, quantizations: Quantizations, activation: Activation) -> StoredProduct:
    """The parameters of an operation."""
    a, b, y = quantizations
    return StoredProduct(
        zero_points=(a.zero_point, b.zero_point, y.zero_point),
        limits=stored_limits(y, dtype, activation),
        scaling=quantize_multiplier(a.scale * b.scale / y.scale),
    )


def _clamped(value: int, limits: tuple[int, int]) -> int:
    return max(limits[0], min(limits[1], value))
