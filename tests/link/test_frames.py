# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from cobs import cobs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.link.frames import (
    MIN_FRAME_BYTES,
    OVERHEAD_BYTES,
    Damaged,
    Deframer,
    Frame,
    decode,
    encode,
    wire_bytes,
)
from tests.link.memory_device import MemoryDevice

# The device fixture holds no state between examples: encode and decode use a link of their own.
shared_device = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

#: Bytes in which zeros and long runs without one are frequent: that is what COBS is about.
bodies = st.one_of(
    st.binary(max_size=115),
    st.lists(st.sampled_from([0, 0, 1, 255]), max_size=115).map(bytes),
)
long_bodies = st.one_of(
    bodies,
    st.integers(0, 1100).map(lambda size: b"\x01" * size),
    st.integers(0, 1100).map(bytes),
    st.integers(230, 270).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
)


def frames(payloads: st.SearchStrategy[bytes] = bodies) -> st.SearchStrategy[Frame]:
    return st.builds(Frame, type=st.integers(0, 255), sequence=st.integers(0, 0xFFFF), body=payloads)


def crc32_bit_by_bit(data: bytes) -> int:
    """The textbook's CRC-32, not zlib's."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_a_frame_worked_out_by_hand() -> None:
    # type 2, sequence 0x0102, 3 bytes of body, and a CRC without a zero in it
    plain = bytes.fromhex("02 02 01 03 00 aa 00 bb")
    crc = crc32_bit_by_bit(plain).to_bytes(4, "little")
    assert 0 not in crc
    wire = bytes.fromhex("05 02 02 01 03  02 aa  06 bb") + crc + b"\0"
    assert encode(Frame(type=2, sequence=0x0102, body=b"\xaa\x00\xbb")) == wire


@given(frame=frames(long_bodies))
def test_decode_inverts_encode(frame: Frame) -> None:
    wire = encode(frame)
    assert wire.index(0) == len(wire) - 1
    assert len(wire) <= wire_bytes(OVERHEAD_BYTES + len(frame.body))
    assert decode(wire[:-1]) == frame


def test_the_smallest_limit_fits_into_48_bytes_of_wire() -> None:
    assert wire_bytes(MIN_FRAME_BYTES) + 1 <= 48


@pytest.mark.parametrize(
    ("kind", "sequence", "length"), [(256, 0, 0), (-1, 0, 0), (0, 65536, 0), (0, -1, 0), (0, 0, 65536)]
)
def test_an_illegal_frame_cannot_be_made(kind: int, sequence: int, length: int) -> None:
    with pytest.raises(ValueError, match=r"fit|longer"):
        Frame(type=kind, sequence=sequence, body=bytes(length))


@shared_device
@given(frame=frames())
def test_both_ends_send_the_same_bytes(device: MemoryDevice, frame: Frame) -> None:
    # the device begins with a delimiter as well
    assert device.encode(frame.type, frame.sequence, frame.body) == b"\0" + encode(frame)


@shared_device
@given(frame=frames(), before=st.binary(max_size=300), after=st.binary(max_size=30))
def test_the_device_finds_a_frame_between_garbage(
    device: MemoryDevice, frame: Frame, before: bytes, after: bytes
) -> None:
    plain = bytes([frame.type, *frame.sequence.to_bytes(2, "little"), *len(frame.body).to_bytes(2, "little")])
    assert device.decode(before + b"\0" + encode(frame) + after) == plain + frame.body


@shared_device
@given(data=st.binary(max_size=200), frame=frames(), change=st.integers(1, 255), at=st.integers(0))
def test_both_ends_agree_on_what_is_damaged(
    device: MemoryDevice, data: bytes, frame: Frame, change: int, at: int
) -> None:
    wire = bytearray(encode(frame))
    wire[at % (len(wire) - 1)] ^= change
    for stretch in (data.replace(b"\0", b"\1") + b"\0", bytes(wire).replace(b"\0", b"") + b"\0"):
        accepted = device.decode(stretch)
        judged = decode(stretch[:-1])
        if stretch == b"\0":
            assert accepted == 0
        else:
            assert isinstance(judged, Damaged) == (accepted == -1)


@shared_device
@given(body=st.binary(min_size=1, max_size=400))
def test_a_frame_longer_than_the_device_takes_is_damaged(device: MemoryDevice, body: bytes) -> None:
    wire = encode(Frame(type=1, sequence=1, body=body))
    fits = OVERHEAD_BYTES + len(body) <= 124
    assert (device.decode(wire) == -1) is not fits


@given(sent=st.lists(st.one_of(frames(), st.binary(max_size=20)), max_size=5), data=st.data())
def test_the_deframer_does_not_mind_how_bytes_arrive(sent: list[Frame | bytes], data: st.DataObject) -> None:
    line = b"".join(
        encode(item) if isinstance(item, Frame) else item.replace(b"\0", b"\7") + b"\0" for item in sent
    )
    deframer = Deframer()
    seen: list[Frame] = []
    while line:
        count = data.draw(st.integers(1, len(line)))
        deframer.feed(line[:count])
        line = line[count:]
        while (item := deframer.next_frame()) is not None:
            if isinstance(item, Frame):
                seen.append(item)
    assert not deframer.partial
    assert seen == [item for item in sent if isinstance(item, Frame)]


def test_the_deframer_forgets_what_has_no_delimiter() -> None:
    deframer = Deframer()
    deframer.feed(b"\1" * (Deframer.LIMIT_BYTES + 1))
    assert deframer.next_frame() is None
    assert deframer.partial
    deframer.feed(b"\1\0" + encode(Frame(type=1, sequence=1, body=b"")))
    assert isinstance(deframer.next_frame(), Damaged)
    assert deframer.next_frame() == Frame(type=1, sequence=1, body=b"")


def test_a_partial_frame_can_be_dropped() -> None:
    deframer = Deframer()
    assert deframer.drop_partial() is None
    deframer.feed(b"\5abc")
    assert deframer.partial
    assert deframer.drop_partial() == Damaged(why="its delimiter is missing", wire=b"\5abc")
    assert not deframer.partial


def test_a_length_that_lies_is_damage(device: MemoryDevice) -> None:
    plain = bytes([1, 0, 0, 9, 0]) + b"abc"
    crc = crc32_bit_by_bit(plain).to_bytes(4, "little")
    deframer = Deframer()
    wire = cobs.encode(plain + crc)
    deframer.feed(wire + b"\0")
    assert deframer.next_frame() == Damaged(why="the body has 3 bytes, its header says 9", wire=wire)
    assert device.decode(wire + b"\0") == -1
