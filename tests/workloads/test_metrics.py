# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ModelError
from harness.workloads.metrics import METRICS, anomaly_scores, area_under_curve

#: Few values, so that ties are the rule.
SCORES = st.one_of(st.integers(0, 3), st.floats(-1e6, 1e6))


@given(st.lists(st.tuples(SCORES, st.integers(0, 1)), min_size=2, max_size=60))
def test_area_under_curve_is_that_of_scikit_learn(pairs: list[tuple[float, int]]) -> None:
    from sklearn.metrics import roc_auc_score

    scores = np.array([score for score, _ in pairs], dtype=np.float64)
    labels = np.array([label for _, label in pairs], dtype=np.int32)
    if len(set(labels.tolist())) == 2:
        assert area_under_curve(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    else:
        with pytest.raises(ModelError, match=f"samples have label {labels[0]}"):
            area_under_curve(scores, labels)


def test_area_under_curve_is_exact() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int32)
    assert area_under_curve(np.array([1, 2, 3, 4, 5, 6]), labels) == 1.0
    assert area_under_curve(np.array([6, 5, 4, 3, 2, 1]), labels) == 0.0
    assert area_under_curve(np.ones(6), labels) == 0.5
    assert area_under_curve(np.array([1, 2, 4, 3, 5, 6]), labels) == 8 / 9


def test_the_anomaly_score_is_the_mean_squared_error_of_the_reconstruction() -> None:
    inputs = np.array([[[1.0, 2.0]], [[0.0, 0.0]]], dtype=np.float32)
    outputs = np.array([[1.0, 4.0], [3.0, 1.0]], dtype=np.float32)
    assert anomaly_scores(outputs, inputs).tolist() == [2.0, 5.0]
    labels = np.array([0, 1], dtype=np.int32)
    assert METRICS["auc"](outputs, inputs, labels) == 1.0


def test_one_output_value_is_the_anomaly_score_itself() -> None:
    assert anomaly_scores(np.array([[0.2], [0.7]]), np.zeros((2, 9))).tolist() == [0.2, 0.7]


def test_an_output_of_another_size_gives_no_anomaly_score() -> None:
    with pytest.raises(ModelError, match="gives 2 values for 3 input values"):
        anomaly_scores(np.zeros((4, 2)), np.zeros((4, 3)))


def test_targets_of_another_size_than_the_outputs_give_no_mae() -> None:
    with pytest.raises(ModelError, match="y_test has rows of 3 values; the model gives 1"):
        METRICS["mae"](np.zeros((4, 1)), np.zeros((4, 2)), np.zeros((4, 3), np.float32))


def test_a_class_beyond_the_outputs_gives_no_accuracy() -> None:
    outputs = np.zeros((2, 3))
    with pytest.raises(ModelError, match=r"classes 0 to 3; the model tells 3 apart, 0 to 2"):
        METRICS["accuracy"](outputs, outputs, np.array([0, 3], np.int32))
    with pytest.raises(ModelError, match=r"classes -1 to 2"):
        METRICS["accuracy"](outputs, outputs, np.array([-1, 2], np.int32))
    assert METRICS["accuracy"](outputs, outputs, np.array([0, 2], np.int32)) == 0.5
