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
from harness.link.frames import MIN_FRAME_BYTES, OVERHEAD_BYTES, Deframer, Frame, encode
from harness.link.messages import ErrorReply, InferDone, Running
from harness.link.pacing import RoundTrip, Wait
from harness.link.sizing import EXCHANGE_BYTES, FrameLimit
from tests.link.memory_device import (
    FAKE_BYTES,
    Fault,
    MemoryDevice,
    MemoryTransport,
    fake_inputs,
    fake_outputs,
    fake_ticks,
    is_infer,
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
    assert (status.stack_bytes, status.rx_lost, status.bad_frames) == (321, 0, 0)
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


def replies_in(data: bytes) -> list[Frame]:
    deframer = Deframer()
    deframer.feed(data)
    found = []
    while (frame := deframer.next_frame()) is not None:
        assert isinstance(frame, Frame)
        found.append(frame)
    return found


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
    check(session_over(MemoryTransport(device)), 1)


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


# --- the device's own rules, which no correct host puts to the test --------------------------------------


def ask(device: MemoryDevice, kind: int, sequence: int, body: str = "") -> str:
    """The device's replies to one request, as `type:body` in hex."""
    answer = device.serve(encode(Frame(type=kind, sequence=sequence, body=bytes.fromhex(body))))
    return " ".join(f"{frame.type:02x}:{frame.body.hex()}" for frame in replies_in(answer))


ALL_INPUTS = [(2, "00 00000000" + "01" * 16), (2, "01 00000000" + "02" * 5)]


def open_session(device: MemoryDevice, sequence: int = 10) -> None:
    assert ask(device, 1, sequence, "02 44332211 0000 0000").startswith("81:0244332211")


def write_inputs(device: MemoryDevice, sequence: int) -> None:
    for kind, body in ALL_INPUTS:
        assert ask(device, kind, sequence, body) == "82:"
        sequence += 1


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 6])
def test_before_hello_nothing_else_is_served(device: MemoryDevice, kind: int) -> None:
    assert ask(device, kind, 1) == "ff:0602"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (0, "", 2),
        (0x10, "", 2),
        (0x7F, "", 2),
        (1, "", 3),
        (1, "03 44332211 0000 0000", 7),
        (1, "02 44332211 0000", 3),
        (1, "02 44332211 0001 0000", 4),
        (2, "00 00000000", 3),
        (2, "02 00000000 aa", 4),
        (2, "00 10000000 aa", 4),
        (2, "00 00000000" + "aa" * 17, 4),
        (2, "00 ffffffff aaaa", 4),
        (2, "00 01000000 aa", 8),
        (2, "01 00000000 aa", 8),
        (3, "", 3),
        (3, "0000", 9),
        (4, "00 00000000 0100", 10),
        (4, "00 00000000", 3),
        (5, "00", 3),
    ],
)
def test_refusals(device: MemoryDevice, kind: int, body: str, code: int) -> None:
    open_session(device)
    assert ask(device, kind, 11, body) == f"ff:{code:02x}02"
    assert device.runs == 0


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        ("00 00000000 1000", "84:" + "02" * 16),
        ("01 04000000 0100", "84:04"),
        ("01 05000000 0000", "84:"),
        ("01 05000000 0100", "ff:0402"),
        ("02 00000000 0100", "ff:0402"),
        ("00 ffffffff 0200", "ff:0402"),
    ],
)
def test_reading_outputs(device: MemoryDevice, body: str, reply: str) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert (
        ask(device, 3, 13, "0000")
        == f"90: 83:{fake_ticks([bytes([1] * 16), bytes([2] * 5)]).to_bytes(8, 'little').hex()}00"
    )
    assert ask(device, 4, 14, body) == reply


def test_a_repeated_infer_gets_the_kept_reply_and_may_ask_for_less(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    first = ask(device, 3, 13, "ffff")
    assert first.startswith("90: 83:")
    assert ask(device, 3, 13, "ffff") == first.removeprefix("90: ")
    assert ask(device, 3, 13, "0200") == first.removeprefix("90: ")[: 3 + 18 + 4]
    assert device.runs == 1


def test_inputs_are_consumed(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 3, 13, "0000").startswith("90: 83:")
    assert ask(device, 3, 14, "0000") == "ff:0902"
    assert ask(device, *(2, 15, ALL_INPUTS[0][1])) == "82:"
    assert ask(device, 3, 16, "0000") == "ff:0902"
    # and the outputs are gone with the first byte of the next input
    assert ask(device, 4, 17, "00 00000000 0100") == "ff:0a02"
    assert device.runs == 1


def test_a_new_sample_begins_anew(device: MemoryDevice) -> None:
    """Half of one sample and half of another are no sample."""
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 2, 13, "00 00000000 03") == "82:"
    assert ask(device, 3, 14, "0000") == "ff:0902"


def test_late_and_false_copies_are_refused(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 2, 11, "00 00000000 77") == "ff:0502"  # an earlier number
    assert ask(device, 2, 12, "01 00000000 77") == "ff:0502"  # the last number, another content
    assert ask(device, 5, 12) == "ff:0502"  # the last number, another type
    assert ask(device, 1, 9, "02 44332211 0000 0000") == "ff:0502"  # a late HELLO of this session
    assert ask(device, 3, 13, "0000").startswith("90: 83:")
    assert ask(device, 3, 0x8000 + 14, "0000") == "ff:0502"  # half way round the circle is behind
    assert ask(device, 5, 0x7000).startswith("85:")


def test_a_new_nonce_opens_a_new_session_at_any_number(device: MemoryDevice) -> None:
    open_session(device)
    write_inputs(device, 11)
    assert ask(device, 1, 3, "02 00000000 0000 0000").startswith("81:")
    assert ask(device, 3, 4, "0000") == "ff:0902"


def test_replies_and_echoes_are_not_answered(device: MemoryDevice) -> None:
    open_session(device)
    assert ask(device, 0xFF, 11) == ""
    assert ask(device, 0x81, 11) == ""


# --- pacing ---------------------------------------------------------------------------------------------


def test_frames_shrink_where_bytes_are_damaged_and_grow_again() -> None:
    limit = FrameLimit()
    limit.allow(2048)
    assert (limit.bytes, limit.troubled) == (2048, False)
    sizes = []
    for _ in range(8):
        limit.bad(limit.bytes + 30)
        sizes.append(limit.bytes)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == MIN_FRAME_BYTES
    while limit.troubled:
        limit.good(limit.bytes + 30)
        sizes.append(limit.bytes)
    assert sizes[8:] == sorted(sizes[8:])
    assert limit.bytes == 2048
    assert limit.payload(5) == 2048 - OVERHEAD_BYTES - 5


@pytest.mark.parametrize("damaged", [0.001, 0.003, 0.01, 0.03])
def test_frames_come_near_the_best_size(damaged: float) -> None:
    """Against the best of all sizes, tried out: what one byte of data costs at that rate of damage."""

    def cost(data: int) -> float:
        line = data + EXCHANGE_BYTES
        return line / data / (1 - damaged) ** line

    chance = random.Random(1)
    limit = FrameLimit()
    limit.allow(2048)
    costs = []
    for attempt in range(600):
        line = limit.payload(0) + EXCHANGE_BYTES
        (limit.good if chance.random() < (1 - damaged) ** line else limit.bad)(line)
        if attempt > 50:
            costs.append(cost(limit.payload(0)))
    assert sum(costs) / len(costs) < 1.35 * min(cost(data) for data in range(30, 2000))


def test_data_are_cut_evenly_or_sent_whole_where_that_is_cheaper() -> None:
    limit = FrameLimit()
    limit.allow(124)
    assert limit.piece(64, 7) == 64
    assert limit.piece(1000, 5) == 110
    for _ in range(10):
        limit.bad(80)
        limit.good(80)
    assert limit.payload(7) < 64
    assert limit.piece(64, 7) == 64
    assert limit.piece(300, 7) < 64


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


class Clock:
    """A HostTime that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_patience() -> None:
    time = Clock()
    wait = Wait(time)
    wait.sent(3.0, quiet_s=0.5, copies=1)
    assert wait.left_s(partial=False) == pytest.approx(3.0)
    assert wait.left_s(partial=True) == pytest.approx(0.5)
    time.seconds = 2.9
    wait.heard()
    assert wait.left_s(partial=True) == pytest.approx(0.1)
    time.seconds = 3.1
    # one more look at the line for a process that was held up, then no more
    assert wait.left_s(partial=False) == 0.0
    assert wait.left_s(partial=False) is None
    assert wait.section_s() is None
    wait.inferring(60.0, certain=True)
    assert wait.left_s(partial=False) == pytest.approx(60.0)
    time.seconds = 4.1
    wait.heard()
    wait.resumed()
    assert wait.section_s() == pytest.approx(4.1 - 2.9)


def test_a_line_that_still_speaks_is_heard_out() -> None:
    time = Clock()
    wait = Wait(time)
    wait.sent(3.0, quiet_s=0.5, copies=2)
    assert not wait.answered_badly()
    assert wait.answered_badly()
    wait.come_to_rest(0.0)
    assert wait.left_s(partial=True) == pytest.approx(0.5)
    assert wait.left_s(partial=False) == 0.0
    assert wait.left_s(partial=False) is None


def test_round_trips_make_the_time_outs_of_a_bad_line() -> None:
    trip = RoundTrip(Timing())
    assert trip.reply_s(hurried=True, silences=0) == 2.0
    for _ in range(20):
        trip.note(0.001)
    assert trip.reply_s(hurried=False, silences=0) == 2.0
    assert trip.reply_s(hurried=True, silences=0) == pytest.approx(0.03)
    assert trip.reply_s(hurried=True, silences=3) == pytest.approx(0.24)
    assert trip.reply_s(hurried=True, silences=30) == 2.0
    assert trip.quiet_s(hurried=False) == 0.5
    assert trip.quiet_s(hurried=True) == pytest.approx(0.03)
    for seconds in (0.1, 0.3) * 10:
        trip.note(seconds)
    assert 0.3 < trip.reply_s(hurried=True, silences=0) < 0.8


@pytest.mark.parametrize(("slowest_s", "expected_s"), [(None, 60), (0.001, 0.5), (1.0, 10), (50.0, 60)])
def test_inferences_get_a_multiple_of_the_slowest(slowest_s: float | None, expected_s: float) -> None:
    assert Timing().inference_s(slowest_s) == expected_s


@pytest.mark.parametrize("wrong", [{"baud": 0}, {"attempts": 0}, {"hello_every_s": 0.0}])
def test_timing_checks_itself(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Timing(**wrong)
