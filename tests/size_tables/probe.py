# SPDX-License-Identifier: Apache-2.0
"""C text of the models that are built to be measured: an idle one, and one that calls every kernel."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from harness.boards import Board
from harness.compiler import GeneratedSource, compile_graph, cpu_named
from harness.graph import DType, Graph, NoParams, Op, Tensor
from harness.resources import resource

#: Calls in the two functions whose difference tells what one costs.
FEW, MANY = 4, 12
DEEP_BYTES: Final = 1024
ARENA_BYTES: Final = 1024
_TABLES: Final = 24
#: Sizes as real layers have them.
_DIMS: Final = (1, 1, 3, 4, 8, 10, 16, 32, 49, 64, 100, 128, 256, 490, 640, 1960)
ALIGN_BYTES: Final = (1, 4, 8, 16, 32, 64, 128, 256)
#: Element types of tables.
SCALARS: Final = (
    *("int8_t", "uint8_t", "int16_t", "uint16_t", "int32_t", "uint32_t", "int64_t"),
    *("float", "nn_dim"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kernel:
    """A function of nn.h: its name and its parameters' types as they stand there."""

    name: str
    parameters: tuple[str, ...]


def headers() -> str:
    """All of nn.h and what it includes, without comments."""
    folder, waiting, texts = resource("firmware") / "lib" / "nn", ["nn.h"], {}
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (folder / name).read_text(encoding="utf-8")
            waiting += re.findall(r'^#include "(nn\w*\.h)"', texts[name], re.MULTILINE)
    return re.sub(r"/\*.*?\*/", "", "".join(texts[name] for name in sorted(texts)), flags=re.DOTALL)


def kernels(text: str) -> tuple[Kernel, ...]:
    """Every function that a header declares, by name."""
    found = {}
    for name, parameters in re.findall(r"^void (nn_\w+)\(([^;{]*)\);", text, re.MULTILINE):
        types = tuple(
            re.sub(r"\s*\b\w+\s*$", "", part.strip()) for part in " ".join(parameters.split()).split(",")
        )
        found[name] = Kernel(name=name, parameters=types)
    return tuple(found[name] for name in sorted(found))


def structures(text: str) -> tuple[str, ...]:
    """Names of the structures that tables are made of."""
    return tuple(sorted(set(re.findall(r"^struct (nn_\w+) \{", text, re.MULTILINE))))


def idle_model(board: Board, *, ends: int = 1) -> GeneratedSource:
    """A model of no step, whose `ends` inputs are its outputs."""
    tensors = [
        Tensor(index=i, name=f"t{i}", shape=(1, ARENA_BYTES), dtype=DType.INT8, quantization=None, data=None)
        for i in range(2 * ends)
    ]
    ops = tuple(
        Op(index=i, kind="RESHAPE", inputs=(i,), outputs=(ends + i,), params=NoParams()) for i in range(ends)
    )
    graph = Graph(
        name="probe",
        sha256="00" * 32,
        tensors=tuple(tensors),
        ops=ops,
        inputs=tuple(range(ends)),
        outputs=tuple(range(ends, 2 * ends)),
    )
    return compile_graph(graph, cpu_named(board.cpu))


def full_model(board: Board) -> GeneratedSource:
    """The same with calls of every kernel, and objects whose sizes tell those of types."""
    idle = idle_model(board)
    text = headers()
    functions = [line for kernel in kernels(text) for line in _calls(kernel)]
    names = [f"qr_probe_{number}_{kernel.name}" for kernel in kernels(text) for number in (FEW, MANY)]
    names += ["qr_probe_deep", f"qr_probe_{FEW}_memset", f"qr_probe_{MANY}_memset"]
    body = "".join(f"    {name}();\n" for name in names)
    head, mark, tail = idle.files["model.c"].partition("void qr_model_invoke(void)\n{\n")
    if not mark:
        raise ValueError("model.c has another form than the probe knows")
    added = "\n".join([*_measured_types(text), *_tables(), *functions, *_memsets(), *_deep()])
    return replace(idle, files={**idle.files, "model.c": f"{head}{added}\n\n{mark}{body}{tail}"})


def _measured_types(text: str) -> Iterator[str]:
    for name in structures(text):
        yield f"const uint8_t qr_size_{name}[sizeof(struct {name})] = {{1}};"
        yield f"const uint8_t qr_align_{name}[__alignof__(struct {name})] = {{1}};"
    for scalar in SCALARS:
        yield f"const uint8_t qr_size_{scalar}[sizeof({scalar})] = {{1}};"
        for size in ALIGN_BYTES:
            yield f"NN_FLASH {scalar} qr_array_{scalar}_{size}[{size} / sizeof({scalar}) + 1] = {{1}};"


def _tables() -> Iterator[str]:
    for number in range(_TABLES):
        yield f"const uint8_t qr_table_{number}[4] QR_FLASH = {{1}};"


def _calls(kernel: Kernel) -> Iterator[str]:
    """Two functions that call the kernel few and many times, with arguments that differ."""
    draw = random.Random(kernel.name)
    pointed = sorted({p for p in kernel.parameters if "NN_FLASH" in p})
    for kind, parameter in enumerate(pointed):
        base = parameter.replace("*", "").strip()
        for number in range(_TABLES):
            yield f'extern {base} qr_{kernel.name}_{kind}_{number} __asm__("qr_table_{number}");'
    for count in (FEW, MANY):
        yield f"void __attribute__((noinline)) qr_probe_{count}_{kernel.name}(void)"
        yield "{"
        for _ in range(count):
            arguments = ", ".join(_argument(kernel, p, pointed, draw) for p in kernel.parameters)
            yield f"    {kernel.name}({arguments});"
        yield "}"


def _argument(kernel: Kernel, parameter: str, pointed: list[str], draw: random.Random) -> str:
    if parameter in pointed:
        return f"&qr_{kernel.name}_{pointed.index(parameter)}_{draw.randrange(_TABLES)}"
    if "*" in parameter:
        return f"({parameter})(qr_arena + {8 * draw.randrange(100)})"
    if parameter == "float":
        return f"{draw.random():.7f}f"
    if parameter in ("int8_t", "uint8_t"):
        return str(draw.randrange(0, 128))
    if parameter in ("int32_t", "int64_t", "uint32_t"):
        return str(draw.randrange(2**20, 2**31))
    return str(draw.choice(_DIMS))


def _memsets() -> Iterator[str]:
    for count in (FEW, MANY):
        yield f"void __attribute__((noinline)) qr_probe_{count}_memset(void)"
        yield "{"
        yield from (f"    memset(qr_arena + {i}, 0, {400 + i});" for i in range(count))
        yield "}"


def _deep() -> Iterator[str]:
    """A frame of known size: what lies above it is the stack before an inference."""
    yield "void __attribute__((noinline)) qr_probe_deep(void)"
    yield "{"
    yield f"    volatile uint8_t bytes[{DEEP_BYTES}];"
    yield f"    for (uint16_t i = 0; i < {DEEP_BYTES}; i++) {{"
    yield "        bytes[i] = (uint8_t)i;"
    yield "    }"
    yield "    (void)bytes[0];"
    yield "}"
