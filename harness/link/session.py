# SPDX-License-Identifier: Apache-2.0
"""A whole conversation with a device: time-outs, retries, resynchronization, sizes of frames.

A reply that does not come, or comes damaged, makes the same request go out again under the same sequence
number; the device then repeats its reply and runs nothing twice. An inference is announced by the device
before it begins, so a lost INFER is noticed at once although an inference may take a minute, and nothing
is sent while it runs.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import LocalProtocolError
from harness.link.blame import Trouble, broken, no_hello, no_reply, refusal
from harness.link.frames import OVERHEAD_BYTES, Damaged, wire_bytes
from harness.link.messages import (
    ErrorReply,
    Hello,
    HelloPage,
    HelloRequest,
    InferDone,
    InferRequest,
    ReadDone,
    ReadRequest,
    Reply,
    Request,
    Running,
    Status,
    StatusRequest,
    WriteDone,
    WriteRequest,
    parse_card,
)
from harness.link.pacing import FrameLimit, Timing, Wait
from harness.link.protocol import NEED_DATA, REFUSED, Event, Link
from harness.link.transport import Transport


@dataclass(frozen=True, kw_only=True, slots=True)
class InferReply:
    """One inference: its ticks and the bytes of every output tensor."""

    ticks: int
    outputs: tuple[bytes, ...]
    disturbed: bool
    """Bytes reached the device while the section was timed; the ticks are not to be used."""


class Session:
    """One host session with one device. After any error it is over: open another.

    Args:
        transport: the line; the session does not close it.
        timing: time-outs; by default those for the line's rate.
        nonce: identifies the session to the device, 32 bits; random unless a test wants it fixed.
        clock: seconds that only go up.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timing: Timing | None = None,
        nonce: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._timing = timing or (Timing(baud=transport.baud) if transport.baud else Timing())
        self._nonce = secrets.randbits(32) if nonce is None else nonce
        self._clock = clock
        self._link = Link(first_sequence=self._nonce >> 16)
        self._limit = FrameLimit()
        self._hello: Hello | None = None
        self._retries = 0
        self._slowest_s: float | None = None

    @property
    def retries(self) -> int:
        """Requests that had to be sent again, HELLO's repetition while the board starts not counted."""
        return self._retries

    @property
    def dropped(self) -> int:
        """Intact frames that answered nothing that was asked."""
        return self._link.dropped

    @property
    def frame_bytes(self) -> int:
        """The longest frame that is used now."""
        return self._limit.bytes

    def hello(self) -> Hello:
        """Who is there. The first call opens the session, waiting for a board that is starting.

        Raises:
            NoReplyError, RemoteProtocolError, TargetError.
        """
        if self._hello is None:
            with _Ending(self._link):
                self._hello = self._read_card()
        return self._hello

    def infer(self, inputs: Sequence[bytes]) -> InferReply:
        """Run the model once.

        Args:
            inputs: the bytes of each input tensor, little-endian, in the model's order.

        Raises:
            NoReplyError, RemoteProtocolError, TargetError; LocalProtocolError on inputs of a wrong size.
        """
        hello = self.hello()
        sizes = [tensor.nbytes for tensor in hello.inputs]
        if [len(data) for data in inputs] != sizes:
            raise LocalProtocolError(f"Inputs of {[len(d) for d in inputs]} bytes where {sizes} belong.")
        with _Ending(self._link):
            for tensor, data in enumerate(inputs):
                self._write_tensor(tensor, data)
            done = self._infer()
            sizes = [tensor.nbytes for tensor in hello.outputs]
            outputs = self._complete(done.data, sizes)
        return InferReply(ticks=done.ticks, outputs=outputs, disturbed=done.disturbed)

    def status(self) -> Status:
        """How the device fares.

        Raises:
            NoReplyError, RemoteProtocolError, TargetError.
        """
        self.hello()
        with _Ending(self._link):
            reply = self._insist(StatusRequest())
        assert isinstance(reply, Status)  # noqa: S101 - Link.RECEIVING lets nothing else through
        return reply

    # --- requests -----------------------------------------------------------------------------------

    def _read_card(self) -> Hello:
        page = self._greet()
        self._limit.allow(page.frame_bytes)
        card = page.data
        while len(card) < page.card_bytes:
            more = self._page(len(card))
            if (more.card_bytes, more.frame_bytes) != (page.card_bytes, page.frame_bytes) or not more.data:
                raise broken("HELLO pages that do not belong together")
            card += more.data
        try:
            return parse_card(card, frame_bytes=page.frame_bytes)
        except (ValueError, UnicodeDecodeError) as error:
            raise broken(str(error)) from error

    def _hello_request(self, offset: int) -> HelloRequest:
        limit = self._limit.payload(HelloPage.LAYOUT.size)
        return HelloRequest(nonce=self._nonce, offset=offset, limit=limit)

    def _greet(self) -> HelloPage:
        """Repeat the first HELLO until it is answered; what else comes is a board that is starting."""
        timing = self._timing
        data = self._link.send(self._hello_request(0))
        heard = False
        for _ in range(max(1, round(timing.hello_total_s / timing.hello_every_s))):
            self._transport.write(data)
            until = self._clock() + timing.hello_every_s
            while True:
                event = self._link.next_event()
                if isinstance(event, HelloPage):
                    return event
                if isinstance(event, ErrorReply):
                    raise refusal(event)
                if event is NEED_DATA:
                    left = until - self._clock()
                    received = self._transport.read(left) if left > 0 else b""
                    if not received:
                        break
                    heard = True
                    self._link.receive_data(received)
            data = self._link.resend()
        raise no_hello(timing.hello_total_s, heard=heard)

    def _page(self, offset: int) -> HelloPage:
        while True:
            reply = self._exchange(self._hello_request(offset))
            if isinstance(reply, HelloPage):
                return reply

    def _write_tensor(self, tensor: int, data: bytes) -> None:
        offset = 0
        while offset < len(data):
            chunk = data[offset : offset + self._limit.payload(WriteRequest.LAYOUT.size)]
            request = WriteRequest(tensor=tensor, offset=offset, data=chunk)
            if isinstance(self._exchange(request), WriteDone):
                offset += len(chunk)

    def _complete(self, data: bytes, sizes: Sequence[int]) -> tuple[bytes, ...]:
        """All outputs from their first bytes, which the INFER reply brought, and READs for the rest."""
        if len(data) > sum(sizes):
            raise broken(f"{len(data)} output bytes where {sum(sizes)} belong")
        outputs = []
        for tensor, size in enumerate(sizes):
            output, data = data[:size], data[size:]
            while len(output) < size:
                length = min(self._limit.payload(0), size - len(output))
                reply = self._exchange(ReadRequest(tensor=tensor, offset=len(output), length=length))
                if isinstance(reply, ReadDone):
                    if len(reply.data) != length:
                        raise broken(f"{len(reply.data)} bytes where READ asked for {length}")
                    output += reply.data
            outputs.append(output)
        return tuple(outputs)

    def _infer(self) -> InferDone:
        reply = self._insist(InferRequest(limit=self._infer_limit()))
        assert isinstance(reply, InferDone)  # noqa: S101 - Link.RECEIVING lets nothing else through
        return reply

    # --- exchange -----------------------------------------------------------------------------------

    def _insist(self, request: InferRequest | StatusRequest) -> Reply:
        """The reply to a request that is never cut."""
        reply = self._exchange(request)
        assert reply is not None  # noqa: S101 - see _exchange
        return reply

    def _exchange(self, request: Request) -> Reply | None:
        """The reply, or None when trouble made frames so short that the request must be cut anew.

        An INFER may have run, so it is never given up for another; its reply is what is cut.
        """
        data = self._link.send(request)
        wait = Wait(self._clock, self._timing)
        trouble = Trouble.SILENCE
        flushing = False
        for attempt in range(self._timing.attempts):
            self._transport.write(data)
            reply_bytes = self._reply_bytes(request)
            wait.sent(len(data) + wire_bytes(reply_bytes), copies=0 if flushing else 1)
            result = self._await(wait)
            if not isinstance(result, Trouble):
                if attempt == 0:
                    self._limit.good()
                return result
            trouble = result
            self._retries += 1
            self._limit.bad()
            longest = max(OVERHEAD_BYTES + len(request.body()), reply_bytes)
            if not self._link.inferring and longest > self._limit.bytes:
                self._link.abandon()
                return None
            flushing = trouble is Trouble.SILENCE and self._link.unannounced and not flushing
            data = self._link.flush() if flushing else self._link.resend(infer_limit=self._infer_limit())
        raise no_reply(type(request).__name__, self._timing.attempts, trouble)

    def _infer_limit(self) -> int:
        return self._limit.payload(InferDone.LAYOUT.size)

    def _reply_bytes(self, request: Request) -> int:
        """The longest frame that can answer `request`."""
        match request:
            case HelloRequest():
                body = HelloPage.LAYOUT.size + request.limit
            case InferRequest():
                body = self._limit.payload(0)
            case ReadRequest():
                body = request.length
            case StatusRequest():
                body = Status.LAYOUT.size
            case WriteRequest():
                body = 0
        return OVERHEAD_BYTES + body

    def _await(self, wait: Wait) -> Reply | Trouble:
        """The reply to the request under way, or what went wrong.

        Bytes that reach a device while it times an inference disturb it. So after INFER a damaged frame no
        longer than the announcement is taken for it, and a request that the device calls damaged is repeated
        only when the line has come to rest. And while another copy of the request may still be answered, a
        damaged frame is no reason to send one more.
        """
        while True:
            event = self._next_event(wait)
            if event is None:
                return Trouble.DAMAGE if wait.refused else Trouble.SILENCE
            if isinstance(event, ErrorReply):
                raise refusal(event)
            if isinstance(event, Running):
                wait.inferring(self._slowest_s)
            elif isinstance(event, Reply):
                if isinstance(event, InferDone):
                    self._note_inference(wait.took_s())
                return event
            elif (
                isinstance(event, Damaged) and self._link.unannounced and wait.may_be_announcement(event.size)
            ):
                wait.inferring(self._slowest_s)
            elif event is REFUSED and self._link.unannounced and not wait.announced:
                wait.come_to_rest()
            elif wait.answered_badly():
                return Trouble.DAMAGE

    def _next_event(self, wait: Wait) -> Event | None:
        """What comes next, reading as long as there is patience; None when nothing came."""
        while True:
            event = self._link.next_event()
            if event is not NEED_DATA:
                return event
            left = wait.left_s(partial=self._link.partial)
            data = b"" if left is None else self._transport.read(left)
            if not data:
                return self._link.drop_partial()
            wait.heard()
            self._link.receive_data(data)

    def _note_inference(self, took_s: float | None) -> None:
        if took_s is not None:
            self._slowest_s = max(self._slowest_s or 0.0, took_s)


class _Ending:
    """Ends the conversation when its block is left by an exception of any kind."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._link.fail()
