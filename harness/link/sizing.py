# SPDX-License-Identifier: Apache-2.0
"""How long frames may be: the device's largest on a clean line, short ones where bytes are damaged."""

from __future__ import annotations

import math
from typing import Final

from harness.link.frames import MIN_FRAME_BYTES, OVERHEAD_BYTES

#: Weight of an exchange against the one after it: some twenty of them decide.
MEMORY: Final = 0.95
#: Below this many remembered failures the line is clean again.
FORGOTTEN: Final = 0.05
#: From so many failures in a row on, the estimate of damage is doubled by each; exchanges that take more
#: bytes than FAR_TOO_LONG fail all the time on a bad line, and so tell little of how bad it is.
IN_A_ROW: Final = 6
IN_A_ROW_LONG: Final = 3
FAR_TOO_LONG: Final = 200
#: What one exchange costs beside the data in it: heads, CRCs, delimiters of a request and of its reply.
EXCHANGE_BYTES: Final = 30
#: Even the quickest computer and bridge take some time at either end of an exchange.
LEAST_TURNAROUND_BYTES: Final = 30.0


class FrameLimit:
    """Keeps an estimate of how many bytes are damaged, and cuts data so that the most of it gets through.

    Where a byte is damaged with probability p, a frame of n bytes of data costs n + h bytes of the line and
    is whole with probability (1 - p)^(n + h). Long frames are spoiled too often, short ones cost too much.
    """

    def __init__(self) -> None:
        self._largest = MIN_FRAME_BYTES
        self._failed = 0.0
        self._line_bytes = 0.0
        self._exchanges = 0.0
        self._in_a_row = 0
        self.turnaround_bytes = LEAST_TURNAROUND_BYTES
        """Bytes that could pass while a reply is waited for: they are lost in each exchange too."""

    def allow(self, largest: int) -> None:
        """Set the device's largest frame."""
        self._largest = max(MIN_FRAME_BYTES, largest)

    def good(self, line_bytes: int) -> None:
        """Note an exchange of so many bytes without trouble."""
        self._in_a_row = 0
        self._note(0.0, line_bytes)

    def bad(self, line_bytes: int) -> None:
        """Note a damaged or missing reply in an exchange of so many bytes."""
        self._in_a_row += 1
        self._note(1.0, line_bytes)
        if self._in_a_row >= (IN_A_ROW_LONG if line_bytes > FAR_TOO_LONG else IN_A_ROW):
            self._line_bytes /= 2

    @property
    def troubled(self) -> bool:
        """True while damage is remembered."""
        return self._failed > FORGOTTEN

    @property
    def bytes(self) -> int:
        """The longest frame that is worth while now, before COBS."""
        if not self.troubled:
            return self._largest
        cost = EXCHANGE_BYTES + self.turnaround_bytes
        best = (math.sqrt(cost * cost + 4 * cost / self._damage()) - cost) / 2
        # two bytes less than the device takes: the delimiters that a bad line gets twice need room too
        return max(MIN_FRAME_BYTES, min(self._largest - 2, OVERHEAD_BYTES + math.ceil(best)))

    def payload(self, head: int) -> int:
        """Bytes that fit beside `head` bytes of fields."""
        return self.bytes - OVERHEAD_BYTES - head

    def piece(self, left: int, head: int) -> int:
        """How many of `left` bytes go into the next frame, beside `head` bytes of fields."""
        room = self.payload(head)
        pieces = max(1, -(-left // room))
        fewer = -(-left // (pieces - 1)) if pieces > 1 else 0
        # a little longer may be cheaper than one more exchange
        if self.troubled and 0 < fewer <= self._largest - 2 - OVERHEAD_BYTES - head:
            even = -(-left // pieces)
            if (pieces - 1) * self._cost(fewer + head) < pieces * self._cost(even + head):
                return fewer
            return even
        return min(left, room)

    def _damage(self) -> float:
        """The estimate: of every so many bytes one is damaged."""
        whole = 1 - self._failed / (self._exchanges + 1)
        return -math.log(whole) * self._exchanges / self._line_bytes

    def _cost(self, data: int) -> float:
        """Bytes that pass until `data` bytes in one frame are through."""
        line = data + EXCHANGE_BYTES
        return (line + self.turnaround_bytes) * math.exp(line * self._damage())

    def _note(self, failed: float, line_bytes: int) -> None:
        self._failed = self._failed * MEMORY + failed
        self._exchanges = self._exchanges * MEMORY + 1
        self._line_bytes = self._line_bytes * MEMORY + line_bytes
