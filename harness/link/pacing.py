# SPDX-License-Identifier: Apache-2.0
"""How long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.link.host_time import HostTime

#: How often a copy of a request may be taken for one that perhaps runs the model.
_MOST_EXTENSIONS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long to wait, in seconds of the host. An emulator's time is not the host's, so none is tight."""

    baud: int = 115_200
    """The time that a frame's bits take is added to `reply_s`."""
    reply_s: float = 2.0
    """A device that does not infer answers within this."""
    quiet_s: float = 0.5
    """A frame whose bytes stop coming for this long has lost its delimiter."""
    hurried_s: float = 0.03
    """On a line that damages bytes, both are as short as the round trips seen allow, but not below this."""
    hello_every_s: float = 0.3
    """A board that is starting loses bytes, so HELLO is repeated."""
    hello_total_s: float = 15.0
    infer_first_s: float = 60.0
    """The first inference; no inference is given longer."""
    infer_min_s: float = 0.5
    infer_factor: float = 10.0
    """Later inferences get this many times the slowest one so far, but at least `infer_min_s`. Then the
    device is asked, which costs a repetition if it is only slow, and else tells of a reset."""
    attempts: int = 8
    """How often one request is sent without hearing anything before the device is given up."""
    damaged_attempts: int = 64
    """How often one request is sent in all."""

    def __post_init__(self) -> None:
        if self.baud <= 0 or self.attempts <= 0 or self.damaged_attempts <= 0 or self.hello_every_s <= 0:
            raise ValueError("baud, both attempts and hello_every_s must be positive")

    def inference_s(self, slowest_s: float | None) -> float:
        """Time for an inference where the slowest so far took `slowest_s`."""
        if slowest_s is None:
            return self.infer_first_s
        return min(self.infer_first_s, max(self.infer_min_s, self.infer_factor * slowest_s))

    def window_s(self, expected_s: float | None) -> float:
        """Time for a window that should take so long; None: nobody knows."""
        return self.infer_first_s if expected_s is None else self.reply_s + 4 * expected_s


class RoundTrip:
    """How long the device and what lies between take to answer, beside the bytes' time on the line.

    Mean and mean deviation of the answers that came at once, as TCP does it (RFC 6298).
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._mean_s: float | None = None
        self._spread_s = 0.0

    @property
    def mean_s(self) -> float:
        """0.0 before the first."""
        return self._mean_s or 0.0

    def note(self, seconds: float) -> None:
        """Note a round trip."""
        seconds = max(0.0, seconds)
        if self._mean_s is None:
            self._mean_s, self._spread_s = seconds, seconds / 2
            return
        self._spread_s += (abs(seconds - self._mean_s) - self._spread_s) / 4
        self._mean_s += (seconds - self._mean_s) / 8

    def reply_s(self, *, hurried: bool, silences: int) -> float:
        """How long to wait for a reply after so many silences in a row."""
        if not hurried or self._mean_s is None:
            return self._timing.reply_s
        return min(self._timing.reply_s, self._hurried_s() * (1 << silences))

    def quiet_s(self, *, hurried: bool) -> float:
        """How long bytes of one frame may stop coming."""
        if not hurried or self._mean_s is None:
            return self._timing.quiet_s
        return min(self._timing.quiet_s, self._hurried_s())

    def _hurried_s(self) -> float:
        return max(self._timing.hurried_s, self.mean_s + 4 * self._spread_s)


class Wait:
    """The patience of one exchange, over all its attempts."""

    def __init__(self, time: HostTime, *, unanswered: int = 0) -> None:
        self._time = time
        self._deadline = self._due = 0.0
        self._extensions = 0
        self._quiet_s = 0.0
        self._heard = 0.0
        self._last_look = False
        self._resting = False
        self._announced_at: float | None = None
        self._resumed_at: float | None = None
        self.unanswered = unanswered
        """Copies of this request, and what went out before them, that may still be answered."""
        self.announced = False
        """The device has said, or probably said, in answer to this copy that it runs the model."""
        self.disturbed = False
        """Something arrived damaged after this copy went out."""

    def sent(self, seconds: float, *, quiet_s: float, copies: int) -> None:
        """Copies of the request went out; a reply is due in `seconds`."""
        self.unanswered += copies
        self.announced = self.disturbed = False
        # what comes now may be a reply that is repeated
        self._announced_at = None
        self._extensions = 0
        self._quiet_s = quiet_s
        self._restart(seconds)

    def answered_badly(self) -> bool:
        """A reply or a request arrived damaged; True when no other copy may still be answered."""
        self.unanswered = max(0, self.unanswered - 1)
        return not self.unanswered

    def come_to_rest(self, seconds: float) -> None:
        """Give the line this long to say what it still has to say, and as long as it does.

        But not much longer than the reply would have been waited for: the device may babble.
        """
        self._deadline = min(self._deadline, self._time.now() + seconds)
        self._resting = True

    def inferring(self, seconds: float, *, certain: bool) -> None:
        """The device runs the model now, and its next frame is the result.

        Args:
            certain: it said so; False: it probably did.
        """
        self.announced = True
        self.unanswered = 1
        heard = self._heard
        self._restart(seconds)
        self._announced_at = heard if certain else None
        self._resumed_at = None

    def perhaps_inferring(self, seconds: float) -> None:
        """The device may have said that it runs the model: a result may come within `seconds`."""
        # it may also babble
        self._extensions += 1
        if self._extensions <= _MOST_EXTENSIONS:
            self._restart(seconds)

    def heard(self) -> None:
        """Bytes arrived."""
        self._heard = self._time.now()

    def damaged(self) -> None:
        """Something arrived damaged: when a section began or ended is not known any more."""
        self.disturbed = True
        self._announced_at = None

    def resumed(self) -> None:
        """What follows the announcement has begun to arrive with what was heard last."""
        if self._announced_at is not None and self._resumed_at is None:
            self._resumed_at = self._heard

    def left_s(self, *, partial: bool) -> float | None:
        """How long to wait for bytes; None when the time is up.

        A process that the host's scheduler held up finds its time over and the reply waiting, so the
        line is looked at once more after the end; but not for ever, a device may babble.
        """
        now = self._time.now()
        end = self._deadline
        if partial:
            quiet = self._heard + self._quiet_s
            end = min(quiet, self._due + self._quiet_s if self._resting else end)
        if now < end:
            return end - now
        if self._last_look:
            return None
        self._last_look = True
        return 0.0

    def section_s(self) -> float | None:
        """From the announcement to the first byte after it; None where either was not heard."""
        if self._announced_at is None or self._resumed_at is None:
            return None
        return self._resumed_at - self._announced_at

    def _restart(self, seconds: float) -> None:
        now = self._time.now()
        self._deadline = self._due = now + seconds
        self._heard = now
        self._last_look = self._resting = False
