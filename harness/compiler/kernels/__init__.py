# SPDX-License-Identifier: Apache-2.0
"""One function per operation: what its kernels in firmware/lib/nn want from the compiler.

Each module has a dict of the operations of its family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from harness.compiler.kernel_call import KernelCall
from harness.compiler.kernels import binary, dense, elementwise, reduce, window
from harness.compiler.site import Site

KERNELS: Final[dict[str, Callable[[Site], KernelCall | Sequence[KernelCall]]]] = {
    **binary.KERNELS,
    **dense.KERNELS,
    **elementwise.KERNELS,
    **reduce.KERNELS,
    **window.KERNELS,
}
