# SPDX-License-Identifier: Apache-2.0
"""A user's own models, files and data from the command's options to the rows and the report."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.report import write_report
from harness.rows import Row
from harness.run_reader import RunReader
from harness.runs import RunPlan
from tests import tflite_builder as tb


class _Silent:
    def step(self, name: str, text: str) -> None: ...

    def samples(self, case_id: str, done: int, total: int) -> None: ...

    def finished(self, name: str) -> None: ...


def _plan(root: Path, **options: Any) -> RunPlan:
    given = {"lanes": ("native:native",), **options}
    return RunPlan.from_options(spec_file=None, options=given, root=root, boards_file=None, ports=())


def _run(root: Path, **options: Any) -> tuple[dict[str, Row], str]:
    """Rows by variant, and the report."""
    plan = _plan(root / "results", **options)
    with plan.open_run(("quantrig", "sweep")) as writer:
        for result in plan.run(plan.cases, writer, _Silent()):
            assert result.outcome.status == "ok", result.outcome
        folder = writer.path
    report = write_report(folder).read_text()
    return {row.variant: row for row in RunReader.open(folder).rows}, report


def _two_in_two_out(folder: Path) -> Path:
    """Two int8 inputs, their sum of 3 elements and the first input of 2x2, pooled, of 1."""
    b = tb.ModelBuilder()
    x, y = b.tensor((1, 3), scale=0.5), b.tensor((1, 3), scale=0.25)
    image, top = b.tensor((1, 2, 2, 1), scale=0.5), b.tensor((1, 1, 1, 1), scale=0.5)
    total = b.tensor((1, 3), scale=1.0)
    b.op("ADD", [x, y], [total], ("AddOptions", {}))
    b.op("MAX_POOL_2D", [image], [top], tb.pool_options(filter_size=(2, 2), strides=(1, 1)))
    (folder / "net.tflite").write_bytes(b.build([x, y, image], [total, top]))
    return folder / "net.tflite"


def test_a_tflite_without_data_is_compared_and_timed_but_not_scored(tmp_path: Path) -> None:
    rows, report = _run(tmp_path, model=_two_in_two_out(tmp_path))
    row = rows["as-is"]
    assert (row.samples, row.outputs_compared, row.mismatches) == (32, 32 * 4, 0)
    assert (row.metric, row.metric_value, row.metric_reference) == (None, None, None)
    assert row.latency_ticks_median is not None
    assert "seeded random inputs" in report


def test_a_tflite_with_several_inputs_and_outputs_is_scored_on_its_first(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "x_test": np.array([[1, 2, 3], [4, 5, 6]], np.float32),
        "x_test_1": np.array([[4, 4, 4], [8, 8, 8]], np.int8),
        "x_test_2": np.ones((2, 2, 2), np.float32),
        "y_test": np.array([[2.0, 3.0, 4.0], [6.0, 7.0, 9.0]]),
    }
    np.savez(tmp_path / "data.npz", **arrays)
    row = _run(tmp_path, model=_two_in_two_out(tmp_path), data=tmp_path / "data.npz")[0]["as-is"]
    assert (row.samples, row.outputs_compared, row.mismatches) == (2, 8, 0)
    assert row.metric == "mae"
    assert row.metric_value == row.metric_reference == pytest.approx(1 / 6)


AUTOENCODER = """
import numpy as np

METRIC = "auc"
SEED = 4

def load_data():
    import features
    rng = np.random.default_rng(SEED)
    normal = features.standardized(rng.normal(size=(220, 2)) @ rng.normal(size=(2, 6)))
    strange = rng.normal(size=(20, 6))
    return {
        "x_train": normal[:200],
        "x_test": np.concatenate([normal[200:], strange]),
        "y_test": np.repeat([0, 1], 20),
    }

def build_and_train(data):
    import keras
    keras.utils.set_random_seed(SEED)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(2), layers.Dense(6)]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mse")
    model.fit(data.x_train, data.x_train, epochs=20, batch_size=16, verbose=0)
    return model
"""

FEATURES = """
def standardized(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)
"""


@pytest.mark.train
def test_a_workload_file_trains_an_autoencoder_and_its_auc_is_known(tmp_path: Path) -> None:
    (tmp_path / "valve.py").write_text(AUTOENCODER)
    (tmp_path / "features.py").write_text(FEATURES)
    variants = ("float32", "ptq-int16x8")
    rows, report = _run(tmp_path, workloads=(str(tmp_path / "valve.py"),), variants=variants)
    assert set(rows) == set(variants)
    for row in rows.values():
        assert (row.workload, row.metric, row.samples, row.mismatches) == ("valve", "auc", 40, 0)
        assert row.metric_value is not None
        assert row.metric_value > 0.85
        assert row.metric_value == row.metric_reference
    assert "AUC" in report


def test_two_workloads_of_one_name_are_refused(tmp_path: Path) -> None:
    _two_in_two_out(tmp_path)
    for name in ("a", "b"):
        text = 'MODEL = "net.tflite"\nNAME = "same"\n'
        (tmp_path / f"{name}.py").write_text(text)
    both = tuple(str(tmp_path / f"{name}.py") for name in ("a", "b"))
    with pytest.raises(ConfigError, match=r"b\.py: NAME 'same' is that of .*a\.py"):
        _plan(tmp_path, workloads=both)
    (tmp_path / "a.py").write_text(textwrap.dedent('MODEL = "net.tflite"\nNAME = "sine"\n'))
    with pytest.raises(ConfigError, match="NAME 'sine' is that of a built-in workload"):
        _plan(tmp_path, workloads=both[:1])


def test_a_run_of_a_workload_file_is_resumed_from_its_path(tmp_path: Path) -> None:
    _two_in_two_out(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text('MODEL = "net.tflite"\n')
    with _plan(tmp_path / "results", workloads=(str(file),)).open_run(("quantrig",)):
        pass

    def again() -> RunPlan:
        return RunPlan.resume("latest", root=tmp_path / "results", boards_file=None, ports=())

    assert [case.id for case in again().pending()] == ["mine/as-is/aot@native:native"]
    file.write_text('MODEL = "net.tflite"\nSTREAM = True\n')
    with pytest.raises(ConfigError, match="training_digest was"):
        again()
