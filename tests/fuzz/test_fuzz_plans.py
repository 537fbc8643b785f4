# SPDX-License-Identifier: Apache-2.0
"""`./run fuzz`: memory plans, as test_plan.py tries them, on a thousand new sets of buffers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from harness.compiler import Buffer, plan_memory
from tests.compiler.test_plan import buffers, greedy_by_size, overlap

pytestmark = pytest.mark.fuzz


# A plan whose bound cannot be reached costs its whole search budget, so fewer of them.
@settings(settings.get_profile("fuzz"), max_examples=1_000)
@given(buffers(most=12))
def test_a_plan_never_overlaps_and_never_loses_to_greedy(given_buffers: list[Buffer]) -> None:
    plan = plan_memory(given_buffers)
    assert plan.lower_bound_bytes <= plan.arena_bytes <= greedy_by_size(given_buffers)
    placed = list(zip(given_buffers, plan.offsets, strict=True))
    for i, (a, at_a) in enumerate(placed):
        for b, at_b in placed[i + 1 :]:
            assert not overlap(a, at_a, b, at_b)
