# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from harness.errors import (
    ModelError,
    RemoteProtocolError,
    TargetError,
    UnsupportedError,
    WrongFirmwareError,
)
from harness.link import PipeTransport
from harness.link.card import TensorInfo
from harness.measure import DISTURBED_ATTEMPTS, _joined, measure
from tests.link.memory_device import (
    MemoryDevice,
    MemoryTransport,
    compile_library,
    compile_native,
    fake_inputs,
    fake_outputs,
    fake_ticks,
    is_infer,
)

SAMPLES = 12
DIGEST = "00" * 32
INPUTS = [fake_inputs(sample) for sample in range(SAMPLES)]
ARRAYS = [np.array([np.frombuffer(sample[i], np.int8) for sample in INPUTS]) for i in range(2)]
OUTPUTS = np.array([np.frombuffer(b"".join(fake_outputs(sample)), np.int8) for sample in INPUTS])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> MemoryDevice:
    return MemoryDevice(compile_library(tmp_path_factory.mktemp("device"), QR_FRAME_BYTES=124))


@pytest.fixture
def device(shared: MemoryDevice) -> MemoryDevice:
    shared.restart()
    return shared


def test_every_sample_in_its_order(device: MemoryDevice) -> None:
    progress: list[tuple[int, int]] = []
    measured = measure(
        MemoryTransport(device),
        expected_digest=DIGEST.upper(),
        inputs=ARRAYS,
        warmup=3,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert measured.ticks == tuple(fake_ticks(sample) for sample in INPUTS)
    assert measured.warmup_ticks == measured.ticks[:3]
    assert measured.outputs.dtype == np.int8
    assert np.array_equal(measured.outputs, OUTPUTS)
    assert (measured.counter, measured.counter_hz) == ("timer1", 16_000_000)
    assert (measured.stack_bytes, measured.link.retries, measured.link.rx_lost) == (321, 0, 0)
    assert measured.firmware_sha256 == DIGEST
    assert progress == [(done, SAMPLES) for done in range(1, SAMPLES + 1)]
    assert device.runs == 1 + 3 + SAMPLES  # the window that follows every start comes first


def test_more_warm_up_than_samples(device: MemoryDevice) -> None:
    arrays = [array[:2] for array in ARRAYS]
    measured = measure(MemoryTransport(device), expected_digest=DIGEST, inputs=arrays, warmup=5)
    assert measured.warmup_ticks == (*measured.ticks, *measured.ticks, measured.ticks[0])
    assert len(measure(MemoryTransport(device), expected_digest=DIGEST, inputs=arrays, warmup=0).ticks) == 2


def test_another_firmware_is_refused_before_anything_runs(device: MemoryDevice) -> None:
    with pytest.raises(WrongFirmwareError) as caught:
        measure(MemoryTransport(device), expected_digest="ab" * 32, inputs=ARRAYS)
    assert DIGEST in str(caught.value)
    assert "ab" * 32 in str(caught.value)
    assert device.runs == 0


@pytest.mark.parametrize(
    "inputs",
    [
        ARRAYS[:1],
        [ARRAYS[0], ARRAYS[1][:-1]],
        [array[:0] for array in ARRAYS],
        [np.int8(1).reshape(()), np.int8(1).reshape(())],
        [ARRAYS[0][:, :15], ARRAYS[1]],
        [ARRAYS[0].astype(np.uint8), ARRAYS[1]],
        [ARRAYS[0].astype(np.float32), ARRAYS[1]],
        [ARRAYS[0].reshape(SAMPLES, 4, 4), ARRAYS[1]],
    ],
)
def test_data_that_do_not_fit_the_model(device: MemoryDevice, inputs: list[npt.NDArray[Any]]) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        measure(MemoryTransport(device), expected_digest=DIGEST, inputs=inputs)
    assert device.runs == 0


def test_dimensions_of_one_do_not_matter(device: MemoryDevice) -> None:
    inputs = [ARRAYS[0].reshape(SAMPLES, 1, 16, 1), ARRAYS[1]]
    assert np.array_equal(
        measure(MemoryTransport(device), expected_digest=DIGEST, inputs=inputs).outputs, OUTPUTS
    )


def test_byte_order_and_layout_of_the_host_do_not_matter(device: MemoryDevice) -> None:
    inputs = [np.asfortranarray(array).astype(array.dtype.newbyteorder(">")) for array in ARRAYS]
    assert np.array_equal(
        measure(MemoryTransport(device), expected_digest=DIGEST, inputs=inputs).outputs, OUTPUTS
    )


def test_a_disturbed_sample_runs_again(device: MemoryDevice) -> None:
    """A byte reaches the device behind the fourth INFER: those ticks are not believed."""
    count = 0

    def disturb(data: bytes) -> bytes:
        nonlocal count
        count += is_infer(data)
        return data + b"\x55" if is_infer(data) and count == 4 else data

    transport = MemoryTransport(device, to_device=disturb)
    measured = measure(transport, expected_digest=DIGEST, inputs=ARRAYS, warmup=0)
    assert np.array_equal(measured.outputs, OUTPUTS)
    assert device.runs == 1 + SAMPLES + 1


def test_a_line_that_never_rests_is_reported(device: MemoryDevice) -> None:
    transport = MemoryTransport(device, to_device=lambda data: data + b"\x55" if is_infer(data) else data)
    with pytest.raises(RemoteProtocolError, match="timed runs of sample 0"):
        measure(transport, expected_digest=DIGEST, inputs=ARRAYS)
    assert device.runs == 1 + DISTURBED_ATTEMPTS


class CountingTransport(MemoryTransport):
    """A line whose other end counts sections by itself: always one tick more than the device."""

    def __init__(self, device: MemoryDevice, **options: Any) -> None:
        super().__init__(device, **options)
        self.asked: list[int] = []

    def section_ticks(self, device_ticks: int) -> int:
        self.asked.append(device_ticks)
        return device_ticks + 1


def test_a_transport_that_counts_better_than_the_device_is_believed(device: MemoryDevice) -> None:
    transport = CountingTransport(device)
    measured = measure(transport, expected_digest=DIGEST, inputs=ARRAYS)
    own = [fake_ticks(sample) for sample in INPUTS]
    assert transport.asked == own[:3] + own
    assert measured.ticks == tuple(ticks + 1 for ticks in own)
    assert measured.warmup_ticks == measured.ticks[:3]


def test_each_count_belongs_to_one_answer_also_of_a_disturbed_section(device: MemoryDevice) -> None:
    count = 0

    def disturb(data: bytes) -> bytes:
        nonlocal count
        count += is_infer(data)
        return data + b"\x55" if is_infer(data) and count == 4 else data

    transport = CountingTransport(device, to_device=disturb)
    measured = measure(transport, expected_digest=DIGEST, inputs=ARRAYS, warmup=0)
    assert device.runs == len(transport.asked) == SAMPLES + 1
    assert measured.ticks == tuple(fake_ticks(sample) + 1 for sample in INPUTS)


def test_a_repeated_answer_is_counted_once(device: MemoryDevice) -> None:
    """The device's answer is lost on the line: it sends it again and runs nothing twice."""
    answers = 0

    def lose(data: bytes) -> bytes:
        nonlocal answers
        # the only exchange in which the device sends two frames: RUNNING and the answer
        answers += data.count(b"\0") >= 4
        return data[:-3] if answers == 3 and data.count(b"\0") >= 4 else data

    transport = CountingTransport(device, to_host=lose)
    measured = measure(transport, expected_digest=DIGEST, inputs=ARRAYS)
    assert measured.link.retries == 1
    assert device.runs == len(transport.asked) == SAMPLES + 3


def test_a_count_that_is_refused_ends_the_measurement(device: MemoryDevice) -> None:
    class Refusing(MemoryTransport):
        def section_ticks(self, device_ticks: int) -> int:
            raise TargetError(f"not {device_ticks}")

    with pytest.raises(TargetError, match=f"not {fake_ticks(INPUTS[0])}"):
        measure(Refusing(device), expected_digest=DIGEST, inputs=ARRAYS)
    assert device.runs == 1


def of_types(first: str, second: str) -> tuple[TensorInfo, TensorInfo]:
    """The fake model's 20 output bytes, read as tensors of other types."""
    return tuple(
        TensorInfo(dtype=dtype, shape=(size // np.dtype(dtype).itemsize,), scale=0.0, zero_point=0)
        for dtype, size in ((first, 16), (second, 4))
    )  # type: ignore[return-value]


def rows(count: int = SAMPLES) -> list[bytes]:
    return [b"".join(fake_outputs(sample))[:20] for sample in INPUTS[:count]]


def test_floats_beside_integers_are_kept_as_float64() -> None:
    joined = _joined(rows(), of_types("int32", "float32"))
    assert joined.dtype == np.float64
    assert joined.shape == (SAMPLES, 5)
    for row, data in zip(joined, rows(), strict=True):
        assert row[:4].astype("<i4").tobytes() + row[4:].astype("<f4").tobytes() == data


def test_integers_of_several_types_are_kept_as_int64() -> None:
    """Exactly, whatever their size."""
    data = np.array([2**63 - 1, -(2**63)], "<i8").tobytes() + bytes([255, 0, 1, 128])
    joined = _joined([data], of_types("int64", "int8"))
    assert joined.dtype == np.int64
    assert joined.tolist() == [[2**63 - 1, -(2**63), -1, 0, 1, -128]]


def test_truth_is_kept_as_uint8() -> None:
    joined = _joined([bytes([0, 1, 1, 0])], [TensorInfo(dtype="bool", shape=(4,), scale=0.0, zero_point=0)])
    assert joined.dtype == np.uint8
    assert joined.tolist() == [[0, 1, 1, 0]]


def test_an_integer_that_float64_cannot_hold_is_unsupported() -> None:
    tensors = of_types("int64", "float32")
    data = np.array([2**53, -(2**53)], "<i8").tobytes() + bytes(4)
    assert _joined([data], tensors)[0, :2].tolist() == [2**53, -(2**53)]
    for value in (2**53 + 1, -(2**63)):
        with pytest.raises(UnsupportedError, match=r"above 2\*\*53"):
            _joined([np.array([0, value], "<i8").tobytes() + bytes(4)], tensors)
    alone = TensorInfo(dtype="int64", shape=(2,), scale=0.0, zero_point=0)
    assert _joined([np.array([0, 2**53 + 1], "<i8").tobytes()], [alone])[0, 1] == 2**53 + 1


# --- models that remember ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> MemoryDevice:
    """Adds to every output how many inferences came before it since the last reset."""
    return MemoryDevice(compile_library(tmp_path_factory.mktemp("device"), QR_FRAME_BYTES=124, FAKE_STATE=1))


@pytest.fixture
def stateful(remembering: MemoryDevice) -> MemoryDevice:
    remembering.restart()
    return remembering


STREAM = (OUTPUTS.astype(np.int16) + np.arange(SAMPLES)[:, np.newaxis]).astype(np.int8)


def test_each_sample_finds_the_variables_at_their_start(stateful: MemoryDevice) -> None:
    measured = measure(MemoryTransport(stateful), expected_digest=DIGEST, inputs=ARRAYS, stateful=True)
    assert np.array_equal(measured.outputs, OUTPUTS)


def test_a_stream_goes_on_from_sample_to_sample(stateful: MemoryDevice) -> None:
    measured = measure(
        MemoryTransport(stateful), expected_digest=DIGEST, inputs=ARRAYS, stateful=True, stream=True
    )
    assert np.array_equal(measured.outputs, STREAM)
    assert stateful.runs == 1 + 3 + SAMPLES


def test_a_disturbed_sample_of_a_stream_finds_what_it_found_before(stateful: MemoryDevice) -> None:
    count = 0

    def disturb(data: bytes) -> bytes:
        nonlocal count
        count += is_infer(data)
        return data + b"\x55" if is_infer(data) and count == 4 else data

    transport = MemoryTransport(stateful, to_device=disturb)
    measured = measure(transport, expected_digest=DIGEST, inputs=ARRAYS, warmup=0, stateful=True, stream=True)
    assert np.array_equal(measured.outputs, STREAM)
    assert stateful.runs == 1 + SAMPLES + 4


def test_each_count_of_a_stream_belongs_to_one_answer(stateful: MemoryDevice) -> None:
    transport = CountingTransport(stateful)
    arrays = [array[:2] for array in ARRAYS]
    measured = measure(transport, expected_digest=DIGEST, inputs=arrays, stateful=True, stream=True)
    assert np.array_equal(measured.outputs, STREAM[:2])
    # the third warm-up is the first sample again
    assert len(transport.asked) == stateful.runs == 3 + 2


def test_a_process_that_cannot_tell_its_stack(tmp_path: Path) -> None:
    firmware = compile_native(tmp_path)
    process = subprocess.Popen([firmware], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        transport = PipeTransport(process.stdin, process.stdout)
        measured = measure(transport, expected_digest=DIGEST, inputs=ARRAYS)
        transport.close()
    assert measured.stack_bytes is None
    assert measured.counter_hz == 1_000_000_000
    assert np.array_equal(measured.outputs, OUTPUTS)
