# SPDX-License-Identifier: Apache-2.0
"""SVDF and UNIDIRECTIONAL_SEQUENCE_LSTM as .tflite files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests import tflite_builder as tb

from .models import Array
from .one_op import Ends, OneOp

#: Type of activations, weights, cell and biases by the name of a form.
LSTM_FORMS: Final = {
    "int8": ("int8", "int8", "int16", "int32"),
    "int16": ("int16", "int8", "int16", "int64"),
    "float32": ("float32", "float32", "float32", "float32"),
    "hybrid": ("float32", "int8", "float32", "float32"),
}
#: Type of activations, of state and time weights, and of the bias.
SVDF_FORMS: Final = {
    "int8": ("int8", "int8", "int32"),
    "int8 with int16 state": ("int8", "int16", "int32"),
    "float32": ("float32", "float32", "float32"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LstmQuant:
    """Quantization of an integer LSTM; each of the eight weights has a scale of its own."""

    input_scale: float = 0.03
    input_zero: int = -7
    hidden_scale: float = 1 / 128
    hidden_zero: int = 5
    cell_power: int = -11
    weight_scale: float = 0.01
    bias: int = 3000
    """Largest, in products of stored values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LstmSize:
    """Geometry of an LSTM."""

    batches: int = 1
    steps: int = 3
    inputs: int = 4
    units: int = 3
    time_major: bool = False

    def rows(self, last: int) -> tuple[int, int, int]:
        """The shape of a tensor with `last` values per step."""
        pair = (self.steps, self.batches) if self.time_major else (self.batches, self.steps)
        return (*pair, last)


PLAIN: Final = LstmQuant()
SMALL: Final = LstmSize()


@OneOp
def lstm(
    b: tb.ModelBuilder,
    form: str,
    size: LstmSize = SMALL,
    *,
    quant: LstmQuant = PLAIN,
    clip: float = 0.0,
    dequantized: bool = False,
    show_cell: bool = False,
    seed: int = 1,
) -> Ends:
    """All four gates with random weights; in int8 with a scale of its own for each.

    `dequantized` stores the weights of a hybrid as the real numbers that they stand for; `show_cell` makes
    the cell an output as well.
    """
    dtype, weight_dtype, cell_dtype, bias_dtype = LSTM_FORMS[form]
    rng = np.random.default_rng(seed)
    x_scale, h_scale = (
        _stored(dtype, quant.input_scale, quant.input_zero),
        _stored(dtype, quant.hidden_scale, quant.hidden_zero),
    )
    x = b.tensor(size.rows(size.inputs), dtype, **x_scale)
    y = b.tensor(size.rows(size.units), dtype, **h_scale)
    shapes = [(size.units, size.inputs)] * 4 + [(size.units, size.units)] * 4
    weights = [
        _weight(b, rng, weight_dtype, shape, scale=quant.weight_scale, dequantized=dequantized)
        for shape in shapes
    ]
    biases = [_bias(b, rng, bias_dtype, size.units, quant.bias) for _ in range(4)]
    shape = (size.batches, size.units)
    hidden = b.tensor(shape, dtype, is_variable=True, **h_scale)
    cell = b.tensor(
        shape, cell_dtype, is_variable=True, **_stored(cell_dtype, 2.0**quant.cell_power * 256, 0)
    )
    inputs = [x, *weights, -1, -1, -1, *biases, -1, -1, hidden, cell, -1, -1, -1, -1]
    options = tb.lstm_options(time_major=size.time_major, cell_clip=clip)
    b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [y], options)
    return [x], [y, cell] if show_cell else [y]


def _stored(dtype: str, scale: float, zero: int) -> dict[str, Any]:
    """Quantization of a tensor; int16 has the same range with a zero point of 0."""
    if dtype == "float32":
        return {}
    return {"scale": scale, "zero_point": zero} if dtype == "int8" else {"scale": scale / 256}


def _bias(b: tb.ModelBuilder, rng: np.random.Generator, dtype: str, units: int, largest: int) -> int:
    """A bias; its own scale is read by nobody."""
    values = rng.integers(-largest, largest + 1, units)
    if dtype == "float32":
        return b.constant(values / 3000.0, dtype)
    return b.constant(values * (256 if dtype == "int64" else 1), dtype, scales=[1.0])


def _weight(
    b: tb.ModelBuilder,
    rng: np.random.Generator,
    dtype: str,
    shape: tuple[int, int],
    *,
    scale: float,
    dequantized: bool,
) -> int:
    """Random weights, in int8 with a scale from half of `scale` to all of it."""
    if dtype == "float32":
        return b.constant(rng.normal(size=shape) * 0.7, dtype)
    own = float(np.float32(scale * rng.uniform(0.5, 1.0)))
    stored = rng.integers(-127, 128, shape)
    if dequantized:
        return b.constant(stored.astype(np.float32) * np.float32(own), "float32")
    return b.constant(stored, dtype, scales=[own])


@dataclass(frozen=True, kw_only=True, slots=True)
class SvdfSize:
    """Geometry of an SVDF."""

    batches: int = 1
    inputs: int = 5
    units: int = 3
    rank: int = 2
    memory: int = 4

    @property
    def filters(self) -> int:
        """Rows of both weights."""
        return self.units * self.rank


@dataclass(frozen=True, kw_only=True, slots=True)
class SvdfQuant:
    """Quantization of an integer SVDF; gains are real multipliers to the state and to the output."""

    input_scale: float = 0.05
    input_zero: int = -3
    state_zero: int = 4
    output_zero: int = 5
    feature_scale: float = 0.01
    time_scale: float = 0.01
    to_state: float = 0.005
    to_output: float = 0.02


@OneOp
def svdf(
    b: tb.ModelBuilder,
    form: str,
    size: SvdfSize = SvdfSize(),
    *,
    quant: SvdfQuant = SvdfQuant(),
    activation: str = "NONE",
    bias: bool = True,
    seed: int = 1,
) -> Ends:
    """Random weights; the state is a variable."""
    dtype, state_dtype, bias_dtype = SVDF_FORMS[form]
    rng = np.random.default_rng(seed)
    fine = 256 if state_dtype == "int16" else 1
    state_scale = quant.input_scale * quant.feature_scale / quant.to_state
    output_scale = state_scale * quant.time_scale / quant.to_output
    x = b.tensor((size.batches, size.inputs), dtype, **_stored(dtype, quant.input_scale, quant.input_zero))
    y = b.tensor((size.batches, size.units), dtype, **_stored(dtype, output_scale, quant.output_zero))
    memory = b.tensor(
        (size.batches, size.filters * size.memory), state_dtype, is_variable=True,
        **_stored(state_dtype, state_scale, quant.state_zero),
    )  # fmt: skip
    feature = _scaled(b, _values(rng, dtype, (size.filters, size.inputs)), dtype, quant.feature_scale)
    time_shape = (size.filters, size.memory)
    time = _scaled(b, _values(rng, state_dtype, time_shape), state_dtype, quant.time_scale / fine)
    start = -1
    if bias:
        values = rng.normal(size=size.units) if dtype == "float32" else rng.integers(-999, 999, size.units)
        start = _scaled(b, values, bias_dtype, state_scale * quant.time_scale / fine**2)
    b.op("SVDF", [x, feature, time, start, memory], [y], tb.svdf_options(size.rank, activation=activation))
    return [x], [y]


def _scaled(b: tb.ModelBuilder, values: Array, dtype: str, scale: float) -> int:
    return b.constant(values, dtype, scales=[] if dtype == "float32" else [scale])


def _values(rng: np.random.Generator, dtype: str, shape: tuple[int, int]) -> Array:
    if dtype == "float32":
        return rng.normal(size=shape)
    limit = np.iinfo(dtype).max
    return rng.integers(-limit, limit + 1, shape)
