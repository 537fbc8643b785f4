# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D and AVERAGE_POOL_2D against the oracle; both run in place where nothing is padded."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
