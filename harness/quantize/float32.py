# SPDX-License-Identifier: Apache-2.0
"""The model as trained: the yardstick of the other variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.quantize.export import Form, export
from harness.quantize.variant import Variant
from harness.workloads import DataSet

NAME = "float32"
TITLE = "float32 as trained"
OPTIONS: frozenset[str] = frozenset()


def convert(model: Any, data: DataSet, *, options: Mapping[str, str], seed: int) -> Variant:
    """See `Recipe`; has no options and draws nothing."""
    del options, seed
    tflite = export(model, Form.FLOAT32, sample_shape=data.sample_shape)
    return Variant(name=NAME, options="", tflite=tflite)
