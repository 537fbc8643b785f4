# SPDX-License-Identifier: Apache-2.0
"""Synthetic accelerometer windows from a physical model of an arm with a sensor at the wrist.

A window is what a 3-axis accelerometer reads, in g: the forearm's attitude turns gravity, the gesture
adds its own acceleration, the strap turns both into the sensor's axes; then come offset, noise and the
limits of the range. Subjects differ in strength, tempo, strap, offset and noise, so that a split by
subject asks for more than memory. Some windows were cut badly and show nothing of their gesture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CLASSES = ("wave", "punch", "flex", "idle")
RATE_HZ = 50
WINDOW_SAMPLES = 50
RANGE_G = 2.0
FOREARM_M = 0.27
STANDARD_GRAVITY_M_S2 = 9.80665
BADLY_CUT = 0.07
"""Share of windows that were cut so late that the gesture is missing."""

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One person with one sensor."""

    strength: float
    tempo: float
    strap: Vector
    """Rotation from the forearm's axes to the sensor's, shape (3, 3)."""
    offset_g: Vector
    noise_g: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """Course of one gesture over time: attitude in rad and own acceleration in g."""

    pitch: Vector
    roll: Vector
    acceleration_g: Vector
    """Shape (samples, 3): x along the forearm, z out of the back of the hand."""


def rotation(axis: Vector, angle: float) -> Vector:
    """Matrix that turns by `angle` (rad) about `axis` (Rodrigues)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross))


def draw_subject(rng: np.random.Generator) -> Subject:
    """A random person: straps sit up to some 25 degrees askew."""
    return Subject(
        strength=float(np.exp(rng.normal(0.0, 0.25))),
        tempo=float(np.exp(rng.normal(0.0, 0.15))),
        strap=rotation(rng.normal(size=3), rng.normal(0.0, 0.22)),
        offset_g=rng.normal(0.0, 0.04, 3),
        noise_g=float(rng.uniform(0.015, 0.05)),
    )


def smooth_step(time: Vector) -> Vector:
    """Minimum-jerk course from 0 (before time 0) to 1 (after time 1)."""
    t = np.clip(time, 0.0, 1.0)
    return np.asarray(t**3 * (10.0 - 15.0 * t + 6.0 * t**2))


def _rate(angle: Vector) -> Vector:
    """Change per second of a course sampled at the sensor's rate."""
    return np.asarray(np.gradient(angle, 1.0 / RATE_HZ))


def _no_acceleration(time: Vector) -> Vector:
    return np.zeros((len(time), 3))


def wave(time: Vector, subject: Subject, rng: np.random.Generator) -> Motion:
    """The raised hand swings from side to side about the elbow; tilt and acceleration add up."""
    phase = 2.0 * np.pi * (rng.uniform(1.6, 3.0) * subject.tempo * time + rng.uniform())
    swing = rng.uniform(0.12, 0.35) * subject.strength * smooth_step(time / 0.2)
    roll = swing * np.sin(phase)
    acceleration = _no_acceleration(time)
    acceleration[:, 1] = -_rate(_rate(roll)) * FOREARM_M / STANDARD_GRAVITY_M_S2
    return Motion(pitch=0.15 * swing * np.sin(2.0 * phase), roll=roll, acceleration_g=acceleration)


def punch(time: Vector, subject: Subject, rng: np.random.Generator) -> Motion:
    """A thrust along the forearm and its harder stop, with a knock on the other axes."""
    width_s = rng.uniform(0.035, 0.075) / subject.tempo
    thrust = np.exp(-(((time - 0.12) / width_s) ** 2))
    stop = np.exp(-(((time - 0.12 - 2.2 * width_s) / (0.7 * width_s)) ** 2))
    peak_g = rng.uniform(1.0, 3.2) * subject.strength
    acceleration = peak_g * np.outer(thrust - 1.35 * stop, [1.0, 0.0, 0.0])
    acceleration += peak_g * np.outer(stop, rng.normal(0.0, 0.2, 3))
    lift = rng.normal(0.0, 0.12) * smooth_step(time / 0.3)
    return Motion(pitch=lift, roll=np.zeros_like(time), acceleration_g=acceleration)


def flex(time: Vector, subject: Subject, rng: np.random.Generator) -> Motion:
    """The forearm turns up about the elbow; the wrist feels tangential and centripetal acceleration."""
    duration_s = rng.uniform(0.35, 0.75) / subject.tempo
    pitch = rng.uniform(0.55, 1.4) * subject.strength * smooth_step(time / duration_s)
    rate = _rate(pitch)
    acceleration = _no_acceleration(time)
    acceleration[:, 0] = -(rate**2) * FOREARM_M / STANDARD_GRAVITY_M_S2
    acceleration[:, 2] = _rate(rate) * FOREARM_M / STANDARD_GRAVITY_M_S2
    return Motion(pitch=pitch, roll=0.2 * rng.normal() * pitch, acceleration_g=acceleration)


def idle(time: Vector, subject: Subject, rng: np.random.Generator) -> Motion:
    """Rest: slow sway, now and then a small turn of the arm or a knock against the table."""
    del subject
    sway = rng.normal(0.0, 0.05, 2)
    turn = rng.normal(0.0, 0.12) * smooth_step(time / rng.uniform(0.3, 0.9))
    acceleration = _no_acceleration(time)
    if rng.random() < 0.2:
        knock = np.exp(-(((time - 0.1) / 0.025) ** 2))
        acceleration += rng.uniform(0.1, 0.5) * np.outer(knock, rng.normal(size=3))
    slow = 2.0 * np.pi * rng.uniform(0.2, 0.6) * time
    return Motion(
        pitch=sway[0] * np.sin(slow) + turn, roll=sway[1] * np.cos(slow), acceleration_g=acceleration
    )


MOTIONS: dict[str, Callable[[Vector, Subject, np.random.Generator], Motion]] = {
    "wave": wave,
    "punch": punch,
    "flex": flex,
    "idle": idle,
}


def warped_time(rng: np.random.Generator) -> Vector:
    """The window's 50 instants, in s from the gesture's start, on a clock that runs unevenly.

    The warp stays monotone: its slope is within 1 +- 0.25.
    """
    t = np.arange(WINDOW_SAMPLES) / RATE_HZ
    warp = rng.uniform(-0.04, 0.04) * np.sin(2.0 * np.pi * t + rng.uniform(0.0, 2.0 * np.pi))
    start_s = rng.uniform(1.06, 1.2) if rng.random() < BADLY_CUT else rng.uniform(0.0, 0.4)
    return np.asarray(t + warp - start_s)


def specific_force(motion: Motion, base_pitch: float, base_roll: float) -> Vector:
    """What an ideal sensor on the forearm reads, in g, shape (samples, 3): 1 g upwards when at rest."""
    pitch, roll = base_pitch + motion.pitch, base_roll + motion.roll
    up = np.stack([np.sin(pitch), np.cos(pitch) * np.sin(roll), np.cos(pitch) * np.cos(roll)], axis=1)
    return np.asarray(up + motion.acceleration_g)


def window(name: str, subject: Subject, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """One recording of class `name`: shape (50, 3), in g, within the sensor's range."""
    base_pitch, base_roll = rng.normal(0.0, 0.4, 2)
    motion = MOTIONS[name](warped_time(rng), subject, rng)
    ideal = specific_force(motion, base_pitch, base_roll)
    read = ideal @ subject.strap.T + subject.offset_g + rng.normal(0.0, subject.noise_g, ideal.shape)
    return np.clip(read, -RANGE_G, RANGE_G).astype(np.float32)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recordings:
    """Windows (n, 50, 3) in g, class numbers (n,), and the number of the subject of each (n,)."""

    windows: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int32]
    subjects: npt.NDArray[np.int32]


def generate(*, first_subject: int, subjects: int, windows_per_class: int, seed: int) -> Recordings:
    """Record every class `windows_per_class` times with each of `subjects` people, numbered from the first.

    A subject depends on the seed and its own number alone, so that splits can grow apart.
    """
    windows, labels, people = [], [], []
    for number in range(first_subject, first_subject + subjects):
        rng = np.random.default_rng([seed, number])
        subject = draw_subject(rng)
        for _ in range(windows_per_class):
            for label, name in enumerate(CLASSES):
                windows.append(window(name, subject, rng))
                labels.append(label)
                people.append(number)
    return Recordings(
        windows=np.stack(windows),
        labels=np.array(labels, dtype=np.int32),
        subjects=np.array(people, dtype=np.int32),
    )
