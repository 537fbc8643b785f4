# SPDX-License-Identifier: Apache-2.0
"""The Uno's port in simavr: its own clock against the simulator's, its receiver at full line rate."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.build import Firmware
from harness.link.session import Session
from harness.link.transport import PipeTransport, Transport
from harness.targets import simavr
from tests.firmware.fake_model import BYTES, work
from tests.firmware.qemu_runs import send_junk

pytestmark = pytest.mark.emulator

RING_BYTES = 127  # one slot of 128 stays free
BYTE_CYCLES = 160  # ten bits at 1,000,000 baud
# Of a section, simavr's marks see two instructions more at each end than the ticks that are reported,
MARK_EXTRA_CYCLES = 14
# and the overflow interrupts; silicon would need 4 more for entering each, which simavr does for nothing.
OVERFLOW_CYCLES = 28
SILICON_ENTRY_CYCLES = 4


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simavr.runner(cache=tmp_path_factory.mktemp("runner"))


@contextmanager
def running(runner: Path, firmware: Firmware, log: Path) -> Iterator[Transport]:
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [runner, "--marks", firmware.elf],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        transport = PipeTransport(child.stdin, child.stdout)
        try:
            yield transport
            transport.close()
            assert child.wait(5) == 0
        finally:
            child.kill()
            child.wait()


def ticks_and_marks(
    runner: Path, firmware: Firmware, log: Path, inputs: list[bytes]
) -> list[tuple[int, int]]:
    """(the port's ticks, simavr's cycles) of one inference per input."""
    with running(runner, firmware, log) as transport:
        session = Session(transport)
        session.hello()
        ticks = [session.infer([data]).ticks for data in inputs]
    marks = [int(cycles) for cycles in re.findall(r"^mark (\d+)$", log.read_text(), re.MULTILINE)]
    return list(zip(ticks, marks[-len(ticks) :], strict=True))


def test_hello_and_outputs(runner: Path, uno: Firmware, tmp_path: Path) -> None:
    with running(runner, uno, tmp_path / "log") as transport:
        session = Session(transport)
        hello = session.hello()
        assert (hello.board, hello.counter) == ("uno", "timer1")
        assert hello.cpu_hz == hello.counter_hz == 16_000_000
        assert hello.firmware_sha256 == uno.firmware_sha256
        data = bytes(range(BYTES))
        reply = session.infer([bytes(4) + data[4:]])
        assert reply.outputs[0] == (bytes(4) + data[4:])[::-1]
        assert not reply.disturbed


def test_ticks_agree_with_the_simulator(runner: Path, uno: Firmware, tmp_path: Path) -> None:
    """Within 0.1 %, and but for known constants to the cycle: at every phase of the timer's overflow."""
    around = [turns for overflow in (1, 2, 7) for turns in range(5947 * overflow - 12, 5947 * overflow + 6)]
    inputs = [
        work(turns, extra) for turns in [0, 1, 50, 1000, 20_000, 300_000, *around] for extra in range(8)
    ]
    for ticks, cycles in ticks_and_marks(runner, uno, tmp_path / "log", inputs):
        overflows, rest = divmod(cycles - MARK_EXTRA_CYCLES - ticks, OVERFLOW_CYCLES)
        assert rest == 0
        assert abs(overflows - cycles / 65536) <= 1
        assert ticks == pytest.approx(cycles - MARK_EXTRA_CYCLES, rel=1e-3)


def test_two_runs_give_the_same_ticks(runner: Path, uno: Firmware, tmp_path: Path) -> None:
    inputs = [work(turns, turns % 8) for turns in (0, 3, 7, 6000, 70_000)] * 3
    first, second = (ticks_and_marks(runner, uno, tmp_path / name, inputs) for name in "ab")
    assert first == second
    assert first[:5] == first[5:10]


def test_bytes_during_the_start_do_not_spoil_the_calibration(
    runner: Path, uno: Firmware, tmp_path: Path
) -> None:
    """A host may knock before the firmware is up: its bytes cover the whole start."""
    quiet = ticks_and_marks(runner, uno, tmp_path / "quiet", [work(20_000)])
    with running(runner, uno, tmp_path / "log") as transport:
        transport.write(b"\x55" * 4000 + b"\0")
        session = Session(transport)
        session.hello()
        assert session.infer([work(20_000)]).ticks == quiet[0][0]
        assert session.status().empty_ticks == 0


def test_receiver_keeps_up_with_the_line(runner: Path, uno: Firmware, tmp_path: Path) -> None:
    """Bursts as long as the ring, back to back at 1,000,000 baud. The runner's wire does not wait."""
    log = tmp_path / "log"
    with running(runner, uno, log) as transport:
        session = Session(transport)
        session.hello()
        for _ in range(10):
            send_junk(transport, RING_BYTES)
            assert session.status().rx_lost == 0
    found = re.search(r"^rx-isr (\d+)$", log.read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[1]) + SILICON_ENTRY_CYCLES < BYTE_CYCLES / 2


class Flooded:
    """A line on which many bytes follow at once on one chosen write."""

    def __init__(self, transport: Transport) -> None:
        self._inner = transport
        self.read, self.close, self.baud = transport.read, transport.close, transport.baud
        self.writes = 0
        self.flood_at = -1

    def write(self, data: bytes) -> None:
        self._inner.write(data + (b"\x55" * 400 if self.writes == self.flood_at else b""))
        self.writes += 1


def test_lost_bytes_are_counted(runner: Path, uno: Firmware, tmp_path: Path) -> None:
    """400 bytes while an inference runs: the ring takes what it can hold, the rest is known to be lost."""
    with running(runner, uno, tmp_path / "log") as transport:
        line = Flooded(transport)
        session = Session(line)
        session.hello()
        line.writes = 0
        quiet = session.infer([work(50_000)])
        line.flood_at = line.writes + line.writes - 1  # the second INFER
        flooded = session.infer([work(50_000)])
        assert not quiet.disturbed
        assert session.status().rx_lost in range(400 - RING_BYTES - 8, 400 - RING_BYTES + 1)
        assert flooded.outputs == quiet.outputs


def test_stack_stays_within_the_bound(runner: Path, uno: Firmware, tmp_path: Path) -> None:
    with running(runner, uno, tmp_path / "log") as transport:
        session = Session(transport)
        session.hello()
        session.infer([work(20_000)])
        used = session.status().stack_bytes
    assert 0.6 * uno.sizes.stack_reserve_bytes < used <= uno.sizes.stack_reserve_bytes


def test_waiting_costs_nothing(runner: Path, uno: Firmware) -> None:
    child = subprocess.Popen([runner, uno.elf], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdin is not None
    assert child.stdout is not None
    transport = PipeTransport(child.stdin, child.stdout)
    Session(transport).hello()
    stat = Path(f"/proc/{child.pid}/stat")
    before = stat.read_text().split()[13:15]
    time.sleep(1)
    after = stat.read_text().split()[13:15]
    child.kill()
    child.wait()
    transport.close()
    assert sum(map(int, after)) - sum(map(int, before)) <= 2  # of 100 clock ticks


PARENT = """
import subprocess, sys, time
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def _runs(pid: int) -> bool:
    """A zombie has ended: when it is collected is up to the machine's init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_runner_ends_with_its_parent(runner: Path, uno: Firmware) -> None:
    """Its input stays open, in this process, so only the parent's death can tell."""
    read_end, write_end = os.pipe()
    command: list[str | Path] = [sys.executable, "-c", PARENT, runner, uno.elf]
    parent = subprocess.Popen(command, stdin=read_end, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _runs(pid)
    time.sleep(0.5)  # until it has noted whose child it is
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)
    for end in (read_end, write_end):
        os.close(end)


CRASHES = {"unknown instruction": ".word 0x00FF", "write beyond the RAM": "sts 0x0F00, r1"}


@pytest.mark.parametrize("crash", CRASHES)
def test_runner_reports_a_crash(runner: Path, tmp_path: Path, crash: str) -> None:
    source = tmp_path / "crash.S"
    source.write_text(f".global main\nmain: {CRASHES[crash]}\nrjmp main\n")
    subprocess.run(["avr-gcc", "-mmcu=atmega328p", "-o", tmp_path / "crash.elf", source], check=True)
    done = subprocess.run(
        [runner, tmp_path / "crash.elf"], input=b"", capture_output=True, timeout=10, check=False
    )
    assert done.returncode == 3
    assert b"crashed at address" in done.stderr
    assert done.stdout == b""


def test_runner_refuses_what_is_no_firmware(runner: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no ELF")
    for arguments in (
        ["nowhere.elf"],
        [str(tmp_path / "text")],
        [],
        ["--marks", "a", "b"],
        ["a", "--mcu"],
        ["--mcu", "z80", "a"],
    ):
        done = subprocess.run([runner, *arguments], capture_output=True, timeout=10, check=False)
        assert done.returncode == 2, arguments
        assert b"qr_simavr" in done.stderr


def test_runner_ends_when_killed_politely(runner: Path, uno: Firmware) -> None:
    child = subprocess.Popen([runner, uno.elf], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    child.terminate()
    assert child.wait(5) == -signal.SIGTERM
    assert child.stdin is not None
    child.stdin.close()
