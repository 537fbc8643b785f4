# SPDX-License-Identifier: Apache-2.0
"""One operation where it stands: what a kernel's lowering is given."""

from __future__ import annotations

from dataclasses import dataclass

from harness.compiler.cpu import Cpu
from harness.graph import Graph, Op


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """An operation, the graph around it, and the CPU that it is compiled for."""

    graph: Graph
    op: Op
    cpu: Cpu
