# SPDX-License-Identifier: Apache-2.0
"""What hypothesis may choose for one operation: quantization and geometry that the oracle accepts."""

from __future__ import annotations

from hypothesis import strategies as st

from .models import ACTIVATIONS, Quant
from .models_window import Window

zero_points = st.one_of(st.sampled_from([-128, 127, 0]), st.integers(-128, 127))
activations = st.sampled_from(ACTIVATIONS)
seeds = st.integers(0, 2**16)
biases = st.sampled_from([None, 0, 1000, 200_000])


@st.composite
def scales(draw: st.DrawFn, low: float = -10.0, high: float = 1.0) -> float:
    """2 to a power between `low` and `high`; powers of two themselves are frequent."""
    return float(2.0 ** draw(st.one_of(st.integers(int(low), int(high)), st.floats(low, high))))


@st.composite
def quants(draw: st.DrawFn, gain_low: float, gain_high: float) -> Quant:
    """Any zero points; gain is 2 to a power in the range given."""
    return Quant(
        input_scale=draw(scales()),
        input_zero=draw(zero_points),
        output_zero=draw(zero_points),
        weight_scale=draw(scales(-8, -2)),
        gain=draw(scales(gain_low, gain_high)),
        per_channel=draw(st.booleans()),
    )


#: Gains of layers with weights: accumulators are in the thousands, but a shift to the left must work.
layer_quants = quants(-14, 2)
#: The same for int16 activations, whose accumulators have eight bits more; from 2^7 the reference refuses.
layer_quants_int16 = quants(-22, 6)
#: Gains of operations on single values.
value_quants = quants(-3, 3)


@st.composite
def windows(draw: st.DrawFn, *, dilated: bool = True) -> Window:
    """One or two images of 1x1 to 9x9, upright and flat ones often; VALID only where a window fits."""
    sides = st.one_of(st.just(1), st.integers(1, 9))
    size = (draw(sides), draw(sides))
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    if size[1] == 1 and draw(st.booleans()):
        kernel = (kernel[0], 1)
    steps = st.integers(1, 3)
    dilations = (draw(steps), draw(steps)) if dilated else (1, 1)
    fits = all((k - 1) * d < s for k, d, s in zip(kernel, dilations, size, strict=True))
    return Window(
        batch=draw(st.sampled_from([1, 1, 2])),
        size=size,
        channels=draw(st.integers(1, 5)),
        kernel=kernel,
        strides=(draw(steps), draw(steps)),
        dilations=dilations,
        padding=draw(st.sampled_from(["SAME", "VALID"])) if fits else "SAME",
    )
