# SPDX-License-Identifier: Apache-2.0
"""What else differs between two runs and may explain their numbers, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.records import Clock, Provenance
from harness.report.compare_input import Side
from harness.rows import Row, one_line


def case_remarks(base: Row, new: Row) -> Iterator[str]:
    """Differences between two rows of one case."""
    if base.model_sha256 != new.model_sha256 and base.model_sha256 and new.model_sha256:
        yield f"The model itself changed: {base.model_sha256[:8]} -> {new.model_sha256[:8]}."
    if base.samples != new.samples and base.samples and new.samples:
        yield f"Samples measured: {base.samples} -> {new.samples}."
    if base.toolchain != new.toolchain and base.toolchain and new.toolchain:
        yield f"Toolchain: {_differing_words(base.toolchain, new.toolchain)}."
    if base.oracle != new.oracle and base.oracle and new.oracle:
        yield f"Oracle: {base.oracle} -> {new.oracle}."
    if (
        base.clock is new.clock is Clock.CYCLES
        and base.clock_hz != new.clock_hz
        and base.clock_hz
        and new.clock_hz
    ):
        yield f"CPU clock: {base.clock_hz} Hz -> {new.clock_hz} Hz; cycles are compared, not time."


def _differing_words(base: str, new: str) -> str:
    """Both texts without the words that they share at their ends."""
    before, after = base.split(), new.split()
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    start = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
    if start is None:
        start = min(len(before), len(after))
    # The first word names the compiler.
    head = f"{base.split(maxsplit=1)[0]} ... " if start > 1 else ""
    return f"{head}{_words(before[start:])} -> {_words(after[start:])}"


def _words(words: Sequence[str]) -> str:
    return " ".join(words) or "(nothing)"


def run_remarks(base: Side, new: Side) -> Iterator[str]:
    """Differences between two runs, as far as run.json knows."""
    old, current = base.provenance, new.provenance
    for name, side in (("BASE", base), ("NEW", new)):
        if side.provenance is None:
            yield f"{name} is a table without run.json: its tools and data sets are not known."
        elif side.pending:
            yield f"{name} has no row yet for {side.pending} of its planned cases."
    if old is None or current is None:
        return
    if old.quantrig_version != current.quantrig_version:
        yield f"quantrig: {old.quantrig_version} -> {current.quantrig_version}."
    for name in sorted(old.tools.keys() & current.tools.keys()):
        if old.tools[name] != current.tools[name]:
            yield f"{name}: {old.tools[name]} -> {current.tools[name]}."
    for what, before, after in (
        ("Workload", old.workloads, current.workloads),
        ("Board", old.boards, current.boards),
    ):
        for name in before.keys() & after.keys():
            keys = _differing(before[name], after[name])
            if keys:
                yield f"{what} {name} differs: {', '.join(keys)}."
    yield from _device_remarks(old, current)
    if _differing(old.host, current.host) and any(row.clock is Clock.WALL for row in new.rows):
        yield "The host differs: wall times are those of two machines."


def _device_remarks(old: Provenance, current: Provenance) -> Iterator[str]:
    """What the devices of a lane say of themselves, where both runs asked them."""
    for lane in sorted(old.devices.keys() & current.devices.keys()):
        before, after = old.devices[lane], current.devices[lane]
        for key in _differing(before, after):
            if key not in ("address", "counter_hz"):  # another socket; each row has its own rate
                values = (one_line(str(facts.get(key) or "nothing")) for facts in (before, after))
                yield f"The device of {lane}: {key} {' -> '.join(values)}."


def _differing(before: object, after: object) -> list[str]:
    """Keys with other values; words for people (titles, notes) left out."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return []
    keys = before.keys() | after.keys()
    return sorted(key for key in keys if key not in ("title", "notes") and before.get(key) != after.get(key))
