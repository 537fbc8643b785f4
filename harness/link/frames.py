# SPDX-License-Identifier: Apache-2.0
"""Frames: what is between two delimiters on the wire.

A frame is `u8 type, u16 sequence, u16 body length, body, u32 CRC-32`, little-endian, encoded with COBS
so that no zero is left in it, and ended by a zero. The zero is found again after any damage, and the
CRC and the length together decide whether what stood before it may be believed.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from cobs import cobs

DELIMITER: Final = b"\0"
HEADER: Final = struct.Struct("<BHH")
CRC: Final = struct.Struct("<I")
OVERHEAD_BYTES: Final = HEADER.size + CRC.size
MAX_BODY_BYTES: Final = 0xFFFF

#: Every device takes frames of this size, and the host never shrinks them further. With COBS and a
#: delimiter on either side that is 47 bytes on the wire.
MIN_FRAME_BYTES: Final = 44


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame, not yet encoded. `type` is 8 bits, `sequence` 16 bits, `body` at most 65535 bytes."""

    type: int
    sequence: int
    body: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.type <= 0xFF:
            raise ValueError(f"frame type {self.type} does not fit in 8 bits")
        if not 0 <= self.sequence <= 0xFFFF:
            raise ValueError(f"sequence number {self.sequence} does not fit in 16 bits")
        if len(self.body) > MAX_BODY_BYTES:
            raise ValueError(f"a body of {len(self.body)} bytes is longer than {MAX_BODY_BYTES}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Damaged:
    """Bytes up to a delimiter that are no frame, or bytes whose delimiter did not come."""

    why: str
    wire: bytes
    """What arrived, without the delimiter; of a stretch longer than any frame, nothing."""


def wire_bytes(frame_bytes: int) -> int:
    """Most bytes that a frame of `frame_bytes` (header, body, CRC) takes on the wire, delimiter included."""
    return frame_bytes + -(-frame_bytes // 254) + len(DELIMITER)


def encode(frame: Frame) -> bytes:
    """The bytes of `frame` on the wire, its delimiter last."""
    plain = HEADER.pack(frame.type, frame.sequence, len(frame.body)) + frame.body
    coded: bytes = cobs.encode(plain + CRC.pack(zlib.crc32(plain)))
    return coded + DELIMITER


def decode(wire: bytes) -> Frame | Damaged:
    """The frame that `wire` holds, given without its delimiter."""
    try:
        plain: bytes = cobs.decode(wire)
    except cobs.DecodeError as error:
        return Damaged(why=f"not COBS: {error}", wire=wire)
    if len(plain) < OVERHEAD_BYTES:
        return Damaged(why=f"{len(plain)} bytes are too short for a frame", wire=wire)
    plain, (crc,) = plain[: -CRC.size], CRC.unpack(plain[-CRC.size :])
    if zlib.crc32(plain) != crc:
        return Damaged(why="wrong CRC", wire=wire)
    kind, sequence, length = HEADER.unpack_from(plain)
    body = plain[HEADER.size :]
    if len(body) != length:
        return Damaged(why=f"the body has {len(body)} bytes, its header says {length}", wire=wire)
    return Frame(type=kind, sequence=sequence, body=body)


class Deframer:
    """Cuts received bytes at the delimiters. Takes any bytes in any portions."""

    #: A stretch without a delimiter that is longer than any frame is thrown away.
    LIMIT_BYTES: Final = wire_bytes(OVERHEAD_BYTES + MAX_BODY_BYTES)

    def __init__(self) -> None:
        self._received = bytearray()
        self._skipping = False

    @property
    def partial(self) -> int:
        """How many bytes wait for their delimiter."""
        return self.LIMIT_BYTES if self._skipping else len(self._received)

    def drop_partial(self) -> Damaged | None:
        """Forget bytes whose delimiter does not come; None when there are none."""
        if not self.partial:
            return None
        dropped = Damaged(why="its delimiter is missing", wire=bytes(self._received))
        self._received.clear()
        self._skipping = False
        return dropped

    def feed(self, data: bytes) -> None:
        """Take what has arrived."""
        self._received += data

    def next_frame(self) -> Frame | Damaged | None:
        """The next frame or damaged stretch, None when a delimiter is still missing."""
        while True:
            end = self._received.find(DELIMITER)
            if end < 0:
                if len(self._received) > self.LIMIT_BYTES:
                    self._received.clear()
                    self._skipping = True
                return None
            wire = bytes(self._received[:end])
            del self._received[: end + 1]
            if self._skipping:
                self._skipping = False
                return Damaged(why="too long for a frame", wire=b"")
            if wire:
                return decode(wire)
