# SPDX-License-Identifier: Apache-2.0
"""What the compiler must know of a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Cpu:
    """The properties that generated code depends on, not a chip's name."""

    name: str
    alignment: int
    """Strictest alignment that a load of it asks for, in bytes."""
    max_dim: int
    """Largest size that a kernel's nn_dim holds (firmware/lib/nn/nn.h)."""
    flash_apart: bool
    """Constants lie in an address space of their own: a kernel that wants its operand by an ordinary
    pointer must have it copied to RAM first."""

    def align(self, itemsize: int) -> int:
        """Alignment of elements of `itemsize` bytes."""
        return min(itemsize, self.alignment)


#: Cortex-M, Xtensa and the hosts: 8 bytes are enough for every element type on any of them.
FLAT: Final = Cpu(name="flat", alignment=8, max_dim=2**31 - 1, flash_apart=False)
#: 8-bit AVR: bytes are read one by one, sizes are int16_t, flash is `__flash`.
AVR: Final = Cpu(name="avr", alignment=1, max_dim=2**15 - 1, flash_apart=True)


def cpu_named(name: str) -> Cpu:
    """The CPU of a board, by its `cpu` in boards.yaml."""
    return AVR if name.startswith("avr") else FLAT
