# SPDX-License-Identifier: Apache-2.0
"""Layers with weights, and pools, in all their forms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests import tflite_builder as tb

from .models import PLAIN, Quant, Shape
from .one_op import Ends, OneOp

#: "hybrid" is float32 activations with int8 weights, "int16" int16 activations with int8 weights.
FORMS = ("int8", "int16", "float32", "hybrid")
ACTIVATION_TYPES = {"hybrid": "float32"}
BIAS_TYPES = {"int8": "int32", "int16": "int64"}


def value(b: tb.ModelBuilder, form: str, shape: Shape, *, scale: float, zero: int) -> int:
    """An activation; int16 has zero point 0, float32 no quantization."""
    quantized: dict[str, Any] = {}
    if form in ("int8", "int16"):
        quantized = {"scale": scale, "zero_point": zero if form == "int8" else 0}
    return b.tensor(shape, ACTIVATION_TYPES.get(form, form), **quantized)


def given(b: tb.ModelBuilder, form: str, shape: Shape, quant: Quant) -> int:
    """The input of a layer."""
    return value(b, form, shape, scale=quant.input_scale, zero=quant.input_zero)


def made(b: tb.ModelBuilder, form: str, shape: Shape, quant: Quant) -> int:
    """The output of a layer with weights."""
    return value(b, form, shape, scale=quant.weighted["scale"], zero=quant.output_zero)


def weights(
    b: tb.ModelBuilder, form: str, shape: Shape, *, quant: Quant, axis: int, bias: int | None, seed: int,
    bias_type: str | None = None,
) -> tuple[int, int]:  # fmt: skip
    """Random constants: weights, and a bias of size shape[axis] within +-`bias` (-1 where None)."""
    rng = np.random.default_rng(seed)
    outputs = shape[axis]
    if form == "float32":
        w = b.constant(rng.normal(size=shape), form)
        return w, -1 if bias is None else b.constant(rng.normal(size=outputs), form)
    scales = [quant.weight_scale] * (outputs if quant.per_channel else 1)
    if quant.per_channel:
        # The first channel keeps the full gain, the others lose up to eight bits of it.
        scales = [scale * float(loss) for scale, loss in zip(scales, rng.uniform(2**-8, 1, outputs))]  # noqa: B905
        scales[0] = quant.weight_scale
    w = b.constant(rng.integers(-127, 128, shape), "int8", scales=scales, axis=axis)
    if bias is None:
        return w, -1
    if form == "hybrid":
        return w, b.constant(rng.normal(size=outputs), "float32")
    product = [quant.input_scale * scale for scale in scales]
    dtype = bias_type or BIAS_TYPES[form]
    return w, b.constant(rng.integers(-bias, bias + 1, outputs), dtype, scales=product)


def window_output(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Output size along one axis."""
    if padding == "SAME":
        return math.ceil(size / stride)
    return (size - (kernel - 1) * dilation - 1) // stride + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Geometry of a convolution or pool; pairs are (height, width)."""

    batch: int = 1
    size: tuple[int, int] = (5, 6)
    channels: int = 3
    kernel: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: str = "SAME"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Batch, height, width, channels."""
        return (self.batch, *self.size, self.channels)

    def output_shape(self, channels: int) -> tuple[int, ...]:
        """The same for the output."""
        axes = zip(self.size, self.kernel, self.strides, self.dilations, strict=True)
        return (self.batch, *(window_output(*axis, self.padding) for axis in axes), channels)


@OneOp
def convolution(
    b: tb.ModelBuilder,
    form: str,
    window: Window,
    *,
    outputs: int = 4,
    groups: int = 1,
    quant: Quant = PLAIN,
    activation: str = "NONE",
    bias: int | None = 2000,
    bias_type: str | None = None,
    seed: int = 1,
) -> Ends:
    """CONV_2D."""
    x = given(b, form, window.input_shape, quant)
    y = made(b, form, window.output_shape(outputs), quant)
    shape = (outputs, *window.kernel, window.channels // groups)
    w, bias_index = weights(b, form, shape, quant=quant, axis=0, bias=bias, seed=seed, bias_type=bias_type)
    options = tb.conv_options(
        strides=window.strides, dilations=window.dilations, padding=window.padding, activation=activation
    )
    b.op("CONV_2D", [x, w, bias_index], [y], options)
    return [x], [y]


@OneOp
def depthwise(
    b: tb.ModelBuilder,
    form: str,
    window: Window,
    *,
    multiplier: int = 1,
    quant: Quant = PLAIN,
    activation: str = "NONE",
    bias: int | None = 2000,
    seed: int = 1,
) -> Ends:
    """DEPTHWISE_CONV_2D."""
    outputs = window.channels * multiplier
    x = given(b, form, window.input_shape, quant)
    y = made(b, form, window.output_shape(outputs), quant)
    shape = (1, *window.kernel, outputs)
    w, bias_index = weights(b, form, shape, quant=quant, axis=3, bias=bias, seed=seed)
    options = tb.conv_options(
        strides=window.strides, dilations=window.dilations, padding=window.padding,
        activation=activation, depth_multiplier=multiplier,
    )  # fmt: skip
    # The oracle crashes where this operation marks its bias as absent instead of leaving it out.
    b.op("DEPTHWISE_CONV_2D", [x, w] if bias is None else [x, w, bias_index], [y], options)
    return [x], [y]


@OneOp
def transposed(
    b: tb.ModelBuilder,
    form: str,
    window: Window,
    *,
    outputs: int = 4,
    quant: Quant = PLAIN,
    activation: str = "NONE",
    bias: int | None = 2000,
    bias_type: str | None = None,
    seed: int = 1,
) -> Ends:
    """TRANSPOSE_CONV: `window` slides over its output, and would make its input."""
    y_shape = (*window.input_shape[:3], outputs)
    x = given(b, form, window.output_shape(window.channels), quant)
    y = made(b, form, y_shape, quant)
    shape = (outputs, *window.kernel, window.channels)
    w, bias_index = weights(b, form, shape, quant=quant, axis=0, bias=bias, seed=seed, bias_type=bias_type)
    inputs = [b.constant(y_shape, "int32"), w, x]
    options = tb.transpose_conv_options(strides=window.strides, padding=window.padding, activation=activation)
    b.op("TRANSPOSE_CONV", inputs if bias is None else [*inputs, bias_index], [y], options)
    return [x], [y]


@OneOp
def fully_connected(
    b: tb.ModelBuilder,
    form: str,
    *,
    rows: int = 1,
    inputs: int = 20,
    outputs: int = 5,
    quant: Quant = PLAIN,
    activation: str = "NONE",
    bias: int | None = 2000,
    bias_type: str | None = None,
    seed: int = 1,
) -> Ends:
    """FULLY_CONNECTED on a matrix of `rows` vectors."""
    x = given(b, form, (rows, inputs), quant)
    y = made(b, form, (rows, outputs), quant)
    w, bias_index = weights(
        b, form, (outputs, inputs), quant=quant, axis=0, bias=bias, seed=seed, bias_type=bias_type
    )
    b.op("FULLY_CONNECTED", [x, w, bias_index], [y], tb.fully_connected_options(activation=activation))
    return [x], [y]


@OneOp
def computed_weights(
    b: tb.ModelBuilder,
    form: str,
    *,
    rows: int = 2,
    inputs: int = 7,
    outputs: int = 3,
    quant: Quant = PLAIN,
    weight_zero: int = 0,
    activation: str = "NONE",
    bias: bool = True,
) -> Ends:
    """FULLY_CONNECTED whose weights are an input."""
    x = given(b, form, (rows, inputs), quant)
    w = value(b, form, (outputs, inputs), scale=quant.weight_scale, zero=weight_zero)
    y = made(b, form, (rows, outputs), quant)
    constants = np.random.default_rng(1).integers(-2000, 2000, outputs)
    scales = () if form == "float32" else (quant.input_scale * quant.weight_scale,)
    dtype = "float32" if form == "float32" else "int32"
    bias_index = b.constant(constants, dtype, scales=scales) if bias else -1
    b.op("FULLY_CONNECTED", [x, w, bias_index], [y], tb.fully_connected_options(activation=activation))
    return [x, w], [y]


@OneOp
def batch_matmul(
    b: tb.ModelBuilder,
    form: str,
    shapes: tuple[Shape, Shape],
    *,
    adjoint: tuple[bool, bool] = (False, False),
    quant: Quant = PLAIN,
    weight_zero: int = 0,
    constant: int | None = None,
) -> Ends:
    """BATCH_MATMUL of operands whose stored shapes are `shapes`; operand `constant` is a constant."""
    operands = []
    for position, shape in enumerate(shapes):
        scale, zero = ((quant.input_scale, quant.input_zero), (quant.weight_scale, weight_zero))[position]
        if position == constant:
            limit = {"int8": 128, "int16": 32768, "float32": 3}[form]
            values = np.random.default_rng(1).integers(-limit, limit, shape)
            quantized: dict[str, Any] = {}
            if form != "float32":
                quantized = {"scales": (scale,), "zero_points": (zero if form == "int8" else 0,)}
            operands.append(b.constant(values, form, **quantized))
        else:
            operands.append(value(b, form, shape, scale=scale, zero=zero))
    rows = shapes[0][-1 if adjoint[0] else -2]
    columns = shapes[1][-2 if adjoint[1] else -1]
    batches = np.broadcast_shapes(tuple(shapes[0][:-2]), tuple(shapes[1][:-2]))
    y = made(b, form, (*batches, rows, columns), quant)
    b.op("BATCH_MATMUL", operands, [y], ("BatchMatMulOptions", {"AdjX": adjoint[0], "AdjY": adjoint[1]}))
    return [operand for position, operand in enumerate(operands) if position != constant], [y]


@OneOp
def pool(
    b: tb.ModelBuilder,
    kind: str,
    form: str,
    window: Window,
    *,
    quant: Quant = PLAIN,
    activation: str = "NONE",
) -> Ends:
    """MAX_POOL_2D or AVERAGE_POOL_2D."""
    x = given(b, form, window.input_shape, quant)
    y = given(b, form, window.output_shape(window.channels), quant)
    options = tb.pool_options(
        filter_size=window.kernel, strides=window.strides, padding=window.padding, activation=activation
    )
    b.op(kind, [x], [y], options)
    return [x], [y]
