# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL against the oracle: transposed operands, repeated batches, constants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import AVR, compile_graph
from harness.errors import UnsupportedError
from harness.graph import read_tflite

from .models import PLAIN, Quant, Shape, check, few
from .models_window import batch_matmul, fully_connected
from .strategies import layer_quants, layer_quants_int16, zero_points

Shapes = tuple[Shape, Shape]
Adjoint = tuple[bool, bool]


@st.composite
def products(draw: st.DrawFn) -> tuple[Shapes, Adjoint]:
    """Operands of ranks 2 to 5 whose batches fit, either of them transposed."""
    rows, depth, columns = (draw(st.integers(1, 6)) for _ in range(3))
    adjoint = draw(st.tuples(st.booleans(), st.booleans()))
    batches = draw(st.lists(st.integers(1, 3), max_size=3))
    shapes = []
    for position, matrix in enumerate(((rows, depth), (depth, columns))):
        kept = [size if draw(st.booleans()) else 1 for size in batches]
        own = kept[draw(st.integers(0, len(kept))) :]
        shapes.append((*own, *(matrix[::-1] if adjoint[position] else matrix)))
    return (shapes[0], shapes[1]), adjoint


@example(product=(((2, 3, 2, 4), (1, 3, 5, 4)), (False, True)), quant=PLAIN, weight_zero=7, constant=1)
@example(product=(((2, 1, 2, 2, 4), (1, 3, 1, 4, 5)), (False, False)), quant=PLAIN, weight_zero=0, constant=0)
@example(product=(((4, 3), (5, 4)), (True, True)), quant=Quant(gain=3.0), weight_zero=-128, constant=None)
@given(
    product=products(), quant=layer_quants, weight_zero=zero_points,
    constant=st.sampled_from([None, 0, 1]),
)  # fmt: skip
@few(10)
def test_int8(product: tuple[Shapes, Adjoint], quant: Quant, weight_zero: int, constant: int | None) -> None:
    shapes, adjoint = product
    model = batch_matmul(
        "int8", shapes, adjoint=adjoint, quant=replace(quant, per_channel=False), weight_zero=weight_zero,
        constant=constant,
    )  # fmt: skip
    check(model)


@given(product=products(), quant=layer_quants_int16, constant=st.sampled_from([None, 0, 1]))
@few(8)
def test_int16(product: tuple[Shapes, Adjoint], quant: Quant, constant: int | None) -> None:
    shapes, adjoint = product
    # Operands of 16 bits each: the sums are 2^8 larger than those of a layer.
    smaller = replace(quant, per_channel=False, gain=quant.gain / 256)
    check(batch_matmul("int16", shapes, adjoint=adjoint, quant=smaller, constant=constant))


@given(product=products(), constant=st.sampled_from([None, 0, 1]))
@few(8)
def test_float32(product: tuple[Shapes, Adjoint], constant: int | None) -> None:
    shapes, adjoint = product
    check(batch_matmul("float32", shapes, adjoint=adjoint, constant=constant))


def test_a_constant_is_loaded_where_flash_lies_apart() -> None:
    check(batch_matmul("int8", ((2, 3, 4), (4, 5)), constant=1), cpu=AVR)


def test_what_does_not_fit_is_refused() -> None:
    data = batch_matmul("int8", ((2, 3, 4), (5, 2)))
    with pytest.raises(UnsupportedError, match="which do not fit"):
        compile_graph(read_tflite(data, name="model"))


@pytest.mark.parametrize("form", ["int8", "int16"])
@pytest.mark.parametrize("layer", [fully_connected, batch_matmul])
def test_the_product_of_the_scales_is_not_rounded_to_float32(form: str, layer: Any) -> None:
    """A gain of a power of two: just below it the multiplier loses a bit, and many outputs change."""
    gain = 2.0**-10 if form == "int8" else 2.0**-14 if layer is fully_connected else 2.0**-22
    # In float32 the product of these two scales is rounded up.
    quant = Quant(input_scale=0.05, weight_scale=0.01, gain=gain, per_channel=False)
    if layer is fully_connected:
        check(fully_connected(form, inputs=300, outputs=300, quant=quant, bias=0), samples=30)
    else:
        shapes = ((2, 300), (150, 300))
        check(batch_matmul(form, shapes, adjoint=(False, True), quant=quant, constant=1), samples=30)
