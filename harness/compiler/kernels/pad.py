# SPDX-License-Identifier: Apache-2.0
"""PAD, PADV2 and SPACE_TO_BATCH_ND: the output is filled, then the input copied into it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.compiler.kernel_call import KernelCall, destination, table
from harness.compiler.kernels.common import check_dims, tensor_in, tensor_out, unsupported
from harness.compiler.kernels.move import check_same_values, checked_moves, copies, copy
from harness.compiler.moves import interior
from harness.compiler.moves import space_to_batch as moving_to_batch
from harness.compiler.site import Site
from harness.compiler.views import Move, View
from harness.graph import DType, Tensor


def pad(site: Site) -> Sequence[KernelCall]:
    """The border is the stored zero, or the value in input 2."""
    moves = checked_moves(site, interior)
    has_value = len(site.op.inputs) > 2 and site.op.inputs[2] is not None
    border = _filled_by(site, 2) if has_value else fill(site, stored_zero(tensor_out(site)))
    return [border, *copies(site, moves)]


def space_to_batch(site: Site) -> Sequence[KernelCall]:
    """Padded images are filled with the stored zero first."""
    moves = checked_moves(site, moving_to_batch)
    moved = sum(math.prod(move.put.shape) for move in moves)
    filled = [] if moved == tensor_out(site).elements else [fill(site, stored_zero(tensor_out(site)))]
    return [*filled, *copies(site, moves)]


def stored_zero(tensor: Tensor) -> bytes:
    """One element that means 0: the zero point of 8-bit types, else 0."""
    if tensor.dtype in (DType.INT8, DType.UINT8) and tensor.quantization is not None:
        return (tensor.quantization.zero_point & 0xFF).to_bytes(1, "little")
    return bytes(tensor.dtype.itemsize)


def fill(site: Site, item: bytes) -> KernelCall:
    """nn_fill of the whole output."""
    nbytes = tensor_out(site).nbytes
    check_dims(site, (nbytes,))
    if len(set(item)) == 1:
        item = item[:1]
    values = table("fill", DType.UINT8, np.frombuffer(item, np.uint8))
    return KernelCall(
        function="nn_fill", arguments=(destination("void"), str(nbytes), values, str(len(item)))
    )


def _filled_by(site: Site, position: int) -> KernelCall:
    """The whole output filled with a tensor of one element."""
    value, output = tensor_in(site, position), tensor_out(site)
    if value.elements != 1:
        raise unsupported(site, f"fills with '{value.name}' of {value.elements} values")
    check_same_values(site, value, output)
    if value.data is not None:
        return fill(site, value.data.astype(value.dtype.numpy).tobytes())
    view = View.dense(()).repeated(0, output.elements)
    return copy(site, Move(source=position, take=view, put=View.dense((output.elements,))))


KERNELS = {
    "PAD": pad,
    "PADV2": pad,
    "SPACE_TO_BATCH_ND": space_to_batch,
}
