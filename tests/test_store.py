# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import errno
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import ConfigError, RunBusyError
from harness.records import Result, Status
from harness.rows import COLUMNS
from harness.run_reader import RunReader, find_run
from harness.store import RunWriter, new_run_id
from tests.report import fixtures
from tests.stored_runs import CASES, PROVENANCE, RESULTS, SEVEN, SMALL, TRIED, assert_sound, run_of

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
