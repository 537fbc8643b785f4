# SPDX-License-Identifier: Apache-2.0
"""How long to wait, and how long frames may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from harness.link.frames import DELIMITER, MIN_FRAME_BYTES, OVERHEAD_BYTES, wire_bytes

#: RUNNING on the wire without its delimiters.
ANNOUNCEMENT_BYTES: Final = wire_bytes(OVERHEAD_BYTES) - len(DELIMITER)

#: Exchanges in a row without trouble after which frames may be twice as long again.
CLEAN_BEFORE_GROWTH: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """How long to wait, in seconds of the host. An emulator's time is not the host's, so none is tight."""

    baud: int = 115_200
    """The time that a frame's bits take is added to `reply_s`."""
    reply_s: float = 2.0
    """A device that does not infer answers within this."""
    quiet_s: float = 0.5
    """A frame whose bytes stop coming for this long has lost its delimiter."""
    hello_every_s: float = 0.3
    """A board that is starting loses bytes, so HELLO is repeated."""
    hello_total_s: float = 15.0
    infer_first_s: float = 60.0
    """The first inference; no inference is given longer."""
    infer_min_s: float = 5.0
    infer_factor: float = 20.0
    """Later inferences get this many times the slowest one so far, but at least `infer_min_s`."""
    attempts: int = 8
    """How often one request is sent before the device is given up."""

    def __post_init__(self) -> None:
        if self.baud <= 0 or self.attempts <= 0 or self.hello_every_s <= 0:
            raise ValueError("baud, attempts and hello_every_s must be positive")

    def reply_to_s(self, line_bytes: int) -> float:
        """Time for an exchange of `line_bytes`, request and reply together, ten bits on the line for each."""
        return self.reply_s + 10 * line_bytes / self.baud

    def inference_s(self, slowest_s: float | None) -> float:
        """Time for an inference where the slowest so far took `slowest_s`."""
        if slowest_s is None:
            return self.infer_first_s
        return min(self.infer_first_s, max(self.infer_min_s, self.infer_factor * slowest_s))


class FrameLimit:
    """How long frames may be: the device's largest, halved by trouble, doubled after a clean stretch."""

    def __init__(self) -> None:
        self._largest = self.bytes = MIN_FRAME_BYTES
        self._clean = 0

    def allow(self, largest: int) -> None:
        """Set the device's largest frame and begin there."""
        self._largest = self.bytes = max(MIN_FRAME_BYTES, largest)

    def good(self) -> None:
        """Note an exchange without trouble."""
        self._clean += 1
        if self._clean >= CLEAN_BEFORE_GROWTH:
            self._clean = 0
            self.bytes = min(self._largest, self.bytes * 2)

    def bad(self) -> None:
        """Note a damaged or missing reply."""
        self._clean = 0
        self.bytes = max(MIN_FRAME_BYTES, self.bytes // 2)

    def payload(self, head: int) -> int:
        """Bytes that fit beside `head` bytes of fields."""
        return self.bytes - OVERHEAD_BYTES - head


class Wait:
    """The patience of one exchange, over all its attempts."""

    def __init__(self, clock: Callable[[], float], timing: Timing) -> None:
        self._clock = clock
        self._timing = timing
        self._deadline = 0.0
        self._heard = 0.0
        self._last_look = False
        self._began: float | None = None
        self._pieces_bytes = 0
        self._unanswered = 0
        self.refused = False
        """The device received this copy damaged."""
        self.announced = False
        """The device has said, or probably said, in answer to this copy that it runs the model."""

    def sent(self, line_bytes: int, *, copies: int = 1) -> None:
        """Copies of the request went out; they and the reply take `line_bytes` on the line."""
        self._unanswered += copies
        self.refused = self.announced = False
        self._pieces_bytes = 0
        self._restart(self._timing.reply_to_s(line_bytes))

    def answered_badly(self) -> bool:
        """A reply or a request arrived damaged; True when no other copy may still be answered."""
        self._unanswered = max(0, self._unanswered - 1)
        return not self._unanswered

    def come_to_rest(self) -> None:
        """The device received the request damaged: wait until it has said all that it says about it."""
        self.refused = True
        self._unanswered = max(0, self._unanswered - 1)
        self._deadline = min(self._deadline, self._clock() + self._timing.quiet_s)

    def inferring(self, slowest_s: float | None) -> None:
        """The device runs the model now, and its next frame is the result."""
        self.announced = True
        self._unanswered = 1
        self._restart(self._timing.inference_s(slowest_s))
        self._began = self._clock()

    def heard(self) -> None:
        """Bytes arrived."""
        self._heard = self._clock()

    def left_s(self, *, partial: bool) -> float | None:
        """How long to wait for bytes; None when the time is up.

        A process that the host's scheduler held up finds its time over and the reply waiting, so the
        line is looked at once more after the end; but not for ever, a device may babble.
        """
        now = self._clock()
        end = min(self._deadline, self._heard + self._timing.quiet_s) if partial else self._deadline
        if now < end:
            return end - now
        if self._last_look:
            return None
        self._last_look = True
        return 0.0

    def may_be_announcement(self, damaged_bytes: int) -> bool:
        """Whether what arrived damaged since the request is short enough to be pieces of RUNNING."""
        self._pieces_bytes += damaged_bytes
        return self._pieces_bytes <= ANNOUNCEMENT_BYTES

    def took_s(self) -> float | None:
        """Since the inference was announced; None when it was not."""
        return None if self._began is None else self._clock() - self._began

    def _restart(self, seconds: float) -> None:
        now = self._clock()
        self._deadline = now + seconds
        self._heard = now
        self._last_look = False
