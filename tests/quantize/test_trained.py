# SPDX-License-Identifier: Apache-2.0
"""The cache of trained models and variants: repeatable, shared, and honest about errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import children
from harness.children import CompletedRun
from harness.errors import ConfigError, QuantizeError, UnsupportedError
from harness.quantize import trained as module
from harness.quantize import worker
from harness.quantize.digests import recipe_digest, training_digest
from harness.quantize.trained import data_set, prepare, trained, variant
from harness.workloads import WORKLOADS, CustomWorkload, find_workload
from tests.trained_models import variants_of
from tests.workloads.keras_files import write_data, write_zip


@pytest.fixture
def fresh_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUANTRIG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def own(tmp_path: Path) -> CustomWorkload:
    """A user's workload whose model file is no model."""
    model, data = tmp_path / "net.keras", tmp_path / "data.npz"
    write_zip(model, layers=[("mystery", "Lambda", {})])
    write_data(data)
    return CustomWorkload(model, data)


def put(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"tflite")


def worker_in_this_process(monkeypatch: pytest.MonkeyPatch, make: Callable[..., None]) -> list[list[str]]:
    """Start no TensorFlow: training makes an empty folder and `make` stands for `make_variant`.

    Returns the variants of every start, as they come. SystemExit in `make` plays a death of the process.
    """
    starts: list[list[str]] = []

    def run(argv: list[str], **_: object) -> CompletedRun:
        job = json.loads(argv[-1])
        starts.append(list(job["variants"]))
        code = 0
        try:
            worker.perform(job)
        except SystemExit as death:
            code = int(str(death.code))
        return CompletedRun(argv=tuple(argv), returncode=code, output="", seconds=0.0, timed_out=False)

    monkeypatch.setattr(children, "run", run)
    monkeypatch.setattr(worker, "train", lambda _, folder: folder.mkdir(parents=True))
    monkeypatch.setattr(worker, "make_variant", make)
    return starts


@pytest.mark.train
def test_training_anew_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, workload = variants_of("digits"), find_workload("digits")
    monkeypatch.setenv("QUANTRIG_CACHE", str(tmp_path))
    prepare(workload, ("qat-int8", "float32"))  # in another order than before
    assert (tmp_path / "trained").exists()
    for identifier in ("qat-int8", "float32"):
        assert variant(workload, identifier).tflite == before[identifier]


def test_digests_tell_variants_apart_and_stay() -> None:
    digests = [
        recipe_digest(workload, identifier)
        for workload in WORKLOADS.values()
        for identifier in ("float32", "ptq-int8", "ptq-int8+calib=50", "qat-int8")
    ]
    assert len(set(digests)) == len(digests)
    assert recipe_digest(WORKLOADS["sine"], "ptq-int8") == recipe_digest(WORKLOADS["sine"], "ptq-int8")


def test_digest_follows_the_contents_of_the_users_data(own: CustomWorkload) -> None:
    before = training_digest(own)
    write_data(own.data, rows=41)
    assert training_digest(own) != before


def test_the_workers_error_arrives_as_itself(fresh_cache: Path, own: CustomWorkload) -> None:
    del fresh_cache
    with pytest.raises(UnsupportedError, match="layer mystery is or uses Lambda") as caught:
        trained(own)
    assert caught.value.fix


def test_a_variants_error_does_not_cost_the_others(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del fresh_cache

    def make(workload: Any, identifier: str, train_dir: Path, path: Path) -> None:
        del workload, train_dir
        if identifier == "ptq-int8+calib=9999":
            raise ConfigError("too many", fix="Ask for less.")
        put(path)

    starts = worker_in_this_process(monkeypatch, make)
    failed = prepare(find_workload("sine"), ("ptq-int8+calib=9999", "float32"))
    assert {name: (type(error), str(error)) for name, error in failed.items()} == {
        "ptq-int8+calib=9999": (ConfigError, "too many Ask for less.")
    }
    assert variant(find_workload("sine"), "float32").tflite == b"tflite"
    assert starts == [["ptq-int8+calib=9999", "float32"]]
    with pytest.raises(ConfigError, match="too many"):
        variant(find_workload("sine"), "ptq-int8+calib=9999")


def test_a_variant_that_kills_the_worker_does_not_cost_the_others(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del fresh_cache

    def make(workload: Any, identifier: str, train_dir: Path, path: Path) -> None:
        del workload, train_dir
        if identifier == "ptq-int8":
            raise SystemExit(-9)
        if identifier == "qat-int8":
            raise UnsupportedError("no such layer")
        put(path)

    starts = worker_in_this_process(monkeypatch, make)
    failed = prepare(find_workload("sine"), ("qat-int8", "ptq-int8", "float32"))
    assert {name: type(error) for name, error in failed.items()} == {
        "qat-int8": UnsupportedError,
        "ptq-int8": QuantizeError,
    }
    assert "of sine ended with code -9" in str(failed["ptq-int8"])
    assert starts == [["qat-int8", "ptq-int8", "float32"], ["float32"]]


def test_a_worker_that_dies_at_its_very_end_has_done_its_work(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del fresh_cache

    def make(workload: Any, identifier: str, train_dir: Path, path: Path) -> None:
        del workload, identifier, train_dir
        put(path)
        raise SystemExit(-11)

    worker_in_this_process(monkeypatch, make)
    assert prepare(find_workload("sine"), ("float32",)) == {}


def test_a_worker_that_dies_leaves_no_trace(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.children.package_environment", lambda: {"PYTHONHOME": "/nowhere"})
    with pytest.raises(QuantizeError, match="of sine ended with code 1"):
        trained(find_workload("sine"))
    assert not [path for path in fresh_cache.rglob("*") if path.is_dir() and path.parent.name == "trained"]


def test_what_a_killed_worker_left_is_removed(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = find_workload("sine")
    folder = fresh_cache / "trained"
    half = folder / f"{training_digest(workload)}.partial-77"
    half.mkdir(parents=True)
    (half / "data.npz").write_bytes(b"half")
    stranger = folder / "other.partial-77"
    stranger.mkdir()
    worker_in_this_process(monkeypatch, lambda *_: None)
    assert prepare(workload, ()) == {}
    assert not half.exists()
    assert stranger.exists()


def test_two_who_ask_at_once_make_it_once(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del fresh_cache

    def make(workload: Any, identifier: str, train_dir: Path, path: Path) -> None:
        del workload, identifier, train_dir
        put(path)

    starts = worker_in_this_process(monkeypatch, make)
    askers = [
        threading.Thread(target=prepare, args=(find_workload("sine"), ("float32", "ptq-int8")))
        for _ in range(4)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert starts == [["float32", "ptq-int8"]]


def test_an_unknown_option_fails_before_any_work(fresh_cache: Path) -> None:
    with pytest.raises(ConfigError):
        variant(find_workload("sine"), "ptq-int8+bits=4")
    assert not fresh_cache.exists()


@pytest.mark.train
def test_the_training_record_tells_how_long_it_took() -> None:
    info = json.loads((trained(find_workload("sine")) / "info.json").read_text())
    assert info["workload"] == "sine"
    assert 0 < info["seconds"] < 300


@pytest.mark.train
def test_the_cached_data_are_those_of_the_workload() -> None:
    workload = find_workload("sine")
    assert np.array_equal(module.data_set(workload).x_test, workload.load_data().x_test)


@pytest.mark.parametrize("spoilt", ["data", "variant"])
def test_a_spoilt_cache_heals(fresh_cache: Path, spoilt: str) -> None:
    """What a power cut can leave: a file of the right name and no content."""
    workload = find_workload("sine")
    before = variant(workload, "float32").tflite
    file = trained(workload) / "data.npz" if spoilt == "data" else next(fresh_cache.glob("variants/*.tflite"))
    file.write_bytes(b"")
    assert variant(workload, "float32").tflite == before
    assert len(data_set(workload).x_test) == 200


def test_damage_that_nobody_can_heal_names_the_folder_to_delete(fresh_cache: Path) -> None:
    workload = find_workload("sine")
    folder = trained(workload)
    (folder / "data.npz").write_bytes(b"PK half a file")
    with pytest.raises(QuantizeError, match=f"Delete {folder}"):
        data_set(workload)
