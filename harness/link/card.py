# SPDX-License-Identifier: Apache-2.0
"""The device card: what a device says of itself in HELLO (docs/PROTOCOL.md)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

#: By the number in HELLO: what executes the model.
ENGINES: Final = {1: "aot"}
#: By the number in HELLO (`enum qr_counter` of port.h): what times an inference.
COUNTERS: Final = {
    1: "monotonic",
    2: "cyccnt",
    3: "tim2",
    4: "timer1",
    5: "instructions",
    6: "micros",
    7: "cpu",
}
#: By the number in the tensor table (model.h): the NumPy name and the bytes of one element.
DTYPES: Final = {
    0: ("float32", 4),
    1: ("int8", 1),
    2: ("uint8", 1),
    3: ("int16", 2),
    4: ("int32", 4),
    5: ("int64", 8),
    6: ("bool", 1),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorInfo:
    """An input or output tensor: NumPy dtype name, shape with its batch dimension, quantization."""

    dtype: str
    shape: tuple[int, ...]
    scale: float
    """0.0 where the tensor is not quantized."""
    zero_point: int

    @property
    def nbytes(self) -> int:
        """Size of the tensor in bytes."""
        return math.prod(self.shape) * dict(DTYPES.values())[self.dtype]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hello:
    """The device card: who answers, with which firmware and model, and what times it."""

    board: str
    engine: str
    counter: str
    counter_hz: int
    cpu_hz: int
    """0 where that means nothing."""
    arena_bytes: int
    frame_bytes: int
    """Largest frame that the device takes and sends, before COBS."""
    firmware_sha256: str
    model_sha256: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    settings: str
    """What else the port knows of how the board runs: `clock=hse;flash_ws=5`; empty where that is nothing."""


#: Of the card: what times, how fast, and the digest of the firmware, from which all the rest follows.
IDENTITY_BYTES: Final = 46

_CARD: Final = struct.Struct("<BBIII32s32sB")
_QUANTIZATION: Final = struct.Struct("<fi")


class _Cursor:
    """Takes fields off the front of bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self, count: int) -> bytes:
        if count > len(self._data):
            raise ValueError("the device card ends early")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def at_end(self) -> bool:
        return not self._data


def _parse_tensor(card: _Cursor) -> TensorInfo:
    dtype, rank = card.take(2)
    if dtype not in DTYPES:
        raise ValueError(f"unknown tensor type {dtype} in the device card")
    shape = struct.unpack(f"<{rank}I", card.take(4 * rank))
    if 0 in shape:
        raise ValueError(f"a tensor of shape {shape} in the device card")
    scale, zero_point = _QUANTIZATION.unpack(card.take(_QUANTIZATION.size))
    return TensorInfo(dtype=DTYPES[dtype][0], shape=shape, scale=scale, zero_point=zero_point)


def parse_card(data: bytes, *, frame_bytes: int) -> Hello:
    """The device card, put together from its pages.

    Raises:
        ValueError: it is not one.
    """
    card = _Cursor(data)
    engine, counter, counter_hz, cpu_hz, arena, firmware, model, name = _CARD.unpack(card.take(_CARD.size))
    if engine not in ENGINES or counter not in COUNTERS:
        raise ValueError(f"unknown engine {engine} or counter {counter} in the device card")
    board = card.take(name).decode("ascii")
    inputs, outputs = card.take(2)
    tensors = tuple(_parse_tensor(card) for _ in range(inputs + outputs))
    if not inputs or not outputs:
        raise ValueError("a model without inputs or outputs in the device card")
    settings = card.take(card.take(1)[0]).decode("ascii")
    if not card.at_end():
        raise ValueError("the device card goes on behind its end")
    return Hello(
        board=board,
        engine=ENGINES[engine],
        counter=COUNTERS[counter],
        counter_hz=counter_hz,
        cpu_hz=cpu_hz,
        arena_bytes=arena,
        frame_bytes=frame_bytes,
        firmware_sha256=firmware.hex(),
        model_sha256=model.hex(),
        inputs=tensors[:inputs],
        outputs=tensors[inputs:],
        settings=settings,
    )
