# SPDX-License-Identifier: Apache-2.0
"""What a report says of boards, their lines, their windows, and of cases that were left out."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.records import Attempt, Clock, HostCheck, LinkRecord, Result, Status, Window
from harness.report import terminal_remarks, terminal_tables, write_report
from harness.run_reader import RunReader
from harness.store import RunWriter
from harness.sweep import Case
from tests.report import fixtures

BOARD, SIMULATED = (
    tuple(Case.parse(f"digits/{variant}/aot@uno:{target}") for variant in ("float32", "ptq-int8", "qat-int8"))
    for target in ("hardware", "simavr")
)
CASES = (*BOARD, *SIMULATED)
PROVENANCE = fixtures.provenance(CASES)
HANG = Attempt(
    reason_code="hang",
    reason="It answered | no longer.",
    seconds=4.0,
    link=LinkRecord(requests=31, retries=3, power_cycles=1, baud=115_200, start_baud=115_200),
)
WHY = "Quarantined: resets under load, issue 12 (quarantine.yaml, line 3)."


def on_board(case: Case) -> Result:
    """As the board gives it: its own counter, and windows that agree."""
    result = replace(fixtures.measured(case), clock=Clock.CYCLES, address="usb 7583 1-2")
    assert result.measurement
    windows = tuple(Window(ticks=1_600_000 + extra, inferences=10) for extra in (0, 10, 20, 30, 100_000))
    measurement = replace(
        result.measurement,
        windows=windows,
        host_check=HostCheck(ticks=int(16e6 * 2.5 * 1.03), host_s=2.5),
        link=LinkRecord(
            requests=720, retries=12, resets=2, reconnects=1, rx_lost=5, baud=500_000, start_baud=115_200
        ),
        settings="clock=hse;flash_ws=5",
        cpu_hz=16_000_000,
    )
    return replace(result, measurement=measurement)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with RunWriter.create(tmp_path_factory.mktemp("results"), PROVENANCE) as writer:
        writer.add(fixtures.failed(BOARD[0], "Nothing came back.", reason_code="no-reply"))
        writer.add(replace(on_board(BOARD[0]), attempts=(HANG,)))
        writer.add(on_board(BOARD[1]))
        writer.add(fixtures.failed(BOARD[2], WHY, status=Status.SKIPPED, reason_code="quarantined"))
        for case in SIMULATED:
            writer.add(fixtures.measured(case))
    write_report(writer.path)
    return writer.path


def section(run: Path, heading: str) -> str:
    text = (run / "report.md").read_text(encoding="utf-8")
    return re.split(r"\n## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1)[0]


def cells(text: str, start: str) -> list[str]:
    """Of the table's line that starts so."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_each_lane_says_where_it_is_and_how_it_is_set_up(run: Path) -> None:
    text = section(run, "Boards and their lines").split("What a line")[0]
    expected = ["uno:hardware", "usb 7583 1-2", "16,000,000", "timer1, 16,000,000 Hz"]
    first = cells(text, "uno:hardware")
    assert first == [*expected, "clock=hse, flash\\_ws=5"]
    assert cells(text, "uno:simavr")[1:3] == ["–", "–"]  # noqa: RUF001


def test_the_lines_of_a_lane_are_the_sums_of_its_tries(run: Path) -> None:
    text = section(run, "Boards and their lines")
    lanes = text.split("What a line")[1].split("Cases whose")[0]
    # of the rows that count: two cases, one of them at its second try
    assert cells(lanes, "uno:hardware") == [
        *("uno:hardware", "2", "3"),
        *("1,471", "27", "4", "2", "1", "10"),
        "115,200 to 500,000",
    ]
    assert cells(lanes, "uno:simavr")[1:4] == ["3", "3", "0"]
    troubled = text.split("Cases whose line was not clean:")[1]
    assert cells(troubled, "digits/ptq-int8/aot@uno:hardware")[1:] == [
        *("1", "12", "2", "1", "0", "5"),
        "115,200 to 500,000",
    ]
    assert "simavr" not in troubled


def test_every_try_that_failed_is_told_also_of_rows_that_count_no_more(run: Path) -> None:
    text = section(run, "Boards and their lines").split("Tries that failed:")[1]
    assert text.split("\n")[2:4] == [
        "- digits/float32/aot@uno:hardware, try 1: no-reply. Nothing came back.",
        "- digits/float32/aot@uno:hardware, try 2: hang. It answered \\| no longer.",
    ]


def test_a_try_that_failed_is_told_where_its_case_was_left_out_since(tmp_path: Path) -> None:
    """Nothing that reached a device counts in such a run, and none of its devices has answered."""
    with RunWriter.create(tmp_path, PROVENANCE) as writer:
        writer.add(fixtures.failed(BOARD[0], "Not flashed.", reason_code="upload"))
        writer.add(fixtures.failed(BOARD[0], WHY, status=Status.SKIPPED, reason_code="quarantined"))
    write_report(writer.path)
    assert "- digits/float32/aot@uno:hardware, try 1: upload. Not flashed.\n" in section(
        writer.path, "Boards and their lines"
    )


def test_windows_show_their_spread_and_the_clocks_error(run: Path) -> None:
    text = section(run, "Windows")
    # windows of 160,000 to 170,000 ticks an inference, median 160,002, deviations 2, 1, 0, 1, 9,998
    assert cells(text, "digits/float32/aot@uno:hardware")[1:] == [
        *("5", "160,002 ± 1", "–", "6.25%", "2.50", "+3.00%")  # noqa: RUF001
    ]
    assert "simavr" not in text


def test_a_quarantined_case_is_shown_as_such(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "**6 cases**: 5 ok, 1 quarantined." in text
    assert f"- digits/qat-int8/aot@uno:hardware: {WHY}" in section(run, "Quarantine")
    assert "| uno:hardware | qat-int8 | quarantined" in text
    reader = RunReader.open(run)
    console = Console(width=160, file=io.StringIO(), record=True)
    for table in terminal_tables(reader.rows, reader.provenance):
        console.print(table)
    assert "quarantined" in console.export_text()


def test_a_terminal_says_which_lines_were_not_clean(run: Path) -> None:
    assert list(terminal_remarks(RunReader.open(run))) == [
        "uno:hardware: sent again 27, resets 4, reconnects 2, power cycles 1, bytes lost 10, failed tries 1."
    ]


def test_a_run_without_boards_links_or_quarantine_says_nothing_of_them(run: Path, tmp_path: Path) -> None:
    """The reference run is older than links.csv, and its report must be what it was."""
    with RunWriter.create(tmp_path, PROVENANCE) as writer:
        for case in SIMULATED:
            writer.add(fixtures.measured(case))
        run_json = writer.path / "run.json"
    (writer.path / "links.csv").unlink()
    run_json.write_text(re.sub(r'"devices": \{.*?\n  \},\n', "", run_json.read_text(), flags=re.DOTALL))
    assert "devices" not in run_json.read_text()
    text = write_report(writer.path).read_text(encoding="utf-8")
    assert not re.search("Boards and their lines|## Windows|Quarantine", text)
    assert list(terminal_remarks(RunReader.open(writer.path))) == []
