# SPDX-License-Identifier: Apache-2.0
"""Pins by name: those that a board needs for something else cannot be the trigger."""

from __future__ import annotations

import pytest

from harness.pins import pin_number


@pytest.mark.parametrize(
    ("port", "pin", "number"),
    [
        ("uno", "2", 2),
        ("uno", "13", 13),
        ("uno", "19", 19),
        ("arduino", "0", 0),
        ("arduino", "25", 25),
        ("stm32f4", "PA5", 5),
        ("stm32f4", "PB0", 16),
        ("stm32f4", "PC13", 45),
        ("stm32f4", "PH15", 127),
    ],
)
def test_a_pin_has_a_number(port: str, pin: str, number: int) -> None:
    assert pin_number(port, pin) == number


@pytest.mark.parametrize(
    ("port", "pin", "words"),
    [
        ("uno", "0", "2 to 19"),  # RX
        ("uno", "1", "2 to 19"),
        ("uno", "20", "2 to 19"),
        ("uno", "PB5", "2 to 19"),
        ("arduino", "256", "the core's numbers"),
        ("stm32f4", "5", "PA0 to PH15"),
        ("stm32f4", "PA2", "but for PA2, PA3"),  # the link
        ("stm32f4", "PA3", "but for PA2, PA3"),
        ("stm32f4", "PA13", "PA13, PA14"),  # the debugger
        ("stm32f4", "PA16", "PA0 to PH15"),
        ("stm32f4", "PJ1", "PA0 to PH15"),
        ("lm3s", "5", "drives no pin"),
        ("esp32sim", "5", "drives no pin"),
    ],
)
def test_a_pin_that_cannot_be_is_refused(port: str, pin: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pin_number(port, pin)
