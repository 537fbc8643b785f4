# SPDX-License-Identifier: Apache-2.0
"""PAD against the oracle."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .models import DTYPES, Quant, check, few, pad
from .strategies import seeds, zero_points


@st.composite
def paddings(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """Rank 2 to 4; a batch axis is left alone."""
    rank = draw(st.integers(2, 4))
    width = st.integers(0, 3)
    shape = [draw(st.integers(1, 4)) for _ in range(rank)]
    widths = [(draw(width), draw(width)) for _ in range(rank)]
    if rank == 4:
        shape[0], widths[0] = 1, (0, 0)
    return shape, widths


@pytest.mark.parametrize("dtype", DTYPES)
@example(case=([1, 3, 4, 2], [(0, 0), (1, 2), (3, 0), (0, 0)]), zero_point=-128, seed=1)
@example(case=([1, 3, 4, 2], [(0, 0), (0, 0), (0, 0), (2, 1)]), zero_point=127, seed=1)
@given(case=paddings(), zero_point=zero_points, seed=seeds)
@few(7)
def test_pad(dtype: str, case: tuple[list[int], list[tuple[int, int]]], zero_point: int, seed: int) -> None:
    check(pad(dtype, *case, quant=Quant(input_zero=zero_point)), seed=seed)
