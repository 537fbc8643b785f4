# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import multiprocessing
import os
import random
import resource as limits
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigError, RunBusyError
from harness.links import format_links, link_lines
from harness.records import Attempt, LinkRecord, Result, Status
from harness.rows import COLUMNS, format_row, format_samples, parse_row
from harness.run_reader import RunReader, find_run
from harness.store import RunWriter, new_run_id
from tests.report import fixtures

CASES = fixtures.default_cases()
PROVENANCE = fixtures.provenance(CASES)
RESULTS = tuple(fixtures.result_of(case) for case in CASES)
SMALL = tuple(fixtures.measured(case, samples=4) for case in CASES[-9:-6])
#: What a killed child was writing: enough of it that a kill falls into the middle of a case.
MEDIUM = tuple(fixtures.measured(case, samples=60) for case in CASES)
TROUBLE = Attempt(
    reason_code="hang",
    reason='It said "bye", then\nnothing.',
    seconds=0.5,
    link=LinkRecord(requests=7, resets=1),
)
#: A case that came through at the third try.
TRIED = replace(SMALL[2], attempts=(TROUBLE, replace(TROUBLE, link=None)))
#: Of the first of SMALL, with another number of samples.
SEVEN = fixtures.measured(CASES[-9], samples=7)
ADDED = {(result.case_id, result.row()["samples"]): result for result in (*RESULTS, *MEDIUM, *SMALL, SEVEN)}
LINES = {key: link_lines(result, row=1, earlier=0) for key, result in ADDED.items()}
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write hundreds of times and cut no power."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


def run_of(root: Path, results: Sequence[Result]) -> Path:
    return fixtures.write_run(root, results)


def assert_sound(reader: RunReader) -> None:
    """Every row is one that was added, whole, with the samples that belong to it."""
    for row in reader.rows:
        result = ADDED[row.case, row.samples]
        assert row == parse_row(format_row(result)[:-1], "")
        samples = reader.samples(row.case)
        if result.measurement is None:
            assert samples is None
        else:
            assert samples is not None
            assert samples.ticks == result.measurement.ticks
            assert samples.warmup_ticks == result.measurement.warmup_ticks
            np.testing.assert_array_equal(samples.outputs, result.measurement.outputs)
    lines = [LINES.get((row.case, row.samples), ()) for row in reader.all_rows]
    numbers = [number for number, of_row in enumerate(lines, 1) for _ in of_row]
    assert [line.row for line in reader.links] == numbers
    last = {line.case: line for line in reader.links}
    for row in reader.rows:
        for line in LINES[row.case, row.samples][-1:]:
            assert last[row.case] == replace(line, row=last[row.case].row, attempt=last[row.case].attempt)
    attempts = [line.attempt for line in reader.links if line.case == SMALL[0].case_id]
    assert attempts == list(range(1, len(attempts) + 1))
    assert set(reader.provenance.devices) >= {
        f"{row.board}:{row.target}" for row in reader.rows if row.samples
    }


FILES = ["links.csv", "log", "results.csv", "run.json", "samples.csv"]


def test_a_whole_run_reads_back(tmp_path: Path) -> None:
    path = fixtures.write_run(tmp_path)
    reader = RunReader.open(path)
    assert path.name == reader.provenance.run_id == PROVENANCE.run_id
    assert replace(reader.provenance, devices={}) == PROVENANCE
    assert set(reader.provenance.devices) == {"native:native", "uno:simavr", "stm32f4:qemu"}
    assert [row.case for row in reader.rows] == list(PROVENANCE.cases)
    assert reader.pending == ()
    assert_sound(reader)
    assert reader.samples("no/such/case@a:b") is None
    assert sorted(item.name for item in path.iterdir()) == FILES
    frame = reader.frame()
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 27
    assert int(frame["mismatches"].sum()) == 0
    assert int(frame["stack_bytes"].isna().sum()) == 10


def test_rows_come_in_planned_order_and_pending_is_the_rest(tmp_path: Path) -> None:
    reader = RunReader.open(run_of(tmp_path, [RESULTS[5], RESULTS[1], RESULTS[3]]))
    assert [row.case for row in reader.rows] == [PROVENANCE.cases[i] for i in (1, 3, 5)]
    assert reader.pending == tuple(case for i, case in enumerate(PROVENANCE.cases) if i not in (1, 3, 5))
    assert_sound(reader)


def test_a_case_run_again_supersedes_its_row(tmp_path: Path) -> None:
    first = SEVEN
    broken = fixtures.failed(CASES[-9], "The board went away.")
    path = run_of(tmp_path, [first, SMALL[1], broken, SMALL[0], SMALL[2]])
    reader = RunReader.open(path)
    assert [row.case for row in reader.all_rows] == [
        result.case_id for result in (first, SMALL[1], broken, *SMALL[::2])
    ]
    assert_sound(reader)


def test_failed_and_unavailable_are_run_again(tmp_path: Path) -> None:
    kinds = [Status.FAILED, Status.UNAVAILABLE, Status.SKIPPED, Status.UNSUPPORTED, Status.DOES_NOT_FIT]
    path = run_of(
        tmp_path,
        [fixtures.failed(case, "Why.", status=kind) for case, kind in zip(CASES, kinds, strict=False)]
        + [
            fixtures.measured(CASES[5], samples=2),
            fixtures.failed(CASES[6], "Why."),
            fixtures.measured(CASES[6]),
        ],
    )
    with RunWriter.reopen(path) as writer:
        assert RunReader.open(writer.path).finished == {CASES[i].id for i in (2, 3, 4, 5, 6)}
        assert writer.repairs == ()


def test_no_run_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / f"{PROVENANCE.run_id}-2").mkdir()
    (tmp_path / f"{PROVENANCE.run_id}-3").write_text("mine")
    (tmp_path / f"{PROVENANCE.run_id}-4").symlink_to("nowhere")
    paths = [run_of(tmp_path, SMALL[:1]), run_of(tmp_path, SMALL[:2])]
    assert [path.name for path in paths] == [PROVENANCE.run_id, f"{PROVENANCE.run_id}-5"]
    assert [len(RunReader.open(path).rows) for path in paths] == [1, 2]
    assert RunReader.open(paths[1]).provenance.run_id == paths[1].name


def test_many_creators_at_once_get_a_folder_each(tmp_path: Path) -> None:
    writers: list[RunWriter] = []
    threads = [
        threading.Thread(target=lambda: writers.append(RunWriter.create(tmp_path, PROVENANCE)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({writer.path for writer in writers}) == 8
    for writer in writers:
        writer.close()
    assert not list(tmp_path.glob(".*"))


def test_what_a_killed_creator_left_is_removed_later(tmp_path: Path) -> None:
    old, new = tmp_path / ".new-old", tmp_path / ".new-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "run.json").touch()
    os.utime(old, (0, 0))
    run_of(tmp_path, [])
    assert (old.exists(), new.exists()) == (False, True)


def test_an_unwritable_root(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match="Cannot write "):
        RunWriter.create(file / "results", PROVENANCE)
    with pytest.raises(ValueError, match="file name"):
        RunWriter.create(tmp_path, replace(PROVENANCE, run_id="../up"))
    with pytest.raises(ValueError, match=r"run\.json"):
        RunWriter.create(tmp_path, replace(PROVENANCE, options={"x": object()}))
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_foreign_results_are_refused(tmp_path: Path) -> None:
    path = run_of(tmp_path, [])
    with RunWriter.reopen(path) as writer, pytest.raises(ValueError, match="not planned"):
        writer.add(replace(SMALL[0], case_id="a/b/c@d:e"))
    with pytest.raises(ValueError, match="closed"):
        writer.add(SMALL[0])
    writer.close()


def test_threads_may_share_a_writer(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, PROVENANCE) as writer:

        def add_all(group: Sequence[Result]) -> None:
            for result in group:
                writer.add(result)

        threads = [threading.Thread(target=add_all, args=(RESULTS[i::6],)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    reader = RunReader.open(writer.path)
    assert reader.pending == ()
    assert_sound(reader)


def test_only_one_process_writes_a_run(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, PROVENANCE) as writer:
        with pytest.raises(
            RunBusyError, match=rf"{writer.run_id} is being written by process {os.getpid()}\."
        ):
            RunWriter.reopen(writer.path)
        assert len(RunReader.open(writer.path).rows) == 0
    for _ in range(2):
        with RunWriter.reopen(writer.path):
            assert (writer.path / ".lock").exists()
        assert not (writer.path / ".lock").exists()


def test_a_dead_owners_lock_is_taken_over(tmp_path: Path) -> None:
    path = run_of(tmp_path, [])
    (path / ".lock").write_text("999999999\n")
    RunWriter.reopen(path).close()


# --- killed at any moment -------------------------------------------------------------------------


def _write_for_ever(path: Path, ready: Connection) -> None:
    with RunWriter.reopen(path) as writer:
        ready.send_bytes(b"go")
        for result in itertools.cycle(MEDIUM):
            writer.add(result)


@contextmanager
def writing_child(path: Path) -> Iterator[int]:
    here, there = FORK.Pipe()
    child = FORK.Process(target=_write_for_ever, args=(path, there), daemon=True)
    child.start()
    assert child.pid
    try:
        assert here.poll(20)
        assert here.recv_bytes() == b"go"
        yield child.pid
    finally:
        child.kill()
        child.join()


def test_sigkill_at_random_moments_never_breaks_a_run(tmp_path: Path) -> None:
    rng = random.Random(20261121)
    path = run_of(tmp_path, [])
    before = repaired = 0
    for _ in range(12):
        with writing_child(path) as pid:
            time.sleep(rng.uniform(0, 0.06))
            assert_sound(RunReader.open(path))
            os.kill(pid, signal.SIGKILL)
        assert_sound(RunReader.open(path))
        with RunWriter.reopen(path) as writer:
            repaired += bool(writer.repairs)
        reader = RunReader.open(path)
        assert len(reader.all_rows) >= before
        before = len(reader.all_rows)
        assert reader.whole_results_bytes == (path / "results.csv").stat().st_size
        assert reader.whole_samples_bytes == (path / "samples.csv").stat().st_size
        assert reader.whole_links_bytes == (path / "links.csv").stat().st_size
        assert_sound(reader)
    assert before > 20
    assert repaired > 0


def test_sigkill_while_creating_leaves_nothing_visible(tmp_path: Path) -> None:
    def create_for_ever(root: Path) -> None:
        while True:
            with RunWriter.create(root, PROVENANCE) as writer:
                for result in SMALL:  # each lane's first answer replaces run.json
                    writer.add(result)

    for index in range(5):
        root = tmp_path / str(index)
        child = FORK.Process(target=create_for_ever, args=(root,), daemon=True)
        child.start()
        while not root.exists():
            time.sleep(0.001)
        time.sleep(0.01 + 0.007 * index)
        child.kill()
        child.join()
        for path in root.glob("[!.]*"):
            RunWriter.reopen(path).close()
            assert_sound(RunReader.open(path))


@pytest.mark.usefixtures("no_sync")
def test_results_torn_at_every_byte_resume_to_the_same_file(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    rows, samples = path / "results.csv", path / "samples.csv"
    whole_rows, whole_samples = rows.read_bytes(), samples.read_bytes()
    without_last = whole_rows.removesuffix(format_row(SMALL[2]))
    for end in range(len(without_last), len(whole_rows)):
        rows.write_bytes(whole_rows[:end])
        assert len(RunReader.open(path).rows) == 2
        assert_sound(RunReader.open(path))
        with RunWriter.reopen(path) as writer:
            assert RunReader.open(writer.path).finished == {SMALL[0].case_id, SMALL[1].case_id}
            assert writer.repairs
            writer.add(SMALL[2])
        assert (rows.read_bytes(), samples.read_bytes()) == (whole_rows, whole_samples)


@pytest.mark.usefixtures("no_sync")
def test_samples_torn_at_every_byte_resume_to_the_same_file(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    rows, samples = path / "results.csv", path / "samples.csv"
    whole_rows, whole_samples = rows.read_bytes(), samples.read_bytes()
    assert SMALL[2].measurement
    block = format_samples(SMALL[2].case_id, SMALL[2].measurement)
    for end in range(len(whole_samples) - len(block), len(whole_samples)):
        rows.write_bytes(whole_rows.removesuffix(format_row(SMALL[2])))
        samples.write_bytes(whole_samples[:end])
        assert_sound(RunReader.open(path))
        with RunWriter.reopen(path) as writer:
            writer.add(SMALL[2])
        assert (rows.read_bytes(), samples.read_bytes()) == (whole_rows, whole_samples)


@pytest.mark.usefixtures("no_sync")
def test_links_torn_at_every_byte_resume_to_the_same_file(tmp_path: Path) -> None:
    path = run_of(tmp_path, [*SMALL, TRIED])
    rows, links, samples = path / "results.csv", path / "links.csv", path / "samples.csv"
    whole = [file.read_bytes() for file in (rows, links, samples)]
    assert [(line.row, line.attempt) for line in RunReader.open(path).links] == [
        (1, 1), (2, 1), (3, 1), (4, 2), (4, 3), (4, 4)
    ]  # fmt: skip
    block = format_links(link_lines(TRIED, row=4, earlier=1))
    for end in range(len(whole[1]) - len(block), len(whole[1])):
        rows.write_bytes(whole[0].removesuffix(format_row(TRIED)))
        links.write_bytes(whole[1][:end])
        reader = RunReader.open(path)
        assert [line.row for line in reader.links] == [1, 2, 3]
        assert_sound(reader)
        with RunWriter.reopen(path) as writer:
            writer.add(TRIED)
        assert [file.read_bytes() for file in (rows, links, samples)] == whole


def test_a_run_that_is_older_than_its_links_is_read_and_goes_on(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    (path / "links.csv").unlink()
    plain = json.loads((path / "run.json").read_text())
    del plain["devices"]
    (path / "run.json").write_text(json.dumps(plain))
    reader = RunReader.open(path)
    assert (reader.links, reader.provenance.devices, len(reader.rows)) == ((), {}, 3)
    with RunWriter.reopen(path) as writer:
        assert writer.repairs == ()
        writer.add(TRIED)
    reader = RunReader.open(path)
    assert [(line.row, line.attempt, line.reason_code) for line in reader.links] == [
        (4, 1, "hang"), (4, 2, "hang"), (4, 3, None)
    ]  # fmt: skip
    assert list(reader.provenance.devices) == ["stm32f4:qemu"]


def test_a_lanes_device_is_noted_once_and_the_run_stays_as_old_as_it_is(tmp_path: Path) -> None:
    path = run_of(tmp_path, [])
    os.utime(path / "run.json", (1, 1))
    first, other = (
        replace(SMALL[1], measurement=replace(SMALL[1].measurement, settings=text), address="ABC123")
        for text in ("clock=hse", "clock=hsi")
        if SMALL[1].measurement
    )
    with RunWriter.reopen(path) as writer:
        for result in (fixtures.failed(CASES[1], "Not there."), first, other):
            writer.add(result)
    assert RunReader.open(path).provenance.devices == {
        "uno:simavr": {
            "settings": "clock=hse",
            "cpu_hz": None,
            "counter": "timer1",
            "counter_hz": 16_000_000,
            "address": "ABC123",
        }
    }
    assert [line.settings for line in RunReader.open(path).links] == ["clock=hse", "clock=hsi"]
    assert (path / "run.json").stat().st_mtime == 1


def test_a_device_that_cannot_be_noted_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    path = run_of(tmp_path, [])
    with RunWriter.reopen(path) as writer:
        before = contents(path)
        with (
            files_end_at(1000),
            pytest.raises(ConfigError, match=r"Cannot write .*run\.json: File too large"),
        ):
            writer.add(SMALL[0])
        assert {name: data for name, data in contents(path).items() if name != ".run.json.tmp"} == before
        writer.add(SMALL[0])
    assert_sound(RunReader.open(path))


def test_a_header_torn_at_every_byte_is_an_empty_run(tmp_path: Path) -> None:
    path = run_of(tmp_path, [])
    header = (path / "results.csv").read_bytes()
    for end in range(1, len(header), 7):
        (path / "results.csv").write_bytes(header[:end])
        assert RunReader.open(path).rows == ()
        with RunWriter.reopen(path) as writer:
            assert RunReader.open(writer.path).finished == frozenset()
        assert (path / "results.csv").read_bytes() == header


def test_emptied_results_are_damage_and_not_an_empty_run(tmp_path: Path) -> None:
    for results, kept in (([], 0), (SMALL, 0), (SMALL, 20)):
        path = run_of(tmp_path, results)
        file = path / "results.csv"
        file.write_bytes(file.read_bytes()[:kept])
        before = (path / "samples.csv").read_bytes()
        for read in (RunReader.open, RunWriter.reopen):
            with pytest.raises(ConfigError, match="lost its header") as error:
                read(path)
            assert str(file) in error.value.what
        assert (path / "samples.csv").read_bytes() == before


def test_zeros_that_a_power_cut_leaves_are_a_torn_line(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    for name in ("results.csv", "samples.csv", "links.csv"):
        with (path / name).open("ab") as file:
            file.write(b"\0" * 100)
    with RunWriter.reopen(path) as writer:
        assert len(writer.repairs) == 3
    assert_sound(RunReader.open(path))


@contextmanager
def files_end_at(size_bytes: int) -> Iterator[None]:
    """No file can grow beyond this, as on a full disk."""
    old = limits.getrlimit(limits.RLIMIT_FSIZE)
    limits.setrlimit(limits.RLIMIT_FSIZE, (size_bytes, old[1]))
    try:
        yield
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, old)


def contents(path: Path) -> dict[str, bytes]:
    return {item.name: item.read_bytes() for item in path.iterdir() if item.is_file()}


@pytest.mark.parametrize("full", ["samples.csv", "links.csv", "results.csv"])
def test_a_full_disk_leaves_the_files_as_they_were(tmp_path: Path, full: str) -> None:
    path = run_of(tmp_path, SMALL)
    # the one that gets full is the longest of the three
    long = "x" * 4000
    refused = {
        "samples.csv": fixtures.measured(CASES[-7]),
        "links.csv": replace(SMALL[2], attempts=(replace(TROUBLE, reason=long),) * 3),
        "results.csv": replace(SMALL[2], toolchain=long),
    }[full]
    with RunWriter.reopen(path) as writer:
        before = contents(path)
        with (
            files_end_at(max(map(len, before.values())) + 50),
            pytest.raises(ConfigError, match=rf"Cannot write .*{full}: File too large\."),
        ):
            writer.add(refused)
        assert contents(path) == before
        writer.add(SMALL[2])
    assert_sound(RunReader.open(path))


def test_what_cannot_be_taken_back_closes_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = run_of(tmp_path, SMALL)

    def no(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with RunWriter.reopen(path) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "truncate", no)
            patch.setattr(os, "fsync", no)
            with pytest.raises(ConfigError, match=r"samples\.csv: Read-only file system"):
                writer.add(SMALL[2])
        with pytest.raises(ValueError, match="closed"):
            writer.add(SMALL[2])
        with RunWriter.reopen(path) as again:
            assert again.repairs
            again.add(SMALL[2])
    assert_sound(RunReader.open(path))


@pytest.mark.parametrize("size_bytes", [0, 3, 100, 2000])
def test_a_disk_that_is_full_at_the_start_is_one_error_and_leaves_nothing(
    tmp_path: Path, size_bytes: int
) -> None:
    with files_end_at(size_bytes), pytest.raises(ConfigError) as error:
        RunWriter.create(tmp_path, PROVENANCE)
    assert str(error.value).startswith(f"Cannot write {tmp_path}: File too large.")
    assert error.value.fix
    assert list(tmp_path.iterdir()) == []
    RunWriter.create(tmp_path, PROVENANCE).close()


def test_a_disk_that_is_full_at_a_resume_is_one_error_and_locks_nobody_out(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    before = contents(path)
    with files_end_at(0), pytest.raises(ConfigError) as error:
        RunWriter.reopen(path)
    assert str(error.value).startswith(f"Cannot write {path}: File too large.")
    assert contents(path) == before
    RunWriter.reopen(path).close()


@pytest.mark.parametrize("call", ["mkdir", "open", "fsync", "rename", "write", "truncate"])
def test_every_refusal_of_the_system_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = run_of(tmp_path, SMALL)
    with (path / "results.csv").open("ab") as file:
        file.write(b"torn")

    def no(*_: object, **__: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, no)
        if call != "truncate":
            with pytest.raises(ConfigError, match=f"^Cannot write {tmp_path}: Input/output error"):
                RunWriter.create(tmp_path, PROVENANCE)
        if call in ("open", "write", "truncate"):
            with pytest.raises(ConfigError, match=f"^Cannot write {path}: Input/output error"):
                RunWriter.reopen(path)
    # without os.open nothing can be removed either; what is left is hidden, and a later run removes it
    left = [item.name for item in tmp_path.iterdir() if call != "open" or not item.name.startswith(".new-")]
    assert left == [path.name]
    with RunWriter.reopen(path) as writer:
        assert len(writer.repairs) == 1


# --- what is no run, or no longer one -------------------------------------------------------------


def test_samples_that_rows_stand_for_must_be_there(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    whole = (path / "samples.csv").read_bytes()
    for end in range(len(whole) - 40, len(whole)):
        (path / "samples.csv").write_bytes(whole[:end])
        reader = RunReader.open(path)
        assert len(reader.rows) == 3
        with pytest.raises(ConfigError, match=r"samples\.csv:22: sample 3 of .* should be here"):
            reader.samples(SMALL[2].case_id)
        with pytest.raises(ConfigError, match=r"samples\.csv:22"):
            RunWriter.reopen(path)
    assert not (path / ".lock").exists()


@pytest.mark.parametrize(
    ("file", "find", "put", "message"),
    [
        ("results.csv", b"case,workload", b"kase,workload", r"results\.csv:1: not the columns"),
        ("results.csv", b",ok,", b",well,", r"results\.csv:2: 'well' in column status"),
        (
            "results.csv",
            b"sine/float32/aot@uno",
            b"sine/other/aot@uno",
            r"results\.csv:3: case .* is not in run",
        ),
        ("results.csv", b"\n", b"\n\n", r"results\.csv:2: 0 cells"),
        ("samples.csv", b"case,phase", b"kase,phase", r"samples\.csv:1: not the header"),
        ("samples.csv", b"test,1,", b"test,2,", r"samples\.csv:6: sample 1 of"),
        ("samples.csv", b"warmup,1,", b"warmup,1,x", r"samples\.csv:3: not a sample"),
        ("links.csv", b"row,case", b"raw,case", r"links\.csv:1: not the header"),
        ("links.csv", b"\n2,", b"\n1,", r"links\.csv:3: row 1 of results.csv is not the next"),
        ("links.csv", b"\n1,", b"\n-3,", r"links\.csv:2: row -3 of results.csv is not the next"),
        ("links.csv", b"@uno", b"@due", r"links\.csv:3: row 2 of results.csv is not the next"),
        ("links.csv", b"\n1,", b"\none,", r"links\.csv:2: 'one' in column row"),
        ("links.csv", b"100/1", b"100/0", r"links\.csv:2: windows or host check: a window"),
        ("links.csv", b"100/1", b"100", r"links\.csv:2: windows or host check"),
        ("links.csv", b",2.5,", b",-2.5,", r"links\.csv:2: windows or host check"),
        ("run.json", b"{", b"[", r"run\.json:2: not JSON"),
        ("run.json", b'"schema_version": 2', b'"schema_version": 9', "Update quantrig"),
    ],
)
def test_damage_is_named(tmp_path: Path, file: str, find: bytes, put: bytes, message: str) -> None:
    path = run_of(tmp_path, [fixtures.on_a_board(SMALL[0]), *SMALL[1:]])
    damaged = (path / file).read_bytes().replace(find, put, 1)
    (path / file).write_bytes(damaged)

    def read_all() -> None:
        reader = RunReader.open(path)
        reader.samples(SMALL[0].case_id)
        _ = reader.links

    with pytest.raises(ConfigError, match=message) as error:
        read_all()
    assert error.value.fix
    assert str(path) in str(error.value)


@pytest.mark.parametrize("file", ["run.json", "results.csv", "samples.csv"])
def test_a_missing_file_is_named(tmp_path: Path, file: str) -> None:
    path = run_of(tmp_path, SMALL)
    (path / file).unlink()
    with pytest.raises(ConfigError, match=f"{file}: No such file"):
        RunWriter.reopen(path)
    for other in (tmp_path, tmp_path / "none", path / "run.json"):
        with pytest.raises(ConfigError, match="is not a results folder"):
            RunReader.open(other)


def test_a_spreadsheets_copy_can_still_be_read(tmp_path: Path) -> None:
    path = run_of(tmp_path, SMALL)
    for name in ("results.csv", "samples.csv"):
        data = (path / name).read_bytes()
        (path / name).write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    reader = RunReader.open(path)
    assert len(reader.rows) == 3
    assert_sound(reader)


# --- names ------------------------------------------------------------------------------------------


def test_run_ids() -> None:
    at = datetime(2026, 11, 21, 1, 45, 59, tzinfo=UTC)
    assert new_run_id("default", at) == "2026-11-21T0145-default"
    assert new_run_id("../my spec!.yaml", at) == "2026-11-21T0145-my-spec-.yaml"
    assert new_run_id("", at) == "2026-11-21T0145-run"


def test_a_run_is_found_by_id_path_or_latest(tmp_path: Path) -> None:
    first, second = run_of(tmp_path, []), run_of(tmp_path, [])
    os.utime(first / "run.json", (1, 1))
    assert find_run(tmp_path, first.name) == first
    assert find_run(tmp_path / "elsewhere", str(second)) == second
    assert find_run(tmp_path, "latest") == second
    with pytest.raises(ConfigError, match=f"No run '2026-11-21-default'.*{first.name}"):
        find_run(tmp_path, "2026-11-21-default")
    with pytest.raises(ConfigError, match="Start one with"):
        find_run(tmp_path / "none", "latest")


def test_errno_of_a_taken_name_is_what_rename_gives(tmp_path: Path) -> None:
    """`create` relies on it: a folder is never renamed over one that holds something."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").touch()
    with pytest.raises(OSError, match="not empty") as error:
        (tmp_path / "a").rename(tmp_path / "b")
    assert error.value.errno in (errno.ENOTEMPTY, errno.EEXIST)


def test_rows_are_frozen(tmp_path: Path) -> None:
    row = RunReader.open(run_of(tmp_path, SMALL)).rows[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.case = "other"  # type: ignore[misc]
