# SPDX-License-Identifier: Apache-2.0
"""What a damaged frame probably was. A guess decides what is sent again and when, never what is believed."""

from __future__ import annotations

import enum
from typing import Final

from harness.link.frames import DELIMITER, OVERHEAD_BYTES, Frame, encode, wire_bytes
from harness.link.messages import ErrorCode, ErrorReply, Running
from harness.link.requests import PROTOCOL_VERSION

_REFUSAL: Final = encode(
    Frame(type=ErrorReply.TYPE, sequence=0, body=bytes([ErrorCode.FRAME, PROTOCOL_VERSION]))
).removesuffix(DELIMITER)

#: ERROR FRAME and RUNNING are no longer on the wire, one doubled byte included.
SHORT_BYTES: Final = wire_bytes(OVERHEAD_BYTES + ErrorReply.LAYOUT.size)


class Guess(enum.Enum):
    """Kinds of frames that a device may send in answer to a request to run the model."""

    REFUSAL = enum.auto()
    ANNOUNCEMENT = enum.auto()
    EITHER = enum.auto()
    RESULT = enum.auto()


def guess(damaged: bytes, *, sequence: int) -> Guess:
    """What `damaged` was, in answer to the request number `sequence`."""
    if _resembles(damaged, _REFUSAL):
        return Guess.REFUSAL
    announcement = encode(Frame(type=Running.TYPE, sequence=sequence, body=b"")).removesuffix(DELIMITER)
    if _resembles(damaged, announcement):
        return Guess.ANNOUNCEMENT
    return Guess.EITHER if len(damaged) <= SHORT_BYTES else Guess.RESULT


def _resembles(damaged: bytes, whole: bytes) -> bool:
    """Whether one byte lost, doubled or changed makes `damaged` of `whole`."""
    if abs(len(damaged) - len(whole)) > 1:
        return False
    return _alike(damaged, whole) + _alike(damaged[::-1], whole[::-1]) >= len(whole) - 1


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes they have in common at their beginning."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)
