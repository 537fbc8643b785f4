# SPDX-License-Identifier: Apache-2.0
"""The cache of trained models and variants: repeatable, shared, and honest about errors."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError, QuantizeError, UnsupportedError
from harness.quantize import trained as module
from harness.quantize.digests import recipe_digest, training_digest
from harness.quantize.trained import prepare, trained, variant
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
    from harness.quantize import worker

    made: list[str] = []

    def make(workload: Any, identifier: str, train_dir: Path, path: Path) -> None:
        del workload, train_dir, path
        made.append(identifier)
        if identifier == "ptq-int8+calib=9999":
            raise ConfigError("too many")

    monkeypatch.setattr(worker, "make_variant", make)
    job = {"workload": "sine", "train_dir": "x", "train": False}
    with pytest.raises(ConfigError, match="too many"):
        worker.perform({**job, "variants": {"ptq-int8+calib=9999": "a", "float32": "b"}})
    assert made == ["ptq-int8+calib=9999", "float32"]


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
    monkeypatch.setattr(module, "_run_worker", lambda *_: None)
    prepare(workload, ())
    assert not half.exists()
    assert stranger.exists()


def test_two_who_ask_at_once_make_it_once(fresh_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del fresh_cache
    started: list[Path] = []

    def work(workload: Any, train_dir: Path, variants: dict[str, Path], log: Path | None) -> None:
        del workload, log
        started.append(train_dir)
        train_dir.mkdir(parents=True)
        for path in variants.values():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"tflite")

    monkeypatch.setattr(module, "_run_worker", work)
    askers = [
        threading.Thread(target=prepare, args=(find_workload("sine"), ("float32", "ptq-int8")))
        for _ in range(4)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(started) == 1


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
