# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.link.frames import Frame, encode
from harness.link.guess import SHORT_BYTES, Guess, guess

FRAMES = {
    Guess.REFUSAL: (0xFF, 0, bytes([1, 2])),
    Guess.ANNOUNCEMENT: (0x90, None, b""),
    Guess.ANSWER: (0xFF, None, bytes([9, 2])),
}


def short_frame(kind: Guess, sequence: int) -> bytes:
    type_, number, body = FRAMES[kind]
    return encode(Frame(type=type_, sequence=sequence if number is None else number, body=body))[:-1]


def one_fault(whole: bytes) -> Iterator[bytes]:
    for at in range(len(whole)):
        yield whole[:at] + whole[at + 1 :]
        yield whole[:at] + whole[at : at + 1] + whole[at:]
        for bit in range(8):
            if whole[at] ^ 1 << bit:
                yield whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("sequence", [0, 1, 0x0100, 0x1234, 0xFFFF])
def test_one_fault_hides_nothing(kind: Guess, sequence: int) -> None:
    for damaged in one_fault(short_frame(kind, sequence)):
        assert guess(damaged, sequence=sequence) is kind, damaged.hex()


@given(damaged=st.binary(max_size=60), sequence=st.integers(0, 0xFFFF))
def test_anything_can_be_guessed_at(damaged: bytes, sequence: int) -> None:
    guessed = guess(damaged, sequence=sequence)
    if len(damaged) > SHORT_BYTES:
        assert guessed is Guess.ANSWER
