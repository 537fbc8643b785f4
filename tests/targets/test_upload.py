# SPDX-License-Identifier: Apache-2.0
"""What the uploaders say when they fail, and what it means. The words are theirs."""

from __future__ import annotations

import pytest

from harness.targets.upload import likely, uploaders_port
from tests.tiny_firmware import BOARDS

SAID = [
    ("avrdude: stk500_recv(): programmer is not responding", "bootloader does not answer"),
    ("avrdude: stk500_getsync() attempt 10 of 10: not in sync: resp=0x00", "bootloader does not answer"),
    (
        "avrdude: stk500v2_ReceiveMessage(): timeout communicating with programmer",
        "bootloader does not answer",
    ),
    ('avrdude: ser_open(): can\'t open device "/dev/ttyACM0": Permission denied', "may not use"),
    (
        'avrdude: ser_open(): can\'t open device "/dev/ttyACM0": Device or resource busy',
        "Another program has",
    ),
    ('avrdude: ser_open(): can\'t open device "/dev/ttyACM3": No such file or directory', "port went away"),
    (
        "avrdude: Device signature = 0x1e950f\navrdude: Expected signature for ATmega2560 is 1E 98 01",
        "Another chip",
    ),
    ("avrdude: verification error, first mismatch at byte 0x0000", "does not keep"),
    ("Couldn't find any ST-Link devices", "not on USB"),
    (
        "Failed to connect to target\nFailed to parse flash type\nunknown chip id! 0",
        "chip does not answer",
    ),
    ("libusb: error [_get_usbfs_fd] LIBUSB_ERROR_ACCESS\nError: open failed", "may not use"),
    ("Error: open failed\nin procedure 'program'", "not on USB"),
    ("Error: init mode failed (unable to connect to the target)", "chip does not answer"),
    (
        "A fatal error occurred: Failed to connect to ESP32: No serial data received.",
        "does not enter its bootloader",
    ),
    ("A fatal error occurred: This chip is ESP32-S3 not ESP32. Wrong --chip argument?", "Another chip"),
    (
        "A fatal error occurred: Could not open /dev/ttyUSB0, the port is busy or doesn't exist.",
        "Another program has",
    ),
    ("dfu-util: No DFU capable USB device available", "not on USB"),
    ("it went wrong", "not plugged in there"),
]


@pytest.mark.parametrize(("said", "cause"), SAID, ids=lambda text: text[:40])
def test_words_have_a_likely_cause(said: str, cause: str) -> None:
    assert cause in likely(said.splitlines()[0], said).cause


def test_the_complaint_counts_before_the_rest_of_the_output() -> None:
    output = "avrdude: not in sync\nlater: Permission denied"
    assert "bootloader" in likely("avrdude: not in sync", output).cause
    assert "may not use" in likely("no message", "tty: Permission denied").cause


@pytest.mark.parametrize(
    ("url", "board", "word"),
    [
        ("/dev/ttyACM0", "uno", "/dev/ttyACM0"),
        ("socket://lab:4000", "uno", "net:lab:4000"),
        ("socket://lab:4000", "esp32dev", "socket://lab:4000"),
        ("rfc2217://lab:4000", "esp32dev", "rfc2217://lab:4000"),
    ],
)
def test_a_port_has_another_name_for_avrdude(url: str, board: str, word: str) -> None:
    assert uploaders_port(url, BOARDS[board]) == word
