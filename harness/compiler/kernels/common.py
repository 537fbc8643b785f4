# SPDX-License-Identifier: Apache-2.0
"""What several kernels ask of an operation: its tensors by type, scales, activation ranges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from harness.compiler.fixed_point import quantize_multiplier, quantize_value
from harness.compiler.kernel_call import Constant, float_literal, int32_literal, structure, structure_array
from harness.compiler.site import Site
from harness.errors import UnsupportedError
from harness.graph import Activation, DType, Quantization, Tensor

P = TypeVar("P")

_FLOAT_RANGES: Final = {
    Activation.NONE: (-float(np.finfo(np.float32).max), float(np.finfo(np.float32).max)),
    Activation.RELU: (0.0, float(np.finfo(np.float32).max)),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
    Activation.RELU6: (0.0, 6.0),
}


def unsupported(site: Site, why: str, fix: str = "") -> UnsupportedError:
    """The error that names the operation, its index and its output tensor."""
    name = site.graph.tensors[site.op.outputs[0]].name if site.op.outputs else "?"
    return UnsupportedError(
        f"{site.graph.name}: operation {site.op.index} {site.op.kind} ('{name}') {why}.", fix=fix
    )


def options(site: Site, kind: type[P]) -> P:
    """The operation's parameters, which must be of this kind."""
    if not isinstance(site.op.params, kind):
        raise unsupported(site, "lacks its options")
    return site.op.params


def tensor_in(site: Site, position: int) -> Tensor:
    """Input `position`, which must be there."""
    index = site.op.inputs[position] if position < len(site.op.inputs) else None
    if index is None:
        raise unsupported(site, f"lacks its input {position}")
    return site.graph.tensors[index]


def tensor_out(site: Site) -> Tensor:
    """The single output."""
    return site.graph.tensors[site.op.outputs[0]]


def made_outputs(site: Site) -> set[int]:
    """Positions of the outputs that have a value; an empty one, which nobody reads, has none."""
    return {i for i, index in enumerate(site.op.outputs) if site.graph.tensors[index].elements}


def constant_in(site: Site, position: int) -> npt.NDArray[Any]:
    """The values of input `position`, which must be a constant."""
    tensor = tensor_in(site, position)
    if tensor.data is None:
        raise unsupported(site, f"needs a constant as its input {position}")
    return tensor.data


def element_type(site: Site) -> DType:
    """int8 or float32, the same for input 0 and the output."""
    dtypes = {tensor_in(site, 0).dtype, tensor_out(site).dtype}
    if dtypes == {DType.INT8}:
        return DType.INT8
    if dtypes == {DType.FLOAT32}:
        return DType.FLOAT32
    names = " -> ".join(t.dtype.value for t in (tensor_in(site, 0), tensor_out(site)))
    raise unsupported(
        site, f"works on {names}; the aot engine has it in int8 and float32",
        fix="Convert the model to full int8 or leave it in float32.",
    )  # fmt: skip


def per_tensor(site: Site, tensor: Tensor) -> Quantization:
    """The quantization of an activation: one scale above 0, one zero point within the type's range."""
    q = tensor.quantization
    low, high = integer_range(tensor.dtype)
    if q is None or len(q.scales) != 1 or q.scale <= 0 or not low <= q.zero_point <= high:
        raise unsupported(site, f"has no usable {tensor.dtype.value} quantization on tensor '{tensor.name}'")
    return q


def check_one_scale(site: Site, tensors: Iterable[Tensor]) -> None:
    """An operation that chooses among stored values: they must mean the same everywhere."""
    quantizations = [per_tensor(site, tensor) for tensor in tensors]
    if len({(q.scale, q.zero_point) for q in quantizations}) > 1:
        raise unsupported(
            site,
            "chooses among values of different scales",
            fix="Inputs and output must have one scale and zero point.",
        )


def integer_range(dtype: DType) -> tuple[int, int]:
    """Smallest and largest value of an integer type.

    Raises:
        ValueError: it is no integer type.
    """
    limits = np.iinfo(dtype.numpy)
    return int(limits.min), int(limits.max)


def unscaled(site: Site) -> Quantization:
    """The quantization of an operation that copies or chooses values: the same on both sides."""
    q_in, q_out = (per_tensor(site, t) for t in (tensor_in(site, 0), tensor_out(site)))
    if (q_in.scale, q_in.zero_point) != (q_out.scale, q_out.zero_point):
        raise unsupported(site, "changes the scale or zero point, which it cannot")
    return q_in


def check_dims(site: Site, dims: Iterable[int]) -> None:
    """Every size must fit the CPU's size type."""
    largest = max(dims, default=0)
    if largest > site.cpu.max_dim:
        raise unsupported(
            site, f"has a size of {largest}, more than {site.cpu.max_dim}, the largest on {site.cpu.name}"
        )


def int8_limits(output: Quantization, activation: Activation) -> tuple[int, int]:
    """Stored int8 values between which a fused activation keeps its output."""
    return stored_limits(output, DType.INT8, activation)


def stored_limits(output: Quantization, dtype: DType, activation: Activation) -> tuple[int, int]:
    """The same for any integer type.

    Raises:
        ValueError: an activation that is more than a range.
    """
    if activation is Activation.TANH:
        raise ValueError("a fused TANH; NONE, RELU, RELU6 and RELU_N1_TO_1 are supported")
    low, high = integer_range(dtype)
    if activation in (Activation.RELU, Activation.RELU6):
        low = max(low, quantize_value(0.0, output.scale, output.zero_point))
    if activation is Activation.RELU6:
        high = min(high, quantize_value(6.0, output.scale, output.zero_point))
    if activation is Activation.RELU_N1_TO_1:
        low = max(low, quantize_value(-1.0, output.scale, output.zero_point))
        high = min(high, quantize_value(1.0, output.scale, output.zero_point))
    return low, high


def range_int8(source_: Quantization, output: Quantization, activation: Activation) -> Constant:
    """struct nn_range_int8."""
    low, high = int8_limits(output, activation)
    fields = (source_.zero_point, output.zero_point, low, high)
    return structure("range", "struct nn_range_int8", [str(v) for v in fields])


def range_float32(activation: Activation) -> Constant:
    """struct nn_range_float32."""
    low, high = _FLOAT_RANGES[activation]
    return structure("range", "struct nn_range_float32", [float_literal(low), float_literal(high)])


def requant_channels(rows: Iterable[tuple[int, float]]) -> Constant:
    """struct nn_requant per output channel from (folded bias, real multiplier)."""
    fields = [_requant_fields(*row) for row in rows]
    return structure_array("channels", "struct nn_requant", fields, item_bytes=4 + 4 + 1)


def requant(bias: int, multiplier: int, shift: int) -> Constant:
    """One struct nn_requant."""
    return structure("scale", "struct nn_requant", _fields(bias, multiplier, shift))


def _requant_fields(bias: int, real_multiplier: float) -> list[str]:
    return _fields(bias, *quantize_multiplier(real_multiplier))


def _fields(bias: int, multiplier: int, shift: int) -> list[str]:
    wrapped = (bias + 2**31) % 2**32 - 2**31
    return [int32_literal(wrapped), str(multiplier), str(shift)]
