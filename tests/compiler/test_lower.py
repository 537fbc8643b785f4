# SPDX-License-Identifier: Apache-2.0
"""Lowering: what is folded, what shares bytes, and what is refused with which words."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compiler import FLAT, Buffer, Program, compile_graph, lower
from harness.compiler.fold import fold
from harness.compiler.layout import Sharing, Step
from harness.graph import Graph, read_tflite
from tests import tflite_builder as tb
from tests.kernels.models import PLAIN, check, few
from tests.tflite_builder import ModelBuilder

from .test_plan import exact, greedy_by_size

Q = PLAIN.input


def graph_of(data: bytes) -> Graph:
    return read_tflite(data, name="model")


def kinds(program: Program) -> list[str]:
    return [step.op.kind for step in program.steps]


# -- a device on paper ------------------------------------------------------------------------------


def roots(graph: Graph) -> dict[int, int]:
    """Tensor -> the tensor whose bytes it is: RESHAPE is the only operation that renames."""
    found = {tensor.index: tensor.index for tensor in graph.tensors}
    for op in graph.ops:
        if op.kind == "RESHAPE":
            found[op.outputs[0]] = found[op.required_input(0)]
    return found


def activations(graph: Graph, step: Step) -> Iterator[tuple[int, int]]:
    """(position, tensor) of the inputs that lie in the arena."""
    for position, index in enumerate(step.op.inputs):
        if index is not None and graph.tensors[index].data is None:
            yield position, index


def simulate(graph: Graph, program: Program) -> None:
    """Every byte of the arena remembers whose it is; a step must find all of its inputs untouched."""
    owner: list[int | None] = [None] * program.layout.plan.arena_bytes
    root = roots(graph)

    def span(index: int) -> range:
        at = program.layout.offsets[index]
        return range(at, at + graph.tensors[index].nbytes)

    def write(index: int) -> None:
        for byte in span(index):
            owner[byte] = root[index]

    def assert_intact(index: int, step: str) -> None:
        assert all(owner[byte] == root[index] for byte in span(index)), (step, index)

    for index in graph.inputs:
        write(index)
    for number, step in enumerate(program.steps):
        output = step.op.outputs[0]
        for position, index in activations(graph, step):
            assert span(index).start % graph.tensors[index].dtype.itemsize == 0
            assert_intact(index, f"step {number}")
            if set(span(index)) & set(span(output)):
                assert position in step.in_place
                assert span(index).start == span(output).start
        write(output)
    for index in graph.outputs:
        assert_intact(index, "end")


# -- random networks ---------------------------------------------------------------------------------


class Growth:
    """A network that grows by operations that may work in place, and by joins."""

    def __init__(self) -> None:
        self.b = ModelBuilder()
        self.values = [self.b.tensor((1, 4, 6, 2), **Q)]
        self.inputs = list(self.values)

    def shape(self, index: int) -> tuple[int, ...]:
        return self.b.tensors[index].shape

    def new(self, shape: tuple[int, ...], dtype: str = "int8") -> int:
        index = self.b.tensor(shape, dtype, **(Q if dtype == "int8" else {}))
        if dtype == "int8":
            self.values.append(index)
        return index

    def relu(self, x: int) -> None:
        self.b.op("RELU", [x], [self.new(self.shape(x))])

    def through_float(self, x: int) -> None:
        middle = self.new(self.shape(x), "float32")
        self.b.op("DEQUANTIZE", [x], [middle])
        self.b.op("QUANTIZE", [middle], [self.new(self.shape(x))])

    def reshape(self, x: int) -> None:
        shape = self.shape(x)
        turned = (1, *shape[:0:-1])
        target = self.b.constant(turned, "int32")
        self.b.op("RESHAPE", [x, target], [self.new(turned)], tb.reshape_options(turned))

    def pool(self, x: int) -> None:
        height, width = (min(2, size) for size in self.shape(x)[1:3])
        shape = (1, self.shape(x)[1] // height, self.shape(x)[2] // width, self.shape(x)[3])
        options = tb.pool_options(filter_size=(height, width), strides=(height, width))
        self.b.op("MAX_POOL_2D", [x], [self.new(shape)], options)

    def pad(self, x: int) -> None:
        _, height, width, depth = self.shape(x)
        widths = self.b.constant([[0, 0], [1, 0], [0, 1], [0, 0]], "int32")
        self.b.op("PAD", [x, widths], [self.new((1, height + 1, width + 1, depth))], ("PadOptions", {}))

    def add(self, x: int) -> None:
        """To the oldest value of the same shape: a long lifetime; or to itself."""
        partner = next(v for v in self.values if self.shape(v) == self.shape(x))
        self.b.op("ADD", [x, partner], [self.new(self.shape(x))], tb.add_options())


@st.composite
def networks(draw: st.DrawFn, most: int = 10) -> bytes:
    """Up to `most` operations on any earlier value; the last value and maybe others are outputs."""
    net = Growth()
    grow: list[Callable[[int], None]] = [
        net.relu, net.through_float, net.reshape, net.pool, net.pad, net.add, net.add,
    ]  # fmt: skip
    for _ in range(draw(st.integers(1, most))):
        draw(st.sampled_from(grow))(draw(st.sampled_from(net.values[-3:])))
    outputs = [op.outputs[0] for op in net.b.ops if op.outputs[0] in net.values]
    computed = [value for value in outputs if not renames_input(net, value)]
    if not computed:
        net.relu(net.values[-1])
        computed = [net.values[-1]]
    chosen = {computed[-1], *draw(st.lists(st.sampled_from(computed), max_size=2))}
    return net.b.build(net.inputs, sorted(chosen))


def renames_input(net: Growth, value: int) -> bool:
    """Whether a value is the model's input under another shape."""
    maker = {op.outputs[0]: op for op in net.b.ops}
    while value in maker and maker[value].kind == "RESHAPE":
        value = maker[value].inputs[0]
    return value in net.inputs


@settings(max_examples=80, derandomize=True, deadline=None, database=None)
@given(networks())
def test_no_step_destroys_what_is_still_needed(data: bytes) -> None:
    graph = graph_of(data)
    simulate(graph, lower(graph))


def apart(graph: Graph, program: Program) -> list[Buffer]:
    """Every value in bytes of its own: what no sharing gives."""
    root = roots(graph)
    last = {root[index]: len(program.steps) for index in graph.outputs}
    for number, step in reversed(list(enumerate(program.steps))):
        for _, index in activations(graph, step):
            last.setdefault(root[index], number)
    made = [(-1, index) for index in graph.inputs]
    made += [(number, step.op.outputs[0]) for number, step in enumerate(program.steps)]
    return [
        Buffer(
            nbytes=graph.tensors[index].nbytes, first=number, last=max(number, last.get(index, number)),
            align=graph.tensors[index].dtype.itemsize,
        )
        for number, index in made
    ]  # fmt: skip


@settings(max_examples=150, derandomize=True, deadline=None, database=None)
@given(networks())
def test_sharing_never_costs_anything(data: bytes) -> None:
    graph = graph_of(data)
    program = lower(graph)
    assert program.layout.plan.arena_bytes <= greedy_by_size(apart(graph, program))


@settings(max_examples=60, derandomize=True, deadline=None, database=None)
@given(networks(most=3))
def test_few_steps_get_the_smallest_arena_that_any_sharing_gives(data: bytes) -> None:
    """Every choice of every step, each placed by the exact solver of test_plan.py."""
    graph = graph_of(data)
    program = lower(graph)
    known = fold(graph, FLAT)
    choices = [range(len(step.in_place) + 1) for step in program.steps]
    smallest = min(
        exact(Sharing.of(known, program.steps, grow=True, wishes=dict(enumerate(choice))).buffers(FLAT))
        for choice in itertools.product(*choices)
    )
    assert program.layout.plan.arena_bytes == smallest


@given(networks())
@few(25)
def test_random_networks_equal_the_oracle(data: bytes) -> None:
    check(data, samples=4)


# -- named cases --------------------------------------------------------------------------------------


def flatten_as_keras_converts_it() -> bytes:
    """Flatten with an unknown batch size: the shape is computed from the tensor's own."""
    b = ModelBuilder()
    x, image, flat = b.tensor((1, 2, 3, 2), **Q), b.tensor((1, 2, 3, 2), **Q), b.tensor((1, 12), **Q)
    shape, batch, target = (b.tensor(size, "int32") for size in [(4,), (), (2,)])
    y = b.tensor((1, 3), scale=0.1, zero_point=2)
    b.op("RELU", [x], [image])
    b.op("SHAPE", [image], [shape], ("ShapeOptions", {"OutType": 2}))
    bounds = [b.constant([value], "int32") for value in (0, 1, 1)]
    b.op("STRIDED_SLICE", [shape, *bounds], [batch], tb.slice_options(shrink_axis_mask=1))
    b.op("PACK", [batch, b.constant(12, "int32")], [target], tb.pack_options(count=2))
    b.op("RESHAPE", [image, target], [flat])
    w = b.constant(np.arange(36).reshape(3, 12) - 17, scales=[0.01])
    b.op("FULLY_CONNECTED", [flat, w, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


def test_flatten_is_folded_away() -> None:
    data = flatten_as_keras_converts_it()
    graph = graph_of(data)
    program = lower(graph)
    assert kinds(program) == ["RELU", "FULLY_CONNECTED"]
    # The input becomes the flat vector in its own bytes; beside it lie the three outputs.
    assert program.layout.plan.arena_bytes == 12 + 3
    check(data)


def test_a_slice_by_masks_is_folded_too() -> None:
    b = ModelBuilder()
    x, y, out = b.tensor((1, 6), **Q), b.tensor((6, 1), **Q), b.tensor((6, 1), **Q)
    shape, tail = b.tensor((2,), "int32"), b.tensor((1,), "int32")
    b.op("SHAPE", [x], [shape], ("ShapeOptions", {"OutType": 2}))
    bounds = [b.constant([value], "int32") for value in (1, 0, 1)]
    b.op("STRIDED_SLICE", [shape, *bounds], [tail], tb.slice_options(end_mask=1))
    b.op("RESHAPE", [x, tail], [y])
    b.op("RELU", [y], [out])
    assert kinds(lower(graph_of(b.build([x], [out])))) == ["RELU"]


def chain(kind: str, count: int, dtype: str = "int8") -> bytes:
    b = ModelBuilder()
    values = [b.tensor((1, 10), dtype, **(Q if dtype == "int8" else {})) for _ in range(count + 1)]
    for before, after in itertools.pairwise(values):
        b.op(kind, [before], [after])
    return b.build([values[0]], [values[-1]])


@pytest.mark.parametrize(("dtype", "arena_bytes"), [("int8", 10), ("float32", 40)])
def test_a_chain_in_place_needs_one_tensor(dtype: str, arena_bytes: int) -> None:
    assert lower(graph_of(chain("RELU", 5, dtype))).layout.plan.arena_bytes == arena_bytes


def test_an_input_that_is_used_again_is_not_overwritten() -> None:
    b = ModelBuilder()
    x, once, y = (b.tensor((1, 10), **Q) for _ in range(3))
    b.op("RELU", [x], [once])
    b.op("ADD", [once, x], [y], tb.add_options())
    data = b.build([x], [y])
    program = lower(graph_of(data))
    assert program.layout.offsets[x] != program.layout.offsets[once]
    assert program.layout.plan.arena_bytes == 20
    check(data)


def test_a_value_added_to_itself() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 10), **Q), b.tensor((1, 10), **Q)
    b.op("ADD", [x, x], [y], tb.add_options())
    data = b.build([x], [y])
    assert lower(graph_of(data)).layout.plan.arena_bytes == 10
    check(data)


def test_several_inputs_and_outputs_of_different_types() -> None:
    b = ModelBuilder()
    x, other = b.tensor((1, 3), "float32"), b.tensor((1, 5), **Q)
    stored, real, positive = b.tensor((1, 3), **Q), b.tensor((1, 5), "float32"), b.tensor((1, 5), **Q)
    b.op("QUANTIZE", [x], [stored])
    b.op("RELU", [other], [positive])
    b.op("DEQUANTIZE", [positive], [real])
    data = b.build([x, other], [stored, real, positive])
    graph = graph_of(data)
    simulate(graph, lower(graph))
    check(data)


def test_an_output_that_others_still_read_survives() -> None:
    b = ModelBuilder()
    x, first, second = (b.tensor((1, 10), **Q) for _ in range(3))
    b.op("RELU", [x], [first])
    b.op("RELU6", [first], [second])
    data = b.build([x], [first, second])
    assert lower(graph_of(data)).layout.plan.arena_bytes == 20
    check(data)


def test_an_output_that_grows_in_place_makes_room_only_where_that_pays() -> None:
    """DEQUANTIZE in place needs its four-fold size from its input's first step on."""
    b = ModelBuilder()
    x, big, small, y = (
        b.tensor((1, 4, 4, 2), **Q), b.tensor((1, 4, 4, 8), scale=0.1, zero_point=0),
        b.tensor((1, 4, 4, 2), **Q), b.tensor((1, 4, 4, 2), "float32"),
    )  # fmt: skip
    for source, target, outputs, inputs in [(x, big, 8, 2), (big, small, 2, 8)]:
        weights = b.constant(np.ones((outputs, 1, 1, inputs)), scales=[0.02])
        b.op("CONV_2D", [source, weights, -1], [target], tb.conv_options())
    b.op("DEQUANTIZE", [small], [y])
    data = b.build([x], [y])
    assert lower(graph_of(data)).layout.plan.arena_bytes == 128 + 32
    check(data)


def unrolled_lstm(steps: int, units: int) -> bytes:
    """As the converter leaves it: all inputs at once, then a chain of cells."""
    b = ModelBuilder()
    rows = [b.tensor((1, 3), "float32") for _ in range(steps)]
    x = b.tensor((steps, 3), "float32")

    def one(kind: str, *inputs: int, size: int = units, options: Any = None) -> int:
        made = b.tensor((1, size), "float32")
        b.op(kind, inputs, [made], options)
        return made

    def dense(value: int, size: int) -> int:
        weights = b.constant(np.ones((4 * units, size), np.float32), "float32")
        options = tb.fully_connected_options()
        return one("FULLY_CONNECTED", value, weights, -1, size=4 * units, options=options)

    b.op("UNPACK", [x], rows, ("UnpackOptions", {"Num": steps, "Axis": 0}))
    hidden = cell = None
    for row in rows:
        if hidden is None:
            sums = dense(row, 3)
        else:
            of_hidden = dense(hidden, units)
            sums = one("ADD", dense(row, 3), of_hidden, size=4 * units, options=tb.add_options())
        gates = [b.tensor((1, units), "float32") for _ in range(4)]
        b.op("SPLIT", [b.constant(1, "int32"), sums], gates, ("SplitOptions", {"NumSplits": 4}))
        kinds = ("LOGISTIC", "LOGISTIC", "TANH", "LOGISTIC")
        taken, kept, new, shown = (one(kind, gate) for kind, gate in zip(kinds, gates, strict=True))
        fresh = one("MUL", taken, new, options=("MulOptions", {}))
        if cell is not None:
            old = one("MUL", kept, cell, options=("MulOptions", {}))
            fresh = one("ADD", old, fresh, options=tb.add_options())
        cell = fresh
        hidden = one("MUL", shown, one("TANH", cell), options=("MulOptions", {}))
    assert hidden is not None
    return b.build([x], [hidden])


@pytest.mark.parametrize(("steps", "units"), [(4, 2), (4, 4), (6, 5)])
def test_an_unrolled_lstm_gets_the_arena_of_its_fullest_step(steps: int, units: int) -> None:
    """Where the first way of sharing that has the lowest bound misses it, another one does not."""
    plan = lower(graph_of(unrolled_lstm(steps, units))).layout.plan
    # two products of all gates and the cell, beside the inputs of the steps that follow
    assert plan.arena_bytes == 4 * (9 * units + 3 * (steps - 1))


def test_lowering_twice_gives_the_same_plan() -> None:
    graph = graph_of(flatten_as_keras_converts_it())
    assert lower(graph).layout == lower(graph).layout
    assert compile_graph(graph) == compile_graph(graph)
