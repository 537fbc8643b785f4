# SPDX-License-Identifier: Apache-2.0
"""boards.yaml: what is in it is what we say is in it, and nothing wrong gets past the reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.boards import EMULATOR_OPTIONS, Board, Reset, Upload, load_boards
from harness.errors import ConfigError
from harness.resources import resource

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
  pio_env: tiny
  baud: 9600
  upload: {protocol: arduino, usb_ids: ["2a03:00FF"]}
  reset: {settle_s: 1}
  emulators: {simavr: {mcu: atmega8}}
  notes: "Small: very"
"""


def load(tmp_path: Path, text: str) -> dict[str, Board]:
    file = tmp_path / "boards.yaml"
    file.write_text(text, encoding="utf-8")
    return load_boards(file)


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
            pio_env="tiny",
            baud=9600,
            upload=Upload(protocol="arduino", usb_ids=((0x2A03, 0xFF),)),
            reset=Reset(settle_s=1.0),
            emulators={"simavr": {"mcu": "atmega8"}},
            notes="Small: very",
        )
    }


def test_our_own_file() -> None:
    """Sizes from the data sheets; order as in the file; a board can be a key of a dict."""
    boards = load_boards()
    assert list(boards) == ["native", "uno", "stm32f4", "nucleo_f446re", "black_f407ve"]
    limits = {name: (b.flash_bytes, b.ram_bytes, b.cpu_hz) for name, b in boards.items()}
    assert limits == {
        "native": (None, None, None),
        "uno": (32_256, 2_048, 16_000_000),
        "stm32f4": (2**20, 2**17, 168_000_000),
        "nucleo_f446re": (2**19, 2**17, 180_000_000),
        "black_f407ve": (2**19, 2**17, 168_000_000),
    }
    assert [boards[name].targets[0] for name in ("native", "uno", "stm32f4")] == ["native", "simavr", "qemu"]
    assert "hardware" in boards["uno"].targets
    assert len(set(boards.values())) == len(boards)


def test_our_file_agrees_with_the_firmware_tree() -> None:
    """The limits and rates stand in two places: here, and where PlatformIO looks for them."""
    ini = ConfigParser(interpolation=None)
    ini.read(resource("firmware") / "platformio.ini", encoding="utf-8")
    for board in load_boards().values():
        env = ini[f"env:{board.pio_env}"]
        assert board.port == "native" or f"env:{board.pio_env}_upstream" in ini
        definition = resource("firmware") / "platforms" / "quantrig" / "boards" / f"{env['board']}.json"
        facts = json.loads(definition.read_text(encoding="utf-8"))
        assert facts["build"]["port"] == board.port
        assert (facts["upload"].get("maximum_size") or None) == board.flash_bytes
        assert (facts["upload"].get("maximum_ram_size") or None) == board.ram_bytes
        assert facts["build"].get("baud") == board.baud
        if board.cpu_hz is not None:
            assert facts["build"]["f_cpu"] == f"{board.cpu_hz}L"
        if board.upload is not None:
            assert facts["upload"]["protocol"] == board.upload.protocol


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("flash_bytes", "flash_byte", 6, "unknown key 'flash_byte'. Did you mean 'flash_bytes'?"),
        ("  mcu: ATmega8\n", "", 2, "the key 'mcu' is missing"),
        ("baud: 9600", "baud: fast", 10, "tiny.baud must be a whole number, not 'fast'"),
        ("baud: 9600", "baud: 0", 10, "above 0"),
        ("baud: 9600", "baud: -1", 10, "above 0"),
        ("baud: 9600", "baud: 0x10", 10, "decimal digits"),
        ("baud: 9600", "baud: 1:30", 10, "decimal digits"),
        ("baud: 9600", "baud: [9600]", 10, "not a list"),
        ("title: A tiny board", "title: 5", 2, "tiny.title must be a text (put it in quotes), not '5'"),
        ("title: A tiny board", 'title: " "', 2, "one line"),
        ("title: A tiny board", 'title: "a\\nb"', 2, "one line"),
        ("port: uno", "port: umo", 8, "unknown value 'umo'. Did you mean 'uno'?"),
        ("pio_env: tiny", "pio_env: -t upload", 9, "one word"),
        ("simavr: {mcu", "simvar: {mcu", 13, "tiny.emulators: unknown key 'simvar'. Did you mean 'simavr'?"),
        ("{mcu: atmega8}", "{}", 13, "the key 'mcu' is missing"),
        ("{mcu: atmega8}", "{mcu: atmega8, speed: 1}", 13, "unknown key 'speed'. Known: mcu."),
        ("  baud: 9600\n", "  baud: 9600\n  baud: 9601\n", 11, "'baud' is there twice, first in line 10"),
        ("  baud: 9600\n", "", 2, "needs cpu_hz, flash_bytes, ram_bytes and baud"),
        ("ram_bytes: 1024", "ram_bytes: null", 2, "needs cpu_hz, flash_bytes, ram_bytes and baud"),
        ("port: uno", "port: native", 2, "no baud, no upload and no emulators"),
        ("settle_s: 1", "settle_s: .inf", 12, "seconds between 0 and 99"),
        ("settle_s: 1", "settle_s: -1", 12, "seconds between 0 and 99"),
        ('["2a03:00FF"]', '["2a03"]', 11, "vendor:product"),
        ('["2a03:00FF"]', "2a03:00FF", 11, "must be a list"),
        (
            "protocol: arduino",
            "protocol: magic",
            11,
            "unknown value 'magic'. Known: arduino, openocd, stlink.",
        ),
        ("tiny:\n", "Tiny Board:\n", 1, "small letters, digits and underscores"),
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
        assert set(board.emulators) <= EMULATOR_OPTIONS.keys()
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
