# SPDX-License-Identifier: Apache-2.0
"""Weights of float16: half the file. The firmware holds them as float32, so it shows what rounding costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.quantize.export import Form, export
from harness.quantize.variant import Variant
from harness.workloads import DataSet

NAME = "float16"
TITLE = "float32 with weights rounded to float16 (smaller .tflite, same firmware)"
OPTIONS: frozenset[str] = frozenset()


def convert(model: Any, data: DataSet, *, options: Mapping[str, str], seed: int) -> Variant:
    """See `Recipe`; has no options and draws nothing."""
    del options, seed
    tflite = export(model, Form.FLOAT16, sample_shape=data.sample_shape)
    return Variant(name=NAME, options="", tflite=tflite)
