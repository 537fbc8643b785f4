# SPDX-License-Identifier: Apache-2.0
"""A whole conversation with a device: who is there, inferences, windows, how it fares, the line's rate."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import LocalProtocolError
from harness.link.blame import broken
from harness.link.card import IDENTITY_BYTES, Hello, parse_card
from harness.link.exchange import Exchange, LinkStats
from harness.link.host_time import SYSTEM, HostTime
from harness.link.messages import (
    EchoDone,
    HelloPage,
    InferDone,
    PeekDone,
    ReadDone,
    Status,
    WindowDone,
    WriteDone,
)
from harness.link.pacing import Timing
from harness.link.protocol import Link
from harness.link.rates import change_rate
from harness.link.requests import (
    EchoRequest,
    HelloRequest,
    InferRequest,
    PeekRequest,
    ReadRequest,
    ResetRequest,
    StatusRequest,
    StepRequest,
    WindowRequest,
    WriteRequest,
)
from harness.link.transport import Transport
from harness.link.wire import Wire


@dataclass(frozen=True, kw_only=True, slots=True)
class InferReply:
    """One inference: its ticks and the bytes of every output tensor."""

    ticks: int
    outputs: tuple[bytes, ...]
    disturbed: bool
    """Bytes reached the device while the section was timed; the ticks are not to be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowReply:
    """Many inferences in one timed section."""

    ticks: int
    disturbed: bool
    """See InferReply."""
    host_s: float | None
    """The section by the host's time, from RUNNING to the first byte of the reply: latencies of the line are
    in it. None where damage hid either."""


class Session:
    """One host session with one device. After any error it is over: open another.

    Args:
        transport: the line, at the rate that the device has after reset; the session does not close it.
        timing: time-outs; by default those for the line's rate.
        nonce: identifies the session to the device, 32 bits; random unless a test wants it fixed.
        time: the host's.
        earlier: a session over the same line that has ended: how the line is, it has learnt, and a card whose
            beginning is still the same is not read again.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timing: Timing | None = None,
        nonce: int | None = None,
        time: HostTime = SYSTEM,
        earlier: Session | None = None,
    ) -> None:
        timing = timing or (Timing(baud=transport.baud) if transport.baud else Timing())
        self._nonce = secrets.randbits(32) if nonce is None else nonce
        self._start_baud = timing.baud
        self._wire = Wire(transport, baud=timing.baud, time=time)
        self._link = Link(first_sequence=self._nonce >> 16)
        known = earlier._exchange if earlier else None
        self._exchange: Exchange = Exchange(self._wire, self._link, timing=timing, time=time, earlier=known)
        self._hello: Hello | None = None
        self._known: tuple[bytes, Hello] | None = earlier._known if earlier else None

    @property
    def stats(self) -> LinkStats:
        """What the conversation cost so far."""
        return self._exchange.stats

    @property
    def frame_bytes(self) -> int:
        """The longest frame that is used now."""
        return self._exchange.limit.bytes

    @property
    def baud(self) -> int:
        """The line's rate now."""
        return self._wire.baud

    def hello(self) -> Hello:
        """Who is there. The first call opens the session, waiting for a board that is starting.

        Raises:
            NoReplyError: nobody answers.
            HangError, DeviceResetError, DeviceFaultError, RemoteProtocolError: it answers, but no more, or
                nonsense.
            TargetError, LineLostError: the line is gone.
        """
        if self._hello is None:
            with _Ending(self._link):
                self._hello = self._read_card()
        return self._hello

    def infer(self, inputs: Sequence[bytes], *, following: Sequence[bytes] | None = None) -> InferReply:
        """Run the model once.

        Args:
            inputs: the bytes of each input tensor, little-endian, in the model's order.
            following: the inputs of the next call, most probably; a good line carries them already while this
                result comes. Any other call may follow all the same.

        Raises:
            As `hello`; LocalProtocolError on inputs of a wrong size.
        """
        hello = self.hello()
        for given in (inputs, following):
            if given is not None:
                self._check_sizes(given)
        with _Ending(self._link):
            sizes = [tensor.nbytes for tensor in hello.outputs]
            done = self._infer(inputs, following if sum(sizes) <= self._exchange.infer_limit() else None)
            outputs = self._complete(done.data, sizes)
        return InferReply(ticks=done.ticks, outputs=outputs, disturbed=done.disturbed)

    def window(self, count: int, *, expected_s: float | None = None) -> WindowReply:
        """Run the model `count` times in one timed section, on inputs of the device's own making.

        Args:
            count: at least 1.
            expected_s: how long that should take; a device that is silent for four times as long is asked
                whether it hangs. By default, as long as so many of the inferences before.

        Raises:
            As `hello`.
        """
        self.hello()
        with _Ending(self._link):
            done = self._exchange.ask(WindowRequest(count=count), window_s=expected_s)
        assert isinstance(done, WindowDone)  # noqa: S101 - Link.RECEIVING lets nothing else through
        return WindowReply(ticks=done.ticks, disturbed=done.disturbed, host_s=self._exchange.section_s)

    def reset(self) -> None:
        """Put the model's variables back to what they are before the first inference.

        Raises:
            As `hello`.
        """
        self.hello()
        with _Ending(self._link):
            self._exchange.ask(ResetRequest())

    def load(self, inputs: Sequence[bytes]) -> None:
        """Write the inputs of an inference that `step` is to run; as `infer` takes them.

        Raises:
            As `infer`.
        """
        self._check_sizes(inputs)
        with _Ending(self._link):
            for tensor, data in enumerate(inputs):
                offset = 0
                while offset < len(data):
                    size = self._exchange.limit.piece(len(data) - offset, WriteRequest.LAYOUT.size)
                    piece = data[offset : offset + size]
                    done = self._exchange.ask(WriteRequest(tensor=tensor, offset=offset, data=piece))
                    offset += size if isinstance(done, WriteDone) else 0

    def step(self, number: int) -> None:
        """Run one step of an inference: 0 after `load`, then the one that follows.

        Raises:
            As `hello`; LocalProtocolError where the firmware cannot, or the step is not the next one.
        """
        self.hello()
        with _Ending(self._link):
            self._exchange.ask(StepRequest(step=number))

    def peek(self, offset: int, length: int) -> bytes:
        """Bytes of the arena, between two steps.

        Raises:
            As `hello`; LocalProtocolError where the firmware cannot, or the arena ends before.
        """
        self.hello()
        data = b""
        with _Ending(self._link):
            while len(data) < length:
                size = self._exchange.limit.piece(length - len(data), 0)
                reply = self._exchange.ask(PeekRequest(offset=offset + len(data), length=size))
                if isinstance(reply, PeekDone):
                    if len(reply.data) != size:
                        raise broken(f"{len(reply.data)} bytes where PEEK asked for {size}")
                    data += reply.data
        return data

    def status(self) -> Status:
        """How the device fares.

        Raises:
            As `hello`.
        """
        self.hello()
        with _Ending(self._link):
            reply = self._exchange.ask(StatusRequest())
        assert isinstance(reply, Status)  # noqa: S101 - Link.RECEIVING lets nothing else through
        return reply

    def echo(self, data: bytes) -> None:
        """Send `data` there and back in as many frames as it takes; `stats` tells with how much trouble.

        Raises:
            As `hello`.
        """
        self.hello()
        with _Ending(self._link):
            while data:
                sent = data[: self._exchange.limit.piece(len(data), 0)]
                reply = self._exchange.ask(EchoRequest(data=sent))
                if isinstance(reply, EchoDone):
                    if reply.data != sent:
                        raise broken("ECHO came back as something else")
                    data = data[len(sent) :]

    def set_baud(self, baud: int) -> bool:
        """Change the line's rate, prove it by an exchange or two, or go back to the rate after reset.

        Args:
            baud: not below the rate after reset: bytes at that rate are too short to call back a device which
                listens at a lower one.

        Returns:
            True: the line runs at `baud`. False: it does not, see the property `baud`. Where the line or the
            device cannot, nothing has changed; where nothing came through, it is the rate after reset.

        Raises:
            As `hello`.
        """
        if baud < self._start_baud:
            raise ValueError(f"{baud} baud are below the {self._start_baud} that the device starts with.")
        self.hello()
        if baud == self.baud:
            return True
        if not self._wire.retunable:
            return False
        with _Ending(self._link):
            return change_rate(self._exchange, baud=baud, start_baud=self._start_baud)

    # --- requests -----------------------------------------------------------------------------------

    def _check_sizes(self, inputs: Sequence[bytes]) -> None:
        sizes = [tensor.nbytes for tensor in self.hello().inputs]
        if [len(data) for data in inputs] != sizes:
            raise LocalProtocolError(f"Inputs of {[len(d) for d in inputs]} bytes where {sizes} belong.")

    def _read_card(self) -> Hello:
        page = self._exchange.greet(self._hello_request(0))
        self._exchange.limit.allow(page.frame_bytes)
        card = page.data
        while len(card) < page.card_bytes:
            if self._known and len(card) >= IDENTITY_BYTES and self._known[0].startswith(card):
                return self._known[1]
            more = self._exchange.ask(self._hello_request(len(card)))
            if not isinstance(more, HelloPage):
                continue
            if (more.card_bytes, more.frame_bytes) != (page.card_bytes, page.frame_bytes) or not more.data:
                raise broken("HELLO pages that do not belong together")
            card += more.data
        try:
            hello = parse_card(card, frame_bytes=page.frame_bytes)
        except (ValueError, UnicodeDecodeError) as error:
            raise broken(str(error)) from error
        self._known = card, hello
        return hello

    def _hello_request(self, offset: int) -> HelloRequest:
        limit = self._exchange.limit.payload(HelloPage.LAYOUT.size)
        if self._known and offset < IDENTITY_BYTES:
            limit = min(limit, IDENTITY_BYTES - offset)
        return HelloRequest(nonce=self._nonce, offset=offset, limit=limit)

    def _infer(self, inputs: Sequence[bytes], following: Sequence[bytes] | None) -> InferDone:
        tensor = offset = 0
        while True:
            request = self._next_piece(inputs, tensor, offset)
            ahead = None
            if isinstance(request, InferRequest) and following is not None:
                ahead = self._next_piece(following, 0, 0)
            reply = self._exchange.ask(request, following=ahead)
            if isinstance(reply, InferDone):
                return reply
            if isinstance(reply, WriteDone) and isinstance(request, WriteRequest):
                offset += len(request.data)
                if offset == len(inputs[tensor]) and tensor + 1 < len(inputs):
                    tensor, offset = tensor + 1, 0

    def _next_piece(self, inputs: Sequence[bytes], tensor: int, offset: int) -> WriteRequest | InferRequest:
        """The request that takes the inputs on from there; the one that ends them runs the model."""
        limit = self._exchange.limit
        data = inputs[tensor][offset:]
        if tensor == len(inputs) - 1:
            if not data:
                return InferRequest(limit=self._exchange.infer_limit())
            if limit.piece(len(data), InferRequest.HEAD_BYTES) == len(data):
                last = WriteRequest(tensor=tensor, offset=offset, data=data)
                return InferRequest(limit=self._exchange.infer_limit(), last=last)
        size = limit.piece(len(data), WriteRequest.LAYOUT.size)
        return WriteRequest(tensor=tensor, offset=offset, data=data[:size])

    def _complete(self, data: bytes, sizes: Sequence[int]) -> tuple[bytes, ...]:
        """All outputs from their first bytes, which the INFER reply brought, and READs for the rest."""
        if len(data) > sum(sizes):
            raise broken(f"{len(data)} output bytes where {sum(sizes)} belong")
        outputs = []
        for tensor, size in enumerate(sizes):
            output, data = data[:size], data[size:]
            while len(output) < size:
                length = self._exchange.limit.piece(size - len(output), 0)
                reply = self._exchange.ask(ReadRequest(tensor=tensor, offset=len(output), length=length))
                if isinstance(reply, ReadDone):
                    if len(reply.data) != length:
                        raise broken(f"{len(reply.data)} bytes where READ asked for {length}")
                    output += reply.data
            outputs.append(output)
        return tuple(outputs)


class _Ending:
    """Ends the conversation when its block is left by an exception of any kind."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._link.fail()
