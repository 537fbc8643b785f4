# SPDX-License-Identifier: Apache-2.0
"""What compiling costs on the host, by depth: read the .tflite, choose kernels, plan the arena, write C."""

from __future__ import annotations

import itertools
import math
import time

import pytest

from harness.compiler import compile_graph
from harness.graph import read_tflite
from tests.bench.deep_network import deep_network

pytestmark = pytest.mark.bench

DEPTHS = (50, 100, 200, 400, 800)
#: Room for the clock and for what does not depend on depth.
SLACK = 1.5


def seconds(data: bytes) -> float:
    """The fastest of three."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        compile_graph(read_tflite(data, name="deep"))
        times.append(time.perf_counter() - started)
    return min(times)


def test_cost_grows_as_n_log_n() -> None:
    cost = {depth: seconds(deep_network(depth)) for depth in DEPTHS}
    print("\ncompiling by depth:", ", ".join(f"{n} layers {t * 1000:.0f} ms" for n, t in cost.items()))
    for less, more in itertools.pairwise(DEPTHS):
        allowed = more * math.log(more) / (less * math.log(less))
        print(f"{more} / {less} layers: {cost[more] / cost[less]:.2f} (n log n: {allowed:.2f})")
    first, last = DEPTHS[1], DEPTHS[-1]
    allowed = last * math.log(last) / (first * math.log(first))
    assert cost[last] / cost[first] < SLACK * allowed
