# SPDX-License-Identifier: Apache-2.0
"""The text of a results folder's files, both ways, with no I/O (docs/RESULTS.md).

One case is one line of results.csv and one sample is one line of samples.csv, whatever its text holds:
a torn line is then always the last one. Text never starts a spreadsheet formula.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ConfigError
from harness.records import SCHEMA_VERSION, Clock, Measurement, Provenance, Result, Status

WARMUP: Final = "warmup"
TEST: Final = "test"
SAMPLE_COLUMNS: Final = ("case", "phase", "sample", "ticks", "outputs")

_MAX_TEXT_CHARS: Final = 4000
#: What makes a spreadsheet take a cell for a formula, full-width forms included, and our own guard.
_FORMULA_START: Final = "=+-@\uff1d\uff0b\uff0d\uff20'"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of results.csv; docs/RESULTS.md gives units and meanings. None: not measured."""

    case: str
    workload: str
    variant: str
    options: str
    engine: str
    board: str
    target: str
    clock: Clock | None
    clock_hz: int | None
    status: Status
    reason_code: str | None
    reason: str | None
    warnings: str | None
    tflite_bytes: int | None
    tflite_gzip_bytes: int | None
    params: int | None
    macs: int | None
    flash_bytes: int | None
    flash_model_bytes: int | None
    ram_static_bytes: int | None
    arena_bytes: int | None
    stack_bytes: int | None
    latency_ticks_median: float | None
    latency_ticks_mad: float | None
    latency_ticks_p95: float | None
    latency_us_median: float | None
    latency_us_p95: float | None
    metric: str | None
    metric_value: float | None
    metric_reference: float | None
    samples: int | None
    outputs_compared: int | None
    mismatches: int | None
    max_abs_diff: float | None
    oracle: str | None
    firmware_sha256: str | None
    model_sha256: str | None
    toolchain: str | None
    started_at: str
    seconds: float


COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Row))
RESULTS_HEADER: Final = (",".join(COLUMNS) + "\n").encode()
SAMPLES_HEADER: Final = (",".join(SAMPLE_COLUMNS) + "\n").encode()
_TYPES: Final = {field.name: str(field.type) for field in dataclasses.fields(Row)}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """What one case's device sent, sample by sample, in the order of the test set."""

    warmup_ticks: tuple[int, ...]
    ticks: tuple[int, ...]
    outputs: npt.NDArray[Any]
    """(samples, elements), int64 or float32."""


def one_line(text: str) -> str:
    """`text` without line breaks, control characters or runs of blanks, and cut at 4000 characters."""
    encodable = text.encode("utf-8", "backslashreplace").decode()
    words = "".join(char if char.isprintable() else " " for char in encodable).split()
    line = " ".join(words)
    # A spreadsheet that separates at semicolons would start a cell here; a blank keeps it text.
    line = re.sub(rf";(?=[{_FORMULA_START}])", "; ", line)
    return line if len(line) <= _MAX_TEXT_CHARS else line[: _MAX_TEXT_CHARS - 3] + "..."


def format_row(result: Result) -> bytes:
    """A result as one line of results.csv."""
    values = result.row()
    return format_line([values[column] for column in COLUMNS])


def format_line(values: Sequence[object]) -> bytes:
    """Values as one line of CSV with its newline; None is an empty cell."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(map(_cell, values))
    return line.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = one_line(value)
        return f"'{text}" if text[:1] and text[0] in _FORMULA_START else text
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    raise TypeError(f"a cell cannot hold {type(value).__name__}")


def parse_row(line: bytes, where: str) -> Row:
    """A line of results.csv, without its newline; `where` is file and line for messages.

    Raises:
        ConfigError: not such a line.
    """
    return Row(**parse_line(line, _TYPES, where))


def parse_line(line: bytes, types: Mapping[str, str], where: str) -> dict[str, Any]:
    """The values of a CSV line by column; `types` gives each column's type as annotations write it.

    Raises:
        ConfigError: not such a line.
    """
    try:
        cells = next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{where}: not a CSV line: {error}.", fix="Restore the file.") from error
    if len(cells) != len(types):
        what = f"{where}: {len(cells)} cells instead of {len(types)}."
        raise ConfigError(what, fix="Restore the file.")
    named = zip(types.items(), cells, strict=True)
    return {column: _value(column, type_, text, where) for (column, type_), text in named}


def _value(column: str, type_: str, text: str, where: str) -> Any:
    kind, _, optional = type_.partition(" | ")
    if not text and (optional or column == "options"):
        return None if optional else ""
    if kind == "str" and text:
        guarded = len(text) > 1 and text[0] == "'" and text[1] in _FORMULA_START
        return text[1:] if guarded else text
    parse = {"int": int, "float": float, "Status": Status, "Clock": Clock}.get(kind)
    try:
        if parse is None:
            raise ValueError("empty")
        return parse(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {text!r} in column {column}.", fix="Restore the file.") from error


def format_samples(case: str, measured: Measurement) -> bytes:
    """All samples of a measurement as lines of samples.csv: warm-ups, then the test set.

    Raises:
        ValueError: outputs are neither integers nor floats, or `case` would need quotes.
    """
    if set(case) & set(',"\r\n'):
        raise ValueError(f"{case!r} is not a case id")
    outputs = measured.outputs.reshape(len(measured.outputs), -1)
    if not (np.issubdtype(outputs.dtype, np.integer) or outputs.dtype in (np.float32, np.float64)):
        raise ValueError(f"samples.csv holds integers and floats, not {outputs.dtype}")
    lines = [f"{case},{WARMUP},{index},{ticks},\n" for index, ticks in enumerate(measured.warmup_ticks)]
    lines += [
        f"{case},{TEST},{index},{ticks},{_numbers(output)}\n"
        for index, (ticks, output) in enumerate(zip(measured.ticks, outputs, strict=True))
    ]
    return "".join(lines).encode()


def _numbers(values: npt.NDArray[Any]) -> str:
    # str() of a float32 is the shortest text that reads back as the same float32.
    return " ".join(map(str, values))


def parse_samples(lines: Sequence[bytes], where: str, first_line: int) -> Samples:
    """The lines of one measurement, as `format_samples` made them; `where` is the file.

    Raises:
        ConfigError: a line is not such a line; names it.
    """
    warmup: list[int] = []
    ticks: list[int] = []
    outputs: list[npt.NDArray[Any]] = []
    for number, line in enumerate(lines, first_line):
        try:
            _, phase, _, count, output = line.decode().rstrip("\r").split(",")
            (warmup if phase == WARMUP else ticks).append(int(count))
            if phase == TEST:
                outputs.append(_array(output))
                if len(outputs[-1]) != len(outputs[0]):
                    raise ValueError("another number of outputs")
        except ValueError as error:
            raise ConfigError(f"{where}:{number}: not a sample: {error}.", fix="Restore the file.") from error
    matrix = np.stack(outputs) if outputs else np.empty((0, 0), dtype=np.int64)
    return Samples(warmup_ticks=tuple(warmup), ticks=tuple(ticks), outputs=matrix)


def _array(text: str) -> npt.NDArray[Any]:
    floats = any(char in text for char in ".en")
    return np.array(text.split(), dtype=np.float32 if floats else np.int64)


def format_provenance(provenance: Provenance) -> bytes:
    """run.json: sorted, one final newline.

    Raises:
        ValueError: something in it is not a JSON value.
    """
    plain = dataclasses.asdict(provenance) | {"schema_version": SCHEMA_VERSION}
    try:
        text = json.dumps(plain, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=True)
    except TypeError as error:
        raise ValueError(f"run.json cannot hold it: {error}") from error
    return (text + "\n").encode()


def parse_provenance(data: bytes, where: str) -> Provenance:
    """The contents of run.json; `where` is its path.

    Raises:
        ConfigError: not such a file, or one of a newer schema.
    """
    fix = "Name a folder that `quantrig sweep` made."
    try:
        plain = json.loads(data)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}:{error.lineno}: not JSON: {error.msg}.", fix=fix) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON.", fix=fix) from error
    if not isinstance(plain, dict) or type(plain.get("schema_version")) is not int:
        raise ConfigError(f"{where}: not the run.json of a run: it has no schema_version.", fix=fix)
    version = plain.pop("schema_version")
    if version > SCHEMA_VERSION:
        what = f"{where}: schema version {version}, and this quantrig reads up to {SCHEMA_VERSION}."
        raise ConfigError(what, cause="A newer quantrig wrote it.", fix="Update quantrig.")
    values: dict[str, Any] = {}
    for field in dataclasses.fields(Provenance):
        # of runs that are older than this key
        value = plain.get(field.name, {} if field.name == "devices" else None)
        if not _fits(value, str(field.type)):
            found = "missing" if value is None else f"{type(value).__name__}, not {field.type}"
            raise ConfigError(f"{where}: {field.name} is {found}.", fix=fix)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    if version < 1 or len(set(values["cases"])) != len(values["cases"]):
        raise ConfigError(f"{where}: no such version, or a case twice.", fix=fix)
    if version == 1:
        values["targets"] = _by_lane(values["targets"], values["cases"])
    return Provenance(**values)


def _by_lane(targets: Mapping[str, Any], cases: Sequence[str]) -> dict[str, Any]:
    """`targets` as of version 2: by `board:target`. Version 1 had them by target."""
    lanes = dict.fromkeys(case.rpartition("@")[2] for case in cases)
    found = {lane: targets.get(lane) or targets.get(lane.rpartition(":")[2]) for lane in lanes}
    return {lane: facts for lane, facts in found.items() if facts}


def _fits(value: object, kind: str) -> bool:
    if kind == "str":
        return isinstance(value, str)
    if kind.startswith("tuple"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if not isinstance(value, dict):
        return False
    if kind == "Mapping[str, str]":
        return all(isinstance(item, str) for item in value.values())
    return not kind.startswith("Mapping[str, Mapping") or all(
        isinstance(item, dict) for item in value.values()
    )
