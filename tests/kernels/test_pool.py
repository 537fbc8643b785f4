# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D and AVERAGE_POOL_2D against the oracle; both run in place where no input is read later."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import compile_graph
from harness.graph import read_tflite

from .models import Quant, check, few
from .models_window import Window, pool
from .strategies import activations, quants, seeds, windows

KINDS = pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])

UPRIGHT = Window(size=(9, 1), channels=4, kernel=(2, 1), strides=(2, 1), padding="VALID")
OVERLAPPING = Window(size=(4, 5), channels=2, kernel=(3, 3), strides=(1, 1), padding="VALID")
PADDED = Window(size=(5, 5), channels=2, kernel=(4, 4), strides=(3, 3), padding="SAME")
WHOLE = Window(size=(9, 9), channels=3, kernel=(9, 9), padding="VALID")


@KINDS
@example(window=UPRIGHT, quant=Quant(), activation="NONE", seed=1)
@example(window=OVERLAPPING, quant=Quant(input_zero=127), activation="RELU", seed=1)
@example(window=PADDED, quant=Quant(input_zero=-128), activation="RELU6", seed=1)
@example(window=WHOLE, quant=Quant(input_scale=0.01), activation="RELU_N1_TO_1", seed=1)
@given(window=windows(dilated=False), quant=quants(0, 0), activation=activations, seed=seeds)
@few(10)
def test_int8(kind: str, window: Window, quant: Quant, activation: str, seed: int) -> None:
    check(pool(kind, "int8", window, quant=quant, activation=activation), seed=seed)


@KINDS
@example(window=UPRIGHT, activation="NONE", seed=1)
@example(window=OVERLAPPING, activation="RELU", seed=1)
@example(window=PADDED, activation="RELU_N1_TO_1", seed=1)
@given(window=windows(dilated=False), activation=st.sampled_from(["NONE", "RELU6"]), seed=seeds)
@few(8)
def test_float32(kind: str, window: Window, activation: str, seed: int) -> None:
    check(pool(kind, "float32", window, activation=activation), seed=seed)


@KINDS
@example(window=UPRIGHT, quant=Quant(), activation="NONE", seed=1)
@example(window=WHOLE, quant=Quant(input_scale=0.001), activation="RELU_N1_TO_1", seed=1)
@given(window=windows(dilated=False), quant=quants(0, 0), activation=activations, seed=seeds)
@few(6)
def test_int16(kind: str, window: Window, quant: Quant, activation: str, seed: int) -> None:
    check(pool(kind, "int16", window, quant=quant, activation=activation), seed=seed)


@KINDS
@pytest.mark.parametrize("kernel", [(1, 3), (2, 2), (3, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 2)])
def test_padded_ones_stay_in_place_where_the_window_does_not_look_back(
    kind: str, kernel: tuple[int, int], strides: tuple[int, int]
) -> None:
    window = Window(batch=2, size=(6, 6), channels=2, kernel=kernel, strides=strides, padding="SAME")
    data = pool(kind, "int8", window)
    graph = read_tflite(data, name="model")
    looks_back = any(
        size % 2 and stride == 1 and size > 1 for size, stride in zip(kernel, strides, strict=True)
    )
    assert compile_graph(graph).arena_bytes == graph.input_tensors()[0].nbytes or looks_back
    check(data, samples=4)
