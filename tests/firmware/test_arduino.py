# SPDX-License-Identifier: Apache-2.0
"""The Arduino port: on the AVR core in simavr against bare metal, and its other clocks on a stand-in core."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness import toolchains
from harness.boards import load_boards
from harness.build import Firmware, build
from harness.compiler import AVR, compile_graph, cpu_named
from harness.errors import DoesNotFitError, UnavailableError, UnsupportedError
from harness.graph import read_tflite
from harness.link.protocol import Link
from harness.link.requests import HelloRequest
from harness.link.session import Session
from harness.link.transport import PipeTransport
from harness.measure import measure
from harness.records import Measurement, verify
from harness.reference import expected_outputs
from harness.targets import simavr
from tests import tflite_builder as tb
from tests.firmware import fake_model
from tests.firmware.conftest import MakeFirmware
from tests.firmware.fake_model import BYTES, work
from tests.firmware.retuned import Retuned
from tests.kernels.models import Quant, random_inputs
from tests.kernels.models_window import weights
from tests.link.memory_device import replies_in
from tests.tiny_firmware import tiny_firmware

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
STAND_IN = Path(__file__).resolve().parent / "arduino_stand_in"

MODELS = FIRMWARE.parent / "results" / "reference" / "models"
BOARDS = load_boards()

WARNINGS = ("-Wall", "-Wextra", "-Werror")
CYCLES_PER_TURN = 1000


@dataclass(frozen=True, slots=True)
class Core:
    """What tells a real core and chip from others, and what the port must make of it."""

    macros: tuple[str, ...]
    counter: str
    cpu_hz: int
    counter_hz: int
    buffer_bytes: int = 64


DWT = ("STAND_IN_DWT", "__ARM_ARCH_7EM__=1")
ESP32 = ("ARDUINO_ARCH_ESP32",)
CORES = {
    "esp32": Core(ESP32, "cpu", 240_000_000, 240_000_000, 4096),
    "esp32c3": Core((*ESP32, "CONFIG_FREERTOS_UNICORE=1"), "cpu", 160_000_000, 160_000_000, 4096),
    "nucleo_f446re": Core(
        (*DWT, "ARDUINO_ARCH_STM32", "QR_TRIGGER_PIN=13"), "cyccnt", 180_000_000, 180_000_000
    ),
    "nano_33_ble": Core((*DWT, "ARDUINO_ARCH_MBED"), "cyccnt", 64_000_000, 64_000_000),
    "teensy41": Core((*DWT, "TEENSYDUINO", "__IMXRT1062__"), "cyccnt", 600_000_000, 600_000_000),
    "pico": Core(("ARDUINO_ARCH_MBED",), "micros", 125_000_000, 1_000_000),
    "unknown": Core((), "micros", 48_000_000, 1_000_000),
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The port and the bench on the stand-in core, compiled as each core would have it."""
    folder = tmp_path_factory.mktemp("stand-in")
    spends = fake_model.source(
        before="void stand_in_spend(uint64_t cycles);",
        inside=f"stand_in_spend(turns * {CYCLES_PER_TURN}ull); turns = 0;",
    )
    for name, text in spends.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: compiled(core, name, folder) for name, core in CORES.items()}


def compiled(core: Core, name: str, folder: Path) -> Path:
    ports = FIRMWARE / "src" / "ports"
    sources = [
        *sorted(ports.glob("arduino*.cpp")),
        STAND_IN / "stand_in.cpp",
        *(FIRMWARE / "src" / f"{name}.c" for name in ("bench", "card", "pattern", "rate", "sample", "steps")),
        *sorted((FIRMWARE / "lib" / "link").glob("*.c")),
        folder / "model.c",
    ]
    paths = [STAND_IN, folder, FIRMWARE / "include", FIRMWARE / "src", FIRMWARE / "lib" / "link"]
    macros = [f'QR_BOARD="{name}"', "QR_PORT_ARDUINO=1", f"F_CPU={core.cpu_hz}", *core.macros]
    objects = []
    for source in sources:
        compiler = ["g++", "-std=gnu++11"] if source.suffix == ".cpp" else ["gcc", "-std=gnu11"]
        objects.append(folder / f"{name}-{source.stem}.o")
        subprocess.run(
            [
                *compiler, "-O1", *WARNINGS, *(f"-D{macro}" for macro in macros),
                *(f"-I{path}" for path in paths), "-c", "-o", objects[-1], source,
            ],
            check=True,
        )  # fmt: skip
    program = folder / name
    subprocess.run(["g++", "-o", program, *objects], check=True)
    return program


@contextmanager
def running(program: Path, log: Path, **settings: int) -> Iterator[Session]:
    """A session with the program, which must end well when its input does."""
    environment: Mapping[str, str] = os.environ | {
        f"STAND_IN_{name.upper()}": str(value) for name, value in settings.items()
    }
    with log.open("wb") as stderr:
        child = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            bufsize=0,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        transport = PipeTransport(child.stdin, child.stdout)
        try:
            yield Session(Retuned(transport))
            transport.close()
            assert child.wait(5) == 0
        finally:
            child.kill()
            child.wait()


@pytest.mark.parametrize("name", CORES)
def test_hello_outputs_and_ticks(programs: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Ticks are what the model spent, to the tick, however often counter and microseconds wrap."""
    core = CORES[name]
    spent_cycles = [0, 1, 1000, 2**31, 2**32 - 1, 2**32, 2**33 + 12345, 40 * core.cpu_hz]
    with running(programs[name], tmp_path / "log", start=2**32 - 50_000) as session:
        hello = session.hello()
        assert (hello.board, hello.counter) == (name, core.counter)
        assert (hello.cpu_hz, hello.counter_hz) == (core.cpu_hz, core.counter_hz)
        for cycles in spent_cycles:
            turns = cycles // CYCLES_PER_TURN
            data = work(turns)
            reply = session.infer([data])
            assert reply.outputs[0] == data[::-1]
            expected = turns * CYCLES_PER_TURN * core.counter_hz / core.cpu_hz
            assert abs(reply.ticks - expected) <= (1 if core.counter == "micros" else 0), cycles
        assert session.status().empty_ticks == 0


@pytest.mark.parametrize("name", CORES)
def test_the_buffer_of_the_core_is_never_overrun(
    programs: dict[str, Path], tmp_path: Path, name: str
) -> None:
    """The stand-in ends when more bytes wait than its buffer holds: the host must keep to the frame size."""
    core = CORES[name]
    with running(programs[name], tmp_path / "log") as session:
        assert session.hello().frame_bytes == (60 if core.buffer_bytes == 64 else 2048)
        for turns in range(20):
            session.infer([work(turns)])
    assert f"buffer={core.buffer_bytes}\n" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(("name", "core"), [("esp32", 1), ("esp32c3", 0)])
def test_esp32_task(programs: dict[str, Path], tmp_path: Path, name: str, core: int) -> None:
    with running(programs[name], tmp_path / "log", errors=3) as session:
        session.infer([work(1)])
        status = session.status()
        assert status.stack_bytes == 16384 - 15000
        assert status.rx_lost == 3  # the break does not count
    assert (tmp_path / "log").read_text().splitlines() == [
        f"task quantrig core={core} stack=16384 priority=2",
        f"watchdog off core={core}",
        "begin 115200 buffer=4096",
    ]


@pytest.mark.parametrize(("psram", "settings"), [(0, "psram=off"), (1, "psram=on")])
def test_esp32_tells_whether_it_has_external_memory(
    programs: dict[str, Path], tmp_path: Path, psram: int, settings: str
) -> None:
    with running(programs["esp32"], tmp_path / "log", psram=psram) as session:
        assert session.hello().settings == settings


@pytest.mark.parametrize(
    ("name", "taken", "refused", "told"),
    [
        ("esp32", 2_000_000, 6_000_000, "rate 2000000"),
        ("nucleo_f446re", 1_000_000, 2_000_000, "begin 1000000"),
        # native USB has no rate
        ("nano_33_ble", None, 230_400, None),
        ("pico", None, 230_400, None),
        ("teensy41", None, 230_400, None),
    ],
)
def test_a_rate_is_the_cores(
    programs: dict[str, Path], tmp_path: Path, *, name: str, taken: int | None, refused: int, told: str | None
) -> None:
    log = tmp_path / "log"
    with running(programs[name], log) as session:
        assert not session.set_baud(refused)
        assert session.baud == 115_200
        assert taken is None or session.set_baud(taken)
        session.infer([work(1)])
    lines = [line.partition(" buffer")[0] for line in log.read_text().splitlines()]
    assert [line for line in lines if line.startswith(("rate", "begin"))] == [
        "begin 115200",
        *([told] if told else []),
    ]


def test_trigger_pin_of_a_core(programs: dict[str, Path], tmp_path: Path) -> None:
    with running(programs["nucleo_f446re"], tmp_path / "log") as session:
        for turns in range(2):
            session.infer([work(turns)])
    pins = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("pin")]
    assert pins == ["pin 13 mode 1", *(2 * ["pin 13 level 1", "pin 13 level 0"])]


def test_native_usb_without_a_host_does_not_hang(programs: dict[str, Path], tmp_path: Path) -> None:
    with running(programs["teensy41"], tmp_path / "log", no_host=1) as session:
        reply = session.infer([work(3)])
    assert len(reply.outputs[0]) == BYTES
    assert reply.ticks == 3 * CYCLES_PER_TURN


@pytest.mark.parametrize(
    ("name", "types"),
    [("teensy41", [0x81]), ("nano_33_ble", [0x81]), ("nucleo_f446re", [0xFF, 0x81]), ("esp32", [0xFF, 0x81])],
)
def test_native_usb_says_nothing_before_it_is_spoken_to(
    programs: dict[str, Path], name: str, types: list[int]
) -> None:
    """A UART tells that the board starts; without a host, native USB might wait for one that takes it."""
    hello = Link(first_sequence=1).send(HelloRequest(nonce=1, offset=0, limit=20))
    done = subprocess.run([programs[name]], input=hello, capture_output=True, timeout=60, check=True)
    assert [frame.type for frame in replies_in(done.stdout)] == types


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@functools.cache
def trained(name: str) -> bytes:
    """A model of the reference run."""
    return (MODELS / f"{name}.tflite").read_bytes()


def wide(*sizes: int) -> bytes:
    """Dense int8 layers of these widths, so with a lot of weights and little else."""
    b = tb.ModelBuilder()
    x = b.tensor((1, sizes[0]), scale=0.05, zero_point=-3)
    quant = Quant(input_scale=0.05, input_zero=-3)
    start = x
    for seed, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        constants = weights(b, "int8", (outputs, inputs), quant=quant, axis=0, bias=2000, seed=seed)
        y = b.tensor((1, outputs), scale=0.05, zero_point=-3)
        b.op("FULLY_CONNECTED", [x, *constants], [y], tb.fully_connected_options())
        x = y
    return b.build([start], [x])


def measured(board: str, tflite: bytes, cache: Path, log: Path, samples: int) -> tuple[Firmware, Measurement]:
    """The model on the board's core in simavr, all outputs equal to the oracle's."""
    graph = read_tflite(tflite, name="model")
    firmware = build(
        compile_graph(graph, cpu_named(BOARDS[board].cpu)),
        BOARDS[board],
        case_id=f"arduino/{board}",
        cache=cache,
    )
    inputs = random_inputs(graph, samples=samples, seed=3)
    shaped = [values.reshape(-1, *t.shape) for values, t in zip(inputs, graph.input_tensors(), strict=True)]
    with simavr.open(firmware, BOARDS[board], log=log) as transport:
        result = measure(transport, expected_digest=firmware.firmware_sha256, inputs=shaped, warmup=1)
    told = expected_outputs(tflite, shaped)
    (expected,) = told.outputs
    assert verify(result.outputs, expected, told.oracle).mismatches == 0
    assert len(np.unique(expected)) > 1
    assert result.stack_bytes is not None
    assert 0 < result.stack_bytes <= firmware.sizes.stack_reserve_bytes
    return firmware, result


@pytest.mark.emulator
@pytest.mark.parametrize("model", ["sine__ptq-int8", "sine__float32", "gesture__ptq-int8"])
def test_uno_counts_like_bare_metal(cache: Path, tmp_path: Path, model: str) -> None:
    """Equal outputs and equal ticks, inference by inference; the core costs flash, and says so."""
    ours, bare = measured("uno", trained(model), cache, tmp_path / "bare", samples=5)
    theirs, core = measured("uno-arduino", trained(model), cache, tmp_path / "core", samples=5)
    np.testing.assert_array_equal(core.outputs, bare.outputs)
    assert list(core.ticks) == list(bare.ticks)
    assert theirs.sizes.flash_bytes > ours.sizes.flash_bytes
    assert theirs.sizes.flash_model_bytes == ours.sizes.flash_model_bytes


@pytest.mark.emulator
def test_ticks_leave_out_the_milliseconds(firmware: MakeFirmware, tmp_path: Path) -> None:
    """The core's Timer0 would cost some 5 us of each millisecond: its interrupts wait, then go on."""
    ticks = {}
    for name in ("uno", "uno-arduino"):
        built = firmware(name)
        with simavr.open(built, BOARDS[name], log=tmp_path / "log") as transport:
            session = Session(transport)
            hello = session.hello()
            assert (hello.board, hello.counter, hello.cpu_hz) == (name, "timer1", 16_000_000)
            ticks[name] = [
                session.infer([work(n, n % 8)]).ticks for n in (0, 1, 2700, 5941, 100_000, 400_000)
            ]
            assert session.status().empty_ticks == 0
    assert ticks["uno"] == ticks["uno-arduino"]


@pytest.mark.emulator
def test_no_reply_of_thousands_waits_for_a_flag_that_was_cleared(tmp_path: Path) -> None:
    """Serial.flush() waited for ever, once in a few thousand replies: TXC had come and gone in simavr."""
    board, samples = BOARDS["megaatmega2560"], np.zeros((4000, 4), np.int8)
    built = tiny_firmware(board, tmp_path)
    with simavr.open(built, board, log=tmp_path / "log") as transport:
        result = measure(transport, expected_digest=built.firmware_sha256, inputs=[samples])
    assert result.link.retries == 0


@pytest.mark.emulator
def test_mega_reads_constants_up_to_the_last_of_64_kib(cache: Path, tmp_path: Path) -> None:
    """Weights, tables and code exceed 64 KiB together: constants come first, code behind."""
    firmware, _ = measured("megaatmega2560", wide(100, 190, 100, 190, 4), cache, tmp_path / "log", samples=3)
    assert firmware.sizes.flash_model_bytes > 60_000
    assert firmware.sizes.flash_bytes > 0x10000


@pytest.mark.emulator
def test_mega_without_room_for_the_constants(cache: Path) -> None:
    graph = read_tflite(wide(100, 200, 100, 200, 100), name="wide")
    with pytest.raises(DoesNotFitError, match="up to the last constant") as caught:
        build(compile_graph(graph, AVR), BOARDS["megaatmega2560"], case_id="arduino/far", cache=cache)
    assert caught.value.available_bytes == 0x10000
    assert 0x10000 < caught.value.needed_bytes < 100_000


@pytest.mark.emulator
def test_mega_without_an_array_so_large(cache: Path) -> None:
    graph = read_tflite(wide(200, 200), name="square")
    with pytest.raises(UnsupportedError, match="more than 32767, the largest on avr"):
        build(compile_graph(graph, AVR), BOARDS["megaatmega2560"], case_id="arduino/array", cache=cache)


def test_a_missing_core_names_the_package(
    monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    chain = replace(toolchains.TOOLCHAINS["avr_arduino"], files=(str(tmp_path / "Arduino.h"),))
    monkeypatch.setitem(toolchains.TOOLCHAINS, "avr_arduino", chain)
    with pytest.raises(UnavailableError, match=r"apt-get install .*arduino-core-avr"):
        build(fake_model.source(), BOARDS["uno-arduino"], case_id="arduino/none", cache=cache)
