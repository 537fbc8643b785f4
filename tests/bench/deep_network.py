# SPDX-License-Identifier: Apache-2.0
"""A residual network of any depth as a .tflite file."""

from __future__ import annotations

import numpy as np

from tests import tflite_builder as tb

_IMAGE = (1, 8, 8, 8)


def deep_network(layers: int, *, width: int = 1) -> bytes:
    """`layers` int8 operations: pointwise, depthwise, pointwise, ADD to the block's input, and so on.

    Every `width`-th block alone keeps its input for the next one, too, so that lifetimes differ.
    """
    b, rng = tb.ModelBuilder(), np.random.default_rng(layers)
    x = kept = start = b.tensor(_IMAGE, scale=0.05, zero_point=-3)
    older = kept
    for number in range(layers):
        y = b.tensor(_IMAGE, scale=0.05, zero_point=-3, name=f"layer_{number}")
        if number % 4 == 3:
            partner = older if number // 4 % (width + 1) == 0 else kept
            b.op("ADD", [x, partner], [y], tb.add_options())
            older, kept = kept, y
        else:
            depthwise = number % 4 == 1
            shape, axis = ((1, 3, 3, 8), 3) if depthwise else ((8, 1, 1, 8), 0)
            weights = b.constant(rng.integers(-127, 128, shape), scales=[0.01] * 8, axis=axis)
            bias = b.constant(rng.integers(-100, 100, 8), "int32", scales=[0.0005] * 8)
            options = tb.conv_options(padding="SAME", depth_multiplier=1 if depthwise else None)
            b.op("DEPTHWISE_CONV_2D" if depthwise else "CONV_2D", [x, weights, bias], [y], options)
        x = y
    return b.build([start], [x])
