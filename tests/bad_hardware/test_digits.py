# SPDX-License-Identifier: Apache-2.0
"""The digits over bad hardware: the rows of the table are those of a clean run, to the last tick."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from harness.targets import TARGETS
from tests.bad_hardware.lanes import BAD, DIGITS, LANES, BadLane, comparable, run_digits
from tests.bad_hardware.schedule import Mishap

SAMPLES: Final = 24


@pytest.mark.emulator
@pytest.mark.parametrize(("board", "target"), LANES)
@pytest.mark.parametrize("variant", DIGITS)
def test_rows_over_bad_hardware_are_the_clean_ones(
    variant: str, board: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = run_digits(variant, board, target, tmp_path, samples=SAMPLES)
    lane = BadLane(target, BAD)
    monkeypatch.setitem(TARGETS, target, lane)
    bad = run_digits(variant, board, target, tmp_path, samples=SAMPLES)
    assert comparable(bad) == comparable(clean)
    assert bad.outcome.status == "ok"
    assert bad.measurement is not None
    assert clean.measurement is not None
    assert bad.measurement.ticks == clean.measurement.ticks
    assert bad.measurement.warmup_ticks == clean.measurement.warmup_ticks
    (line,) = lane.lines
    # the last of each may be due in a frame that never came
    assert line.struck[Mishap.RESET] + 1 >= line.frames // 200
    assert line.struck[Mishap.DISCONNECT] + 1 >= line.frames // 500
    assert bad.measurement.link.retries > SAMPLES
