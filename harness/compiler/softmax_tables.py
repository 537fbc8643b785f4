# SPDX-License-Identifier: Apache-2.0
"""The two tables of the int16 softmax, which the reference fills at start-up in float32.

Each has 513 points, 128 apart on the int16 axis; the kernel draws straight lines between them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Final

import numpy as np

from harness.compiler.fixed_point import round_half_away

_STEPS: Final = 512
_INT16_MIN: Final = -(2**15)
_INT16_MAX: Final = 2**15 - 1

#: Differences to the largest value are scaled so that one of them is this.
DIFFERENCE_STEP: Final = 10.0 / 65535.0


@functools.cache
def exponential_table() -> tuple[int, ...]:
    """exp(x) for x from -10 to 0, in Q0.15."""
    return _table(np.float32(10) / np.float32(65535), _INT16_MAX, math.exp)


@functools.cache
def reciprocal_table() -> tuple[int, ...]:
    """1 / (1 + x) for x from 0 to 1, in Q0.15."""

    def reciprocal(x: float) -> float:
        return float(np.float32(1) / (np.float32(1) + np.float32(x)))

    return _table(np.float32(1) / np.float32(65535), _INT16_MIN, reciprocal)


def _table(scale: np.float32, zero_point: int, function: Callable[[float], float]) -> tuple[int, ...]:
    """`function` at scale * (i - zero_point) for i = -32768, -32640, ... 32767 in float32 arithmetic.

    Every point is moved by half of what a straight line to the next misses in the middle.
    """
    low = scale * np.float32(_INT16_MIN - zero_point)
    high = scale * np.float32(_INT16_MAX - zero_point)
    step = (high - low) / np.float32(_STEPS)
    out_scale = np.float32(2) / np.float32(65535)
    out_low, out_high = out_scale * np.float32(_INT16_MIN), out_scale * np.float32(_INT16_MAX)
    per_unit = np.float32(65536) / (out_high - out_low)

    def stored(x: np.float32) -> np.float32:
        return np.float32(function(float(x))) * per_unit

    def point(i: int) -> int:
        at = low + np.float32(i) * step
        here, middle = _round(stored(at)), _round(stored(at + step / np.float32(2)))
        line = _round((stored(low + np.float32(i + 1) * step) + here) / np.float32(2))
        return _clamp(float(here - _round((line - middle) / np.float32(2))))

    return (*(point(i) for i in range(_STEPS)), _clamp(float(_round(stored(high)))))


def _round(value: np.float32) -> np.float32:
    return np.float32(round_half_away(float(value)))


def _clamp(value: float) -> int:
    return int(max(_INT16_MIN, min(_INT16_MAX, value)))
