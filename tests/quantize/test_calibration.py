# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.quantize.calibration import calibration_inputs, choose
from harness.workloads import WORKLOADS, find_workload

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(LABELS, st.data())
def test_classes_get_equal_shares_as_far_as_they_go(labels: list[int], data: st.DataObject) -> None:
    targets = np.array(labels, dtype=np.int32)
    count = data.draw(st.integers(1, len(labels)))
    chosen = choose(targets, count, seed=0)
    assert len(set(chosen.tolist())) == count
    there, taken = np.bincount(targets, minlength=5), np.bincount(targets[chosen], minlength=5)
    # A class that gave less than another one by two and more has nothing left to give.
    short = taken < taken.max() - 1
    assert (taken[short] == there[short]).all()


def test_choice_is_the_same_at_each_call_and_depends_on_the_seed() -> None:
    targets = np.tile(np.arange(4, dtype=np.int32), 50)
    assert np.array_equal(choose(targets, 40, seed=1), choose(targets, 40, seed=1))
    assert not np.array_equal(choose(targets, 40, seed=1), choose(targets, 40, seed=2))


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=60), st.data())
def test_regression_takes_one_row_from_each_quantile(values: list[float], data: st.DataObject) -> None:
    targets = np.array(values, dtype=np.float32).reshape(-1, 1)
    count = data.draw(st.integers(1, len(values)))
    ranks = np.argsort(np.argsort(targets[:, 0], kind="stable"), kind="stable")
    taken = np.sort(ranks[choose(targets, count, seed=0)])
    quantiles = (taken + 0.5) / len(values)
    assert np.abs(quantiles - (np.arange(count) + 0.5) / count).max() <= 0.5 / len(values) + 1e-9
    assert len(set(taken.tolist())) == count


@pytest.mark.parametrize("name", WORKLOADS)
def test_built_in_workloads_calibrate_with_200(name: str) -> None:
    data = find_workload(name).load_data()
    inputs = calibration_inputs(data, {}, seed=0)
    assert inputs.shape == (200, *data.x_calibration.shape[1:])
    rows = {row.tobytes() for row in data.x_calibration}
    assert {row.tobytes() for row in inputs} <= rows


def test_digits_calibrate_with_20_of_each_class() -> None:
    labels = find_workload("digits").load_data().y_calibration
    assert np.bincount(labels[choose(labels, 200, seed=1797)]).tolist() == [20] * 10


def test_more_than_there_are_is_refused() -> None:
    data = find_workload("digits").load_data()
    with pytest.raises(ConfigError, match="calib=241: the calibration split holds 240 samples"):
        calibration_inputs(data, {"calib": "241"}, seed=0)
