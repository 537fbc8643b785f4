# SPDX-License-Identifier: Apache-2.0
"""Real `quantrig sweep --port` processes at one desk: who has a board, who waits, what an end leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.desk import Attachment, reserve
from harness.run_reader import RunReader
from tests.targets.desk_board import TOGETHER, DeskBoard, avrdude

pytestmark = [pytest.mark.emulator, pytest.mark.train]

#: The Uno's bootloader needs its two seconds, this one does not.
BOARDS = """\
uno:
  inherits: uno
  reset: {settle_s: 0.1}
uno-arduino:
  inherits: uno-arduino
  reset: {settle_s: 0.1}
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[DeskBoard]:
    avrdude(tmp_path)
    with DeskBoard(tmp_path) as found:
        yield found


class Sweeps:
    """Sweeps at the desk in a folder; none outlives its test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[str]] = []

    def start(self, mark: str, *options: str) -> subprocess.Popen[str]:
        """`quantrig sweep`; its run is in the folder `mark`."""
        folder = self._folder
        (folder / "boards.yaml").write_text(BOARDS)
        command = [sys.executable, "-m", "harness", "sweep", "-w", "sine", "-v", "ptq-int8", "--samples", "4"]
        desk = ["-t", "hardware", "--boards", str(folder / "boards.yaml"), "--out", str(folder / mark)]
        process = subprocess.Popen(
            [*command, *desk, *options],
            env={
                **os.environ,
                "QUANTRIG_TEST_MARK": mark,
                "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def sweeps(tmp_path: Path) -> Iterator[Sweeps]:
    found = Sweeps(tmp_path)
    yield found
    found.end()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Until the file is there, which the process leads to."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def uploading(folder: Path, board: DeskBoard) -> Path:
    return folder / f"uploading-{Path(board.port).name}"


def statuses(folder: Path) -> dict[str, str]:
    (run,) = folder.iterdir()
    return {row.case: row.status.value for row in RunReader.open(run).rows}


def descendants(mark: str) -> list[str]:
    """Command lines of living processes that come from the marked sweep."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"QUANTRIG_TEST_MARK={mark}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended while we looked
    return found


def test_a_second_sweep_is_refused_with_the_owners_pid_or_waits(
    tmp_path: Path, board: DeskBoard, sweeps: Sweeps
) -> None:
    (tmp_path / "hold").touch()
    first = sweeps.start("first", "--port", f"uno={board.port}", "-b", "uno")
    wait_for(uploading(tmp_path, board), first)

    code, said = ended(sweeps.start("second", "--port", f"uno={board.port}", "-b", "uno"))
    assert code == 4
    assert f"uno ({board.port}) is in use by process {first.pid}." in said
    assert not (tmp_path / "second").exists(), "a refused sweep leaves no run"

    third = sweeps.start("third", "--port", f"uno={board.port}", "-b", "uno", "--busy", "wait")
    assert third.stderr is not None
    assert third.stderr.readline().strip() == (
        f"uno ({board.port}) is in use by process {first.pid}. Waiting for it."
    )
    (tmp_path / "hold").unlink()
    assert ended(first)[0] == 0
    code, said = ended(third)
    assert code == 0, said
    case = "sine/ptq-int8/aot@uno:hardware"
    assert statuses(tmp_path / "first") == statuses(tmp_path / "third") == {case: "ok"}
    # the third found the first one's firmware on the board
    assert [line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()] == ["first"]
    (run,) = (tmp_path / "third").iterdir()
    (log,) = (run / "log").glob("*hardware.log")
    assert "runs this firmware already: not flashed" in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep_leaves_no_lock_and_no_uploader(
    tmp_path: Path, board: DeskBoard, sweeps: Sweeps, number: signal.Signals
) -> None:
    mark = f"desk-{uuid.uuid4()}"
    (tmp_path / "hold").touch()
    sweep = sweeps.start(mark, "--port", f"uno={board.port}", "-b", "uno")
    wait_for(uploading(tmp_path, board), sweep)
    assert any("avrdude" in line for line in descendants(mark))
    sweep.send_signal(number)
    code, said = ended(sweep)
    assert code == (130 if number == signal.SIGINT else -signal.SIGKILL), said
    if number == signal.SIGINT:
        (run,) = (tmp_path / mark).iterdir()
        desk = f"--boards {tmp_path / 'boards.yaml'} --port uno={board.port}"
        assert f"`quantrig sweep --resume {run} {desk}` continues" in said
    with reserve([Attachment(id="uno", board="uno", url=board.port)], wait=False):
        pass
    deadline = time.monotonic() + 10
    while (left := descendants(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_several_boards_run_at_once(tmp_path: Path, sweeps: Sweeps) -> None:
    """Each upload waits for the other's; with one job even, as a board needs no processor."""
    avrdude(tmp_path, extra=TOGETHER)
    with DeskBoard(tmp_path) as one, DeskBoard(tmp_path) as other:
        ports = ("--port", f"uno={one.port}", "--port", f"uno-arduino={other.port}")
        code, said = ended(sweeps.start("run", "-b", "uno", "-b", "uno-arduino", "-j", "1", *ports))
    assert code == 0, said
    assert statuses(tmp_path / "run") == {
        "sine/ptq-int8/aot@uno:hardware": "ok",
        "sine/ptq-int8/aot@uno-arduino:hardware": "ok",
    }
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_a_board_that_is_not_plugged_in_is_a_row_and_exit_code_4(tmp_path: Path, sweeps: Sweeps) -> None:
    avrdude(tmp_path)
    (tmp_path / "map.yaml").write_text('- id: left\n  board: uno\n  serial_number: "no such"\n')
    code, said = ended(sweeps.start("run", "-b", "uno", "--map", str(tmp_path / "map.yaml")))
    assert code == 4
    assert "left (Arduino Uno, serial number no such) is not plugged in" in said
    (run,) = (tmp_path / "run").iterdir()
    (row,) = RunReader.open(run).rows
    assert (row.status.value, row.reason_code) == ("unavailable", "no-board")
