# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.link.card import TensorInfo, parse_card
from harness.link.frames import Frame
from harness.link.messages import (
    REPLIES,
    BaudDone,
    EchoDone,
    ErrorCode,
    ErrorReply,
    Fault,
    HelloPage,
    InferDone,
    PeekDone,
    ReadDone,
    ResetDone,
    Running,
    Status,
    StepDone,
    WindowDone,
    WriteDone,
    parse_reply,
)
from harness.link.requests import (
    BaudRequest,
    EchoRequest,
    HelloRequest,
    InferRequest,
    PeekRequest,
    ReadRequest,
    Request,
    ResetRequest,
    StatusRequest,
    StepRequest,
    WindowRequest,
    WriteRequest,
)

NUMBERS = struct.pack("<BBIII", 1, 4, 16_000_000, 16_000_001, 900)
DIGESTS = bytes(range(32)) + bytes(range(32, 64))
TENSORS = (
    bytes([1, 1])
    + bytes([1, 4])
    + struct.pack("<4I", 1, 8, 8, 1)
    + struct.pack("<fi", 0.5, -128)
    + bytes([0, 2])
    + struct.pack("<2I", 1, 10)
    + struct.pack("<fi", 0.0, 0)
)
SETTINGS = b"\x09clock=hse"
CARD = NUMBERS + DIGESTS + b"\3uno" + TENSORS + SETTINGS


def test_the_device_card() -> None:
    hello = parse_card(CARD, frame_bytes=124)
    assert (hello.board, hello.engine, hello.counter) == ("uno", "aot", "timer1")
    assert (hello.counter_hz, hello.cpu_hz, hello.arena_bytes) == (16_000_000, 16_000_001, 900)
    assert hello.frame_bytes == 124
    assert hello.firmware_sha256 == bytes(range(32)).hex()
    assert hello.model_sha256 == bytes(range(32, 64)).hex()
    assert hello.inputs == (TensorInfo(dtype="int8", shape=(1, 8, 8, 1), scale=0.5, zero_point=-128),)
    assert hello.outputs == (TensorInfo(dtype="float32", shape=(1, 10), scale=0.0, zero_point=0),)
    assert (hello.inputs[0].nbytes, hello.outputs[0].nbytes) == (64, 40)
    assert hello.settings == "clock=hse"


@pytest.mark.parametrize("cut", range(len(CARD)))
def test_a_card_that_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(ValueError, match="card"):
        parse_card(CARD[:cut], frame_bytes=124)


@pytest.mark.parametrize(
    "card",
    [
        CARD + b"x",
        CARD.replace(b"hse", b"h\xffe"),
        b"\x09" + CARD[1:],
        CARD[:1] + b"\x63" + CARD[2:],
        CARD.replace(b"uno", b"u\xffo"),
        CARD.replace(b"uno" + bytes([1, 1, 1]), b"uno" + bytes([1, 1, 77])),
        CARD.replace(struct.pack("<4I", 1, 8, 8, 1), struct.pack("<4I", 1, 0, 8, 1)),
        NUMBERS + DIGESTS + b"\3uno" + bytes([0, 0]),
    ],
)
def test_a_malformed_card_is_refused(card: bytes) -> None:
    with pytest.raises(ValueError, match=r"card|codec"):
        parse_card(card, frame_bytes=124)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_card_or_a_value_error(data: bytes) -> None:
    for candidate in (data, NUMBERS + DIGESTS + b"\3uno" + data):
        try:
            parse_card(candidate, frame_bytes=124)
        except ValueError:
            continue


@given(kind=st.one_of(st.sampled_from(sorted(REPLIES)), st.integers(0, 255)), body=st.binary(max_size=40))
def test_any_body_is_a_reply_or_a_value_error(kind: int, body: bytes) -> None:
    try:
        reply = parse_reply(Frame(type=kind, sequence=0, body=body))
    except ValueError:
        return
    assert kind == reply.TYPE


@pytest.mark.parametrize(
    ("request_", "kind", "body"),
    [
        (HelloRequest(nonce=0x01020304, offset=5, limit=6), 1, "02 04030201 0500 0600"),
        (WriteRequest(tensor=1, offset=2, data=b"\xaa"), 2, "01 02000000 aa"),
        (InferRequest(limit=0x0201), 3, "0102"),
        (ReadRequest(tensor=1, offset=2, length=3), 4, "01 02000000 0300"),
        (
            InferRequest(limit=3, last=WriteRequest(tensor=1, offset=2, data=b"\xaa")),
            3,
            "0300 01 02000000 aa",
        ),
        (StatusRequest(), 5, ""),
        (WindowRequest(count=0x01020304), 6, "04030201"),
        (BaudRequest(baud=115200), 7, "00c20100"),
        (EchoRequest(data=b"\0\xff"), 8, "00ff"),
        (ResetRequest(), 9, ""),
        (StepRequest(step=0x0102), 10, "0201"),
        (PeekRequest(offset=0x01020304, length=5), 11, "04030201 0500"),
    ],
)
def test_requests_on_the_wire(request_: Request, kind: int, body: str) -> None:
    assert kind == request_.TYPE
    assert request_.body() == bytes.fromhex(body)


@pytest.mark.parametrize(
    ("kind", "body", "reply"),
    [
        (
            0x81,
            "02 04030201 7c00 8800 aabb",
            HelloPage(nonce=0x01020304, frame_bytes=124, card_bytes=136, data=b"\xaa\xbb"),
        ),
        (0x82, "", WriteDone()),
        (0x90, "", Running()),
        (0x83, "0100000000000080 01 ff", InferDone(ticks=2**63 + 1, disturbed=True, data=b"\xff")),
        (0x84, "0102", ReadDone(data=b"\1\2")),
        (
            0x85,
            "01000000 06000000 0200 0300 04000000 05000000",
            Status(
                stack_bytes=1,
                any_stack_bytes=6,
                rx_lost=2,
                bad_frames=3,
                inferences=4,
                empty_ticks=5,
            ),
        ),
        (0x86, "0100000000000080 00", WindowDone(ticks=2**63 + 1, disturbed=False)),
        (0x87, "", BaudDone()),
        (0x88, "0102", EchoDone(data=b"\1\2")),
        (0x89, "", ResetDone()),
        (0x8A, "", StepDone()),
        (0x8B, "0102", PeekDone(data=b"\1\2")),
        (0x91, "01000008 02000008 04030201", Fault(pc=0x08000001, lr=0x08000002, syndrome=0x01020304)),
        (0xFF, "0901", ErrorReply(code=ErrorCode.INCOMPLETE, device_version=1)),
    ],
)
def test_replies_on_the_wire(kind: int, body: str, reply: object) -> None:
    assert parse_reply(Frame(type=kind, sequence=0, body=bytes.fromhex(body))) == reply


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (0x81, "01 04030201 7c00 8800"),  # another protocol version
        (0x81, "02 0403"),
        (0x82, "00"),
        (0x90, "00"),
        (0x83, "0100000000000080"),
        (0x83, "0100000000000080 02"),  # a flag that does not exist
        (0x85, "00"),
        (0xFF, "6301"),  # an error that does not exist
        (0x86, ""),
        (0x86, "0100000000000080 02"),
        (0x86, "0100000000000080 00 00"),
        (0x87, "00"),
        (0x91, "01000008 02000008"),
        (0x89, "00"),
        (0x8A, "00"),
        (0x8C, ""),
        (0x01, ""),
    ],
)
def test_illegal_replies(kind: int, body: str) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        parse_reply(Frame(type=kind, sequence=0, body=bytes.fromhex(body)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: HelloRequest(nonce=2**32, offset=0, limit=0),
        lambda: StepRequest(step=2**16),
        lambda: PeekRequest(offset=2**32, length=0),
        lambda: PeekRequest(offset=0, length=2**16),
        lambda: HelloRequest(nonce=0, offset=2**16, limit=0),
        lambda: HelloRequest(nonce=0, offset=0, limit=-1),
        lambda: WriteRequest(tensor=256, offset=0, data=b"x"),
        lambda: WriteRequest(tensor=0, offset=2**32, data=b"x"),
        lambda: WriteRequest(tensor=0, offset=0, data=b""),
        lambda: WriteRequest(tensor=0, offset=0, data=bytes(65536)),
        lambda: InferRequest(limit=2**16),
        lambda: ReadRequest(tensor=0, offset=0, length=2**16),
        lambda: WindowRequest(count=0),
        lambda: WindowRequest(count=2**32),
        lambda: BaudRequest(baud=2**32),
        lambda: EchoRequest(data=bytes(65536)),
    ],
)
def test_an_illegal_request_cannot_be_made(make: Callable[[], Request]) -> None:
    with pytest.raises(ValueError, match=r"fit|WRITE|window|ECHO"):
        make()
