# SPDX-License-Identifier: Apache-2.0
"""BATCH_MATMUL, and FULLY_CONNECTED whose weights are computed: the product of two activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.compiler.fixed_point import quantize_multiplier
from harness.compiler.kernel_call import (
    C_TYPES,
    Constant,
    KernelCall,
    destination,
    float_array,
    int32_array,
    source,
    structure,
)
from harness.compiler.kernels.common import (
    check_dims,
    int8_limits,
    options,
    per_tensor,
    range_float32,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.kernels.weighted import reduced_multiplier, symmetric_int16
from harness.compiler.site import Site
from harness.graph import Activation, BatchMatMulParams, DType

_BATCH_AXES: Final = 3
_NULL: Final = "0"
#: So many products of two int16 stay below 2^47, which the 64-bit scaling takes.
_INT16_MAX_DEPTH: Final = 2**17 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class _Product:
    """The shape of a product (batches, rows, columns) and where operands a and b lie in memory.

    Steps of an operand: three of the batch axes, to the next row (a) or column (b), to the next factor.
    """

    batches: tuple[int, ...]
    rows: int
    columns: int
    depth: int
    a: tuple[int, ...]
    b: tuple[int, ...]

    def constant(self) -> Constant:
        """struct nn_matmul."""
        fields = [_braced(self.batches), str(self.rows), str(self.columns), str(self.depth)]
        operands = [f"{{{_braced(steps[:3])}, {steps[3]}, {steps[4]}}}" for steps in (self.a, self.b)]
        return structure("matmul", "struct nn_matmul", [*fields, *operands])


def batch_matmul(site: Site) -> KernelCall:
    """Either operand may be a constant, may be transposed (adj), and is repeated along batches of 1."""
    params = options(site, BatchMatMulParams)
    a, b, y = tensor_in(site, 0), tensor_in(site, 1), tensor_out(site)
    rank = _BATCH_AXES + 2
    if not (2 <= len(a.shape) <= rank and 2 <= len(b.shape) <= rank):
        raise unsupported(
            site, f"works on shapes {list(a.shape)} and {list(b.shape)}", fix="Ranks 2 to 5 are supported."
        )
    a_shape, b_shape = ((1,) * (rank - len(t.shape)) + t.shape for t in (a, b))
    rows, depth = reversed(a_shape[3:]) if params.adj_x else a_shape[3:]
    b_depth, columns = reversed(b_shape[3:]) if params.adj_y else b_shape[3:]
    batches = np.broadcast_shapes(a_shape[:3], b_shape[:3])
    made = (*batches, rows, columns)
    if depth != b_depth or made != (1,) * (rank - len(y.shape)) + y.shape:
        raise unsupported(
            site, f"multiplies {list(a.shape)} by {list(b.shape)} and makes {list(y.shape)}, which do not fit"
        )
    product = _Product(
        batches=batches, rows=rows, columns=columns, depth=depth,
        a=(*_batch_steps(a_shape), *((1, rows) if params.adj_x else (depth, 1))),
        b=(*_batch_steps(b_shape), *((depth, 1) if params.adj_y else (1, columns))),
    )  # fmt: skip
    check_dims(site, (a.elements, b.elements, y.elements))
    return _call(site, product, Activation.NONE)


def computed_weights(site: Site, *, rows: int, activation: Activation) -> KernelCall:
    """FULLY_CONNECTED: its weights (outputs, inputs) are the second operand, transposed."""
    outputs, inputs = tensor_in(site, 1).shape
    steps = (0, 0, 0, inputs, 1)
    product = _Product(batches=(1, 1, 1), rows=rows, columns=outputs, depth=inputs, a=steps, b=steps)
    return _call(site, product, activation)


def _batch_steps(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements to the next batch along each of three axes; 0 where there is only one."""
    return tuple(int(np.prod(shape[axis + 1 :])) if shape[axis] > 1 else 0 for axis in range(_BATCH_AXES))


def _call(site: Site, product: _Product, activation: Activation) -> KernelCall:
    x, weights, y = tensor_in(site, 0), tensor_in(site, 1), tensor_out(site)
    has_bias = len(site.op.inputs) > 2 and site.op.inputs[2] is not None
    supported = (DType.INT8, DType.FLOAT32) if has_bias else (DType.INT8, DType.INT16, DType.FLOAT32)
    if not x.dtype is weights.dtype is y.dtype or x.dtype not in supported:
        types = f"{x.dtype.value} by {weights.dtype.value} -> {y.dtype.value}"
        raise unsupported(
            site, f"multiplies {types}",
            fix=f"Both operands and the output {' or '.join(d.value for d in supported)} are supported.",
        )  # fmt: skip
    ctype = C_TYPES[x.dtype]
    tensors = (source(ctype, 0), source(ctype, 1), destination(ctype))
    function = f"nn_batch_matmul_{x.dtype.value}"
    if x.dtype is DType.FLOAT32:
        bias = float_array("bias", _bias(site, DType.FLOAT32)) if has_bias else _NULL
        limits = range_float32(activation)
        return KernelCall(function=function, arguments=(*tensors, bias, product.constant(), limits))
    if x.dtype is DType.INT16:
        if product.depth > _INT16_MAX_DEPTH:
            raise unsupported(
                site, f"sums {product.depth} products", fix=f"At most {_INT16_MAX_DEPTH} are supported."
            )
        q_a, q_b, q_y = (symmetric_int16(site, tensor) for tensor in (x, weights, y))
        scaling = reduced_multiplier(site, q_a.scale * q_b.scale / q_y.scale)
        return KernelCall(function=function, arguments=(*tensors, product.constant(), *map(str, scaling)))
    bias = int32_array("bias", _bias(site, DType.INT32)) if has_bias else _NULL
    params = _params_int8(site, activation)
    return KernelCall(function=function, arguments=(*tensors, bias, product.constant(), params))


def _params_int8(site: Site, activation: Activation) -> Constant:
    """struct nn_matmul_int8."""
    q_a, q_b, q_y = (per_tensor(site, t) for t in (tensor_in(site, 0), tensor_in(site, 1), tensor_out(site)))
    multiplier, shift = quantize_multiplier(q_a.scale * q_b.scale / q_y.scale)
    low, high = int8_limits(q_y, activation)
    fields = (q_a.zero_point, q_b.zero_point, q_y.zero_point, low, high, shift, multiplier)
    return structure("params", "struct nn_matmul_int8", [str(field) for field in fields])


def _bias(site: Site, dtype: DType) -> npt.NDArray[Any]:
    tensor, columns = tensor_in(site, 2), tensor_in(site, 1).shape[0]
    if tensor.data is None or tensor.dtype is not dtype or tensor.elements != columns:
        raise unsupported(
            site, f"has a bias of {tensor.elements} {tensor.dtype.value} for {columns} outputs",
            fix=f"A bias is a constant of one {dtype.value} per output.",
        )  # fmt: skip
    return tensor.data


def _braced(values: Sequence[int]) -> str:
    return "{" + ", ".join(str(value) for value in values) + "}"


KERNELS = {
    "BATCH_MATMUL": batch_matmul,
}
