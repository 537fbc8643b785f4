# SPDX-License-Identifier: Apache-2.0
"""The integer arithmetic of int8 inference, in exact Python integers.

What TensorFlow Lite Micro works out on the device at start-up (fixed-point multipliers) or for every
inference (exponentials) is worked out here once. Each function equals its namesake in the reference
to the bit; the C side of the same arithmetic is firmware/lib/nn/nn_fixed_point.h.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

INT32_MAX: Final = 2**31 - 1
INT8_MIN: Final = -128
INT8_MAX: Final = 127

#: Integer bits of the scaled difference that the quantized softmax exponentiates (Q5.26).
_DIFF_INTEGER_BITS: Final = 5


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with real = multiplier * 2^(shift - 31), 2^30 <= multiplier < 2^31.

    A real multiplier of 0, or too small for 31 fractional bits, gives (0, 0).

    Raises:
        ValueError: negative, 2^31 and more, or not a number: no 32-bit value is scaled by that.
    """
    if real == 0.0:
        return 0, 0
    if not 0.0 < real < 2.0**31:
        raise ValueError(f"a scaling by {real:g}")
    mantissa, shift = math.frexp(real)
    multiplier = round_half_away(mantissa * 2**31)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    return (0, 0) if shift < -31 else (multiplier, shift)


def round_half_away(value: float) -> int:
    """Nearest integer; halves go away from zero (C `round`)."""
    magnitude = abs(value)
    whole = math.floor(magnitude)
    # Not floor(magnitude + 0.5): that sum rounds up by itself just below a half.
    nearest = whole + (magnitude - whole >= 0.5)
    return nearest if value >= 0 else -nearest


def multiply_high(a: int, b: int) -> int:
    """a * b / 2^31, rounded half up."""
    return (a * b + (1 << 30)) >> 31


def divide_by_power_of_two(value: int, exponent: int) -> int:
    """value / 2^exponent, rounded half away from zero."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if (value & mask) > threshold else 0)


def scale(value: int, multiplier: int, shift: int) -> int:
    """value * multiplier * 2^(shift - 31) with the reference's double rounding."""
    if shift > 0:
        wrapped = (value << shift) & 0xFFFFFFFF
        return multiply_high(wrapped - 2**32 if wrapped >= 2**31 else wrapped, multiplier)
    return divide_by_power_of_two(multiply_high(value, multiplier), -shift)


def quantize_value(real: float, scale_: float, zero_point: int) -> int:
    """real / scale in float32 arithmetic, rounded half away from zero, plus the zero point."""
    return zero_point + round_half_away(float(np.float32(real) / np.float32(scale_)))


def clamp_int8(value: int) -> int:
    """The nearest int8."""
    return max(INT8_MIN, min(INT8_MAX, value))


def softmax_exponentials(input_scale: float, beta: float) -> tuple[int, ...]:
    """exp(-d * input_scale * beta) in Q0.31 for d = 0, 1, ... as the reference's softmax computes it.

    The tuple ends where the reference drops a term: beyond its input radius, or at d = 255.

    Raises:
        ValueError: input_scale * beta is too small for the reference (2^-26), or not a number.
    """
    real = min(beta * input_scale * (1 << (31 - _DIFF_INTEGER_BITS)), 2**31 - 1.0)
    if not real > 1.0:
        raise ValueError(f"input scale {input_scale:g} times beta {beta:g}")
    multiplier, left_shift = quantize_multiplier(real)
    largest = ((1 << _DIFF_INTEGER_BITS) - 1) * (1 << (31 - _DIFF_INTEGER_BITS)) / (1 << left_shift)
    radius = math.floor(largest)
    return tuple(
        exp_on_negative_values(
            multiply_high(-difference << left_shift, multiplier), integer_bits=_DIFF_INTEGER_BITS
        )
        for difference in range(min(radius, 255) + 1)
    )


def exp_on_negative_values(a: int, *, integer_bits: int) -> int:
    """exp(a) in Q0.31 for a <= 0 with at most 5 `integer_bits`.

    A polynomial on [-1/4, 0), then one factor per bit above.
    """
    if a == 0:
        return INT32_MAX
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    low = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(low << integer_bits)
    remainder = low - a
    # exp(-2^k) in Q0.31 for k = -2 .. 4
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in enumerate(factors[: integer_bits + 2], start=-2):
        if remainder & (1 << (fraction_bits + exponent)):
            result = multiply_high(result, factor)
    return result


def _exp_near_zero(a: int) -> int:
    """exp(a) in Q0.31 for a in [-1/4, 0): the fourth-order Taylor polynomial around -1/8."""
    exp_of_minus_eighth = 1895147668
    one_third = 715827883
    x = a + (1 << 28)
    x2 = multiply_high(x, x)
    x3 = multiply_high(x2, x)
    x4 = multiply_high(x2, x2)
    x4_over_4 = divide_by_power_of_two(x4, 2)
    tail = divide_by_power_of_two(multiply_high(x4_over_4 + x3, one_third) + x2, 1)
    return exp_of_minus_eighth + multiply_high(exp_of_minus_eighth, x + tail)
