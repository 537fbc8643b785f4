# SPDX-License-Identifier: Apache-2.0
"""The text of links.csv, both ways, with no I/O: how each case was reached, not what came of it.

One line is one attempt at a case on a device. `row` is the line of results.csv (from 1, header not counted)
that the attempt belongs to, so that lines of a case that had not ended are known by their number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from harness.attempts import PASSING
from harness.errors import ConfigError
from harness.records import Attempt, HostCheck, Measurement, Result, Window
from harness.rows import format_line, one_line, parse_line


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LinkLine:
    """One line of links.csv; docs/RESULTS.md gives units and meanings. None: not known."""

    row: int
    case: str
    attempt: int
    reason_code: str | None
    reason: str | None
    seconds: float | None
    requests: int | None = None
    retries: int | None = None
    resets: int | None = None
    reconnects: int | None = None
    power_cycles: int | None = None
    rx_lost: int | None = None
    baud: int | None = None
    start_baud: int | None = None
    settings: str | None = None
    host_ticks: int | None = None
    host_seconds: float | None = None
    windows: str | None = None
    """`ticks/inferences` of each, separated by blanks."""

    @property
    def window_list(self) -> tuple[Window, ...]:
        pairs = [item.partition("/") for item in (self.windows or "").split()]
        return tuple(Window(ticks=int(ticks), inferences=int(count)) for ticks, _, count in pairs)

    @property
    def host_check(self) -> HostCheck | None:
        if self.host_ticks is None or self.host_seconds is None:
            return None
        return HostCheck(ticks=self.host_ticks, host_s=self.host_seconds)


LINK_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(LinkLine))
LINKS_HEADER: Final = (",".join(LINK_COLUMNS) + "\n").encode()
_TYPES: Final = {field.name: str(field.type) for field in dataclasses.fields(LinkLine)}


def link_lines(result: Result, *, row: int, earlier: int) -> tuple[LinkLine, ...]:
    """The attempts behind a result, oldest first; none where no device was reached for.

    Args:
        row: number of the result's line in results.csv.
        earlier: attempts at this case that links.csv has already.
    """
    tries = list(result.attempts)
    measured, outcome = result.measurement, result.outcome
    link = measured.link if measured else result.link
    if link is not None or outcome.reason_code in PASSING:
        seconds = result.seconds - sum(attempt.seconds for attempt in tries)
        code, reason = outcome.reason_code, outcome.reason
        tries.append(Attempt(reason_code=code, reason=reason, seconds=max(0.0, seconds), link=link))
    lines = [
        LinkLine(
            row=row,
            case=result.case_id,
            attempt=number,
            reason_code=attempt.reason_code or None,
            reason=one_line(attempt.reason) or None,
            seconds=round(attempt.seconds, 3),
            **(dataclasses.asdict(attempt.link) if attempt.link else {}),
        )
        for number, attempt in enumerate(tries, earlier + 1)
    ]
    if measured:
        lines[-1] = _with_numbers(lines[-1], measured)
    return tuple(lines)


def _with_numbers(line: LinkLine, measured: Measurement) -> LinkLine:
    check = measured.host_check
    return dataclasses.replace(
        line,
        settings=measured.settings or None,
        host_ticks=check.ticks if check else None,
        host_seconds=check.host_s if check else None,
        windows=" ".join(f"{window.ticks}/{window.inferences}" for window in measured.windows) or None,
    )


def format_links(lines: Sequence[LinkLine]) -> bytes:
    """The lines as links.csv has them."""
    return b"".join(format_line([getattr(line, name) for name in LINK_COLUMNS]) for line in lines)


def parse_link(line: bytes, where: str) -> LinkLine:
    """A line of links.csv, without its newline; `where` is file and line for messages.

    Raises:
        ConfigError: not such a line.
    """
    parsed = LinkLine(**parse_line(line, _TYPES, where))
    try:
        _ = parsed.window_list, parsed.host_check
    except ValueError as error:
        raise ConfigError(f"{where}: windows or host check: {error}.", fix="Restore the file.") from error
    return parsed
