# SPDX-License-Identifier: Apache-2.0
"""The line's rate is raised, proved, given up, and found again by the next session."""

from __future__ import annotations

import pytest

from harness.errors import RemoteProtocolError, UnavailableError
from tests.link.memory_device import MemoryDevice, MemoryTransport
from tests.link.test_windows import check, session_over

START_BAUD = 115_200


class RatedLine(MemoryTransport):
    """A line on which both ends must have one rate, and none above `holds` gets anything through."""

    def __init__(self, device: MemoryDevice, *, holds: int = 10_000_000) -> None:
        super().__init__(device)
        self.baud: int | None = START_BAUD
        self.holds = holds
        self.rates: list[int] = []
        self.to_device = self.to_host = self.garble

    def set_baud(self, baud: int) -> None:
        self.baud = baud
        self.rates.append(baud)

    def garble(self, data: bytes) -> bytes:
        device = self.device.baud or START_BAUD
        if self.baud == device and device <= self.holds:
            return data
        return bytes((7 * byte + 13) % 251 * (at % 5 > 0) for at, byte in enumerate(data))

    def write(self, data: bytes) -> None:
        # a reply leaves at the rate that the device had when its request came
        before = self.device.baud or START_BAUD
        answer = self.device.serve(self.to_device(data))
        whole = before == self.baud and before <= self.holds
        self._arrived += answer if whole else self.garble(answer)


def test_a_rate_is_raised_and_lowered(device: MemoryDevice) -> None:
    line = RatedLine(device)
    session = session_over(line)
    check(session, 1)
    assert session.set_baud(1_000_000)
    assert (session.baud, line.baud, device.baud) == (1_000_000, 1_000_000, 1_000_000)
    check(session, 2)
    assert session.set_baud(500_000)
    assert session.set_baud(500_000)
    check(session, 3)
    assert session.set_baud(START_BAUD)
    assert (session.baud, line.baud, device.baud) == (START_BAUD, START_BAUD, 0)
    check(session, 4)
    assert line.rates == [1_000_000, 500_000, START_BAUD]
    assert session.stats.retries == 0


def test_a_rate_that_does_not_hold_is_given_up(device: MemoryDevice) -> None:
    line = RatedLine(device, holds=600_000)
    session = session_over(line)
    check(session, 1)
    assert not session.set_baud(1_000_000)
    assert (session.baud, line.baud, device.baud) == (START_BAUD, START_BAUD, 0)
    check(session, 2)
    assert session.set_baud(500_000)
    assert not session.set_baud(2_000_000)
    assert (session.baud, device.baud) == (START_BAUD, 0)
    check(session, 3)
    assert line.now_s < 60


def test_a_rate_at_which_only_the_host_is_heard_is_given_up_soon(device: MemoryDevice) -> None:
    """The device takes it for proved, and must be told by more than one damaged frame."""
    line = RatedLine(device, holds=600_000)
    session = session_over(line)
    check(session, 1)
    line.to_device = lambda data: data if line.baud == (device.baud or START_BAUD) else line.garble(data)
    began = line.now_s
    assert not session.set_baud(1_000_000)
    assert (session.baud, device.baud) == (START_BAUD, 0)
    assert line.now_s - began < 1
    # those of the proof, and none at the rate after reset
    assert session.stats.retries == 2
    check(session, 2)


def test_a_rate_that_the_device_cannot_make_changes_nothing(device: MemoryDevice) -> None:
    line = RatedLine(device)
    session = session_over(line)
    assert session.set_baud(250_000)
    assert not session.set_baud(3_000_000)
    assert (session.baud, line.rates) == (250_000, [250_000])
    check(session, 1)


def test_no_rate_from_which_the_device_could_not_be_called_back(device: MemoryDevice) -> None:
    session = session_over(RatedLine(device))
    with pytest.raises(ValueError, match="57600 baud are below"):
        session.set_baud(57_600)
    check(session, 1)


def test_a_rate_that_the_hosts_port_cannot_make_is_given_up(device: MemoryDevice) -> None:
    """The device has it by then, and must be called back."""
    line = RatedLine(device)
    honest = line.set_baud

    def set_baud(baud: int) -> None:
        if baud > 1_000_000:
            raise UnavailableError(f"no {baud} baud")
        honest(baud)

    line.set_baud = set_baud  # type: ignore[method-assign]
    session = session_over(line)
    assert not session.set_baud(2_000_000)
    assert (session.baud, line.baud, device.baud) == (START_BAUD, START_BAUD, 0)
    check(session, 1)
    assert session.set_baud(1_000_000)
    assert not session.set_baud(2_000_000)
    assert (session.baud, line.baud, device.baud) == (START_BAUD, START_BAUD, 0)
    check(session, 2)


def test_a_line_without_rates(device: MemoryDevice) -> None:
    session = session_over(MemoryTransport(device))
    assert not session.set_baud(1_000_000)
    assert device.baud == 0
    check(session, 1)


def test_a_lost_answer_to_baud_ends_at_the_rate_after_reset(device: MemoryDevice) -> None:
    """The device is at the new rate already, and hears the repetition as damage."""
    line = RatedLine(device)
    session = session_over(line)
    check(session, 1)
    lost = iter([b""])
    honest = line.write

    def write(data: bytes) -> None:
        honest(data)
        line._arrived = next(lost, line._arrived)

    line.write = write  # type: ignore[method-assign]
    assert session.set_baud(1_000_000)
    check(session, 2)
    assert session.stats.retries > 0


def test_the_next_session_finds_a_device_at_a_raised_rate(device: MemoryDevice) -> None:
    line = RatedLine(device)
    earlier = session_over(line)
    assert earlier.set_baud(1_000_000)
    line.set_baud(START_BAUD)
    check(session_over(line), 1)
    assert device.baud == 0


def test_a_device_that_was_reset_at_a_raised_rate_is_given_up_sooner(device: MemoryDevice) -> None:
    """It listens at the rate after reset, and whatever it says is noise; at that rate more is tried."""
    line = RatedLine(device)
    session = session_over(line)
    assert session.set_baud(1_000_000)
    check(session, 1)
    device.restart()
    with pytest.raises(RemoteProtocolError, match="sent 16 times"):
        session.status()
    line.set_baud(START_BAUD)
    session = session_over(line)
    check(session, 1)
    line.holds = 0
    with pytest.raises(RemoteProtocolError, match="sent 64 times"):
        session.status()
