# SPDX-License-Identifier: Apache-2.0
"""Holds the estimate of `quantrig analyze` against what the linker made, in any test that links a model."""

from __future__ import annotations

from collections.abc import Mapping

from harness.analyze import fit
from harness.boards import Board
from harness.compiler import cpu_named, lower
from harness.graph import Graph


def check_estimate(graph: Graph, board: Board, sizes: Mapping[str, int], *, fits: bool = True) -> None:
    """Flash within 3 % or 512 bytes, RAM and tables to the byte; `sizes` are `build.Sizes` by name."""
    found = fit(lower(graph, cpu_named(board.cpu)), board)
    assert found.footprint is not None, found.reason
    flash = sizes["flash_bytes"]
    assert abs(found.footprint.flash_bytes - flash) <= max(512, 0.03 * flash)
    assert found.footprint.ram_static_bytes == sizes["ram_static_bytes"]
    assert found.footprint.flash_model_bytes == sizes["flash_model_bytes"], "stale: ./run size_tables"
    assert abs(found.footprint.stack_bytes - sizes["stack_reserve_bytes"]) <= 128
    assert found.fits is fits
