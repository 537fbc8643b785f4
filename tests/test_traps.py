# SPDX-License-Identifier: Apache-2.0
"""What doctor finds on machines that are made of files: /sys, /etc, /proc and udev's rules in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.boards import load_boards
from harness.serial_ports import SerialPort
from harness.traps import find_traps

BOARDS = load_boards()

UNO = SerialPort(device="/dev/ttyACM0", usb_id=(0x2341, 0x0043), serial_number="75", location="1-1")
FTDI = SerialPort(device="/dev/ttyUSB0", usb_id=(0x0403, 0x6001), serial_number="A1", location="1-2")

STATUS = "Name:\tpython\nUid:\t1000\t1000\t1000\t1000\nGroups:\t27 1000 \n"
USERS = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"
GROUPS = "root:x:0:\ndialout:x:20:{members}\nann:x:1000:\n"

IGNORE = 'ATTRS{idVendor}=="2341", ATTRS{idProduct}=="00[0-9]3|0001", ENV{ID_MM_DEVICE_IGNORE}="1"\n'

Lay = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def lay(tmp_path: Path) -> Lay:
    """Lays files below a root."""

    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


def traps(root: Path, *plugged: SerialPort, closed: str = "") -> list[tuple[str, str]]:
    found = find_traps(
        plugged, BOARDS, root=root, may_open=lambda path: not closed or closed not in str(path)
    )
    return [(trap.what, trap.fix) for trap in found]


def usb_device(socket: str, vendor: str, product: str) -> dict[str, str]:
    facts = {"idVendor": vendor, "idProduct": product, "busnum": "1", "devnum": "7"}
    return {f"sys/bus/usb/devices/{socket}/{name}": f"{text}\n" for name, text in facts.items()}


def test_a_machine_without_traps(lay: Lay) -> None:
    root = lay({"proc/self/status": STATUS, **usb_device("1-1", "2341", "0043")})
    assert traps(root, UNO) == []
    assert traps(root / "nothing", UNO) == []


@pytest.mark.parametrize(
    ("members", "status", "words"),
    [
        ("", STATUS, "sudo usermod -aG dialout $USER"),
        ("bob,ann", STATUS, "log in anew"),
        ("bob,ann", STATUS.replace("27 1000", "20 1000"), "does not help here"),
    ],
)
def test_a_port_that_may_not_be_opened(lay: Lay, members: str, status: str, words: str) -> None:
    root = lay({"proc/self/status": status, "etc/passwd": USERS, "etc/group": GROUPS.format(members=members)})
    ((what, fix),) = traps(root, UNO, FTDI, closed="ttyACM0")
    assert what == "This user may not open /dev/ttyACM0."
    assert words in fix
    assert ("usermod" in fix) == (not members)


def test_another_distributions_group(lay: Lay) -> None:
    root = lay({"proc/self/status": STATUS, "etc/passwd": USERS, "etc/group": "uucp:x:14:\n"})
    ((_, fix),) = traps(root, UNO, closed="ttyACM0")
    assert "-aG uucp" in fix


def test_a_debug_probe_without_a_rule(lay: Lay) -> None:
    root = lay(usb_device("1-3", "0483", "3748"))
    ((what, fix),) = traps(root, closed="bus/usb/001/007")
    assert what == "This user may not open the ST-Link in USB socket 1-3."
    assert "apt-get install stlink-tools" in fix
    rule = '# comment\nATTRS{idVendor}=="0483", ATTRS{idProduct}=="3748", MODE="660"\n'
    lay({"usr/lib/udev/rules.d/49-stlinkv2.rules": rule})
    ((_, fix),) = traps(root, closed="bus/usb/001/007")
    assert "plug it in again" in fix
    assert "apt-get" not in fix
    assert traps(root) == []


def test_a_rule_for_another_probe_does_not_count(lay: Lay) -> None:
    rule = 'ATTRS{idVendor}=="0483", ATTRS{idProduct}=="374b", MODE="660"\n#ATTRS{idProduct}=="3748"\n'
    root = lay({**usb_device("1-3", "0483", "3748"), "etc/udev/rules.d/49-stlink.rules": rule})
    ((_, fix),) = traps(root, closed="bus/usb/001/007")
    assert "apt-get install stlink-tools" in fix


def test_a_board_without_a_serial_port(lay: Lay) -> None:
    root = lay({**usb_device("1-1", "2341", "0043"), **usb_device("1-5", "1a86", "7523")})
    ((what, fix),) = traps(root, UNO)
    assert what == "1a86:7523 in USB socket 1-5 has no serial port."
    assert "driver" in fix
    lay({"proc/99/comm": "brltty\n"})
    ((_, fix),) = traps(root, UNO)
    assert "apt-get remove brltty" in fix


@pytest.mark.parametrize(
    ("command", "rules", "asked"),
    [
        ("/usr/sbin/ModemManager\0", "", ["/dev/ttyACM0", "/dev/ttyUSB0"]),
        ("/usr/sbin/ModemManager\0--filter-policy=strict\0", "", ["/dev/ttyACM0"]),
        ("/usr/sbin/ModemManager\0", IGNORE, ["/dev/ttyUSB0"]),
        ("/usr/sbin/ModemManager\0", f"# {IGNORE}", ["/dev/ttyACM0", "/dev/ttyUSB0"]),
        (
            "/usr/sbin/ModemManager\0",
            IGNORE.replace("00[0-9]3|0001", "8036"),
            ["/dev/ttyACM0", "/dev/ttyUSB0"],
        ),
        ("/usr/sbin/ModemManager\0", 'ATTRS{idVendor}=="0403", ENV{ID_MM_PORT_IGNORE}="1"', ["/dev/ttyACM0"]),
    ],
)
def test_modem_manager(lay: Lay, command: str, rules: str, asked: list[str]) -> None:
    root = lay(
        {"proc/12/comm": "ModemManager\n", "proc/12/cmdline": command, "etc/udev/rules.d/78-x.rules": rules}
    )
    found = traps(root, UNO, FTDI)
    assert [what.split()[3] for what, _ in found] == asked
    for _, fix in found:
        assert "ID_MM_DEVICE_IGNORE" in fix


def test_the_rule_that_is_advised_is_one_that_counts(lay: Lay) -> None:
    root = lay({"proc/12/comm": "ModemManager\n"})
    ((_, fix),) = traps(root, UNO)
    rule, file = fix.split("'")[1], fix.split("tee /")[1].split()[0]
    lay({file: rule})
    assert traps(root, UNO) == []


@pytest.mark.parametrize(("timer", "trapped"), [("16\n", True), ("1\n", False), ("", False)])
def test_an_ftdi_bridge_that_keeps_answers_back(lay: Lay, timer: str, trapped: bool) -> None:
    root = lay({"sys/bus/usb-serial/devices/ttyUSB0/latency_timer": timer})
    found = traps(root, FTDI)
    assert [what for what, _ in found] == (
        ["/dev/ttyUSB0 holds short answers for up to 16 ms (FTDI's latency timer)."] if trapped else []
    )
    for _, fix in found:
        assert "echo 1 | sudo tee /sys/bus/usb-serial/devices/ttyUSB0/latency_timer" in fix


def test_boards_that_cannot_be_told_apart_by_number(tmp_path: Path) -> None:
    nameless = SerialPort(device="/dev/ttyUSB1", usb_id=(0x1A86, 0x7523), location="1-4")
    twins = [
        SerialPort(device=f"/dev/ttyUSB{n}", usb_id=(0x10C4, 0xEA60), serial_number="0001", location=f"2-{n}")
        for n in (5, 6)
    ]
    two_ports_of_one = [
        SerialPort(
            device=f"/dev/ttyACM{n}", usb_id=(0x0483, 0x374B), serial_number="9", location=f"1-1:1.{n}"
        )
        for n in (0, 2)
    ]
    found = traps(tmp_path, nameless, *twins, *two_ports_of_one)
    assert [what for what, _ in found] == [
        "The device on /dev/ttyUSB1 has no serial number: it is known by its USB socket only.",
        "The device on /dev/ttyUSB5 shares its serial number 0001 with others.",
        "The device on /dev/ttyUSB6 shares its serial number 0001 with others.",
    ]
    assert "socket 1-4" in found[0][1]
