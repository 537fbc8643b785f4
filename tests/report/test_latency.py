# SPDX-License-Identifier: Apache-2.0
"""What test_plots.py leaves: the layout of quality against latency."""

from __future__ import annotations

from harness.records import Clock
from harness.report.latency import latency
from tests.report.test_plots import wide_view


def test_many_lanes_have_panels_of_their_own_with_the_same_axes() -> None:
    """Rings around the points of four cores that count alike covered each other and left the panel."""
    view = wide_view()
    axes = [axis for axis in latency(view, Clock.CYCLES).axes if axis.get_visible()]
    shown = [axis.get_title().split("\n") for axis in axes]
    lanes = dict.fromkeys(entry.lane for entry in view.of_clock(Clock.CYCLES))
    assert len(lanes) == 3
    assert [lane for workload, lane in shown if workload == "digits"] == list(lanes)
    for axis, (workload, lane) in zip(axes, shown, strict=True):
        cases = [str(line.get_label()) for line in axis.get_lines()]
        assert cases
        assert all(case.startswith(workload.split()[0]) and case.endswith(f"@{lane}") for case in cases)
        limits = {
            other.get_xlim() + other.get_ylim()
            for other, (name, _) in zip(axes, shown, strict=True)
            if name == workload
        }
        assert len(limits) == 1
