# SPDX-License-Identifier: Apache-2.0
"""A board that behaves like bad hardware, as a Transport: any device, with a schedule of faults before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from harness.errors import LineLostError
from harness.link.host_time import HostTime
from tests.bad_hardware.schedule import Damage, Event, Mishap, Schedule

#: Chance of a byte to be damaged at a rate that does not hold.
_TOO_FAST: Final = 0.05

#: How long `reopen` waits for a board that is away.
_RETURN_S: Final = 2.0

_NOISE: Final = b"AT\r\n\x7f\xff\x00+CREG: 0,1\r\n\x00\x11\x22"


class Device(Protocol):
    """What a line has at its end."""

    def send(self, data: bytes) -> None:
        """Give it bytes."""

    def receive(self, timeout_s: float) -> bytes:
        """What it has sent; waits at most `timeout_s` of its time for the first byte."""

    def reset(self, *, stranger: bool = False) -> None:
        """Start it anew, with another firmware if it is to be a `stranger`; what was under way is gone."""

    def set_baud(self, baud: int) -> None:
        """The line's rate is another now."""


class BadLine:
    """A Transport that is Recoverable and Retunable and does to its bytes what `schedule` says.

    Args:
        time: the device's.
        watch: told every mishap as it strikes.
        paced: bytes take their time at `baud`, ten bits each, in both directions.
    """

    def __init__(
        self,
        device: Device,
        schedule: Schedule,
        *,
        time: HostTime,
        baud: int | None = None,
        watch: Callable[[Mishap], None] = lambda _: None,
        paced: bool = False,
    ) -> None:
        self._device = device
        self.schedule = schedule
        self._time = time
        self._watch = watch
        self.baud = baud
        self._byte_s = 10 / baud if paced and baud else 0.0
        self._to_device = Damage(seed=2 * schedule.seed, rate=schedule.byte_faults)
        self._to_host = Damage(seed=2 * schedule.seed + 1, rate=schedule.byte_faults)
        self._events = schedule.events()
        self._next: Event | None = next(self._events, None)
        self.frames = 0
        self._in_frame = {True: False, False: False}
        self._countdown: int | None = None
        self._arrived = b""
        self._hung = False
        self._stranger = False
        self._lost = False
        self._back_at = 0.0
        self._boots_until = 0.0
        self._banner_due = False
        self.struck: Counter[Mishap] = Counter()
        self.starts = 0
        """How often the board was started anew."""
        self.opened = 0
        self.began_s = 0.0
        """When the first byte was sent."""
        self.closed = False
        if schedule.resets_on_open:
            self._start()

    # --- Transport ----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """See Transport."""
        self._check_line()
        self.began_s = self.began_s or self._time.now()
        self._time.sleep(self._byte_s * len(data))
        self._pass(data, down=True)
        self._check_line()

    def read(self, timeout_s: float) -> bytes:
        """See Transport."""
        self._check_line()
        until = self._time.now() + max(0.0, timeout_s)
        while not self._arrived:
            left = until - self._time.now()
            booting = self._boots_until - self._time.now()
            if booting > 0:
                self._time.sleep(min(booting, max(0.0, left)))
            elif self._banner_due:
                self._banner_due = False
                self._arrived += self._to_host(self.schedule.banner)
            elif self._hung:
                self._time.sleep(left)
            else:
                sent = self._device.receive(max(0.0, left))
                self._time.sleep(self._byte_s * len(sent))
                self._pass(sent, down=False)
                self._check_line()
            if self._time.now() >= until:
                break
        data, self._arrived = self._arrived, b""
        return data

    def close(self) -> None:
        """See Transport."""
        self.closed = True

    # --- Recoverable, Retunable ---------------------------------------------------------------------

    def reopen(self) -> None:
        """See Recoverable."""
        away = self._back_at - self._time.now()
        if self._lost and away > 0:
            self._time.sleep(min(away, _RETURN_S))
            if away > _RETURN_S:
                raise LineLostError(f"The board on {self.name} is not back.")
        self._lost = False
        self.opened += 1
        self._arrived = b""
        if self.schedule.resets_on_open:
            self._start()

    def power_cycle(self) -> bool:
        """See Recoverable."""
        if not self.schedule.power_switch:
            return False
        self.reopen()
        self._start()
        return True

    def set_baud(self, baud: int) -> None:
        """See Retunable."""
        self.baud = baud
        highest = self.schedule.highest_baud
        rate = _TOO_FAST if highest and baud > highest else self.schedule.byte_faults
        self._to_device.set_rate(rate)
        self._to_host.set_rate(rate)
        self._device.set_baud(baud)

    @property
    def name(self) -> str:
        """What the port is called now."""
        return f"/dev/ttyBAD{self.opened}"

    # --- what goes wrong ----------------------------------------------------------------------------

    def _pass(self, data: bytes, *, down: bool) -> None:
        """Let bytes through, up to the next mishap and on after it."""
        while data:
            length = self._until_mishap(data, down=down)
            self._deliver(data[:length], down=down)
            data = data[length:]
            if self._countdown == 0:
                event, self._countdown = self._next, None
                self._next = next(self._events, None)
                if event is not None:
                    self._strike(event.mishap)
                if not down:
                    # what the device was about to say went with it
                    data = data if event and event.mishap is Mishap.CHATTER else b""

    def _until_mishap(self, data: bytes, *, down: bool) -> int:
        """How many bytes pass before the next mishap; counts the frames among them."""
        for at, byte in enumerate(data):
            if self._countdown == 0:
                return at
            if self._countdown is not None:
                self._countdown -= 1
            begins = byte != 0 and not self._in_frame[down]
            self._in_frame[down] = byte != 0
            if begins:
                self.frames += 1
                due = self._next
                if due is not None and self._countdown is None and self.frames >= due.frame:
                    self._countdown = due.offset_bytes
        return len(data)

    def _deliver(self, data: bytes, *, down: bool) -> None:
        if self._lost or self._hung or not data:
            return
        if not down:
            self._arrived += self._to_host(data)
        elif self._time.now() >= self._boots_until:
            self._device.send(self._to_device(data))

    def _strike(self, mishap: Mishap) -> None:
        self.struck[mishap] += 1
        self._watch(mishap)
        match mishap:
            case Mishap.RESET:
                self._start()
            case Mishap.HANG:
                self._hung = True
            case Mishap.CHATTER:
                self._arrived += _NOISE
                self._device.send(_NOISE)
            case Mishap.DROP_OUT:
                self._leave()
            case Mishap.DISCONNECT:
                self._leave()
                self._start()
            case Mishap.STRANGER:
                self._leave()
                self._stranger = True
                self._start()

    def _leave(self) -> None:
        self._lost = True
        self._back_at = self._time.now() + self.schedule.away_s
        self._arrived = b""

    def _start(self) -> None:
        self._hung = False
        self.starts += 1
        self._device.reset(stranger=self._stranger)
        self._device.set_baud(self.baud or 0)
        self._boots_until = self._time.now() + self.schedule.boot_s
        self._banner_due = bool(self.schedule.banner)

    def _check_line(self) -> None:
        if self._lost:
            raise LineLostError(f"The board on {self.name} is gone.", cause="It was unplugged.")
