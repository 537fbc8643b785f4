# SPDX-License-Identifier: Apache-2.0
"""One request after another, each asked until its reply is there: time-outs, retries, resynchronization.

A reply that does not come, or comes damaged, makes the same request go out again under the same sequence
number; the device then repeats its reply and runs nothing twice. A request that runs the model is announced
by the device before it begins, so a lost one is noticed at once although it may take a minute, and nothing
is sent while it runs. What a damaged frame was is guessed: that decides what is sent next, nothing else.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

from harness.link.blame import Trouble, no_hello, no_reply, refusal
from harness.link.cutting import is_too_long, is_worth_cutting, reply_bytes
from harness.link.frames import DELIMITER, OVERHEAD_BYTES, Damaged, wire_bytes
from harness.link.guess import Guess, guess
from harness.link.host_time import HostTime
from harness.link.messages import ErrorReply, HelloPage, InferDone, Reply, Running
from harness.link.pacing import RoundTrip, Timing, Wait
from harness.link.protocol import NEED_DATA, REFUSED, STARTED, Event, Link, State
from harness.link.requests import HelloRequest, InferRequest, Request, WindowRequest
from harness.link.sizing import LEAST_TURNAROUND_BYTES, FrameLimit
from harness.link.wire import Wire

#: Kept back of what is sent ahead, so that the device cannot take it for a request.
HELD_BACK_BYTES: Final = 2

#: So few bytes while the device times a section are noise, not the result.
STRAY_BYTES: Final = 8

BABBLE: Final = 20 * (b"\x55" + DELIMITER)

_MOST_DOUBLINGS: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkStats:
    """What a conversation cost."""

    requests: int
    """Each counted once, however often it was sent."""
    retries: int
    """Sent again, HELLO's repetition while the board starts not counted."""
    damaged: int
    """Stretches that arrived damaged here, and requests that arrived damaged there."""
    dropped: int
    """Intact frames that answered nothing that was asked."""
    bytes_sent: int
    bytes_received: int


class Exchange:
    """Asks the device, over a line that may damage anything.

    Args:
        earlier: of an earlier session over the same line: what it has learnt is not learnt anew.
    """

    def __init__(
        self, wire: Wire, link: Link, *, timing: Timing, time: HostTime, earlier: Exchange | None = None
    ) -> None:
        self.limit: FrameLimit = earlier.limit if earlier else FrameLimit()
        self.section_s: float | None = None
        """How long the last timed section took by the host's time; None where that is not known."""
        self._wire = wire
        self._link = link
        self._timing = timing
        self._time = time
        self._trip: RoundTrip = earlier._trip if earlier else RoundTrip(timing)
        self._slowest_s: float | None = earlier._slowest_s if earlier else None
        self._requests = self._retries = self._damaged = 0
        self._ahead = b""
        self._surplus = 0
        self._window_s: float | None = None
        self._sent_at = 0.0
        self._fresh: int | None = None

    @property
    def stats(self) -> LinkStats:
        """So far."""
        return LinkStats(
            requests=self._requests,
            retries=self._retries,
            damaged=self._damaged,
            dropped=self._link.dropped,
            bytes_sent=self._wire.bytes_sent,
            bytes_received=self._wire.bytes_received,
        )

    def infer_limit(self) -> int:
        """How many output bytes to ask for with INFER."""
        return self.limit.payload(InferDone.LAYOUT.size)

    def greet(self, request: HelloRequest) -> HelloPage:
        """Repeat the first HELLO until it is answered; what else comes is a board that is starting.

        Raises:
            NoReplyError: nobody answers.
        """
        timing, time = self._timing, self._time
        self._requests += 1
        data = self._link.send(request)
        heard = False
        refused = 0
        end = time.now() + timing.hello_total_s
        for attempt in itertools.count():
            if time.now() >= end:
                break
            # on a line that is known to be bad the first ones follow each other as repetitions do
            soon_s = self._trip.reply_s(hurried=self.limit.troubled, silences=min(attempt, _MOST_DOUBLINGS))
            until = time.now() + min(timing.hello_every_s, soon_s)
            # the second delimiter asks the device for one, too
            self._wire.write(data + DELIMITER)
            data = self._link.resend()
            while True:
                event = self._link.next_event()
                if isinstance(event, HelloPage):
                    return event
                if isinstance(event, ErrorReply):
                    raise refusal(event)
                if event is REFUSED:
                    refused += 1
                    if refused > 1:
                        # the first may be about what was on the line before us
                        self._damaged += 1
                        self.limit.bad(len(data))
                    until = min(until, time.now() + timing.hurried_s / 10)
                if isinstance(event, Damaged) or event is STARTED:
                    # on a line that is known to be bad this is rather the reply than a board that chatters
                    rest_s = timing.hurried_s / 10 if self.limit.troubled else timing.hurried_s
                    until = min(until, time.now() + rest_s)
                if event is NEED_DATA:
                    left = until - time.now()
                    received = self._wire.read(left) if left > 0 else b""
                    if not received:
                        break
                    heard = True
                    self._link.receive_data(received)
        raise no_hello(timing.hello_total_s, heard=heard)

    def ask(
        self,
        request: Request,
        *,
        following: Request | None = None,
        attempts: int | None = None,
        window_s: float | None = None,
    ) -> Reply | None:
        """The reply, or None when the request was not carried out and is to be cut anew.

        Args:
            request: what to ask.
            following: the request that will most probably come next, sent ahead where that is possible.
            attempts: how often to send it at most; by default what the timing says.
            window_s: how long the window should take that `request` asks for.

        Raises:
            HangError, RemoteProtocolError: every attempt failed.
            DeviceResetError, DeviceFaultError, LocalProtocolError: the device refused it, or is in trouble.
        """
        self._requests += 1
        if isinstance(request, WindowRequest) and window_s is None and self._slowest_s is not None:
            window_s = request.count * self._slowest_s
        self._window_s = window_s
        wait = Wait(self._time, unanswered=self._surplus)
        tries = _Tries(self._timing, attempts, raised=self._wire.baud != self._timing.baud)
        line_bytes = self._first(request, wait)
        while True:
            result = self._await(request, wait, None if tries.failures else following)
            if not isinstance(result, Trouble):
                if not tries.failures:
                    self.limit.good(line_bytes)
                for _ in range(tries.silences):
                    # it was the line, then, and not the device
                    self.limit.bad(line_bytes)
                self._surplus = max(0, wait.unanswered - 1)
                self._note_section(request, wait)
                return (
                    None if isinstance(result, ErrorReply) and isinstance(request, InferRequest) else result
                )
            if result is not Trouble.SILENCE:
                self.limit.bad(line_bytes)
            if tries.end_with(result, heard=wait.disturbed):
                raise no_reply(type(request).__name__, tries.failures, hangs=tries.in_silence)
            if not self._link.runs and is_too_long(request, self.limit):
                self._link.abandon()
                self._surplus = wait.unanswered
                return None
            self._retries += 1
            line_bytes = self._again(request, wait, result, tries)

    def abandon(self) -> None:
        """Give up the request that `ask` failed with; it does not run the model."""
        self._link.abandon()
        self._surplus = 0

    def retune(self, baud: int) -> None:
        """Go on at another rate, as the device does."""
        self._wire.retune(baud)

    def babble(self) -> None:
        """Send more damaged frames than a device bears at a rate that it was told."""
        self._wire.write(BABBLE)

    # --- sending ------------------------------------------------------------------------------------

    def _first(self, request: Request, wait: Wait) -> int:
        """Send the request, or what is missing of it. Returns the bytes of the whole exchange."""
        self._settle()
        data = self._link.send(request)
        ahead, self._ahead = self._ahead, b""
        if not ahead:
            return self._send(request, data, data, wait, fresh=wait.unanswered == 0)
        if data[:-HELD_BACK_BYTES] == ahead:
            return self._send(request, data[-HELD_BACK_BYTES:], data, wait)
        return self._send(request, DELIMITER + data, data, wait, copies=2)

    def _settle(self) -> None:
        """Forget what has come since the last reply: it is about earlier requests."""
        if self.limit.troubled:
            self._link.receive_data(self._wire.read(0.0))
        while (event := self._link.next_event()) is not NEED_DATA:
            self._damaged += isinstance(event, Damaged) or event is REFUSED

    def _again(self, request: Request, wait: Wait, trouble: Trouble, tries: _Tries) -> int:
        """Send the request once more, or what makes the device say more about it."""
        link = self._link
        # the first delimiter ends what was sent ahead, and the device will call it damaged
        copies = 2 if self._ahead else 1
        self._ahead = b""
        if trouble is Trouble.SILENCE and link.unannounced and tries.silences % 2:
            return self._send(request, link.flush(), b"", wait, copies=copies - 1, silences=tries.silences)
        ran = not link.unannounced or wait.announced or trouble is Trouble.DAMAGE
        data = link.resend(
            infer_limit=self.infer_limit(), bare=ran or is_worth_cutting(request, self.limit, tries.failures)
        )
        return self._send(request, data, data, wait, copies=copies, silences=tries.silences)

    def _send(
        self,
        request: Request,
        part: bytes,
        whole: bytes,
        wait: Wait,
        *,
        copies: int = 1,
        silences: int = 0,
        fresh: bool = False,
    ) -> int:
        hurried = self.limit.troubled
        self._wire.write(part + DELIMITER if hurried else part)
        line_bytes = len(whole) + wire_bytes(reply_bytes(request, self.limit))
        seconds = self._trip.reply_s(hurried=hurried, silences=silences)
        if silences and self._link.unannounced:
            seconds += self._expected_s(request)
        seconds += self._wire.seconds(line_bytes) * (2 if hurried else 1)
        wait.sent(seconds, quiet_s=self._trip.quiet_s(hurried=hurried), copies=copies)
        self._sent_at = self._time.now()
        # a round trip is only known where one copy alone can have been answered
        self._fresh = len(whole) if fresh else None
        return line_bytes

    def _send_ahead(self, following: Request) -> None:
        self._ahead = self._link.preview(following)[:-HELD_BACK_BYTES]
        self._wire.write(self._ahead)

    # --- how long, how much -------------------------------------------------------------------------

    def _expected_s(self, request: Request) -> float:
        """How long it probably runs the model, at the most."""
        known_s = self._window_s if isinstance(request, WindowRequest) else self._slowest_s
        return self._timing.reply_s if known_s is None else 2 * known_s

    def _patience_s(self, request: Request) -> float:
        """How long it may run the model until the device counts as hanging."""
        if isinstance(request, WindowRequest):
            return self._timing.window_s(self._window_s)
        return self._timing.inference_s(self._slowest_s)

    # --- receiving ----------------------------------------------------------------------------------

    def _await(self, request: Request, wait: Wait, following: Request | None) -> Reply | Trouble:
        """The reply to the request under way, or what went wrong."""
        trouble = Trouble.SILENCE
        while True:
            event = self._next_event(wait, following)
            if event is None:
                return trouble
            if isinstance(event, ErrorReply) and self._link.state is State.BROKEN:
                raise refusal(event)
            if isinstance(event, Running):
                self._note_trip(wire_bytes(OVERHEAD_BYTES))
                self._announced(request, wait, certain=True)
            elif isinstance(event, Reply):
                self._note_trip(wire_bytes(reply_bytes(request, self.limit)))
                return event
            else:
                self._damaged += 1
                self._fresh = None
                wait.damaged()
                kind = self._kind_of(event, wait)
                if kind is Guess.ANNOUNCEMENT:
                    self._announced(request, wait, certain=False)
                elif kind is Guess.UNCLEAR:
                    wait.perhaps_inferring(
                        self._trip.reply_s(hurried=True, silences=0) + self._expected_s(request)
                    )
                else:
                    trouble = Trouble.REFUSED if kind is Guess.REFUSAL else Trouble.DAMAGE
                    # what has arrived already, or is about an earlier copy, may be the reply all the same
                    rest_s = self._trip.quiet_s(hurried=self.limit.troubled)
                    wait.come_to_rest(0.0 if wait.answered_badly() else rest_s)

    def _kind_of(self, event: Event, wait: Wait) -> Guess:
        """What came instead of a reply."""
        if event is REFUSED:
            return Guess.REFUSAL
        if not isinstance(event, Damaged) or not self._link.unannounced or wait.announced:
            return Guess.ANSWER
        return guess(event.wire, sequence=self._link.sequence)

    def _announced(self, request: Request, wait: Wait, *, certain: bool) -> None:
        wait.inferring(self._patience_s(request), certain=certain)
        if self._link.partial:
            wait.resumed()

    def _next_event(self, wait: Wait, following: Request | None) -> Event | None:
        """What comes next, reading as long as there is patience; None when nothing came."""
        while True:
            event = self._link.next_event()
            if event is not NEED_DATA:
                return event
            if following is not None and self._may_send_ahead(wait):
                self._send_ahead(following)
            # a stray byte is no reason to disturb a timed section
            ends = self._link.partial > (STRAY_BYTES if wait.announced else 0)
            left = wait.left_s(partial=ends)
            data = b"" if left is None else self._wire.read(left)
            if not data:
                return self._link.drop_partial()
            wait.heard()
            self._link.receive_data(data)
            if self._link.partial:
                wait.resumed()

    def _may_send_ahead(self, wait: Wait) -> bool:
        """Whether the timed section is over and its result comes, on a line without damage."""
        return (
            self._link.state is State.RUNNING
            and self._link.partial > 0
            and not self._ahead
            and not self.limit.troubled
            and wait.unanswered == 1
        )

    def _note_trip(self, reply_bytes: int) -> None:
        if self._fresh is not None:
            line_s = self._wire.seconds(self._fresh + reply_bytes)
            self._fresh = None
            self._trip.note(self._time.now() - self._sent_at - line_s)
            passing = self._trip.mean_s * self._wire.baud / 10
            self.limit.turnaround_bytes = max(LEAST_TURNAROUND_BYTES, passing)

    def _note_section(self, request: Request, wait: Wait) -> None:
        self.section_s = wait.section_s()
        if self.section_s is not None and isinstance(request, InferRequest):
            # a bridge may hand RUNNING and the result on together, so it counts from the request
            took_s = max(self.section_s, self._time.now() - self._sent_at)
            self._slowest_s = max(self._slowest_s or 0.0, took_s)


class _Tries:
    """How often one request has failed."""

    def __init__(self, timing: Timing, attempts: int | None, *, raised: bool) -> None:
        most, silent = timing.damaged_attempts, timing.attempts
        if raised:
            # that line was good; if it is none now, the device is elsewhere
            most, silent = max(1, most // 4), max(1, silent // 2)
        self._most = most if attempts is None else attempts
        self._most_silent = min(self._most, silent)
        self._heard_at = 0
        self.failures = 0
        self.silences = 0
        """In a row: nothing came that could be an answer."""

    def end_with(self, trouble: Trouble, *, heard: bool) -> bool:
        """Note a failure, and whether anything came at all; True: that was the last attempt."""
        self.failures += 1
        self.silences = self.silences + 1 if trouble is Trouble.SILENCE else 0
        if heard:
            self._heard_at = self.failures
        return self.failures >= self._most or self.silences >= self._most_silent

    @property
    def in_silence(self) -> bool:
        """True when nothing at all came so often that it is the device's fault."""
        return self.failures - self._heard_at >= self._most_silent
