# SPDX-License-Identifier: Apache-2.0
"""MAX_POOL_2D and AVERAGE_POOL_2D."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.compiler.kernel_call import C_TYPES, KernelCall, destination, source
from harness.compiler.kernels.common import (
    options,
    per_tensor,
    range_float32,
    range_int8,
    tensor_in,
    tensor_out,
    unsupported,
)
from harness.compiler.kernels.weighted import range_int16, symmetric_int16
from harness.compiler.kernels.window import sliding_window
from harness.compiler.site import Site
from harness.graph import DType, Quantization, Tensor, WindowParams

#: Scales of input and output that differ by no more are the same to the reference.
_SAME_SCALE: Final = 1e-6
#: So many values are summed in 32 bits, with half of their number added for the rounding.
_MOST_TAPS: Final = {DType.INT8: 2**24 - 2**17, DType.INT16: 2**16 - 2}


def max_pool_2d(site: Site) -> KernelCall:
    """The largest value of each window."""
    return _pool(site, "nn_max_pool_2d")


def average_pool_2d(site: Site) -> KernelCall:
    """The mean of each window's taps inside the input."""
    return _pool(site, "nn_average_pool_2d")


def _pool(site: Site, function: str) -> KernelCall:
    params = options(site, WindowParams)
    x, y = tensor_in(site, 0), tensor_out(site)
    window = sliding_window(site, x, filter_size=(params.filter_height, params.filter_width))
    if window.in_channels != window.out_channels:
        raise unsupported(site, f"makes {window.out_channels} channels of {window.in_channels}")
    if x.dtype is not y.dtype or x.dtype not in (DType.INT8, DType.INT16, DType.FLOAT32):
        raise unsupported(
            site, f"works on {x.dtype.value} -> {y.dtype.value}", fix="It has int8, int16 and float32."
        )
    taps = min(window.filter_height, window.in_height) * min(window.filter_width, window.in_width)
    most = _MOST_TAPS.get(x.dtype, taps)
    if taps > most:
        raise unsupported(site, f"has a window of {taps} values", fix=f"At most {most} are supported.")
    if x.dtype is DType.FLOAT32:
        limits = range_float32(params.activation)
    elif x.dtype is DType.INT8:
        q = _output_scale(site, x, y, per_tensor)
        limits = range_int8(q, q, params.activation)
    else:
        limits = range_int16(_output_scale(site, x, y, symmetric_int16), params.activation)
    ctype = C_TYPES[x.dtype]
    return KernelCall(
        function=f"{function}_{x.dtype.value}",
        arguments=(source(ctype), destination(ctype), window.constant(), limits),
        in_place=(0,) if window.allows_in_place(channelwise=True) else (),
    )


def _output_scale(
    site: Site, x: Tensor, y: Tensor, usable: Callable[[Site, Tensor], Quantization]
) -> Quantization:
    """The output's quantization, which is the input's."""
    q_in, q_out = usable(site, x), usable(site, y)
    if abs(q_in.scale - q_out.scale) > _SAME_SCALE or q_in.zero_point != q_out.zero_point:
        raise unsupported(
            site, "changes the scale or zero point, which it cannot",
            fix="Input and output of a pool need the same scale and zero point.",
        )  # fmt: skip
    return q_out


KERNELS = {
    "AVERAGE_POOL_2D": average_pool_2d,
    "MAX_POOL_2D": max_pool_2d,
}
