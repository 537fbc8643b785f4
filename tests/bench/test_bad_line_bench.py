# SPDX-License-Identifier: Apache-2.0
"""What bad hardware costs: the digits over a clean and a bad line in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from harness.targets import TARGETS
from tests.bad_hardware.lanes import BAD, CLEAN, DIGITS, LANES, BadLane, comparable, run_digits

#: Link and computing over bad hardware take at most so many times what they take over a clean line.
LIMIT: Final = 5.0


@pytest.mark.bench
@pytest.mark.parametrize(("samples", "paced"), [(360, False), (60, True)])
def test_digits_over_bad_hardware_against_a_clean_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: int, paced: bool
) -> None:
    clean_s = bad_s = 0.0
    rate = "115,200 bit/s" if paced else "the emulators' own speed"
    print(f"\n{samples} digits at {rate}: 1 % byte faults, reset every 200 frames, disconnect every 500")
    for board, target in LANES:
        for variant in DIGITS:
            lanes = [BadLane(target, schedule, paced=paced) for schedule in (CLEAN, BAD)]
            rows = []
            for lane in lanes:
                with monkeypatch.context() as patch:
                    patch.setitem(TARGETS, target, lane)
                    rows.append(comparable(run_digits(variant, board, target, tmp_path, samples=samples)))
            assert rows[0] == rows[1]
            clean, bad = lanes
            clean_s, bad_s = clean_s + clean.seconds, bad_s + bad.seconds
            print(
                f"{variant:9} {board}:{target}: clean {clean.seconds:5.1f} s, bad {bad.seconds:5.1f} s, "
                f"{bad.seconds / clean.seconds:.1f} times; {dict(bad.lines[0].struck)}"
            )
    print(f"all: clean {clean_s:.1f} s, bad {bad_s:.1f} s, {bad_s / clean_s:.1f} times")
    assert bad_s < LIMIT * clean_s
