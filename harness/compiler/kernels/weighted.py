# SPDX-License-Identifier: Apache-2.0
"""What all layers with weights share: their four forms, and the tables of weights and scalings.

A layer hands over its weights as a matrix (outputs, taps) in the order in which its kernel reads them.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.fixed_point import quantize_multiplier
from harness.compiler.kernel_call import (
    Argument,
    Constant,
    KernelCall,
    destination,
    float_array,
    float_literal,
    int8_array,
    source,
    structure,
    structure_array,
)
from harness.compiler.kernels.common import (
    per_tensor,
    range_float32,
    range_int8,
    requant_channels,
    stored_limits,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.graph import Activation, DType, Quantization, Tensor

Array = npt.NDArray[Any]
#: Weights, what each output channel adds to them, and the range of outputs.
Tables = tuple[Constant, Constant, Constant]

#: The reference's 64-bit scaling is exact for sums below this.
_INT64_SUM_LIMIT: Final = 2**47
_LARGEST_INT64_SHIFT: Final = 7

FORMS_FIX: Final = (
    "It has int8, int16 activations with int8 weights, float32, and float32 activations with int8 weights."
)


class Form(enum.StrEnum):
    """How a layer stores its activations and weights; the value ends the name of its kernels."""

    INT8 = "int8"
    INT16 = "int16"
    FLOAT32 = "float32"
    HYBRID = "float32_int8"

    @property
    def ctype(self) -> str:
        """Element type of the activations."""
        return {Form.INT8: "int8_t", Form.INT16: "int16_t"}.get(self, "float")


_FORMS: Final = {
    (DType.INT8, DType.INT8): Form.INT8,
    (DType.INT16, DType.INT8): Form.INT16,
    (DType.FLOAT32, DType.FLOAT32): Form.FLOAT32,
    (DType.FLOAT32, DType.INT8): Form.HYBRID,
}


def form_of(site: Site, *, input_at: int = 0) -> Form:
    """The form by the types of activations (input `input_at`, output 0) and weights (input 1)."""
    x, y, weights = tensor_in(site, input_at), tensor_out(site), tensor_in(site, 1)
    form = _FORMS.get((x.dtype, weights.dtype))
    if form is None or y.dtype is not x.dtype:
        types = f"{x.dtype.value} with {weights.dtype.value} weights -> {y.dtype.value}"
        raise unsupported(site, f"works on {types}", fix=FORMS_FIX)
    return form


def symmetric_int16(site: Site, tensor: Tensor) -> Quantization:
    """The quantization of an int16 activation: one scale above 0, zero point 0."""
    q = per_tensor(site, tensor)
    if q.zero_point:
        raise unsupported(
            site, f"has zero point {q.zero_point} on int16 tensor '{tensor.name}'",
            fix="int16 activations have zero point 0.",
        )  # fmt: skip
    return q


def range_int16(output: Quantization, activation: Activation, *, narrow: bool = False) -> Constant:
    """struct nn_range_int16."""
    low, high = stored_limits(output, DType.INT16, activation)
    return structure("range", "struct nn_range_int16", [str(low), str(high), str(int(narrow))])


def reduced_multiplier(site: Site, real: float) -> tuple[int, int]:
    """(multiplier of 15 bits, shift): how 64-bit sums are scaled by `real`."""
    multiplier, shift = quantize_multiplier(real)
    if shift > _LARGEST_INT64_SHIFT:
        raise unsupported(
            site, f"scales its sums by {real:g}", fix="int16 activations are scaled by less than 128."
        )
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF, shift


#: Layers with a kernel that multiplies by int8 weights in float; the others dequantize them now.
_HYBRID_KERNELS: Final = ("conv_2d", "depthwise_conv_2d", "fully_connected")


def bias_types(declared: DType | None) -> tuple[DType, ...]:
    """Those of int16 activations; with none, the operation's options may declare 32-bit sums."""
    return (DType.INT64, DType.INT32) if declared is DType.INT32 else (DType.INT32, DType.INT64)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layer:
    """A layer with constant weights, in any form."""

    site: Site
    name: str
    """Of its kernels, without the form."""
    weights: Array
    """(outputs, taps) in the kernel's order."""
    geometry: tuple[Argument, ...]
    """What the kernel takes between its tables and its range."""
    activation: Activation
    int16_biases: tuple[DType, ...]
    """Types of bias that the reference has with int16 activations; the last one where there is none."""
    channel_axis: int = 0
    """Axis of the output channels in the converter's order of the weights."""
    zero_point_folded: bool = True
    """The bias takes the input's zero point off, since every output has all taps."""
    x_at: int = 0
    bias_at: int = 2
    in_place: bool = False
    ring: tuple[Argument, ...] = ()
    """Where a convolution's pixels wait."""

    def call(self) -> KernelCall:
        """The kernel of the operation's form with its tables."""
        form = form_of(self.site, input_at=self.x_at)
        if form is Form.HYBRID and self.name not in _HYBRID_KERNELS:
            form = Form.FLOAT32
        weights, channels, limits = {
            Form.INT8: self._int8,
            Form.INT16: self._int16,
            Form.FLOAT32: self._float32,
            Form.HYBRID: self._hybrid,
        }[form]()
        return KernelCall(
            function=f"nn_{self.name}_{form}",
            arguments=(
                source(form.ctype, self.x_at), destination(form.ctype), *self.ring,
                weights, channels, *self.geometry, limits,
            ),
            in_place=(self.x_at,) if self.in_place else (),
        )  # fmt: skip

    def _float32(self) -> Tables:
        weights = self.weights
        if weights.dtype == np.int8:
            weights = weights.astype(np.float32) * np.asarray(self._scales(), np.float32)[:, None]
        bias = self._bias((DType.FLOAT32,))
        return float_array("weights", weights), float_array("bias", bias), range_float32(self.activation)

    def _hybrid(self) -> Tables:
        bias = self._bias((DType.FLOAT32,))
        rows = [
            [float_literal(scale), float_literal(float(b))]
            for scale, b in zip(self._scales(), bias, strict=True)
        ]
        channels = structure_array("channels", "struct nn_scale_float32", rows, item_bytes=8)
        return int8_array("weights", self.weights), channels, range_float32(self.activation)

    def _int8(self) -> Tables:
        q_in, q_out = (per_tensor(self.site, t) for t in self._ends())
        offset = q_in.zero_point if self.zero_point_folded else 0
        sums = self.weights.astype(np.int64).sum(axis=1)
        starts = [int(b) - offset * int(s) for b, s in zip(self._bias((DType.INT32,)), sums, strict=True)]
        channels = requant_channels(zip(starts, self._multipliers(q_in, q_out), strict=True))
        limits = range_int8(q_in, q_out, self.activation)
        return int8_array("weights", self.weights), channels, limits

    def _int16(self) -> Tables:
        q_in, q_out = (symmetric_int16(self.site, t) for t in self._ends())
        bias = self._bias(self.int16_biases)
        narrow = bias.dtype == np.int32
        if not narrow:
            self._check_64_bit_sums(bias)
        scale = quantize_multiplier if narrow else functools.partial(reduced_multiplier, self.site)
        rows = [
            [f"INT64_C({int(b)})", *map(str, scale(real))]
            for b, real in zip(bias, self._multipliers(q_in, q_out), strict=True)
        ]
        channels = structure_array("channels", "struct nn_requant_int16", rows, item_bytes=16)
        limits = range_int16(q_out, self.activation, narrow=narrow)
        return int8_array("weights", self.weights), channels, limits

    def _check_64_bit_sums(self, bias: Array) -> None:
        magnitudes = np.abs(self.weights.astype(np.int64)).sum(axis=1)
        largest = max(abs(int(b)) + 2**15 * int(m) for b, m in zip(bias, magnitudes, strict=True))
        if largest >= _INT64_SUM_LIMIT:
            raise unsupported(
                self.site, "has biases that its sums cannot hold", fix="A sum stays below 2^47."
            )

    def _ends(self) -> tuple[Tensor, Tensor]:
        return tensor_in(self.site, self.x_at), tensor_out(self.site)

    def _scales(self) -> tuple[float, ...]:
        return weight_scales(self.site, len(self.weights), axis=self.channel_axis)

    def _multipliers(self, q_in: Quantization, q_out: Quantization) -> list[float]:
        """From sums to stored values, per output channel."""
        return [q_in.scale * scale / q_out.scale for scale in self._scales()]

    def _bias(self, dtypes: Sequence[DType]) -> Array:
        """The bias; zeros of the last of `dtypes` where the operation has none."""
        inputs, outputs = self.site.op.inputs, len(self.weights)
        if self.bias_at >= len(inputs) or inputs[self.bias_at] is None:
            return np.zeros(outputs, dtypes[-1].numpy)
        tensor = tensor_in(self.site, self.bias_at)
        if tensor.data is None or tensor.dtype not in dtypes or tensor.elements != outputs:
            computed = "computed " if tensor.data is None else ""
            bias = f"{computed}bias of {tensor.elements} {tensor.dtype.value}"
            wanted = " or ".join(dtype.value for dtype in dtypes)
            raise unsupported(
                self.site, f"has a {bias} for {outputs} outputs",
                fix=f"A bias is a constant of one {wanted} per output.",
            )  # fmt: skip
        flat: Array = tensor.data.reshape(-1)
        return flat


def weight_scales(site: Site, outputs: int, *, axis: int = 0) -> tuple[float, ...]:
    """One scale per output channel, which `axis` of the weights counts; symmetric weights only."""
    q = tensor_in(site, 1).quantization
    if q is None or len(q.scales) not in (1, outputs) or any(q.zero_points):
        raise unsupported(
            site, "has weights that are not symmetrically quantized per tensor or channel",
            fix="Weights need zero points of 0, and one scale or one per output channel.",
        )  # fmt: skip
    if len(q.scales) > 1 and q.axis != axis:
        raise unsupported(site, f"has weights that are quantized along axis {q.axis} instead of {axis}")
    return q.scales if len(q.scales) == outputs else q.scales * outputs


def constant_weights(site: Site) -> Array:
    """The values of input 1, which must be a constant."""
    tensor = tensor_in(site, 1)
    if tensor.data is None:
        raise unsupported(site, "has computed weights", fix="Constant weights are supported.")
    return tensor.data
