# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from harness.cli import main
from harness.records import Status
from harness.report.compare import (
    INTERRUPT_FRAME_BYTES,
    QUANTITIES,
    REPEATABILITY,
    compare,
)
from harness.report.compare_rules import ANY, Judgement, parse_rules
from harness.report.compare_table import breach_text, json_text, markdown
from harness.rows import Row
from tests.readme import REFERENCE
from tests.report.compared_rows import (
    ESP32,
    MARKDOWN,
    PROVENANCE,
    ROWS,
    STM,
    TIGHT,
    UNO,
    side,
    terminal,
)

# --- what is shown ----------------------------------------------------------------------------------


def doctored(row: Row) -> Row:
    if row.case == UNO.case:
        return replace(row, latency_ticks_median=999_999.0, model_sha256="cd" * 32)
    if row.case == STM.case:
        return replace(row, status=Status.FAILED, reason="a <b>|bad</b> `end`", latency_ticks_median=None)
    return row


RULES = parse_rules(["any"])
COMPARISON = compare(
    side(*ROWS.values()), side(*(doctored(row) for row in list(ROWS.values())[:-1]), label="<script>|b")
)
JUDGEMENT = Judgement.of(COMPARISON, RULES)


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("everything", [False, True])
def test_tables_keep_their_width_and_their_numbers(width: int, everything: bool) -> None:
    text = terminal(JUDGEMENT, width, everything=everything)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    line = next(line for line in text.splitlines() if "999,999" in line)
    base = UNO.latency_ticks_median or 0
    assert f"{base:,.0f}" in line, "numbers must not be folded"
    assert f"{(999_999 - base) / base:+.2%}".replace("%", " %") in line
    assert line.rstrip().endswith("worse")
    assert (f"+{999_999 - base:,.0f}" in line) == (width >= 80)
    assert ("same" in text.split("\nCPU cycles\n")[1]) == everything


def test_only_what_changed_is_shown_unless_all_is_asked_for() -> None:
    text = terminal(JUDGEMENT, 120)
    assert "24 cases did not change" in text
    assert "gesture" not in text
    assert "gesture" in terminal(JUDGEMENT, 120, everything=True)


@pytest.mark.parametrize("known_by", ["base", "new"])
def test_every_lane_shown_is_labelled_for_what_its_numbers_are(known_by: str) -> None:
    """Most of all the ESP32's, which is none."""
    label = "Instructions of LLVM's code <on> QEMU's core; no ESP32"
    known = replace(PROVENANCE, targets={"esp32:qemu": {"label": label, "clock": "instructions"}})
    sides = {
        name: replace(side(row), provenance=known if name == known_by else None)
        for name, row in (("base", ESP32), ("new", replace(ESP32, flash_bytes=1)))
    }
    judgement = Judgement.of(compare(sides["base"], sides["new"]), ())
    assert f"Executed instructions\nesp32:qemu: {label}\n" in terminal(judgement, 120)
    assert f"esp32:qemu: {label}" in MARKDOWN.render(markdown(judgement)).replace("&lt;", "<").replace(
        "&gt;", ">"
    )
    assert json.loads(json_text(judgement))["lanes"] == {"esp32:qemu": label}
    nameless = compare(*(replace(found, provenance=None) for found in sides.values()))
    assert "esp32:qemu: What it counts is not recorded." in terminal(Judgement.of(nameless, ()), 120)


def test_what_does_not_fit_stands_under_its_lanes_clock() -> None:
    """Nothing timed it, but what would have is known: found as `Not timed` above the Uno's cycles."""
    row = replace(UNO, status=Status.DOES_NOT_FIT, reason="too large", clock=None, latency_ticks_median=None)
    before = side(replace(row, flash_bytes=40_000))
    text = terminal(Judgement.of(compare(before, side(row)), ()), 120)
    assert "\nCPU cycles\n" in text
    assert "Not timed" not in text


def test_markdown_shows_hostile_text_as_text() -> None:
    text = markdown(JUDGEMENT)
    tokens = MARKDOWN.parse(text)
    inline = [child for token in tokens for child in token.children or []]
    assert not any(token.type.startswith("html") for token in [*tokens, *inline])
    shown = "\n".join(child.content for child in inline)
    assert "<script>|b" in shown
    assert "a <b>|bad</b> `end`" in shown
    widths = {row.count("|") - row.count("\\|") for row in text.splitlines() if row.startswith("| ")}
    assert len(widths) == 1, "each row has all its cells"


def test_json_holds_every_number_of_every_case() -> None:
    plain = json.loads(json_text(JUDGEMENT))
    assert [case["case"] for case in plain["cases"]] == list(ROWS)
    found = next(case for case in plain["cases"] if case["case"] == UNO.case)
    assert found["numbers"]["latency"] | {"reason": ""} == {
        "base": UNO.latency_ticks_median,
        "new": 999_999.0,
        "difference": 999_999.0 - (UNO.latency_ticks_median or 0),
        "percent": pytest.approx((999_999.0 / (UNO.latency_ticks_median or 1) - 1) * 100),
        "tolerance": 0.0,
        "verdict": "worse",
        "reason": "",
        "clock": "cycles",
        "metric": None,
    }
    assert found["numbers"]["flash"]["verdict"] == "same"
    assert {(breach["case"], breach["rule"]) for breach in plain["breaches"]} == {
        (UNO.case, "latency>2%"),
        (STM.case, "status"),
        (list(ROWS)[-1], "status"),
    }


def test_json_stays_json_with_numbers_that_are_none() -> None:
    comparison = compare(side(UNO), side(replace(UNO, latency_ticks_median=float("inf"))))
    plain = json.loads(json_text(Judgement.of(comparison, ())))
    assert plain["cases"][0]["numbers"]["latency"]["new"] is None


def test_a_breach_names_case_numbers_and_rule() -> None:
    (breach,) = Judgement.of(
        compare(side(UNO), side(replace(UNO, latency_ticks_median=(UNO.latency_ticks_median or 0) * 2))),
        parse_rules(["latency>2%"]),
    ).breaches
    ticks = f"{UNO.latency_ticks_median:,.0f}"
    assert breach_text(breach).startswith(f"{UNO.case}: breaks latency>2%: latency {ticks} -> ")
    assert breach_text(breach).endswith(f" cycles (+{ticks}, +100.00 %)")


# --- the command ------------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def quantrig(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `quantrig compare` in a folder with results/reference; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("reference", "new"):
        (tmp_path / "results" / name).mkdir(parents=True)
        for file in ("run.json", "results.csv"):
            shutil.copy(REFERENCE / file, tmp_path / "results" / name)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["compare", *arguments])
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


def edit(path: Path, case: str, **cells: Callable[[str], str]) -> None:
    """Change cells of a case's line in a results.csv."""
    with path.open(newline="") as file:
        header, *lines = list(csv.reader(file))
    for line in lines:
        if line[0] == case:
            for column, make in cells.items():
                line[header.index(column)] = make(line[header.index(column)])
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])


CASE = "digits/ptq-int8/aot@uno:simavr"


def test_the_reference_run_equals_itself(quantrig: Run) -> None:
    code, out, err = quantrig("reference", "new", "--fail-on", "any," + ",".join(TIGHT))
    assert (code, err) == (0, "")
    assert re.search(r"(\d+) cases in both; numbers: \d+ same\n\n\1 cases did not change", out)


def test_a_slower_case_fails_by_its_rule_and_is_shown_without(quantrig: Run, tmp_path: Path) -> None:
    edit(
        tmp_path / "results" / "new" / "results.csv",
        CASE,
        latency_ticks_median=lambda ticks: str(float(ticks) * 1.03),
        flash_bytes=lambda size: str(int(size) + 2),
    )
    code, out, err = quantrig("reference", "new")
    assert (code, err) == (0, "")
    assert "+3.00 %" in out
    assert quantrig("reference", "new", "--fail-on", "latency>4%,flash>2B")[0] == 0
    code, _, err = quantrig("reference", "new", "--fail-on", "latency>2%", "--fail-on", "flash>1")
    assert code == 1
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        [CASE, "breaks latency>2%"],
        [CASE, "breaks flash>1"],
    ]
    code, out, _ = quantrig("reference", "new", "--fail-on", "latency>2%", "--json", "--markdown", "s.md")
    assert code == 1
    assert json.loads(out)["breaches"][0]["case"] == CASE
    assert "breaks latency&gt;2%" in (tmp_path / "s.md").read_text()
    assert quantrig("new", "reference", "--fail-on", "any")[0] == 0, "faster is no failure"


def test_a_lone_results_csv_is_a_baseline(quantrig: Run, tmp_path: Path) -> None:
    base = tmp_path / "baseline.csv"
    shutil.copy(REFERENCE / "results.csv", base)
    code, out, _ = quantrig("baseline.csv", "latest", "--fail-on", "any")
    assert code == 0
    assert "BASE is a table without run.json" in out
    # An editor that saves without the last newline, or with CR LF, does no harm.
    base.write_bytes(base.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))
    assert quantrig("baseline.csv", "new", "--fail-on", "any")[0] == 0
    edit(base, CASE, arena_bytes=lambda size: str(int(size) - 1))
    assert quantrig("baseline.csv", "results/new/results.csv", "--fail-on", "arena>0")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("reference", "nope"), ("No run 'nope'",)),
        (("reference", "new", "--fail-on", "latency>two"), ("not a rule", "latency>2%")),
        (("text.csv", "new"), ("text.csv:1", "columns")),
        (("torn.csv", "new"), ("torn.csv:2", "cells")),
        (("hostile.csv", "new"), ("hostile.csv:2", "is not a case")),
        (("other.csv", "new"), ("no case in common",)),
        (("reference", "new", "--markdown", "results"), ("Cannot write results",)),
        (("reference",), ("Missing argument 'NEW'",)),
    ],
    ids=" ".join,
)
def test_what_cannot_be_compared_is_said_by_exit_code_two(
    quantrig: Run, tmp_path: Path, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    lines = (REFERENCE / "results.csv").read_bytes().split(b"\n")
    case = lines[1].split(b",")[0]
    (tmp_path / "text.csv").write_text("case,flash\n")
    (tmp_path / "torn.csv").write_bytes(lines[0] + b"\n" + lines[1][:40])
    (tmp_path / "hostile.csv").write_bytes(lines[0] + b"\n" + lines[1].replace(case, b"<b>/x|y/z@a:b"))
    (tmp_path / "other.csv").write_bytes(lines[0] + b"\n" + lines[1].replace(case, b"w/v/aot@b:t"))
    code, _, err = quantrig(*arguments)
    assert code == 2
    assert "Traceback" not in err
    for part in parts:
        assert part in err, err


def test_the_documentation_has_the_rules_and_tolerances_of_the_code() -> None:
    text = (REFERENCE.parents[1] / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    section = text.split("## Comparing two runs")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if "|" in line
    ]
    rules = [rule for row in rows if len(row) == 2 for rule in re.findall(r"`([^`]+)`", row[0])]
    assert {rule.name for rule in parse_rules([rule for rule in rules if rule != "rule"])} >= {
        *QUANTITIES,
        "wall",
    }
    assert next(re.findall(r"`([^`]+)`", row[1]) for row in rows if row[0] == "`any`") == list(ANY)
    latency = [row[2] for row in rows if row[0] == "latency"]
    assert [re.findall(r"\d+", cell)[0] for cell in latency] == ["0", "1", "0", "2", "25"]
    assert [max(rule.absolute_ticks, 100 * rule.relative) for rule in REPEATABILITY] == [0, 1, 0, 0, 25, 2]
    stack = next(row[2] for row in rows if row[0] == "stack")
    assert {int(size) for size in re.findall(r"\d+", stack)} == set(INTERRUPT_FRAME_BYTES.values())
