# SPDX-License-Identifier: Apache-2.0
"""Layer by layer: every tensor that the arena holds against the oracle's, before its bytes are reused.

A firmware of its own runs the same kernels in the same arena, one step at a time (docs/PROTOCOL.md, STEP and
PEEK). Nothing of it is timed, and the one that is measured knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness import elf, reference
from harness.boards import Board
from harness.build import build
from harness.compiler import Program, compile_graph, cpu_named, lower
from harness.desk import Attachment
from harness.errors import DoesNotFitError, MismatchError, WrongFirmwareError
from harness.graph import Graph, Tensor
from harness.interpreters import Trace
from harness.link import Session, Timing, Transport
from harness.records import verify
from harness.rows import format_line
from harness.targets import Target

Array = npt.NDArray[Any]

#: The first ones: a wrong kernel shows in any, and each costs a round trip per layer.
SAMPLES: Final = 3

_NO_SUCH_TENSOR: Final = "the oracle has no such tensor"

#: Of a name in a message: converters join those of all layers that they fused.
_NAME_CHARS: Final = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One tensor, and how it compares: a line of the table."""

    step: int | None
    """Of the firmware; None for what never reaches it."""
    op: str
    tensor: int
    """Index in the .tflite."""
    name: str
    shape: str
    dtype: str
    elements: int
    """Of one sample."""
    compared: int
    """Of all samples."""
    mismatches: int | None
    """None where nothing was compared; `note` tells why."""
    max_abs_diff: float | None
    oracle: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerReport:
    """All layers in the order of the model."""

    layers: tuple[Layer, ...]
    remark: str = ""
    """Why the device was not looked at; empty where it was."""

    def table(self) -> bytes:
        """As CSV, with a line of column names."""
        columns = [field.name for field in fields(Layer)]
        lines = [format_line(columns)]
        lines += [format_line([getattr(layer, name) for name in columns]) for layer in self.layers]
        return b"".join(lines)

    def kept(self, log: Path) -> tuple[str, ...]:
        """Write the table beside the case's log. Returns remarks for its row.

        Raises:
            MismatchError: a layer differs; names the first.
        """
        draft = log.with_suffix(".layers.part")
        draft.write_bytes(self.table())
        draft.replace(log.with_suffix(".layers.csv"))
        self.raise_first()
        missed = sum(_NO_SUCH_TENSOR in layer.note for layer in self.layers)
        doubt = (
            f"{missed} of {len(self.layers)} layers were not compared: {_NO_SUCH_TENSOR}" if missed else ""
        )
        return tuple(remark for remark in (self.remark, doubt) if remark)

    def raise_first(self) -> None:
        """Raise the MismatchError that names the first layer which differs, where one does."""
        wrong = [layer for layer in self.layers if layer.mismatches]
        if not wrong:
            return
        first = wrong[0]
        name = first.name if len(first.name) <= _NAME_CHARS else f"{first.name[:_NAME_CHARS]}..."
        where = "folded by the compiler" if first.step is None else f"step {first.step}"
        raise MismatchError(
            f"The first layer that differs is {first.op} '{name}' ({where}): {first.mismatches} of "
            f"{first.compared} elements differ from {first.oracle}, by at most {first.max_abs_diff:g}; "
            f"{len(wrong)} of {len(self.layers)} layers differ.",
            cause="Its kernel, or what the compiler makes of its options, is wrong.",
            fix="Please report it with the .tflite and the case's .layers.csv, which tells all layers.",
        )


def check_layers(
    tflite: bytes,
    graph: Graph,
    board: Board,
    target: Target,
    *,
    inputs: Sequence[Array],
    stream: bool,
    case_id: str,
    cache: Path,
    log: Path,
    port: Attachment | None = None,
) -> LayerReport:
    """Build the firmware that runs step by step, run SAMPLES samples on it, compare.

    Args:
        tflite: the file that `graph` was read from.
        inputs: one array per input tensor, shape (samples, ...), in the tensor's dtype.
        stream: whether the model's variables go on from sample to sample.
        case_id: the measured firmware's; this one is filed beside it.
        log: receives the tools' output.
        port: where a real board is.

    Raises:
        QuantrigError: of the build, the target, the link or the oracle.
    """
    cpu = cpu_named(board.cpu)
    program = lower(graph, cpu)
    chosen = [array[:SAMPLES] for array in inputs]
    trace = reference.tensors(tflite, chosen, stream=stream)
    found: dict[int, Array] = {}
    remark = "" if program.steps else "No layer is left for the device."
    if program.steps:
        source = compile_graph(graph, cpu, stepwise=True)
        try:
            firmware = build(source, board, case_id=f"{case_id}.layers", cache=cache, log=log)
        except DoesNotFitError as error:
            remark = f"The layers were not checked: {error.what}"
        else:
            with (
                elf.faults_named(firmware.elf),
                target.open(firmware, board, log=log, port=port) as transport,
            ):
                found = run_steps(
                    transport,
                    program,
                    chosen,
                    stream=stream,
                    digest=firmware.firmware_sha256,
                    timing=port.timing(transport.baud) if port is not None else None,
                )
    return compare(graph, program, found, trace, remark)


def run_steps(
    transport: Transport,
    program: Program,
    inputs: Sequence[Array],
    *,
    stream: bool,
    digest: str,
    timing: Timing | None = None,
) -> dict[int, Array]:
    """What each tensor of the arena holds after the step that makes it, and each variable after the last.

    Returns:
        Index of the tensor -> shape (samples, elements), in its dtype.

    Raises:
        WrongFirmwareError: another firmware answers.
        QuantrigError: of the link.
    """
    session = Session(transport, timing=timing)
    if session.hello().firmware_sha256 != digest:
        raise WrongFirmwareError(
            "The device runs another firmware than the one that runs layer by layer.",
            cause="The upload failed or reached another board.",
            fix="Check which board is on the port, then run again.",
        )
    rows: dict[int, list[Array]] = {}

    def keep(index: int) -> None:
        tensor = program.graph.tensors[index]
        data = session.peek(program.layout.offsets[index], tensor.nbytes)
        stored = np.frombuffer(data, np.dtype(tensor.dtype.numpy).newbyteorder("<"))
        rows.setdefault(index, []).append(stored.astype(tensor.dtype.numpy))

    for sample in range(len(inputs[0])):
        if sample and not stream:
            session.reset()
        session.load([_bytes(array[sample]) for array in inputs])
        for number, step in enumerate(program.steps):
            session.step(number)
            for index in step.op.outputs:
                keep(index)
        for state in program.states:
            keep(state.tensor.index)
    return {index: np.stack(values) for index, values in rows.items()}


def _bytes(values: Array) -> bytes:
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()


def compare(
    graph: Graph, program: Program, found: Mapping[int, Array], trace: Trace, remark: str = ""
) -> LayerReport:
    """Every output of each operation in the model's order, then every variable, against the oracle's.

    Args:
        graph: the model that `program` was made from.
        found: what `run_steps` gives; empty where nothing ran.
        trace: the oracle's tensors after the same samples.
        remark: why nothing ran.
    """
    numbers = {step.op.index: number for number, step in enumerate(program.steps)}
    outcomes = {folded.op.index: folded.outcome for folded in program.folded}
    samples = len(next(iter(trace.values.values())))
    layers = []
    for op in graph.ops:
        for index in op.outputs:
            layer = _blank(graph.tensors[index], op.kind, trace.oracle, step=numbers.get(op.index))
            outcome = outcomes.get(op.index)
            if outcome == "alias":
                layers.append(replace(layer, note="folded: names the bytes of its input"))
            elif outcome is not None:
                data = np.asarray(program.graph.tensors[index].data).reshape(1, -1)
                value = np.repeat(data, samples, axis=0)
                layers.append(_compared(layer, value, trace, "folded: worked out by the compiler"))
            else:
                layers.append(_compared(layer, found.get(index), trace, remark))
    for state in program.states:
        layer = _blank(state.tensor, "variable", trace.oracle, step=len(program.steps) - 1)
        layers.append(_compared(layer, found.get(state.tensor.index), trace, remark))
    return LayerReport(layers=tuple(layers), remark=remark)


def _blank(tensor: Tensor, kind: str, oracle: str, *, step: int | None) -> Layer:
    return Layer(
        step=step,
        op=kind,
        tensor=tensor.index,
        name=tensor.name,
        shape="x".join(map(str, tensor.shape)) or "scalar",
        dtype=tensor.dtype.value,
        elements=tensor.elements,
        compared=0,
        mismatches=None,
        max_abs_diff=None,
        oracle=oracle,
        note="",
    )


def _compared(layer: Layer, found: Array | None, trace: Trace, note: str) -> Layer:
    expected = trace.values.get(layer.tensor)
    if found is None:
        return replace(layer, note=note)
    if expected is None or expected.shape != found.shape or expected.dtype != found.dtype:
        return replace(layer, note=f"{note}; {_NO_SUCH_TENSOR}".removeprefix("; "))
    result = verify(found, expected, trace.oracle)
    return replace(
        layer,
        compared=result.outputs_compared,
        mismatches=result.mismatches,
        max_abs_diff=result.max_abs_diff,
        note=note,
    )
