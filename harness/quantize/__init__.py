# SPDX-License-Identifier: Apache-2.0
"""The recipes that turn a trained model into a .tflite file, and the names of their variants.

Importing this package imports no TensorFlow. `trained.variant` is how the rest of the program gets a
variant; the recipes themselves run in a child process (`worker`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from harness.errors import ConfigError
from harness.quantize import dynamic_int8, float16, float32, ptq_int8, ptq_int16x8, qat_int8
from harness.quantize.variant import Variant
from harness.workloads import DataSet

__all__ = ["VARIANTS", "Recipe", "Variant", "parse_variant"]


class Recipe(Protocol):
    """What each recipe module of this package offers."""

    NAME: str
    TITLE: str
    OPTIONS: frozenset[str]

    def convert(self, model: Any, data: DataSet, *, options: Mapping[str, str], seed: int) -> Variant:
        """Turn a tf-keras model into a variant; same arguments, same bytes.

        Raises:
            ConfigError: an option's value does not fit the data.
            UnsupportedError: the recipe cannot treat a layer; the message names it.
            QuantizeError: TensorFlow's converter failed.
        """


VARIANTS: Mapping[str, Recipe] = {
    float32.NAME: float32,
    ptq_int8.NAME: ptq_int8,
    qat_int8.NAME: qat_int8,
    ptq_int16x8.NAME: ptq_int16x8,
    dynamic_int8.NAME: dynamic_int8,
    float16.NAME: float16,
}


def parse_variant(identifier: str) -> tuple[str, dict[str, str]]:
    """Take `ptq-int8+calib=50` apart: ("ptq-int8", {"calib": "50"}), options sorted by name.

    Raises:
        ConfigError: no such recipe or option, or an option without a proper value.
    """
    name, *rest = identifier.split("+")
    if name not in VARIANTS:
        raise ConfigError(f"There is no variant {name!r}.", fix=f"Choose one of {', '.join(VARIANTS)}.")
    allowed = VARIANTS[name].OPTIONS
    options: dict[str, str] = {}
    for part in rest:
        key, _, value = part.partition("=")
        if key not in allowed:
            known = f"It has {', '.join(sorted(allowed))}." if allowed else "It has none."
            raise ConfigError(f"Variant {name} has no option {key!r}.", fix=known)
        if key in options:
            raise ConfigError(f"Variant {identifier}: option {key} is given twice.")
        if not (value.isascii() and value.isdecimal() and int(value) > 0):
            raise ConfigError(f"Variant {identifier}: {key} must be a whole number above 0, not {value!r}.")
        options[key] = str(int(value))
    return name, dict(sorted(options.items()))
