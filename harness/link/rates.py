# SPDX-License-Identifier: Apache-2.0
"""Another rate for the line, or the one after reset again where it does not hold."""

from __future__ import annotations

from typing import Final

from harness.errors import HangError, RemoteProtocolError, UnavailableError
from harness.link.exchange import Exchange
from harness.link.messages import ErrorReply
from harness.link.requests import BaudRequest, EchoRequest

#: A rate at which so many attempts fail is none.
_ATTEMPTS: Final = 3

#: Every bit pattern that a wrong rate tends to hide: single bits, runs, alternation, the ends.
_PROOF: Final = bytes([0x55, 0xAA, 0x00, 0xFF, 0x01, 0x80, 0x7F, 0xFE, 0x0F, 0xF0, 0x33, 0xCC]) * 2


def change_rate(exchange: Exchange, *, baud: int, start_baud: int) -> bool:
    """Take both ends to `baud` and prove it, or both to `start_baud`, which the device has after reset.

    A device whose line has just changed goes back at the first damaged byte, and later after many: so
    babbling at any rate but its own brings it back to where the host waits.

    Raises:
        HangError, RemoteProtocolError: not even there.
    """
    try:
        reply = exchange.ask(BaudRequest(baud=0 if baud == start_baud else baud), attempts=_ATTEMPTS)
        if isinstance(reply, ErrorReply):
            return False
        exchange.retune(baud)
        exchange.ask(EchoRequest(data=_PROOF), attempts=_ATTEMPTS)
    except (HangError, RemoteProtocolError):
        exchange.abandon()
    except UnavailableError:
        # the device is there already
        pass
    else:
        return True
    exchange.babble()
    exchange.retune(start_baud)
    exchange.ask(EchoRequest(data=_PROOF))
    return False
