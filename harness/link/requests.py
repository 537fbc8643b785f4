# SPDX-License-Identifier: Apache-2.0
"""Messages to the device: the bodies of its frames (docs/PROTOCOL.md), little-endian.

Requests check themselves when they are made, so `body()` cannot fail.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Final

from harness.link.frames import MAX_BODY_BYTES

PROTOCOL_VERSION: Final = 2


def _require(name: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{name} = {value} does not fit in {bits} bits")


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
    HEAD_BYTES: ClassVar[int] = LAYOUT.size + WriteRequest.LAYOUT.size
    """What stands in the body beside the data of `last`."""

    limit: int
    last: WriteRequest | None = None
    """The last piece of the inputs, where it was not written before."""

    def __post_init__(self) -> None:
        _require("limit", self.limit, 16)

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.limit) + (b"" if self.last is None else self.last.body())


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


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowRequest:
    """Runs the model `count` times in one timed section, on inputs of the device's own."""

    TYPE: ClassVar[int] = 6
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<I")

    count: int

    def __post_init__(self) -> None:
        _require("count", self.count, 32)
        if not self.count:
            raise ValueError("a window of no inference")

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.count)


@dataclass(frozen=True, kw_only=True, slots=True)
class BaudRequest:
    """Changes the line's rate to `baud` once the reply has left; 0 is the rate after reset."""

    TYPE: ClassVar[int] = 7
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<I")

    baud: int

    def __post_init__(self) -> None:
        _require("baud", self.baud, 32)

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.baud)


@dataclass(frozen=True, kw_only=True, slots=True)
class EchoRequest:
    """Asks for `data` back."""

    TYPE: ClassVar[int] = 8

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) > MAX_BODY_BYTES:
            raise ValueError(f"an ECHO of {len(self.data)} bytes")

    def body(self) -> bytes:
        return self.data


@dataclass(frozen=True, kw_only=True, slots=True)
class ResetRequest:
    """Puts the model's variables back to what they are before the first inference."""

    TYPE: ClassVar[int] = 9

    def body(self) -> bytes:
        return b""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRequest:
    """Runs one step of an inference: the first, on inputs written before, or the one that comes next."""

    TYPE: ClassVar[int] = 10
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<H")

    step: int

    def __post_init__(self) -> None:
        _require("step", self.step, 16)

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.step)


@dataclass(frozen=True, kw_only=True, slots=True)
class PeekRequest:
    """Asks for `length` bytes of the arena from byte `offset`."""

    TYPE: ClassVar[int] = 11
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<IH")

    offset: int
    length: int

    def __post_init__(self) -> None:
        _require("offset", self.offset, 32)
        _require("length", self.length, 16)

    def body(self) -> bytes:
        return self.LAYOUT.pack(self.offset, self.length)


Request = (
    HelloRequest
    | WriteRequest
    | InferRequest
    | ReadRequest
    | StatusRequest
    | WindowRequest
    | BaudRequest
    | EchoRequest
    | ResetRequest
    | StepRequest
    | PeekRequest
)

#: Requests that run the model or a part of it: the device announces them, and nothing is sent while they run.
RUNS: Final = (InferRequest, WindowRequest, StepRequest)
