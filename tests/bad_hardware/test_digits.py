# SPDX-License-Identifier: Apache-2.0
"""The digits over bad hardware: the rows of the table are those of a clean run, to the last tick."""

from __future__ import annotations

from dataclasses import replace
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


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("board", "target", "port"), [("uno", "simavr", "terminal"), ("stm32f4", "qemu", "socket")]
)
def test_rows_through_a_real_port_are_the_clean_ones(
    board: str, target: str, port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened as a board is: a bootloader that chatters after each opening, another name after each return."""
    clean = run_digits("ptq-int8", board, target, tmp_path, samples=SAMPLES)
    opening = replace(BAD, resets_on_open=True, boot_s=0.05, banner=b"boot v1.2\r\n")
    lane = BadLane(target, opening, port=port)
    monkeypatch.setitem(TARGETS, target, lane)
    bad = run_digits("ptq-int8", board, target, tmp_path, samples=SAMPLES)
    assert comparable(bad) == comparable(clean)
    assert bad.measurement is not None
    assert clean.measurement is not None
    assert bad.measurement.ticks == clean.measurement.ticks
    assert bad.measurement.link.resets + bad.measurement.link.reconnects > 0
    assert lane.lines[0].starts > 1
