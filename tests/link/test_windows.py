# SPDX-License-Identifier: Apache-2.0
"""Windows, echoes, starts and faults as the session sees them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from harness.errors import (
    DeviceFaultError,
    DeviceResetError,
    HangError,
    RemoteProtocolError,
)
from harness.link import Session, Timing
from harness.link.frames import Frame, encode
from harness.link.messages import InferDone, Running, WindowDone
from tests.link.memory_device import (
    MemoryDevice,
    MemoryTransport,
    fake_inputs,
    fake_outputs,
    fake_ticks,
    replies_in,
)
from tests.link.test_device_rules import window_ticks


def session_over(transport: MemoryTransport) -> Session:
    return Session(transport, timing=Timing(), time=transport)


def check(session: Session, sample: int) -> None:
    inputs = fake_inputs(sample)
    reply = session.infer(inputs)
    assert (reply.outputs, reply.ticks) == (fake_outputs(inputs), fake_ticks(inputs))


class Working(MemoryTransport):
    """A timed section takes `section_s`; both of its frames arrive when their time has come."""

    section_s = 3.0

    def __init__(self, device: MemoryDevice) -> None:
        super().__init__(device)
        self._later: list[tuple[float, bytes]] = []

    def write(self, data: bytes) -> None:
        at = self.now_s
        for frame in replies_in(self.device.serve(self.to_device(data))):
            if frame.type in (InferDone.TYPE, WindowDone.TYPE) and self._later:
                at += self.section_s
            if passed := self.to_host(b"\0" + encode(frame)):
                self._later.append((at, passed))

    def read(self, timeout_s: float) -> bytes:
        if self._later and self._later[0][0] <= self.now_s + timeout_s:
            at, data = self._later.pop(0)
            self.now_s = max(self.now_s, at)
            return data
        self.now_s += timeout_s
        return b""


# --- windows and echoes ----------------------------------------------------------------------------------


def test_a_window_by_both_clocks(device: MemoryDevice) -> None:
    session = session_over(Working(device))
    check(session, 1)
    reply = session.window(100, expected_s=3.0)
    assert reply.ticks == window_ticks(100)
    assert reply.host_s == pytest.approx(3.0)
    assert not reply.disturbed
    assert device.runs == 101
    check(session, 2)


@pytest.mark.parametrize("damaged", [Running.TYPE, WindowDone.TYPE])
def test_damage_hides_how_long_a_window_took_but_not_its_ticks(device: MemoryDevice, damaged: int) -> None:
    transport = Working(device)
    session = session_over(transport)
    session.hello()
    left = [True]

    def once(data: bytes) -> bytes:
        if replies_in(data)[0].type == damaged and left.pop():
            left.append(False)
            return data[:4] + b"\x55" + data[5:]
        return data

    transport.to_host = once
    reply = session.window(7)
    assert reply.ticks == window_ticks(7)
    assert reply.host_s is None
    assert device.runs == 7


def test_a_lost_reply_is_no_part_of_the_hosts_time(device: MemoryDevice) -> None:
    transport = Working(device)
    session = session_over(transport)
    check(session, 1)
    lost = iter([True])
    transport.to_host = lambda data: (
        b"" if replies_in(data)[0].type == WindowDone.TYPE and next(lost, False) else data
    )
    reply = session.window(7, expected_s=3.0)
    assert (reply.ticks, reply.host_s) == (window_ticks(7), None)
    assert device.runs == 8


def test_a_window_that_never_ends(device: MemoryDevice) -> None:
    transport = Working(device)
    transport.section_s = 1e6
    session = session_over(transport)
    with pytest.raises(HangError, match="WindowRequest"):
        session.window(2, expected_s=1.0)
    assert transport.now_s < 30


def test_a_stray_byte_during_a_section_does_not_end_the_wait(device: MemoryDevice) -> None:
    transport = Working(device)
    session = session_over(transport)
    session.hello()
    sent = device.encode(Running.TYPE, 0, b"")[:3]
    stray = sent[1:3]

    def back(data: bytes) -> bytes:
        return data + stray if replies_in(data)[0].type == Running.TYPE else data

    transport.to_host = back
    check(session, 1)
    # what was sent would have reached the device while it timed
    assert session.stats.retries == 0


def test_a_damaged_announcement_makes_no_round_trip_of_an_inference(device: MemoryDevice) -> None:
    transport = Working(device)
    session = session_over(transport)
    session.hello()
    damaged = iter([True])

    def there(data: bytes) -> bytes:
        return data[:4] + b"\x55" + data[5:] if next(damaged, False) else data

    def back(data: bytes) -> bytes:
        return data[:4] + b"\x55" + data[5:] if replies_in(data)[0].type == Running.TYPE else data

    # the first makes the line a bad one, on which time-outs follow the round trips
    transport.to_device, transport.to_host = there, back
    for sample in range(3):
        check(session, sample)
    lost = iter([b""])
    transport.to_host = lambda data: next(lost, data)
    began = transport.now_s
    session.status()
    assert transport.now_s - began < 0.2


def test_an_echo_in_as_many_frames_as_it_takes(device: MemoryDevice) -> None:
    session = session_over(MemoryTransport(device))
    session.hello()
    before = session.stats
    session.echo(bytes(range(256)) * 2)
    assert session.stats.requests - before.requests == -(-512 // (124 - 9))
    assert (session.stats.retries, session.stats.damaged) == (0, 0)


def test_an_echo_over_a_bad_line_comes_back_with_repetitions(device: MemoryDevice) -> None:
    chance = random.Random(3)
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    transport.to_device = lambda data: bytes(byte ^ (0x10 if chance.random() < 0.01 else 0) for byte in data)
    session.echo(bytes(range(256)) * 4)
    assert session.stats.retries > 0
    assert session.stats.damaged > 0


def test_a_device_that_answers_what_nobody_understands_does_not_hang(device: MemoryDevice) -> None:
    """Twelve bytes may be RUNNING or a refusal, so each time a lone delimiter asks for more."""
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    transport.to_host = lambda data: b"\0" + bytes(range(0x31, 0x31 + 12)) + b"\0" if data else b""
    with pytest.raises(RemoteProtocolError, match="WindowRequest, sent 8 times"):
        session.window(1)
    transport.to_host = lambda data: data
    session = session_over(transport)
    session.hello()
    transport.to_host = lambda data: b""
    with pytest.raises(HangError, match="WindowRequest, sent 8 times"):
        session.window(1)


# --- faults ----------------------------------------------------------------------------------------------


FAULT = (0x08001235, 0x08000101, 0x00008200)


@pytest.mark.parametrize("after", ["hello", "infer", "nothing"])
def test_a_fault_ends_the_session_with_its_place(device: MemoryDevice, after: str) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    if after != "nothing":
        session.hello()
    if after == "infer":
        check(session, 1)
    sent = device.fault(*FAULT)
    transport.to_host = lambda _: sent
    with pytest.raises(DeviceFaultError) as caught:
        session.infer(fake_inputs(2))
    assert (caught.value.pc, caught.value.lr, caught.value.syndrome) == FAULT


def test_a_fault_in_mid_inference(device: MemoryDevice) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    sent = device.fault(*FAULT)
    running: Callable[[bytes], bytes] = lambda data: b"\0" + encode(replies_in(data)[0]) + sent  # noqa: E731
    transport.to_host = running
    with pytest.raises(DeviceFaultError):
        session.window(5)


def test_a_reset_in_mid_inference_is_noticed_soon(device: MemoryDevice) -> None:
    transport = Working(device)
    transport.section_s = 0.01
    session = session_over(transport)
    check(session, 1)
    began = transport.now_s
    resets = iter([True])

    def reset(data: bytes) -> bytes:
        if replies_in(data)[0].type == InferDone.TYPE and next(resets, False):
            device.restart()
            return b""
        return data

    transport.to_host = reset
    with pytest.raises(DeviceResetError):
        session.infer(fake_inputs(2))
    assert transport.now_s - began < 1.0


@pytest.mark.parametrize("said", ["all", "damaged"])
def test_a_device_that_starts_in_mid_inference_need_not_be_waited_for(
    device: MemoryDevice, said: str
) -> None:
    """The first inference is given a minute, a window as long as it should take; the start tells sooner."""
    transport = Working(device)
    transport.section_s = 40.0
    session = session_over(transport)
    session.hello()
    honest = transport.write

    def write(data: bytes) -> None:
        honest(data)
        if transport._later[-1][0] > transport.now_s:
            # a second into the section, with the result still to come
            started = device.restart()
            transport._later[-1] = (transport.now_s + 1, started if said == "all" else started[:-4] + b"\0")

    transport.write = write  # type: ignore[method-assign]
    began = transport.now_s
    with pytest.raises(DeviceResetError):
        session.infer(fake_inputs(1))
    assert transport.now_s - began < 2.0


def test_a_device_that_starts_between_two_requests_is_noticed_before_the_second(device: MemoryDevice) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    check(session, 1)
    transport._arrived += device.restart()
    with pytest.raises(DeviceResetError):
        session.status()


def test_a_device_that_starts_is_greeted_soon(device: MemoryDevice) -> None:
    """And what an earlier start left in a buffer is no error."""
    transport = Working(device)
    transport._later = [(0.0, device.restart()), (0.1, device.restart())]
    transport.to_device = lambda data: data if transport.now_s >= 0.1 else b""
    session = session_over(transport)
    session.hello()
    assert 0.1 < transport.now_s < 0.15
    session.status()


def test_after_a_fault_nothing_is_believed(device: MemoryDevice) -> None:
    other = encode(Frame(type=0x91, sequence=0, body=bytes(11)))
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    transport.to_host = lambda _: other
    with pytest.raises(RemoteProtocolError, match="FAULT of 11 bytes"):
        session.status()
