# SPDX-License-Identifier: Apache-2.0
"""Activations on stored values as TensorFlow Lite Micro rounds them, in exact integers and in float32.

Each maker returns a function of one stored value that lies in int8; the compiler tabulates it. What
the reference computes in float32 is computed in float32 here, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.compiler.fixed_point import (
    INT8_MAX,
    INT8_MIN,
    INT32_MAX,
    clamp_int8,
    divide_by_power_of_two,
    exp_on_negative_values,
    multiply_high,
    quantize_multiplier,
    quantize_value,
    round_half_away,
    scale,
)
from harness.graph import Quantization

#: Bits of fraction that 1 / sqrt of a stored value is kept with.
_RSQRT_HEAD_ROOM: Final = 20

StoredFunction = Callable[[int], int]

#: Integer bits of the argument of the fixed-point logistic and tanh.
_INPUT_INTEGER_BITS: Final = 4
#: The scale to which an int16 LOGISTIC or TANH is brought before its table: 1 / (3 * 4096).
_TABLE_STEPS_PER_UNIT: Final = 4096.0 * 3.0
#: How close to a power of two the reference takes a scale for one, in binary logarithms.
_POWER_OF_TWO_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedScaling:
    """A real multiplier of any sign as magnitude and shift; the sign is applied after rounding."""

    multiplier: int
    shift: int
    is_negative: bool = False

    def __call__(self, value: int) -> int:
        scaled = scale(value, self.multiplier, self.shift)
        return -scaled if self.is_negative else scaled


def signed_scaling(real: float) -> SignedScaling:
    """The fixed-point form of a real multiplier.

    Raises:
        ValueError: not below 2^31 in magnitude, or not a number.
    """
    multiplier, shift = quantize_multiplier(abs(real))
    return SignedScaling(multiplier=multiplier, shift=shift, is_negative=real < 0)


def logistic_int8(q_in: Quantization) -> StoredFunction:
    """1 / (1 + exp(-x)) for an output with scale 1/256 and zero point -128."""

    def value(argument: int) -> int:
        return clamp_int8(divide_by_power_of_two(_logistic(argument), 31 - 8) + INT8_MIN)

    return _of_scaled_argument(q_in, value)


def tanh_int8(q_in: Quantization) -> StoredFunction:
    """tanh(x) for an output with scale 1/128 and zero point 0."""

    def value(argument: int) -> int:
        return clamp_int8(divide_by_power_of_two(_tanh(argument), 31 - 7))

    return _of_scaled_argument(q_in, value)


def _of_scaled_argument(q_in: Quantization, function: StoredFunction) -> StoredFunction:
    """`function` of the real value in Q4.27; its limits where that would overflow.

    Raises:
        ValueError: a scale below 2^-28, or of 16 and more.
    """
    if not 2.0**-28 <= q_in.scale < 16.0:
        raise ValueError(f"an input scale of {q_in.scale:g}, which is not within 2^-28 and 16")
    multiplier, shift = quantize_multiplier(q_in.scale * (1 << (31 - _INPUT_INTEGER_BITS)))
    largest = ((1 << _INPUT_INTEGER_BITS) - 1) * (1 << (31 - _INPUT_INTEGER_BITS))
    radius = largest >> shift

    def stored(x: int) -> int:
        difference = x - q_in.zero_point
        if difference <= -radius:
            return INT8_MIN
        return INT8_MAX if difference >= radius else function(scale(difference, multiplier, shift))

    return stored


def _logistic(a: int) -> int:
    """In Q0.31, of Q4.27."""
    if a == 0:
        return 1 << 30
    x = _reciprocal_of_half(exp_on_negative_values(-abs(a), integer_bits=_INPUT_INTEGER_BITS))
    positive = _shift_saturated(x, 1)
    return positive if a > 0 else INT32_MAX - positive


def _tanh(a: int) -> int:
    """In Q0.31, of Q4.27: (1 - exp(-2a)) / (1 + exp(-2a))."""
    if a == 0:
        return 0
    # twice the argument is the same bits with one integer bit more
    x = _reciprocal_of_half(exp_on_negative_values(-abs(a), integer_bits=_INPUT_INTEGER_BITS + 1))
    positive = _shift_saturated(x - (1 << 29), 2)
    return positive if a > 0 else -positive


def _reciprocal_of_half(x: int) -> int:
    """2 / (1 + x) in Q2.29 for x in [0, 1) in Q0.31, by three Newton steps."""
    half = (x + INT32_MAX + 1) // 2
    y = 1515870810 + multiply_high(half, -1010580540)
    for _ in range(3):
        error = (1 << 29) - multiply_high(half, y)
        y += _shift_saturated(multiply_high(y, error), 2)
    return y


def _shift_saturated(value: int, bits: int) -> int:
    return max(-(2**31), min(INT32_MAX, value << bits))


def sigmoid_argument(scale_: float, *, most_doublings: int) -> tuple[int, int]:
    """(multiplier, shift) that bring an int16 value to steps of 1 / (3 * 4096), rounded half up.

    Args:
        scale_: of the input.
        most_doublings: of the power-of-two scales 2^-12, 2^-11 ..., how many are taken as they are: 0 for
            LOGISTIC, 1 for TANH.

    Raises:
        ValueError: a scale that needs more than 15 bits of multiplier.
    """
    exponent = float(np.log(np.float32(scale_)) * (np.float32(1) / np.float32(math.log(2))))
    doublings = 12 + round_half_away(exponent)
    is_power = abs(exponent - round_half_away(exponent)) < _POWER_OF_TWO_TOLERANCE
    if is_power and 0 <= doublings <= most_doublings:
        return 3 << doublings, 0
    multiplier, shift = scale_ * _TABLE_STEPS_PER_UNIT, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        shift += 1
        multiplier *= 2
    if multiplier > 32767:
        raise ValueError(f"an input scale of {scale_:g}, which is above 2.6")
    return int(multiplier), shift


def is_power_of_two(scale_: float, exponent: int) -> bool:
    """Whether the reference takes this scale for 2^exponent."""
    return abs(math.log2(scale_) - exponent) < _POWER_OF_TWO_TOLERANCE


def relu_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """max(x, 0), rescaled."""
    return _rescaled(q_in, q_out, max(INT8_MIN, q_out.zero_point), INT8_MAX)


def relu_n1_to_1_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """min(max(x, -1), 1), rescaled."""
    low, high = (quantize_value(limit, q_out.scale, q_out.zero_point) for limit in (-1.0, 1.0))
    return _rescaled(q_in, q_out, clamp_int8(low), clamp_int8(high))


def _rescaled(q_in: Quantization, q_out: Quantization, low: int, high: int) -> StoredFunction:
    scaling = signed_scaling(q_in.scale / q_out.scale)
    return lambda x: max(low, min(high, q_out.zero_point + scaling(x - q_in.zero_point)))


def relu6_int8(q_in: Quantization) -> StoredFunction:
    """min(max(x, 0), 6) on one scale."""
    six = clamp_int8(quantize_value(6.0, q_in.scale, q_in.zero_point))
    return lambda x: max(q_in.zero_point, min(six, x))


def neg_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """-x of the stored number, of which -128 stays.

    Raises:
        ValueError: a zero point, or two scales: the reference ignores them.
    """
    if q_in.zero_point or q_out.zero_point or q_in.scale != q_out.scale:
        raise ValueError("int8 is negated on one scale and without zero points")
    return lambda x: x if x == INT8_MIN else -x


def elu_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """x above 0, exp(x) - 1 below, in float32.

    Raises:
        ValueError: a scale whose reciprocal is not finite, or that is not finite itself.
    """
    inverse = np.float32(1) / np.float32(q_out.scale)
    if not all(math.isfinite(float(value)) for value in (inverse, q_in.scale, q_out.scale)):
        raise ValueError(f"scales of {q_in.scale:g} and {q_out.scale:g}")

    def stored(x: int) -> int:
        real = np.float32(q_in.scale) * np.float32(x - q_in.zero_point)
        if real < 0:
            real = np.float32(math.exp(float(real))) - np.float32(1)
        rescaled = np.float32(round_half_away(float(real * inverse)))
        return clamp_int8(int(rescaled + np.float32(q_out.zero_point)))

    return stored


def leaky_relu_int8(q_in: Quantization, q_out: Quantization, alpha: float) -> StoredFunction:
    """x above 0, alpha * x below."""
    identity, slope = leaky_relu_scalings(q_in, q_out, alpha)

    def stored(x: int) -> int:
        difference = x - q_in.zero_point
        return clamp_int8(q_out.zero_point + (identity if difference >= 0 else slope)(difference))

    return stored


def leaky_relu_scalings(
    q_in: Quantization, q_out: Quantization, alpha: float
) -> tuple[SignedScaling, SignedScaling]:
    """The multipliers above and below 0; `alpha` is a float32 number."""
    return signed_scaling(q_in.scale / q_out.scale), signed_scaling(q_in.scale * alpha / q_out.scale)


def abs_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """|x|, rescaled where the scales differ."""
    rescaled = signed_scaling(q_in.scale / q_out.scale)
    return lambda x: clamp_int8(rescaled(abs(x - q_in.zero_point)) + q_out.zero_point)


def rsqrt_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """1 / sqrt(x); the largest value at 0, and below 0, where the reference stops."""
    multiplier, shift = rsqrt_scaling(q_in, q_out)

    def stored(x: int) -> int:
        difference = x - q_in.zero_point
        if difference <= 0:
            return INT8_MAX
        inverse, inverse_shift = _inverse_square_root(difference)
        wide = scale(1, inverse, inverse_shift + _RSQRT_HEAD_ROOM)
        return clamp_int8(scale(wide, multiplier, shift) + q_out.zero_point)

    return stored


def rsqrt_scaling(q_in: Quantization, q_out: Quantization) -> tuple[int, int]:
    """(multiplier, shift) from 1 / sqrt of the stored value, with 20 bits of fraction, to the output.

    Raises:
        ValueError: scales so far apart that all bits are shifted out.
    """
    multiplier, shift = quantize_multiplier(1.0 / (math.sqrt(q_in.scale) * q_out.scale))
    if shift - _RSQRT_HEAD_ROOM < -31:
        raise ValueError(f"scales of {q_in.scale:g} and {q_out.scale:g}")
    return multiplier, shift - _RSQRT_HEAD_ROOM


def _inverse_square_root(x: int) -> tuple[int, int]:
    """(multiplier, shift) of 1 / sqrt(x) for 1 <= x < 2^29, by five Newton steps in Q3.28 from 1."""
    if x == 1:
        return INT32_MAX, 0
    pairs = (32 - x.bit_length() - 1) // 2 - 1
    right_shift = 11 - pairs
    a = (x << (2 * pairs)) >> 1
    half = divide_by_power_of_two(a, 1)
    y = 1 << 28
    for _ in range(5):
        cube = _shift_saturated(multiply_high(multiply_high(y, y), y), 6)
        y = _shift_saturated(multiply_high((1 << 28) + (1 << 27), y) - multiply_high(half, cube), 3)
    root = multiply_high(y, 1518500250)
    return (root << -right_shift, 0) if right_shift < 0 else (root, -right_shift)


def hard_swish_int8(q_in: Quantization, q_out: Quantization) -> StoredFunction:
    """x * min(max(x + 3, 0), 6) / 6 in 16-bit fixed point.

    Raises:
        ValueError: the output's scale is more than 128 times finer than the input's.
    """
    fine = q_in.scale / 128
    output_multiplier, output_shift = quantize_multiplier(fine / q_out.scale)
    gate_multiplier, gate_shift = quantize_multiplier(fine / (3 / 32768))
    if output_shift > 0:
        raise ValueError(f"a scale of {q_in.scale:g} to one more than 128 times finer, {q_out.scale:g}")
    to_output, to_gate = _upper_half(output_multiplier), _upper_half(gate_multiplier)

    def stored(x: int) -> int:
        wide = (x - q_in.zero_point) * 128
        gate = wide
        if gate_shift > 0:
            gate = _clamp_int16(gate << (gate_shift - 1))
        gate = _multiply_high_int16(gate, to_gate)
        if gate_shift > 0:
            gate = _clamp_int16(gate << 1)
        elif gate_shift < 0:
            gate = _divide_int16(gate, -gate_shift)
        gate = (gate + (1 << 15)) >> 1
        product = gate * _multiply_high_int16(wide, to_output)
        # towards zero, unlike the other roundings
        high = product >> 15 if product >= 0 else -(-product >> 15)
        return clamp_int8(_wrap_int16(_divide_int16(high, -output_shift) + q_out.zero_point))

    return stored


def _upper_half(multiplier: int) -> int:
    """A 32-bit multiplier as a 16-bit one."""
    rounded = (multiplier + (1 << 15)) >> 16
    return min(rounded, 2**15 - 1)


def _multiply_high_int16(a: int, b: int) -> int:
    return (a * b + (1 << 14)) >> 15


def _divide_int16(value: int, exponent: int) -> int:
    """value / 2^exponent in 16 bits, where masks of 16 and more bits wrap as the reference's do."""
    mask = _wrap_int16((1 << exponent) - 1)
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if (value & mask) > threshold else 0)


def _clamp_int16(value: int) -> int:
    return max(-(2**15), min(2**15 - 1, value))


def _wrap_int16(value: int) -> int:
    return (value + 2**15) % 2**16 - 2**15
