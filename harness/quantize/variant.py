# SPDX-License-Identifier: Apache-2.0
"""What a recipe yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One workload, quantized one way."""

    name: str
    """The recipe's name, "ptq-int8"."""
    options: str
    """"calib=50", several joined by "+" and sorted; empty for none."""
    tflite: bytes

    @property
    def identifier(self) -> str:
        """Name and options as the command line and a case's id have them: "ptq-int8+calib=50"."""
        return f"{self.name}+{self.options}" if self.options else self.name


def join_options(options: Mapping[str, str]) -> str:
    """The text form that `Variant.options` holds."""
    return "+".join(f"{key}={value}" for key, value in sorted(options.items()))
