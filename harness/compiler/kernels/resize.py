# SPDX-License-Identifier: Apache-2.0
"""RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR: where each row and column comes from is worked out here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.compiler.kernel_call import (
    Constant,
    KernelCall,
    destination,
    float_literal,
    source,
    structure,
    structure_array,
)
from harness.compiler.kernels.common import (
    check_dims,
    constant_in,
    options,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.kernels.move import check_same_values, copy
from harness.compiler.site import Site
from harness.compiler.views import Move, View
from harness.graph import DType, ResizeParams

#: Fraction bits of an integer position between two pixels.
_ONE = 1 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class _Axis:
    """An axis of an image before and after."""

    before: int
    after: int
    params: ResizeParams

    def nearest(self) -> list[int]:
        """The input index of each output index; float32 arithmetic as in the reference."""
        corners = self.params.align_corners
        if corners and self.after > 1:
            scale = np.float32(self.before - 1) / np.float32(self.after - 1)
        else:
            scale = np.float32(self.before) / np.float32(self.after)
        offset = np.float32(0.5 if self.params.half_pixel_centers else 0.0)
        places = (np.arange(self.after, dtype=np.float32) + offset) * scale
        # rounded half away from zero; float64, as adding a half in float32 may round up
        whole = np.floor(places.astype(np.float64) + 0.5) if corners else np.floor(places)
        return [int(place) for place in np.minimum(whole, self.before - 1)]

    def blends(self) -> list[tuple[int, int, int]]:
        """(lower neighbour, upper neighbour, weight of the upper one in Q10) of each output index.

        Raises:
            ValueError: the reference's rounded scale leads it outside of the input.
        """
        before, after = self.before, self.after
        if self.params.align_corners and after > 1:
            before, after = before - 1, after - 1
        scale = (_ONE * before + after // 2) // after
        start = scale // 2 - _ONE // 2 if self.params.half_pixel_centers else 0
        return [self._blend(i * scale + start) for i in range(self.after)]

    def _blend(self, place: int) -> tuple[int, int, int]:
        low = max(place // _ONE, 0)
        high = min(-(-place // _ONE), self.before - 1)
        if low >= self.before:
            raise ValueError(f"{self.before} to {self.after} pixels: a position in 1/1024 is outside")
        # where both neighbours are one pixel the weight does not matter
        return (low, low, 0) if high <= low else (low, high, place - low * _ONE)

    def blends_float32(self) -> list[tuple[int, int, float]]:
        """The same with the weight as a float32."""
        before, after = self.before, self.after
        if self.params.align_corners and after > 1:
            before, after = before - 1, after - 1
        scale = np.float32(before) / np.float32(after)
        rows: list[tuple[int, int, float]] = []
        for i in range(self.after):
            place = np.float32(i) * scale
            if self.params.half_pixel_centers:
                place = (np.float32(i) + np.float32(0.5)) * scale - np.float32(0.5)
            low = min(max(int(np.floor(place)), 0), self.before - 1)
            high = max(min(int(np.ceil(place)), self.before - 1), 0)
            rows.append((low, high, float(place - np.float32(low))))
        return rows


def _axes(site: Site) -> tuple[_Axis, _Axis]:
    """Rows and columns of [batch][height][width][channels]."""
    x, y, params = tensor_in(site, 0), tensor_out(site), options(site, ResizeParams)
    size = [int(value) for value in constant_in(site, 1).reshape(-1)]
    if len(x.shape) != 4 or y.shape != (x.shape[0], *size, x.shape[3]):
        raise unsupported(
            site, f"makes {list(y.shape)} of {list(x.shape)} by the size {size}",
            "Images of rank 4 to a constant height and width are supported.",
        )  # fmt: skip
    if params.align_corners and params.half_pixel_centers:
        raise unsupported(site, "aligns corners and pixel centers at once", "Either is supported.")
    check_same_values(site, x, y)
    rows, columns = (_Axis(before=x.shape[a], after=y.shape[a], params=params) for a in (1, 2))
    return rows, columns


def nearest(site: Site) -> KernelCall:
    """By a whole factor as a copy, else with a table for each axis."""
    rows, columns = _axes(site)
    x, y = tensor_in(site, 0), tensor_out(site)
    view, goal = View.dense(x.shape), View.dense(y.shape)
    taken = [_regular(axis.nearest()) for axis in (rows, columns)]
    for axis, regular in ((2, taken[1]), (1, taken[0])):
        if regular is None:
            return _by_tables(site, rows, columns)
        start, step, repeat = regular
        count = y.shape[axis] // repeat
        view = view.part(axis, start, count, step).repeated(axis + 1, repeat)
        goal = goal.split(axis, repeat)
    return copy(site, Move(source=0, take=view, put=goal))


def _regular(indices: Sequence[int]) -> tuple[int, int, int] | None:
    """(start, step, repeat) of indices such as 1 1 3 3 5 5; None where they follow no such rule."""
    repeat = sum(1 for index in indices if index == indices[0])
    if len(indices) % repeat:
        return None
    step = indices[repeat] - indices[0] if repeat < len(indices) else 1
    regular = [indices[0] + i // repeat * step for i in range(len(indices))]
    return (indices[0], step, repeat) if regular == list(indices) else None


def _by_tables(site: Site, rows: _Axis, columns: _Axis) -> KernelCall:
    depth = tensor_in(site, 0).shape[3] * tensor_out(site).dtype.itemsize
    places = {
        "rows": [index * columns.before * depth for index in rows.nearest()],
        "columns": [index * depth for index in columns.nearest()],
    }
    tables = [
        Constant(role=role, ctype="nn_dim", items=np.array(values, np.int64), item_bytes=4)
        for role, values in places.items()
    ]
    return KernelCall(
        function="nn_resize_nearest",
        arguments=(source("void"), destination("void"), *tables, _shape(site, rows, columns, depth)),
    )


def _shape(site: Site, rows: _Axis, columns: _Axis, depth: int) -> Constant:
    """struct nn_resize; `depth` is the size of a pixel in what the kernel counts."""
    fields = (
        tensor_in(site, 0).shape[0],
        rows.after,
        columns.after,
        depth,
        rows.before * columns.before * depth,
    )
    check_dims(site, (*fields, tensor_in(site, 0).nbytes, tensor_out(site).nbytes))
    return structure("shape", "struct nn_resize", [str(value) for value in fields])


def bilinear(site: Site) -> KernelCall:
    """Integers by weights in Q10, as in the reference; int8, int16 and float32."""
    rows, columns = _axes(site)
    dtype = tensor_out(site).dtype
    if dtype not in (DType.INT8, DType.INT16, DType.FLOAT32):
        raise unsupported(site, f"works on {dtype.value}", "int8, int16 and float32 are supported.")
    depth = tensor_in(site, 0).shape[3]
    ctype = "float" if dtype is DType.FLOAT32 else f"{dtype.value}_t"
    tables = (
        _blends("rows", rows, columns.before * depth, dtype),
        _blends("columns", columns, depth, dtype),
    )
    return KernelCall(
        function=f"nn_resize_bilinear_{dtype.value}",
        arguments=(source(ctype), destination(ctype), *tables, _shape(site, rows, columns, depth)),
    )


def _blends(role: str, axis: _Axis, stride: int, dtype: DType) -> Constant:
    """One structure per output index; neighbours are `stride` elements apart."""
    if dtype is DType.FLOAT32:
        exact = [
            [str(low * stride), str(high * stride), float_literal(weight)]
            for low, high, weight in axis.blends_float32()
        ]
        return structure_array(role, "struct nn_blend_float32", exact, item_bytes=12)
    fixed = [[str(low * stride), str(high * stride), str(weight)] for low, high, weight in axis.blends()]
    return structure_array(role, "struct nn_blend", fixed, item_bytes=12)


KERNELS = {
    "RESIZE_BILINEAR": bilinear,
    "RESIZE_NEAREST_NEIGHBOR": nearest,
}
