# SPDX-License-Identifier: Apache-2.0
"""The host's end of the conversation, without I/O and without time.

`Link.send(request)` gives the bytes to write, `receive_data` takes what was read, `next_event` says
what it meant. One request is under way at a time. What is believed is narrow: a reply whose CRC, length
and sequence number are right and whose type answers the request. Any other intact frame belongs to an
earlier request, or an earlier host session, and is counted and dropped.

    state     event            next state
    NEW       HelloRequest     GREETING
    GREETING  HelloPage        READY       if it echoes the nonce, else dropped
    GREETING  ErrorReply       BROKEN      unless it only says that the device has started
    READY     any request      WAITING
    WAITING   its reply        READY
    WAITING   Running          RUNNING     only after InferRequest, WindowRequest or StepRequest
    WAITING   ErrorReply       BROKEN      unless it only says that the request was not carried out
    WAITING   abandon()        READY       not after these three
    RUNNING   its reply        READY
    READY     Started          BROKEN      as in WAITING and RUNNING
    any       Fault            BROKEN
    any       fail()           BROKEN      for good
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Final, NoReturn, get_args

from harness.errors import DeviceFaultError, LocalProtocolError, RemoteProtocolError
from harness.link.blame import refusal
from harness.link.frames import DELIMITER, Damaged, Deframer, Frame, encode
from harness.link.messages import (
    REPLY,
    BaudDone,
    EchoDone,
    ErrorCode,
    ErrorReply,
    Fault,
    HelloPage,
    InferDone,
    PeekDone,
    ReadDone,
    Reply,
    ResetDone,
    Running,
    Status,
    StepDone,
    WindowDone,
    WriteDone,
    parse_reply,
)
from harness.link.requests import (
    RUNS,
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


class State(enum.Enum):
    """Where the conversation stands; see the module's table."""

    NEW = enum.auto()
    GREETING = enum.auto()
    READY = enum.auto()
    WAITING = enum.auto()
    RUNNING = enum.auto()
    BROKEN = enum.auto()


class NeedData(enum.Enum):
    """The one event that is not a message: read more."""

    NEED_DATA = enum.auto()


NEED_DATA: Final = NeedData.NEED_DATA


class Refused(enum.Enum):
    """The device saw a damaged frame; which one it cannot know."""

    REFUSED = enum.auto()


REFUSED: Final = Refused.REFUSED


class Started(enum.Enum):
    """The device has just started, and waits for HELLO."""

    STARTED = enum.auto()


STARTED: Final = Started.STARTED

Event = Reply | Damaged | NeedData | Refused | Started

#: What may be sent before and after the first HELLO was answered, and where that leads.
SENDING: Final[dict[tuple[State, type[Request]], State]] = {
    (State.NEW, HelloRequest): State.GREETING,
    **{(State.READY, kind): State.WAITING for kind in get_args(Request)},
}

#: What may answer what, and where that leads.
RECEIVING: Final[dict[tuple[State, type[Request], type[Reply]], State]] = {
    (State.GREETING, HelloRequest, HelloPage): State.READY,
    (State.WAITING, HelloRequest, HelloPage): State.READY,
    (State.WAITING, WriteRequest, WriteDone): State.READY,
    (State.WAITING, InferRequest, Running): State.RUNNING,
    (State.WAITING, InferRequest, InferDone): State.READY,
    (State.RUNNING, InferRequest, Running): State.RUNNING,
    (State.RUNNING, InferRequest, InferDone): State.READY,
    (State.WAITING, ReadRequest, ReadDone): State.READY,
    (State.WAITING, StatusRequest, Status): State.READY,
    (State.WAITING, WindowRequest, Running): State.RUNNING,
    (State.WAITING, WindowRequest, WindowDone): State.READY,
    (State.RUNNING, WindowRequest, Running): State.RUNNING,
    (State.RUNNING, WindowRequest, WindowDone): State.READY,
    (State.WAITING, BaudRequest, BaudDone): State.READY,
    (State.WAITING, EchoRequest, EchoDone): State.READY,
    (State.WAITING, ResetRequest, ResetDone): State.READY,
    (State.WAITING, StepRequest, Running): State.RUNNING,
    (State.WAITING, StepRequest, StepDone): State.READY,
    (State.RUNNING, StepRequest, Running): State.RUNNING,
    (State.RUNNING, StepRequest, StepDone): State.READY,
    (State.WAITING, PeekRequest, PeekDone): State.READY,
}


class Link:
    """One conversation with one device.

    Args:
        first_sequence: the number of the first request, 16 bits. Random, so that what an earlier
            session left in a buffer is not taken for a reply in this one.
    """

    def __init__(self, *, first_sequence: int) -> None:
        self._state = State.NEW
        self._sequence = (first_sequence - 1) & 0xFFFF
        self._request: Request | None = None
        self._bare = False
        self._deframer = Deframer()
        self._dropped = 0

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self._state

    @property
    def dropped(self) -> int:
        """Intact frames that answered nothing that was asked: late, repeated, or of another session."""
        return self._dropped

    @property
    def partial(self) -> int:
        """How many bytes have arrived whose delimiter has not."""
        return self._deframer.partial

    @property
    def runs(self) -> bool:
        """True while the request under way runs the model: it may have run, so it is never given up."""
        return isinstance(self._request, RUNS)

    @property
    def unannounced(self) -> bool:
        """True while the request under way is to run the model and is not known to do so."""
        return self.runs and self._state is State.WAITING

    @property
    def sequence(self) -> int:
        """The number of the last request."""
        return self._sequence

    def flush(self) -> bytes:
        """A lone delimiter: ends a request whose own was lost, and disturbs no inference that it starts."""
        return DELIMITER

    def drop_partial(self) -> Damaged | None:
        """Forget bytes whose delimiter does not come; None when there are none."""
        return self._deframer.drop_partial()

    def send(self, request: Request) -> bytes:
        """The bytes that make `request`, under the next sequence number.

        Raises:
            LocalProtocolError: it may not be sent in this state.
        """
        state = SENDING.get((self._state, type(request)))
        if state is None:
            raise LocalProtocolError(
                f"A {type(request).__name__} was to be sent in state {self._state.name}."
            )
        self._state = state
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._request = request
        self._bare = False
        # a board that is starting, or that an earlier host left in mid-frame, needs a clean beginning
        lead = DELIMITER if state is State.GREETING else b""
        return lead + self._encode(request, self._sequence)

    def preview(self, request: Request) -> bytes:
        """The bytes that `send` will give if `request` is the next one."""
        return self._encode(request, (self._sequence + 1) & 0xFFFF)

    def resend(self, *, infer_limit: int | None = None, bare: bool = False) -> bytes:
        """The bytes of the request under way once more, after a delimiter that ends what came before.

        Args:
            infer_limit: for an InferRequest, ask for at most this many output bytes now.
            bare: send an InferRequest without its inputs. If it has run, its reply comes; if not, the device
                says INCOMPLETE, and the request is over.
        """
        request = self._request
        if request is None:
            raise LocalProtocolError("There is no request to send again.")
        if isinstance(request, InferRequest):
            if infer_limit is not None:
                request = replace(request, limit=infer_limit)
            self._request = request
            if bare and request.last is not None:
                self._bare = True
                request = replace(request, last=None)
        return DELIMITER + self._encode(request, self._sequence)

    def abandon(self) -> None:
        """Give up the request under way; a reply that still comes will be dropped.

        Raises:
            LocalProtocolError: there is none, or it runs the model, and may have done so.
        """
        if self._state is not State.WAITING or self.runs:
            raise LocalProtocolError(f"A request cannot be abandoned in state {self._state.name}.")
        self._request = None
        self._state = State.READY

    def fail(self) -> None:
        """End the conversation for good."""
        self._request = None
        self._state = State.BROKEN

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the line."""
        self._deframer.feed(data)

    def next_event(self) -> Event:
        """What the received bytes mean, one event per call; NEED_DATA when they are used up.

        Raises:
            RemoteProtocolError: an intact reply to the request under way breaks the protocol.
            DeviceFaultError: the device's CPU is in its fault handler.
            DeviceResetError: the device knows of no session any more.
        """
        while True:
            frame = self._deframer.next_frame()
            if frame is None:
                return NEED_DATA
            if isinstance(frame, Damaged):
                return frame
            if frame.type == ErrorReply.TYPE and frame.body[:1] == bytes([ErrorCode.FRAME]):
                return REFUSED
            if frame.type == ErrorReply.TYPE and frame.body[:1] == bytes([ErrorCode.SESSION]):
                if self._state not in (State.NEW, State.GREETING):
                    self._raise_reset(frame)
                return STARTED
            if frame.type == Fault.TYPE:
                self._raise_fault(frame)
            if self._request is None or frame.sequence != self._sequence or not frame.type & REPLY:
                self._dropped += 1
                continue
            reply = self._parse(frame)
            if self._is_of_another_session(reply):
                self._dropped += 1
                continue
            self._advance(reply)
            return reply

    def _encode(self, request: Request, sequence: int) -> bytes:
        return encode(Frame(type=request.TYPE, sequence=sequence, body=request.body()))

    def _raise_fault(self, frame: Frame) -> NoReturn:
        fault = self._parse(frame)
        assert isinstance(fault, Fault)  # noqa: S101 - by its type
        self.fail()
        raise DeviceFaultError(pc=fault.pc, lr=fault.lr, syndrome=fault.syndrome)

    def _raise_reset(self, frame: Frame) -> NoReturn:
        error = self._parse(frame)
        assert isinstance(error, ErrorReply)  # noqa: S101 - by its type
        self.fail()
        raise refusal(error)

    def _was_not_carried_out(self, error: ErrorReply) -> bool:
        """Whether the request is over with nothing done: the conversation can go on."""
        if isinstance(self._request, BaudRequest):
            return error.code is ErrorCode.RANGE
        return self._bare and error.code is ErrorCode.INCOMPLETE

    def _is_of_another_session(self, reply: Reply) -> bool:
        asked = self._request
        if isinstance(asked, HelloRequest) and isinstance(reply, HelloPage):
            return asked.nonce != reply.nonce
        # before its nonce came, only the number tells what an earlier session left from what is meant for us
        return self._state is State.GREETING and not isinstance(reply, ErrorReply)

    def _parse(self, frame: Frame) -> Reply:
        try:
            return parse_reply(frame)
        except ValueError as error:
            self.fail()
            raise RemoteProtocolError(
                f"The device sent {error}.",
                cause="Its firmware speaks another version of the protocol.",
                fix="Flash the firmware that this quantrig builds.",
            ) from error

    def _advance(self, reply: Reply) -> None:
        request = self._request
        if isinstance(reply, ErrorReply):
            if not self._was_not_carried_out(reply):
                self.fail()
                return
            self._state = State.READY
            self._request = None
            return
        state = None if request is None else RECEIVING.get((self._state, type(request), type(reply)))
        if state is None:
            self.fail()
            raise RemoteProtocolError(
                f"The device answered {type(request).__name__} with {type(reply).__name__}.",
                cause="Its firmware breaks the protocol.",
                fix="Flash the firmware that this quantrig builds.",
            )
        self._state = state
        if state is State.READY:
            self._request = None
