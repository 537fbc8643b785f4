# SPDX-License-Identifier: Apache-2.0
"""One function per operation: what its kernels in firmware/lib/nn want from the compiler.

Each module has a dict of the operations of its family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from harness.compiler.kernel_call import KernelCall
from harness.compiler.kernels import (
    binary,
    convert,
    convolution,
    dense,
    lstm,
    matmul,
    move,
    normalize,
    pad,
    pool,
    prelu,
    reduce,
    resize,
    svdf,
    unary,
)
from harness.compiler.site import Site

KERNELS: Final[dict[str, Callable[[Site], KernelCall | Sequence[KernelCall]]]] = {
    **binary.KERNELS,
    **convert.KERNELS,
    **convolution.KERNELS,
    **dense.KERNELS,
    **lstm.KERNELS,
    **matmul.KERNELS,
    **move.KERNELS,
    **normalize.KERNELS,
    **pad.KERNELS,
    **pool.KERNELS,
    **prelu.KERNELS,
    **reduce.KERNELS,
    **resize.KERNELS,
    **svdf.KERNELS,
    **unary.KERNELS,
}
