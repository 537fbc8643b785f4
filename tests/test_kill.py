# SPDX-License-Identifier: Apache-2.0
"""`quantrig sweep` killed at random moments: the folder stays whole, no process stays, resume finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Final

import pytest

from harness.rows import COLUMNS, Row
from harness.run_reader import RunReader

KILLS: Final = 10
SWEEP: Final = ("sweep", "-w", "sine", "-w", "digits", "-v", "float32", "-v", "ptq-int8", "--samples", "60")

#: What may differ between two runs of one case: when it ran, how long it took, and the host's own time.
UNSTABLE: Final = {"started_at", "seconds"}
WALL: Final = {c for c in COLUMNS if c.startswith("latency_")}


def _start(arguments: tuple[str, ...], root: Path, mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--out", str(root)],
        env={**os.environ, "QUANTRIG_TEST_MARK": mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _marked(mark: str) -> list[str]:
    """Command lines of living processes that descend from the marked sweep."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                continue  # it ended while we looked
    return found


def _wait_until_gone(mark: str) -> list[str]:
    deadline = time.monotonic() + 10
    while (left := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def _finish(process: subprocess.Popen[bytes]) -> None:
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()


def _stable(rows: tuple[Row, ...]) -> list[dict[str, object]]:
    return [
        {c: getattr(row, c) for c in COLUMNS if c not in UNSTABLE | (WALL if row.clock == "wall" else set())}
        for row in rows
    ]


@pytest.mark.emulator
@pytest.mark.train
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes through /proc")
def test_sweep_survives_sigkill_at_random_moments(tmp_path: Path) -> None:
    mark = f"kill-{uuid.uuid4()}"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    started = time.monotonic()
    _finish(_start(SWEEP, whole, mark))
    duration = time.monotonic() - started
    expected = RunReader.open(next(whole.iterdir()))
    assert len(expected.rows) == 16
    assert {row.status for row in expected.rows} == {"ok"}

    rng = random.Random(20261121)
    survived = 0
    for _ in range(KILLS):
        runs = sorted(killed.glob("*/run.json"))
        process = _start(("sweep", "--resume", str(runs[0].parent)) if runs else SWEEP, killed, mark)
        # Early kills hit builds and emulators, not only the end of a short sweep.
        time.sleep(rng.uniform(0.2, duration / 3))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        survived += process.returncode != -signal.SIGKILL
        assert _wait_until_gone(mark) == []
        for run in killed.glob("*/run.json"):
            assert RunReader.open(run.parent).links is not None
    assert survived < KILLS, "every sweep had ended before its kill: nothing was tested"

    runs = sorted(killed.glob("*/run.json"))
    assert len(runs) == 1
    _finish(_start(("sweep", "--resume", str(runs[0].parent)), killed, mark))
    result = RunReader.open(runs[0].parent)
    assert _stable(result.rows) == _stable(expected.rows)
    # each measured row has its line, and each lane's device was noted, whatever the kills hit
    measured = [row.case for row in result.all_rows if row.samples is not None]
    assert [line.case for line in result.links if line.reason_code is None] == measured
    assert result.provenance.devices == expected.provenance.devices
    assert len(result.provenance.devices) == 4
    for row in result.rows:
        ours, theirs = result.samples(row.case), expected.samples(row.case)
        assert ours is not None
        assert theirs is not None
        assert (ours.outputs == theirs.outputs).all()
        if row.clock != "wall":
            assert ours.ticks == theirs.ticks
    assert _wait_until_gone(mark) == []
