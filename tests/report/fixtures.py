# SPDX-License-Identifier: Apache-2.0
"""A made-up run with the shape of the default sweep: 27 rows, one of them does-not-fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from harness.errors import DoesNotFitError
from harness.records import (
    Clock,
    Footprint,
    HostCheck,
    LinkRecord,
    Measurement,
    ModelFacts,
    Outcome,
    Provenance,
    Result,
    Score,
    Status,
    Verification,
    Window,
)
from harness.spec_file import spec_to_plain
from harness.store import RunWriter
from harness.sweep import Case, Known, SweepSpec, expand

STARTED: Final = "2026-11-21T01:45:00Z"
KNOWN: Final = Known(
    workloads=("digits", "gesture", "sine"),
    variants=("float32", "ptq-int8", "qat-int8"),
    engines=("aot",),
    boards={"native": ("native",), "uno": ("hardware", "simavr"), "stm32f4": ("hardware", "qemu")},
)
CLOCKS: Final = {
    "native": Clock.WALL,
    "simavr": Clock.CYCLES,
    "hardware": Clock.CYCLES,
    "qemu": Clock.INSTRUCTIONS,
}
COUNTER_HZ: Final = {"native": 1_000_000_000, "uno": 16_000_000, "stm32f4": 168_000_000}
SAMPLES: Final = {"digits": 360, "gesture": 200, "sine": 200}
OUTPUTS: Final = {"digits": 10, "gesture": 4, "sine": 1}
PARAMS: Final = {"digits": 1218, "gesture": 7484, "sine": 321}
MACS: Final = {"digits": 17_600, "gesture": 77_000, "sine": 288}
QUALITY: Final = {
    "digits": {"float32": 0.9722, "ptq-int8": 0.9667, "qat-int8": 0.9694},
    "gesture": {"float32": 0.945, "ptq-int8": 0.93, "qat-int8": 0.945},
    "sine": {"float32": 0.0612, "ptq-int8": 0.0745, "qat-int8": 0.0688},
}
#: Ticks per MAC on (board, is float32).
COST: Final = {
    ("native", True): 0.9, ("native", False): 1.4, ("uno", True): 168.0, ("uno", False): 31.0,
    ("stm32f4", True): 6.2, ("stm32f4", False): 9.1,
}  # fmt: skip
ARENA: Final = {"digits": 960, "gesture": 3200, "sine": 128}


def default_cases() -> tuple[Case, ...]:
    return expand(SweepSpec(), KNOWN)


def provenance(cases: Iterable[Case], run_id: str = "2026-11-21T0145-default") -> Provenance:
    return Provenance(
        run_id=run_id,
        started_at=STARTED,
        command=("quantrig", "sweep"),
        quantrig_version="0.1.0",
        git_revision="0123456789abcdef0123456789abcdef01234567",
        host={"platform": "Linux-6.1-x86_64", "machine": "x86_64", "cores": 2, "python": "3.11.7"},
        tools={"avr-gcc": "5.4.0", "qemu": "7.2.22", "simavr": "1.6", "tensorflow": "2.21.0"},
        flags={"native": "-O2 -ffp-contract=off", "stm32f4": "-O2 -mcpu=cortex-m4", "uno": "-Os"},
        boards={
            "native": {
                "title": "This computer (native process)",
                "cpu_hz": None,
                "flash_bytes": None,
                "ram_bytes": None,
                "notes": "A process on the host.",
            },
            "uno": {
                "title": "Arduino Uno",
                "cpu_hz": 16_000_000,
                "flash_bytes": 32_256,
                "ram_bytes": 2048,
                "notes": "Flash without the 512-byte bootloader.",
            },
            "stm32f4": {
                "title": "STM32F405 (Netduino Plus 2)",
                "cpu_hz": 168_000_000,
                "flash_bytes": 1_048_576,
                "ram_bytes": 131_072,
                "notes": "",
            },
        },
        targets={
            "native:native": {
                "label": "Wall time of this computer, disturbed by whatever else runs on it.",
                "clock": "wall",
            },
            "uno:simavr": {
                "label": "CPU cycles of a simulated chip; no silicon took part.",
                "clock": "cycles",
            },
            "stm32f4:qemu": {
                "label": "Executed instructions, exact and repeatable; not time.",
                "clock": "instructions",
            },
        },
        workloads={
            "digits": {
                "title": "UCI handwritten digits, 8x8",
                "synthetic": False,
                "metric": "accuracy",
                "seed": 1,
            },
            "gesture": {
                "title": "Accelerometer gestures",
                "synthetic": True,
                "metric": "accuracy",
                "seed": 1,
            },
            "sine": {
                "title": "Noisy sine, regression (synthetic)",
                "synthetic": True,
                "metric": "mae",
                "seed": 1,
            },
        },
        cases=tuple(case.id for case in cases),
        options=spec_to_plain(SweepSpec()),
    )


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def failed(case: Case, reason: str, *, status: Status = Status.FAILED, reason_code: str = "build") -> Result:
    """A row with nothing measured."""
    return Result(
        case_id=case.id,
        workload=case.workload,
        variant=case.variant_name,
        options=case.options_text,
        engine=case.engine,
        board=case.board,
        target=case.target,
        outcome=Outcome(status=status, reason_code=reason_code, reason=reason),
        started_at=STARTED,
        seconds=1.25,
    )


def measured(case: Case, *, samples: int | None = None) -> Result:
    """A row as a well-behaved device would give it."""
    rng = np.random.default_rng(int(digest(case.id)[:8], 16))
    count = samples or SAMPLES[case.workload]
    is_float = case.variant_name == "float32"
    base = int(900 + MACS[case.workload] * COST[case.board, is_float])
    spread = 0.03 if case.target == "native" else 0.004 if is_float else 0.0
    ticks = tuple(int(base * (1 + spread * abs(x))) for x in rng.standard_normal(count))
    shape = (count, OUTPUTS[case.workload])
    outputs = (
        rng.random(shape, dtype=np.float32) if is_float else rng.integers(-128, 128, shape, dtype=np.int8)
    )
    model_bytes = PARAMS[case.workload] * (4 if is_float else 1) + 320
    arena = ARENA[case.workload] // (1 if is_float else 4)
    quality = QUALITY[case.workload][case.variant_name]
    return replace(
        failed(case, "-"),
        outcome=Outcome(status=Status.OK),
        seconds=3.5,
        clock=CLOCKS[case.target],
        facts=ModelFacts(
            tflite_bytes=model_bytes + 1800,
            tflite_gzip_bytes=model_bytes + 400,
            params=PARAMS[case.workload],
            macs=MACS[case.workload],
            sha256=digest(case.workload + case.variant),
        ),
        footprint=Footprint(
            flash_bytes=model_bytes + (9_800 if is_float else 7_100),
            flash_model_bytes=model_bytes,
            ram_static_bytes=arena + 412,
            arena_bytes=arena,
            stack_reserve_bytes=190,
        ),
        measurement=Measurement(
            counter="timer1",
            counter_hz=COUNTER_HZ[case.board],
            warmup_ticks=(base + 50, base + 3, base),
            ticks=ticks,
            outputs=outputs,
            stack_bytes=164 if case.board != "native" else None,
            firmware_sha256=digest(case.id),
        ),
        verification=Verification(
            oracle="tflite-micro 0.dev20261023", outputs_compared=outputs.size, mismatches=0, max_abs_diff=0.0
        ),
        score=Score(
            metric="mae" if case.workload == "sine" else "accuracy", value=quality, reference=quality
        ),
        toolchain="gcc 12.2 -O2",
    )


def on_a_board(result: Result) -> Result:
    """The result as a real board gives it: with windows, a host check, and a line that was not clean."""
    if result.measurement is None:
        return result
    measurement = replace(
        result.measurement,
        windows=tuple(Window(ticks=ticks, inferences=1) for ticks in (100, 101, 100, 100, 102)),
        host_check=HostCheck(ticks=int(2.5 * result.measurement.counter_hz), host_s=2.5),
        link=LinkRecord(requests=400, retries=12, resets=2, rx_lost=5, baud=1_000_000, start_baud=115_200),
        settings="clock=hse;flash_ws=5",
    )
    return replace(result, measurement=measurement)


def result_of(case: Case) -> Result:
    if (case.workload, case.variant, case.board) == ("gesture", "float32", "uno"):
        error = DoesNotFitError(
            region="flash", needed_bytes=40_056, available_bytes=32_256, detail="30256 of them the model"
        )
        row = failed(case, str(error), status=Status.DOES_NOT_FIT, reason_code="does-not-fit")
        known = measured(case)
        return replace(row, facts=known.facts, footprint=known.footprint, toolchain=known.toolchain)
    return measured(case)


def write_run(root: Path, results: Iterable[Result] | None = None) -> Path:
    """The run on the disk; by default all 27 rows."""
    cases = default_cases()
    with RunWriter.create(root, provenance(cases)) as writer:
        for result in [result_of(case) for case in cases] if results is None else results:
            writer.add(result)
        return writer.path
