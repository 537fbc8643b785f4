# SPDX-License-Identifier: Apache-2.0
"""What Renode is told, to the letter; and that no path can say more than a path."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.boards import EMULATORS
from harness.errors import UnavailableError
from harness.targets import renode_script
from harness.targets.renode_script import PLATFORMS, command, config, description, parse_version, script

TRANSCRIPTS = Path(__file__).parent / "renode_transcripts"

DESCRIPTION = """\
using "platforms/boards/stm32f4_discovery.repl"

qr_dwt: Miscellaneous.DWT @ sysbus 0xE0001000
    frequency: 100000000

timer2:
    frequency: 100000000

timer5:
    frequency: 50000000

usart2:
    frequency: 42000000

sysbus:
    init:
        Tag <0x50000010, 0x5000003f> "USB:RESET" 0x80000000
"""

SCRIPT = """\
using sysbus
mach create "quantrig"
machine LoadPlatformDescription @/srv/qr/board.repl
cpu PerformanceInMips 100
emulation CreateUartPtyTerminal "line" "/srv/qr/line" true
connector Connect sysbus.usart2 line
sysbus LoadELF @/srv/qr/firmware.elf
cpu AddHook 0x08000abc "self.InfoLog('qr-begin {0}', self.ExecutedInstructions)"
cpu AddHook 0x08001234 "self.InfoLog('qr-end {0}', self.ExecutedInstructions)"
log "quantrig: ready"
"""


def test_the_machine() -> None:
    assert description(PLATFORMS["stm32f4"], (1, 16, 1)) == DESCRIPTION


def test_before_1_16_there_is_no_cycle_counter() -> None:
    """Its CYCCNT stands still for a whole quantum; without one the firmware takes TIM2, which does not."""
    old = description(PLATFORMS["stm32f4"], (1, 15, 3))
    assert old == DESCRIPTION.replace(
        "qr_dwt: Miscellaneous.DWT @ sysbus 0xE0001000\n    frequency: 100000000\n\n", ""
    )


def test_the_script() -> None:
    assert script(PLATFORMS["stm32f4"], Path("/srv/qr"), begin=0x8000ABC, end=0x8001234) == SCRIPT


def test_nothing_is_downloaded_and_no_port_is_opened() -> None:
    line = " ".join(command("renode", Path("/srv/qr")))
    told = DESCRIPTION + SCRIPT + line
    assert not re.search(r"https?:|ApplySVD|Socket|-P\b|[Pp]ort\b", told)
    assert line == (
        "renode --disable-xwt --console --plain --config /srv/qr/renode.config"
        " --pid-file /srv/qr/renode.pid /srv/qr/script.resc"
    )


def test_the_users_history_of_commands_is_left_alone() -> None:
    assert config(Path("/srv/qr")) == "[general]\nhistory-path = /srv/qr/history\n"


def test_every_platform_of_boards_yaml_is_here() -> None:
    option, words = EMULATORS["renode"]
    assert option == "platform"
    assert set(words) == set(PLATFORMS)


def test_the_devices_clocks_agree_with_each_other() -> None:
    """Section counters run at the CPU's rate, and TIM5 at half of it, as the firmware believes."""
    changes = PLATFORMS["stm32f4"].changes
    assert int(changes["timer2"]["frequency"]) == renode_script.MIPS * 1_000_000
    assert 2 * int(changes["timer5"]["frequency"]) == renode_script.MIPS * 1_000_000


@pytest.mark.parametrize(
    "folder",
    ["/srv/my files", '/srv/a"b', "/srv/a'b", "/srv/a;quit", "/srv/$ORIGIN", "/srv/a`b`", "/srv/ü", "tmp/qr",
     "/srv/a\nquit", "/srv/#", "", "/srv/{0}"],
)  # fmt: skip
def test_a_folder_that_the_monitor_would_take_apart_is_refused(folder: str) -> None:
    for write in (lambda p: script(PLATFORMS["stm32f4"], p, begin=0, end=4), config):
        with pytest.raises(UnavailableError, match="TMPDIR"):
            write(Path(folder))


@given(st.text(min_size=1, max_size=20))
def test_a_path_that_is_taken_is_one_word_to_the_monitor(name: str) -> None:
    """Renode's tokenizer (Tokenizer.cs): a path ends at a blank or `;`, a string at its quote."""
    folder = f"/srv/{name}"
    try:
        text = script(PLATFORMS["stm32f4"], Path(folder), begin=0, end=4)
    except UnavailableError:
        return
    lines = text.splitlines()
    assert len(lines) == len(SCRIPT.splitlines())
    path = re.match(r"@(?:(?!;)((\\ )|\S))+", lines[2].split(" ", 2)[2])
    assert path is not None
    assert path[0] == f"@{Path(folder)}/board.repl"
    assert shlex.split(lines[4]) == [
        *("emulation", "CreateUartPtyTerminal", "line"), f"{Path(folder)}/line", "true"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "version"),
    [("1.16.1", (1, 16, 1)), ("1.15.3", (1, 15, 3)), ("1.17.0", (1, 17, 0)), ("1.12.0", (1, 12, 0))],
)
def test_versions_of_releases(name: str, version: tuple[int, int, int]) -> None:
    shown = (TRANSCRIPTS / f"version-{name}.txt").read_text()
    assert parse_version(shown) == version


@pytest.mark.parametrize(
    ("shown", "version"),
    [
        ("Renode, version 1.16.1 (add012af-202602160910)", (1, 16, 1)),
        ("Renode v1.17", (1, 17, 0)),
        ("You must install .NET.\nFramework: 'Microsoft.NETCore.App', version '8.0.0' (x64)", None),
        ("renode: error while loading shared libraries: libicuuc.so.72.1: cannot open", None),
        ("Segmentation fault", None),
        ("", None),
    ],
)
def test_other_forms_of_a_version(shown: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(shown) == version
