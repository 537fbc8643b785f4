# SPDX-License-Identifier: Apache-2.0
"""Messages: what the bodies of frames mean (docs/PROTOCOL.md). All numbers are little-endian.

Requests and replies check themselves when they are made, so an illegal one does not exist: `body()`
of a request cannot fail, and `parse()` of a reply raises ValueError on anything but a legal body.
"""

from __future__ import annotations

import enum
import math
import struct
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from harness.link.frames import MAX_BODY_BYTES, Frame

PROTOCOL_VERSION: Final = 1
REPLY: Final = 0x80

#: By the number in HELLO: what executes the model.
ENGINES: Final = {1: "aot"}
#: By the number in HELLO (`enum qr_counter` of port.h): what times an inference.
COUNTERS: Final = {
    1: "monotonic",
    2: "cyccnt",
    3: "tim2",
    4: "timer1",
    5: "instructions",
    6: "micros",
    7: "cpu",
}
#: By the number in the tensor table (model.h): the NumPy name and the bytes of one element.
DTYPES: Final = {0: ("float32", 4), 1: ("int8", 1), 2: ("uint8", 1), 3: ("int16", 2), 4: ("int32", 4)}


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


def _require(name: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} = {value} does not fit in {bits} bits")


def _unpack(layout: struct.Struct, body: bytes, what: str, *, exact: bool = True) -> tuple[int, ...]:
    if len(body) < layout.size or (exact and len(body) != layout.size):
        raise ValueError(f"{what} of {len(body)} bytes where {layout.size} belong")
    return layout.unpack_from(body)


@dataclass(frozen=True, kw_only=True, slots=True)
class HelloRequest:
    """Opens a session (a new `nonce`) and asks for `limit` bytes of the device card from `offset`."""

    TYPE: ClassVar[int] = 1
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BIHH")

    nonce: int
    offset: int
    limit: int

    def __post_init__(self) -> None:
        _require("nonce", self.nonce, 32)
        _require("offset", self.offset, 16)
        _require("limit", self.limit, 16)

    def body(self) -> bytes:
        return self.LAYOUT.pack(PROTOCOL_VERSION, self.nonce, self.offset, self.limit)


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteRequest:
    """Puts `data` (at least one byte) into input tensor `tensor` at byte `offset`."""

    TYPE: ClassVar[int] = 2
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BI")

    tensor: int
    offset: int
    data: bytes

    def __post_init__(self) -> None:
        _require("tensor", self.tensor, 8)
        _require("offset", self.offset, 32)
        if not 0 < len(self.data) <= MAX_BODY_BYTES - self.LAYOUT.size:
            raise ValueError(f"a WRITE of {len(self.data)} bytes")

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.tensor, self.offset) + self.data


@dataclass(frozen=True, kw_only=True, slots=True)
class InferRequest:
    """Runs the model once; the reply carries at most `limit` output bytes."""

    TYPE: ClassVar[int] = 3
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<H")

    limit: int

    def __post_init__(self) -> None:
        _require("limit", self.limit, 16)

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.limit)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadRequest:
    """Asks for `length` bytes of output tensor `tensor` from byte `offset`."""

    TYPE: ClassVar[int] = 4
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<BIH")

    tensor: int
    offset: int
    length: int

    def __post_init__(self) -> None:
        _require("tensor", self.tensor, 8)
        _require("offset", self.offset, 32)
        _require("length", self.length, 16)

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.tensor, self.offset, self.length)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusRequest:
    """Asks how the device fares."""

    TYPE: ClassVar[int] = 5

    def body(self) -> bytes:
        return b""


Request = HelloRequest | WriteRequest | InferRequest | ReadRequest | StatusRequest


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
class WriteDone:
    """The bytes are in the arena."""

    TYPE: ClassVar[int] = REPLY | WriteRequest.TYPE

    @classmethod
    def parse(cls, body: bytes) -> Self:
        if body:
            raise ValueError(f"a WRITE reply of {len(body)} bytes where none belong")
        return cls()


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """INFER was understood; the device is silent until the inference is over."""

    TYPE: ClassVar[int] = REPLY | 0x10

    @classmethod
    def parse(cls, body: bytes) -> Self:
        if body:
            raise ValueError(f"a RUNNING of {len(body)} bytes where none belong")
        return cls()


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
        if flags & ~1:
            raise ValueError(f"an INFER reply with unknown flags {flags:#04x}")
        return cls(ticks=ticks, disturbed=bool(flags & 1), data=body[cls.LAYOUT.size :])


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadDone:
    """Bytes of an output tensor."""

    TYPE: ClassVar[int] = REPLY | ReadRequest.TYPE

    data: bytes

    @classmethod
    def parse(cls, body: bytes) -> Self:
        return cls(data=body)


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """How the device fares; counts are since its start."""

    TYPE: ClassVar[int] = REPLY | StatusRequest.TYPE
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IHHII")

    stack_bytes: int
    """Deepest stack use; 0 where the port cannot tell."""
    rx_lost: int
    """Received bytes that were lost; stays at 65535."""
    bad_frames: int
    """Damaged requests; stays at 65535."""
    inferences: int
    empty_ticks: int
    """Ticks of a timed section with nothing in it, measured for this reply: what is left of the overhead."""

    @classmethod
    def parse(cls, body: bytes) -> Self:
        stack, lost, bad, inferences, empty = _unpack(cls.LAYOUT, body, "a STATUS reply")
        return cls(stack_bytes=stack, rx_lost=lost, bad_frames=bad, inferences=inferences, empty_ticks=empty)


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


Reply = HelloPage | WriteDone | Running | InferDone | ReadDone | Status | ErrorReply

REPLIES: Final[dict[int, type[Reply]]] = {
    reply.TYPE: reply for reply in (HelloPage, WriteDone, Running, InferDone, ReadDone, Status, ErrorReply)
}


def parse_reply(frame: Frame) -> Reply:
    """The reply in `frame`.

    Raises:
        ValueError: its type is unknown or its body illegal.
    """
    if frame.type not in REPLIES:
        raise ValueError(f"a reply of unknown type {frame.type:#04x}")
    return REPLIES[frame.type].parse(frame.body)


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorInfo:
    """An input or output tensor: NumPy dtype name, shape with its batch dimension, quantization."""

    dtype: str
    shape: tuple[int, ...]
    scale: float
    """0.0 where the tensor is not quantized."""
    zero_point: int

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes."""
        return math.prod(self.shape) * dict(DTYPES.values())[self.dtype]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hello:
    """The device card: who answers, with which firmware and model, and what times it."""

    board: str
    engine: str
    counter: str
    counter_hz: int
    cpu_hz: int
    """0 where that means nothing."""
    arena_bytes: int
    frame_bytes: int
    """Largest frame that the device takes and sends, before COBS."""
    firmware_sha256: str
    model_sha256: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


_CARD: Final = struct.Struct("<BBIII32s32sB")
_QUANTIZATION: Final = struct.Struct("<fi")


class _Cursor:
    """Takes fields off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        if count > len(self._data):
            raise ValueError("the device card ends early")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def at_end(self) -> bool:
        return not self._data


def _parse_tensor(card: _Cursor) -> TensorInfo:
    dtype, rank = card.take(2)
    if dtype not in DTYPES:
        raise ValueError(f"unknown tensor type {dtype} in the device card")
    shape = struct.unpack(f"<{rank}I", card.take(4 * rank))
    if 0 in shape:
        raise ValueError(f"a tensor of shape {shape} in the device card")
    scale, zero_point = _QUANTIZATION.unpack(card.take(_QUANTIZATION.size))
    return TensorInfo(dtype=DTYPES[dtype][0], shape=shape, scale=scale, zero_point=zero_point)


def parse_card(data: bytes, *, frame_bytes: int) -> Hello:
    """The device card, put together from its pages.

    Raises:
        ValueError: it is not one.
    """
    card = _Cursor(data)
    engine, counter, counter_hz, cpu_hz, arena, firmware, model, name = _CARD.unpack(card.take(_CARD.size))
    if engine not in ENGINES or counter not in COUNTERS:
        raise ValueError(f"unknown engine {engine} or counter {counter} in the device card")
    board = card.take(name).decode("ascii")
    inputs, outputs = card.take(2)
    tensors = tuple(_parse_tensor(card) for _ in range(inputs + outputs))
    if not card.at_end() or not inputs or not outputs:
        raise ValueError("the tensor table of the device card is malformed")
    return Hello(
        board=board,
        engine=ENGINES[engine],
        counter=COUNTERS[counter],
        counter_hz=counter_hz,
        cpu_hz=cpu_hz,
        arena_bytes=arena,
        frame_bytes=frame_bytes,
        firmware_sha256=firmware.hex(),
        model_sha256=model.hex(),
        inputs=tensors[:inputs],
        outputs=tensors[inputs:],
    )
