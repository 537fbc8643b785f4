# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization: int8 throughout, weights per channel, ranges from calibration samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.quantize.calibration import calibration_inputs
from harness.quantize.export import Form, export
from harness.quantize.variant import Variant, join_options
from harness.workloads import DataSet

NAME = "ptq-int8"
TITLE = "int8, post-training quantization"
OPTIONS: frozenset[str] = frozenset({"calib"})


def convert(model: Any, data: DataSet, *, options: Mapping[str, str], seed: int) -> Variant:
    """See `Recipe`; `calib` is the number of calibration samples."""
    inputs = calibration_inputs(data, options, seed=seed)
    tflite = export(model, Form.INT8, sample_shape=data.sample_shape, calibration=inputs)
    return Variant(name=NAME, options=join_options(options), tflite=tflite)
