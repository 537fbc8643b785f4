# SPDX-License-Identifier: Apache-2.0
"""Messages from the device: what the bodies of its frames mean (docs/PROTOCOL.md), little-endian.

`parse()` of a reply raises ValueError on anything but a legal body, so an illegal reply does not exist.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Self, get_args

from harness.link.frames import Frame
from harness.link.requests import (
    PROTOCOL_VERSION,
    BaudRequest,
    EchoRequest,
    HelloRequest,
    InferRequest,
    PeekRequest,
    ReadRequest,
    ResetRequest,
    StatusRequest,
    StepRequest,
    WindowRequest,
    WriteRequest,
)

REPLY: Final = 0x80

#: Bit 0 of the flags of a timed section; there are no others.
DISTURBED: Final = 1


class ErrorCode(enum.IntEnum):
    """Why a device refused a request."""

    FRAME = 1
    TYPE = 2
    BODY = 3
    RANGE = 4
    SEQUENCE = 5
    SESSION = 6
    VERSION = 7
    GAP = 8
    INCOMPLETE = 9
    NO_OUTPUT = 10


def _unpack(layout: struct.Struct, body: bytes, what: str, *, exact: bool = True) -> tuple[int, ...]:
    if len(body) < layout.size or (exact and len(body) != layout.size):
        raise ValueError(f"{what} of {len(body)} bytes where {layout.size} belong")
    return layout.unpack_from(body)


@dataclass(frozen=True, kw_only=True, slots=True)
class HelloPage:
    """A piece of the device card; `frame_bytes` is the largest frame that the device takes and sends."""

    TYPE: ClassVar[int] = REPLY | HelloRequest.TYPE
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BIHH")

    nonce: int
    frame_bytes: int
    card_bytes: int
    data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        version, nonce, frame_bytes, card_bytes = _unpack(cls.LAYOUT, body, "a HELLO reply", exact=False)
        if version != PROTOCOL_VERSION:
            raise ValueError(f"a HELLO reply of protocol version {version}")
        data = body[cls.LAYOUT.size :]
        return cls(nonce=nonce, frame_bytes=frame_bytes, card_bytes=card_bytes, data=data)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bare:
    """A reply that says all by its type."""

    WHAT: ClassVar[str]

    @classmethod
    def parse(cls, body: bytes) -> Self:
        if body:
            raise ValueError(f"a {cls.WHAT} of {len(body)} bytes where none belong")
        return cls()


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteDone(_Bare):
    """The bytes are in the arena."""

    TYPE: ClassVar[int] = REPLY | WriteRequest.TYPE
    WHAT: ClassVar[str] = "WRITE reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaudDone(_Bare):
    """The device goes on at the new rate as soon as this has left."""

    TYPE: ClassVar[int] = REPLY | BaudRequest.TYPE
    WHAT: ClassVar[str] = "BAUD reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class ResetDone(_Bare):
    """The variables are back at their start."""

    TYPE: ClassVar[int] = REPLY | ResetRequest.TYPE
    WHAT: ClassVar[str] = "RESET reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDone(_Bare):
    """The step has run."""

    TYPE: ClassVar[int] = REPLY | StepRequest.TYPE
    WHAT: ClassVar[str] = "STEP reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class Running(_Bare):
    """INFER, WINDOW or STEP was understood; the device is silent until its timed section is over."""

    TYPE: ClassVar[int] = REPLY | 0x10
    WHAT: ClassVar[str] = "RUNNING"


def _disturbed(flags: int) -> bool:
    if flags & ~DISTURBED:
        raise ValueError(f"a timed section with unknown flags {flags:#04x}")
    return bool(flags & DISTURBED)


@dataclass(frozen=True, kw_only=True, slots=True)
class InferDone:
    """Ticks of one inference and the first bytes of its outputs, all outputs in order."""

    TYPE: ClassVar[int] = REPLY | InferRequest.TYPE
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<QB")

    ticks: int
    disturbed: bool
    """A byte arrived while the timed section ran: the ticks may hold an interrupt."""
    data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        ticks, flags = _unpack(cls.LAYOUT, body, "an INFER reply", exact=False)
        return cls(ticks=ticks, disturbed=_disturbed(flags), data=body[cls.LAYOUT.size :])


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowDone:
    """Ticks of a whole window."""

    TYPE: ClassVar[int] = REPLY | WindowRequest.TYPE
    LAYOUT: ClassVar[struct.Struct] = InferDone.LAYOUT

    ticks: int
    disturbed: bool

    @classmethod
    def parse(cls, body: bytes) -> Self:
        ticks, flags = _unpack(cls.LAYOUT, body, "a WINDOW reply")
        return cls(ticks=ticks, disturbed=_disturbed(flags))


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadDone:
    """Bytes of an output tensor."""

    TYPE: ClassVar[int] = REPLY | ReadRequest.TYPE

    data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        return cls(data=body)


@dataclass(frozen=True, kw_only=True, slots=True)
class PeekDone:
    """Bytes of the arena."""

    TYPE: ClassVar[int] = REPLY | PeekRequest.TYPE

    data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        return cls(data=body)


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoDone:
    """What ECHO sent."""

    TYPE: ClassVar[int] = REPLY | EchoRequest.TYPE

    data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        return cls(data=body)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """The device's CPU is in its fault handler. Answers nothing, under any sequence number."""

    TYPE: ClassVar[int] = REPLY | 0x11
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<III")

    pc: int
    lr: int
    syndrome: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        pc, lr, syndrome = _unpack(cls.LAYOUT, body, "a FAULT")
        return cls(pc=pc, lr=lr, syndrome=syndrome)


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How the device fares; counts are since its start."""

    TYPE: ClassVar[int] = REPLY | StatusRequest.TYPE
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IIHHII")

    stack_bytes: int
    """Deepest stack use of the timed sections that no byte disturbed; 0 where the port cannot tell."""
    any_stack_bytes: int
    """Deepest stack use of everything since the start, interrupts and the link's own code included."""
    rx_lost: int
    """Received bytes that were lost; stays at 65535."""
    bad_frames: int
    """Damaged requests; stays at 65535."""
    inferences: int
    empty_ticks: int
    """Ticks of a timed section with nothing in it, measured for this reply: what is left of the overhead."""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        stack, deepest, lost, bad, inferences, empty = _unpack(cls.LAYOUT, body, "a STATUS reply")
        return cls(
            stack_bytes=stack,
            any_stack_bytes=deepest,
            rx_lost=lost,
            bad_frames=bad,
            inferences=inferences,
            empty_ticks=empty,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorReply:
    """The device refused the request."""

    TYPE: ClassVar[int] = REPLY | 0x7F
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BB")

    code: ErrorCode
    device_version: int

    @classmethod
    def parse(cls, body: bytes) -> Self:
        code, version = _unpack(cls.LAYOUT, body, "an ERROR")
        return cls(code=ErrorCode(code), device_version=version)


Reply = (
    HelloPage
    | WriteDone
    | Running
    | InferDone
    | ReadDone
    | Status
    | WindowDone
    | BaudDone
    | EchoDone
    | ResetDone
    | StepDone
    | PeekDone
    | Fault
    | ErrorReply
)

REPLIES: Final[dict[int, type[Reply]]] = {reply.TYPE: reply for reply in get_args(Reply)}


def parse_reply(frame: Frame) -> Reply:
    """The reply in `frame`.

    Raises:
        ValueError: its type is unknown or its body illegal.
    """
    if frame.type not in REPLIES:
        raise ValueError(f"a reply of unknown type {frame.type:#04x}")
    return REPLIES[frame.type].parse(frame.body)
