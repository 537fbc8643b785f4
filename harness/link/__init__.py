# SPDX-License-Identifier: Apache-2.0
"""The host end of the serial link (docs/PROTOCOL.md).

`frames`, `requests`, `messages`, `card`, `guess` and `protocol` do no I/O and know no time. `session` is
what one says to a device; its requests go through `exchange`, which repeats them with the patience of
`pacing`, the sizes of `sizing` and `cutting` and the errors of `blame` until they are answered, `rates`
changes the line's rate, and `recovery` begins the next session. A `transport` alone touches pipes, and
serial ports and sockets (`serial_line`, `board_line`); `wire` counts what passes over it.
"""

from __future__ import annotations

from harness.link.card import Hello, TensorInfo
from harness.link.exchange import LinkStats
from harness.link.messages import Status
from harness.link.pacing import Timing
from harness.link.serial_line import SerialTransport, SocketTransport
from harness.link.session import InferReply, Session, WindowReply
from harness.link.transport import PipeTransport, SectionCounter, Transport

__all__ = [
    "Hello",
    "InferReply",
    "LinkStats",
    "PipeTransport",
    "SectionCounter",
    "SerialTransport",
    "Session",
    "SocketTransport",
    "Status",
    "TensorInfo",
    "Timing",
    "Transport",
    "WindowReply",
]
