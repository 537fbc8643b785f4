# SPDX-License-Identifier: Apache-2.0
"""An exported folder is enough: compiled from it alone, it gives the case's own outputs."""

from __future__ import annotations

import json
import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest

from harness.cli.model import write_whole
from harness.compiler import FLAT, lower
from harness.export.interface import header, identifier
from harness.graph import read_tflite, to_stored
from harness.kernel_files import kernel_files
from harness.run_reader import RunReader
from harness.workloads import digits
from tests import readme
from tests.conftest import Command
from tests.tflite_builder import ModelBuilder

CASE = "digits/ptq-int8/aot@native:native"
OUT = str(readme.REFERENCE.parent)
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wmissing-prototypes")

#: Inputs from the standard input, outputs to the standard output.
FILTER = """
#include <stdio.h>
#include "digits_ptq_int8.h"

int main(void)
{
    digits_ptq_int8_init();
    while (fread(digits_ptq_int8_input(), 1, DIGITS_PTQ_INT8_INPUT_ELEMENTS, stdin)
           == DIGITS_PTQ_INT8_INPUT_ELEMENTS) {
        digits_ptq_int8_run();
        fwrite(digits_ptq_int8_output(), 1, DIGITS_PTQ_INT8_OUTPUT_ELEMENTS, stdout);
    }
    return 0;
}
"""


def exported(quantrig: Command, tmp_path: Path, case: str) -> Path:
    folder = tmp_path / "model"
    code, out, err = quantrig("export", case, str(folder), "--run", "reference", "--out", OUT)
    assert code == 0, err
    assert str(folder) in out
    return folder


def sources(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in sorted(folder.glob("src/**/*.c"))]


def includes() -> list[str]:
    return ["-Iinclude", "-Isrc", "-Isrc/nn", "-ffp-contract=off"]


def test_it_gives_the_outputs_that_the_case_gave(quantrig: Command, tmp_path: Path) -> None:
    folder = exported(quantrig, tmp_path, CASE)
    (folder / "filter.c").write_text(FILTER, encoding="utf-8")
    command = [
        "gcc",
        "-O2",
        "-std=c99",
        *WARNINGS,
        *includes(),
        *sources(folder),
        "filter.c",
        "-lm",
        "-o",
        "f",
    ]
    subprocess.run(command, cwd=folder, check=True)
    samples = RunReader.open(readme.REFERENCE).samples(CASE)
    assert samples is not None
    model = (readme.REFERENCE / "models" / "digits__ptq-int8.tflite").read_bytes()
    (tensor,) = read_tflite(model, name="digits").input_tensors()
    inputs = to_stored(digits.load_data().x_test, tensor)
    done = subprocess.run(["./f"], cwd=folder, input=inputs.tobytes(), capture_output=True, check=True)
    outputs = np.frombuffer(done.stdout, np.int8).reshape(len(inputs), -1)
    assert len(outputs) == 360
    assert (outputs == samples.outputs).all()


def test_cmake_builds_it_and_it_proves_itself(quantrig: Command, tmp_path: Path) -> None:
    folder = exported(quantrig, tmp_path, "sine/float32/aot@stm32f4:qemu")
    for command in (
        ["cmake", "-B", "build"],
        ["cmake", "--build", "build"],
        ["ctest", "--test-dir", "build", "--output-on-failure"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_self_test_notices_a_wrong_weight(quantrig: Command, tmp_path: Path) -> None:
    folder = exported(quantrig, tmp_path, "sine/ptq-int8/aot@native:native")
    model = folder / "src" / "model.c"
    text = model.read_text(encoding="utf-8")
    wrong = re.sub(r"(_channels\[\d+\] = \{\s*\{)(-?\d+)", lambda m: f"{m[1]}{int(m[2]) + 9000}", text)
    assert wrong != text
    model.write_text(wrong, encoding="utf-8")
    command = ["gcc", "-std=gnu11", *includes(), *sources(folder), "examples/self_test.c", "-lm", "-o", "t"]
    subprocess.run(command, cwd=folder, check=True)
    done = subprocess.run(["./t"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert not done.stdout.startswith("0 ")


@pytest.mark.parametrize(
    ("case", "compiler"),
    [
        ("digits/float32/aot@uno:simavr", ("avr-gcc", "-mmcu=atmega328p", "-std=gnu11")),
        (CASE, ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-std=gnu11", "--specs=rdimon.specs")),
    ],
)
def test_it_links_for_a_microcontroller(
    quantrig: Command, tmp_path: Path, case: str, compiler: tuple[str, ...]
) -> None:
    folder = exported(quantrig, tmp_path, case)
    command = [*compiler, "-O2", *WARNINGS, *includes(), *sources(folder), "examples/self_test.c", "-lm"]
    subprocess.run([*command, "-o", "t.elf"], cwd=folder, check=True)
    assert (folder / "t.elf").is_file()


def test_code_for_an_avr_refuses_other_cpus(quantrig: Command, tmp_path: Path) -> None:
    folder = exported(quantrig, tmp_path, "sine/ptq-int8/aot@uno:simavr")
    done = subprocess.run(
        ["gcc", *includes(), "-c", "src/model.c"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "generated for an AVR" in done.stderr


def test_the_folder_has_only_the_kernels_in_use_and_valid_manifests(
    quantrig: Command, tmp_path: Path
) -> None:
    folder = exported(quantrig, tmp_path, CASE)
    kernels = {path.name for path in (folder / "src" / "nn").glob("*.c")}
    called = {f"{name}.c" for name in ("conv_2d_int8", "fully_connected_int8", "softmax_int8")}
    assert called <= kernels
    assert not any("float32" in name for name in kernels)
    manifest = json.loads((folder / "library.json").read_text(encoding="utf-8"))
    assert (folder / "include" / manifest["headers"]).is_file()
    ini = ConfigParser()
    ini.read(folder / "platformio.ini", encoding="utf-8")
    assert ini["env:native"]["platform"] == "native"
    assert "Apache License" in (folder / "LICENSE").read_text(encoding="utf-8")


def test_kernels_come_with_what_they_call_and_include() -> None:
    files = kernel_files({"nn_softmax_int8"})
    assert {"softmax_int8.c", "nn.h", "nn_fixed_point.h"} <= files.keys()
    assert "softmax_float32.c" not in files


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("digits/ptq-int8/aot@unoo:simavr", "m"), "Did you mean 'digits/ptq-int8/aot@uno:simavr'?"),
        (("gesture/float32/aot@uno:simavr", "m"), "has no good result"),
        (("digits", "m"), "is not a case"),
        ((CASE, "."), "is not an empty folder"),
        ((CASE, "mine.txt/m"), "mine.txt/m cannot be written: Not a directory. Name a folder"),
        ((CASE, "m" * 300), "cannot be written: File name too long"),
    ],
)
def test_what_cannot_be_exported(
    quantrig: Command, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    code, _, err = quantrig("export", *arguments, "--run", "reference", "--out", OUT)
    assert code == 2
    assert words in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_that_ends_midway_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(FileExistsError):
        write_whole(folder, {"a.c": "1", "b": "2", "b/c.c": "3"})
    assert list(tmp_path.iterdir()) == []
    folder.mkdir()
    write_whole(folder, {"a.c": "1", "src/b.c": "2"})
    assert (folder / "a.c").read_text() + (folder / "src" / "b.c").read_text() == "12"
    assert list(tmp_path.iterdir()) == [folder]


def test_the_header_names_each_input_and_output_and_the_state() -> None:
    b = ModelBuilder()
    first, second = b.tensor((1, 2), "float32", name="left"), b.tensor((1, 3), "float32", name="right*/")
    total = b.tensor((1, 5), "float32")
    squashed = b.tensor((1, 5), "float32", name="squashed")
    b.op("CONCATENATION", [first, second], [total], ("ConcatenationOptions", {"Axis": 1}))
    b.op("TANH", [total], [squashed])
    program = lower(read_tflite(b.build([first, second], [squashed, total]), name="two"), FLAT)
    text = header(program, "two", "two")
    for number, (name, elements) in enumerate([("left", 2), ("right__", 3)]):
        assert f" *   fill two_input_{number}()[0 .. TWO_INPUT_{number}_ELEMENTS - 1]" in text
        assert f"/* Input {name}: 1 x {elements}, row by row. */" in text
    for number in range(2):
        assert f" *   read two_output_{number}()[0 .. TWO_OUTPUT_{number}_ELEMENTS - 1]" in text
    assert "This model keeps nothing from run to run. */\nvoid two_reset(void);" in text


@pytest.mark.parametrize(
    ("text", "name"),
    [("digits/ptq-int8", "digits_ptq_int8"), ("9net/a+b=1", "model_9net_a_b_1"), ("Ä/x", "x")],
)
def test_names_are_identifiers(text: str, name: str) -> None:
    assert identifier(text) == name
