# SPDX-License-Identifier: Apache-2.0
"""Graph -> steps and buffers: shapes folded, reshapes aliased, outputs put in place, arena planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.kernel_call import KernelCall
from harness.compiler.kernels import KERNELS
from harness.compiler.kernels.common import unsupported
from harness.compiler.plan import Buffer, MemoryPlan, plan_memory
from harness.errors import UnsupportedError
from harness.graph import Graph, Op, PackParams, StridedSliceParams, Tensor

#: Shape arithmetic, done here and not on the device.
_FOLDED: Final = ("PACK", "RESHAPE", "SHAPE", "STRIDED_SLICE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One kernel call of an inference."""

    op: Op
    call: KernelCall


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What the device does for one inference. `offsets` maps a tensor's index to its arena offset."""

    steps: tuple[Step, ...]
    plan: MemoryPlan
    offsets: dict[int, int]


def lower(graph: Graph) -> Program:
    """Choose kernels and plan memory.

    Raises:
        UnsupportedError: an operation, or a form of it, that the engine does not have.
    """
    roots, live = _fold(graph)
    steps = tuple(Step(op=op, call=_kernel(graph, op)) for op in live)
    _check_reads(graph, roots, live)
    # An output that is larger than the input it replaces makes room for itself while only the input
    # is alive: sometimes a gain, sometimes a loss, so both are planned.
    candidates = [_plan(graph, steps, roots, grow=grow) for grow in (False, True)]
    plan, offsets = min(candidates, key=lambda candidate: candidate[0].arena_bytes)
    return Program(steps=steps, plan=plan, offsets=offsets)


def _check_op(graph: Graph, op: Op) -> None:
    """What is asked of every operation before anyone looks at its tensors."""
    if op.kind not in KERNELS and op.kind not in _FOLDED:
        known = ", ".join(sorted(KERNELS))
        fix = f"It has {known} (and folds {', '.join(_FOLDED)})."
        raise unsupported(graph, op, "is not in the aot engine", fix=fix)
    if not op.inputs or len(op.outputs) != 1:
        raise unsupported(graph, op, f"has {len(op.inputs)} inputs and {len(op.outputs)} outputs")
    for index in (*op.inputs, *op.outputs):
        if index is not None and not graph.tensors[index].elements:
            raise unsupported(graph, op, f"works on the empty tensor '{graph.tensors[index].name}'")


def _kernel(graph: Graph, op: Op) -> KernelCall:
    kernel = KERNELS.get(op.kind)
    if kernel is None:
        raise unsupported(graph, op, "works on values that are not known before the first inference")
    try:
        with np.errstate(over="ignore"):
            return kernel(graph, op)
    except (ArithmeticError, LookupError, ValueError) as error:
        # A file may be well-formed and still make no sense: ranks, scales and values of any size.
        raise unsupported(graph, op, f"has tensors or options that do not fit together ({error})") from error


def _check_reads(graph: Graph, roots: dict[int, int], live: Sequence[Op]) -> None:
    """Every activation that a step reads, and every output, must lie in the arena."""
    made = set(graph.inputs)
    for op in live:
        for index in op.inputs:
            if index is None or graph.tensors[index].data is not None:
                continue
            if _root(roots, index) not in made:
                raise unsupported(graph, op, f"reads '{graph.tensors[index].name}', which is a constant")
        made.update(op.outputs)
    computed = made.difference(graph.inputs)
    for index in graph.outputs:
        if _root(roots, index) not in computed:
            raise UnsupportedError(f"{graph.name}: output '{graph.tensors[index].name}' is not computed.")


def _fold(graph: Graph) -> tuple[dict[int, int], list[Op]]:
    """Shape arithmetic is done here, RESHAPE becomes a name for the same bytes.

    Returns the tensor that each reshaped tensor aliases, and the operations that are left to do.
    """
    known = {t.index: t.data for t in graph.tensors if t.data is not None}
    roots: dict[int, int] = {}
    left: list[Op] = []
    for op in graph.ops:
        _check_op(graph, op)
        folded = _evaluate(graph, op, known)
        if folded is not None:
            known[op.outputs[0]] = folded
        elif op.kind == "RESHAPE":
            source, target = op.inputs[0], op.outputs[0]
            if source is None or not _same_bytes(graph.tensors[source], graph.tensors[target]):
                raise unsupported(graph, op, "changes the number of elements or their type")
            roots[target] = _root(roots, source)
        else:
            left.append(op)
    return roots, left


def _same_bytes(a: Tensor, b: Tensor) -> bool:
    return (a.dtype, a.elements) == (b.dtype, b.elements)


def _evaluate(graph: Graph, op: Op, known: dict[int, npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
    """The value of an operation of shape arithmetic; None for any other."""
    if op.kind == "SHAPE" and op.inputs[0] is not None:
        return np.asarray(graph.tensors[op.inputs[0]].shape, np.int32)
    inputs = [known.get(i) for i in op.inputs if i is not None]
    if not inputs or any(value is None for value in inputs):
        return None
    values = [value for value in inputs if value is not None]
    try:
        if op.kind == "PACK" and isinstance(op.params, PackParams):
            return np.stack(values, axis=op.params.axis)
        if op.kind == "STRIDED_SLICE" and isinstance(op.params, StridedSliceParams) and values[0].ndim == 1:
            return _slice_vector(values[0], values[1:], op.params)
    except (LookupError, ValueError) as error:
        raise unsupported(graph, op, f"has tensors or options that do not fit together ({error})") from error
    return None


def _slice_vector(
    vector: npt.NDArray[Any], bounds: Sequence[npt.NDArray[Any]], params: StridedSliceParams
) -> npt.NDArray[Any]:
    if params.ellipsis_mask or params.new_axis_mask or params.shrink_axis_mask & params.begin_mask:
        raise ValueError("masks that the engine does not fold")
    begin, end, stride = (int(value.reshape(-1)[0]) for value in bounds)
    if params.shrink_axis_mask & 1:
        return np.asarray(vector[begin])
    return vector[None if params.begin_mask & 1 else begin : None if params.end_mask & 1 else end : stride]


@dataclass(slots=True)
class _Layout:
    """The buffers while the steps are walked: which tensor lies in whose, how large, how long."""

    owner: dict[int, int]
    nbytes: dict[int, int]
    first: dict[int, int]
    last: dict[int, int]

    def put(self, tensor: Tensor, host: int, *, made: int, read_last: int) -> None:
        """Lay a tensor that is made at one step and read until another into the buffer of `host`."""
        self.owner[tensor.index] = host
        self.nbytes[host] = max(self.nbytes.get(host, 0), tensor.nbytes)
        self.first.setdefault(host, made)
        self.last[host] = max(self.last.get(host, made), read_last)


def _plan(
    graph: Graph, steps: Sequence[Step], roots: dict[int, int], *, grow: bool
) -> tuple[MemoryPlan, dict[int, int]]:
    """Lifetimes and sharing of every tensor of the arena, then their offsets."""
    last_use = _last_uses(graph, steps, roots)
    layout = _Layout(owner={}, nbytes={}, first={}, last={})
    for tensor in graph.input_tensors():
        layout.put(tensor, tensor.index, made=-1, read_last=last_use.get(tensor.index, -1))
    for number, step in enumerate(steps):
        for index in step.op.outputs:
            output = graph.tensors[index]
            ending = [
                layout.owner[root]
                for root in (_root(roots, step.op.required_input(i)) for i in step.call.in_place)
                if root in layout.owner and last_use[root] == number
            ]
            hosts = [host for host in ending if grow or output.nbytes <= layout.nbytes[host]]
            layout.put(
                output, hosts[0] if hosts else index, made=number, read_last=last_use.get(index, number)
            )
    return _place(graph, layout, roots)


def _place(graph: Graph, layout: _Layout, roots: dict[int, int]) -> tuple[MemoryPlan, dict[int, int]]:
    """Offsets of all tensors, aliases included."""
    align: dict[int, int] = {}
    for index, host in layout.owner.items():
        align[host] = max(align.get(host, 1), graph.tensors[index].dtype.itemsize)
    buffers = [
        Buffer(
            nbytes=layout.nbytes[host], first=layout.first[host], last=layout.last[host], align=align[host]
        )
        for host in layout.nbytes
    ]
    plan = plan_memory(buffers)
    at = dict(zip(layout.nbytes, plan.offsets, strict=True))
    offsets = {index: at[host] for index, host in layout.owner.items()}
    offsets.update({index: offsets[root] for index, root in roots.items() if root in offsets})
    return plan, offsets


def _root(roots: dict[int, int], index: int) -> int:
    """The tensor whose bytes these are."""
    return roots.get(index, index)


def _last_uses(graph: Graph, steps: Sequence[Step], roots: dict[int, int]) -> dict[int, int]:
    """Step at which each root tensor is read last; a graph output lives to the end."""
    last: dict[int, int] = {}
    for number, step in enumerate(steps):
        for index in step.op.inputs:
            if index is not None:
                last[_root(roots, index)] = number
    for index in graph.outputs:
        last[_root(roots, index)] = len(steps)
    return last
