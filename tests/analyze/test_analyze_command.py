# SPDX-License-Identifier: Apache-2.0
"""`quantrig analyze` from the outside."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from harness.workloads.runtime import tf_keras
from tests import readme
from tests.conftest import Command
from tests.tflite_builder import ModelBuilder, softmax_options

MODEL = str(readme.REFERENCE / "models" / "digits__ptq-int8.tflite")


def test_the_table_shows_layers_memory_and_boards(quantrig: Command) -> None:
    code, out, _ = quantrig("analyze", MODEL, "--board", "uno", "--board", "pico")
    assert code == 0
    assert "CONV_2D" in out
    assert "3,254 parameters" in out
    uno, pico = (line for line in out.splitlines() if line.startswith(("│ uno", "│ pico")))
    assert uno.rstrip(" │").endswith("fits")
    assert "not known: no sizes have been measured" in pico


def test_json_has_the_numbers(quantrig: Command) -> None:
    code, out, _ = quantrig("analyze", MODEL, "--json", "-b", "stm32f4")
    assert code == 0
    found = json.loads(out)
    assert found["totals"]["params"] == 3254
    assert found["totals"]["macs"] == sum(layer["macs"] for layer in found["layers"]) == 10336
    assert found["model"]["inputs"][0]["shape"] == [1, 8, 8, 1]
    (board,) = found["boards"]
    assert board["board"] == "stm32f4"
    assert board["fits"] is True
    assert board["flash_left_bytes"] == 1048576 - board["flash_bytes"]


def test_a_plot_is_written(quantrig: Command, tmp_path: Path) -> None:
    code, _, err = quantrig("analyze", MODEL, "-b", "uno", "--plot", "memory.png")
    assert code == 0
    assert "memory.png" in err
    assert (tmp_path / "memory.png").read_bytes().startswith(b"\x89PNG")
    code, _, err = quantrig("analyze", MODEL, "--plot", "memory.bmpx")
    assert code == 2
    assert "no format '.bmpx'" in err
    code, _, err = quantrig("analyze", MODEL, "--plot", "no/such/folder.png")
    assert code == 2
    assert "folder.png cannot be written: No such file or directory" in err


def test_a_plot_of_a_deep_model_still_names_operations_and_layers(quantrig: Command, tmp_path: Path) -> None:
    b = ModelBuilder()
    values = [b.tensor((1, 64), "float32", name=f"net/block_{n}/Relu") for n in range(102)]
    for before, after in pairwise(values):
        b.op("LOGISTIC", [before], [after])
    (tmp_path / "deep.tflite").write_bytes(b.build([values[0]], [values[-1]]))
    code, _, _ = quantrig("analyze", "deep.tflite", "-b", "uno", "--plot", "deep.svg")
    assert code == 0
    comments = re.findall("<!-- (.*?) -->", (tmp_path / "deep.svg").read_text())
    assert {"0", "3", "99"} <= set(comments)
    b = ModelBuilder()
    values = [b.tensor((1, 64), "float32", name=f"net/block_{n}/Relu") for n in range(3)]
    b.op("SOFTMAX", [values[0]], [values[1]], softmax_options())
    b.op("SOFTMAX", [values[1]], [values[2]], softmax_options())
    (tmp_path / "net.tflite").write_bytes(b.build([values[0]], [values[2]]))
    assert quantrig("analyze", "net.tflite", "-b", "uno", "--plot", "net.svg")[0] == 0
    comments = re.findall("<!-- (.*?) -->", (tmp_path / "net.svg").read_text())
    assert "block_1/Relu, 256 B" in comments


def test_an_operation_that_is_not_supported_ends_with_3(quantrig: Command, tmp_path: Path) -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), "float32"), b.tensor((1, 4), "float32")
    b.op("DIV", [x, b.constant(np.ones((1, 4)), "float32")], [y])
    (tmp_path / "net.tflite").write_bytes(b.build([x], [y]))
    code, out, _ = quantrig("analyze", "net.tflite", "-b", "uno")
    assert code == 3
    assert "not supported: operation 0 DIV" in out
    assert "MUL by the reciprocal" in out
    code, out, err = quantrig("analyze", "net.tflite", "-b", "uno", "--plot", "memory.png")
    assert code == 3
    assert "not supported: operation 0 DIV" in out
    assert "no memory plan to show" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("net.onnx",), 3, "not a file of kind .tflite, .keras or .h5"),
        (("net.tflite",), 3, "no such file"),
        ((MODEL, "--board", "unoo"), 2, "Did you mean 'uno'?"),
    ],
)
def test_bad_input_is_one_sentence(
    quantrig: Command, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended, _, err = quantrig("analyze", *arguments)
    assert ended == code
    assert words in err
    assert "Traceback" not in err


@pytest.mark.train
def test_a_keras_file_is_converted_first(quantrig: Command, tmp_path: Path) -> None:
    keras = tf_keras()
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(4, 3),
        keras.layers.Flatten(),
        keras.layers.Dense(3),
    ]
    keras.Sequential(layers).save(tmp_path / "net.keras")
    code, out, _ = quantrig("analyze", "net.keras", "--json", "-b", "stm32f4")
    assert code == 0
    found = json.loads(out)
    # the converter leaves out a dense layer's bias of zeros
    assert found["totals"]["params"] == (9 * 4 + 4) + 144 * 3
    assert found["model"]["inputs"][0]["dtype"] == "float32"
