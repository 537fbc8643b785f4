# SPDX-License-Identifier: Apache-2.0
"""One case from its .tflite to its row, without a sweep around it."""

from __future__ import annotations

import functools
from pathlib import Path

from harness.boards import load_boards
from harness.pipeline import Bench, Trained, run_case
from harness.records import Result
from harness.resources import cache_dir
from harness.sweep import AS_IS, Case, Lane
from harness.workloads import WORKLOADS, AsIsWorkload, Examples


class _Quiet:
    def step(self, name: str, text: str) -> None: ...

    def samples(self, case_id: str, done: int, total: int) -> None: ...

    def finished(self, name: str) -> None: ...


@functools.cache
def _trained(workload: str) -> Trained:
    data = WORKLOADS[workload].load_data()
    examples = Examples(inputs=(data.x_test,), targets=data.y_test)
    return Trained(workload=WORKLOADS[workload], examples=examples)


def result_of(case: Case, tflite: bytes, folder: Path, *, samples: int | None = None) -> Result:
    """Run the case of a built-in workload on at most so many samples; its log goes to `folder`."""
    return run_case(case, tflite, _trained(case.workload), _bench(folder, samples=samples))


def result_of_model(
    model: Path, lane: Lane, folder: Path, *, samples: int | None = None, check_layers: bool = False
) -> Result:
    """Run a .tflite without data; its log and, where layers are checked, their table go to `folder`."""
    workload = AsIsWorkload.from_files(model, None, None)
    case = Case(
        workload=workload.NAME, variant=AS_IS, engine="aot", board=lane.board, target=lane.target
    )  # fmt: skip
    trained = Trained(workload=workload, examples=workload.examples())
    return run_case(
        case, workload.tflite(), trained, _bench(folder, samples=samples, check_layers=check_layers)
    )


def _bench(folder: Path, *, samples: int | None, check_layers: bool = False) -> Bench:
    return Bench(
        boards=load_boards(),
        workloads=WORKLOADS,
        cache=cache_dir(),
        log_folder=folder,
        models=folder,
        progress=_Quiet(),
        jobs=1,
        samples=samples,
        check_layers=check_layers,
    )
