# SPDX-License-Identifier: Apache-2.0
"""PRELU: a slope of its own for every element, channel or row."""

from __future__ import annotations

from typing import Final

from harness.compiler.fixed_point import quantize_multiplier
from harness.compiler.kernel_call import (
    C_TYPES,
    Argument,
    Constant,
    KernelCall,
    destination,
    source,
    structure,
    structure_array,
)
from harness.compiler.kernels.broadcast import broadcast_axes
from harness.compiler.kernels.common import check_dims, per_tensor, tensor_in, tensor_out, unsupported
from harness.compiler.site import Site
from harness.graph import DType

#: Type of the values -> type of the slopes.
_FORMS: Final = {DType.INT8: DType.INT8, DType.INT16: DType.INT8, DType.FLOAT32: DType.FLOAT32}


def prelu(site: Site) -> KernelCall:
    """Slopes repeat along any axis where they have size 1."""
    x, alpha, y = tensor_in(site, 0), tensor_in(site, 1), tensor_out(site)
    if x.dtype is not y.dtype or alpha.dtype is not _FORMS.get(x.dtype):
        forms = "; ".join(f"{a} with slopes in {b}" for a, b in _FORMS.items())
        raise unsupported(
            site, f"makes {y.dtype} of {x.dtype} with slopes in {alpha.dtype}", fix=f"It works on {forms}."
        )
    if x.elements != y.elements:
        raise unsupported(
            site, f"repeats its input of shape {list(x.shape)} to {list(y.shape)}",
            fix="Only slopes are repeated: their shape must not be larger than the input's.",
        )  # fmt: skip
    check_dims(site, (y.elements,))
    axes = broadcast_axes(x.shape, alpha.shape, y.shape)
    rows = [(str(axis.size), str(axis.a_stride), str(axis.b_stride)) for axis in axes]
    parameters: list[Argument] = [
        structure_array("axes", "struct nn_axis_pair", rows, item_bytes=3 * 4), str(len(axes))
    ]  # fmt: skip
    if x.dtype is not DType.FLOAT32:
        parameters.append(_scaling(site))
    return KernelCall(
        function=f"nn_prelu_{x.dtype}",
        arguments=(
            source(C_TYPES[x.dtype], 0), source(C_TYPES[alpha.dtype], 1), destination(C_TYPES[y.dtype]),
            *parameters,
        ),
        in_place=(0,),
    )  # fmt: skip


def _scaling(site: Site) -> Constant:
    """struct nn_prelu."""
    tensors = (tensor_in(site, 0), tensor_in(site, 1), tensor_out(site))
    x, alpha, y = (per_tensor(site, tensor) for tensor in tensors)
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    slope_multiplier, slope_shift = quantize_multiplier(x.scale * alpha.scale / y.scale)
    zero_points = (x.zero_point, alpha.zero_point, y.zero_point)
    fields = (multiplier, slope_multiplier, *zero_points, shift, slope_shift)
    return structure("params", "struct nn_prelu", [str(v) for v in fields])


KERNELS = {"PRELU": prelu}
