# SPDX-License-Identifier: Apache-2.0
"""Operations on two tensors as .tflite files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import tflite

from tests import tflite_builder as tb

from .models import Shape
from .one_op import Ends, OneOp

#: Options table of each kind; the others have none that say anything.
_OPTIONS: Final = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}
KINDS: Final = ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM")
#: Kinds that choose among stored values.
CHOICES: Final = ("MAXIMUM", "MINIMUM")

#: Scale and zero point.
Scale = tuple[float, int]


@OneOp
def binary(
    b: tb.ModelBuilder,
    kind: str,
    dtype: str,
    shapes: Sequence[Shape],
    *,
    scales: Sequence[Scale] = ((0.05, -3), (0.04, 7), (0.1, 5)),
    activation: str = "NONE",
    constant: int | None = None,
) -> Ends:
    """Two operands of these shapes, of which `constant` is random in the file; `scales` with the output's."""
    if kind in CHOICES:
        scales = (scales[0],) * 3
    quantized = [_quantization(dtype, scale) for scale in scales]
    operands = [b.tensor(shape, dtype, **q) for shape, q in zip(shapes, quantized, strict=False)]
    given = list(operands)
    if constant is not None:
        operands[constant] = _random(b, dtype, shapes[constant], quantized[constant])
        given = [operands[1 - constant]]
    y = b.tensor(np.broadcast_shapes(*(tuple(shape) for shape in shapes)), dtype, **quantized[2])
    b.op(kind, operands, [y], _options(kind, activation))
    return given, [y]


def _options(kind: str, activation: str) -> tb.Options | None:
    if kind not in _OPTIONS:
        return None
    return _OPTIONS[kind], {"FusedActivationFunction": getattr(tflite.ActivationFunctionType, activation)}


def _quantization(dtype: str, scale: Scale) -> dict[str, Any]:
    """Arguments of ModelBuilder.tensor; int16 is symmetric, and its scale as much finer."""
    if dtype == "int16":
        return {"scale": scale[0] / 256}
    return {"scale": scale[0], "zero_point": scale[1]} if dtype == "int8" else {}


def _random(b: tb.ModelBuilder, dtype: str, shape: Shape, q: dict[str, Any]) -> int:
    rng = np.random.default_rng(7)
    values = rng.normal(size=shape) if dtype == "float32" else rng.integers(-100, 100, shape)
    if not q:
        return b.constant(values, dtype)
    return b.constant(values, dtype, scales=[q["scale"]], zero_points=[q.get("zero_point", 0)])
