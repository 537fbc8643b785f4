# SPDX-License-Identifier: Apache-2.0
"""Damages .tflite files, compiles what still compiles, and writes it as one C program; run as a process.

python -m tests.fuzz.damaged FOLDER COUNT SEED

The process limits its own memory and the time of each file; it writes what came of them to report.json,
and programs.c with a function for each model that compiled.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.compiler import MODEL_ABI, Program, lower
from harness.compiler.emit import generate_config, generate_source
from harness.errors import ModelError, UnsupportedError
from harness.graph import DType, read_tflite
from tests.kernels.one_op import Sample, side_by_side
from tests.kernels.samples import SAMPLES
from tests.kernels.sanitized import spans, spread
from tests.tflite_builder import ModelBuilder, OpRecord, TensorRecord

MEMORY_BYTES: Final = 1 << 30
SECONDS: Final = 5

#: What is larger is compiled, but not run: an emulated loop of minutes proves nothing more.
_RUN_ARENA_BYTES: Final = 1 << 20
_RUN_WORK: Final = 20_000_000
_RUN_SOURCE_CHARS: Final = 400_000


@dataclass(slots=True)
class Report:
    """What became of the damaged files."""

    refused: int = 0
    compiled: int = 0
    too_large_to_run: int = 0
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with a few bytes wrong, or its end missing."""
    content = bytearray(data)
    if rng.random() < 0.05:
        return bytes(content[: int(rng.integers(8, len(content)))])
    for _ in range(int(rng.geometric(0.6))):
        at = int(rng.integers(0, len(content)))
        word = at // 4 * 4
        match int(rng.integers(0, 6)):
            case 0:
                content[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                content[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF]))
            case 2:
                value = int(rng.choice([0, 1, 2, 3, -1, -2, 7, 255, 2**31 - 1, -(2**31), 1000, 65536]))
                content[word : word + 4] = value.to_bytes(4, "little", signed=True)
            case 3:
                other = int(rng.integers(0, len(content))) // 4 * 4
                content[word : word + 4] = content[other : other + 4]
            case 4:
                content[at] = (content[at] + int(rng.integers(-3, 4))) & 0xFF
            case _:
                old = int.from_bytes(content[word : word + 4], "little")
                content[word : word + 4] = ((old + int(rng.integers(-4, 5))) & 0xFFFFFFFF).to_bytes(
                    4, "little"
                )
    return bytes(content)


def misshapen(sample: Sample, rng: np.random.Generator) -> bytes:
    """A well-formed file that makes no sense: shapes, types, scales, tensors or options are others."""
    b = ModelBuilder()
    inputs, outputs = sample(b)
    for _ in range(int(rng.geometric(0.6))):
        if rng.random() < 0.5:
            at = int(rng.integers(0, len(b.tensors)))
            b.tensors[at] = _other_tensor(b.tensors[at], rng)
        else:
            at = int(rng.integers(0, len(b.ops)))
            b.ops[at] = _other_op(b.ops[at], len(b.tensors), rng)
    try:
        return b.build(inputs, outputs)
    except TypeError:  # a number that the schema's own type cannot hold
        return side_by_side([sample])


def _other_tensor(tensor: TensorRecord, rng: np.random.Generator) -> TensorRecord:
    match int(rng.integers(0, 5)):
        case 0 if tensor.shape:
            shape = list(tensor.shape)
            shape[int(rng.integers(0, len(shape)))] = int(rng.choice([0, 1, 2, 3, 5, 8, 200, 40_000]))
            return replace(tensor, shape=tuple(shape))
        case 1:
            sizes = [1, *tensor.shape] if rng.random() < 0.5 else list(tensor.shape[1:])
            return replace(tensor, shape=tuple(sizes))
        case 2:
            names = ["int8", "uint8", "int16", "int32", "int64", "float32", "bool", "float16"]
            return replace(tensor, dtype=str(rng.choice(names)))
        case 3 if tensor.scales:
            return replace(tensor, zero_points=(int(rng.integers(-200, 200)),) * len(tensor.scales))
        case _ if tensor.scales:
            factor = float(rng.choice([0.0, 1e-30, 1e-4, 0.5, 2.0, 1e4, 1e30]))
            return replace(tensor, scales=tuple(min(s * factor, 3e38) for s in tensor.scales))
        case _:
            return replace(tensor, axis=int(rng.integers(-2, 5)))


def _other_op(op: OpRecord, tensors: int, rng: np.random.Generator) -> OpRecord:
    wild = int(rng.integers(-1, tensors))
    match int(rng.integers(0, 4)):
        case 0 if op.inputs:
            at = int(rng.integers(0, len(op.inputs)))
            return replace(op, inputs=(*op.inputs[:at], wild, *op.inputs[at + 1 :]))
        case 1 if op.inputs:
            return replace(op, inputs=op.inputs[:-1] if rng.random() < 0.5 else (*op.inputs, wild))
        case _ if op.options and any(isinstance(v, int) for v in op.options[1].values()):
            name, values = op.options
            key = str(rng.choice([key for key, value in values.items() if isinstance(value, int)]))
            value = int(rng.choice([0, 1] if isinstance(values[key], bool) else [0, 1, 2, 3, 4, 5, 100, 127]))
            return replace(op, options=(name, {**values, key: value}))
        case _:
            return replace(op, options=None)


def files(count: int, seed: int) -> Iterator[bytes]:
    """So many damaged files, every second of them well-formed."""
    rng = np.random.default_rng(seed)
    samples = list(SAMPLES.values())
    for number in range(count):
        sample = samples[int(rng.integers(0, len(samples)))]
        yield misshapen(sample, rng) if number % 2 else damaged(side_by_side([sample]), rng)


def work(program: Program) -> int:
    """A bound for the inner loops of one inference: each output element may read a whole input."""
    total = 0
    for step in program.steps:
        inputs = max(program.graph.tensors[i].elements for i in step.op.inputs if i is not None)
        constants = sum(len(c.items) for call in step.calls for c in call.constants)
        outputs = sum(program.graph.tensors[i].elements for i in step.op.outputs)
        total += outputs * max(1, min(inputs, 4096)) + constants
    return total


def compile_all(count: int, seed: int) -> tuple[Report, list[str]]:
    """Reports, and the C of what compiled, each model with names of its own."""
    report, sources = Report(), []
    for number, data in enumerate(files(count, seed)):
        started = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            program = lower(read_tflite(data, name=f"damaged {number}"))
            report.compiled += 1
            if _is_small(program):
                sources.append(_source(number, spread(program)))
            else:
                report.too_large_to_run += 1
        except (ModelError, UnsupportedError) as error:
            report.refused += 1
            if "\n" in str(error) or len(str(error)) > 2000:
                report.failures.append(f"file {number}: not one clear line: {str(error)[:300]}")
        except BaseException as error:
            report.failures.append(f"file {number}: {type(error).__name__}: {error}")
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        report.slowest_s = max(report.slowest_s, time.process_time() - started)
    return report, sources


def _is_small(program: Program) -> bool:
    return (
        spread(program).layout.plan.arena_bytes < _RUN_ARENA_BYTES
        and work(program) < _RUN_WORK
        and sum(c.nbytes for s in program.steps for call in s.calls for c in call.constants)
        < _RUN_SOURCE_CHARS
    )


def _source(number: int, program: Program) -> str:
    """model.c with its configuration, all names with the model's number, and a call."""
    config = re.sub(
        r"#ifndef QR_MODEL_CONFIG_H\n#define QR_MODEL_CONFIG_H\n|#endif\n", "", generate_config(program)
    )
    config = re.sub(r"#define (\w+)", r"#undef \1\n#define \1", config)
    text = re.sub(r'#include [<"][\w.]+[>"]\n', "", generate_source(program))
    text = re.sub(r"\bqr_(arena|model_\w+)", rf"m{number}_\1", text)
    places = ", ".join(f"{{{at}, {nbytes}}}" for at, nbytes in spans(program))
    inputs = "".join(
        f"    fill(m{number}_arena + {program.layout.offsets[t.index]}, {t.nbytes}, "
        f"{int(t.dtype is DType.FLOAT32)});\n"
        for t in program.graph.input_tensors()
    )
    return f"""{config}{text}
static void run_{number}(void)
{{
    static const struct qr_io places[] = {{{places}}};
    start({number}, m{number}_arena, sizeof m{number}_arena, places, sizeof places / sizeof places[0]);
    m{number}_model_reset();
{inputs}    m{number}_model_invoke();
}}
"""


#: What model.h wants; each model brings its own values.
CONFIG: Final = f"""
#define QR_MODEL_ABI_GENERATED {MODEL_ABI}
#define QR_ARENA_BYTES 1
#define QR_MODEL_INFO_BYTES 1
#define QR_MODEL_INPUTS 1
#define QR_MODEL_OUTPUTS 1
"""

MAIN: Final = r"""
#include <stdio.h>
#include <string.h>
#include <sanitizer/asan_interface.h>
#include "model.h"
#include "nn.h"

static uint32_t state = 1;

static uint32_t next(void)
{
    state = state * 1664525u + 1013904223u;
    return state >> 8;
}

static void fill(uint8_t *to, uint32_t bytes, int is_float)
{
    for (uint32_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)next();
    for (uint32_t i = 0; is_float && i + 4 <= bytes; i += 4) {
        float value = (float)(int32_t)(next() % 2001 - 1000) / 100.0f;

        memcpy(to + i, &value, 4);
    }
}

static void start(int number, uint8_t *arena, uint32_t bytes, const struct qr_io *places, uint32_t count)
{
    printf("%d\n", number);
    fflush(stdout);
    __asan_poison_memory_region(arena, bytes);
    for (uint32_t i = 0; i < count; i++)
        __asan_unpoison_memory_region(arena + places[i].offset, places[i].bytes);
}
"""


def main(folder: Path, count: int, seed: int) -> None:
    """See the module."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGVTALRM, _too_slow)
    report, sources = compile_all(count, seed)
    numbers = [int(match) for source in sources for match in re.findall(r"void run_(\d+)\(", source)]
    calls = "".join(f"    run_{number}();\n" for number in numbers)
    program = f"{MAIN}\n{''.join(sources)}\nint main(void)\n{{\n{calls}    return 0;\n}}\n"
    (folder / "model_config.h").write_text(CONFIG, encoding="utf-8")
    (folder / "programs.c").write_text(program, encoding="utf-8")
    written: dict[str, Any] = {name: getattr(report, name) for name in Report.__slots__}
    written["rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    (folder / "report.json").write_text(json.dumps(written), encoding="utf-8")


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s of computing")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
