# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from harness.errors import DeviceFaultError, LocalProtocolError, RemoteProtocolError
from harness.link.frames import Damaged, Frame, encode
from harness.link.messages import (
    BaudDone,
    EchoDone,
    ErrorCode,
    ErrorReply,
    Fault,
    HelloPage,
    InferDone,
    ReadDone,
    Reply,
    Running,
    Status,
    WindowDone,
    WriteDone,
)
from harness.link.protocol import NEED_DATA, RECEIVING, REFUSED, SENDING, Link, State
from harness.link.requests import (
    BaudRequest,
    EchoRequest,
    HelloRequest,
    InferRequest,
    ReadRequest,
    Request,
    StatusRequest,
    WindowRequest,
    WriteRequest,
)

HELLO = HelloRequest(nonce=7, offset=0, limit=26)
REQUESTS: dict[type[Request], Request] = {
    HelloRequest: HELLO,
    WriteRequest: WriteRequest(tensor=0, offset=0, data=b"abc"),
    InferRequest: InferRequest(limit=9),
    ReadRequest: ReadRequest(tensor=0, offset=0, length=2),
    StatusRequest: StatusRequest(),
    WindowRequest: WindowRequest(count=3),
    BaudRequest: BaudRequest(baud=9600),
    EchoRequest: EchoRequest(data=b"abc"),
}
PAGE = bytes.fromhex("02 07000000 7c00 0200 6869")
BODIES: dict[type[Reply], bytes] = {
    HelloPage: PAGE,
    WriteDone: b"",
    Running: b"",
    InferDone: bytes(9) + b"xy",
    ReadDone: b"hi",
    Status: bytes(20),
    WindowDone: bytes(9),
    BaudDone: b"",
    EchoDone: b"abc",
    ErrorReply: bytes([ErrorCode.RANGE, 1]),
}


def reply(kind: type[Reply], sequence: int, body: bytes | None = None) -> bytes:
    return encode(Frame(type=kind.TYPE, sequence=sequence, body=BODIES[kind] if body is None else body))


def link_in(state: State) -> tuple[Link, int]:
    """A link in `state` and the number of its last request; RUNNING and WAITING wait for INFER."""
    link = Link(first_sequence=100)
    if state is State.NEW:
        return link, 99
    if state is State.BROKEN:
        link.fail()
        return link, 99
    link.send(HELLO)
    if state is State.GREETING:
        return link, 100
    link.receive_data(reply(HelloPage, 100))
    assert isinstance(link.next_event(), HelloPage)
    if state is State.READY:
        return link, 100
    link.send(REQUESTS[InferRequest])
    if state is State.RUNNING:
        link.receive_data(reply(Running, 101))
        assert isinstance(link.next_event(), Running)
    return link, 101


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", REQUESTS)
def test_what_may_be_sent_when(state: State, kind: type[Request]) -> None:
    link, _ = link_in(state)
    assert link.state is state
    if (state, kind) in SENDING:
        assert link.send(REQUESTS[kind])
        assert link.state is SENDING[state, kind]
    else:
        with pytest.raises(LocalProtocolError, match=state.name):
            link.send(REQUESTS[kind])


@pytest.mark.parametrize("request_kind", REQUESTS)
@pytest.mark.parametrize("reply_kind", BODIES)
@pytest.mark.parametrize("running", [False, True])
def test_what_may_answer_what(request_kind: type[Request], reply_kind: type[Reply], running: bool) -> None:
    if running and request_kind not in (InferRequest, WindowRequest):
        return
    link, sequence = link_in(State.READY)
    link.send(REQUESTS[request_kind])
    sequence += 1
    if running:
        link.receive_data(reply(Running, sequence))
        assert isinstance(link.next_event(), Running)
    before = link.state
    link.receive_data(reply(reply_kind, sequence))
    after = RECEIVING.get((before, request_kind, reply_kind))
    if reply_kind is ErrorReply:
        assert link.next_event() == ErrorReply(code=ErrorCode.RANGE, device_version=1)
        # only a rate that the port cannot make leaves everything as it was
        assert link.state is (State.READY if request_kind is BaudRequest else State.BROKEN)
    elif after is None:
        with pytest.raises(RemoteProtocolError, match=reply_kind.__name__):
            link.next_event()
        assert link.state is State.BROKEN
    else:
        assert type(link.next_event()) is reply_kind
        assert link.state is after
        assert link.next_event() is NEED_DATA


def test_replies_under_another_number_are_dropped() -> None:
    link, sequence = link_in(State.WAITING)
    for other in (sequence - 1, sequence + 1, sequence ^ 0x8000):
        link.receive_data(reply(InferDone, other) + reply(WriteDone, other) + reply(ErrorReply, other))
    assert link.next_event() is NEED_DATA
    assert link.dropped == 9
    link.receive_data(reply(InferDone, sequence))
    assert isinstance(link.next_event(), InferDone)


def test_nothing_is_believed_twice_or_unasked() -> None:
    link, sequence = link_in(State.WAITING)
    link.receive_data(2 * reply(InferDone, sequence))
    assert isinstance(link.next_event(), InferDone)
    assert link.next_event() is NEED_DATA
    assert link.dropped == 1


def test_our_own_echo_is_dropped() -> None:
    link = Link(first_sequence=5)
    link.receive_data(link.send(HELLO))
    assert link.next_event() is NEED_DATA
    assert link.dropped == 1


def test_a_page_for_another_session_is_dropped() -> None:
    link, sequence = link_in(State.GREETING)
    link.receive_data(reply(HelloPage, sequence, bytes.fromhex("02 08000000 7c00 0200 6869")))
    assert link.next_event() is NEED_DATA
    assert (link.state, link.dropped) == (State.GREETING, 1)


@pytest.mark.parametrize("kind", [WriteDone, Running, InferDone, ReadDone, Status])
def test_what_an_earlier_session_left_is_dropped_though_its_number_fits(kind: type[Reply]) -> None:
    link, sequence = link_in(State.GREETING)
    link.receive_data(reply(kind, sequence))
    assert link.next_event() is NEED_DATA
    assert (link.state, link.dropped) == (State.GREETING, 1)


def test_a_damaged_frame_and_a_refused_one_change_no_state() -> None:
    link, sequence = link_in(State.WAITING)
    damaged = bytearray(reply(InferDone, sequence))
    damaged[5] ^= 0x80
    link.receive_data(bytes(damaged) + reply(ErrorReply, 0, bytes([ErrorCode.FRAME, 1])))
    assert isinstance(link.next_event(), Damaged)
    assert link.next_event() is REFUSED
    assert link.state is State.WAITING


def test_an_intact_reply_that_makes_no_sense_ends_the_conversation() -> None:
    link, sequence = link_in(State.WAITING)
    link.receive_data(reply(InferDone, sequence, b"short"))
    with pytest.raises(RemoteProtocolError, match="INFER reply of 5 bytes"):
        link.next_event()
    assert link.state is State.BROKEN


def test_a_request_goes_out_again_under_its_number_after_a_delimiter() -> None:
    link, _ = link_in(State.READY)
    first = link.send(REQUESTS[WriteRequest])
    assert link.resend() == b"\0" + first
    assert link.resend(infer_limit=3) == b"\0" + first


@pytest.mark.parametrize("state", [State.NEW, State.GREETING, State.READY, State.WAITING, State.RUNNING])
def test_a_fault_is_heard_in_any_state_and_under_any_number(state: State) -> None:
    link, _ = link_in(state)
    link.receive_data(reply(Fault, 0, bytes.fromhex("44332208 55332208 00820000")))
    with pytest.raises(DeviceFaultError, match="0x08223344") as caught:
        link.next_event()
    assert (caught.value.pc, caught.value.lr, caught.value.syndrome) == (0x08223344, 0x08223355, 0x8200)
    assert link.state is State.BROKEN


INLINE = InferRequest(limit=9, last=WriteRequest(tensor=0, offset=0, data=b"abc"))


def test_a_request_that_ran_or_not_is_asked_for_without_its_inputs() -> None:
    link, sequence = link_in(State.READY)
    sequence += 1
    link.send(INLINE)
    assert link.resend(bare=True) == b"\0" + encode(Frame(type=3, sequence=sequence, body=b"\x09\0"))
    link.receive_data(reply(ErrorReply, sequence, bytes([ErrorCode.INCOMPLETE, 2])))
    assert link.next_event() == ErrorReply(code=ErrorCode.INCOMPLETE, device_version=2)
    # it did not run: everything may be sent now
    assert link.state is State.READY
    link.send(INLINE)


def test_incomplete_inputs_that_were_all_sent_are_a_bug() -> None:
    link, sequence = link_in(State.READY)
    link.send(INLINE)
    link.resend()
    link.receive_data(reply(ErrorReply, sequence + 1, bytes([ErrorCode.INCOMPLETE, 2])))
    assert isinstance(link.next_event(), ErrorReply)
    assert link.state is State.BROKEN


def test_a_preview_is_what_will_be_sent() -> None:
    link, _ = link_in(State.READY)
    ahead = link.preview(INLINE)
    assert link.preview(INLINE) == ahead
    assert link.send(INLINE) == ahead


def test_a_resent_infer_may_ask_for_less() -> None:
    link, sequence = link_in(State.RUNNING)
    assert link.resend(infer_limit=3) == b"\0" + encode(Frame(type=3, sequence=sequence, body=b"\3\0"))


def test_only_what_cannot_have_run_is_abandoned() -> None:
    link, sequence = link_in(State.READY)
    link.send(REQUESTS[WriteRequest])
    link.abandon()
    assert link.state is State.READY
    link.receive_data(reply(WriteDone, sequence + 1))
    assert link.next_event() is NEED_DATA
    link.send(REQUESTS[InferRequest])
    with pytest.raises(LocalProtocolError, match="abandoned"):
        link.abandon()


def test_nothing_to_send_again() -> None:
    link, _ = link_in(State.READY)
    with pytest.raises(LocalProtocolError, match="again"):
        link.resend()


def test_the_number_wraps() -> None:
    link = Link(first_sequence=0xFFFF)
    link.send(HELLO)
    link.receive_data(reply(HelloPage, 0xFFFF))
    link.next_event()
    assert link.send(StatusRequest()) == encode(Frame(type=5, sequence=0, body=b""))
