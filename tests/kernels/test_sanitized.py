# SPDX-License-Identifier: Apache-2.0
"""Every kernel once under the address and undefined-behaviour sanitizers.

The arena of these programs is sparse: between any two tensors lie poisoned bytes, so that a kernel
which reaches outside of its own tensors is caught although all of them share one array.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness.compiler import AVR, FLAT, Program, lower
from harness.compiler.emit import generate_config, generate_source
from harness.graph import Graph, read_tflite
from harness.records import verify
from harness.reference import interpret
from tests.native_model import INCLUDES, declared_kernels, kernel_archive, model_folder, run

from .models import Array, random_inputs
from .one_op import side_by_side
from .samples import SAMPLES
from .sanitized import SANITIZE, spans, spread

MAIN = """
#include <stdio.h>
#include <sanitizer/asan_interface.h>
#include "model.h"

static const struct qr_io tensors[] = {%s};

int main(void)
{
    __asan_poison_memory_region(qr_arena, sizeof qr_arena);
    for (unsigned i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        __asan_unpoison_memory_region(qr_arena + tensors[i].offset, tensors[i].bytes);
    }
    for (unsigned i = 0; i < QR_MODEL_INPUTS; i++) {
        const struct qr_io io = qr_model_inputs[i];
        if (fread(qr_arena + io.offset, 1, io.bytes, stdin) != io.bytes) {
            return 1;
        }
    }
    qr_model_reset();
    qr_model_invoke();
    for (unsigned i = 0; i < QR_MODEL_OUTPUTS; i++) {
        const struct qr_io io = qr_model_outputs[i];
        fwrite(qr_arena + io.offset, 1, io.bytes, stdout);
    }
    return 0;
}
"""


def executable(program: Program, source: str) -> Path:
    """`source` as a program that reads one sample and writes its outputs."""
    places = ", ".join(f"{{{at}, {nbytes}}}" for at, nbytes in spans(program))
    folder = model_folder(
        {"model.c": source, "model_config.h": generate_config(program), "main.c": MAIN % places}
    )
    run(
        "gcc", *SANITIZE, f"-I{folder}", *INCLUDES, "-o", folder / "program", folder / "model.c",
        folder / "main.c", kernel_archive(flags=SANITIZE), "-lm",
    )  # fmt: skip
    return folder / "program"


def functions(program: Program) -> set[str]:
    """The kernels that it calls."""
    return {call.function for step in program.steps for call in step.calls}


def infer(dense: Program, sample: list[Array]) -> list[Array]:
    """Outputs of one sample, from a sanitized program."""
    program = spread(dense)
    done = subprocess.run(
        [executable(program, generate_source(program))],
        input=b"".join(value.tobytes() for value in sample), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    tensors = program.graph.output_tensors()
    ends = np.cumsum([tensor.nbytes for tensor in tensors])
    return [
        np.frombuffer(done.stdout[end - tensor.nbytes : end], tensor.dtype.numpy)
        for tensor, end in zip(tensors, ends, strict=True)
    ]


def model_of(name: str) -> bytes:
    return side_by_side([SAMPLES[name]])


@pytest.mark.parametrize("name", SAMPLES)
def test_kernel(name: str) -> None:
    data = model_of(name)
    graph = read_tflite(data, name=name)
    inputs = random_inputs(graph, samples=3, seed=1)
    expected = interpret(data, [value[2:] for value in inputs])
    for program in _programs(graph):
        outputs = infer(program, [value[2] for value in inputs])
        for ours, theirs in zip(outputs, expected.outputs, strict=True):
            assert verify(ours[np.newaxis], theirs, expected.oracle).mismatches == 0


def _programs(graph: Graph) -> list[Program]:
    """For a flat CPU; and for one whose flash lies apart, where constants are read in another way."""
    flat, apart = lower(graph), lower(graph, AVR)
    return [flat, apart] if functions(apart) != functions(flat) else [flat]


def test_every_kernel_is_among_them() -> None:
    programs = [lower(read_tflite(model_of(name), name=name), cpu) for name in SAMPLES for cpu in (FLAT, AVR)]
    assert set().union(*map(functions, programs)) == declared_kernels()


def test_the_red_zones_work() -> None:
    """A kernel that is told a wrong size is caught, or the test above proves nothing."""
    program = spread(lower(read_tflite(model_of("relu-int8"), name="relu")))
    wrong = generate_source(program).replace(", 7, qr_model_0_table", ", 9, qr_model_0_table")
    program_file = executable(program, wrong)
    done = subprocess.run([program_file], input=bytes(7), capture_output=True, check=False)
    assert b"use-after-poison" in done.stderr
