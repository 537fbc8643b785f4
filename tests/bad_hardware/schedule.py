# SPDX-License-Identifier: Apache-2.0
"""What goes wrong and when, all of it from one seed."""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final


class Mishap(enum.Enum):
    """What may happen to a board on a desk, beside damaged bytes."""

    RESET = enum.auto()
    """It starts anew: brown-out, watchdog, reset button."""
    HANG = enum.auto()
    """It answers nothing until it is reset."""
    DISCONNECT = enum.auto()
    """It leaves the bus and comes back under another name, reset."""
    DROP_OUT = enum.auto()
    """Its USB bridge leaves the bus and comes back; the board itself runs on."""
    CHATTER = enum.auto()
    """Bytes reach both ends that neither has sent."""
    STRANGER = enum.auto()
    """It leaves the bus, and another firmware comes back in its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """A mishap that strikes `offset_bytes` into frame number `frame` of those on the line, from 1."""

    mishap: Mishap
    frame: int
    offset_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Everything that goes wrong on one line. Equal schedules do the same to equal bytes."""

    seed: int
    byte_faults: float = 0.0
    """Chance of each byte, in both directions, to be lost, doubled or changed."""
    every: tuple[tuple[Mishap, int], ...] = ()
    """Mishaps that come back every so many frames, both directions counted together."""
    once: tuple[Event, ...] = ()
    resets_on_open: bool = False
    """Opening the port resets the board, as DTR does on an Uno."""
    boot_s: float = 0.0
    """After a reset a bootloader listens for so long: what is sent to it is lost."""
    banner: bytes = b""
    """What the board says of itself when it starts."""
    power_switch: bool = False
    """There is a power-cycle command."""
    away_s: float = 0.0
    """A board that left the bus is back after so long."""
    highest_baud: int | None = None
    """Above this rate every twentieth byte is damaged."""

    @classmethod
    def draw(cls, seed: int) -> Schedule:
        """A schedule for a conversation of a few hundred frames, everything in it drawn from `seed`."""
        chance = random.Random(seed)
        mishaps: list[Mishap] = [m for m in Mishap if m is not Mishap.STRANGER]
        struck = [chance.choice(mishaps) for _ in range(chance.randint(0, 6))]
        struck += [Mishap.STRANGER] * (seed % 10 == 9)
        once = [
            Event(mishap=mishap, frame=chance.randint(1, 300), offset_bytes=chance.randint(0, 20))
            for mishap in struck
        ]
        noise = bytes(chance.randrange(256) for _ in range(40))
        return cls(
            seed=seed,
            byte_faults=chance.choice([0.0, 0.0005, 0.002, 0.01, 0.01]),
            once=tuple(sorted(once, key=lambda event: event.frame)),
            every=((Mishap.RESET, chance.randint(120, 300)),) if chance.random() < 0.3 else (),
            resets_on_open=chance.random() < 0.5,
            boot_s=chance.choice([0.0, 0.0, 0.5, 1.6]),
            banner=chance.choice([b"", b"\0", b"boot v1.2\r\n", noise]),
            power_switch=chance.random() < 0.5,
            away_s=chance.choice([0.0, 0.7, 3.0]),
        )

    def events(self) -> Iterator[Event]:
        """All mishaps in the order of their frames; endless where some come back."""
        chance = random.Random(self.seed ^ 0x5EED)
        once = list(self.once)
        due = [(period, mishap, period) for mishap, period in self.every]
        while once or due:
            soonest = min((frame for frame, _, _ in due), default=None)
            if once and (soonest is None or once[0].frame <= soonest):
                yield once.pop(0)
                continue
            frame, mishap, period = min(due, key=lambda entry: entry[0])
            due.remove((frame, mishap, period))
            due.append((frame + period, mishap, period))
            yield Event(mishap=mishap, frame=frame, offset_bytes=chance.randint(0, 20))


#: What becomes of a byte that is hit: lost, doubled, changed.
_KINDS: Final = 3


class Damage:
    """Damages the bytes of one direction. What it does to a byte depends on its position alone."""

    def __init__(self, *, seed: int, rate: float) -> None:
        self._chance = random.Random(seed)
        self.rate = rate
        self.hits = 0
        self._left = self._gap()

    def set_rate(self, rate: float) -> None:
        """From now on each byte is hit with this chance."""
        if rate != self.rate:
            self.rate = rate
            self._left = self._gap()

    def __call__(self, data: bytes) -> bytes:
        """What arrives of `data`."""
        if self._left >= len(data):
            self._left -= len(data)
            return data
        arrived = bytearray()
        at = 0
        while at + self._left < len(data):
            hit = at + self._left
            arrived += data[at:hit] + self._hit(data[hit])
            at = hit + 1
            self._left = self._gap()
        self._left -= len(data) - at
        return bytes(arrived + data[at:])

    def _hit(self, byte: int) -> bytes:
        self.hits += 1
        match self._chance.randrange(_KINDS):
            case 0:
                return b""
            case 1:
                return bytes([byte, byte])
            case _:
                return bytes([byte ^ self._chance.randint(1, 255)])

    def _gap(self) -> int:
        """Bytes until the next that is hit."""
        if not self.rate:
            return 1 << 62
        return int(math.log(1.0 - self._chance.random()) / math.log(1.0 - self.rate))
