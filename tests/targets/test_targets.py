# SPDX-License-Identifier: Apache-2.0
"""Every target with real firmware: it starts, answers HELLO, counts alike, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from harness.errors import TargetError, UnavailableError
from harness.link.session import Session
from harness.measure import measure
from harness.records import Clock
from harness.targets import TARGETS, hardware, qemu, simavr
from harness.targets.upload import UPLOADERS
from tests.tiny_firmware import BOARDS, tiny_firmware

LANES = [
    pytest.param("native", "native", id="native"),
    pytest.param("uno", "simavr", marks=pytest.mark.emulator, id="uno-simavr"),
    pytest.param("stm32f4", "qemu", marks=pytest.mark.emulator, id="stm32f4-qemu"),
    pytest.param("nucleo_f446re", "qemu", marks=pytest.mark.emulator, id="nucleo-qemu"),
]

INPUTS = np.arange(-60, 60, dtype=np.int8).reshape(-1, 4)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUANTRIG_CACHE", str(cache))


def processes_with(text: str) -> list[str]:
    """Command lines of running processes that contain `text`, this one's own helpers left out."""
    listed = subprocess.run(
        ["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    return [line for line in listed.splitlines() if text in line and "ps -axww" not in line]


def assert_none_with(text: str, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while found := processes_with(text):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


@pytest.mark.parametrize(("board", "target"), LANES)
def test_hello_and_a_whole_measurement(board: str, target: str, cache: Path, tmp_path: Path) -> None:
    firmware = tiny_firmware(BOARDS[board], cache)
    module = TARGETS[target]
    assert module.unavailable(BOARDS[board]) is None
    with module.open(firmware, BOARDS[board], log=tmp_path / "log") as transport:
        hello = Session(transport).hello()
        assert hello.firmware_sha256 == firmware.firmware_sha256
        assert hello.board == board
        assert processes_with(str(firmware.elf))
        result = measure(transport, expected_digest=firmware.firmware_sha256, inputs=[INPUTS])
    np.testing.assert_array_equal(
        result.outputs.reshape(INPUTS.shape), INPUTS + np.array([1, 2, 3, 4], np.int8)
    )
    if module.clock(BOARDS[board]) != "wall":
        assert len(set(result.ticks)) == 1, "the same work, the same ticks"
        assert 20 < result.ticks[0] < 2000
    assert_none_with(str(firmware.elf))


@pytest.mark.emulator
def test_emulators_run_at_once_and_count_as_before(cache: Path, tmp_path: Path) -> None:
    """Four at the same time, on a busy machine, to the tick."""

    def ticks(lane: tuple[int, str, str]) -> tuple[str, tuple[int, ...]]:
        number, board, target = lane
        firmware = tiny_firmware(BOARDS[board], cache)
        with TARGETS[target].open(firmware, BOARDS[board], log=tmp_path / f"log-{number}") as transport:
            return board, measure(transport, expected_digest=firmware.firmware_sha256, inputs=[INPUTS]).ticks

    lanes = [(number, *lane) for number in range(2) for lane in (("uno", "simavr"), ("stm32f4", "qemu"))]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(ticks, lanes))
    assert results[0] == results[2]
    assert results[1] == results[3]


HARNESS = """
import sys, time
from pathlib import Path
from harness.link.session import Session
from harness.targets import TARGETS
from tests.tiny_firmware import BOARDS, tiny_firmware
board = BOARDS[sys.argv[1]]
firmware = tiny_firmware(board, Path(sys.argv[3]))
with TARGETS[sys.argv[2]].open(firmware, board, log=Path(sys.argv[4])) as transport:
    Session(transport).hello()
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(("board", "target"), LANES[:3])
def test_no_process_is_left_when_the_harness_is_killed(
    board: str, target: str, cache: Path, tmp_path: Path
) -> None:
    firmware = tiny_firmware(BOARDS[board], cache)
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, board, target, str(cache), str(tmp_path / "log")],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
    )
    assert harness.stdout is not None
    assert harness.stdout.readline() == b"ready\n"
    assert processes_with(str(firmware.elf))
    harness.send_signal(signal.SIGKILL)
    harness.communicate()
    assert_none_with(str(firmware.elf))


@pytest.mark.parametrize(("board", "target"), LANES[:3])
def test_a_firmware_that_dies_is_reported_with_its_exit_code(
    board: str, target: str, cache: Path, tmp_path: Path
) -> None:
    firmware = tiny_firmware(BOARDS[board], cache)
    log = tmp_path / "log"

    def talk() -> None:
        with TARGETS[target].open(firmware, BOARDS[board], log=log) as transport:
            Session(transport).hello()
            for line in processes_with(str(firmware.elf)):
                pid, command = line.split(maxsplit=1)
                if "supervisor.py" not in command:
                    os.kill(int(pid), signal.SIGKILL)
            while True:
                transport.read(10.0)

    with pytest.raises(TargetError, match=r"ended with exit code -9.*log"):
        talk()


@pytest.mark.emulator
def test_what_an_emulator_says_stands_in_the_log(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that QEMU does not have: its own words reach the error and the log."""
    board = BOARDS["stm32f4"]
    monkeypatch.setattr(qemu, "command", lambda *_: ["qemu-system-arm", "-M", "no-such-machine"])
    log = tmp_path / "log"
    firmware = tiny_firmware(BOARDS["stm32f4"], cache)
    with (
        pytest.raises(TargetError, match=r"exit code 1: .*unsupported machine"),
        qemu.open(firmware, board, log=log) as transport,
    ):
        transport.read(10.0)
    assert "unsupported machine" in log.read_text()


def test_clocks_are_those_of_the_records() -> None:
    known = {"native": Clock.WALL, "qemu": Clock.INSTRUCTIONS, "renode": Clock.INSTRUCTIONS}
    known |= {"simavr": Clock.CYCLES, "hardware": Clock.CYCLES}
    for board in BOARDS.values():
        for target in board.targets:
            clock = TARGETS[target].clock(board)
            # Espressif's QEMU has no counter that means anything
            untimed = board.emulators.get(target) == {"machine": "esp32"}
            expected = Clock.WALL if (board.name, target) == ("pico", "hardware") else known[target]
            assert clock == (None if untimed else expected)
            assert TARGETS[target].label(board).endswith(".")


@pytest.mark.emulator
def test_versions_name_numbers() -> None:
    versions: Mapping[str, str] = qemu.versions() | simavr.versions()
    assert versions.keys() == {"qemu-system-arm", "qemu-system-xtensa", "simavr"}
    assert all(any(c.isdigit() for c in version) for version in versions.values())


@pytest.mark.parametrize(
    ("target", "board", "reason"),
    [
        ("native", "uno", "choose the board `native`"),
        ("qemu", "uno", "names no QEMU machine"),
        ("simavr", "stm32f4", "names no simavr chip"),
        ("hardware", "native", "key `upload`"),
        ("hardware", "uno", r"--port uno="),
    ],
)
def test_a_pair_that_cannot_be_says_why(
    target: str, board: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(UPLOADERS, "arduino", ("true", "coreutils"))  # an uploader that is there
    assert reason in (TARGETS[target].unavailable(BOARDS[board]) or "")


@pytest.mark.parametrize(
    ("target", "board", "remedy"),
    [
        ("qemu", "stm32f4", "apt-get install qemu-system-arm"),
        ("simavr", "uno", "apt-get install gcc"),
        ("native", "native", "apt-get install gcc libc6-dev"),
    ],
)
def test_a_missing_tool_names_the_command(
    target: str, board: str, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert remedy in (TARGETS[target].unavailable(BOARDS[board]) or "")
    assert [module.versions() for module in (qemu, simavr, hardware)] == [{}, {}, {}]


def test_a_missing_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simavr, "_library", lambda name: None)
    assert "apt-get install libsimavr-dev libelf-dev" in (simavr.unavailable(BOARDS["uno"]) or "")
    with pytest.raises(UnavailableError, match="libsimavr"):
        simavr.runner()


def test_the_simavr_runner_is_compiled_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        programs = set(pool.map(lambda _: simavr.runner(cache=tmp_path), range(3)))
    (program,) = programs
    assert [path.name for path in program.parent.iterdir()] == [program.name]
    before = program.stat()
    left_over = program.with_name("draft-of-a-killed-process")
    left_over.write_bytes(b"half")
    os.utime(left_over, (before.st_mtime - 3700, before.st_mtime - 3700))
    assert simavr.runner(cache=tmp_path) == program
    assert not left_over.exists()
    assert program.stat().st_mtime_ns == before.st_mtime_ns
    assert os.access(program, os.X_OK)
