# SPDX-License-Identifier: Apache-2.0
"""UNIDIRECTIONAL_SEQUENCE_LSTM as Keras' LSTM layer is converted: no peephole, projection, layer norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.fixed_point import quantize_multiplier, round_half_away
from harness.compiler.kernel_call import (
    Argument,
    Constant,
    KernelCall,
    destination,
    float_array,
    float_literal,
    int8_array,
    source,
    state,
    structure,
    table,
)
from harness.compiler.kernels.common import check_dims, options, tensor_in, tensor_out, unsupported
from harness.compiler.kernels.recurrent import (
    asymmetric,
    constant_of,
    factor,
    has_input,
    product_scale,
    state_tensor,
    symmetric,
    wrapped_int32,
)
from harness.compiler.kernels.weighted import reduced_multiplier
from harness.compiler.sigmoid_table import sigmoid_table
from harness.compiler.site import Site
from harness.graph import Activation, DType, LstmParams

Array = npt.NDArray[Any]

#: Positions of inputs; the four gates are in the order of nn_recurrent.h.
_INPUT_WEIGHTS: Final = (1, 2, 3, 4)
_RECURRENT_WEIGHTS: Final = (5, 6, 7, 8)
_GATE_WEIGHTS: Final = tuple(zip(_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, strict=True))
_BIASES: Final = (12, 13, 14, 15)
_HIDDEN: Final = 18
_CELL: Final = 19
_VARIANTS: Final = {
    "a peephole": (9, 10, 11),
    "a projection": (16, 17),
    "layer normalization": (20, 21, 22, 23),
}

#: Scales of a gate before and after its logistic or tanh.
_GATE_SUM_SCALE: Final = 2.0**-12
_GATE_SCALE: Final = 2.0**-15

_FIX: Final = (
    "It has what Keras' LSTM layer converts to: float32, int8 with an int16 cell, int16 activations with "
    "int8 weights, and float32 with int8 weights; tanh, all four gates, constant weights of one scale each."
)
_INT16_MIN: Final = -(2**15)
_INT16_MAX: Final = 2**15 - 1
#: The reference scales 64-bit sums exactly below this.
_INT64_SUM_LIMIT: Final = 2**47


@dataclass(frozen=True, kw_only=True, slots=True)
class _Form:
    """Element types of one of the kernels."""

    kernel: str
    activation: DType
    weight: DType
    cell: DType
    bias: DType
    ctype: str
    cell_ctype: str


_FORMS: Final = {
    (form.activation, form.weight): form
    for form in (
        _Form(
            kernel="nn_lstm_int8", activation=DType.INT8, weight=DType.INT8, cell=DType.INT16,
            bias=DType.INT32, ctype="int8_t", cell_ctype="int16_t",
        ),
        _Form(
            kernel="nn_lstm_int16", activation=DType.INT16, weight=DType.INT8, cell=DType.INT16,
            bias=DType.INT64, ctype="int16_t", cell_ctype="int16_t",
        ),
        _Form(
            kernel="nn_lstm_float32", activation=DType.FLOAT32, weight=DType.FLOAT32, cell=DType.FLOAT32,
            bias=DType.FLOAT32, ctype="float", cell_ctype="float",
        ),
        _Form(
            kernel="nn_lstm_float32_int8", activation=DType.FLOAT32, weight=DType.INT8, cell=DType.FLOAT32,
            bias=DType.FLOAT32, ctype="float", cell_ctype="float",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Size:
    """struct nn_lstm; a batch's rows lie together unless time comes first."""

    batches: int
    steps: int
    inputs: int
    units: int
    time_major: bool

    def constant(self) -> Constant:
        rows = (1, self.batches) if self.time_major else (self.steps, 1)
        fields = (self.batches, self.steps, self.inputs, self.units, *rows)
        return structure("size", "struct nn_lstm", [str(field) for field in fields])


def lstm(site: Site) -> KernelCall:
    """One kernel for all steps and batches; the output holds the hidden values of each step."""
    params = options(site, LstmParams)
    form = _form(site)
    _check_variant(site, params)
    size = _size(site, params)
    state_tensor(site, _HIDDEN, form.activation, size.batches * size.units)
    state_tensor(site, _CELL, form.cell, size.batches * size.units)
    if len({site.op.inputs[position] for position in (0, _HIDDEN, _CELL)}) != 3:
        raise unsupported(site, "has one tensor as input and state")
    weights = _weights(site, form, size)
    return KernelCall(
        function=form.kernel,
        arguments=(
            source(form.ctype), destination(form.ctype), state(form.ctype, _HIDDEN),
            state(form.cell_ctype, _CELL), *_tables(site, form, size, weights, params.cell_clip),
        ),
    )  # fmt: skip


def _form(site: Site) -> _Form:
    x, y, weights = tensor_in(site, 0), tensor_out(site), tensor_in(site, _INPUT_WEIGHTS[1])
    form = _FORMS.get((x.dtype, weights.dtype))
    if form is None or y.dtype is not x.dtype:
        types = f"{x.dtype.value} with {weights.dtype.value} weights -> {y.dtype.value}"
        raise unsupported(site, f"works on {types}", fix=_FIX)
    return form


def _check_variant(site: Site, params: LstmParams) -> None:
    for name, positions in _VARIANTS.items():
        if any(has_input(site, position) for position in positions):
            raise unsupported(site, f"has {name}", fix=_FIX)
    if not all(has_input(site, p) for p in (*_INPUT_WEIGHTS, *_RECURRENT_WEIGHTS, *_BIASES)):
        raise unsupported(site, "lacks the weights or the bias of a gate", fix=_FIX)
    if params.activation is not Activation.TANH:
        raise unsupported(site, f"has the activation {params.activation.value}", fix=_FIX)


def _size(site: Site, params: LstmParams) -> _Size:
    x, y = tensor_in(site, 0).shape, tensor_out(site).shape
    recurrent = tensor_in(site, _RECURRENT_WEIGHTS[0]).shape
    if len(x) != 3 or len(recurrent) != 2 or y != (*x[:2], recurrent[0]):
        raise unsupported(site, f"makes {list(y)} of {list(x)} with weights of shape {list(recurrent)}")
    steps, batches = x[:2] if params.time_major else (x[1], x[0])
    check_dims(site, (math.prod(x), math.prod(y)))
    return _Size(batches=batches, steps=steps, inputs=x[2], units=recurrent[0], time_major=params.time_major)


def _weights(site: Site, form: _Form, size: _Size) -> Array:
    """[units][4][inputs + units], in the order in which the kernel reads them."""
    of_input = [constant_of(site, p, (form.weight,), (size.units, size.inputs)) for p in _INPUT_WEIGHTS]
    recurrent = [constant_of(site, p, (form.weight,), (size.units, size.units)) for p in _RECURRENT_WEIGHTS]
    return np.concatenate([np.stack(of_input, axis=1), np.stack(recurrent, axis=1)], axis=2)


def _tables(site: Site, form: _Form, size: _Size, weights: Array, clip: float) -> tuple[Argument, ...]:
    """All arguments after the states."""
    biases = [constant_of(site, p, (form.bias,), (size.units,)) for p in _BIASES]
    bias = np.stack(biases, axis=1)
    if form.activation is DType.FLOAT32:
        tables: tuple[Argument, ...] = (float_array("bias", bias), size.constant(), float_literal(clip))
        if form.weight is DType.FLOAT32:
            return float_array("weights", weights), *tables
        scales = [_weight_scale(site, p) for pair in _GATE_WEIGHTS for p in pair]
        return int8_array("weights", weights), tables[0], float_array("scales", np.array(scales)), *tables[1:]
    starts = (
        _folded(site, bias, weights, size) if form.activation is DType.INT8 else _wide(site, bias, weights)
    )
    params = _cell_params(site, form, clip)
    return int8_array("weights", weights), starts, size.constant(), params, sigmoid_table()


def _folded(site: Site, bias: Array, weights: Array, size: _Size) -> Constant:
    """[units][4][2] int32: the bias less what the zero point of the input adds; the same for the hidden."""
    zero_in = asymmetric(site, tensor_in(site, 0)).zero_point
    zero_hidden = asymmetric(site, tensor_in(site, _HIDDEN)).zero_point
    wide = weights.astype(np.int64)
    of_input = bias.astype(np.int64) - zero_in * wide[:, :, : size.inputs].sum(axis=2)
    of_hidden = -zero_hidden * wide[:, :, size.inputs :].sum(axis=2)
    return wrapped_int32("bias", np.stack([of_input, of_hidden], axis=2).reshape(-1).tolist())


def _wide(site: Site, bias: Array, weights: Array) -> Constant:
    """[units][4] int64."""
    largest = max(abs(int(value)) for value in bias.reshape(-1))
    sums = np.abs(weights.astype(np.int64)).sum(axis=2)
    if largest + int(sums.max()) * -_INT16_MIN >= _INT64_SUM_LIMIT:
        raise unsupported(site, "has biases that its 64-bit sums cannot hold")
    return table("bias", DType.INT64, bias)


def _cell_params(site: Site, form: _Form, clip: float) -> Constant:
    """struct nn_lstm_cell."""
    hidden = asymmetric(site, tensor_in(site, _HIDDEN))
    input_scale = asymmetric(site, tensor_in(site, 0)).scale
    cell_scale = symmetric(site, tensor_in(site, _CELL)).scale
    of_input = [_sum_scale(site, form, input_scale, p) for p in _INPUT_WEIGHTS]
    of_hidden = [_sum_scale(site, form, hidden.scale, p) for p in _RECURRENT_WEIGHTS]
    multiplier, shift = _tanh_argument(site, cell_scale)
    fields = (
        "{" + ", ".join(of_input) + "}",
        "{" + ", ".join(of_hidden) + "}",
        product_scale(site, _GATE_SCALE),
        product_scale(site, _GATE_SCALE * _GATE_SCALE / cell_scale),
        product_scale(site, _GATE_SCALE * _GATE_SCALE / hidden.scale),
        str(multiplier), str(shift), str(hidden.zero_point), str(_stored_clip(clip, cell_scale)),
    )  # fmt: skip
    return structure("cell", "struct nn_lstm_cell", fields)


def _weight_scale(site: Site, position: int) -> float:
    return symmetric(site, tensor_in(site, position)).scale


def _sum_scale(site: Site, form: _Form, value_scale: float, position: int) -> str:
    """struct nn_factor of the products of `value_scale` and the weights, to Q3.12."""
    real = value_scale * _weight_scale(site, position) / _GATE_SUM_SCALE
    if form.activation is DType.INT16:
        return factor(*reduced_multiplier(site, real))
    return factor(*quantize_multiplier(real))


def _tanh_argument(site: Site, cell_scale: float) -> tuple[int, int]:
    """(multiplier, right shift) from the cell to steps of 1 / (3 * 4096).

    The reference takes the power of two next to the scale, in float32.
    """
    logarithm = np.log(np.float32(cell_scale)) * (np.float32(1) / np.float32(math.log(2)))
    left = 15 + round_half_away(float(logarithm)) - 3
    if left > 14:
        raise unsupported(site, f"has a cell with a scale of {cell_scale:g}", fix="Scales of 4 and less.")
    return (3, -left) if left < 0 else (3 << left, 0)


def _stored_clip(clip: float, cell_scale: float) -> int:
    """The clip in stored values, towards zero; -1 for none."""
    if clip <= 0:
        return -1
    return int(max(_INT16_MIN, min(_INT16_MAX, clip / cell_scale)))


KERNELS = {
    "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm,
}
