# SPDX-License-Identifier: Apache-2.0
"""A measurement through a USB bridge that hands bytes on only now and then, in simulated time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.marks import MIN_HOST_CHECK_S, MIN_WINDOW_S, MIN_WINDOWS
from harness.measure import measure
from tests.bench.efficiency import outputs_of
from tests.bench.line import LineDevice, LineTransport, compile_device

NO_DIGEST = "0" * 64
NS = 1_000_000_000


@pytest.mark.xdist_group("link-efficiency")
@pytest.mark.parametrize("turnaround_s", [0.0, 0.001, 0.016])
@pytest.mark.parametrize("run_ns", [100_000, 1_000_000, 30_000_000])
def test_a_measurement_through_a_bridge(turnaround_s: float, run_ns: int, tmp_path: Path) -> None:
    """Models faster and slower than the bridge: nothing is sent twice, no section is disturbed."""
    library = compile_device(tmp_path, inputs=64, outputs=10, frame_bytes=124, ring_bytes=128, run_ns=run_ns)
    line = LineTransport(LineDevice(library, 115_200), baud=115_200, turnaround_s=turnaround_s)
    samples = np.random.default_rng(0).integers(-128, 128, (20, 64), dtype=np.int8)
    measured = measure(line, expected_digest=NO_DIGEST, inputs=[samples], time=line, real_time=True)
    expected = [outputs_of(sample.tobytes(), 10) for sample in samples]
    assert [row.astype(np.int8).tobytes() for row in measured.outputs] == expected
    assert set(measured.ticks) == {run_ns}
    assert (measured.link.retries, measured.link.rx_lost, line.device.rx_lost) == (0, 0, 0)
    assert len(measured.windows) == MIN_WINDOWS
    for window in measured.windows:
        assert window.ticks == window.inferences * run_ns >= MIN_WINDOW_S * NS
    check = measured.host_check
    assert check is not None
    assert check.host_s >= MIN_HOST_CHECK_S
    # the bridge may delay the end of a section, or its beginning, by one turnaround
    assert check.host_s == pytest.approx(check.ticks / NS, abs=turnaround_s + 0.001)
