# SPDX-License-Identifier: Apache-2.0
"""MEAN, SUM, REDUCE_MAX and ARG_MAX."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Final

from harness.compiler.fixed_point import quantize_multiplier
from harness.compiler.kernel_call import (
    C_TYPES,
    Constant,
    KernelCall,
    destination,
    float_literal,
    source,
    structure,
)
from harness.compiler.kernels.common import (
    check_dims,
    check_one_scale,
    constant_in,
    per_tensor,
    requant,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.site import Site
from harness.graph import DType

_DTYPES: Final = (DType.INT8, DType.INT16, DType.FLOAT32)
#: Kept axes, and reduced ones, that struct nn_reduction has room for.
_MOST_AXES: Final = 3


def total(site: Site) -> KernelCall:
    """MEAN and SUM over any axes."""
    dtype, axes, count = _reduction(site)
    ctype = C_TYPES[dtype]
    is_mean = site.op.kind == "MEAN"
    if dtype is DType.FLOAT32:
        divisor = float_literal(count if is_mean else 1)
        return _call(f"nn_sum_{dtype}", ctype, axes, divisor)
    q_in, q_out = (per_tensor(site, tensor) for tensor in (tensor_in(site, 0), tensor_out(site)))
    multiplier, shift = quantize_multiplier(q_in.scale / q_out.scale)
    if is_mean:
        # The reference takes 1 / count into the multiplier, keeping as many bits as fit.
        extra = min(count.bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << extra) // count, shift - extra
    scale = requant(-q_in.zero_point * count, multiplier, shift)
    return _call(f"nn_sum_{dtype}", ctype, axes, scale, str(q_out.zero_point))


def reduce_max(site: Site) -> KernelCall:
    """Over any axes, of stored values."""
    dtype, axes, _ = _reduction(site)
    if dtype is not DType.FLOAT32:
        check_one_scale(site, (tensor_in(site, 0), tensor_out(site)))
    return _call(f"nn_reduce_max_{dtype}", C_TYPES[dtype], axes)


def _call(function: str, ctype: str, *arguments: Constant | str) -> KernelCall:
    # An output never lies behind the first input that it is made of, nor behind any that is read later.
    return KernelCall(
        function=function, arguments=(source(ctype), destination(ctype), *arguments), in_place=(0,)
    )


def _reduction(site: Site) -> tuple[DType, Constant, int]:
    """Type, struct nn_reduction, and how many values become one."""
    x, y = tensor_in(site, 0), tensor_out(site)
    if x.dtype is not y.dtype or x.dtype not in _DTYPES:
        raise unsupported(
            site, f"makes {y.dtype} of {x.dtype}", fix=f"One type of {', '.join(_DTYPES)} is supported."
        )
    reduced = _axes(site, len(x.shape))
    kept_sizes = [size for axis, size in enumerate(x.shape) if axis not in reduced]
    if y.elements != math.prod(kept_sizes) or [n for n in y.shape if n > 1] != [
        n for n in kept_sizes if n > 1
    ]:
        raise unsupported(site, f"makes shape {list(y.shape)} of {list(x.shape)} over axes {sorted(reduced)}")
    check_dims(site, (x.elements,))
    return x.dtype, _reduction_table(site, x.shape, reduced), x.elements // y.elements


def _axes(site: Site, rank: int) -> frozenset[int]:
    """The axes of the second operand, counted from the front.

    Raises:
        ValueError: one that is not there.
    """
    axes = [int(axis) for axis in constant_in(site, 1).reshape(-1)]
    if not all(-rank <= axis < rank for axis in axes):
        raise ValueError(f"axes {axes} of rank {rank}")
    return frozenset(axis % rank for axis in axes)


def _reduction_table(site: Site, shape: tuple[int, ...], reduced: frozenset[int]) -> Constant:
    """struct nn_reduction: neighbouring axes of one kind are merged, those of size 1 left out."""
    sizes = [(axis in reduced, size) for axis, size in enumerate(shape) if size > 1]
    groups = [
        (is_reduced, math.prod(size for _, size in group))
        for is_reduced, group in itertools.groupby(sizes, key=lambda pair: pair[0])
    ]
    strides = [math.prod(size for _, size in groups[i + 1 :]) for i in range(len(groups))]
    axes = [(size, stride) for (_, size), stride in zip(groups, strides, strict=True)]
    kept, gone = (
        [axis for axis, (is_reduced, _) in zip(axes, groups, strict=True) if is_reduced is kind]
        for kind in (False, True)
    )
    if max(len(kept), len(gone)) > _MOST_AXES:
        raise unsupported(
            site, f"reduces {len(gone)} groups of neighbouring axes among {len(kept)} others",
            fix=f"At most {_MOST_AXES} of each are supported.",
        )  # fmt: skip
    rows = [*_columns(kept), *_columns(gone)]
    return structure("axes", "struct nn_reduction", ["{" + ", ".join(map(str, row)) + "}" for row in rows])


def _columns(axes: list[tuple[int, int]]) -> Iterable[tuple[int, ...]]:
    """Sizes and strides, filled up with axes of size 1 on the outside."""
    return zip(*[(1, 0)] * (_MOST_AXES - len(axes)), *axes, strict=True)


def arg_max(site: Site) -> KernelCall:
    """int8 and float32 along one axis; the index is int32 or int64."""
    x, y = tensor_in(site, 0), tensor_out(site)
    if x.dtype not in (DType.INT8, DType.FLOAT32) or y.dtype not in (DType.INT32, DType.INT64):
        raise unsupported(
            site, f"makes {y.dtype} of {x.dtype}", fix="int8 and float32 to int32 or int64 are supported."
        )
    axes = _axes(site, len(x.shape))
    if len(axes) != 1:
        raise unsupported(site, f"works along axes {sorted(axes)}", fix="One axis is supported.")
    (axis,) = axes
    outer, count, inner = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    if y.elements != outer * inner:
        raise unsupported(site, f"makes shape {list(y.shape)} of {list(x.shape)} along axis {axis}")
    check_dims(site, (x.elements, y.elements))
    sizes = (str(outer), str(count), str(inner), str(y.dtype.itemsize // DType.INT32.itemsize))
    fits = inner == 1 and y.dtype.itemsize <= count * x.dtype.itemsize
    return KernelCall(
        function=f"nn_arg_max_{x.dtype}",
        arguments=(source(C_TYPES[x.dtype]), destination("int32_t"), *sizes),
        in_place=(0,) if fits else (),
    )


KERNELS = {
    "ARG_MAX": arg_max,
    "MEAN": total,
    "REDUCE_MAX": reduce_max,
    "SUM": total,
}
