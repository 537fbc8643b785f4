# SPDX-License-Identifier: Apache-2.0
"""Every kernel once under the address and undefined-behaviour sanitizers.

The arena of these programs is sparse: between any two tensors lie poisoned bytes, so that a kernel
which reaches outside of its own tensors is caught although all of them share one array.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.compiler import Program, lower
from harness.compiler.emit import generate_config, generate_source
from harness.graph import Graph, read_tflite
from harness.records import verify
from harness.reference import interpret, oracle_name
from tests.native_model import FLAGS, INCLUDES, declared_kernels, kernel_archive, model_folder, run

from .models import (
    Array,
    Quant,
    Window,
    add,
    convolution,
    depthwise,
    dequantize,
    fully_connected,
    mean,
    pad,
    pool,
    quantize,
    random_inputs,
    softmax,
    unary,
)

SANITIZE = (
    *FLAGS, "-g", "-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all",
)  # fmt: skip

RED_ZONE_BYTES = 64

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
    qr_model_invoke();
    for (unsigned i = 0; i < QR_MODEL_OUTPUTS; i++) {
        const struct qr_io io = qr_model_outputs[i];
        fwrite(qr_arena + io.offset, 1, io.bytes, stdout);
    }
    return 0;
}
"""

PADDED = Window(size=(5, 6), channels=3, kernel=(3, 4), strides=(2, 1), padding="SAME")
DILATED = Window(size=(5, 4), channels=2, kernel=(3, 3), dilations=(2, 3), padding="SAME")
TIGHT = Window(size=(5, 6), channels=3, kernel=(2, 3), strides=(1, 1), padding="VALID")
POOLED = Window(size=(5, 6), channels=3, kernel=(3, 4), strides=(2, 3), padding="SAME")

MODELS = {
    **{
        f"{name}-{dtype}": model
        for dtype in ("int8", "float32")
        for name, model in {
            "conv_2d": convolution(dtype, PADDED),
            "conv_2d dilated": convolution(dtype, DILATED, activation="RELU6"),
            "depthwise_conv_2d": depthwise(dtype, PADDED, multiplier=2),
            "depthwise_conv_2d dilated": depthwise(dtype, DILATED, activation="RELU6"),
            "fully_connected": fully_connected(dtype, rows=2, inputs=7, outputs=3),
            "max_pool_2d": pool("MAX_POOL_2D", dtype, POOLED),
            "max_pool_2d unpadded": pool("MAX_POOL_2D", dtype, TIGHT),
            "average_pool_2d": pool("AVERAGE_POOL_2D", dtype, POOLED),
            "mean": mean(dtype, (1, 4, 5, 3), (1, 2), quant=Quant(gain=0.7)),
            "pad": pad(dtype, (1, 3, 4, 2), ((0, 0), (1, 2), (2, 0), (1, 1))),
            "add": add(dtype, ((1, 2, 3), (1, 2, 3)), activation="RELU"),
            "add broadcast": add(dtype, ((1, 2, 3), (3,))),
            "relu": unary("RELU", dtype, (1, 7), quant=Quant(gain=1.2)),
            "relu6": unary("RELU6", dtype, (1, 7)),
            "softmax": softmax(dtype, (2, 5)),
        }.items()
    },
    "quantize": quantize((1, 7), scale=0.02, zero_point=-5),
    "quantize-int8": unary("QUANTIZE", "int8", (1, 7), quant=Quant(gain=3.0)),
    "dequantize": dequantize((1, 7), scale=0.02, zero_point=-5),
}


def spread(graph: Graph, program: Program) -> Program:
    """The same program with every tensor alone between two red zones."""
    offsets: dict[int, int] = {}
    end = RED_ZONE_BYTES
    for index in program.offsets:
        offsets[index] = end
        end += -(-graph.tensors[index].nbytes // 8) * 8 + RED_ZONE_BYTES
    return replace(program, offsets=offsets, plan=replace(program.plan, arena_bytes=end))


def executable(graph: Graph, program: Program, source: str) -> Path:
    """`source` as a program that reads one sample and writes its outputs."""
    places = ", ".join(f"{{{at}, {graph.tensors[i].nbytes}}}" for i, at in program.offsets.items())
    folder = model_folder(
        {"model.c": source, "model_config.h": generate_config(graph, program), "main.c": MAIN % places}
    )
    run(
        "gcc", *SANITIZE, f"-I{folder}", *INCLUDES, "-o", folder / "program", folder / "model.c",
        folder / "main.c", kernel_archive(flags=SANITIZE), "-lm",
    )  # fmt: skip
    return folder / "program"


def infer(graph: Graph, sample: list[Array]) -> list[Array]:
    """Outputs of one sample, from a sanitized program."""
    program = spread(graph, lower(graph))
    done = subprocess.run(
        [executable(graph, program, generate_source(graph, program))],
        input=b"".join(value.tobytes() for value in sample), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    tensors = graph.output_tensors()
    ends = np.cumsum([tensor.nbytes for tensor in tensors])
    return [
        np.frombuffer(done.stdout[end - tensor.nbytes : end], tensor.dtype.numpy)
        for tensor, end in zip(tensors, ends, strict=True)
    ]


@pytest.mark.parametrize("name", MODELS)
def test_kernel(name: str) -> None:
    graph = read_tflite(MODELS[name], name=name)
    inputs = random_inputs(graph, samples=3, seed=1)
    outputs = infer(graph, [value[2] for value in inputs])
    expected = interpret(MODELS[name], [value[2:] for value in inputs])
    for ours, theirs in zip(outputs, expected, strict=True):
        assert verify(ours[np.newaxis], theirs, oracle_name()).mismatches == 0


def test_every_kernel_is_among_them() -> None:
    called = {
        step.call.function
        for data in MODELS.values()
        for step in lower(read_tflite(data, name="model")).steps
    }
    assert called == declared_kernels()


def test_the_red_zones_work() -> None:
    """A kernel that is told a wrong size is caught, or the test above proves nothing."""
    graph = read_tflite(MODELS["relu-int8"], name="relu")
    program = spread(graph, lower(graph))
    wrong = generate_source(graph, program).replace(", 7, qr_model_0_table", ", 9, qr_model_0_table")
    program_file = executable(graph, program, wrong)
    done = subprocess.run([program_file], input=bytes(7), capture_output=True, check=False)
    assert b"use-after-poison" in done.stderr
