# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.records import Outcome, Status
from harness.report import write_report
from harness.report.markdown import report_text
from harness.report.view import View
from harness.rows import format_row, parse_row
from harness.run_reader import RunReader
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
ROWS = tuple(parse_row(format_row(fixtures.result_of(case))[:-1], "") for case in CASES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = fixtures.write_run(tmp_path_factory.mktemp("results"))
    write_report(path)
    return path


def section(text: str, heading: str) -> str:
    return re.split(r"\n## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1)[0]


def test_the_report_stands_beside_the_results_and_its_plots_exist(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    images = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(images) == 8
    assert all((run / image).stat().st_size > 10_000 for image in images)
    assert sorted(f"plots/{path.name}" for path in (run / "plots").iterdir()) == sorted(images)


def test_the_same_results_give_the_same_bytes(run: Path) -> None:
    before = {path: path.read_bytes() for path in (run / "report.md", *(run / "plots").iterdir())}
    (run / "plots" / "stale.png").touch()
    write_report(run)
    after = {path: path.read_bytes() for path in (run / "report.md", *(run / "plots").iterdir())}
    assert after == before
    assert RunReader.open(run).pending == ()


def test_the_summary_counts_what_the_rows_say(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "**27 cases**: 26 ok, 1 does not fit." in text
    compared = sum(row.outputs_compared or 0 for row in ROWS)
    assert f"{compared:,} output elements compared with tflite-micro 0.dev20261023: **none differs**." in text
    digits = {row.variant: row for row in ROWS if row.workload == "digits" and row.board == "uno"}
    sine = {row.variant: row for row in ROWS if row.workload == "sine" and row.board == "uno"}
    ratios = [
        (rows["ptq-int8"].latency_ticks_median or 0) / (rows["float32"].latency_ticks_median or 1)
        for rows in (digits, sine)
    ]
    line = next(line for line in text.splitlines() if line.startswith("- ptq-int8 on uno:simavr"))
    assert f"{min(ratios):.2f} to {max(ratios):.2f} of the cycles, 0.25 of the arena" in line
    assert f"accuracy -0.55 points on digits; MAE \u00d7{0.0745 / 0.0612:.2f} on sine." in line
    assert "gesture" not in line
    title = PROVENANCE.boards["uno"]["title"]
    assert line.startswith(f"- ptq-int8 on uno:simavr, {title}, compared with float32: "), (
        "an ESP32 that is none"
    )
    assert "gesture/float32/aot@uno:simavr: does not fit. flash: needs 40056 bytes" in text


def test_it_says_what_was_not_measured_on_hardware(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    part = section(text, "What was not measured on hardware")
    assert "**Nothing in this run was measured on a board.**" in part
    for target in PROVENANCE.targets.values():
        assert target["label"] in part
    assert "Synthetic data, made by a generator: gesture, sine." in part
    cases = ("digits/float32/aot@uno:hardware", "digits/float32/aot@uno:simavr")
    mixed = report_text(View.of((), replace(PROVENANCE, cases=cases)), {}, [])
    assert "These lanes are not boards:" in section(mixed, "What was not measured on hardware")
    real = report_text(View.of((), replace(PROVENANCE, cases=cases[:1])), {}, [])
    assert "What was not measured on hardware" not in real


def test_each_clock_has_a_section_with_its_label_and_rate(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    for heading, lane in (
        ("CPU cycles", "uno:simavr"),
        ("Executed instructions", "stm32f4:qemu"),
        ("Wall time of the host", "native:native"),
    ):
        part = section(text, heading)
        assert PROVENANCE.targets[lane]["label"] in part
        assert part.count("\n### ") == 3
        assert ("16 MHz on uno:simavr" in part) == (lane == "uno:simavr")


def test_provenance_is_there(run: Path) -> None:
    part = section((run / "report.md").read_text(encoding="utf-8"), "Provenance")
    for value in ("quantrig sweep", PROVENANCE.git_revision, "5.4.0", "-O2 -ffp-contract=off", "32,256"):
        assert value in part


def test_failures_and_mismatches_are_in_the_summary() -> None:
    rows = [
        replace(ROWS[0], mismatches=3),
        replace(ROWS[1], status=Status.FAILED, reason="It <b>broke</b> | badly.", reason_code="build"),
        *ROWS[2:20],
    ]
    text = report_text(View.of(rows, PROVENANCE), {}, [])
    assert "17 ok" in text or "18 ok" in text
    assert "1 FAILED, 7 not run yet." in text
    assert "**3 differ**, in 1 cases." in text
    assert r"FAILED. It &lt;b&gt;broke&lt;/b&gt; \| badly." in text
    assert "No output was compared" in report_text(View.of((), PROVENANCE), {}, [])


def test_hostile_provenance_cannot_break_the_report() -> None:
    nasty = "x\n## Fake | <img src=x onerror=y> `"
    view = View.of(
        ROWS, replace(PROVENANCE, run_id=nasty, command=(nasty,), host={nasty: nasty}, tools={"a": nasty})
    )
    text = report_text(view, {}, [])
    assert "\n## Fake" not in text
    assert "<img" not in text


def test_a_killed_run_has_a_report(tmp_path: Path) -> None:
    path = fixtures.write_run(tmp_path, [fixtures.result_of(case) for case in CASES[:4]])
    with (path / "results.csv").open("ab") as file:
        file.write(b"digits/qat-int8/aot@uno")
    text = write_report(path).read_text(encoding="utf-8")
    assert "**27 cases**: 4 ok, 23 not run yet." in text


def test_an_unwritable_report_is_a_clear_error(tmp_path: Path) -> None:
    path = fixtures.write_run(tmp_path, [])
    (path / "plots").write_text("in the way")
    with pytest.raises(ConfigError, match="Cannot write the report"):
        write_report(path)
    with pytest.raises(ConfigError, match="not a results folder"):
        write_report(tmp_path)


def test_outlying_samples_are_doubted_in_the_report(tmp_path: Path) -> None:
    result = fixtures.measured(CASES[0])
    assert result.measurement
    ticks = (*result.measurement.ticks[:-1], 10 * result.measurement.ticks[-1])
    slow = replace(
        result, measurement=replace(result.measurement, ticks=ticks), outcome=Outcome(status=Status.OK)
    )
    text = write_report(fixtures.write_run(tmp_path, [slow])).read_text(encoding="utf-8")
    assert re.search(r"The slowest inference took \d+\.\d times the median\.", text)
