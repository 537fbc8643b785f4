# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from harness import map_keys
from harness.boards import load_boards
from harness.errors import ConfigError
from harness.hardware_map import HardwareMap, load_map, write_map
from harness.serial_ports import SerialPort

BOARDS = load_boards()

UNO = (0x2341, 0x0043)
NANO = (0x2341, 0x805A)
ST_LINK = (0x0483, 0x374B)

FULL = """\
# my desk
- id: left # the one by the window
  board: uno
  serial_number: "0042"
  baud: 115200
  notes: shaky cable
  upload_timeout_s: 60
  reply_timeout_s: 2.5
  return_s: 20
  power_cycle: uhubctl -l 1-1 -p 2 -a 'cycle now'

- {id: rack.3, board: nucleo_f446re, url: "socket://lab:4000", probe: "066D", lines_down: true}
- {id: far, board: stm32f4, location: "1-1.4", power_cycle: [relay, "3"]}
"""


def written(folder: Path, text: str) -> HardwareMap:
    file = folder / "map.yaml"
    file.write_text(text)
    return load_map(file, BOARDS)


def port(
    number: int,
    *,
    usb_id: tuple[int, int] | None = UNO,
    serial_number: str | None = None,
    location: str | None = None,
    product: str = "",
) -> SerialPort:
    return SerialPort(
        device=f"/dev/ttyACM{number}",
        usb_id=usb_id,
        serial_number=serial_number,
        location=location,
        product=product,
    )


def test_every_key_is_read(tmp_path: Path) -> None:
    left, rack, far = written(tmp_path, FULL).entries
    assert (left.id, left.board, left.serial_number, left.baud) == ("left", "uno", "0042", 115200)
    assert (left.upload_timeout_s, left.reply_timeout_s, left.return_s) == (60.0, 2.5, 20.0)
    assert left.power_cycle == ("uhubctl", "-l", "1-1", "-p", "2", "-a", "cycle now")
    assert (rack.url, rack.probe, rack.lines_down) == ("socket://lab:4000", "066D", True)
    assert (far.location, far.power_cycle) == ("1-1.4", ("relay", "3"))
    used = {name for entry in (left, rack, far) for name in map_keys.KEYS if getattr(entry, name)}
    assert used == set(map_keys.KEYS)


def test_no_file_and_a_file_of_comments_are_empty_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_map(None, BOARDS).entries == ()
    assert written(tmp_path, "# nothing yet\n\n").entries == ()
    (tmp_path / "hardware-map.yaml").write_text(FULL)
    assert len(load_map(None, BOARDS).entries) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("uno: {}", "map.yaml:1: a hardware map is a list"),
        ("- {id: a}", "key 'board' is missing"),
        ("- {id: a, board: uno}", "map.yaml:1: a: it needs serial_number, location or url"),
        ("- {id: a, board: unno, location: '1-1'}", "no board 'unno'.*uno"),
        ("- {id: a, board: uno, serial: x}", "unknown key 'serial'.*serial_number"),
        ("- {id: a, board: uno, serial_number: 0042}", 'must be in quotes: "0042"'),
        ("- {id: A B, board: uno, location: '1-1'}", "small letters"),
        ("- {id: a, board: uno, url: ttyACM0}", "no port: /dev/ttyACM0, COM3"),
        ("- {id: a, board: uno, url: 'socket://lab'}", "must be like socket://host:1234"),
        ("- {id: a, board: uno, url: /dev/ttyS0, location: '1-1'}", "url does not go with"),
        ("- {id: a, board: uno, location: '1-1', return_s: fast}", "seconds"),
        ("- {id: a, board: uno, location: '1-1', return_s: 0}", "above 0"),
        ("- {id: a, board: uno, location: '1-1', power_cycle: 'a \"b'}", "No closing quotation"),
        ("- {id: a, board: uno, location: '1-1', power_cycle: []}", "names no program"),
        ("- {id: a, board: uno, location: '1-1', lines_down: 1}", "true or false"),
        (
            "- {id: a, board: uno, location: '1-1'}\n- {id: a, board: uno, location: '1-2'}",
            "map.yaml:2: .*twice",
        ),
        (
            "- {id: a, board: uno, location: '1-1'}\n- {id: b, board: uno, location: '1-1'}",
            "the same address",
        ),
        ("- [", "not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        written(tmp_path, text)


def test_an_unreadable_map(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_map(tmp_path, BOARDS)


def test_a_new_map_names_what_is_plugged_in(tmp_path: Path) -> None:
    plugged = [
        port(0, serial_number="8573E0B1", location="1-1", product="Arduino Uno"),
        port(1, usb_id=NANO, location="1-2", product='A "clone"'),
        port(2, usb_id=ST_LINK, serial_number="0667FF", location="1-3:1.2"),
        port(3, usb_id=(0xDEAD, 0xBEEF), serial_number="1", location="1-4"),
        port(4, usb_id=None),
    ]
    empty = written(tmp_path, "")
    text, changes = empty.updated(plugged, BOARDS)
    assert len(changes) == 4
    made = written(tmp_path, text)
    assert [(e.board, e.serial_number, e.location) for e in made.entries] == [
        ("uno", "8573E0B1", None),
        ("nano_33_ble", None, "1-2"),
        ("unknown", "0667FF", None),
        ("unknown", "1", None),
    ]
    assert made.entries[0].id == "uno-e0b1"
    assert made.entries[1].notes == 'A "clone"'
    assert "nucleo_f446re" in text.splitlines()[text.splitlines().index('  serial_number: "0667FF"') - 1]
    assert "no board of boards.yaml has its USB id" in text
    assert made.updated(plugged, BOARDS) == (text, ())


def test_an_update_leaves_everything_else_as_it_stands(tmp_path: Path) -> None:
    known = written(tmp_path, FULL)
    text, changes = known.updated(
        [port(0, serial_number="0042", location="1-7"), port(1, serial_number="77")], BOARDS
    )
    assert text.startswith(FULL)
    assert changes == ("uno-77: uno on /dev/ttyACM1 (serial number 77)",)
    assert [entry.id for entry in written(tmp_path, text).entries] == ["left", "rack.3", "far", "uno-77"]


def test_an_update_fills_in_a_board_and_a_socket_in_place(tmp_path: Path) -> None:
    text = (
        "- id: a # mine\n  board: unknown # what is it?\n  serial_number: '1'\n"
        "- id: b\n  location: '1-9' # top\n  board: uno\n  serial_number: '2'\n"
    )
    plugged = [port(0, serial_number="1", location="1-1"), port(1, serial_number="2", location="1-2")]
    new, changes = written(tmp_path, text).updated(plugged, BOARDS)
    assert new == text.replace("unknown", "uno").replace("'1-9'", '"1-2"')
    assert changes == ("a: board is uno now", "b: location is 1-2 now")


def test_boards_that_are_numbered_alike_are_told_apart_by_their_sockets(tmp_path: Path) -> None:
    plugged = [port(number, serial_number="0001", location=f"1-{number}") for number in (1, 2)]
    text, _ = written(tmp_path, "").updated(plugged, BOARDS)
    made = written(tmp_path, text)
    assert [(e.id, e.location) for e in made.entries] == [("uno-0001", "1-1"), ("uno-0001-2", "1-2")]
    assert [made.of(found, plugged) for found in plugged] == list(made.entries)
    without = written(tmp_path, "- {id: a, board: uno, serial_number: '0001'}")
    with pytest.raises(ConfigError, match=r"a of the hardware map may be on /dev/ttyACM1 .* or /dev/ttyACM2"):
        without.entries[0].port(plugged)


def test_a_twin_that_is_plugged_in_later_is_left_to_the_user(tmp_path: Path) -> None:
    plugged = [port(number, serial_number="0001", location=f"1-{number}") for number in (1, 2)]
    other = port(3, serial_number="7", location="1-3")
    alone = written(tmp_path, "- {id: a, board: uno, serial_number: '0001'}\n")
    assert [alone.of(found, plugged) for found in plugged] == [*alone.entries, *alone.entries]
    text, changes = alone.updated([*plugged, other], BOARDS)
    assert changes[1:] == ("uno-7: uno on /dev/ttyACM3 (serial number 7, USB location 1-3)",)
    assert changes[0].startswith("a: may be /dev/ttyACM1 (serial number 0001, USB location 1-1) or /dev/tty")
    assert "give its `location`" in changes[0]
    assert [entry.id for entry in written(tmp_path, text).entries] == ["a", "uno-7"]
    told = written(tmp_path, alone.text + "- {id: b, board: uno, serial_number: '0001', location: '1-2'}\n")
    assert told.of(plugged[1], plugged) == told.entries[1], "it says more than the other"


@pytest.mark.parametrize("gap", ["", "  "])
def test_new_entries_stand_below_the_old_ones(tmp_path: Path, gap: str) -> None:
    text = f"{gap}- id: a\n{gap}  board: uno\n{gap}  serial_number: '1'\n"
    new, _ = written(tmp_path, text).updated([port(2, serial_number="22")], BOARDS)
    assert new.startswith(text)
    assert [entry.id for entry in written(tmp_path, new).entries] == ["a", "uno-22"]


@pytest.mark.parametrize(
    "text",
    ["[{id: a, board: uno, serial_number: '1'}]\n", "[]\n", "- {id: a, board: uno, url: /dev/x}\n...\n"],
)
def test_a_map_that_nothing_can_be_added_to_is_left_alone(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"map.yaml is not laid out .* left as it was.*- id: "):
        written(tmp_path, text).updated([port(2, serial_number="22")], BOARDS)
    assert written(tmp_path, text).updated([], BOARDS) == (text, ())


def test_a_map_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone.yaml cannot be read.*--write-map"):
        load_map(tmp_path / "gone.yaml", BOARDS)
    assert load_map(tmp_path / "gone.yaml", BOARDS, new=True).entries == ()


def test_the_interfaces_of_one_device(tmp_path: Path) -> None:
    plugged = [port(n, serial_number="7", location=f"1-1:1.{2 * n}") for n in (0, 1)]
    second = written(tmp_path, "- {id: a, board: uno, serial_number: '7', location: '1-1:1.2'}").entries[0]
    assert second.port(plugged) == plugged[1]
    socket = written(tmp_path, "- {id: a, board: uno, location: '1-1'}").entries[0]
    assert socket.port(plugged[:1]) == plugged[0]


def test_the_file_is_replaced_whole_and_keeps_its_rights(tmp_path: Path) -> None:
    file, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    write_map(link, "new")
    assert file.read_text() == "new"
    assert link.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [link, file]
    with pytest.raises(ConfigError, match="cannot be written"):
        write_map(tmp_path / "gone" / "map.yaml", "new")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "map.yaml"
    file.write_text("old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        write_map(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_document_explains_every_key_and_its_example_is_a_map(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "HARDWARE.md").read_text()
    explained = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert set(explained) == set(map_keys.KEYS)
    example = text.split("```yaml\n")[1].split("```")[0]
    assert [entry.id for entry in written(tmp_path, example).entries] == ["uno-left", "clone", "rack"]
