# SPDX-License-Identifier: Apache-2.0
"""Every tensor of the arena against the oracle's, on the firmware's own link."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.boards import load_boards
from harness.compiler import Cpu, GeneratedSource, compile_graph, lower
from harness.errors import MismatchError, ReasonCode, WrongFirmwareError
from harness.graph import Graph, read_tflite
from harness.interpreters import trace
from harness.layer_check import SAMPLES, Layer, LayerReport, check_layers, compare, run_steps
from harness.link import PipeTransport
from harness.records import Status
from harness.sweep import Lane
from harness.targets import TARGETS
from harness.trial import make_trial
from harness.workloads import AsIsWorkload
from tests import tflite_builder as tb
from tests.case_runner import result_of_model
from tests.kernels.models import random_inputs
from tests.kernels.models_recurrent import LSTM_FORMS, lstm
from tests.link.memory_device import CORE, WARNINGS
from tests.native_model import FIRMWARE, INCLUDES, kernel_archive, model_folder, run
from tests.tflite_builder import ModelBuilder

Array = npt.NDArray[Any]

DIGEST = "00" * 32


def network(*, odd: bool = False) -> bytes:
    """Two dense layers with a state and folded operations between them; `odd`: one weight is another."""
    rng = np.random.default_rng(7)
    b = ModelBuilder()
    x, flat = b.tensor((1, 2, 6), "float32"), b.tensor((1, 12), "float32")
    hidden = b.tensor((1, 5), "float32")
    memory = b.tensor((1, 15), "float32", is_variable=True)
    remembered = b.tensor((1, 5), "float32", name="remembered")
    weights, y = b.tensor((3, 5), "float32"), b.tensor((1, 3), "float32")
    b.op("RESHAPE", [x, b.constant(np.array([1, 12]), "int32")], [flat], tb.reshape_options((1, 12)))
    first = b.constant(rng.normal(size=(5, 12)), "float32")
    b.op("FULLY_CONNECTED", [flat, first, -1], [hidden], tb.fully_connected_options(activation="RELU"))
    feature, time = (rng.normal(size=size) for size in ((5, 5), (5, 3)))
    time[4, 2] = 9 if odd else 0.25
    constants = [b.constant(values, "float32") for values in (feature, time, np.zeros(5))]
    b.op("SVDF", [hidden, *constants, memory], [remembered], tb.svdf_options(1))
    b.op("DEQUANTIZE", [b.constant(rng.normal(size=(3, 5)), "float16")], [weights])
    b.op("FULLY_CONNECTED", [remembered, weights, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


def graph_of(data: bytes) -> Graph:
    return read_tflite(data, name="net")


@contextmanager
def device(graph: Graph) -> Iterator[PipeTransport]:
    """The firmware that runs the model step by step, as a process of this computer."""
    folder = model_folder(compile_graph(graph, stepwise=True).files)
    sources = [path for path in CORE if path.name != "model.c"]
    sources += [FIRMWARE / "src" / "main.c", FIRMWARE / "src" / "ports" / "native.c", folder / "model.c"]
    includes = [f"-I{path}" for path in (folder, FIRMWARE / "lib" / "link", FIRMWARE / "src")]
    board = ["-DQR_PORT_NATIVE", '-DQR_BOARD="native"']
    run("gcc", *WARNINGS, "-O1", *board, *includes, *INCLUDES, *sources, kernel_archive(), "-lm", "-o",
        folder / "firmware")  # fmt: skip
    with subprocess.Popen(
        [folder / "firmware"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield PipeTransport(process.stdin, process.stdout)
        process.kill()


def checked(
    data: bytes, inputs: Sequence[Array], *, stream: bool = False, built: bytes | None = None
) -> LayerReport:
    """`data` checked on a device that runs `built`."""
    graph = graph_of(data)
    with device(graph_of(built or data)) as transport:
        found = run_steps(transport, lower(graph), inputs, stream=stream, digest=DIGEST)
    return compare(graph, lower(graph), found, trace(data, inputs, stream=stream))


@pytest.mark.parametrize("stream", [False, True])
def test_every_tensor_of_the_arena_equals_the_oracles(stream: bool) -> None:
    data = network()
    report = checked(data, random_inputs(graph_of(data), samples=3, seed=1), stream=stream)
    assert [(layer.step, layer.op, layer.compared, layer.mismatches) for layer in report.layers] == [
        (None, "RESHAPE", 0, None),
        (0, "FULLY_CONNECTED", 15, 0),
        (1, "SVDF", 15, 0),
        (None, "DEQUANTIZE", 45, 0),
        (2, "FULLY_CONNECTED", 9, 0),
        (2, "variable", 45, 0),
    ]
    assert report.layers[0].note == "folded: names the bytes of its input"
    assert report.layers[3].note == "folded: worked out by the compiler"
    assert not any(layer.note for layer in report.layers if layer.step is not None)
    report.raise_first()


@pytest.mark.parametrize("form", LSTM_FORMS)
def test_states_of_every_form_equal_the_oracles(form: str) -> None:
    """Output, hidden state and cell state, also those of hybrid models."""
    data = lstm(form)
    report = checked(data, random_inputs(graph_of(data), samples=4, seed=3), stream=True)
    assert [layer.mismatches for layer in report.layers] == [0, 0, 0]
    assert [layer.dtype for layer in report.layers][1:] == [LSTM_FORMS[form][0], LSTM_FORMS[form][2]]
    assert ("dequantized" in report.layers[0].oracle) == (form == "hybrid")


def test_samples_on_their_own_are_no_stream() -> None:
    """The same device, looked at in one way and compared in the other: the state makes the difference."""
    data = network()
    graph = graph_of(data)
    inputs = random_inputs(graph, samples=3, seed=1)
    with device(graph) as transport:
        found = run_steps(transport, lower(graph), inputs, stream=True, digest=DIGEST)
    report = compare(graph, lower(graph), found, trace(data, inputs, stream=False))
    assert [bool(layer.mismatches) for layer in report.layers] == [False, False, True, False, True, True]


def test_the_first_layer_that_differs_is_named_with_count_and_difference() -> None:
    """The device runs a model whose second layer has another weight."""
    data = network()
    inputs = random_inputs(graph_of(data), samples=3, seed=1)
    report = checked(data, inputs, built=network(odd=True))
    with pytest.raises(MismatchError) as caught:
        report.raise_first()
    index = report.layers[2].tensor
    wanted, other = (trace(model, inputs).values[index] for model in (data, network(odd=True)))
    difference = np.abs(wanted - other)
    count, largest = np.count_nonzero(difference), difference.max()
    assert count > 1
    message = str(caught.value)
    assert f"is SVDF 'remembered' (step 1): {count} of 15 elements differ from tflite-reference" in message
    assert f"by at most {largest:.3g}"[:-1] in message
    assert "; 2 of 6 layers differ." in message


def test_another_firmware_is_refused() -> None:
    graph = graph_of(network())
    inputs = random_inputs(graph, samples=2, seed=1)
    with device(graph) as transport, pytest.raises(WrongFirmwareError):
        run_steps(transport, lower(graph), inputs, stream=False, digest="ab" * 32)


LAYER = Layer(
    step=0, op="ADD", tensor=3, name="a,b", shape="1x4", dtype="int8", elements=4, compared=12, mismatches=0,
    max_abs_diff=0.0, oracle="tflm 1", note="",
)  # fmt: skip


def test_the_table(tmp_path: Path) -> None:
    folded = replace(LAYER, step=None, compared=0, mismatches=None, max_abs_diff=None, note="folded")
    report = LayerReport(layers=(LAYER, folded))
    assert report.kept(tmp_path / "case.log") == ()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "case.layers.csv").read_text())))
    assert [row["name"] for row in rows] == ["a,b", "a,b"]
    assert [row["mismatches"] for row in rows] == ["0", ""]
    assert [row["step"] for row in rows] == ["0", ""]


def test_a_difference_leaves_the_table_too(tmp_path: Path) -> None:
    wrong = replace(LAYER, name="n" * 100, mismatches=2, max_abs_diff=3.0)
    report = LayerReport(layers=(LAYER, wrong), remark="never mind")
    message = r"ADD 'n{60}\.\.\.' \(step 0\): 2 of 12 elements.*at most 3; 1 of 2"
    with pytest.raises(MismatchError, match=message):
        report.kept(tmp_path / "case.log")
    assert (tmp_path / "case.layers.csv").exists()


def test_a_layer_that_the_oracle_does_not_know_is_a_remark(tmp_path: Path) -> None:
    """Nothing says that it is right, so the row must not look as if."""
    data = network()
    inputs = random_inputs(graph_of(data), samples=2, seed=1)
    told = trace(data, inputs)
    hidden = next(op.outputs[0] for op in graph_of(data).ops if op.kind == "FULLY_CONNECTED")
    known = replace(told, values={index: value for index, value in told.values.items() if index != hidden})
    report = compare(graph_of(data), lower(graph_of(data)), told.values, known)
    assert [layer.note for layer in report.layers if layer.tensor == hidden] == [
        "the oracle has no such tensor"
    ]
    doubt = "1 of 6 layers were not compared: the oracle has no such tensor"
    assert report.kept(tmp_path / "case.log") == (doubt,)


def test_what_was_not_looked_at_is_a_remark(tmp_path: Path) -> None:
    assert LayerReport(layers=(), remark="too large").kept(tmp_path / "case.log") == ("too large",)


@pytest.mark.emulator
@pytest.mark.parametrize(("board", "target"), [("native", "native"), ("uno", "simavr"), ("stm32f4", "qemu")])
def test_on_every_target(board: str, target: str, tmp_path: Path) -> None:
    data = network()
    graph = graph_of(data)
    report = check_layers(
        data,
        graph,
        load_boards()[board],
        TARGETS[target],
        inputs=random_inputs(graph, samples=4, seed=1),
        stream=True,
        case_id=f"layers/{board}",
        cache=tmp_path / "cache",
        log=tmp_path / "log",
    )
    assert [layer.mismatches for layer in report.layers] == [None, 0, 0, 0, 0, 0]
    assert report.layers[1].compared == 15


@pytest.mark.emulator
def test_a_model_that_fits_only_as_a_whole_is_a_remark(tmp_path: Path) -> None:
    """The Uno holds no 20,000 weights."""
    b = ModelBuilder()
    x, y = b.tensor((1, 200), "float32"), b.tensor((1, 100), "float32")
    b.op("FULLY_CONNECTED", [x, b.constant(np.ones((100, 200)), "float32"), -1], [y],
         tb.fully_connected_options())  # fmt: skip
    data = b.build([x], [y])
    graph = graph_of(data)
    report = check_layers(
        data,
        graph,
        load_boards()["uno"],
        TARGETS["simavr"],
        inputs=random_inputs(graph, samples=2, seed=1),
        stream=False,
        case_id="layers/large",
        cache=tmp_path / "cache",
        log=tmp_path / "log",
    )
    assert report.remark.startswith("The layers were not checked: ")
    assert [layer.note for layer in report.layers] == [report.remark]
    report.raise_first()


# --- a fault on purpose, from the generated source to the row ------------------------------------------


def gated() -> bytes:
    """A dense layer, its logistic by a table, and another dense layer; int8."""
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    x, hidden = b.tensor((1, 8), scale=0.05), b.tensor((1, 16), scale=0.05, name="hidden")
    gate = b.tensor((1, 16), scale=1 / 256, zero_point=-128, name="gate")
    y = b.tensor((1, 4), scale=0.02)
    first, second = (
        b.constant(rng.integers(-127, 128, shape), "int8", scales=(0.01,), zero_points=(0,))
        for shape in ((16, 8), (4, 16))
    )
    b.op("FULLY_CONNECTED", [x, first, -1], [hidden], tb.fully_connected_options())
    b.op("LOGISTIC", [hidden], [gate])
    b.op("FULLY_CONNECTED", [gate, second, -1], [y], tb.fully_connected_options())
    return b.build([x], [y])


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """What is changed in model.c, and what the first wrong layer holds instead of the oracle's values."""

    at: str
    """Where the line begins that is changed."""
    old: str
    new: str
    layer: str
    effect: Callable[[Array], Array]


FAULTS = {
    "arithmetic": Wrong(
        at="static NN_FLASH struct nn_range_int8 qr_model_0_range",
        old="-128, 127",
        new="-128, 90",
        layer="FULLY_CONNECTED 'hidden' (step 0)",
        effect=lambda values: np.minimum(values, 90),
    ),
    "table": Wrong(
        at="static NN_FLASH int8_t qr_model_1_table",
        old=" 127,",
        new=" 124,",
        layer="LOGISTIC 'gate' (step 1)",
        effect=lambda values: np.where(values == 127, 124, values),
    ),
}


@pytest.mark.parametrize(
    ("fault", "lane"),
    [
        ("arithmetic", "native:native"),
        ("table", "native:native"),
        pytest.param("arithmetic", "stm32f4:qemu", marks=pytest.mark.emulator),
        pytest.param("table", "uno:simavr", marks=pytest.mark.emulator),
    ],
)
def test_a_fault_in_the_generated_source_is_found_in_its_layer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, lane: str
) -> None:
    wrong, data = FAULTS[fault], gated()

    def compiled(graph: Graph, cpu: Cpu, *, stepwise: bool = False) -> GeneratedSource:
        source = compile_graph(graph, cpu, stepwise=stepwise)
        text = source.files["model.c"]
        begin = text.index(wrong.at)
        end = text.index("};", begin)
        assert wrong.old in text[begin:end]
        changed = text[:begin] + text[begin:end].replace(wrong.old, wrong.new) + text[end:]
        return replace(source, files={**source.files, "model.c": changed})

    for module in ("pipeline", "layer_check"):
        monkeypatch.setattr(f"harness.{module}.compile_graph", compiled)
    (tmp_path / "gated.tflite").write_bytes(data)
    outcome = result_of_model(
        tmp_path / "gated.tflite", Lane.parse(lane), tmp_path, check_layers=True
    ).outcome
    assert (outcome.status, outcome.reason_code) == (Status.FAILED, ReasonCode.MISMATCH)
    graph = graph_of(data)
    seed = AsIsWorkload.from_files(tmp_path / "gated.tflite", None, None).SEED
    inputs = [array[:SAMPLES] for array in make_trial(graph, None, samples=None, seed=seed).inputs]
    (index,) = (tensor.index for tensor in graph.tensors if f"'{tensor.name}'" in wrong.layer)
    expected = trace(data, inputs, stream=True).values[index].astype(int)
    difference = np.abs(expected - wrong.effect(expected))
    count = np.count_nonzero(difference)
    assert 1 < count < expected.size
    assert outcome.reason.startswith(
        f"The first layer that differs is {wrong.layer}: {count} of {expected.size} elements differ from "
        f"tflm {version('tflite-micro')}, by at most {difference.max()};"
    )
    (table,) = tmp_path.glob("*.layers.csv")
    assert re.search(rf",{count},{float(difference.max())},tflm", table.read_text(encoding="utf-8"))
