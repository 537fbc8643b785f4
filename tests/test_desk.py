# SPDX-License-Identifier: Apache-2.0
"""Which board is meant, and that one process at a time has it: made-up ports, real locks and processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness import desk
from harness.boards import load_boards
from harness.desk import Attachment, absence, reserve, resolve
from harness.desk_view import desk_lines
from harness.errors import ConfigError, PortBusyError
from harness.hardware_map import HardwareMap, load_map
from harness.link import Timing
from harness.serial_ports import SerialPort

BOARDS = load_boards()

LEFT = SerialPort(device="/dev/ttyACM0", usb_id=(0x2341, 0x0043), serial_number="L", location="1-1")
RIGHT = SerialPort(device="/dev/ttyACM1", usb_id=(0x2341, 0x0043), serial_number="R", location="1-2")
NUCLEO = SerialPort(device="/dev/ttyACM2", usb_id=(0x0483, 0x374B), serial_number="N", location="1-3:1.2")
CLONE = SerialPort(device="/dev/ttyUSB0", usb_id=(0x1A86, 0x7523), location="1-4")
PLAIN = SerialPort(device="/dev/ttyS0")

MAP = """\
- {id: left, board: uno, serial_number: L, return_s: 33, power_cycle: [cycle, left], baud: 115200}
- {id: right, board: uno, serial_number: R}
- {id: new, board: unknown, location: 1-4}
- {id: rack, board: stm32f4, url: "socket://lab:4000", probe: "P"}
"""


@pytest.fixture
def map_(tmp_path: Path) -> HardwareMap:
    (tmp_path / "map.yaml").write_text(MAP)
    return load_map(tmp_path / "map.yaml", BOARDS)


NO_MAP = HardwareMap(path=Path("hardware-map.yaml"))


def found(
    *wanted: str,
    map_: HardwareMap = NO_MAP,
    given: dict[str, str] | None = None,
    plugged: Sequence[SerialPort] = (),
) -> dict[str, Attachment]:
    return resolve(wanted, BOARDS, map_=map_, given=given or {}, plugged=plugged)


def test_a_board_is_recognised_by_its_usb_id() -> None:
    (board,) = found("uno", plugged=[PLAIN, LEFT, NUCLEO]).values()
    assert (board.id, board.url, board.serial_number, board.location) == ("uno", "/dev/ttyACM0", "L", "1-1")
    assert board.probe is None
    (nucleo,) = found("nucleo_f446re", plugged=[LEFT, NUCLEO]).values()
    assert nucleo.probe == "N", "its ST-Link is among others perhaps"
    assert found("uno", plugged=[NUCLEO]) == {}


def test_several_that_fit_are_named() -> None:
    with pytest.raises(
        ConfigError, match=r"Arduino Uno may be /dev/ttyACM0 \(serial number L.*ttyACM1.*--port uno="
    ):
        found("uno", plugged=[LEFT, RIGHT])


@pytest.mark.parametrize("name", ["/dev/ttyACM1", "R", "1-2", "right"])
def test_the_user_says_which(map_: HardwareMap, name: str) -> None:
    (board,) = found("uno", given={"uno": name}, plugged=[LEFT, RIGHT], map_=map_).values()
    assert (board.id, board.url, board.serial_number) == ("right", "/dev/ttyACM1", "R")


def test_a_port_by_another_name_is_the_same_board(tmp_path: Path) -> None:
    (tmp_path / "ttyACM0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyACM0")
    there = SerialPort(device=str(tmp_path / "ttyACM0"), usb_id=LEFT.usb_id, serial_number="L")
    (named,) = found("uno", given={"uno": str(tmp_path / "by-id")}, plugged=[there]).values()
    (recognised,) = found("uno", plugged=[there]).values()
    assert named == recognised


def test_the_map_decides_and_gives_the_treatment(map_: HardwareMap) -> None:
    (board,) = found("uno", plugged=[LEFT, CLONE], map_=map_).values()
    assert (board.id, board.return_s, board.power_cycle, board.baud) == (
        "left",
        33.0,
        ("cycle", "left"),
        115200,
    )
    assert board.upload_timeout_s == 180.0
    (rack,) = found("stm32f4", map_=map_).values()
    assert (rack.url, rack.probe, rack.find()) == ("socket://lab:4000", "P", "socket://lab:4000")
    with pytest.raises(ConfigError, match="may be left or right"):
        found("uno", plugged=[LEFT, RIGHT], map_=map_)


def test_one_board_serves_both_of_its_firmwares(map_: HardwareMap) -> None:
    both = found("uno", "uno-arduino", plugged=[LEFT], map_=map_)
    assert {name: (board.id, board.board) for name, board in both.items()} == {
        "uno": ("left", "uno"),
        "uno-arduino": ("left", "uno-arduino"),
    }
    assert len({board.key for board in both.values()}) == 1


def test_an_entry_to_be_filled_in_leaves_its_port_free(map_: HardwareMap) -> None:
    (board,) = found("esp32dev", plugged=[CLONE], map_=map_).values()
    assert (board.id, board.url, board.location) == ("new", "/dev/ttyUSB0", "1-4")


def test_a_board_of_the_map_that_is_away(map_: HardwareMap) -> None:
    (board,) = found("uno", map_=map_).values()
    assert board.url is None
    assert absence(BOARDS["uno"], board) == "left (Arduino Uno, serial number L) is not plugged in."
    assert "--port uno=/dev/ttyACM0" in (absence(BOARDS["uno"], None) or "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("lefft", "no port.*map.yaml.*left"),
        ("socket://lab", "must be like socket://host:1234"),
        ("rack", "rack is a stm32f4 in .*map.yaml, not a uno"),
    ],
)
def test_a_name_that_is_nobodys(map_: HardwareMap, given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        found("uno", given={"uno": given}, map_=map_)


def test_a_device_of_several_interfaces_is_named_by_its_socket() -> None:
    (board,) = found("nucleo_f446re", given={"nucleo_f446re": "1-3"}, plugged=[LEFT, NUCLEO]).values()
    assert board.url == "/dev/ttyACM2"


def test_a_misspelt_name_is_told_what_there_is() -> None:
    with pytest.raises(ConfigError, match=r"'zz' is no port.*Known: 1-4, L, R\."):
        found("uno", given={"uno": "zz"}, plugged=[LEFT, RIGHT, CLONE])
    with pytest.raises(ConfigError, match="`quantrig boards` shows what is here"):
        found("uno", given={"uno": "R2"})


def test_twins_of_the_map_trouble_only_who_wants_them(tmp_path: Path) -> None:
    twins = [
        replace(CLONE, device=f"/dev/ttyUSB{n}", serial_number="0001", location=f"1-{n}") for n in (5, 6)
    ]
    (tmp_path / "map.yaml").write_text("- {id: twin, board: esp32dev, serial_number: '0001'}\n")
    map_ = load_map(tmp_path / "map.yaml", BOARDS)
    (board,) = found("uno", plugged=[LEFT, *twins], map_=map_).values()
    assert board.url == LEFT.device
    with pytest.raises(ConfigError, match=r"twin of the hardware map may be on .*ttyUSB5 .* or .*`location`"):
        found("esp32dev", plugged=[LEFT, *twins], map_=map_)
    (board,) = found("esp32dev", given={"esp32dev": "1-6"}, plugged=[LEFT, *twins], map_=map_).values()
    assert (board.id, board.url) == ("twin", "/dev/ttyUSB6")
    shown = "\n".join(desk_lines(BOARDS, map_, [LEFT, *twins]))
    assert shown.count("perhaps twin, which fits other ports too: give its `location`") == 2


def test_one_port_is_not_two_different_boards() -> None:
    with pytest.raises(ConfigError, match="stm32f4 and nucleo_f446re would both be"):
        found("stm32f4", "nucleo_f446re", plugged=[NUCLEO])


def test_a_board_is_found_again_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    (board,) = found("uno", plugged=[LEFT]).values()
    (clone,) = found("esp32dev", plugged=[CLONE]).values()
    now: list[SerialPort] = []
    monkeypatch.setattr(desk, "serial_ports", lambda: now)
    assert board.find() is None
    now += [
        RIGHT,
        SerialPort(device="/dev/ttyACM7", usb_id=LEFT.usb_id, serial_number="L", location="1-1"),
        SerialPort(device="/dev/ttyUSB9", usb_id=CLONE.usb_id, location="1-4"),
    ]
    assert board.find() == "/dev/ttyACM7"
    assert clone.find() == "/dev/ttyUSB9"
    # moved to another socket: its number tells; what has none is not there any more
    now[:] = [
        SerialPort(device="/dev/ttyACM8", usb_id=LEFT.usb_id, serial_number="L", location="2-1"),
        SerialPort(device="/dev/ttyUSB8", usb_id=CLONE.usb_id, location="2-2"),
    ]
    assert board.find() == "/dev/ttyACM8"
    assert clone.find() is None


def test_a_board_with_a_patience_of_its_own() -> None:
    usual = Attachment(id="a", board="uno", url="/dev/x")
    assert usual.timing(9600) is None
    slow = replace(usual, reply_timeout_s=7.5)
    assert slow.timing(9600) == Timing(baud=9600, reply_s=7.5)
    assert slow.timing(None) == replace(Timing(), reply_s=7.5)


def test_numbered_alike_they_are_found_by_their_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    twins = [
        SerialPort(device=f"/dev/ttyUSB{n}", usb_id=(0x10C4, 0xEA60), serial_number="0001", location=f"1-{n}")
        for n in (0, 1)
    ]
    monkeypatch.setattr(desk, "serial_ports", lambda: twins)
    boards = [found("esp32dev", given={"esp32dev": twin.device}, plugged=twins)["esp32dev"] for twin in twins]
    assert [board.find() for board in boards] == ["/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert boards[0].key != boards[1].key


def test_what_quantrig_boards_shows(map_: HardwareMap) -> None:
    lines = list(desk_lines(BOARDS, map_, [LEFT, NUCLEO, CLONE, PLAIN]))
    text = "\n".join(lines)
    assert "/dev/ttyACM0  2341:0043" in text
    assert "serial number L  location 1-1" in text
    assert "left: uno" in text
    assert "maybe stm32f4 or nucleo_f446re or black_f407ve: --port stm32f4=N" in text
    assert "new: fill in its board" in text
    assert lines[-1].split() == ["right", "uno", "R"]


# --- locks ----------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTRIG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


A = Attachment(id="a", board="uno", url="/dev/ttyACM0", serial_number="A", location="1-1")
B = Attachment(id="b", board="uno", url="/dev/ttyACM1", serial_number="B", location="1-2")
AWAY = Attachment(id="c", board="uno", url=None, serial_number="C")

#: Has the boards until its stdin ends.
HOLDER = """\
import sys
from harness.desk import Attachment, reserve
places = {"a": "1-1", "b": "1-2"}
boards = [Attachment(id=n, board="uno", url="/dev/x", serial_number=n.upper(), location=places[n])
          for n in sys.argv[1]]
with reserve(boards, wait=len(sys.argv) > 2, on_wait=lambda text: print(text, flush=True)):
    print("mine", flush=True)
    sys.stdin.read()
"""


def holder(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=30)


def test_another_process_has_the_board(cache: Path) -> None:
    other = holder("a")
    assert said(other) == "mine"
    with pytest.raises(
        PortBusyError, match=rf"a \(/dev/ttyACM0\) is in use by process {other.pid}\."
    ) as caught:
        reserve([B, A], wait=False).__enter__()
    assert caught.value.exit_code == 4
    with reserve([B, AWAY], wait=False):
        pass
    end(other)
    with reserve([A, B], wait=False):
        assert len(list((cache / "boards").iterdir())) == 2
    assert list((cache / "boards").iterdir()) == []


@pytest.mark.parametrize("end_by", ["kill", "terminate"])
def test_a_dead_owner_leaves_no_lock(cache: Path, end_by: str) -> None:
    other = holder("a")
    assert said(other) == "mine"
    getattr(other, end_by)()
    end(other)
    with reserve([A], wait=False):
        pass


def test_who_waits_gets_it_when_the_owner_ends(cache: Path) -> None:
    first = holder("a")
    assert said(first) == "mine"
    second = holder("a", "wait")
    assert said(second) == f"a (/dev/x) is in use by process {first.pid}. Waiting for it."
    end(first)
    assert said(second) == "mine"
    end(second)


def test_two_who_want_both_never_wait_for_each_other(cache: Path) -> None:
    first = holder("a")
    assert said(first) == "mine"
    waiting = [holder(order, "wait") for order in ("ab", "ba")]
    for process in waiting:
        assert "Waiting" in said(process)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    end(first)
    assert [process.communicate(timeout=30)[0].count("mine") for process in waiting] == [1, 1]


def test_a_board_with_two_firmwares_is_reserved_once(cache: Path) -> None:
    with reserve(
        [A, Attachment(id="a", board="uno-arduino", url=A.url, serial_number="A", location="1-1")], wait=False
    ):
        assert len(list((cache / "boards").iterdir())) == 1


def test_a_cache_that_cannot_be_written(cache: Path) -> None:
    cache.touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        reserve([A], wait=False).__enter__()
