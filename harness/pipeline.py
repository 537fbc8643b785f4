# SPDX-License-Identifier: Apache-2.0
"""The whole flow on one screen: a sweep's cases -> trained models -> variants -> Results, one by one.

    workload -> model -> variant (.tflite) -> graph -> C -> firmware -> device -> measurement -> Result

Training, variants and firmware are cached by content, each by its own step. Measurements never are.
A case that fails becomes a row with a reason, and the sweep goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from harness import elf, reference
from harness.attempts import try_again
from harness.boards import Board
from harness.build import build
from harness.case_log import note
from harness.case_run import (
    CaseRun,
    check_stack,
    ended,
    facts_of,
    mismatch,
    now_text,
    outcome_of,
    warnings_of,
)
from harness.compiler import compile_graph, cpu_named
from harness.desk import Attachment, absence
from harness.errors import DoesNotFitError, QuantrigError, ReasonCode
from harness.graph import read_tflite
from harness.layer_check import check_layers
from harness.measure import measure
from harness.quantize.trained import data_set, prepare, variant
from harness.records import (
    MICROS,
    Clock,
    Footprint,
    Outcome,
    Result,
    Status,
)
from harness.sweep import HARDWARE, Case
from harness.targets import TARGETS
from harness.trial import make_trial, verify_all
from harness.workloads import AsIsWorkload, Examples, TrainedWorkload


class Progress(Protocol):
    """Told what goes on, from any thread."""

    def step(self, name: str, text: str) -> None:
        """`name` (a workload, a variant or a case) has come to the step `text`."""

    def samples(self, case_id: str, done: int, total: int) -> None:
        """The device has inferred `done` of `total` samples."""

    def finished(self, name: str) -> None:
        """Nothing more comes from `name`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What all cases of a sweep share."""

    boards: Mapping[str, Board]
    workloads: Mapping[str, TrainedWorkload | AsIsWorkload]
    cache: Path
    log_folder: Path
    models: Path
    """Folder that keeps each variant's .tflite; one that is there already is used as it is."""
    progress: Progress
    jobs: int
    samples: int | None = None
    """At most so many of each test set; None: all."""
    retries: int = 0
    """How often a case is tried again that failed by what may pass."""
    quarantined: Mapping[str, str] = field(default_factory=dict)
    """Case id -> why it is left out."""
    ports: Mapping[str, Attachment] = field(default_factory=dict)
    """Board name -> where it is, for target `hardware`."""
    check_layers: bool = False
    """Compare every layer, too."""

    def port(self, case: Case) -> Attachment | None:
        """Where the case's board is; None for one that is emulated."""
        return self.ports.get(case.board) if case.target == HARDWARE else None

    def board(self, case: Case) -> Board:
        """The case's board, as the one on the desk is set up."""
        board, port = self.boards[case.board], self.port(case)
        return replace(board, baud=port.baud) if port and port.baud else board

    def log(self, case: Case) -> Path:
        """The case's log."""
        return self.log_folder / f"{case.slug}.log"


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A workload whose model is there, what it is run on, and why some of its variants cannot be made."""

    workload: TrainedWorkload | AsIsWorkload
    examples: Examples | None
    """None: there are no data, so that inputs are drawn."""
    refused: Mapping[str, QuantrigError] = field(default_factory=dict)


def run_sweep(cases: Iterable[Case], bench: Bench) -> Iterator[Result]:
    """Run every case, `bench.jobs` at a time; a Result comes as soon as its case has ended.

    Each workload is trained once, then each of its variants is made once, then their cases run.
    """
    by_workload: dict[str, list[Case]] = {}
    for case in cases:
        if case.id in bench.quarantined:
            why = bench.quarantined[case.id]
            outcome = Outcome(status=Status.SKIPPED, reason_code=ReasonCode.QUARANTINED, reason=why)
            yield ended(case, outcome)
            continue
        board, port = bench.boards[case.board], bench.port(case)
        reason = TARGETS[case.target].unavailable(board, port=port)
        if reason is None:
            by_workload.setdefault(case.workload, []).append(case)
        else:
            away = case.target == HARDWARE and reason == absence(board, port)
            code = ReasonCode.NO_BOARD if away else ReasonCode.UNAVAILABLE
            yield ended(case, Outcome(status=Status.UNAVAILABLE, reason_code=code, reason=reason))
    yield from _run_tasks([_training(name, group, bench) for name, group in by_workload.items()], bench)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """Work for a thread; `then` turns what it gives into the next tasks or the Result."""

    work: Callable[[], Any]
    then: Callable[[Any], list[_Task] | Result]
    cases: list[Case]
    """Those that cannot run if the work fails."""
    desk: str | None = None
    """The board on the desk that it uses alone."""


def _training(name: str, cases: list[Case], bench: Bench) -> _Task:
    by_variant: dict[str, list[Case]] = {}
    for case in cases:
        by_variant.setdefault(case.variant, []).append(case)

    def variants(made: Trained) -> list[_Task]:
        return [_quantizing(identifier, group, made, bench) for identifier, group in by_variant.items()]

    return _Task(work=lambda: train(name, tuple(by_variant), bench), then=variants, cases=cases)


def _quantizing(identifier: str, cases: list[Case], trained: Trained, bench: Bench) -> _Task:
    def runs(tflite: bytes) -> list[_Task]:
        return [
            _Task(
                work=partial(run_case, case, tflite, trained, bench),
                then=lambda row: row,
                cases=[case],
                desk=port.key if (port := bench.port(case)) else None,
            )
            for case in cases
        ]

    return _Task(work=lambda: quantize(trained, identifier, bench), then=runs, cases=cases)


def _run_tasks(tasks: list[_Task], bench: Bench) -> Iterator[Result]:
    """Run tasks and what follows from them until nothing is left.

    A board on the desk has a thread of its own: its cases take turns, and hold up nobody else's.
    """
    # Not a `with`: an interrupted sweep must not wait for what its threads still do.
    pools: dict[str | None, ThreadPoolExecutor] = {}

    def submit(task: _Task) -> Future[Any]:
        if task.desk not in pools:
            threads = bench.jobs if task.desk is None else 1
            pools[task.desk] = ThreadPoolExecutor(threads, thread_name_prefix=task.desk or "case")
        return pools[task.desk].submit(task.work)

    running = {submit(task): task for task in tasks}
    try:
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                task = running.pop(future)
                try:
                    following = task.then(future.result())
                except Exception as error:
                    yield from (ended(case, outcome_of(error, bench.log(case))) for case in task.cases)
                    continue
                if isinstance(following, Result):
                    yield following
                else:
                    running |= {submit(task): task for task in following}
    finally:
        for pool in pools.values():
            pool.shutdown(wait=False, cancel_futures=True)


def train(name: str, identifiers: Sequence[str], bench: Bench) -> Trained:
    """Train the workload and make its variants, all at once as TensorFlow is slow to start, or find them."""
    bench.progress.step(name, "training")
    workload, log = bench.workloads[name], bench.log_folder / f"{name}.log"
    try:
        if isinstance(workload, AsIsWorkload):
            return Trained(workload=workload, examples=workload.examples())
        refused = prepare(workload, identifiers, log=log)
        data = data_set(workload, log=log)
        examples = Examples(inputs=(data.x_test,), targets=data.y_test)
        return Trained(workload=workload, examples=examples, refused=refused)
    finally:
        bench.progress.finished(name)


def quantize(trained: Trained, identifier: str, bench: Bench) -> bytes:
    """The variant's .tflite: as it was made, or as the run that is resumed keeps it."""
    if identifier in trained.refused:
        raise trained.refused[identifier]
    workload = trained.workload
    kept = bench.models / f"{workload.NAME}__{identifier}.tflite"
    if not kept.exists():
        draft = kept.with_suffix(f".{os.getpid()}.part")
        draft.write_bytes(
            workload.tflite() if isinstance(workload, AsIsWorkload) else variant(workload, identifier).tflite
        )
        draft.replace(kept)
    return kept.read_bytes()


def run_case(case: Case, tflite: bytes, trained: Trained, bench: Bench) -> Result:
    """One case from its .tflite to its row; never raises for anything that the case itself did wrong."""
    try:
        return try_again(
            partial(_attempt, case, tflite, trained, bench),
            retries=bench.retries,
            on_failure=lambda code: bench.progress.step(case.id, f"again after {code}"),
        )
    finally:
        bench.progress.finished(case.id)


def _attempt(case: Case, tflite: bytes, trained: Trained, bench: Bench) -> Result:
    port = bench.port(case)
    run = CaseRun(
        case=case, started=time.monotonic(), started_at=now_text(), address=port.key if port else ""
    )
    log = bench.log(case)
    try:
        _measure_case(run, tflite, trained, bench, log)
        run.outcome = Outcome(status=Status.OK, warnings=warnings_of(run))
    except Exception as error:
        run.outcome = outcome_of(error, log)
    return run.result()


def _measure_case(run: CaseRun, tflite: bytes, trained: Trained, bench: Bench, log: Path) -> None:
    """The vertical line; `run` keeps what is known when a step fails."""
    case, board, target = run.case, bench.board(run.case), TARGETS[run.case.target]
    step = bench.progress.step

    step(case.id, "compiling")
    graph = read_tflite(tflite, name=f"{case.workload}-{case.variant}.tflite")
    run.facts = facts_of(graph, tflite)
    source, workload = compile_graph(graph, cpu_named(board.cpu)), trained.workload
    trial = make_trial(graph, trained.examples, samples=bench.samples, seed=workload.SEED)

    step(case.id, "building")
    try:
        firmware = build(source, board, case_id=case.id, cache=bench.cache, log=log)
    except DoesNotFitError as error:
        run.footprint = Footprint(**error.sizes) if error.sizes else None
        run.toolchain = error.toolchain
        raise
    run.toolchain, run.footprint = firmware.toolchain, Footprint(**asdict(firmware.sizes))

    step(case.id, "measuring")
    clock, port = target.clock(board), bench.port(case)
    run.clock = Clock(clock) if clock else None
    with (
        elf.faults_named(firmware.elf),
        target.open(firmware, board, log=log, port=port) as transport,
    ):
        measurement = measure(
            transport,
            expected_digest=firmware.firmware_sha256,
            inputs=trial.inputs,
            stateful=graph.is_stateful,
            stream=workload.STREAM,
            on_progress=lambda done, total: bench.progress.samples(case.id, done, total),
            on_link=run.keep_link,
            note=partial(note, log),
            timing=port.timing(transport.baud) if port is not None else None,
            real_time=case.target == HARDWARE,
        )

    step(case.id, "verifying")
    told = reference.expected_outputs(tflite, trial.inputs, stream=workload.STREAM)
    outputs = trial.split(measurement.outputs)
    run.verification = verify_all(outputs, told.outputs, told.oracle)
    if bench.check_layers:
        step(case.id, "checking layers")
        layers = check_layers(
            tflite, graph, board, target, inputs=trial.inputs, stream=workload.STREAM, case_id=case.id,
            cache=bench.cache, log=log, port=port,
        )  # fmt: skip
        run.remarks += layers.kept(log)
    if run.verification.mismatches:
        raise mismatch(outputs, told.outputs, run.verification)
    check_stack(measurement, run.footprint)
    if run.clock is Clock.CYCLES and measurement.counter == MICROS:
        run.clock = Clock.WALL
    run.measurement = measurement
    run.score = trial.score(workload, outputs, told.outputs)
