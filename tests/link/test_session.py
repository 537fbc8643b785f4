# SPDX-License-Identifier: Apache-2.0
"""The host's session against the firmware's own C, over lines that misbehave."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import (
    DeviceResetError,
    HangError,
    LocalProtocolError,
    NoReplyError,
    QuantrigError,
    RemoteProtocolError,
)
from harness.link import Session, TensorInfo, Timing
from harness.link.frames import MIN_FRAME_BYTES, Frame, encode
from harness.link.messages import ErrorReply, InferDone, Running
from tests.link.memory_device import (
    FAKE_BYTES,
    Fault,
    MemoryDevice,
    MemoryTransport,
    fake_inputs,
    fake_outputs,
    fake_ticks,
    is_infer,
    replies_in,
)

MakeDevice = Callable[..., MemoryDevice]


def session_over(transport: MemoryTransport, **timing: float) -> Session:
    return Session(transport, timing=Timing(**timing), time=transport)  # type: ignore[arg-type]


def check(session: Session, sample: int, sizes: tuple[int, ...] = FAKE_BYTES) -> None:
    """One inference gives what it must."""
    inputs = fake_inputs(sample, sizes)
    reply = session.infer(inputs)
    assert reply.outputs == fake_outputs(inputs)
    assert reply.ticks == fake_ticks(inputs)
    assert not reply.disturbed


# --- a good line ----------------------------------------------------------------------------------------


def test_hello_brings_the_card(device: MemoryDevice) -> None:
    hello = session_over(MemoryTransport(device)).hello()
    assert (hello.board, hello.engine, hello.counter) == ("native", "aot", "timer1")
    assert (hello.counter_hz, hello.cpu_hz) == (16_000_000, 16_000_001)
    assert (hello.arena_bytes, hello.frame_bytes) == (21, 124)
    assert hello.settings == "clock=fake;flash_ws=5"
    assert hello.firmware_sha256 == "00" * 32
    assert hello.model_sha256 == "deadbeef" + "00" * 28
    assert hello.inputs == (
        TensorInfo(dtype="int8", shape=(16,), scale=0.5, zero_point=0),
        TensorInfo(dtype="int8", shape=(5,), scale=0.5, zero_point=7),
    )
    assert [tensor.zero_point for tensor in hello.outputs] == [0, 14]


def test_inferences_and_status(device: MemoryDevice) -> None:
    session = session_over(MemoryTransport(device))
    for sample in range(50):
        check(session, sample)
    status = session.status()
    assert (status.stack_bytes, status.any_stack_bytes) == (321, 321)
    assert (status.rx_lost, status.bad_frames) == (0, 0)
    assert (status.inferences, status.empty_ticks) == (50, 0)
    assert (device.runs, session.stats.retries, session.stats.dropped) == (50, 0, 0)


@pytest.mark.parametrize("frame_bytes", [MIN_FRAME_BYTES, 124, 2048])
@pytest.mark.parametrize("input_bytes", [1, 110, 111, 5000])
def test_tensors_of_any_size_in_frames_of_any_size(
    make_device: MakeDevice, frame_bytes: int, input_bytes: int
) -> None:
    device = make_device(QR_FRAME_BYTES=frame_bytes, FAKE_BYTES_0=input_bytes)
    session = session_over(MemoryTransport(device))
    for sample in range(3):
        check(session, sample, (input_bytes, 5))
    assert (session.stats.retries, session.stats.dropped) == (0, 0)


def test_nothing_longer_than_the_device_takes_is_sent(make_device: MakeDevice) -> None:
    transport = MemoryTransport(make_device(QR_FRAME_BYTES=124, FAKE_BYTES_0=1000))
    check(session_over(transport), 1, (1000, 5))
    assert transport.longest_write == 124 + 2


def test_inputs_of_a_wrong_size_are_our_bug(device: MemoryDevice) -> None:
    session = session_over(MemoryTransport(device))
    with pytest.raises(LocalProtocolError, match=r"\[16, 4\] bytes where \[16, 5\]"):
        session.infer([bytes(16), bytes(4)])
    check(session, 1)


# --- a bad line -----------------------------------------------------------------------------------------


class Misbehaviour:
    """Does something to every n-th portion that passes."""

    def __init__(self, every: int, act: Callable[[bytes], bytes]) -> None:
        self._every, self._act, self._count = every, act, 0

    def __call__(self, data: bytes) -> bytes:
        if not data:
            return data
        self._count += 1
        return self._act(data) if self._count % self._every == 0 else data


class Delay:
    """Holds every n-th portion back and lets it pass after the next one."""

    def __init__(self, every: int) -> None:
        self._every, self._count, self._held = every, 0, b""

    def __call__(self, data: bytes) -> bytes:
        self._count += 1
        if self._count % self._every == 0:
            held, self._held = self._held, data
            return held
        data, self._held = data + self._held, b""
        return data


FAULTS: dict[str, Callable[[int], Fault]] = {
    "lost": lambda every: Misbehaviour(every, lambda _: b""),
    "half": lambda every: Misbehaviour(every, lambda data: data[: len(data) // 2]),
    "without-delimiter": lambda every: Misbehaviour(every, lambda data: data[:-1]),
    "without-first-byte": lambda every: Misbehaviour(every, lambda data: data[1:]),
    "only-delimiter": lambda every: Misbehaviour(every, lambda _: b"\0"),
    "twice": lambda every: Misbehaviour(every, lambda data: data + data),
    "noise-before": lambda every: Misbehaviour(every, lambda data: b"\x17\0\xff\0\0\x80noise" + data),
    "noise-after": lambda every: Misbehaviour(every, lambda data: data + b"\x17\0\xff\0\0\x80noise"),
    "delayed": Delay,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("direction", ["to_device", "to_host"])
@pytest.mark.parametrize("every", [3, 4, 5, 7])
def test_no_number_changes_on_a_bad_line(
    device: MemoryDevice, fault: str, direction: str, every: int
) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    setattr(transport, direction, FAULTS[fault](every))
    inferences = 0
    for sample in range(30):
        inputs = fake_inputs(sample)
        reply = session.infer(inputs)
        inferences += 1
        if reply.disturbed:
            reply = session.infer(inputs)
            inferences += 1
        assert (reply.outputs, reply.ticks) == (fake_outputs(inputs), fake_ticks(inputs))
    assert device.runs == inferences


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), rate=st.sampled_from([0.0005, 0.002, 0.01, 0.05]))
def test_random_damage_is_retried_or_reported(device: MemoryDevice, seed: int, rate: float) -> None:
    chance = random.Random(seed)

    def damage(data: bytes) -> bytes:
        damaged = bytearray()
        for byte in data:
            if chance.random() < rate:
                kind = chance.randrange(3)
                damaged += (b"", bytes([byte, byte]), bytes([chance.randrange(256)]))[kind]
            else:
                damaged.append(byte)
        return bytes(damaged)

    device.restart()
    session = session_over(MemoryTransport(device, to_device=damage, to_host=damage))
    try:
        for sample in range(10):
            inputs = fake_inputs(sample)
            reply = session.infer(inputs)
            if not reply.disturbed:
                assert (reply.outputs, reply.ticks) == (fake_outputs(inputs), fake_ticks(inputs))
    except (HangError, NoReplyError, RemoteProtocolError):
        assert rate >= 0.01


def test_a_line_that_garbles_long_frames_gets_short_ones(make_device: MakeDevice) -> None:
    device = make_device(QR_FRAME_BYTES=2048, FAKE_BYTES_0=5000)
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    for direction in ("to_device", "to_host"):
        # what one write makes a device send may be two frames: RUNNING is 12 bytes
        setattr(transport, direction, lambda data: data if len(data) <= 48 + 12 else data[:20] + data[21:])
    check(session, 1, (5000, 5))
    assert MIN_FRAME_BYTES <= session.frame_bytes < 70
    assert device.runs == 1
    transport.to_device = transport.to_host = bytes
    for sample in range(8):
        check(session, sample, (5000, 5))
    assert session.frame_bytes == 2048


def test_a_dead_line_is_reported(device: MemoryDevice) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    check(session, 1)
    transport.to_host = lambda _: b""
    with pytest.raises(HangError, match="WriteRequest"):
        session.infer(fake_inputs(2))
    assert transport.now_s < 60
    transport.to_host = bytes
    with pytest.raises(LocalProtocolError, match="BROKEN"):
        session.infer(fake_inputs(2))
    with pytest.raises(LocalProtocolError, match="BROKEN"):
        session.status()


def test_a_line_that_damages_everything_is_reported(device: MemoryDevice) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    transport.to_device = lambda data: data[:4] + b"\x55" + data[5:]
    with pytest.raises(RemoteProtocolError, match="intact reply to WriteRequest"):
        session.infer(fake_inputs(1))


# --- inferences -----------------------------------------------------------------------------------------


class SlowDevice(MemoryTransport):
    """An inference takes `seconds`; `during` counts writes that would fall into one."""

    def __init__(
        self, device: MemoryDevice, *, to_device: Fault | None = None, to_host: Fault | None = None
    ) -> None:
        super().__init__(device, to_device=to_device, to_host=to_host)
        self.seconds = 30.0
        self.during = 0
        self._later: tuple[float, bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._later is not None:
            self.during += 1
        answer = self.device.serve(self.to_device(data))
        frames = [encode(frame) for frame in replies_in(answer)]
        if len(frames) == 2 and replies_in(answer)[0].type == Running.TYPE:
            self._later = (self.now_s + self.seconds, self.to_host(b"\0" + frames[1]))
            frames.pop()
        self._arrived += b"".join(self.to_host(b"\0" + frame) for frame in frames)

    def read(self, timeout_s: float) -> bytes:
        if not self._arrived and self._later is not None and self._later[0] <= self.now_s + timeout_s:
            self.now_s, self._arrived = self._later
            self._later = None
        return super().read(timeout_s)


def test_a_slow_inference_is_left_alone(device: MemoryDevice) -> None:
    transport = SlowDevice(device)
    session = session_over(transport)
    for sample in range(3):
        check(session, sample)
    assert (session.stats.retries, transport.during) == (0, 0)


@pytest.mark.parametrize("every", [3, 4, 5, 7])
@pytest.mark.parametrize("fault", ["lost", "half", "without-delimiter", "noise-before"])
def test_a_request_lost_before_a_slow_inference_is_noticed_soon(
    device: MemoryDevice, fault: str, every: int
) -> None:
    transport = SlowDevice(device)
    transport.seconds = 0.0
    session = session_over(transport)
    session.hello()
    transport.to_device = FAULTS[fault](every)
    for sample in range(20):
        check(session, sample)
    assert transport.now_s < 20 * 3 * 2.2


def test_a_damaged_announcement_does_not_disturb_the_inference(device: MemoryDevice) -> None:
    def damage(data: bytes) -> bytes:
        return data[:3] + b"\x55" + data[4:] if replies_in(data)[0].type == Running.TYPE else data

    transport = SlowDevice(device, to_host=damage)
    session = session_over(transport)
    for sample in range(3):
        check(session, sample)
    assert (session.stats.retries, transport.during) == (0, 0)


def test_damage_in_a_row_is_noticed_without_waiting_for_an_inference_that_is_over(
    device: MemoryDevice,
) -> None:
    """The request refused, then its result damaged: only silence may cost the patience of an inference."""
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    damage_request, damage_result = iter([True]), iter([True, True])

    def there(data: bytes) -> bytes:
        return data[:4] + b"\x55" + data[5:] if is_infer(data) and next(damage_request, False) else data

    def back(data: bytes) -> bytes:
        long = len(data) > 24  # RUNNING and result, or a result alone
        return data[:-4] + b"\x55" + data[-3:] if long and next(damage_result, False) else data

    transport.to_device, transport.to_host = there, back
    check(session, 1)
    assert (device.runs, session.stats.retries) == (1, 3)
    assert transport.now_s < 1.0


def test_a_lost_result_is_asked_for_once_and_not_computed_again(device: MemoryDevice) -> None:
    lost: list[bytes] = []

    def lose(data: bytes) -> bytes:
        if replies_in(data)[0].type == InferDone.TYPE and not lost:
            lost.append(data)
            return b""
        return data

    transport = SlowDevice(device, to_host=lose)
    session = session_over(transport)
    check(session, 1)
    assert (device.runs, session.stats.retries, len(lost)) == (1, 1, 1)
    assert transport.now_s < 30 + 62


def test_a_device_that_hangs_in_an_inference_is_given_up(device: MemoryDevice) -> None:
    transport = SlowDevice(device)
    session = session_over(transport)
    check(session, 0)
    transport.to_host = lambda data: b"" if replies_in(data)[0].type == InferDone.TYPE else data
    with pytest.raises(HangError, match="InferRequest"):
        session.infer(fake_inputs(1))
    assert transport.now_s < 30 + 30 + 60 + 8 * 2.2


def test_bytes_during_an_inference_are_reported(device: MemoryDevice) -> None:
    transport = MemoryTransport(device)
    session = session_over(transport)
    session.hello()
    transport.to_device = lambda data: data + b"\x55" if is_infer(data) else data
    reply = session.infer(fake_inputs(1))
    assert reply.disturbed
    transport.to_device = bytes
    # the byte that came too early is not mixed up with the next request
    check(session, 2)


# --- beginnings -----------------------------------------------------------------------------------------


def test_a_board_that_starts_late_loses_bytes(device: MemoryDevice) -> None:
    transport = MemoryTransport(device)
    transport.to_device = lambda data: data if transport.now_s > 2 else b""
    session = session_over(transport)
    check(session, 1)
    assert session.stats.retries == 0


def test_a_banner_before_the_answer_is_skipped(device: MemoryDevice) -> None:
    banner = iter([b"Boot v1\r\n", b"\0\0ready", b""])
    transport = MemoryTransport(device, to_host=lambda data: next(banner, b"") + data)
    check(session_over(transport), 1)


def test_silence_and_babble_are_told_apart(device: MemoryDevice) -> None:
    silent = MemoryTransport(device, to_device=lambda _: b"")
    with pytest.raises(NoReplyError, match="hangs while starting"):
        session_over(silent).hello()
    assert silent.now_s == pytest.approx(15, abs=1)
    babbling = MemoryTransport(device, to_host=lambda _: b"hello, world\r\n")
    with pytest.raises(NoReplyError, match="sent bytes"):
        session_over(babbling).hello()


def test_a_device_that_babbles_without_end_is_reported(device: MemoryDevice) -> None:
    class Babble(MemoryTransport):
        babbling = False

        def read(self, timeout_s: float) -> bytes:
            self.now_s += 0.001
            return b"\x05babble\0" if self.babbling else super().read(timeout_s)

    transport = Babble(device)
    transport.babbling = True
    with pytest.raises(NoReplyError):
        session_over(transport).hello()
    transport.babbling = False
    session = session_over(transport)
    session.hello()
    transport.babbling = True
    with pytest.raises(RemoteProtocolError):
        session.infer(fake_inputs(1))


def test_what_an_earlier_session_left_on_the_line_is_not_taken(device: MemoryDevice) -> None:
    """The earlier host died after its INFER: the reply comes to the next one, who uses the same numbers."""
    first = MemoryTransport(device)
    earlier = Session(first, nonce=0x0005_0001, time=first)
    stale = []

    def keep(data: bytes) -> bytes:
        stale.append(data)
        return data

    first.to_host = keep
    check(earlier, 9)
    late = iter([b"".join(stale)])
    transport = MemoryTransport(device, to_host=lambda data: next(late, b"") + data)
    session = Session(transport, nonce=0x0005_0002, time=transport)
    for sample in range(5):
        check(session, sample)
    assert session.stats.dropped > 0


def test_a_half_sent_request_of_an_earlier_session_is_flushed(device: MemoryDevice) -> None:
    device.serve(b"\x20half a frame")
    session = session_over(MemoryTransport(device))
    check(session, 1)
    # which says nothing about the line
    assert session.frame_bytes == 124
    assert (session.stats.retries, session.stats.damaged) == (0, 0)


def test_a_device_that_restarts_is_reported(device: MemoryDevice) -> None:
    session = session_over(MemoryTransport(device))
    check(session, 1)
    device.restart()
    with pytest.raises(DeviceResetError, match="restarted"):
        session.infer(fake_inputs(2))


def test_a_second_host_is_noticed(device: MemoryDevice) -> None:
    one = Session(MemoryTransport(device), nonce=0x1000_0000)
    two = Session(MemoryTransport(device), nonce=0x2000_0000)
    check(one, 1)
    check(two, 2)
    with pytest.raises(QuantrigError, match=r"later requests|refused"):
        one.infer(fake_inputs(3))


def test_another_protocol_version_is_named(device: MemoryDevice) -> None:
    newer = encode(Frame(type=ErrorReply.TYPE, sequence=0, body=bytes([7, 3])))
    transport = MemoryTransport(device, to_host=lambda _: newer)
    with pytest.raises(RemoteProtocolError, match="device speaks link protocol 3, this quantrig 2"):
        Session(transport, nonce=0, time=transport).hello()


@pytest.mark.parametrize(("baud", "assumed"), [(300, 300), (57_600, 57_600), (None, 115_200)])
def test_the_lines_rate_decides_how_long_a_reply_may_take(
    device: MemoryDevice, baud: int | None, assumed: int
) -> None:
    """A board that falls silent: STATUS and its reply are some 20 to 100 bytes of ten bits."""
    transport = MemoryTransport(device)
    transport.baud = baud
    session = Session(transport, time=transport)
    session.hello()
    transport.to_host = lambda _: b""
    began = transport.now_s
    with pytest.raises(HangError):
        session.status()
    waited_s = (transport.now_s - began) / Timing().attempts - Timing().reply_s
    assert 20 * 10 / assumed < waited_s < 100 * 10 / assumed
