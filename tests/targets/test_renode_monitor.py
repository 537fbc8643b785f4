# SPDX-License-Identifier: Apache-2.0
"""What Renode's console means, line by line, from the transcripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import children
from harness.errors import TargetError
from harness.targets.renode_monitor import Lines, Monitor
from harness.targets.renode_script import READY

TRANSCRIPTS = Path(__file__).parent / "renode_transcripts"

INFO = "12:34:56.7890 [INFO] "


def played(*names: str, **values: object) -> Lines:
    """The parser after these transcripts."""
    lines = Lines()
    text = "".join((TRANSCRIPTS / f"{name}.txt").read_bytes().decode() for name in names)
    for line in text.format(folder="/srv/qr", time="12:34:56.7890", **values).split("\n"):
        lines.feed(line)
    return lines


def running(*events: str) -> Lines:
    """A started machine, and then these lines."""
    lines = played("banner", "script", "started")
    for event in events:
        lines.feed(event)
    return lines


def test_a_script_that_is_carried_out() -> None:
    assert not played("banner").ready
    lines = played("banner", "script")
    assert lines.ready
    assert not lines.refusal


def test_a_script_that_fails_is_quoted_with_the_reason() -> None:
    lines = played("banner", "refused")
    assert not lines.ready
    assert lines.refusal[0].startswith("There was an error executing command 'machine LoadPlatform")
    assert "Error E39" in lines.refusal[1]
    assert "conflicts with peripheral" in lines.refusal[2]


@pytest.mark.parametrize(
    "complaint",
    ["No such command or device: cpu", "Could not find file '/srv/script.resc'", "Could not tokenize here:",
     "Bad parameters for command log 1 2", "No such variable: $x", "Failed to download https://x, see log"],
)  # fmt: skip
def test_every_complaint_of_the_monitor_counts(complaint: str) -> None:
    lines = played("banner")
    lines.feed(f"{complaint}\r")
    assert lines.refusal == [complaint]


def test_a_refused_hook_is_a_refusal_and_no_section() -> None:
    """The complaint quotes the command, and with it the words that the hook would write."""
    lines = played("banner")
    lines.feed("There was an error executing command 'cpu AddHook 0x0 \"self.InfoLog('qr-begin {0}', 1)\"'")
    assert lines.refusal
    assert lines.odd is None


def test_a_section() -> None:
    lines = played("banner", "script", "started", "section", begin=291794, end=292000)
    assert list(lines.sections) == [206]
    assert lines.odd is None


def test_hexadecimal_counts_as_the_monitor_prints_them() -> None:
    lines = running(f"{INFO}cpu: qr-begin 0x00000000000473D2", f"{INFO}cpu: qr-end 0x47400")
    assert list(lines.sections) == [0x47400 - 0x473D2]


def test_ends_without_beginning_are_the_ports_own_empty_sections() -> None:
    lines = running(f"{INFO}cpu: qr-end 812", f"{INFO}cpu: qr-begin 900", f"{INFO}cpu: qr-end 1000")
    assert list(lines.sections) == [100]
    lines.feed(f"{INFO}cpu: qr-end 1100")
    assert (list(lines.sections), lines.odd) == ([100], None)


def test_what_the_shell_writes_in_between_does_not_matter() -> None:
    lines = running(
        f"(quantrig) \x1b[s\x1b[J\x1b[u{INFO}quantrig/cpu: qr-begin 10\r",
        "12:34:56.7890 [WARNING] usart2: Unhandled read from offset 0x10.",
        "",
        f"(quantrig) {INFO}cpu: qr-end 30",
    )
    assert (list(lines.sections), lines.odd) == ([20], None)


@pytest.mark.parametrize(
    "events",
    [
        ("cpu: qr-begin 10", "cpu: qr-begin 20"),
        ("cpu: qr-begin 10", "cpu: qr-end 10"),
        ("cpu: qr-begin 10", "cpu: qr-end 9"),
        ("cpu: qr-begin {0}", "cpu: qr-end 20"),
        ("cpu: qr-begin", "cpu: qr-end 20"),
        ("cpu: qr-begin 10", "cpu: qr-end 20 (2)"),
        ("cpu: qr-begin 10", "cpu: qr-end -20"),
        ("cpu: qr-begin 10cpu: qr-end 20", ""),
        ("cpu: qr-begin 1,000", "cpu: qr-end 1,020"),
        ("cpu: qr-begin 10", "cpu: qr-end 2e3"),
    ],
)
def test_lines_that_cannot_be_right_are_remembered(events: tuple[str, ...]) -> None:
    lines = running(*(INFO + event for event in events))
    assert lines.odd is not None
    assert not lines.sections


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(1, 10**12)), max_size=20))
def test_every_pair_gives_its_difference(pairs: list[tuple[int, int]]) -> None:
    lines = running()
    for begin, count in pairs:
        lines.feed(f"{INFO}cpu: qr-begin {begin}")
        lines.feed(f"{INFO}cpu: qr-end {begin + count}")
    assert list(lines.sections) == [count for _, count in pairs]
    assert lines.odd is None


@given(st.text(), st.booleans())
def test_no_line_breaks_the_parser_or_makes_a_section(text: str, started: bool) -> None:
    lines = running() if started else Lines()
    lines.feed(text)
    assert not lines.sections


def test_last_words_are_errors_before_warnings_before_anything() -> None:
    assert played("banner").last_words().endswith("Renode, version 1.16.1 (add012af-202602160910)")
    lines = played("banner", "script", "started", "section", "abort", begin=1, end=2)
    assert lines.last_words().endswith("[ERROR] cpu: CPU abort [PC=0x40]: Trying to execute code outside RAM "
                                       "or ROM at 0x00000040.")  # fmt: skip
    assert "qr-begin" not in lines.last_words()


def test_last_words_of_a_crash_are_its_reason_and_not_the_trace() -> None:
    assert played("banner", "script", "crash").last_words() == (
        "Fatal error: Exception has been thrown by the target of an invocation."
    )


def monitor(log: Path, shell: str) -> Monitor:
    argv = ["sh", "-c", f"echo {READY}; {shell}"]
    pipes = children.spawn(argv, stdin=children.PIPE, stdout=children.PIPE, stderr=children.STDOUT)
    return Monitor(pipes, log)


SECTION = "echo cpu: qr-begin 10; echo cpu: qr-end 30"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (SECTION, "counted 1 timed sections for which the device did not answer"),
        ("echo cpu: qr-begin 40; echo cpu: qr-begin 41", "makes no sense: 'cpu: qr-begin 41'"),
    ],
)
def test_what_is_wrong_behind_the_last_answer_is_named(tmp_path: Path, more: str, words: str) -> None:
    with monitor(tmp_path / "log", f"{SECTION}; read it; {more}") as console:
        console.wait_until_ready(10)
        assert console.next_section(10) == 20
    with pytest.raises(TargetError, match=words):
        console.check_that_all_were_asked_for()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_log_that_cannot_be_written_lets_nobody_wait(tmp_path: Path) -> None:
    with (
        monitor(tmp_path, "read it") as console,
        pytest.raises(TargetError, match="ended before the firmware started"),
    ):
        console.wait_until_ready(60)
