# SPDX-License-Identifier: Apache-2.0
"""Operations that move values without looking at them: copies under nested loops, and GATHER."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from harness.compiler.kernel_call import (
    Argument,
    KernelCall,
    TensorArgument,
    destination,
    int32_array,
    scratch,
    source,
    structure,
    structure_array,
    table,
)
from harness.compiler.kernels.common import check_dims, made_outputs, options, tensor_in, unsupported
from harness.compiler.moves import MOVES, Moving, axis_of
from harness.compiler.site import Site
from harness.compiler.views import Loop, Move
from harness.graph import DType, GatherParams, Tensor

#: NN_COPY_LOOPS of nn_move.h.
_MAX_LOOPS = 8

#: The converter gives their output a scale of its own; the reference copies the stored values all the same.
_TAKEN_AS_THEY_ARE: Final = ("REVERSE_V2",)

#: What to do where an operation cannot be laid out.
_FIXES: Final = {
    "BATCH_TO_SPACE_ND": "Constant blocks and crops are supported.",
    "BROADCAST_TO": "A constant shape is supported.",
    "CONCATENATION": "Inputs that differ along one axis, of one type and scale, without activation are.",
    "DEPTH_TO_SPACE": "Images of rank 4 whose channels are whole squares are supported.",
    "MIRROR_PAD": "Constant widths below the size of their axis are supported.",
    "PACK": "Inputs of one shape are supported.",
    "REVERSE_V2": "Constant axes are supported.",
    "SLICE": "Constant begin and size inside of the input are supported.",
    "SPACE_TO_BATCH_ND": "Constant blocks and paddings are supported.",
    "SPACE_TO_DEPTH": "Images of rank 4 made of whole squares are supported.",
    "SPLIT": "A constant axis and equal parts are supported.",
    "SPLIT_V": "A constant axis, and constant sizes that fill it, are supported.",
    "STRIDED_SLICE": "Constant begin, end and strides that leave something are supported.",
    "TILE": "Constant multiples are supported.",
    "TRANSPOSE": "A constant order of the axes is supported.",
    "UNPACK": "An output for each index of the axis is supported.",
}


def checked_moves(site: Site, moves_of: Callable[[Moving], list[Move]]) -> list[Move]:
    """The moves of an operation.

    Raises:
        UnsupportedError: its tensors and options do not fit together, or a type or scale changes.
    """
    try:
        moves = moves_of(Moving(op=site.op, tensors=site.graph.tensors))
    except (LookupError, ValueError) as error:
        raise unsupported(site, f"cannot be laid out ({error})", _FIXES.get(site.op.kind, "")) from error
    if {move.target for move in moves} != made_outputs(site):
        raise unsupported(site, f"has {len(site.op.outputs)} outputs, which it does not all make")
    for move in moves:
        if move.source is not None:
            _check_moved(site, tensor_in(site, move.source), _target(site, move.target))
    return moves


def _check_moved(site: Site, taken: Tensor, put: Tensor) -> None:
    if site.op.kind in _TAKEN_AS_THEY_ARE and taken.dtype is put.dtype:
        return
    check_same_values(site, taken, put)


def _target(site: Site, position: int) -> Tensor:
    return site.graph.tensors[site.op.outputs[position]]


def check_same_values(site: Site, taken: Tensor, put: Tensor) -> None:
    """Bytes must mean the same on both sides of a copy."""
    if taken.dtype is not put.dtype:
        raise unsupported(site, f"makes {put.dtype.value} from {taken.dtype.value}")
    a, b = taken.quantization, put.quantization
    if a and b and (a.scales, a.zero_points) != (b.scales, b.zero_points):
        raise unsupported(
            site, "changes the scale or zero point, which it cannot", "Put a QUANTIZE before it."
        )


def moved(site: Site) -> Sequence[KernelCall]:
    """Any operation of MOVES: a copy per move."""
    return copies(site, checked_moves(site, MOVES[site.op.kind]))


def copies(site: Site, moves: Sequence[Move]) -> list[KernelCall]:
    """nn_copy for each move."""
    return [copy(site, move) for move in moves]


def copy(site: Site, move: Move) -> KernelCall:
    """nn_copy: in place where it never writes what is still to be read."""
    item = _target(site, move.target).dtype.itemsize
    run, loops = move.loops(item)
    _check_size(site, move)
    if len(loops) > _MAX_LOOPS:
        raise unsupported(site, f"needs {len(loops)} loops", f"{_MAX_LOOPS} are supported.")
    take_start, put_start = move.take.start * item, move.put.start * item
    head = (take_start, put_start, run, max(len(loops), 1))
    taken = _output_as_source() if move.source is None else source("void", move.source)
    forward = move.source is not None and move.target == 0 and move.only_forward
    return KernelCall(
        function="nn_copy",
        arguments=(
            taken, destination("void", move.target),
            structure("copy", "struct nn_copy", [str(v) for v in head]),
            structure_array("loops", "struct nn_loop", _steps(loops), item_bytes=3 * 4),
        ),
        in_place=(move.source,) if forward and move.source is not None else (),
    )  # fmt: skip


def _output_as_source() -> TensorArgument:
    return TensorArgument(position=0, is_output=True, ctype="const void *")


def _steps(loops: Sequence[Loop]) -> list[list[str]]:
    """struct nn_loop for each; what the loops inside have moved the offsets by is taken off the steps."""
    rows: list[list[str]] = []
    from_moved = to_moved = 0
    for loop in loops:
        steps = (loop.count, loop.from_step - from_moved, loop.to_step - to_moved)
        rows.append([str(value) for value in steps])
        # the innermost loop leaves the offsets where they were
        if len(rows) > 1:
            from_moved, to_moved = loop.count * loop.from_step, loop.count * loop.to_step
    return rows or [["1", "0", "0"]]


def _check_size(site: Site, move: Move) -> None:
    """Offsets of bytes must fit nn_dim, one step behind the end included."""
    taken = _target(site, 0) if move.source is None else tensor_in(site, move.source)
    check_dims(site, (2 * taken.nbytes, 2 * _target(site, move.target).nbytes))


def gather(site: Site) -> Sequence[KernelCall]:
    """A bad index of the device reads the nearest entry; a bad constant one is refused."""
    params = options(site, GatherParams)
    data, indices = tensor_in(site, 0), tensor_in(site, 1)
    axis = axis_of(params.axis, len(data.shape))
    batch_dims = params.batch_dims + (len(indices.shape) if params.batch_dims < 0 else 0)
    if not 0 <= batch_dims <= axis or data.shape[:batch_dims] != indices.shape[:batch_dims]:
        raise unsupported(site, f"has {params.batch_dims} batch axes, which its operands do not share")
    check_same_values(site, data, _target(site, 0))
    batches, outer = math.prod(data.shape[:batch_dims]), math.prod(data.shape[batch_dims:axis])
    picks, inner = math.prod(indices.shape[batch_dims:]), math.prod(data.shape[axis + 1 :])
    if batches * outer * picks * inner != _target(site, 0).elements:
        raise unsupported(site, f"should make {batches * outer * picks * inner} values by its axes")
    fields = (batches, outer, data.shape[axis], picks, inner * data.dtype.itemsize)
    check_dims(site, (*fields, 2 * data.nbytes, 2 * _target(site, 0).nbytes))
    shape = structure("shape", "struct nn_gather", [str(v) for v in fields])
    load, picked = _indices(site, indices, data.shape[axis])
    rest = (picked, destination("void"), shape)
    if data.data is not None and site.cpu.flash_apart:
        # a table of many entries would not fit into RAM
        entries = table("table", data.dtype, data.data)
        return [*load, KernelCall(function="nn_gather_flash", arguments=(entries, *rest))]
    return [*load, KernelCall(function="nn_gather", arguments=(source("void"), *rest))]


def _indices(site: Site, indices: Tensor, size: int) -> tuple[list[KernelCall], Argument]:
    """(calls that make them, where they are) as int32, which constants of any width become."""
    wide = indices.data is not None and indices.dtype is DType.INT64
    if indices.dtype is not DType.INT32 and not wide:
        raise unsupported(site, f"has {indices.dtype.value} indices", "int32 is supported.")
    if indices.data is None:
        return [], source("int32_t", 1)
    if not np.all((indices.data >= 0) & (indices.data < size)):
        raise unsupported(site, f"has an index outside of an axis of {size}")
    narrow = indices.data.astype("<i4").reshape(-1)
    if not site.cpu.flash_apart:
        return [], int32_array("indices", narrow)
    room = scratch("indices", "const int32_t", narrow.size, itemsize=4)
    arguments = (
        replace(room, ctype="uint8_t *"),
        table("indices", DType.UINT8, np.frombuffer(narrow.tobytes(), np.uint8)),
        str(room.nbytes),
    )
    return [KernelCall(function="nn_load", arguments=arguments)], room


KERNELS = {
    "GATHER": gather,
    **dict.fromkeys(MOVES, moved),
}
