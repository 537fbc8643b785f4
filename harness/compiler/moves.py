# SPDX-License-Identifier: Apache-2.0
"""The operations that only move values, as moves between views of their tensors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from harness.compiler.views import Move, View, starts
from harness.graph import (
    Activation,
    AxisParams,
    BlockParams,
    MirrorMode,
    MirrorPadParams,
    Op,
    StridedSliceParams,
    Tensor,
)

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Moving:
    """An operation and the tensors that it stands among."""

    op: Op
    tensors: Sequence[Tensor]

    def input(self, position: int) -> Tensor:
        """Input `position`; ValueError where there is none."""
        if position >= len(self.op.inputs):
            raise ValueError(f"input {position} is missing")
        return self.tensors[self.op.required_input(position)]

    def inputs(self) -> list[Tensor]:
        """All inputs."""
        return [self.input(position) for position in range(len(self.op.inputs))]

    def outputs(self) -> list[Tensor]:
        """All outputs."""
        return [self.tensors[index] for index in self.op.outputs]

    def integers(self, position: int) -> list[int]:
        """The constant integers of an input, in the order of memory."""
        data = self.input(position).data
        if data is None or data.dtype.kind not in "iu":
            raise ValueError(f"input {position} must be constant integers")
        return [int(value) for value in data.reshape(-1)]

    def options(self, kind: type[P]) -> P:
        """The operation's parameters, which must be of this kind."""
        if not isinstance(self.op.params, kind):
            raise ValueError("its options are missing")
        return self.op.params

    def whole(self, shape: Sequence[int], position: int = 0) -> View:
        """All of output `position`, which the operation gives this shape."""
        self.check(tuple(shape), position)
        return View.dense(shape)

    def check(self, shape: tuple[int, ...], position: int) -> None:
        """ValueError where the output has not this many elements."""
        output = self.outputs()[position]
        if math.prod(shape) != output.elements:
            raise ValueError(f"it makes {list(shape)}, and output {position} is {list(output.shape)}")


def axis_of(axis: int, rank: int) -> int:
    """An axis that may count from the end; ValueError where there is none."""
    if not -rank <= axis < rank:
        raise ValueError(f"no axis {axis} among {rank}")
    return axis % rank


def concatenation(m: Moving) -> list[Move]:
    """Each input becomes a part of the output."""
    params, shapes = m.options(AxisParams), [tensor.shape for tensor in m.inputs()]
    if params.activation is not Activation.NONE:
        raise ValueError(f"it fuses {params.activation}")
    axis = axis_of(params.axis, len(shapes[0]))
    if len({(*shape[:axis], 0, *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise ValueError(f"the inputs {[list(shape) for shape in shapes]} differ beside axis {axis}")
    sizes = [shape[axis] for shape in shapes]
    whole = m.whole((*shapes[0][:axis], sum(sizes), *shapes[0][axis + 1 :]))
    return [
        Move(source=i, take=View.dense(shape), put=whole.part(axis, at, shape[axis]))
        for i, (shape, at) in enumerate(zip(shapes, starts(sizes), strict=True))
    ]


def split(m: Moving) -> list[Move]:
    """SPLIT: equal parts along the axis in input 0."""
    count = len(m.op.outputs)
    data = m.input(1)
    axis = axis_of(m.integers(0)[0], len(data.shape))
    if data.shape[axis] % count:
        raise ValueError(f"an axis of {data.shape[axis]} has no {count} equal parts")
    return _split(m, 1, axis, [data.shape[axis] // count] * count)


def split_v(m: Moving) -> list[Move]:
    """SPLIT_V: parts of the sizes in input 1; one may be -1, what is left."""
    data, sizes = m.input(0), m.integers(1)
    axis = axis_of(m.integers(2)[0], len(data.shape))
    left = data.shape[axis] - sum(size for size in sizes if size != -1)
    return _split(m, 0, axis, [left if size == -1 else size for size in sizes])


def _split(m: Moving, position: int, axis: int, sizes: Sequence[int]) -> list[Move]:
    data = m.input(position)
    if len(sizes) != len(m.op.outputs) or sum(sizes) != data.shape[axis]:
        raise ValueError(f"parts of {list(sizes)} for {len(m.op.outputs)} outputs of {list(data.shape)}")
    whole = View.dense(data.shape)
    parts = {
        i: whole.part(axis, at, size)
        for i, (at, size) in enumerate(zip(starts(sizes), sizes, strict=True))
        # an empty part, which nobody reads (lower.py), is nothing to move
        if size or m.outputs()[i].elements
    }
    return [
        Move(source=position, target=i, take=part, put=m.whole(part.shape, i)) for i, part in parts.items()
    ]


def unpack(m: Moving) -> list[Move]:
    """UNPACK: each index of an axis is an output."""
    data = m.input(0)
    axis = axis_of(m.options(AxisParams).axis, len(data.shape))
    if data.shape[axis] != len(m.op.outputs):
        raise ValueError(f"an axis of {data.shape[axis]} for {len(m.op.outputs)} outputs")
    parts = [View.dense(data.shape).part(axis, i, 1).without(axis) for i in range(data.shape[axis])]
    return [Move(source=0, target=i, take=part, put=m.whole(part.shape, i)) for i, part in enumerate(parts)]


def pack(m: Moving) -> list[Move]:
    """PACK: each input is an index of a new axis."""
    shapes = [tensor.shape for tensor in m.inputs()]
    if len(set(shapes)) > 1:
        raise ValueError(f"the inputs {[list(shape) for shape in shapes]} differ")
    axis = axis_of(m.options(AxisParams).axis, len(shapes[0]) + 1)
    whole = m.whole((*shapes[0][:axis], len(shapes), *shapes[0][axis:]))
    return [
        Move(source=i, take=View.dense(shape), put=whole.part(axis, i, 1).without(axis))
        for i, shape in enumerate(shapes)
    ]


def slice_(m: Moving) -> list[Move]:
    """SLICE: from `begin`, `size` indices of each axis; -1 is the rest."""
    shape, begins, sizes = m.input(0).shape, m.integers(1), m.integers(2)
    if not len(shape) == len(begins) == len(sizes):
        raise ValueError(f"begin {begins} and size {sizes} for {list(shape)}")
    view = View.dense(shape)
    for axis, (begin, size) in enumerate(zip(begins, sizes, strict=True)):
        view = view.part(axis, begin, shape[axis] - begin if size == -1 else size)
    return [Move(source=0, take=view, put=m.whole(view.shape))]


def strided_slice(m: Moving) -> list[Move]:
    """STRIDED_SLICE with all of its masks, of which bit i is for entry i of begin, end and strides."""
    shape, params = m.input(0).shape, m.options(StridedSliceParams)
    entries = list(zip(m.integers(1), m.integers(2), m.integers(3), strict=True))
    new = [bool(params.new_axis_mask >> i & 1) for i in range(len(entries))]
    ellipsis = [i for i in range(len(entries)) if params.ellipsis_mask >> i & 1]
    if len(ellipsis) > 1:
        raise ValueError("more than one ellipsis")
    named = sum(1 for i in range(len(entries)) if not new[i] and i not in ellipsis)
    if named > len(shape):
        raise ValueError(f"{named} ranges for {list(shape)}")
    view, axis = View.dense(shape), 0
    for i, (begin, end, stride) in enumerate(entries):
        if i in ellipsis:
            axis += len(shape) - named
        elif new[i]:
            view = view.repeated(axis, 1)
            axis += 1
        else:
            first, count = _range(params, i, (begin, end, stride), view.shape[axis])
            view = view.part(axis, first, count, stride)
            if params.shrink_axis_mask >> i & 1:
                view = view.without(axis)
            else:
                axis += 1
    return [Move(source=0, take=view, put=m.whole(view.shape))]


def _range(params: StridedSliceParams, i: int, entry: tuple[int, int, int], size: int) -> tuple[int, int]:
    """(first index, how many) of one entry on an axis of `size`, bounds cut as the reference does."""
    begin, end, stride = entry
    if not stride:
        raise ValueError("a stride of 0")
    low, high = (0, size) if stride > 0 else (-1, size - 1)
    first = min(max(begin + size if begin < 0 else begin, low), high)
    if params.begin_mask >> i & 1:
        first = 0 if stride > 0 else size - 1
    if params.shrink_axis_mask >> i & 1:
        return first, 1
    last = end + first if params.offset else end
    last = min(max(last + size if last < 0 else last, low), high)
    if params.end_mask >> i & 1:
        last = size if stride > 0 else -1
    return first, -(-(last - first) // stride)


def transpose(m: Moving) -> list[Move]:
    """TRANSPOSE: axis i of the output is axis perm[i] of the input."""
    data = m.input(0)
    order = [axis_of(axis, len(data.shape)) for axis in m.integers(1)]
    view = View.dense(data.shape).permuted(order)
    return [Move(source=0, take=view, put=m.whole(view.shape))]


def widths(m: Moving) -> list[tuple[int, int]]:
    """(before, after) of each axis of a padding operation."""
    shape, values = m.input(0).shape, m.integers(1)
    if len(values) != 2 * len(shape) or min(values, default=0) < 0:
        raise ValueError(f"it pads {list(shape)} by {values}")
    return list(zip(values[::2], values[1::2], strict=True))


def interior(m: Moving) -> list[Move]:
    """PAD, PADV2: where the input goes; all around it is for the caller."""
    shape, pairs = m.input(0).shape, widths(m)
    view = m.whole([size + sum(pair) for size, pair in zip(shape, pairs, strict=True)])
    for axis, ((before, _), size) in enumerate(zip(pairs, shape, strict=True)):
        view = view.part(axis, before, size)
    return [Move(source=0, take=View.dense(shape), put=view)]


def mirror_pad(m: Moving) -> list[Move]:
    """The input into the middle, then border by border from what is there, the last axis first."""
    shape, pairs = m.input(0).shape, widths(m)
    edge = 1 if m.options(MirrorPadParams).mode is MirrorMode.REFLECT else 0
    whole = m.whole([size + sum(pair) for size, pair in zip(shape, pairs, strict=True)])
    moves = interior(m)
    for axis in reversed(range(len(shape))):
        (before, after), size = pairs[axis], shape[axis]
        if max(before, after) > size - edge:
            raise ValueError(f"it mirrors {max(before, after)} of an axis of {size}")
        view = whole
        for outer in range(axis):
            view = view.part(outer, pairs[outer][0], shape[outer])
        end = before + size
        for count, first, mirrored in (
            (before, 0, before + edge + before - 1),
            (after, end, end - 1 - edge),
        ):
            if count:
                take, put = view.part(axis, mirrored, count, -1), view.part(axis, first, count)
                moves.append(Move(source=None, take=take, put=put))
    return moves


def broadcast_to(m: Moving) -> list[Move]:
    """BROADCAST_TO the shape in input 1, as numpy does."""
    shape, target = m.input(0).shape, m.integers(1)
    view, lead = View.dense(shape), len(target) - len(shape)
    if lead < 0 or min(target, default=1) < 1:
        raise ValueError(f"{list(shape)} to {target}")
    for axis, size in enumerate(target):
        if axis < lead:
            view = view.repeated(axis, size)
        elif shape[axis - lead] == 1:
            view = view.without(axis).repeated(axis, size)
    return [Move(source=0, take=view, put=m.whole(target))]


def tile(m: Moving) -> list[Move]:
    """TILE: each axis as often as input 1 says."""
    shape, counts = m.input(0).shape, m.integers(1)
    if len(shape) != len(counts) or min(counts, default=1) < 1:
        raise ValueError(f"{list(shape)} {counts} times")
    take = View.dense(shape)
    put = m.whole([size * count for size, count in zip(shape, counts, strict=True)])
    for axis in reversed(range(len(shape))):
        take, put = take.repeated(axis, counts[axis]), put.split(axis, shape[axis])
    return [Move(source=0, take=take, put=put)]


def reverse(m: Moving) -> list[Move]:
    """REVERSE_V2: the axes in input 1 run backwards."""
    shape, view = m.input(0).shape, View.dense(m.input(0).shape)
    for axis in {axis_of(axis, len(shape)) for axis in m.integers(1)}:
        view = view.part(axis, shape[axis] - 1, shape[axis], -1)
    return [Move(source=0, take=view, put=m.whole(shape))]


def depth_to_space(m: Moving) -> list[Move]:
    """DEPTH_TO_SPACE: a pixel's channels become a square of pixels."""
    (batch, height, width, depth), block = m.input(0).shape, m.options(BlockParams).block_size
    if block < 1 or depth % (block * block):
        raise ValueError(f"{depth} channels are no squares of {block}")
    view = View.dense((batch, height, width, block, block, depth // block**2)).permuted((0, 1, 3, 2, 4, 5))
    put = m.whole((batch, height * block, width * block, depth // block**2))
    return [Move(source=0, take=view, put=put.split(2, block).split(1, block))]


def space_to_depth(m: Moving) -> list[Move]:
    """SPACE_TO_DEPTH: a square of pixels becomes one pixel's channels."""
    (batch, height, width, depth), block = m.input(0).shape, m.options(BlockParams).block_size
    if block < 1 or height % block or width % block:
        raise ValueError(f"{height}x{width} is not made of squares of {block}")
    view = View.dense((batch, height, width, depth)).split(2, block).split(1, block)
    put = m.whole((batch, height // block, width // block, depth * block**2))
    return [Move(source=0, take=view.permuted((0, 1, 3, 2, 4, 5)), put=put.split(3, depth).split(3, block))]


def space_to_batch(m: Moving) -> list[Move]:
    """SPACE_TO_BATCH_ND: every n-th pixel of the padded image is an image; all around is for the caller."""
    shape, blocks, pads = m.input(0).shape, m.integers(1), _pairs(m)
    sizes = [size + sum(pair) for size, pair in zip(shape[1:], pads, strict=False)]
    _check_blocks(sizes, blocks)
    inner = shape[1 + len(blocks) :]
    small = [size // block for size, block in zip(sizes, blocks, strict=True)]
    whole = m.whole((math.prod(blocks) * shape[0], *small, *inner))
    image = View.dense(shape)
    return [
        Move(source=0, take=pixels, put=part)
        for pixels, part in _interleaved(image, whole, blocks, [pair[0] for pair in pads])
    ]


def batch_to_space(m: Moving) -> list[Move]:
    """BATCH_TO_SPACE_ND: the images of a batch interleaved to one, which is cropped."""
    shape, blocks, crops = m.input(0).shape, m.integers(1), _pairs(m)
    count = math.prod(blocks)
    if min(blocks) < 1 or shape[0] % count or len(blocks) >= len(shape):
        raise ValueError(f"a batch of {shape[0]} for blocks of {blocks}")
    sizes = [n * block - sum(pair) for n, block, pair in zip(shape[1:], blocks, crops, strict=False)]
    if min(sizes) < 1:
        raise ValueError(f"nothing is left of {list(shape)}")
    whole = m.whole((shape[0] // count, *sizes, *shape[1 + len(blocks) :]))
    return [
        Move(source=0, take=part, put=pixels)
        for pixels, part in _interleaved(whole, View.dense(shape), blocks, [pair[0] for pair in crops])
    ]


def _pairs(m: Moving) -> list[tuple[int, int]]:
    """(before, after) of each block axis, in input 2."""
    values = m.integers(2)
    if len(values) != 2 * len(m.integers(1)) or min(values, default=-1) < 0:
        raise ValueError(f"borders of {values} for blocks of {m.integers(1)}")
    return list(zip(values[::2], values[1::2], strict=True))


def _check_blocks(sizes: Sequence[int], blocks: Sequence[int]) -> None:
    if len(sizes) != len(blocks) or any(n < 1 or size % n for size, n in zip(sizes, blocks, strict=True)):
        raise ValueError(f"{list(sizes)} pixels are not made of blocks of {list(blocks)}")


def _interleaved(
    image: View, parts: View, blocks: Sequence[int], offsets: Sequence[int]
) -> Iterator[tuple[View, View]]:
    """(every n-th pixel of the image, where it lies among the parts) for each position in a block.

    Pixel i of an axis of the image is pixel i + offset of the whole that the parts make.
    """
    batch = image.shape[0]
    for number, phases in enumerate(itertools.product(*(range(block) for block in blocks))):
        pixels, part = image, parts.part(0, number * batch, batch)
        for axis, (phase, block, offset) in enumerate(zip(phases, blocks, offsets, strict=True), start=1):
            skipped = max(0, -(-(offset - phase) // block))
            first = skipped * block + phase - offset
            count = -(-(image.shape[axis] - first) // block)
            if count < 1:
                break
            pixels, part = pixels.part(axis, first, count, block), part.part(axis, skipped, count)
        else:
            yield pixels, part


#: Operation -> its moves; ValueError or LookupError where tensors and options do not fit together.
MOVES: Final[dict[str, Callable[[Moving], list[Move]]]] = {
    "BATCH_TO_SPACE_ND": batch_to_space,
    "BROADCAST_TO": broadcast_to,
    "CONCATENATION": concatenation,
    "DEPTH_TO_SPACE": depth_to_space,
    "MIRROR_PAD": mirror_pad,
    "PACK": pack,
    "REVERSE_V2": reverse,
    "SLICE": slice_,
    "SPACE_TO_DEPTH": space_to_depth,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
    "TRANSPOSE": transpose,
    "UNPACK": unpack,
}
