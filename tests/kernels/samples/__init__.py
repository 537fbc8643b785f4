# SPDX-License-Identifier: Apache-2.0
"""Small operations that together call every kernel: they run under sanitizers, and on every CPU.

Each module has the samples of its family. NETS joins samples to models that an Uno can hold, for the
emulators; the samples of one dictionary entry go into one firmware.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.kernels.one_op import Sample, side_by_side
from tests.kernels.samples import arithmetic, basic, layers, moving, recurrent, unary

SAMPLES: Mapping[str, Sample] = {
    **arithmetic.SAMPLES,
    **basic.SAMPLES,
    **layers.SAMPLES,
    **moving.SAMPLES,
    **recurrent.SAMPLES,
    **unary.SAMPLES,
}
#: Name of a model -> the samples in it.
NETS: Mapping[str, tuple[str, ...]] = {
    **arithmetic.NETS,
    **basic.NETS,
    **layers.NETS,
    **moving.NETS,
    **recurrent.NETS,
    **unary.NETS,
}


def net(name: str) -> bytes:
    """The .tflite of an entry of NETS."""
    return side_by_side(SAMPLES[sample] for sample in NETS[name])
