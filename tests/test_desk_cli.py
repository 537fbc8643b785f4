# SPDX-License-Identifier: Apache-2.0
"""`quantrig boards` and `quantrig doctor` at a desk that pyserial is made to see."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from tests.conftest import Command


def port(device: str, usb: tuple[int, int] | None = None, **facts: str | None) -> ListPortInfo:
    found = ListPortInfo(device)
    if usb is not None:
        found.vid, found.pid = usb
    for name, value in facts.items():
        setattr(found, name, value)
    return found


UNO = (0x2341, 0x0043)
LEFT = port(
    "/dev/ttyACM0", UNO, serial_number="75E0B1", location="1-1", manufacturer="Arduino", product="Uno"
)
RIGHT = port(
    "/dev/ttyACM1", UNO, serial_number="75F00D", location="1-2", manufacturer="Arduino", product="Uno"
)
GARBLED = port("/dev/ttyUSB0", (0x1A86, 0x7523), serial_number="\x00\x7f", location="1-3")
PLAIN = port("/dev/ttyS0")


@pytest.fixture
def plug(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def plug(*ports: ListPortInfo) -> None:
        monkeypatch.setattr(list_ports, "comports", lambda: list(ports))

    return plug


def test_boards_makes_a_map_shows_it_and_updates_it(quantrig: Command, plug: Callable[..., None]) -> None:
    plug(LEFT, PLAIN)
    code, out, _ = quantrig("boards")
    assert code == 0
    assert "/dev/ttyACM0  2341:0043  Arduino Uno  serial number 75E0B1  location 1-1" in out
    assert "maybe uno: --port uno=75E0B1" in out
    assert not Path("hardware-map.yaml").exists()

    code, out, _ = quantrig("boards", "--write-map")
    assert code == 0
    assert "hardware-map.yaml: uno-e0b1: uno on /dev/ttyACM0" in out
    assert "uno-e0b1: uno (Arduino Uno)" in out
    before = Path("hardware-map.yaml").read_text()
    assert "nothing to change" in quantrig("boards", "--write-map")[1]
    assert Path("hardware-map.yaml").read_text() == before

    plug(LEFT, RIGHT, GARBLED)
    code, out, _ = quantrig("boards", "--write-map")
    assert code == 0
    assert Path("hardware-map.yaml").read_text().startswith(before)
    assert "Arduino Uno may be uno-e0b1 or uno-f00d" in out, "which one uno:hardware is"
    assert "serial number none  location 1-3" in out

    plug(RIGHT)
    assert quantrig("boards")[1].splitlines()[-2].split()[:2] == ["uno-e0b1", "uno"]


def test_a_map_elsewhere_and_a_broken_one(quantrig: Command, plug: Callable[..., None]) -> None:
    plug(LEFT)
    assert quantrig("boards", "--map", "mine.yaml", "--write-map")[0] == 0
    assert Path("mine.yaml").exists()
    Path("mine.yaml").write_text("- {id: a, bord: uno}\n")
    code, _, err = quantrig("boards", "--map", "mine.yaml")
    assert (code, "mine.yaml:1" in err, "'board'" in err) == (2, True, True)


def test_doctor_tells_the_traps(quantrig: Command, plug: Callable[..., None]) -> None:
    plug(GARBLED)
    _, out, _ = quantrig("doctor")
    assert "TRAP    The device on /dev/ttyUSB0 has no serial number" in out
    plug()
    assert "TRAP" not in quantrig("doctor")[1]


def test_doctor_sees_the_boards_that_are_plugged_in(
    quantrig: Command, plug: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "avrdude").write_text("#!/bin/sh\n")
    (tmp_path / "avrdude").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    plug(LEFT)
    assert "ready   uno:hardware\n" in quantrig("doctor")[1]
    plug()
    assert "uno:hardware  No Arduino Uno is plugged in" in quantrig("doctor")[1]
    plug(LEFT, RIGHT)
    assert "uno:hardware  Arduino Uno may be /dev/ttyACM0" in quantrig("doctor")[1]
    Path("mine.yaml").write_text("- {id: mine, board: uno, serial_number: 75F00D}\n")
    plug(LEFT)
    assert "mine (Arduino Uno, serial number 75F00D) is not" in quantrig("doctor", "--map", "mine.yaml")[1]


def test_a_port_is_not_ignored_where_the_board_is_emulated(
    quantrig: Command, plug: Callable[..., None]
) -> None:
    plug(LEFT)
    code, _, err = quantrig("sweep", "-w", "sine", "-b", "uno", "--port", "uno=75E0B1")
    assert code == 2
    assert "no case of this sweep runs on a real uno. Add `-b uno -t hardware`" in err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "Arduino Uno may be /dev/ttyACM0 (serial number 75E0B1"),
        (("--port", "uno=75"), "--port uno=75: '75' is no port"),
        (("--port", "uno=socket://lab"), "must be like socket://host:1234"),
        (("--map", "map.yaml"), "map.yaml:1: "),
        (("--map", "gone.yaml"), "gone.yaml cannot be read"),
        (("--port", "uno=75E0B1", "--port", "uno=75F00D"), "two places for uno: 75E0B1 and 75F00D"),
        (("--port", "uno=75E0B1", "--port", "pico=/dev/x"), "no case of this sweep runs on a real pico"),
    ],
)
def test_a_sweep_that_cannot_know_its_board(
    quantrig: Command, plug: Callable[..., None], options: tuple[str, ...], words: str
) -> None:
    plug(LEFT, RIGHT)
    Path("map.yaml").write_text("uno: left\n")
    code, _, err = quantrig("sweep", "-w", "sine", "-b", "uno", "-t", "hardware", *options)
    assert code == 2
    assert words in err
    assert not Path("results").exists()
