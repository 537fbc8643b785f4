# SPDX-License-Identifier: Apache-2.0
"""Measure one device: is it the firmware just built, warm it up, time every sample, collect the outputs.

Nothing is judged here: ticks and outputs are returned as the device sent them (docs/METHOD.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError, RemoteProtocolError, UnsupportedError, WrongFirmwareError
from harness.link import Hello, InferReply, SectionCounter, Session, TensorInfo, Timing, Transport
from harness.records import LinkRecord, Measurement

Array = npt.NDArray[Any]

#: How often one sample is run when bytes keep reaching the device while it is timed.
DISTURBED_ATTEMPTS: Final = 5


def measure(
    transport: Transport,
    *,
    expected_digest: str,
    inputs: Sequence[Array],
    warmup: int = 3,
    on_progress: Callable[[int, int], None] | None = None,
    timing: Timing | None = None,
) -> Measurement:
    """Run every sample once on the device behind `transport`, each timed by the device.

    Args:
        transport: the line to it; not closed.
        expected_digest: SHA-256 in hex of the firmware that must answer.
        inputs: one array per input tensor, shape (samples, ...), in the tensor's dtype.
        warmup: inferences before the first that counts; their ticks are kept apart.
        on_progress: called with (samples done, samples) after every sample.
        timing: time-outs of the link.

    Raises:
        WrongFirmwareError: another firmware answers.
        ModelError: the inputs do not fit the model's tensors.
        UnsupportedError: the outputs differ in dtype.
        NoReplyError, RemoteProtocolError, TargetError: the link failed, or the counts of a section disagree.
    """
    session = Session(transport, timing=timing)
    hello = session.hello()
    if hello.firmware_sha256 != expected_digest.lower():
        raise WrongFirmwareError(
            f"The device runs firmware {hello.firmware_sha256}, just built was {expected_digest.lower()}.",
            cause="The upload failed or reached another board.",
            fix="Check which board is on the port, then run again.",
        )
    samples = _check_inputs(inputs, hello.inputs)
    dtype = _output_dtype(hello)
    payloads = [np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")) for array in inputs]
    lost_before = session.status().rx_lost
    counter = transport if isinstance(transport, SectionCounter) else None
    warmup_ticks = [_infer(session, counter, payloads, i % samples).ticks for i in range(warmup)]
    ticks: list[int] = []
    outputs: list[bytes] = []
    for sample in range(samples):
        reply = _infer(session, counter, payloads, sample)
        ticks.append(reply.ticks)
        outputs.append(b"".join(reply.outputs))
        if on_progress is not None:
            on_progress(sample + 1, samples)
    status = session.status()
    values = np.frombuffer(b"".join(outputs), dtype=dtype.newbyteorder("<")).astype(dtype)
    return Measurement(
        counter=hello.counter,
        counter_hz=hello.counter_hz,
        warmup_ticks=tuple(warmup_ticks),
        ticks=tuple(ticks),
        outputs=values.reshape(samples, -1),
        stack_bytes=status.stack_bytes or None,
        firmware_sha256=hello.firmware_sha256,
        cpu_hz=hello.cpu_hz or None,
        link=LinkRecord(retries=session.stats.retries, rx_lost=status.rx_lost - lost_before),
    )


def _infer(
    session: Session, counter: SectionCounter | None, payloads: Sequence[Array], sample: int
) -> InferReply:
    """One inference whose timed section no byte disturbed; a disturbed one is run again.

    Its ticks are those of `counter`, if there is one.
    """
    for _ in range(DISTURBED_ATTEMPTS):
        reply = session.infer([payload[sample].tobytes() for payload in payloads])
        if counter is not None:
            # of a disturbed section too: each count belongs to one answer
            reply = replace(reply, ticks=counter.section_ticks(reply.ticks))
        if not reply.disturbed:
            return reply
    raise RemoteProtocolError(
        f"Bytes reached the device in each of {DISTURBED_ATTEMPTS} timed runs of sample {sample}.",
        cause="Another program writes to its serial port, or the line picks up noise.",
        fix="Close that program or check the cable, then run again.",
    )


def _check_inputs(inputs: Sequence[Array], tensors: Sequence[TensorInfo]) -> int:
    """The number of samples, once every array fits its tensor."""
    if len(inputs) != len(tensors):
        raise _misfit(f"{len(inputs)} input arrays for a model of {len(tensors)} inputs")
    counts = {len(array) if array.ndim else 0 for array in inputs}
    if len(counts) != 1 or 0 in counts:
        raise _misfit(f"input arrays of {sorted(counts)} samples")
    for number, (array, tensor) in enumerate(zip(inputs, tensors, strict=True)):
        if array.dtype.name != tensor.dtype or _squeezed(array.shape[1:]) != _squeezed(tensor.shape):
            have, want = f"{array.dtype}{array.shape[1:]}", f"{tensor.dtype}{tensor.shape}"
            raise _misfit(f"samples of {have} for input {number} of {want}")
    return counts.pop()


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without dimensions of 1: the batch and a lone channel may be written or left out."""
    return tuple(size for size in shape if size != 1)


def _misfit(what: str) -> ModelError:
    return ModelError(
        f"The test data do not fit the model: {what}.",
        cause="They were made for another model.",
        fix="Give the model its own test data.",
    )


def _output_dtype(hello: Hello) -> np.dtype[Any]:
    dtypes = {tensor.dtype for tensor in hello.outputs}
    if len(dtypes) != 1:
        raise UnsupportedError(
            f"The model's outputs are of several types ({', '.join(sorted(dtypes))}).",
            cause="A measurement keeps all outputs of a sample in one row of one type.",
            fix="Convert the model with one output type.",
        )
    return np.dtype(dtypes.pop())
