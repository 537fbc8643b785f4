# SPDX-License-Identifier: Apache-2.0
"""Graph -> Program: what is known now folded, a kernel chosen for each operation left, arena planned."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.cpu import FLAT, Cpu
from harness.compiler.fold import FOLDED, Folded, FoldedGraph, fold
from harness.compiler.kernel_call import (
    Argument,
    KernelCall,
    Scratch,
    TensorArgument,
    table,
)
from harness.compiler.kernels import KERNELS
from harness.compiler.kernels.common import check_dims, made_outputs, unsupported
from harness.compiler.layout import ArenaLayout, Step, lay_out, variables
from harness.compiler.site import Site
from harness.errors import UnsupportedError
from harness.graph import DType, Graph, Op, Tensor

#: How many inputs, or outputs, a byte counts.
_ENDS_MAX: Final = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """A variable tensor in the arena; a reset fills it with the byte `fill`."""

    tensor: Tensor
    fill: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What the device does for one inference."""

    graph: Graph
    """The model with everything known as constants."""
    cpu: Cpu
    steps: tuple[Step, ...]
    folded: tuple[Folded, ...]
    layout: ArenaLayout
    states: tuple[State, ...]


def lower(graph: Graph, cpu: Cpu = FLAT) -> Program:
    """Choose kernels and plan memory.

    Raises:
        UnsupportedError: an operation, or a form of it, that the engine does not have, or inputs and outputs
            that a firmware cannot tell of.
    """
    _check_ends(graph)
    for op in graph.ops:
        _check_op(Site(graph=graph, op=op, cpu=cpu))
    known = fold(graph, cpu)
    _check_outputs(known)
    steps = tuple(_step(Site(graph=known.graph, op=op, cpu=cpu)) for op in known.ops)
    _check_reads(known, cpu)
    return Program(
        graph=known.graph,
        cpu=cpu,
        steps=steps,
        folded=known.folded,
        layout=lay_out(known, steps, cpu),
        states=tuple(State(tensor=t, fill=_reset_byte(t)) for t in variables(known.graph)),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """An operation that the engine cannot do; `op` is None where the model as a whole is the reason."""

    op: Op | None
    why: str
    fix: str


def refusals(graph: Graph, cpu: Cpu = FLAT) -> tuple[Refusal, ...]:
    """Every operation that `lower` would refuse, in order; what follows from one may hide another."""
    found: dict[int | None, Refusal] = {}

    def tried(op: Op | None, work: Callable[[], object]) -> bool:
        try:
            work()
        except UnsupportedError as error:
            _note_refusal(graph, op, error, found)
            return False
        return True

    for op in graph.ops:
        tried(op, partial(_check_op, Site(graph=graph, op=op, cpu=cpu)))
    if not tried(None, lambda: fold(graph, cpu)):
        return tuple(found.values())
    known = fold(graph, cpu)
    for op in known.ops:
        if op.index not in found:
            tried(op, partial(_step, Site(graph=known.graph, op=op, cpu=cpu)))
    if not found:
        tried(None, lambda: lower(graph, cpu))
    return tuple(sorted(found.values(), key=lambda refusal: refusal.op.index if refusal.op else -1))


def _note_refusal(
    graph: Graph, op: Op | None, error: UnsupportedError, found: dict[int | None, Refusal]
) -> None:
    """Keep the first reason against an operation, without the name that the message begins with."""
    named = re.match(rf"{re.escape(graph.name)}: operation (\d+) \w+ ", error.what)
    if op is None and named:
        op = graph.ops[int(named[1])]
    why = error.what[named.end() :] if named else error.what
    found.setdefault(op.index if op else None, Refusal(op=op, why=why, fix=error.fix))


def _reset_byte(tensor: Tensor) -> int:
    """What the reference fills a variable with: the zero point of int8, else zero."""
    if tensor.dtype is DType.INT8 and tensor.quantization is not None:
        return tensor.quantization.zero_point & 0xFF
    return 0


def _check_op(site: Site) -> None:
    """What is asked of every operation before anyone looks at its tensors."""
    op = site.op
    if op.kind not in KERNELS and op.kind not in FOLDED:
        fix = f"It has {', '.join(sorted({*KERNELS, *FOLDED}))}."
        raise unsupported(site, "is not in the aot engine", fix=fix)
    if not op.inputs or not op.outputs:
        raise unsupported(site, f"has {len(op.inputs)} inputs and {len(op.outputs)} outputs")
    for index in op.inputs:
        # so that an empty output is one that nobody reads
        if index is not None and not site.graph.tensors[index].elements:
            raise unsupported(site, f"works on the empty tensor '{site.graph.tensors[index].name}'")
    if not made_outputs(site):
        raise unsupported(site, f"makes the empty tensor '{site.graph.tensors[op.outputs[0]].name}'")


def _step(site: Site) -> Step:
    kernel = KERNELS.get(site.op.kind)
    if kernel is None:
        raise unsupported(site, "works on values that are not known before the first inference")
    try:
        with np.errstate(over="ignore"):
            made = kernel(site)
        calls = (made,) if isinstance(made, KernelCall) else tuple(made)
        _check_writes(site, calls)
        calls = _with_constant_operands(site, calls)
    except (ArithmeticError, LookupError, ValueError) as error:
        # A file may be well-formed and still make no sense: ranks, scales and values of any size.
        raise unsupported(site, f"has tensors or options that do not fit together ({error})") from error
    return Step(op=site.op, calls=calls)


def _check_writes(site: Site, calls: Sequence[KernelCall]) -> None:
    """Every output is made by one of the calls."""
    arguments = [a for call in calls for a in call.arguments if isinstance(a, TensorArgument)]
    written = {argument.position for argument in arguments if argument.is_output}
    if written != made_outputs(site):
        ends = f"{len(site.op.inputs)} inputs and {len(site.op.outputs)} outputs"
        raise unsupported(site, f"has {ends}, but makes {len(written)}")


def _with_constant_operands(site: Site, calls: Sequence[KernelCall]) -> tuple[KernelCall, ...]:
    """Operands that are constants become tables; where flash lies apart they are copied to scratch first."""
    done: list[KernelCall] = []
    loaded: set[int] = set()
    for call in calls:
        arguments: list[Argument] = []
        for argument in call.arguments:
            operand = _constant_operand(site, argument)
            if operand is None or not isinstance(argument, TensorArgument):
                arguments.append(argument)
                continue
            position, tensor, values = operand
            role = f"input_{position}"
            if not site.cpu.flash_apart:
                arguments.append(table(role, tensor.dtype, values))
                continue
            check_dims(site, (tensor.nbytes,))
            room = Scratch(role=role, nbytes=tensor.nbytes, align=tensor.dtype.itemsize, ctype=argument.ctype)
            if position not in loaded:
                loaded.add(position)
                done.append(_load(room, values))
            arguments.append(room)
        # a table can not be overwritten
        in_place = tuple(
            i for i in call.in_place if site.graph.tensors[site.op.required_input(i)].data is None
        )
        done.append(replace(call, arguments=tuple(arguments), in_place=in_place))
    return tuple(done)


def _load(room: Scratch, values: npt.NDArray[Any]) -> KernelCall:
    """The copy of a constant from flash to scratch."""
    bytes_ = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    return KernelCall(
        function="nn_load",
        arguments=(replace(room, ctype="uint8_t *"), table(room.role, DType.UINT8, bytes_), str(room.nbytes)),
    )


def _constant_operand(site: Site, argument: Argument) -> tuple[int, Tensor, npt.NDArray[Any]] | None:
    """(position, tensor, values) of an input that is passed as a tensor and is a constant."""
    if not isinstance(argument, TensorArgument) or argument.is_output:
        return None
    tensor = site.graph.tensors[site.op.required_input(argument.position)]
    return None if tensor.data is None else (argument.position, tensor, tensor.data)


def _check_ends(graph: Graph) -> None:
    """Inputs and outputs must go into a firmware's tensor table (docs/PROTOCOL.md)."""
    for what, indices in (("inputs", graph.inputs), ("outputs", graph.outputs)):
        if len(indices) > _ENDS_MAX:
            raise UnsupportedError(
                f"{graph.name}: has {len(indices)} {what}, more than {_ENDS_MAX}.",
                fix="Join some of them to one tensor.",
            )
    for tensor in (*graph.input_tensors(), *graph.output_tensors()):
        if tensor.dtype is DType.FLOAT16:
            raise UnsupportedError(
                f"{graph.name}: tensor '{tensor.name}' is {tensor.dtype.value}.",
                fix="Inputs and outputs are float32, integers or booleans.",
            )


def _check_outputs(known: FoldedGraph) -> None:
    """An output must be made by the model, or handed through from an input."""
    for index in known.graph.outputs:
        if not known.graph.tensors[index].elements:
            name = known.graph.tensors[index].name
            raise UnsupportedError(
                f"{known.graph.name}: output '{name}' is empty.", fix="Take it out of the model."
            )
        if known.graph.tensors[known.root(index)].data is not None:
            name = known.graph.tensors[index].name
            raise UnsupportedError(
                f"{known.graph.name}: output '{name}' is a constant.", fix="Take it out of the model."
            )


def _check_reads(known: FoldedGraph, cpu: Cpu) -> None:
    """Every tensor that a step reads is a constant, or lies in the arena by then."""
    tensors = known.graph.tensors
    made = {*known.graph.inputs, *(t.index for t in variables(known.graph))}
    for op in known.ops:
        for index in op.inputs:
            if index is None or tensors[index].data is not None:
                continue
            if known.root(index) not in made:
                site = Site(graph=known.graph, op=op, cpu=cpu)
                raise unsupported(site, f"reads '{tensors[index].name}', which nothing makes")
        made.update(op.outputs)
