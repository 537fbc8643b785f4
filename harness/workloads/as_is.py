# SPDX-License-Identifier: Apache-2.0
"""A .tflite that is used as it is, as variant `as-is`: nothing is trained and nothing quantized."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from harness.errors import ConfigError
from harness.workloads.arrays import examples, metric_of
from harness.workloads.dataset import Examples, TargetArray
from harness.workloads.files import existing, name_of, read_npz
from harness.workloads.metrics import METRICS, Score


class AsIsWorkload:
    """A finished model and what it is run on; satisfies `Workload`.

    Without data the inputs are drawn by seed, as one stream: outputs are compared and latencies taken, but
    there is no score (METRIC is empty).
    """

    def __init__(
        self,
        model: Path,
        read: Callable[[], Examples] | None,
        *,
        name: str,
        title: str,
        metric: str,
        score: Score | None = None,
        seed: int = 1,
        stream: bool = False,
        synthetic: bool = False,
        files: tuple[Path, ...] = (),
    ) -> None:
        self.model = model
        self._read = read
        self.NAME = name
        self.TITLE = title
        self.METRIC = metric
        self.SEED = seed
        self.STREAM = stream or read is None
        self.SYNTHETIC = synthetic or read is None
        self._score = score
        self._files = files

    @classmethod
    def from_files(cls, model: Path, data: Path | None, metric: str | None) -> AsIsWorkload:
        """What `--model net.tflite` makes, with or without `--data`.

        Raises:
            ConfigError: a metric without data or targets.
            ModelError: a file is not there, of another kind, or damaged.
        """
        model = existing(model, ".tflite")
        if data is None:
            if metric is not None:
                raise ConfigError(f"--metric {metric} without --data.", fix="Give the data to score.")
            title = f"{model.name} on seeded random inputs"
            return cls(model, None, name=name_of(model), title=title, metric="")
        data = existing(data, ".npz")
        arrays = read_npz(data, ("x_test",))
        if metric is not None and "y_test" not in arrays:
            raise ConfigError(f"--metric {metric}, but {data} has no array y_test.", fix="Add the targets.")
        scored = metric_of(arrays["y_test"], metric) if "y_test" in arrays else ""
        return cls(
            model,
            lambda: examples(arrays, metric=scored, where=data),
            name=name_of(model),
            title=f"{model.name} on {data.name}",
            metric=scored,
            files=(data,),
        )

    def data_files(self) -> tuple[Path, ...]:
        """The model, and where its data come from."""
        return tuple(dict.fromkeys((self.model, *self._files)))

    def tflite(self) -> bytes:
        """The model's file."""
        return self.model.read_bytes()

    def examples(self) -> Examples | None:
        """What it is run on; None: inputs drawn by seed. Raises ModelError for malformed data."""
        return self._read() if self._read is not None else None

    def score(self, outputs: npt.NDArray[Any], x_test: npt.NDArray[Any], y_test: TargetArray, /) -> float:
        """See `Workload`."""
        return (self._score or METRICS[self.METRIC])(outputs, x_test, y_test)
