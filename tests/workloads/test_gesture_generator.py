# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.workloads import gesture
from harness.workloads import gesture_generator as generator

ANGLES = st.floats(-3.2, 3.2)
SEEDS = st.integers(0, 2**32 - 1)


@given(ANGLES, ANGLES)
def test_at_rest_the_sensor_reads_one_g(pitch: float, roll: float) -> None:
    time = np.zeros(5)
    rest = generator.Motion(pitch=time, roll=time, acceleration_g=np.zeros((5, 3)))
    assert np.linalg.norm(generator.specific_force(rest, pitch, roll), axis=1) == pytest.approx(np.ones(5))


def test_flat_and_still_gravity_is_on_z() -> None:
    rest = generator.Motion(pitch=np.zeros(1), roll=np.zeros(1), acceleration_g=np.zeros((1, 3)))
    assert generator.specific_force(rest, 0.0, 0.0) == pytest.approx(np.array([[0.0, 0.0, 1.0]]))
    assert generator.specific_force(rest, np.pi / 2, 0.0) == pytest.approx(np.array([[1.0, 0.0, 0.0]]))


@given(SEEDS)
def test_a_strap_turns_and_does_not_stretch(seed: int) -> None:
    strap = generator.draw_subject(np.random.default_rng(seed)).strap
    assert strap @ strap.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(strap) == pytest.approx(1.0)


def test_rotation_by_hand() -> None:
    quarter = generator.rotation(np.array([0.0, 0.0, 2.0]), np.pi / 2)
    assert quarter @ np.array([1.0, 0.0, 0.0]) == pytest.approx(np.array([0.0, 1.0, 0.0]))


@given(SEEDS)
def test_warped_time_never_runs_backwards(seed: int) -> None:
    steps = np.diff(generator.warped_time(np.random.default_rng(seed))) * generator.RATE_HZ
    assert steps.min() > 0.74
    assert steps.max() < 1.26


@given(SEEDS)
def test_waving_tilt_and_acceleration_add_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    motion = generator.wave(generator.warped_time(rng) + 0.5, generator.draw_subject(rng), rng)
    assert (motion.roll * motion.acceleration_g[:, 1]).sum() >= 0


def test_windows_stay_in_range_and_punches_reach_it() -> None:
    recorded = generator.generate(first_subject=0, subjects=20, windows_per_class=5, seed=1)
    assert np.abs(recorded.windows).max() == generator.RANGE_G
    clipped = (np.abs(recorded.windows) == generator.RANGE_G).any(axis=(1, 2))
    punches = recorded.labels == generator.CLASSES.index("punch")
    assert clipped[punches].mean() > 0.3
    assert clipped[recorded.labels == generator.CLASSES.index("idle")].mean() < 0.05


def test_idle_windows_read_about_one_g() -> None:
    recorded = generator.generate(first_subject=0, subjects=20, windows_per_class=5, seed=1)
    idle = recorded.windows[recorded.labels == generator.CLASSES.index("idle")]
    norms = np.median(np.linalg.norm(idle, axis=2), axis=1)
    assert np.abs(norms - 1.0).max() < 0.2


def test_a_subject_depends_on_seed_and_number_alone() -> None:
    several = generator.generate(first_subject=0, subjects=4, windows_per_class=2, seed=9)
    alone = generator.generate(first_subject=3, subjects=1, windows_per_class=2, seed=9)
    assert np.array_equal(several.windows[several.subjects == 3], alone.windows)


def test_no_subject_is_in_two_splits() -> None:
    train, calibration, test = (
        set(gesture.recordings()[name].subjects.tolist()) for name in ("train", "calibration", "test")
    )
    assert not train & calibration | train & test | calibration & test


def test_the_last_training_rows_are_of_subjects_that_do_not_occur_before() -> None:
    subjects = gesture.recordings()["train"].subjects
    assert (np.diff(subjects) >= 0).all()


def test_a_linear_classifier_is_not_enough() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = gesture.load_data()
    flat = data.x_train.reshape(len(data.x_train), -1)
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, tol=1e-3, max_iter=1000))
    linear.fit(flat, data.y_train)
    assert linear.score(data.x_test.reshape(len(data.x_test), -1), data.y_test) < 0.85
