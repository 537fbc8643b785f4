# SPDX-License-Identifier: Apache-2.0
"""boards.yaml: what is in it is what we say is in it, and nothing wrong gets past the reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.boards import EMULATORS, Board, Reset, Upload, load_boards
from harness.errors import ConfigError
from harness.pio import board_options
from harness.resources import resource
from harness.toolchains import environment_option

OURS = resource("boards.yaml").read_text(encoding="utf-8")

ONE = """\
tiny:
  title: A tiny board
  mcu: ATmega8
  cpu: avr4
  cpu_hz: 8_000_000
  flash_bytes: 7680
  ram_bytes: 1024
  port: uno
  pio_env: uno
  baud: 9600
  upload: {protocol: arduino, usb_ids: ["2a03:00FF"]}
  reset: {settle_s: 1}
  emulators: {simavr: {mcu: atmega328p}}
  toolchain: avr
  cpu_features: [fpu, dsp]
  build: {mcu: atmega8}
  notes: "Small: very"
  trigger_pin: 7
"""


def load(tmp_path: Path, text: str) -> dict[str, Board]:
    file = tmp_path / "boards.yaml"
    file.write_text(text, encoding="utf-8")
    ours = load_boards()
    return {name: board for name, board in load_boards(file).items() if board != ours.get(name)}


def test_every_key_arrives(tmp_path: Path) -> None:
    assert load(tmp_path, ONE) == {
        "tiny": Board(
            name="tiny",
            title="A tiny board",
            mcu="ATmega8",
            cpu="avr4",
            cpu_hz=8_000_000,
            flash_bytes=7680,
            ram_bytes=1024,
            port="uno",
            pio_env="uno",
            baud=9600,
            upload=Upload(protocol="arduino", usb_ids=((0x2A03, 0xFF),)),
            reset=Reset(settle_s=1.0),
            emulators={"simavr": {"mcu": "atmega328p"}},
            toolchain="avr",
            cpu_features=("fpu", "dsp"),
            build={"mcu": "atmega8"},
            notes="Small: very",
            trigger_pin="7",
        )
    }


def test_our_own_file() -> None:
    """Sizes from the data sheets; the boards that were promised; a board can be a key of a dict."""
    boards = load_boards()
    limits = {name: (b.flash_bytes, b.ram_bytes, b.cpu_hz) for name, b in boards.items()}
    assert limits["native"] == (None, None, None)
    assert limits["uno"] == limits["uno-arduino"] == (32_256, 2_048, 16_000_000)
    assert limits["stm32f4"] == (2**20, 2**17, 168_000_000)
    assert limits["nucleo_f446re"] == limits["nucleo_f446re-arduino"] == (2**19, 2**17, 180_000_000)
    assert limits["black_f407ve"] == limits["black_f407ve-arduino"] == (2**19, 2**17, 168_000_000)
    assert limits["megaatmega2560"] == (248 * 1024, 8_192, 16_000_000)
    promised = "esp32dev esp32-s3-devkitc-1 esp32-c3-devkitm-1 megaatmega2560 nano_33_ble pico teensy41"
    assert boards.keys() > {*promised.split(), "esp32", "mps2_an386", "mps2_an500", "lm3s6965evb"}
    first = {name: board.targets[0] for name, board in boards.items()}
    assert [first[name] for name in ("native", "uno", "stm32f4", "esp32")] == [
        *("native", "simavr", "qemu", "qemu")
    ]
    assert "hardware" in boards["uno"].targets
    assert len(set(boards.values())) == len(boards)


CLOCKED = """\
tiny:
  inherits: stm32f4
  build: {BUILD}
"""


@pytest.mark.parametrize(
    ("build", "options"),
    [
        ("hse_hz: 8000000", {"hse_hz": "8000000"}),
        ("hse_hz: 26_000_000, hse_bypass: false", {"hse_hz": "26000000", "hse_bypass": ""}),
        ("hse_hz: 50000000, hse_bypass: true", {"hse_hz": "50000000", "hse_bypass": "1"}),
    ],
)
def test_a_clock_on_osc_in_reaches_the_builder(tmp_path: Path, build: str, options: dict[str, str]) -> None:
    board = load(tmp_path, CLOCKED.replace("BUILD", build) + "  trigger_pin: PB0\n")["tiny"]
    given = board_options(board)
    assert {key: given[f"board_build.{key}"] for key in options} == options
    assert given["board_build.trigger_pin"] == "16"
    assert "board_build.trigger_pin" not in board_options(load_boards()["stm32f4"])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("hse_hz: 8500000", "a whole number of MHz from 4 to 26 MHz, not 8500000 Hz"),
        ("hse_hz: 27000000", "from 4 to 26 MHz"),
        ("hse_hz: 51000000, hse_bypass: true", "from 4 to 50 MHz"),
        ("hse_hz: 1000000, hse_bypass: true", "from 4 to 50 MHz"),
        ("hse_bypass: true", "hse_bypass needs hse_hz"),
    ],
)
def test_a_clock_that_cannot_be_is_refused(tmp_path: Path, build: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, CLOCKED.replace("BUILD", build))
    assert "boards.yaml:3: " in str(caught.value)
    assert message in str(caught.value)


def test_our_file_agrees_with_the_firmware_tree() -> None:
    """A family's environment stands for port and toolchain; its own board has the limits of the family."""
    folder = resource("firmware") / "platforms" / "quantrig" / "boards"
    ours = load_boards()
    for board in ours.values():
        platform_ = environment_option(board.pio_env, "platform")
        assert (platform_ != "symlink://platforms/quantrig") == (board.toolchain == "platformio"), board.name
        framework = environment_option(board.pio_env, "framework")
        assert (framework == "arduino") == (board.port == "arduino"), board.name
        if board.toolchain == "platformio":
            continue
        family = environment_option(board.pio_env, "board")
        facts = json.loads((folder / f"{family}.json").read_text(encoding="utf-8"))
        if board.port != "arduino":
            assert facts["build"]["port"] == board.port
        if board.name == family and board.port != "native":
            assert facts["upload"]["maximum_size"] == board.flash_bytes
            assert facts["upload"]["maximum_ram_size"] == board.ram_bytes
            assert facts["build"]["f_cpu"] == f"{board.cpu_hz}L"
            assert facts["build"]["baud"] == board.baud


FAMILY = """\
parent:
  inherits: uno
  title: A parent
  ram_bytes: 1024
child:
  inherits: parent
  title: A child
  upload: {usb_ids: ["2a03:00FF"]}
  emulators: null
"""


def test_a_board_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    """From the user's file and from ours, mapping by mapping; null drops a mapping."""
    boards = load(tmp_path, FAMILY)
    uno = load_boards()["uno"]
    assert boards["parent"] == replace(uno, name="parent", title="A parent", ram_bytes=1024)
    child, upload = boards["child"], Upload(protocol="arduino", usb_ids=((0x2A03, 0xFF),))
    assert child == replace(boards["parent"], name="child", title="A child", upload=upload, emulators={})
    assert child.targets == ("hardware",)


def test_a_users_entry_replaces_ours_and_changes_no_other(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("uno:\n  inherits: stm32f4\nstm32f4:\n  inherits: nucleo_f446re\n", encoding="utf-8")
    boards, ours = load_boards(file), load_boards()
    assert boards["uno"] == replace(ours["nucleo_f446re"], name="uno")
    assert boards["stm32f4"] == replace(ours["nucleo_f446re"], name="stm32f4")
    assert list(boards) == list(ours)
    others = ours.keys() - {"uno", "stm32f4"}
    assert {name: boards[name] for name in others} == {name: ours[name] for name in others}


def test_a_users_entry_may_inherit_from_the_one_that_it_replaces(tmp_path: Path) -> None:
    boards = load(tmp_path, "uno:\n  inherits: uno\n  baud: 9600\nmine:\n  inherits: uno\n  title: Mine\n")
    uno = replace(load_boards()["uno"], baud=9600)
    assert boards == {"uno": uno, "mine": replace(uno, name="mine", title="Mine")}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a:\n  inherits: unu\n", 2, "a.inherits: there is no board 'unu'. Did you mean 'uno'?"),
        ("a:\n  inherits: a\n", 2, "a.inherits: a from a is a circle"),
        ("a:\n  inherits: b\nb:\n  inherits: a\n", 4, "a from b from a is a circle"),
        ("a:\n  inherits: [uno]\n", 2, "must be a text"),
        ("a:\n  inherits: uno\n  ram_byte: 5\n", 3, "unknown key 'ram_byte'. Did you mean 'ram_bytes'?"),
        ("a:\n  inherits: uno\n  upload: {protokoll: x}\n", 3, "Did you mean 'protocol'?"),
        ("a:\n  inherits: uno\n  ram_bytes: 4096\n", 3, "but simavr's atmega328p has 2048"),
        ("a:\n  inherits: uno\n  title: null\n", 3, "must be a text"),
    ],
)
def test_a_mistake_in_a_family_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert f"boards.yaml:{line}: " in str(caught.value), str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("flash_bytes", "flash_byte", 6, "unknown key 'flash_byte'. Did you mean 'flash_bytes'?"),
        ("  mcu: ATmega8\n", "", 2, "the key 'mcu' is missing"),
        (
            "baud: 9600",
            "baud: fast",
            10,
            "tiny.baud must be a whole number above 0 in decimal digits, not 'fast'",
        ),
        ("baud: 9600", "baud: 0", 10, "above 0"),
        ("baud: 9600", "baud: -1", 10, "above 0"),
        ("baud: 9600", "baud: 0x10", 10, "decimal digits"),
        ("baud: 9600", "baud: 1:30", 10, "decimal digits"),
        ("baud: 9600", "baud: [9600]", 10, "not a list"),
        ("title: A tiny board", "title: 5", 2, "tiny.title must be a text (put it in quotes), not '5'"),
        ("title: A tiny board", 'title: " "', 2, "one line"),
        ("title: A tiny board", 'title: "a\\nb"', 2, "one line"),
        ("port: uno", "port: umo", 8, "unknown value 'umo'. Did you mean 'uno'?"),
        ("pio_env: uno", "pio_env: -t upload", 9, "tiny.pio_env: unknown value '-t upload'"),
        ("pio_env: uno", "pio_env: unu", 9, "tiny.pio_env: unknown value 'unu'. Did you mean 'uno'?"),
        ("{mcu: atmega8}", "{family: F408}", 16, "unknown value 'F408'. Did you mean 'F40"),
        ("{mcu: atmega8}", "{mcu: -x}", 16, "one word"),
        ("simavr: {mcu", "simvar: {mcu", 13, "tiny.emulators: unknown key 'simvar'. Did you mean 'simavr'?"),
        ("{mcu: atmega328p}", "{}", 13, "the key 'mcu' is missing"),
        ("{mcu: atmega328p}", "{mcu: atmega328p, speed: 1}", 13, "unknown key 'speed'. Known: mcu."),
        ("{mcu: atmega328p}", "{mcu: atmega328}", 13, "'atmega328'. Did you mean 'atmega328p'?"),
        ("[fpu, dsp]", "[fpo, dsp]", 15, "unknown value 'fpo'. Did you mean 'fpu'?"),
        ("[fpu, dsp]", "[fpu, fpu]", 15, "cpu_features has a word twice"),
        (
            "simavr: {mcu: atmega328p}",
            "qemu: {machine: netduinoplus2}",
            13,
            "qemu's netduinoplus2 runs the port stm32f4, not uno",
        ),
        ("tiny:\n", "tiny__one:\n", 1, "single hyphens and underscores between them, not 'tiny__one'"),
        ("tiny:\n", "tiny-:\n", 1, "single hyphens and underscores between them, not 'tiny-'"),
        ("[fpu, dsp]", "fpu", 15, "must be a list like [fpu, dsp]"),
        ("toolchain: avr", "toolchain: afr", 14, "unknown value 'afr'. Did you mean 'avr'?"),
        ("toolchain: avr", "toolchain: arm", 14, "the port uno needs toolchain avr or platformio"),
        ("{mcu: atmega8}", "{cpu: atmega8}", 16, "tiny.build: unknown key 'cpu'. Did you mean 'mcu'?"),
        ("ram_bytes: 1024", "ram_bytes: 4096", 7, "ram_bytes is 4096, but simavr's atmega328p has 2048"),
        ("flash_bytes: 7680", "flash_bytes: 1000000", 6, "but simavr's atmega328p has 32768"),
        ("ram_bytes: 1024", "ram_bytes: 1K", 7, "in decimal digits, not '1K'. Write 1024."),
        ("ram_bytes: 1024", "ram_bytes: 2 KiB", 7, "in decimal digits, not '2 KiB'. Write 2048."),
        ("ram_bytes: 1024", "ram_bytes: 1.5", 7, "tiny.ram_bytes must be a whole number"),
        ("  baud: 9600\n", "  baud: 9600\n  baud: 9601\n", 11, "'baud' is there twice, first in line 10"),
        ("  baud: 9600\n", "", 8, "needs cpu_hz, flash_bytes, ram_bytes and baud"),
        ("ram_bytes: 1024", "ram_bytes: null", 8, "needs cpu_hz, flash_bytes, ram_bytes and baud"),
        ("port: uno", "port: native", 14, "the port native needs toolchain host"),
        ("settle_s: 1", "settle_s: .inf", 12, "seconds between 0 and 99"),
        ("settle_s: 1", "settle_s: -1", 12, "seconds between 0 and 99"),
        ('["2a03:00FF"]', '["2a03"]', 11, "vendor:product"),
        ('["2a03:00FF"]', "2a03:00FF", 11, "must be a list"),
        (
            "protocol: arduino",
            "protocol: magic",
            11,
            "unknown value 'magic'. Known: arduino, dfu, ",
        ),
        (
            "trigger_pin: 7",
            "trigger_pin: 1",
            18,
            "the port uno has no pin 1 for the trigger; its pins are 2 to",
        ),
        ("trigger_pin: 7", "trigger_pin: PB5", 18, "has no pin PB5"),
        ("trigger_pin: 7", "trigger_pin: [7]", 18, "tiny.trigger_pin must be a pin like 13 or PA5"),
        ("trigger_pin: 7", "trigger_pin: -7", 18, "must be a pin like 13 or PA5"),
        ("{mcu: atmega8}", "{hse_hz: 8000000}", 16, "the port uno does not set up its clock: no hse_hz"),
        ("{mcu: atmega8}", "{hse_bypass: maybe}", 16, "hse_bypass must be true or false, not 'maybe'"),
        ("tiny:\n", "Tiny Board:\n", 1, "small letters, digits, and single hyphens and underscores"),
        ("  title", "\ttitle", 2, "this is not YAML"),
        ("tiny:\n", "tiny: !!python/object/apply:os.system\n", 1, "tiny must be a mapping"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert old in ONE
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, ONE.replace(old, new, 1))
    text = str(caught.value)
    assert f"boards.yaml:{line}: " in text, text
    assert message in text, text


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", "- a\n", "just words", "a: 1\n---\nb: 2\n", "&a {b: *a}"]
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path, text)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[" * 20_000, b"a: " + b"9" * 10_000, b"a: \x00"])
def test_a_hostile_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "boards.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        load_boards(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_boards(tmp_path / "nowhere.yaml")


def test_an_alias_stands_for_its_anchor(tmp_path: Path) -> None:
    text = ONE.replace("upload: {", "upload: &u {") + ONE.replace("tiny:", "twin:").replace(
        'upload: {protocol: arduino, usb_ids: ["2a03:00FF"]}', "upload: *u"
    )
    boards = load(tmp_path, text)
    assert boards["twin"].upload == boards["tiny"].upload


# --- whatever is done to the file, out come boards or a ConfigError -------------------------------------

LINES = OURS.splitlines(keepends=True)
WORDS = st.sampled_from(["null", "true", "[]", "{}", "<<", "1e9", "1:30", "!!int", "!!set", "2001-01-01"]) | (
    st.sampled_from(list("~-?:&*!0\"'|>%@`#,\t\r\n\x00\x85\ufeffé"))
)


def swap_lines(text: str, a: int, b: int) -> str:
    lines = text.splitlines(keepends=True)
    a, b = a % len(lines), b % len(lines)
    lines[a], lines[b] = lines[b], lines[a]
    return "".join(lines)


EDITS: st.SearchStrategy[Callable[[str], str]] = st.one_of(
    st.tuples(st.integers(0, len(OURS)), st.integers(0, 40)).map(lambda c: lambda t: t[: c[0]] + t[sum(c) :]),
    st.tuples(st.integers(0, len(OURS)), WORDS | st.text(max_size=5)).map(
        lambda c: lambda t: t[: c[0]] + c[1] + t[c[0] :]
    ),
    st.tuples(st.integers(0, 200), st.integers(0, 200)).map(
        lambda c: lambda t: swap_lines(t, *c) if t else t
    ),
    st.sampled_from(LINES).map(lambda line: lambda t: t + line),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(EDITS, min_size=1, max_size=4))
def test_a_mutated_file_gives_boards_or_a_config_error(
    tmp_path: Path, edits: list[Callable[[str], str]]
) -> None:
    text = OURS
    for edit in edits:
        text = edit(text)
    file = tmp_path / "boards.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        boards = load_boards(file)
    except ConfigError:
        return
    assert boards
    for name, board in boards.items():
        assert board.name == name
        assert set(board.emulators) <= EMULATORS.keys()
        assert board.port == "native" or (board.flash_bytes or 0) > 0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    key=st.sampled_from([*yaml.safe_load(ONE)["tiny"], "extra"]),
)
def test_any_value_under_any_key_is_read_or_refused(tmp_path: Path, key: str, value: object) -> None:
    """Independent oracle for whole numbers: what PyYAML's own loader makes of the same text."""
    tree = yaml.safe_load(ONE)
    tree["tiny"][key] = value
    text = yaml.safe_dump(tree, allow_unicode=True)
    try:
        board = load(tmp_path, text)["tiny"]
    except ConfigError:
        return
    if key in ("cpu_hz", "flash_bytes", "ram_bytes", "baud", "title", "notes", "mcu", "cpu"):
        assert getattr(board, key) == yaml.safe_load(text)["tiny"][key]
