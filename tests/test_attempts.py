# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from harness.attempts import PASSING, try_again
from harness.errors import ReasonCode
from harness.links import LinkLine, format_links, link_lines, parse_link
from harness.records import Attempt, LinkRecord, Result, Status
from tests.report import fixtures

CASE = fixtures.default_cases()[1]
OK = replace(fixtures.measured(CASE), seconds=10.0, started_at="2026-11-21T02:00:00Z")
LINK = LinkRecord(requests=9, resets=3)


def failed(code: str, status: Status = Status.FAILED) -> Result:
    result = fixtures.failed(CASE, f"Because of {code}.", status=status, reason_code=code)
    return replace(result, seconds=2.0, link=LINK, started_at="2026-11-21T01:00:00Z")


def run(results: list[Result], retries: int) -> tuple[Result, list[str], int]:
    """The result, the codes that were told, and how many tries were left over."""
    left, told = list(results), list[str]()
    result = try_again(lambda: left.pop(0), retries=retries, on_failure=told.append)
    return result, told, len(left)


def test_what_passes_is_tried_again_and_every_try_is_kept() -> None:
    result, told, left = run([failed("hang"), failed("reset"), OK, OK], retries=5)
    assert (told, left) == (["hang", "reset"], 1)
    assert result.outcome.status is Status.OK
    assert result.attempts == tuple(
        Attempt(reason_code=code, reason=f"Because of {code}.", seconds=2.0, link=LINK)
        for code in ("hang", "reset")
    )
    assert (result.started_at, result.seconds) == ("2026-11-21T01:00:00Z", 14.0)
    assert replace(result, attempts=(), seconds=10.0, started_at=OK.started_at) == OK


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_it_ends_after_so_many_retries(retries: int) -> None:
    result, told, left = run([failed("no-reply")] * 5, retries=retries)
    assert (len(told), left, len(result.attempts)) == (retries, 4 - retries, retries)
    assert result.outcome.reason_code == "no-reply"


@pytest.mark.parametrize("code", sorted(set(ReasonCode) - PASSING))
def test_what_does_not_pass_is_a_result(code: ReasonCode) -> None:
    """A wrong output above all: tried until it is right, it would be hidden."""
    assert run([failed(code), OK], retries=3)[1:] == ([], 1)


def test_a_board_that_is_not_there_is_not_waited_for() -> None:
    assert run([failed("no-board", Status.UNAVAILABLE), OK], retries=3)[1:] == ([], 1)
    assert run([failed("no-board"), OK], retries=3)[1:] == (["no-board"], 0)


def test_the_lines_of_a_case_number_its_tries() -> None:
    result, _, _ = run([failed("hang"), OK], retries=1)
    first, last = link_lines(result, row=7, earlier=2)
    assert first == LinkLine(
        row=7,
        case=CASE.id,
        attempt=3,
        reason_code="hang",
        reason="Because of hang.",
        seconds=2.0,
        requests=9,
        retries=0,
        resets=3,
        reconnects=0,
        power_cycles=0,
        rx_lost=0,
    )
    assert (last.row, last.attempt, last.reason_code, last.seconds) == (7, 4, None, 10.0)


@pytest.mark.parametrize("code", sorted(ReasonCode))
def test_a_case_has_a_line_if_a_device_was_reached_for(code: ReasonCode) -> None:
    lines = link_lines(replace(failed(code), link=None), row=1, earlier=0)
    assert len(lines) == (code in PASSING)
    # a wrong output came over a line, which may have been a bad one
    (line,) = link_lines(failed(code), row=1, earlier=0)
    assert (line.reason_code, line.resets) == (code, 3)


def test_lines_read_back_as_they_were() -> None:
    hostile = replace(failed("hang"), outcome=replace(failed("hang").outcome, reason='=1\n"a",b;@c'))
    lines = (
        *link_lines(fixtures.on_a_board(OK), row=1, earlier=0),
        *link_lines(hostile, row=2, earlier=1),
        *link_lines(replace(failed("upload"), link=None), row=3, earlier=2),
    )
    text = format_links(lines).split(b"\n")[:-1]
    assert tuple(parse_link(line, "x") for line in text) == lines
    assert b""",hang,"'=1 """ in text[1], "a cell that a spreadsheet would take for a formula"
    measured = fixtures.on_a_board(OK).measurement
    assert measured
    assert (lines[0].window_list, lines[0].host_check) == (measured.windows, measured.host_check)
