# SPDX-License-Identifier: Apache-2.0
"""`./run bench`: performance as ratios against a baseline of the same run. Prints; asserts no wall time."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness import children
from harness.boards import load_boards
from harness.build import build
from harness.compiler import Buffer, compile_graph, cpu_named, plan_memory
from harness.graph import read_tflite, to_stored
from harness.link import Session
from harness.resources import cache_dir
from harness.targets import TARGETS
from harness.workloads import WORKLOADS
from tests.readme import REFERENCE
from tests.tiny_firmware import tiny_firmware

pytestmark = pytest.mark.bench

LANES = (("uno", "simavr"), ("stm32f4", "qemu"))
SAMPLES = 10


def _ticks(workload: str, variant: str, board_name: str, target: str, log: Path) -> float:
    """Median ticks of a few inferences of a reference model."""
    graph = read_tflite((REFERENCE / "models" / f"{workload}__{variant}.tflite").read_bytes(), name=variant)
    board = load_boards()[board_name]
    case_id = f"{workload}/{variant}/bench@{board_name}:{target}"
    firmware = build(compile_graph(graph, cpu_named(board.cpu)), board, case_id=case_id, cache=cache_dir())
    samples = to_stored(WORKLOADS[workload].load_data().x_test[:SAMPLES], graph.input_tensors()[0])
    with TARGETS[target].open(firmware, board, log=log) as transport:
        session = Session(transport)
        return statistics.median(session.infer([sample.tobytes()]).ticks for sample in samples)


@pytest.mark.parametrize("workload", ["digits", "sine"])
@pytest.mark.parametrize(("board", "target"), LANES)
def test_int8_against_float32(workload: str, board: str, target: str, tmp_path: Path) -> None:
    float32, int8 = (_ticks(workload, v, board, target, tmp_path / "log") for v in ("float32", "ptq-int8"))
    print(
        f"\n{workload} on {board}:{target}: int8 {int8:,.0f} / float32 {float32:,.0f} = {int8 / float32:.2f}"
    )


@pytest.mark.parametrize("workload", ["digits", "gesture"])
@pytest.mark.parametrize(("board", "target"), LANES)
def test_ticks_per_multiply_accumulate(workload: str, board: str, target: str, tmp_path: Path) -> None:
    """Baseline: one multiply-accumulate is one tick."""
    from harness.graph import count_macs

    model = (REFERENCE / "models" / f"{workload}__ptq-int8.tflite").read_bytes()
    macs = count_macs(read_tflite(model, name=workload))
    ticks = _ticks(workload, "ptq-int8", board, target, tmp_path / "log")
    print(f"\n{workload} int8 on {board}:{target}: {ticks:,.0f} ticks / {macs:,} MACs = {ticks / macs:.2f}")


def test_planner_against_its_own_half() -> None:
    """A chain of twice as many layers; quadratic cost would show as 4."""
    rng = np.random.default_rng(0)

    def chain(layers: int) -> Callable[[], object]:
        sizes = rng.integers(1, 5000, layers)
        buffers = [Buffer(nbytes=int(size), first=i, last=i + 1) for i, size in enumerate(sizes)]
        return lambda: plan_memory(buffers)

    half, whole = _seconds(chain(200)), _seconds(chain(400))
    print(f"\nplan of 400 layers / plan of 200: {whole / half:.2f} ({whole * 1000:.0f} ms)")


ANALYZED = str(REFERENCE / "models" / "gesture__float32.tflite")


@pytest.mark.parametrize("arguments", [("--help",), ("boards",), ("analyze", ANALYZED)])
def test_start_of_the_command_against_python_itself(arguments: tuple[str, ...]) -> None:
    def start(*command: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *command], check=True, capture_output=True)

    bare, ours = _seconds(start("-c", "pass")), _seconds(start("-m", "harness", *arguments))
    print(f"\nquantrig {arguments[0]} / python -c pass: {ours / bare:.1f} ({ours * 1000:.0f} ms)")


def test_a_supervised_child_against_a_plain_one() -> None:
    plain = _seconds(lambda: subprocess.run(["true"], check=True))
    ours = _seconds(lambda: children.run(["true"], timeout_s=10))
    print(f"\nchildren.run / subprocess.run: {ours / plain:.1f} ({ours * 1000:.1f} ms)")


def test_an_unchanged_build_against_making_it(tmp_path: Path) -> None:
    def make() -> object:
        return tiny_firmware(load_boards()["uno"], tmp_path)

    started = time.perf_counter()
    make()
    first, again = time.perf_counter() - started, _seconds(make)
    print(f"\nunchanged build / first build: {again / first:.4f} ({again * 1000:.1f} ms)")


def _seconds(work: Callable[[], object]) -> float:
    """Best of five."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
