# SPDX-License-Identifier: Apache-2.0
"""A transport, its rate, and how much went over it."""

from __future__ import annotations

from harness.link.host_time import HostTime
from harness.link.transport import Retunable, Transport

#: A device has its new rate within this after its reply.
_SWITCH_S = 0.02


class Wire:
    """Counts what passes; `baud` is what decides how long it takes."""

    def __init__(self, transport: Transport, *, baud: int, time: HostTime) -> None:
        self._transport = transport
        self._time = time
        self.baud = baud
        self.bytes_sent = 0
        self.bytes_received = 0

    @property
    def retunable(self) -> bool:
        """True where the rate can be changed."""
        return isinstance(self._transport, Retunable)

    def seconds(self, line_bytes: int) -> float:
        """How long so many bytes are on the line, ten bits each."""
        return 10 * line_bytes / self.baud

    def write(self, data: bytes) -> None:
        """See Transport."""
        self.bytes_sent += len(data)
        self._transport.write(data)

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        data = self._transport.read(timeout_s)
        self.bytes_received += len(data)
        return data

    def retune(self, baud: int) -> None:
        """Go on at `baud`, as the device does too; only where `retunable`."""
        if isinstance(self._transport, Retunable):
            self._transport.set_baud(baud)
        self._time.sleep(_SWITCH_S)
        self.baud = baud
