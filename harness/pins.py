# SPDX-License-Identifier: Apache-2.0
"""Which pins the trigger may have on each port, and by which number its firmware knows them."""

from __future__ import annotations

import re
from typing import Final

#: Digital pins of an Uno, A0 to A5 last; 0 and 1 are its serial port.
_UNO: Final = range(2, 20)

#: Of an STM32F4 the link's pins, and those of the debugger that flashes it.
_STM32F4_TAKEN: Final = ("PA2", "PA3", "PA13", "PA14")
_STM32F4_BANKS: Final = "ABCDEFGH"

#: By port: what its pins are called.
_NAMES: Final = {
    "stm32f4": f"PA0 to PH15 but for {', '.join(_STM32F4_TAKEN)}",
    "uno": f"{_UNO[0]} to {_UNO[-1]}",
    "arduino": "the core's numbers",
}


def pin_number(port: str, pin: str) -> int:
    """The number of a pin in the firmware of a port (QR_TRIGGER_PIN): of an STM32 PA0 is 0, PB0 16.

    Raises:
        ValueError: it has no such pin, or needs it for something else; the message names those that it has.
    """
    number = _stm32f4(pin) if port == "stm32f4" else _by_number(port, pin)
    if number is None:
        known = f"its pins are {_NAMES[port]}" if port in _NAMES else "it drives no pin"
        raise ValueError(f"the port {port} has no pin {pin} for the trigger; {known}")
    return number


def _stm32f4(pin: str) -> int | None:
    found = re.fullmatch(rf"P([{_STM32F4_BANKS}])([0-9]|1[0-5])", pin)
    if found is None or pin in _STM32F4_TAKEN:
        return None
    return 16 * _STM32F4_BANKS.index(found[1]) + int(found[2])


def _by_number(port: str, pin: str) -> int | None:
    possible = {"uno": _UNO, "arduino": range(256)}.get(port, range(0))
    return int(pin) if re.fullmatch(r"[0-9]{1,3}", pin) and int(pin) in possible else None
