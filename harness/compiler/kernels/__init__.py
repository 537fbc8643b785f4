# SPDX-License-Identifier: Apache-2.0
"""One function per operation: what its kernel in firmware/lib/nn wants from the compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.compiler.kernel_call import KernelCall
from harness.compiler.kernels.dense import fully_connected
from harness.compiler.kernels.elementwise import add, dequantize, quantize, relu, relu6
from harness.compiler.kernels.reduce import mean, pad, softmax
from harness.compiler.kernels.window import average_pool_2d, conv_2d, depthwise_conv_2d, max_pool_2d
from harness.graph import Graph, Op

KERNELS: Final[dict[str, Callable[[Graph, Op], KernelCall]]] = {
    "ADD": add,
    "AVERAGE_POOL_2D": average_pool_2d,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": dequantize,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": max_pool_2d,
    "MEAN": mean,
    "PAD": pad,
    "QUANTIZE": quantize,
    "RELU": relu,
    "RELU6": relu6,
    "SOFTMAX": softmax,
}
