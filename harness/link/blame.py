# SPDX-License-Identifier: Apache-2.0
"""What went wrong on the link, whose fault it is, what to do about it."""

from __future__ import annotations

import enum
from typing import Final

from harness.errors import (
    DeviceResetError,
    HangError,
    LocalProtocolError,
    NoReplyError,
    QuantrigError,
    RemoteProtocolError,
)
from harness.link.messages import ErrorCode, ErrorReply
from harness.link.requests import PROTOCOL_VERSION

_REFLASH: Final = "Flash the firmware that this quantrig builds."


class Trouble(enum.Enum):
    """Why one attempt at an exchange failed."""

    SILENCE = enum.auto()
    """Nothing came that could be an answer."""
    REFUSED = enum.auto()
    """The device, or what is left of its answer, says that the request arrived damaged."""
    DAMAGE = enum.auto()
    """Its answer came damaged."""


def broken(what: str) -> RemoteProtocolError:
    """The device sent an intact frame that makes no sense."""
    return RemoteProtocolError(
        f"The device broke the link protocol: {what}.",
        cause="Its firmware speaks another version of the protocol.",
        fix=_REFLASH,
    )


def no_hello(seconds: float, *, heard: bool) -> NoReplyError:
    """Nobody answered HELLO; `heard` tells whether any bytes came."""
    return NoReplyError(
        f"The device did not answer HELLO within {seconds:g} s.",
        cause="It sent bytes, but no reply: another firmware, another baud rate, or a noisy line."
        if heard
        else "It does not run our firmware, or hangs while starting.",
        fix="Flash it anew; on hardware check the port, the baud rate and the cable.",
    )


def no_reply(request: str, attempts: int, *, hangs: bool) -> QuantrigError:
    """Every attempt at `request` failed; `hangs`: the device has fallen silent, having answered before."""
    if hangs:
        return HangError(
            f"The device did not answer {request}, sent {attempts} times.",
            cause="Its firmware hangs or crashed, or the line was cut.",
            fix="Look at the log of the case; on hardware check the cable.",
        )
    return RemoteProtocolError(
        f"No intact reply to {request}, sent {attempts} times.",
        cause="The line damages nearly every frame.",
        fix="On hardware lower the board's baud rate, or take a shorter or better cable.",
    )


def refusal(error: ErrorReply) -> QuantrigError:
    """The device understood a request and refused it."""
    if error.code is ErrorCode.VERSION:
        return RemoteProtocolError(
            f"The device speaks link protocol {error.device_version}, this quantrig {PROTOCOL_VERSION}.",
            cause="Its firmware was built by another version of quantrig.",
            fix=_REFLASH,
        )
    if error.code is ErrorCode.SESSION:
        return DeviceResetError(
            "The device restarted in the middle of the conversation.",
            cause="A crash, a watchdog, a brown-out, or a reset by another program that opened the port.",
            fix="Power the board well and close other programs that use its port, then run again.",
        )
    if error.code is ErrorCode.SEQUENCE:
        return RemoteProtocolError(
            "The device has seen later requests than ours.",
            cause="Another program talks to it at the same time.",
            fix="Close that program, then run again.",
        )
    return LocalProtocolError(
        f"The device refused a request of the harness: {error.code.name}.",
        cause="This is a bug in quantrig.",
        fix="Please report it.",
    )
