# SPDX-License-Identifier: Apache-2.0
"""An analysis for people (tables) and for programs (JSON)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.analyze.footprint import Fit
from harness.analyze.layers import Layer
from harness.analyze.model import Analysis
from harness.graph import Tensor

if TYPE_CHECKING:
    from rich.table import Table

#: Raised when a key of the JSON changes its meaning or goes.
SCHEMA = 1


def json_text(analysis: Analysis) -> str:
    """The whole analysis; a number that is not known is null."""
    content = {
        "schema": SCHEMA,
        "model": {
            "name": analysis.name,
            "sha256": analysis.sha256,
            "tflite_bytes": analysis.tflite_bytes,
            "inputs": [_tensor(tensor) for tensor in analysis.inputs],
            "outputs": [_tensor(tensor) for tensor in analysis.outputs],
        },
        "totals": {
            "layers": len(analysis.layers),
            "params": analysis.params,
            "macs": analysis.macs,
            "weight_bytes": sum(layer.weight_bytes for layer in analysis.layers),
            "arena_bytes": analysis.arena_bytes,
            "arena_bound_bytes": analysis.arena_bound_bytes,
            "state_bytes": analysis.state_bytes,
        },
        "layers": [dataclasses.asdict(layer) for layer in analysis.layers],
        "memory": [dataclasses.asdict(span) for span in analysis.memory],
        "boards": [_board(fit) for fit in analysis.fits],
        "unsupported": [dataclasses.asdict(operation) for operation in analysis.unsupported],
        "warnings": list(analysis.warnings),
    }
    return json.dumps(content, indent=2) + "\n"


def _tensor(tensor: Tensor) -> dict[str, Any]:
    q = tensor.quantization
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype.value,
        "scale": q.scale if q else None,
        "zero_point": q.zero_point if q else None,
    }


def _board(fit: Fit) -> dict[str, Any]:
    sizes = dataclasses.asdict(fit.footprint) if fit.footprint else {}
    return {
        "board": fit.board.name,
        "supported": fit.supported,
        "fits": fit.fits,
        "flash_bytes": sizes.get("flash_bytes"),
        "flash_model_bytes": sizes.get("flash_model_bytes"),
        "ram_static_bytes": sizes.get("ram_static_bytes"),
        "stack_bytes": sizes.get("stack_bytes"),
        "flash_left_bytes": fit.flash_left_bytes,
        "ram_left_bytes": fit.ram_left_bytes,
        "reason": fit.reason,
    }


def head_lines(analysis: Analysis) -> Iterator[str]:
    """What the model is, in a few lines."""
    yield f"{analysis.name}: {analysis.tflite_bytes:,} bytes, SHA-256 {analysis.sha256[:16]}"
    for word, tensors in (("input", analysis.inputs), ("output", analysis.outputs)):
        for tensor in tensors:
            yield f"  {word} '{tensor.name}' {_shape(tensor.shape)} {tensor.dtype.value}"
    weights = sum(layer.weight_bytes for layer in analysis.layers)
    yield (
        f"  {len(analysis.layers)} operations, {analysis.params:,} parameters in {weights:,} bytes,"
        f" {analysis.macs:,} MACs"
    )
    if analysis.arena_bytes is not None:
        state = f", {analysis.state_bytes:,} of them state" if analysis.state_bytes else ""
        yield f"  arena {analysis.arena_bytes:,} bytes{state} (lower bound {analysis.arena_bound_bytes:,})"


def layer_table(analysis: Analysis) -> Table:
    """One row for each operation."""
    from rich.table import Table

    table = Table(title="Operations", title_justify="left")
    for name in ("#", "operation", "shapes", "type"):
        table.add_column(name, justify="right" if name == "#" else "left", overflow="fold")
    for name in ("params", "MACs", "weight B", "activation B", "arena B"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("name", overflow="fold", max_width=40)
    for layer in analysis.layers:
        table.add_row(*_layer_cells(layer))
    return table


def _layer_cells(layer: Layer) -> tuple[str, ...]:
    numbers = (layer.params, layer.macs, layer.weight_bytes, layer.activation_bytes)
    shown = {"kernel": "", "alias": "the same bytes", "constant": "known", "unsupported": "not supported"}
    arena = f"{layer.arena_bytes:,}" if layer.arena_bytes is not None else shown[layer.outcome]
    shapes = " + ".join(_shape(shape) for shape in layer.inputs) or "constants"
    return (
        str(layer.index),
        layer.kind,
        f"{shapes} -> {' + '.join(_shape(shape) for shape in layer.outputs)}",
        layer.dtype,
        *(f"{number:,}" if number else "" for number in numbers),
        arena,
        # of a layer that others were fused into, the converter names them all
        layer.name.partition(";")[0],
    )


def board_table(analysis: Analysis) -> Table:
    """One row for each board."""
    from rich.table import Table

    table = Table(title="Boards (estimated, nothing built)", title_justify="left")
    table.add_column("board", no_wrap=True)
    for name in ("flash B", "of it model B", "RAM B", "stack B", "flash left", "RAM left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for fit in analysis.fits:
        sizes = fit.footprint
        numbers: tuple[int | None, ...] = (None, None, None, None, None, None)
        if sizes is not None:
            used = (sizes.flash_bytes, sizes.flash_model_bytes, sizes.ram_static_bytes, sizes.stack_bytes)
            numbers = (*used, fit.flash_left_bytes, fit.ram_left_bytes)
        table.add_row(
            fit.board.name,
            *(f"{number:,}" if number is not None else "" for number in numbers),
            verdict(fit),
        )
    return table


def verdict(fit: Fit) -> str:
    """Fits or not, and by how much."""
    if not fit.supported:
        return f"not supported: {fit.reason}"
    if fit.fits is None:
        return f"not known: {fit.reason}"
    if fit.footprint is None:
        return f"does not fit: {fit.reason}"
    if fit.fits:
        return "fits"
    missing = [
        f"{-left:,} bytes of {region} too many"
        for region, left in (("flash", fit.flash_left_bytes), ("RAM", fit.ram_left_bytes))
        if left is not None and left < 0
    ]
    return f"does not fit: {' and '.join(missing) or fit.reason}"


def remark_lines(analysis: Analysis) -> Iterator[str]:
    """What is not supported, with the nearest form; then the warnings."""
    for operation in analysis.unsupported:
        where = f"operation {operation.index} {operation.kind} " if operation.index is not None else ""
        nearest = f" Nearest: {operation.nearest}" if operation.nearest else ""
        yield f"not supported: {where}{operation.why}{nearest}"
    for warning in analysis.warnings:
        yield f"warning: {warning}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "scalar"
