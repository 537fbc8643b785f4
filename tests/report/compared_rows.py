# SPDX-License-Identifier: Apache-2.0
"""Rows to compare, and what becomes of a pair of them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

from markdown_it import MarkdownIt
from rich.console import Console

from harness.report.compare import (
    CaseChange,
    Change,
    compare,
)
from harness.report.compare_input import Side
from harness.report.compare_rules import Judgement, parse_rules
from harness.report.compare_table import terminal_parts
from harness.rows import Row, format_row, parse_row
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
ROWS = {row.case: row for row in (parse_row(format_row(fixtures.result_of(case))[:-1], "") for case in CASES)}
UNO = ROWS["digits/ptq-int8/aot@uno:simavr"]
STM = ROWS["digits/float32/aot@stm32f4:qemu"]
NATIVE = ROWS["digits/ptq-int8/aot@native:native"]
ESP32 = replace(
    STM, case="digits/float32/aot@esp32:qemu", board="esp32", toolchain="clang-22 22.1.8 -mcpu=esp32"
)
BOARD = replace(UNO, case="digits/ptq-int8/aot@uno:hardware", target="hardware", latency_ticks_mad=3.0)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")

#: Every quantity, with no room at all.
TIGHT = (
    "status", "mismatches", "latency>0", "wall>0", "flash>0", "ram>0", "arena>0", "stack>0", "metric<-0",
    "tflite>0",
)  # fmt: skip


def side(*rows: Row, label: str = "a") -> Side:
    return Side(label=label, rows=rows, provenance=PROVENANCE)


def compared(base: Row, new: Row) -> CaseChange:
    (case,) = compare(side(base), side(new)).cases
    return case


def change(base: Row, new: Row, quantity: str = "latency") -> Change:
    return next(found for found in compared(base, new).changes if found.quantity == quantity)


def both(like: Row, column: str, base: object, new: object) -> tuple[Row, Row]:
    """Two rows that differ in one column."""
    values: list[dict[str, Any]] = [{column: base}, {column: new}]
    return replace(like, **values[0]), replace(like, **values[1])


def broken(base: Row, new: Row, *rules: str) -> list[str]:
    """Texts of the rules that break."""
    judgement = Judgement.of(compare(side(base), side(new)), parse_rules(rules))
    return [breach.rule.text for breach in judgement.breaches]


def terminal(judgement: Judgement, width: int, *, everything: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, color_system=None)
    for part in terminal_parts(judgement, width=width, everything=everything):
        console.print(part)
    return file.getvalue()
