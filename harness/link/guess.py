# SPDX-License-Identifier: Apache-2.0
"""What a damaged frame probably was. A guess decides what is sent again and when, never what is believed."""

from __future__ import annotations

import enum
from typing import Final

from harness.link.frames import DELIMITER, OVERHEAD_BYTES, Frame, encode, wire_bytes
from harness.link.messages import ErrorCode, ErrorReply, Running
from harness.link.requests import PROTOCOL_VERSION

#: ERROR FRAME and RUNNING are no longer on the wire, one doubled byte included.
SHORT_BYTES: Final = wire_bytes(OVERHEAD_BYTES + ErrorReply.LAYOUT.size)


class Guess(enum.Enum):
    """Kinds of frames that a device may send in answer to a request to run the model."""

    REFUSAL = enum.auto()
    """ERROR FRAME."""
    ANNOUNCEMENT = enum.auto()
    """RUNNING."""
    UNCLEAR = enum.auto()
    """One of these two."""
    ANSWER = enum.auto()
    """The result, or that it did not run."""


def guess(damaged: bytes, *, sequence: int) -> Guess:
    """What `damaged` was, in answer to the request number `sequence`."""
    if len(damaged) > SHORT_BYTES:
        return Guess.ANSWER
    kept = {kind: _kept(frame, damaged) for kind, frame in _short_frames(sequence).items()}
    best, second = sorted(kept, key=lambda kind: -kept[kind])[:2]
    return best if 2 * kept[best] >= len(damaged) and kept[best] > kept[second] else Guess.UNCLEAR


def _short_frames(sequence: int) -> dict[Guess, bytes]:
    refusal, incomplete = (
        bytes([code, PROTOCOL_VERSION]) for code in (ErrorCode.FRAME, ErrorCode.INCOMPLETE)
    )
    frames = {
        Guess.REFUSAL: Frame(type=ErrorReply.TYPE, sequence=0, body=refusal),
        Guess.ANNOUNCEMENT: Frame(type=Running.TYPE, sequence=sequence, body=b""),
        Guess.ANSWER: Frame(type=ErrorReply.TYPE, sequence=sequence, body=incomplete),
    }
    return {kind: encode(frame).removesuffix(DELIMITER) for kind, frame in frames.items()}


def _kept(whole: bytes, damaged: bytes) -> int:
    """How many bytes of `whole` are left in `damaged`, in their order: the longest common subsequence."""
    best = [0] * (len(damaged) + 1)
    for byte in whole:
        before = best[:]
        for at, other in enumerate(damaged):
            best[at + 1] = before[at] + 1 if byte == other else max(before[at + 1], best[at])
    return best[-1]
