# SPDX-License-Identifier: Apache-2.0
"""The integer arithmetic against formulas: exact fractions, and the published truncating definitions.

`truncating_*` follow the definitions that gemmlowp documents (a nudge, then C division, which
truncates); `harness.compiler.fixed_point` and nn_fixed_point.h use shifts that floor.
"""

from __future__ import annotations

import ctypes
import functools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.compiler import fixed_point as fp
from tests.native_model import FLAGS, INCLUDES, model_folder, run

quick = settings(max_examples=200, derandomize=True, deadline=None, database=None)

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
edges = st.sampled_from([INT32_MIN, INT32_MIN + 1, -(2**30), -1, 0, 1, 2**30, INT32_MAX - 1, INT32_MAX])
int32 = st.one_of(edges, st.integers(INT32_MIN, INT32_MAX))
multipliers = st.one_of(st.sampled_from([0, 2**30, INT32_MAX]), st.integers(2**30, INT32_MAX))
shifts = st.integers(-31, 30)


def c_division(a: int, b: int) -> int:
    """a / b as C does it: towards zero."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def truncating_multiply_high(a: int, b: int) -> int:
    product = a * b
    nudge = 2**30 if product >= 0 else 1 - 2**30
    return c_division(product + nudge, 2**31)


def half_away(value: Fraction) -> int:
    """Nearest integer, halves away from zero, by exact arithmetic."""
    magnitude = math.floor(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


C_SOURCE = """
#include "nn_fixed_point.h"
int32_t multiply_high(int32_t a, int32_t b) { return nn_multiply_high(a, b); }
int32_t divide(int32_t x, uint8_t exponent) { return nn_divide_by_power_of_two(x, exponent); }
int32_t scale(int32_t x, int32_t multiplier, int8_t shift) { return nn_scale(x, multiplier, shift); }
"""


@functools.cache
def c_side() -> ctypes.CDLL:
    """nn_fixed_point.h as a library."""
    folder = model_folder({"fixed_point.c": C_SOURCE})
    run("gcc", *FLAGS, "-shared", *INCLUDES, "-o", folder / "f.so", folder / "fixed_point.c")
    return ctypes.CDLL(str(folder / "f.so"))


@quick
@example(a=INT32_MIN, b=INT32_MAX)
@given(a=int32, b=int32)
def test_multiply_high(a: int, b: int) -> None:
    if a == b == INT32_MIN:
        return  # the one product that needs saturation: multipliers are never negative
    assert fp.multiply_high(a, b) == truncating_multiply_high(a, b)
    assert c_side().multiply_high(a, b) == truncating_multiply_high(a, b)


@quick
@given(value=int32, exponent=st.integers(0, 31))
def test_divide_by_power_of_two(value: int, exponent: int) -> None:
    expected = half_away(Fraction(value, 2**exponent))
    assert fp.divide_by_power_of_two(value, exponent) == expected
    assert c_side().divide(value, exponent) == expected


@quick
@given(value=int32, multiplier=multipliers, shift=shifts)
def test_scale(value: int, multiplier: int, shift: int) -> None:
    left, right = max(shift, 0), max(-shift, 0)
    shifted = ctypes.c_int32((value << left) & 0xFFFFFFFF).value
    high = truncating_multiply_high(shifted, multiplier)
    expected = half_away(Fraction(high, 2**right))
    assert fp.scale(value, multiplier, shift) == expected
    assert c_side().scale(value, multiplier, shift) == expected


@quick
@example(real=1.0)
@example(real=0.5)
@example(real=1.0 - 2.0**-40)
@example(real=2.0**-32)
@given(real=st.floats(2.0**-31, 2.0**30))
def test_quantize_multiplier(real: float) -> None:
    multiplier, shift = fp.quantize_multiplier(real)
    assert 2**30 <= multiplier <= INT32_MAX
    error = abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) - Fraction(real))
    assert error <= Fraction(real) * Fraction(1, 2**31)


@pytest.mark.parametrize("real", [0.0, 2.0**-33, 1e-300])
def test_a_multiplier_below_31_bits_is_zero(real: float) -> None:
    assert fp.quantize_multiplier(real) == (0, 0)


@quick
@example(value=0.49999999999999994)
@example(value=-2.5)
@given(value=st.floats(-(2.0**31), 2.0**31))
def test_round_half_away(value: float) -> None:
    assert fp.round_half_away(value) == half_away(Fraction(value))


@quick
@given(
    real=st.floats(-1e4, 1e4, width=32), scale=st.floats(2.0**-10, 64, width=32),
    zero_point=st.integers(-128, 127),
)  # fmt: skip
def test_quantize_value(real: float, scale: float, zero_point: int) -> None:
    quotient = float(np.float32(real) / np.float32(scale))
    assert fp.quantize_value(real, scale, zero_point) == zero_point + half_away(Fraction(quotient))


@pytest.mark.parametrize(("value", "nearest"), [(-129, -128), (-128, -128), (0, 0), (127, 127), (999, 127)])
def test_clamp_int8(value: int, nearest: int) -> None:
    assert fp.clamp_int8(value) == nearest


@pytest.mark.parametrize("scale", [2.0**-12, 0.01, 1 / 16, 0.3, 1.0, 7.0])
@pytest.mark.parametrize("beta", [1.0, 0.5, 2.0])
def test_softmax_exponentials(scale: float, beta: float) -> None:
    table = fp.softmax_exponentials(scale, beta)
    # The reference drops a difference that passes 31 once it is scaled by the power of two above
    # scale * beta: beyond, exp is less than the last bits of Q0.31.
    above = 2.0 ** (math.floor(math.log2(scale * beta)) + 1)
    assert len(table) == min(255, math.floor(31 / above)) + 1
    assert list(table) == sorted(table, reverse=True)
    for difference, value in enumerate(table):
        assert value / 2**31 == pytest.approx(math.exp(-difference * scale * beta), abs=4e-7)
