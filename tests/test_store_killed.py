# SPDX-License-Identifier: Apache-2.0
"""A run that is killed at any moment, or meets a full disk, loses at most the case in flight."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.links import format_links, link_lines
from harness.rows import format_row, format_samples
from harness.run_reader import RunReader
from harness.store import RunWriter
from tests.report import fixtures
from tests.stored_runs import (
    CASES,
    MEDIUM,
    PROVENANCE,
    SMALL,
    TRIED,
    TROUBLE,
    assert_sound,
    contents,
    files_end_at,
    run_of,
)

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write hundreds of times and cut no power."""
    monkeypatch.setattr(os, "fsync", lambda _fd: None)


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
