# SPDX-License-Identifier: Apache-2.0
"""Operations that move values against the oracle: any rank, axis, type and mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.compiler import AVR, FLAT, compile_graph, lower
from harness.errors import UnsupportedError
from harness.graph import read_tflite
from tests import tflite_builder as tb
from tests.native_model import NativeModel

from .models import check, few
from .models_move import (
    batch_to_space,
    broadcast_to,
    concatenation,
    depth_to_space,
    gather,
    gather_by_input,
    mirror_pad,
    pack,
    pad,
    reverse,
    slice_,
    space_to_batch,
    space_to_depth,
    split,
    split_v,
    strided_slice,
    tile,
    transpose,
    unpack,
)
from .strategies import seeds

dtypes = st.sampled_from(["int8", "float32", "int16", "int32"])
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@st.composite
def axes(draw: st.DrawFn, rank: int) -> int:
    """An axis, counted from either end."""
    return draw(st.integers(-rank, rank - 1))


@st.composite
def concatenations(draw: st.DrawFn) -> tuple[list[list[int]], int]:
    """Shapes that differ along an axis."""
    shape = draw(shapes)
    axis = draw(axes(len(shape)))
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    return [[size if i == axis % len(shape) else n for i, n in enumerate(shape)] for size in sizes], axis


@example(case=([[2, 3], [2, 1]], -1), dtype="int64", seed=1)
@example(case=([[2, 3], [2, 1]], 1), dtype="bool", seed=1)
@example(case=([[1, 2, 2]] * 10, 0), dtype="int8", seed=1)
@given(case=concatenations(), dtype=dtypes, seed=seeds)
@few(8)
def test_concatenation(case: tuple[list[list[int]], int], dtype: str, seed: int) -> None:
    check(concatenation(dtype, *case), seed=seed)


@pytest.mark.parametrize("dtype", ["int8", "float32", "int64", "bool"])
def test_concatenation_with_a_constant(dtype: str) -> None:
    constant = np.arange(4).reshape(2, 2) % 2 if dtype == "bool" else np.arange(4).reshape(2, 2)
    for cpu in (FLAT, AVR):
        check(concatenation(dtype, [(2, 3)], 1, constant=constant), cpu=cpu)


@st.composite
def parts(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """A shape, an axis, and sizes that fill it."""
    shape, sizes = draw(shapes), draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    shape[axis] = sum(sizes)
    return shape, sizes, axis


@given(case=parts(), dtype=dtypes, data=st.data(), seed=seeds)
@few(8)
def test_split_v(case: tuple[list[int], list[int], int], dtype: str, data: st.DataObject, seed: int) -> None:
    rest = data.draw(st.one_of(st.none(), st.integers(0, len(case[1]) - 1)))
    check(split_v(dtype, *case, rest=rest), seed=seed)


@given(shape=shapes, count=st.integers(1, 4), dtype=dtypes, data=st.data(), seed=seeds)
@few(8)
def test_split(shape: list[int], count: int, dtype: str, data: st.DataObject, seed: int) -> None:
    axis = data.draw(axes(len(shape)))
    shape[axis] *= count
    check(split(dtype, shape, count, axis), seed=seed)


@given(shape=shapes, dtype=dtypes, data=st.data(), seed=seeds)
@few(6)
def test_pack_and_unpack(shape: list[int], dtype: str, data: st.DataObject, seed: int) -> None:
    check(unpack(dtype, shape, data.draw(axes(len(shape)))), seed=seed)
    count = data.draw(st.integers(1, 3))
    check(pack(dtype, shape, count, data.draw(axes(len(shape) + 1))), seed=seed)


@st.composite
def slices(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    """Shape, begin, size (-1 for the rest at times)."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    begin = [draw(st.integers(0, size - 1)) for size in shape]
    left = [total - at for total, at in zip(shape, begin, strict=True)]
    return shape, begin, [draw(st.sampled_from([-1, *range(1, size + 1)])) for size in left]


@example(case=([2, 3], [0, 1], [2, -1]), dtype="bool", seed=1)
@given(case=slices(), dtype=dtypes, seed=seeds)
@few(10)
def test_slice(case: tuple[list[int], list[int], list[int]], dtype: str, seed: int) -> None:
    check(slice_(dtype, *case), seed=seed)


def python_slice(entry: tuple[int, int, int], *, begin_masked: bool, end_masked: bool) -> slice:
    begin, end, stride = entry
    return slice(None if begin_masked else begin, None if end_masked else end, stride)


@st.composite
def strided(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int, int]], list[int], dict[str, int]]:
    """Shape, ranges beyond the ends too, the output's shape by numpy, and masks."""
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    ranges, output = [], []
    masks = {"BeginMask": 0, "EndMask": 0, "ShrinkAxisMask": 0}
    for axis, size in enumerate(shape):
        if draw(st.integers(0, 4)) == 0:
            masks["ShrinkAxisMask"] |= 1 << axis
            at = draw(st.integers(-size, size - 1))
            ranges.append((at, at + 1, 1))
            continue
        stride = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        begin, end = draw(st.integers(-7, 7)), draw(st.integers(-7, 7))
        masked = [draw(st.booleans()), draw(st.booleans())]
        chosen = python_slice((begin, end, stride), begin_masked=masked[0], end_masked=masked[1])
        left = len(range(*chosen.indices(size)))
        if not left:
            masked, left = [True, True], len(range(0, size, abs(stride)))
        masks["BeginMask"] |= masked[0] << axis
        masks["EndMask"] |= masked[1] << axis
        ranges.append((begin, end, stride))
        output.append(left)
    return shape, ranges, output, masks


@given(case=strided(), dtype=dtypes, seed=seeds)
@few(20)
def test_strided_slice(case: Any, dtype: str, seed: int) -> None:
    shape, ranges, output, masks = case
    check(strided_slice(dtype, shape, ranges, output, masks=masks), seed=seed)


@pytest.mark.parametrize(
    ("ranges", "masks", "index"),
    [
        ([(1, 3, 1), (0, 0, 1), (0, 4, 2)], {"EllipsisMask": 2}, np.s_[1:3, ..., 0:4:2]),
        ([(0, 0, 1), (3, 0, -2)], {"EllipsisMask": 1}, np.s_[..., 3:0:-2]),
        ([(1, 3, 1), (0, 0, 1)], {"NewAxisMask": 2}, np.s_[1:3, np.newaxis]),
        ([(0, 0, 1), (0, 0, 1), (2, 3, 1)], {"NewAxisMask": 1, "EllipsisMask": 2, "ShrinkAxisMask": 4},
         np.s_[np.newaxis, ..., 2]),
        ([(1, 2, 1), (2, 2, 1)], {"Offset": True}, np.s_[1:3, 2:4]),
        ([(1, 3, 1)], {}, np.s_[1:3]),
    ],
)  # fmt: skip
def test_strided_slice_with_the_masks_that_tflm_ignores(
    ranges: list[tuple[int, int, int]], masks: dict[str, int], index: Any
) -> None:
    """numpy is the oracle."""
    values = np.arange(60, dtype=np.int8).reshape(3, 5, 4)
    expected = values[index]
    data = strided_slice("int8", values.shape, ranges, expected.shape, masks=masks)
    graph = read_tflite(data, name="model")
    (ours,) = NativeModel(graph, compile_graph(graph)).run([values.reshape(1, -1)])
    assert ours.reshape(expected.shape).tolist() == expected.tolist()


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=5), data=st.data(), seed=seeds)
@few(15)
def test_transpose(shape: list[int], data: st.DataObject, seed: int) -> None:
    order = data.draw(st.permutations(range(len(shape))))
    check(transpose(data.draw(st.sampled_from(["int8", "int16", "float32"])), shape, order), seed=seed)


@st.composite
def gathers(draw: st.DrawFn) -> tuple[list[int], Any, int, int]:
    """Shape, indices, axis, batch_dims."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    batch_dims = draw(st.integers(0, axis))
    picks = [*shape[:batch_dims], *draw(st.lists(st.integers(1, 3), max_size=2))]
    indices = np.random.default_rng(draw(seeds)).integers(0, shape[axis], picks)
    return shape, indices, axis, batch_dims


@example(case=([2, 3, 4], np.array([[2, 0], [1, 1]]), 1, 1), dtype="int8", seed=1)
@example(case=([2, 3, 4], np.array(2), -2, 0), dtype="float32", seed=1)
@given(case=gathers(), dtype=st.sampled_from(["int8", "float32"]), seed=seeds)
@few(10)
def test_gather(case: tuple[list[int], Any, int, int], dtype: str, seed: int) -> None:
    shape, indices, axis, batch_dims = case
    check(gather(dtype, shape, indices, axis, batch_dims=batch_dims), seed=seed)


def test_gather_by_wide_constant_indices() -> None:
    """Keras makes them of int64, which TFLM lacks; numpy is the oracle."""
    values = np.arange(24, dtype=np.int8).reshape(2, 4, 3)
    data = gather("int8", values.shape, [3, 0, 3], 1, index_dtype="int64")
    graph = read_tflite(data, name="model")
    (ours,) = NativeModel(graph, compile_graph(graph)).run([values.reshape(1, -1)])
    assert ours[0].tolist() == values[:, [3, 0, 3]].reshape(-1).tolist()


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_gather_of_a_table(dtype: str) -> None:
    table = np.random.default_rng(1).integers(-100, 100, (7, 3))
    check(gather_by_input(dtype, table, (2, 2), 0), inputs=[np.array([[0, 6, 3, 3], [1, 2, 5, 0]], np.int32)])


def test_an_index_that_is_not_there_reads_the_nearest_entry() -> None:
    table = np.arange(12).reshape(4, 3)
    graph = read_tflite(gather_by_input("int8", table, (4,), 0), name="model")
    indices = np.array([[-(2**31), -1, 4, 2**31 - 1]], np.int32)
    (ours,) = NativeModel(graph, compile_graph(graph)).run([indices])
    assert ours.reshape(4, 3).tolist() == table[[0, 0, 3, 3]].tolist()


@st.composite
def paddings(draw: st.DrawFn, *, most: int = 3) -> tuple[list[int], list[tuple[int, int]]]:
    """Up to rank 5, batch padded too."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    width = st.integers(0, most)
    return shape, [(draw(width), draw(width)) for _ in shape]


@given(case=paddings(), dtype=dtypes, fill=st.sampled_from([None, None, 3, -7]), seed=seeds)
@few(12)
def test_pad(case: tuple[list[int], list[tuple[int, int]]], dtype: str, fill: int | None, seed: int) -> None:
    check(pad(dtype, *case, fill=fill), seed=seed)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_pad_by_an_input(dtype: str) -> None:
    check(pad(dtype, (2, 3), [(1, 2), (0, 1)], fill_is_input=True))


@st.composite
def mirrors(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]], str]:
    """Widths up to all that there is to mirror."""
    mode = draw(st.sampled_from(["REFLECT", "SYMMETRIC"]))
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    most = [size - (mode == "REFLECT") for size in shape]
    return shape, [(draw(st.integers(0, n)), draw(st.integers(0, n))) for n in most], mode


@given(case=mirrors(), dtype=st.sampled_from(["int8", "float32"]), seed=seeds)
@few(10)
def test_mirror_pad(case: tuple[list[int], list[tuple[int, int]], str], dtype: str, seed: int) -> None:
    shape, widths, mode = case
    check(mirror_pad(dtype, shape, widths, mode=mode), seed=seed)


@given(dtype=st.sampled_from(["int8", "float32"]), data=st.data(), seed=seeds)
@few(6)
def test_broadcast_to(dtype: str, data: st.DataObject, seed: int) -> None:
    output = data.draw(shapes)
    shape = [data.draw(st.sampled_from([1, size])) for size in output]
    check(broadcast_to(dtype, shape[data.draw(st.integers(0, len(shape) - 1)) :], output), seed=seed)


def test_reverse() -> None:
    check(reverse("float32", (2, 3, 4), [1]))
    check(reverse("int8", (2, 3, 4), [2]))


@pytest.mark.parametrize(("shape", "counts"), [((2, 1, 3), (2, 3, 2)), ((2, 3), (1, 4)), ((3,), (1,))])
def test_tile(shape: tuple[int, ...], counts: tuple[int, ...]) -> None:
    """TFLM lacks it; numpy is the oracle."""
    values = np.arange(np.prod(shape), dtype=np.int8).reshape(shape)
    graph = read_tflite(tile("int8", shape, counts), name="model")
    (ours,) = NativeModel(graph, compile_graph(graph)).run([values.reshape(1, -1)])
    assert ours[0].tolist() == np.tile(values, counts).reshape(-1).tolist()


@st.composite
def blocks(draw: st.DrawFn) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Shape of a padded image of batch 1 or 2, its blocks, and how much of each end is padding."""
    sides = [2, 2] if draw(st.booleans()) else [draw(st.integers(1, 3))]
    small = [draw(st.integers(1, 3)) for _ in sides]
    ends = [(draw(st.integers(0, 2)), draw(st.integers(0, 2))) for _ in sides]
    whole = [n * side for n, side in zip(small, sides, strict=True)]
    ends = [pair if sum(pair) < size else (0, 0) for pair, size in zip(ends, whole, strict=True)]
    return [draw(st.integers(1, 2)), *whole, draw(st.integers(1, 3))], sides, ends


@given(case=blocks(), seed=seeds)
@few(8)
def test_space_to_batch_and_back(case: Any, seed: int) -> None:
    (batch, *whole, depth), sides, ends = case
    image = [size - sum(pair) for size, pair in zip(whole, ends, strict=True)]
    check(space_to_batch("float32", [batch, *image, depth], sides, ends), seed=seed)
    small = [size // side for size, side in zip(whole, sides, strict=True)]
    parts = [batch * int(np.prod(sides)), *small, depth]
    check(batch_to_space("int8", parts, sides, ends), seed=seed)


def test_space_to_batch_pads_with_the_stored_zero() -> None:
    """TFLM pads int8 with whatever it finds in memory; -3 is what the builder's tensors store for zero."""
    values = np.arange(6, dtype=np.int8).reshape(1, 6, 1)
    graph = read_tflite(space_to_batch("int8", values.shape, (4,), [(1, 1)]), name="model")
    (ours,) = NativeModel(graph, compile_graph(graph)).run([values.reshape(1, -1)])
    padded = np.pad(values[0, :, 0], 1, constant_values=-3)
    assert ours[0].tolist() == padded.reshape(2, 4).T.reshape(-1).tolist()


def test_depth_to_space_and_back() -> None:
    check(depth_to_space("int8", (2, 2, 3, 12), 2))
    check(depth_to_space("float32", (1, 2, 3, 9), 3))
    check(space_to_depth("float32", (2, 4, 6, 3), 2))
    check(space_to_depth("int8", (1, 3, 6, 2), 3))


def calls(data: bytes) -> list[tuple[str, tuple[int, ...]]]:
    """Function and in-place inputs of each call."""
    steps = lower(read_tflite(data, name="model")).steps
    return [(call.function, call.in_place) for step in steps for call in step.calls]


def test_what_moves_no_byte_needs_no_kernel() -> None:
    for data in (
        transpose("int8", (1, 4, 1, 3), (0, 2, 1, 3)),
        slice_("int8", (2, 3), (0, 0), (2, -1)),
        concatenation("float32", [(2, 3)], 0),
        pack("int8", (2, 3), 1, 2),
        split("int8", (2, 3), 1, 0),
        broadcast_to("int8", (2, 3), (1, 2, 3)),
    ):
        assert calls(data) == []


def test_slices_work_in_place_and_what_turns_back_does_not() -> None:
    assert calls(slice_("int8", (3, 4), (1, 1), (2, 2))) == [("nn_copy", (0,))]
    assert calls(strided_slice("int8", (9,), [(0, 9, 2)], (5,))) == [("nn_copy", (0,))]
    assert calls(reverse("int8", (3, 4), [1])) == [("nn_copy", ())]
    assert calls(transpose("int8", (3, 4), (1, 0))) == [("nn_copy", ())]
    assert calls(tile("int8", (3,), (2,))) == [("nn_copy", ())]


def test_in_place_slices_equal_the_oracle() -> None:
    """A network in which the slice takes the bytes of its input."""
    b = tb.ModelBuilder()
    x, moved, sliced, y = (
        b.tensor(shape, scale=0.05) for shape in [(2, 5, 6), (2, 6, 5), (2, 3, 4), (2, 4, 3)]
    )
    b.op("TRANSPOSE", [x, b.constant([0, 2, 1], "int32")], [moved], ("TransposeOptions", {}))
    at = [b.constant(values, "int32") for values in ([0, 2, 1], [2, 3, 4])]
    b.op("SLICE", [moved, *at], [sliced], ("SliceOptions", {}))
    b.op("TRANSPOSE", [sliced, b.constant([0, 2, 1], "int32")], [y], ("TransposeOptions", {}))
    data = b.build([x], [y])
    assert lower(read_tflite(data, name="model")).layout.plan.arena_bytes == 120
    check(data)


def refused(data: bytes) -> str:
    with pytest.raises(UnsupportedError) as error:
        compile_graph(read_tflite(data, name="model"))
    return f"{error.value} {error.value.fix}"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (slice_("int8", (3, 4), (1, 2), (2, 3)), "3 indices from 2 in steps of 1 of an axis of 4"),
        (slice_("int8", (3, 4), (1, -1), (2, 1)), "from -1"),
        (strided_slice("int8", (4,), [(0, 4, 0)], (4,)), "a stride of 0"),
        (strided_slice("int8", (4,), [(0, 4, 1)], (3,)), "it makes [4], and output 0 is [3]"),
        (strided_slice("int8", (4,), [(0, 4, 1), (0, 1, 1)], (4,)), "2 ranges for [4]"),
        (transpose("int8", (3, 4), (0, 0)), "[0, 0] is no order of 2 axes"),
        (gather("int8", (3, 4), [0, 3], 0), "an index outside of an axis of 3"),
        (mirror_pad("int8", (3,), [(3, 0)], mode="REFLECT"), "it mirrors 3 of an axis of 3"),
        (split_v("int8", (4,), [1, 2], 0), "parts of [1, 2]"),
    ],
)
def test_what_would_reach_outside_is_refused(data: bytes, reason: str) -> None:
    message = refused(data)
    assert "operation 0" in message
    assert reason in message


def test_an_output_that_nothing_makes_is_refused() -> None:
    b = tb.ModelBuilder()
    x, y, more = b.tensor((4, 2), scale=0.1), b.tensor((2, 4), scale=0.1), b.tensor((2, 4), scale=0.1)
    b.op("TRANSPOSE", [x, b.constant([1, 0], "int32")], [y, more], ("TransposeOptions", {}))
    assert "has 2 outputs, which it does not all make" in refused(b.build([x], [y, more]))


def test_inputs_of_another_scale_are_refused() -> None:
    b = tb.ModelBuilder()
    x, other = b.tensor((1, 4), scale=0.1), b.tensor((1, 4), scale=0.2)
    y = b.tensor((2, 4), scale=0.1)
    b.op("CONCATENATION", [x, other], [y], ("ConcatenationOptions", {"Axis": 0}))
    message = refused(b.build([x, other], [y]))
    assert "changes the scale or zero point" in message
    assert "QUANTIZE" in message
