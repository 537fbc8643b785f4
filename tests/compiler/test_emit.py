# SPDX-License-Identifier: Apache-2.0
"""Generated C: the same from the same, clean on every compiler, harmless whatever a model is called."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.compiler import GeneratedSource, compile_graph
from harness.compiler.kernel_call import float_literal, int32_literal
from harness.graph import read_tflite
from tests import tflite_builder as tb
from tests.kernels.models import add, softmax
from tests.kernels.models_unary import unary
from tests.kernels.models_window import Window, convolution, fully_connected
from tests.native_model import FIRMWARE, INCLUDES, KERNELS, model_folder, native_model, run
from tests.tflite_builder import ModelBuilder

WARNINGS = ("-Wall", "-Wextra", "-Werror")
COMPILERS = {
    "host": ("gcc", "-std=gnu11", "-O2"),
    "host-c99": ("gcc", "-std=c99", "-O2", "-pedantic"),
    "avr": ("avr-gcc", "-mmcu=atmega328p", "-std=gnu11", "-Os"),
    "arm": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16",
            "-std=gnu11", "-O2"),
}  # fmt: skip
EVERY_COMPILER = pytest.mark.parametrize("compiler", COMPILERS)


def network(*, name: str = "layer") -> bytes:
    """float32 in, int8 inside, float32 out: QUANTIZE, CONV_2D, ADD, FULLY_CONNECTED, SOFTMAX, DEQUANTIZE."""
    rng = np.random.default_rng(3)
    b = ModelBuilder()
    x, stored = (
        b.tensor((1, 4, 4, 2), "float32", name="camera"),
        b.tensor((1, 4, 4, 2), scale=0.1, zero_point=4),
    )
    image, sum_ = (b.tensor((1, 4, 4, 2), scale=0.2, zero_point=-7, name=name) for _ in range(2))
    logits = b.tensor((1, 3), scale=0.3, zero_point=9)
    chances = b.tensor((1, 3), scale=1 / 256, zero_point=-128)
    y = b.tensor((1, 3), "float32", name="chances")
    b.op("QUANTIZE", [x], [stored])
    w = b.constant(rng.integers(-127, 128, (2, 3, 3, 2)), scales=[0.01, 0.02])
    b.op("CONV_2D", [stored, w, -1], [image], tb.conv_options(padding="SAME"))
    b.op("ADD", [image, stored], [sum_], tb.add_options())
    w = b.constant(rng.integers(-127, 128, (3, 32)), scales=[0.01])
    bias = b.constant([-(2**31), 0, 2**31 - 1], "int32", scales=[0.002])
    b.op("FULLY_CONNECTED", [sum_, w, bias], [logits], tb.fully_connected_options())
    b.op("SOFTMAX", [logits], [chances], tb.softmax_options())
    b.op("DEQUANTIZE", [chances], [y])
    return b.build([x], [y])


def generate(data: bytes, *, name: str = "network.tflite") -> GeneratedSource:
    return compile_graph(read_tflite(data, name=name))


def compile_with(compiler: str, source: GeneratedSource, *extra: str) -> Path:
    """The object file of model.c."""
    folder = model_folder(source.files)
    command = (*COMPILERS[compiler], *WARNINGS, f"-I{folder}", *INCLUDES, *extra)
    run(*command, "-c", folder / "model.c", "-o", folder / "model.o")
    return folder / "model.o"


@EVERY_COMPILER
@pytest.mark.parametrize(
    "data",
    [network(), convolution("float32", Window()), add("float32", ((2, 3), (3,))), softmax("float32", (1, 4))],
    ids=["network", "conv_2d", "add", "softmax"],
)
def test_compiles_without_a_warning(compiler: str, data: bytes) -> None:
    compile_with(compiler, generate(data))


@EVERY_COMPILER
@pytest.mark.parametrize("stepwise", [False, True], ids=["whole", "stepwise"])
def test_a_model_without_a_kernel_compiles_without_a_warning(compiler: str, stepwise: bool) -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), "float32"), b.tensor((4,), "float32")
    b.op("RESHAPE", [x, b.constant([4], "int32")], [y], ("ReshapeOptions", {}))
    graph = read_tflite(b.build([x], [y, x]), name="model")
    compile_with(compiler, compile_graph(graph, stepwise=stepwise))


@EVERY_COMPILER
def test_kernels_compile_without_a_warning(compiler: str) -> None:
    folder = model_folder({})
    sources = sorted(str(source) for source in KERNELS.glob("*.c"))
    command = [*COMPILERS[compiler], *WARNINGS, *INCLUDES, "-c", *sources]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


PRINT_SOURCE = """
import sys
from harness.compiler import compile_graph
from harness.graph import read_tflite
source = compile_graph(read_tflite(sys.stdin.buffer.read(), name="network.tflite"))
sys.stdout.write("".join(f"{name}:{text}" for name, text in source.files.items()))
"""


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_same_file_gives_the_same_text_in_another_process(hash_seed: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(FIRMWARE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_SOURCE], input=network(), capture_output=True, check=True,
        env=environment, cwd=tmp_path,
    )  # fmt: skip
    files = generate(network()).files
    assert done.stdout.decode() == "".join(f"{name}:{text}" for name, text in files.items())


def test_it_says_who_made_it() -> None:
    files = generate(network()).files
    for text in files.values():
        assert text.startswith("/* Generated by quantrig from network.tflite. Do not edit.")


def test_another_abi_must_be_regenerated() -> None:
    source = generate(network())
    config = source.files["model_config.h"]
    old = config.replace("#define QR_MODEL_ABI_GENERATED 2\n", "#define QR_MODEL_ABI_GENERATED 0\n")
    assert old != config
    folder = model_folder({**source.files, "model_config.h": old})
    with pytest.raises(AssertionError, match=r"#error.*regenerate"):
        run("gcc", f"-I{folder}", *INCLUDES, "-c", folder / "model.c", "-o", folder / "model.o")


HOSTILE = [
    '*/\n#error "injected"\n/*',
    "*/ #include </etc/passwd> /*",
    "**//",
    "a\\\nint injected;",
    "?\x3f/\n",
    "/* nested",
    "naïve 漢字 \u202e",
    '"quoted" %s %n',
    "",
    "\0",
]


@pytest.mark.parametrize("compiler", ["host", "host-c99", "avr"])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_inside_their_comment(compiler: str, name: str) -> None:
    source = generate(network(name=name), name=name)
    plain = generate(network(), name="model")
    for file, text in source.files.items():
        assert text.count("\n") == plain.files[file].count("\n")
        assert (text.count("/*"), text.count("*/")) == (text.count("/* "), text.count(" */"))
    compile_with(compiler, source)


# -- tables -------------------------------------------------------------------------------------------


def decode_tensor_table(table: bytes) -> list[tuple[int, tuple[int, ...], float, int]]:
    """(dtype code, shape, scale, zero point) per tensor, by the layout in firmware/include/model.h."""
    inputs, outputs = table[0], table[1]
    tensors = []
    at = 2
    for _ in range(inputs + outputs):
        dtype, rank = table[at], table[at + 1]
        shape = struct.unpack_from(f"<{rank}I", table, at + 2)
        scale, zero_point = struct.unpack_from("<fi", table, at + 2 + 4 * rank)
        tensors.append((dtype, shape, scale, zero_point))
        at += 2 + 4 * rank + 8
    assert at == len(table)
    return tensors


def info_bytes(source: GeneratedSource) -> int:
    lines = source.files["model_config.h"].splitlines()
    return next(int(line.split()[-1]) for line in lines if "QR_MODEL_INFO_BYTES" in line)


def test_tensor_table_of_float_tensors() -> None:
    data = network()
    table = native_model(data).constant("qr_model_info", info_bytes(generate(data)))
    assert table[:2] == bytes([1, 1])
    assert decode_tensor_table(table) == [(0, (1, 4, 4, 2), 0.0, 0), (0, (1, 3), 0.0, 0)]


def test_tensor_table_of_quantized_tensors() -> None:
    data = add("int8", ((2, 3), (3,)), output=(0.25, -128))
    table = native_model(data).constant("qr_model_info", info_bytes(generate(data)))
    exact = float(np.float32(0.05))
    assert table[:2] == bytes([2, 1])
    assert decode_tensor_table(table) == [
        (1, (2, 3), exact, -3), (1, (3,), exact, -3), (1, (2, 3), 0.25, -128),
    ]  # fmt: skip


def test_digest_and_places() -> None:
    data = network()
    source, model = generate(data), native_model(data)
    digest = hashlib.sha256(data)
    assert source.model_sha256 == digest.hexdigest()
    assert model.constant("qr_model_sha256", 32) == digest.digest()
    [(_, input_bytes)], [(_, output_bytes)] = model.input_places, model.output_places
    assert (input_bytes, output_bytes) == (4 * 32, 4 * 3)
    config = source.files["model_config.h"]
    assert f"#define QR_ARENA_BYTES {source.arena_bytes}\n" in config


@pytest.mark.parametrize(
    "data", [network(), fully_connected("float32", inputs=40), unary("RELU", "int8", (1, 4))]
)
def test_model_bytes_are_what_the_tables_take(data: bytes) -> None:
    """The claim is "at the least": structures count a byte a field, alignment is not counted."""
    source = generate(data)
    listing = run("nm", "-S", compile_with("avr", source)).stdout.splitlines()
    sizes = [int(line.split()[1], 16) for line in listing if " qr_model_" in line and " T " not in line]
    tables = sum(sizes) - 32 - info_bytes(source) - 8 * 2
    assert 0.7 * tables <= source.model_bytes <= tables


# -- literals -----------------------------------------------------------------------------------------

FLOATS = [0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, 3.4028235e38, -3.4028235e38, 0.1, 16777217.0, 1 / 3]


@settings(max_examples=200, derandomize=True, database=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(-0.0)
@example(1e-45)
def test_float_literals_read_back_to_the_same_bits(value: float) -> None:
    text = float_literal(value)
    assert text.endswith("f")
    assert struct.pack("<f", np.float32(text[:-1])) == struct.pack("<f", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e39])
def test_what_has_no_literal(value: float) -> None:
    with pytest.raises(ValueError, match="no C literal"), np.errstate(over="ignore"):
        float_literal(value)


@EVERY_COMPILER
def test_literals_mean_the_same_to_every_compiler(compiler: str) -> None:
    integers = [-(2**31), -(2**31) + 1, -1, 0, 2**31 - 1]
    folder = model_folder(
        {
            "literals.c": "#include <stdint.h>\nextern const float reals[];\nextern const int32_t whole[];\n"
            f"const float reals[] = {{{', '.join(map(float_literal, FLOATS))}}};\n"
            f"const int32_t whole[] = {{{', '.join(map(int32_literal, integers))}}};\n"
        }
    )
    run(*COMPILERS[compiler], *WARNINGS, "-c", folder / "literals.c", "-o", folder / "literals.o")
    contents = (folder / "literals.o").read_bytes()
    assert struct.pack(f"<{len(FLOATS)}f", *FLOATS) in contents
    assert struct.pack(f"<{len(integers)}i", *integers) in contents
