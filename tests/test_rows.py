# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from harness.attempts import PASSING
from harness.errors import ConfigError, ReasonCode
from harness.links import LINK_COLUMNS
from harness.records import Clock, Measurement, Outcome, Status
from harness.resources import resource
from harness.rows import (
    COLUMNS,
    SAMPLE_COLUMNS,
    format_provenance,
    format_row,
    format_samples,
    one_line,
    parse_provenance,
    parse_row,
    parse_samples,
)
from tests.report import fixtures

CASE = fixtures.default_cases()[1]
WHERE = "results.csv:2"
FORMULA = "=+-@\uff1d\uff0b\uff0d\uff20"
hostile = st.text(alphabet=st.one_of(st.sampled_from(FORMULA + "'\",;|\n\r\t\0\u2028\x1b"), st.characters()))


def test_the_columns_are_those_of_a_result() -> None:
    assert tuple(fixtures.measured(CASE).row()) == COLUMNS


def document_names(heading: str) -> tuple[str, ...]:
    """First cells of the table below a heading of docs/RESULTS.md."""
    text = (resource("boards.yaml").parent / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return tuple(re.findall(r"^\| `([\w-]+)`(?: \*)? \|", section, flags=re.MULTILINE))


def test_the_document_marks_the_codes_that_are_tried_again() -> None:
    text = (resource("boards.yaml").parent / "docs" / "RESULTS.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \* \|", text, flags=re.MULTILINE)) == PASSING


def test_the_document_lists_every_column_status_and_code() -> None:
    assert document_names("results.csv") == COLUMNS
    assert document_names("samples.csv") == SAMPLE_COLUMNS
    assert document_names("Status") == tuple(Status)
    assert document_names("links.csv") == LINK_COLUMNS
    codes = document_names("Reason codes")
    assert (set(codes), len(codes)) == (set(ReasonCode), len(ReasonCode))
    plain = json.loads(format_provenance(fixtures.provenance(())))
    assert set(document_names("run.json")) == set(plain)


@pytest.mark.parametrize("case", fixtures.default_cases(), ids=lambda case: case.id)
def test_a_row_reads_back_as_what_the_result_says(case: Any) -> None:
    result = fixtures.result_of(case)
    row = parse_row(format_row(result).removesuffix(b"\n"), WHERE)
    expected = result.row()
    assert dataclasses.asdict(row) == expected
    assert isinstance(row.status, Status)
    assert row.clock is None or isinstance(row.clock, Clock)


@given(hostile, st.lists(hostile, max_size=3))
def test_any_text_stays_one_line_and_no_formula(reason: str, warnings: list[str]) -> None:
    outcome = Outcome(
        status=Status.FAILED, reason_code="build", reason=reason or "-", warnings=tuple(warnings)
    )
    line = format_row(replace(fixtures.failed(CASE, "-"), outcome=outcome))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    cells = next(csv.reader(io.StringIO(line.decode(), newline=""), strict=True))
    assert not any(cell.startswith(tuple(FORMULA)) for cell in cells)
    # a spreadsheet set to another separator sees other cells
    assert not any(part.startswith(tuple(FORMULA)) for cell in cells for part in cell.split(";"))
    row = parse_row(line[:-1], WHERE)
    assert row.reason == (one_line(reason or "-") or None)
    assert row.warnings == (one_line("; ".join(warnings)) or None)


def test_text_is_cut_and_cleaned() -> None:
    assert one_line("a\n\tb\x1b[31m \u202e c") == "a b [31m c"
    assert one_line("x" * 5000) == "x" * 3997 + "..."
    assert one_line("caf\udce9") == "caf\\udce9"


def test_a_negative_number_stays_a_number() -> None:
    result = fixtures.measured(CASE)
    assert result.score
    line = format_row(replace(result, score=replace(result.score, value=-0.5)))
    assert b",-0.5," in line
    assert parse_row(line[:-1], WHERE).metric_value == -0.5


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("status", "great"),
        ("status", ""),
        ("clock", "sundial"),
        ("clock_hz", "1.5"),
        ("params", "many"),
        ("seconds", ""),
        ("metric_value", "0,9"),
        ("case", ""),
    ],
)
def test_a_bad_cell_is_named(column: str, text: str) -> None:
    cells = next(csv.reader([format_row(fixtures.measured(CASE)).decode()]))
    cells[COLUMNS.index(column)] = text
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    with pytest.raises(ConfigError, match=f"{WHERE}: .*column {column}"):
        parse_row(line.getvalue().strip().encode(), WHERE)


@pytest.mark.parametrize("line", [b"", b"a,b", b'"', b'"a"b,c', b"\xff", b"," * 100, b"\0"])
def test_a_bad_line_is_named(line: bytes) -> None:
    with pytest.raises(ConfigError, match=WHERE):
        parse_row(line, WHERE)


@given(
    st.one_of(
        npst.arrays(np.int8, npst.array_shapes(min_dims=2, max_dims=2, max_side=5)),
        npst.arrays(np.int16, npst.array_shapes(min_dims=2, max_dims=2, max_side=5)),
        npst.arrays(np.float32, npst.array_shapes(min_dims=2, max_dims=2, max_side=5)),
    ),
    st.lists(st.integers(0, 2**64), max_size=4),
)
def test_samples_read_back_to_the_bit(outputs: Any, warmup: list[int]) -> None:
    ticks = tuple(range(10, 10 + len(outputs)))
    measured = Measurement(
        counter="c",
        counter_hz=1,
        warmup_ticks=tuple(warmup),
        ticks=ticks,
        outputs=outputs,
        stack_bytes=None,
        firmware_sha256="",
    )
    lines = format_samples(CASE.id, measured).split(b"\n")[:-1]
    samples = parse_samples(lines, "samples.csv", 2)
    assert (samples.warmup_ticks, samples.ticks) == (tuple(warmup), ticks)
    back = samples.outputs.astype(outputs.dtype)
    np.testing.assert_array_equal(back, outputs)
    if outputs.dtype == np.float32:
        signs = np.signbit(back) == np.signbit(outputs)
        assert bool((signs | np.isnan(outputs)).all())


def test_samples_refuse_what_they_cannot_hold() -> None:
    measured = fixtures.measured(CASE).measurement
    assert measured
    with pytest.raises(ValueError, match="complex64"):
        format_samples(CASE.id, replace(measured, outputs=measured.outputs.astype(np.complex64)))
    with pytest.raises(ValueError, match="not a case id"):
        format_samples("a,b", measured)


@pytest.mark.parametrize(
    "line",
    [
        b"a,test,0,1",
        b"a,test,0,x,1",
        b"a,test,0,1,1 x",
        b"a,test,0,1,1.2.3",
        b"\xff,test,0,1,1",
        b"a,test,0,1,1 2 3",
    ],
)
def test_a_bad_sample_is_named(line: bytes) -> None:
    with pytest.raises(ConfigError, match=r"samples\.csv:8: not a sample"):
        parse_samples([b"a,test,0,1,1 2", line], "samples.csv", 7)


def test_provenance_reads_back_and_is_stable() -> None:
    provenance = fixtures.provenance(fixtures.default_cases())
    data = format_provenance(provenance)
    assert parse_provenance(data, "run.json") == provenance
    assert data.endswith(b"}\n")
    assert list(json.loads(data)) == sorted(json.loads(data))
    with pytest.raises(ValueError, match=r"run\.json"):
        format_provenance(replace(provenance, options={"path": object()}))
    with pytest.raises(ValueError, match="JSON"):
        format_provenance(replace(provenance, options={"x": float("nan")}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 3}, "schema version 3, and this quantrig reads up to 2.*Update quantrig"),
        ({"schema_version": 0}, "no such version"),
        ({"schema_version": "1"}, "no schema_version"),
        ({"schema_version": True}, "no schema_version"),
        ({"cases": ["a", "a"]}, "a case twice"),
        ({"cases": "a"}, "cases is str"),
        ({"cases": [1]}, "cases is list"),
        ({"run_id": 5}, "run_id is int"),
        ({"run_id": None}, "run_id is missing"),
        ({"tools": {"a": 1}}, "tools is dict"),
        ({"boards": {"uno": 1}}, "boards is dict"),
        ({"host": []}, "host is list"),
    ],
)
def test_a_foreign_run_json_is_refused(change: dict[str, Any], message: str) -> None:
    plain = json.loads(format_provenance(fixtures.provenance(fixtures.default_cases())))
    with pytest.raises(ConfigError, match=f"^x/run.json.*{message}"):
        parse_provenance(json.dumps(plain | change).encode(), "x/run.json")


def test_version_1_named_targets_and_not_lanes() -> None:
    provenance = fixtures.provenance(fixtures.default_cases())
    plain = json.loads(format_provenance(provenance))
    plain |= {"schema_version": 1, "targets": {k.split(":")[1]: v for k, v in plain["targets"].items()}}
    assert plain["targets"].keys() == {"native", "simavr", "qemu"}
    assert parse_provenance(json.dumps(plain).encode(), "run.json") == provenance


@pytest.mark.parametrize("data", [b"", b"{\n,}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}'])
def test_what_is_no_run_json_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^x/run\.json"):
        parse_provenance(data, "x/run.json")
