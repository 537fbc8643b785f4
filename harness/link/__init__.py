# SPDX-License-Identifier: Apache-2.0
"""The host end of the serial link (docs/PROTOCOL.md).

`frames`, `messages` and `protocol` do no I/O and know no time; `session` drives them over a `transport`. That
alone touches pipes, and serial ports and sockets (`serial_line`, `board_line`); `pacing` holds the session's
time-outs and frame sizes, `blame` its errors.
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
