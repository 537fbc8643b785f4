# SPDX-License-Identifier: Apache-2.0
"""Which requests are too long for the line as it is, and how long their replies may be."""

from __future__ import annotations

from typing import Final

from harness.link.frames import OVERHEAD_BYTES
from harness.link.messages import HelloPage, Status, WindowDone
from harness.link.requests import (
    BaudRequest,
    EchoRequest,
    HelloRequest,
    InferRequest,
    PeekRequest,
    ReadRequest,
    Request,
    ResetRequest,
    StatusRequest,
    StepRequest,
    WindowRequest,
    WriteRequest,
)
from harness.link.sizing import FrameLimit

#: To cut a request that runs the model anew costs an exchange, since the device must be asked whether it ran:
#: that is done after so many failures where it gives many pieces, and after so many more where it gives two.
FAILURES_BEFORE_MANY: Final = 3
FAILURES_BEFORE_CUT: Final = 8


def reply_bytes(request: Request, limit: FrameLimit) -> int:
    """The longest frame that can answer `request` next."""
    match request:
        case HelloRequest():
            body = HelloPage.LAYOUT.size + request.limit
        case InferRequest():
            body = limit.payload(0)
        case ReadRequest() | PeekRequest():
            body = request.length
        case EchoRequest():
            body = len(request.data)
        case StatusRequest():
            body = Status.LAYOUT.size
        case WindowRequest():
            body = WindowDone.LAYOUT.size
        case WriteRequest() | BaudRequest() | ResetRequest() | StepRequest():
            body = 0
    return OVERHEAD_BYTES + body


def is_too_long(request: Request, limit: FrameLimit) -> bool:
    """Whether a request should be cut anew, now that the line is known better; none that runs the model."""
    match request:
        case HelloRequest():
            return limit.payload(HelloPage.LAYOUT.size) < request.limit
        case ReadRequest() | PeekRequest():
            return limit.piece(request.length, 0) < request.length
        case EchoRequest():
            return limit.piece(len(request.data), 0) < len(request.data)
        case WriteRequest():
            return limit.piece(len(request.data), WriteRequest.LAYOUT.size) < len(request.data)
        case _:
            return False


def is_worth_cutting(request: Request, limit: FrameLimit, failures: int) -> bool:
    """Whether a request that runs the model should be, after so many failures."""
    if not isinstance(request, InferRequest) or request.last is None:
        return False
    data = len(request.last.data)
    piece = limit.piece(data, InferRequest.HEAD_BYTES)
    if failures >= FAILURES_BEFORE_CUT:
        return piece < data
    return failures >= FAILURES_BEFORE_MANY and 3 * piece <= data
