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
    convolution,
    dense,
    elementwise,
    matmul,
    move,
    pad,
    pool,
    reduce,
    resize,
)
from harness.compiler.site import Site

KERNELS: Final[dict[str, Callable[[Site], KernelCall | Sequence[KernelCall]]]] = {
    **binary.KERNELS,
    **convolution.KERNELS,
    **dense.KERNELS,
    **elementwise.KERNELS,
    **matmul.KERNELS,
    **move.KERNELS,
    **pad.KERNELS,
    **pool.KERNELS,
    **reduce.KERNELS,
    **resize.KERNELS,
}
