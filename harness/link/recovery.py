# SPDX-License-Identifier: Apache-2.0
"""Going on with a device that resets, hangs, or goes away and comes back.

A session ends with any error. Here the next one begins: with the device put right as far as that can be
done from here, and with everything verified again before work goes on. What is given up, and when, says a
policy; a transport whose device cannot go away (a pipe to an emulator) is never recovered, since what goes
wrong there is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from harness.errors import (
    DeviceResetError,
    HangError,
    LineLostError,
    NoReplyError,
    QuantrigError,
    RemoteProtocolError,
)
from harness.link.host_time import SYSTEM, HostTime
from harness.link.pacing import Timing
from harness.link.session import Session
from harness.link.transport import Recoverable, Retunable, Transport

T = TypeVar("T")

#: What a rate must bring there and back without a single repetition.
_PROOF: Final = bytes(range(256)) * 8

#: What a device on a desk may do without being broken.
TROUBLES: Final = (DeviceResetError, HangError, NoReplyError, LineLostError, RemoteProtocolError)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecoveryPolicy:
    """When a device is given up."""

    troubles: int = 8
    """So many in a row without progress."""
    silences: int = 3
    """So many in a row: a device that stays silent after it was power-cycled or opened anew stays so."""
    stalled_s: float = 300.0
    """From the first trouble in a row on, time without progress."""


class Recovery:
    """Sessions with one device, one after the other.

    Args:
        transport: the line; stays the caller's.
        meet: what a new session begins with; it raises what makes the device unfit.
        prepare: comes next, at the rate that the line has from then on.
        timing: time-outs of the sessions.
        time: the host's seconds.
        policy: when to give up.
        bauds: rates to go to after meeting the device, best first; those that do not hold are left out from
            then on.
        note: told in a sentence each trouble, and each rate that does not hold.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        meet: Callable[[Session], None],
        prepare: Callable[[Session], None],
        timing: Timing | None = None,
        time: HostTime = SYSTEM,
        policy: RecoveryPolicy | None = None,
        bauds: Sequence[int] = (),
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._transport = transport
        self._meet = meet
        self._prepare = prepare
        self._bauds = list(bauds)
        self._note = note
        self._timing = timing
        self._time = time
        self._policy = policy or RecoveryPolicy()
        self._session: Session | None = None
        self._earlier: Session | None = None
        self._start_baud = transport.baud
        self._past_requests = self._past_retries = 0
        self._met = False
        self._troubles = self._silences = 0
        self._trouble_at: float | None = None
        self.resets = 0
        """How often the device was found restarted in the middle of a session."""
        self.reconnects = 0
        """How often the line was opened anew."""
        self.power_cycles = 0

    @property
    def start_baud(self) -> int | None:
        """The line's rate while a device starts, bits per second."""
        return self._start_baud

    @property
    def baud(self) -> int | None:
        """The line's rate now."""
        return self._transport.baud

    @property
    def requests(self) -> int:
        """How many were made, in all sessions together."""
        return self._past_requests + (self._session.stats.requests if self._session else 0)

    @property
    def retries(self) -> int:
        """How many requests were sent again."""
        return self._past_retries + (self._session.stats.retries if self._session else 0)

    def steadily(self, work: Callable[[Session], T]) -> T:
        """What `work` makes of a session that was greeted; after trouble it is asked again, from its start.

        Raises:
            QuantrigError: the last trouble, when the device is given up; any other error of `work` at once.
        """
        while True:
            try:
                return work(self._greeted())
            except TROUBLES as error:
                self._end_session()
                self._note(f"Trouble on the link: {error}")
                self._blame_baud(error)
                self._recover(error)

    def progress(self) -> None:
        """Something was achieved that no trouble can undo."""
        self._troubles = self._silences = 0
        self._trouble_at = None

    def _greeted(self) -> Session:
        if self._session is None:
            line, start = self._transport, self._start_baud
            if isinstance(line, Retunable) and start is not None and line.baud != start:
                # a device that was reset is back at this rate; another returns to it as nothing makes sense
                line.set_baud(start)
            self._session = Session(line, timing=self._timing, time=self._time, earlier=self._earlier)
            self._meet(self._session)
            self._met = True
            self._silences = 0
            self._raise_baud(self._session)
            self._prepare(self._session)
        return self._session

    def _raise_baud(self, session: Session) -> None:
        """Go to the best rate that holds, trying none twice that did not."""
        while self._bauds:
            # out of the list while it is tried, in case that ends the session
            baud = self._bauds.pop(0)
            if session.set_baud(baud) and _holds(session):
                self._bauds.insert(0, baud)
                return
            self._note(f"The line does not hold {baud} baud, or an end cannot make them.")
        if self._start_baud is not None:
            session.set_baud(self._start_baud)

    def _end_session(self) -> None:
        self._past_requests, self._past_retries = self.requests, self.retries
        self._earlier, self._session = self._session or self._earlier, None

    def _blame_baud(self, error: QuantrigError) -> None:
        """A rate at which the line fails does not hold, however well it stood its test."""
        raised = bool(self._bauds) and self._transport.baud == self._bauds[0] != self._start_baud
        if raised and not isinstance(error, DeviceResetError | LineLostError):
            self._note(f"{self._bauds.pop(0)} baud are not tried again.")

    def _recover(self, error: QuantrigError) -> None:
        """Put the device right after `error`, or raise what ends the attempts."""
        while True:
            self._count(error)
            try:
                self._put_right(error)
            except LineLostError as lost:
                self._note(f"Trouble on the link: {lost}")
                error = lost
            else:
                return

    def _count(self, error: QuantrigError) -> None:
        if not isinstance(self._transport, Recoverable):
            raise error
        if isinstance(error, DeviceResetError):
            self.resets += 1
        silent = isinstance(error, HangError | NoReplyError)
        self._troubles += 1
        if self._trouble_at is None:
            self._trouble_at = self._time.now()
        self._silences = self._silences + 1 if silent else 0
        if (
            self._troubles >= self._policy.troubles
            or self._silences >= self._policy.silences
            or self._time.now() - self._trouble_at > self._policy.stalled_s
        ):
            raise self._given_up(error) from error

    def _put_right(self, error: QuantrigError) -> None:
        line = self._transport
        if not isinstance(line, Recoverable) or isinstance(error, DeviceResetError):
            return
        if isinstance(error, RemoteProtocolError) and self._troubles == 1:
            # a burst of noise: the line itself may be as good as before
            return
        if isinstance(error, HangError | NoReplyError) and line.power_cycle():
            self.power_cycles += 1
            return
        line.reopen()
        self.reconnects += 1

    def _given_up(self, error: QuantrigError) -> QuantrigError:
        """`error`, with what was tried; a device that once answered and now is silent hangs."""
        if self._met and isinstance(error, NoReplyError):
            error = HangError(
                "The device answered, then fell silent.",
                cause="It hangs, or lost its power; neither waiting nor opening its line anew helped.",
                fix="Reset it by hand; `power_cycle` in hardware-map.yaml is a command that does it.",
            )
        tried = f"given up after {self._troubles} troubles in a row"
        if self.power_cycles or self.reconnects:
            tried += f", {self.reconnects} times opened anew, {self.power_cycles} times power-cycled"
        return type(error)(f"{error.what.rstrip('.')} ({tried}).", cause=error.cause, fix=error.fix)


def _holds(session: Session) -> bool:
    """Whether the line's rate is one to work at."""
    before = session.stats
    session.echo(_PROOF)
    after = session.stats
    return (after.retries, after.damaged) == (before.retries, before.damaged)
