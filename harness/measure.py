# SPDX-License-Identifier: Apache-2.0
"""Measure one device: is it the firmware just built, warm it up, time every sample, collect the outputs.

A device that resets, hangs or goes away in between is greeted anew: the same firmware is demanded, it is
warmed up again, and the samples under way are run again. So a row says the same over a bad line as over a
good one. Nothing is judged here: ticks and outputs are returned as the device sent them (docs/METHOD.md).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.errors import ModelError, RemoteProtocolError, UnsupportedError, WrongFirmwareError
from harness.link import InferReply, SectionCounter, Session, TensorInfo, Timing, Transport
from harness.link.host_time import SYSTEM, HostTime
from harness.link.recovery import Recovery, RecoveryPolicy
from harness.records import LinkRecord, Measurement, Window
from harness.windows import check_clock, time_windows

Array = npt.NDArray[Any]

#: How often one sample is run when bytes keep reaching the device while it is timed.
DISTURBED_ATTEMPTS: Final = 5

#: Rates that are tried on a board's line, best first: those that the usual USB bridges know.
BAUDS: Final = (2_000_000, 1_000_000, 921_600, 500_000, 460_800, 230_400)

#: Samples between two questions for the stack's high-water mark, which a reset wipes out: at most so many,
#: one after the device was lost before it could be asked, and twice as many after so many answers in a row.
BATCH: Final = 128
ANSWERS_BEFORE_GROWTH: Final = 8


def measure(
    transport: Transport,
    *,
    expected_digest: str,
    inputs: Sequence[Array],
    warmup: int = 3,
    stateful: bool = False,
    stream: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    on_link: Callable[[LinkRecord], None] | None = None,
    note: Callable[[str], None] = lambda _: None,
    timing: Timing | None = None,
    time: HostTime = SYSTEM,
    policy: RecoveryPolicy | None = None,
    real_time: bool = False,
) -> Measurement:
    """Run every sample once on the device behind `transport`, each timed by the device.

    Args:
        transport: the line to it; not closed. A Recoverable one may lose its device for a while.
        expected_digest: SHA-256 in hex of the firmware that must answer.
        inputs: one array per input tensor, shape (samples, ...), in the tensor's dtype.
        warmup: inferences on samples before the first that counts; their ticks are kept apart. Every start of
            the device is followed by one more, on numbers of its own, which is not kept.
        stateful: the model has variables, which an inference leaves to the next one.
        stream: each sample finds them as the one before left them, else as they are before the first
            inference. A device that was reset, or whose sample must run again, is brought back there by
            running all samples before.
        on_progress: called with (samples done, samples) after every sample.
        on_link: called once, at the end, with what the line went through; also when nothing was measured.
        note: told in a sentence each trouble on the link, and each rate that does not hold.
        timing: time-outs of the link.
        time: the host's seconds.
        policy: when a device that makes trouble is given up.
        real_time: the device's time is ours: go to the highest rate that the line bears, time windows and
            check the device's clock against the host's.

    Raises:
        WrongFirmwareError: another firmware answers, at the start or after the device was away.
        ModelError: the inputs do not fit the model's tensors.
        UnsupportedError: a float32 output beside one with an integer that float64 cannot hold.
        DeviceFaultError: the device's CPU stopped in its fault handler.
        NoReplyError, RemoteProtocolError, DeviceResetError, HangError, LineLostError, TargetError: the link
            or the device failed for good, or the counts of a section disagree.
    """
    device = _Device(
        transport,
        digest=expected_digest.lower(),
        inputs=inputs,
        warmup=warmup,
        stateful=stateful,
        stream=stream,
        on_progress=on_progress,
    )
    recovery = Recovery(
        transport,
        meet=device.meet,
        prepare=device.warm_up,
        timing=timing,
        time=time,
        policy=policy,
        bauds=[baud for baud in BAUDS if transport.baud and baud > transport.baud] if real_time else [],
        note=note,
    )
    try:
        return _measured(recovery, device, inputs, real_time=real_time)
    finally:
        if on_link is not None:
            on_link(_link_record(recovery, device))


def _measured(
    recovery: Recovery, device: _Device, inputs: Sequence[Array], *, real_time: bool
) -> Measurement:
    """All samples, and on a board windows and the check of its clock."""
    hello = recovery.steadily(Session.hello)
    ticks: list[int] = []
    outputs: list[bytes] = []
    while len(ticks) < len(inputs[0]):
        replies = recovery.steadily(partial(device.run_batch, first=len(ticks)))
        recovery.progress()
        ticks += [reply.ticks for reply in replies]
        outputs += [b"".join(reply.outputs) for reply in replies]
    windows: tuple[Window, ...] = ()
    host_check = None
    if real_time:
        per_second = hello.counter_hz / max(1.0, statistics.median(ticks))
        windows = time_windows(recovery, inferences_per_s=per_second, counter_hz=hello.counter_hz)
        host_check = check_clock(recovery, inferences_per_s=per_second, counter_hz=hello.counter_hz)
    return Measurement(
        counter=hello.counter,
        counter_hz=hello.counter_hz,
        warmup_ticks=device.warmup_ticks,
        ticks=tuple(ticks),
        outputs=_joined(outputs, hello.outputs),
        stack_bytes=device.stack_bytes or None,
        any_stack_bytes=device.any_stack_bytes or None,
        firmware_sha256=hello.firmware_sha256,
        cpu_hz=hello.cpu_hz or None,
        settings=hello.settings,
        windows=windows,
        host_check=host_check,
        link=_link_record(recovery, device),
    )


def _link_record(recovery: Recovery, device: _Device) -> LinkRecord:
    return LinkRecord(
        requests=recovery.requests,
        retries=recovery.retries,
        resets=recovery.resets,
        reconnects=recovery.reconnects,
        power_cycles=recovery.power_cycles,
        rx_lost=device.rx_lost,
        baud=recovery.baud,
        start_baud=recovery.start_baud,
    )


class _Device:
    """The device under measurement, whatever session it is talked to in.

    Attributes:
        warmup_ticks: of the first warm-up that came to its end.
        stack_bytes, any_stack_bytes: the deepest that any answer told. A reset wipes the marks out, so each
            batch of samples ends with the question for them, and counts only when that is answered.
        rx_lost: bytes lost on receiving, as far as the device could still say before it went away.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        digest: str,
        inputs: Sequence[Array],
        warmup: int,
        stateful: bool,
        stream: bool,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self._counter = transport if isinstance(transport, SectionCounter) else None
        self._digest = digest
        self._inputs = inputs
        self._payloads = [
            np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")) for array in inputs
        ]
        self._warmup = warmup
        self._stateful = stateful
        self._stream = stream
        self._left_by: int | None = None
        self._on_progress = on_progress
        self._shown = 0
        self._warm = False
        self._batch = BATCH
        self._answers = 0
        self._lost_before = 0
        self.warmup_ticks: tuple[int, ...] = ()
        self.stack_bytes = 0
        self.any_stack_bytes = 0
        self.rx_lost = 0

    def meet(self, session: Session) -> None:
        """Is it the right firmware, and do the data fit it?"""
        hello = session.hello()
        if hello.firmware_sha256 != self._digest:
            raise WrongFirmwareError(
                f"The device runs firmware {hello.firmware_sha256}, just built was {self._digest}.",
                cause="The upload failed or reached another board.",
                fix="Check which board is on the port, then run again.",
            )
        _check_inputs(self._inputs, hello.inputs)
        self._left_by = None

    def warm_up(self, session: Session) -> None:
        """One inference after every start, on numbers of the device's own; at first some samples as well."""
        self._lost_before = session.status().rx_lost
        if self._counter is None:
            session.window(1)
        if not self._warm:
            samples = len(self._inputs[0])
            replies = [self._infer(session, number % samples) for number in range(self._warmup)]
            self.warmup_ticks = tuple(reply.ticks for reply in replies)
            self._warm = True

    def run_batch(self, session: Session, *, first: int) -> list[InferReply]:
        """Samples from number `first` on, and what the device says of itself after them."""
        samples = len(self._inputs[0])
        end = min(samples, first + self._batch)
        # in case this comes to nothing
        self._batch, batch = 1, self._batch
        self._answers, answers = 0, self._answers + 1
        replies = []
        for sample in range(first, end):
            replies.append(self._infer(session, sample, following=sample + 1 if sample + 1 < end else None))
            if self._on_progress is not None and sample >= self._shown:
                self._shown = sample + 1
                self._on_progress(sample + 1, samples)
        status = session.status()
        self.stack_bytes = max(self.stack_bytes, status.stack_bytes)
        self.any_stack_bytes = max(self.any_stack_bytes, status.any_stack_bytes)
        self.rx_lost += max(0, status.rx_lost - self._lost_before)
        self._lost_before = status.rx_lost
        grows = answers >= ANSWERS_BEFORE_GROWTH
        self._batch, self._answers = (min(BATCH, 2 * batch), 0) if grows else (batch, answers)
        return replies

    def _infer(self, session: Session, sample: int, *, following: int | None = None) -> InferReply:
        """One inference whose timed section no byte disturbed; a disturbed one is run again.

        Its ticks are those of the transport's counter, if it has one.
        """
        for _ in range(DISTURBED_ATTEMPTS):
            self._set_variables(session, sample)
            reply = self._run(session, sample, following)
            if not reply.disturbed:
                return reply
        raise RemoteProtocolError(
            f"Bytes reached the device in each of {DISTURBED_ATTEMPTS} timed runs of sample {sample}.",
            cause="Another program writes to its serial port, or the line picks up noise.",
            fix="Close that program or check the cable, then run again.",
        )

    def _set_variables(self, session: Session, sample: int) -> None:
        """Make the model's variables what the sample is to find."""
        if not self._stateful or (self._stream and sample and self._left_by == sample - 1):
            return
        session.reset()
        for earlier in range(sample if self._stream else 0):
            self._run(session, earlier, earlier + 1)

    def _run(self, session: Session, sample: int, following: int | None) -> InferReply:
        """One inference, disturbed or not; `following` is the sample that will most probably come next."""
        if self._stateful and not self._stream:
            following = None  # what comes next is a reset
        self._left_by = None
        ahead = None if following is None else self._payload(following)
        reply = session.infer(self._payload(sample), following=ahead)
        self._left_by = sample
        if self._counter is not None:
            # of every section: each count belongs to one answer
            reply = replace(reply, ticks=self._counter.section_ticks(reply.ticks))
        return reply

    def _payload(self, sample: int) -> list[bytes]:
        return [payload[sample].tobytes() for payload in self._payloads]


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


def _joined(samples: Sequence[bytes], tensors: Sequence[TensorInfo]) -> Array:
    """All outputs of each sample in a row; bool as uint8. Types that differ become int64, or float64 where
    one of them is float32.

    Raises:
        UnsupportedError: an integer is too large for that.
    """
    layout = [(f"{at}", f"<{np.dtype(t.dtype).str[1:]}", t.nbytes // np.dtype(t.dtype).itemsize)
              for at, t in enumerate(tensors)]  # fmt: skip
    table = np.frombuffer(b"".join(samples), np.dtype([(name, kind, (size,)) for name, kind, size in layout]))
    columns = [table[name] for name, _, _ in layout]
    dtypes = {tensor.dtype for tensor in tensors}
    several = np.float64 if "float32" in dtypes else np.int64
    common = np.dtype(dtypes.pop() if len(dtypes) == 1 else several)
    if common == np.float64 and any(_is_inexact(column) for column in columns):
        raise UnsupportedError(
            "An output holds integers above 2**53 beside a float32 output.",
            cause="A measurement keeps all outputs of a sample in one row, as float64 where these meet.",
            fix="Convert the model with outputs of one type.",
        )
    return np.concatenate(columns, axis=1).astype(np.uint8 if common == np.bool_ else common)


def _is_inexact(values: Array) -> bool:
    """Whether float64 cannot hold them."""
    return values.dtype.kind == "i" and bool(np.any((values > 2**53) | (values < -(2**53))))
