# SPDX-License-Identifier: Apache-2.0
"""Layers with a memory."""

from __future__ import annotations

from tests.kernels.models_recurrent import LSTM_FORMS, SVDF_FORMS, LstmSize, SvdfSize, lstm, svdf
from tests.kernels.one_op import Sample

_LSTM = LstmSize(batches=2, steps=3, inputs=3, units=2)
_SVDF = SvdfSize(batches=2, inputs=3, units=2, rank=2, memory=3)

SAMPLES: dict[str, Sample] = {
    **{f"lstm-{form}": lstm.on(form, _LSTM, clip=0.5) for form in LSTM_FORMS},
    "lstm-int8 time major": lstm.on("int8", LstmSize(batches=2, time_major=True)),
    **{f"svdf-{form}": svdf.on(form, _SVDF) for form in SVDF_FORMS},
}

#: One type of outputs each, as a measurement wants.
NETS: dict[str, tuple[str, ...]] = {
    "recurrent int8": ("lstm-int8", "svdf-int8", "svdf-int8 with int16 state"),
    "recurrent int16": ("lstm-int16",),
    "recurrent float32": ("lstm-float32", "lstm-hybrid", "svdf-float32"),
}
