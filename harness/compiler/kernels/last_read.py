# SPDX-License-Identifier: Apache-2.0
"""Whether an operation is the last to read a tensor, as far as the graph shows."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from harness.compiler.site import Site
from harness.graph import Graph

#: The output has the bytes of input 0 (`fold.ALIASES`, which is no module that kernels may import).
_ALIASES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def is_last_reader(site: Site, position: int) -> bool:
    """Whether input `position` is no constant, no variable, and dead after this operation."""
    index = site.op.required_input(position)
    tensor = site.graph.tensors[index]
    if tensor.data is not None or tensor.is_variable:
        return False
    roots, last_reads = _last_reads(site.graph)
    return last_reads.get(roots.get(index, index)) == site.op.index


@functools.lru_cache(maxsize=1)
def _last_reads(graph: Graph) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Tensor -> the one whose bytes it names; and of those, index of the operation that reads them last."""
    roots: dict[int, int] = {}
    last: dict[int, int] = {}
    for op in graph.ops:
        inputs = [roots.get(i, i) for i in op.inputs if i is not None]
        if op.kind in _ALIASES and inputs:
            roots[op.outputs[0]] = inputs[0]
        elif op.kind != "SHAPE":
            last.update(dict.fromkeys(inputs, op.index))
    last.update(dict.fromkeys((roots.get(i, i) for i in graph.outputs), len(graph.ops)))
    return roots, last
