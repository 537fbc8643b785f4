# SPDX-License-Identifier: Apache-2.0
"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR against the oracle."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import compile_graph, lower
from harness.errors import UnsupportedError
from harness.graph import read_tflite

from .models import check, few
from .models_move import resize
from .strategies import seeds

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
images = st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
#: (align_corners, half_pixel_centers): both at once mean nothing.
modes = st.sampled_from([(False, False), (True, False), (False, True)])


@example(shape=(1, 2, 3, 4), size=(6, 9), mode=(False, True), dtype="int8", seed=1)
@example(shape=(1, 6, 6, 1), size=(3, 2), mode=(False, False), dtype="float32", seed=1)
@example(shape=(1, 5, 1, 1), size=(1, 7), mode=(True, False), dtype="int16", seed=1)
@given(shape=images, size=sizes, mode=modes, dtype=st.sampled_from(["int8", "float32", "int16"]), seed=seeds)
@few(12)
def test_nearest(
    shape: tuple[int, ...], size: tuple[int, int], mode: tuple[bool, bool], dtype: str, seed: int
) -> None:
    check(resize("NEAREST_NEIGHBOR", dtype, shape, size, corners=mode[0], centers=mode[1]), seed=seed)


@example(shape=(1, 2, 3, 4), size=(6, 9), mode=(False, True), dtype="int8", seed=1)
@example(shape=(1, 3, 3, 1), size=(200, 2), mode=(False, True), dtype="int8", seed=1)
@given(shape=images, size=sizes, mode=modes, dtype=st.sampled_from(["int8", "float32"]), seed=seeds)
@few(16)
def test_bilinear(
    shape: tuple[int, ...], size: tuple[int, int], mode: tuple[bool, bool], dtype: str, seed: int
) -> None:
    check(resize("BILINEAR", dtype, shape, size, corners=mode[0], centers=mode[1]), seed=seed)


def test_bilinear_int16() -> None:
    """TFLite's reference is the oracle: TFLM lacks it."""
    check(resize("BILINEAR", "int16", (2, 3, 4, 2), (7, 5), centers=True), samples=32)


@pytest.mark.parametrize(
    ("size", "function"),
    [((4, 9), "nn_copy"), ((1, 1), "nn_copy"), ((3, 9), "nn_resize_nearest"), ((4, 4), "nn_resize_nearest")],
)
def test_a_whole_factor_is_a_copy(size: tuple[int, int], function: str) -> None:
    program = lower(read_tflite(resize("NEAREST_NEIGHBOR", "int8", (1, 2, 3, 1), size), name="model"))
    assert [call.function for step in program.steps for call in step.calls] == [function]


def test_a_factor_at_which_the_reference_reads_outside_is_refused() -> None:
    """1024 / 1100 rounds to 1, and 1099 of those steps lead to the second pixel of one."""
    with pytest.raises(UnsupportedError, match="a position in 1/1024 is outside"):
        compile_graph(read_tflite(resize("BILINEAR", "int8", (1, 1, 1, 1), (1100, 1)), name="model"))
