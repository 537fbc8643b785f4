# SPDX-License-Identifier: Apache-2.0
"""What a kernel asks of the compiler for one operation: constants in its own layout, and its call."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True)
class Constant:
    """A table in flash. `role` becomes the end of its name; `initializers` are C expressions."""

    role: str
    ctype: str
    initializers: tuple[str, ...]
    is_array: bool = True
    item_bytes: int = 1
    """Size of one initialiser, without padding; a structure's fields count at least a byte each."""

    @property
    def nbytes(self) -> int:
        """Size in flash, padding not counted."""
        return len(self.initializers) * self.item_bytes


class Operand(enum.Enum):
    """A tensor argument of a call, by its position in the operation."""

    INPUT_0 = 0
    INPUT_1 = 1
    OUTPUT = -1


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorArgument:
    """A pointer into the arena, cast to `ctype`."""

    operand: Operand
    ctype: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelCall:
    """One call of a function of nn.h.

    `arguments` are tensors, constants (by identity, passed as pointers into flash) and literal C
    expressions, in order. `in_place` lists the inputs (positions in `Op.inputs`) whose bytes the
    output may take over.
    """

    function: str
    arguments: tuple[TensorArgument | Constant | str, ...]
    in_place: tuple[int, ...] = ()

    @property
    def constants(self) -> tuple[Constant, ...]:
        """The tables that the call passes, in order."""
        return tuple(a for a in self.arguments if isinstance(a, Constant))


def source(ctype: str, operand: Operand = Operand.INPUT_0) -> TensorArgument:
    """An input of the operation."""
    return TensorArgument(operand=operand, ctype=f"const {ctype} *")


def destination(ctype: str) -> TensorArgument:
    """The output of the operation."""
    return TensorArgument(operand=Operand.OUTPUT, ctype=f"{ctype} *")


def int8_array(role: str, values: npt.NDArray[Any] | Iterable[int]) -> Constant:
    """An int8_t table in the order of memory."""
    flat = values.reshape(-1).tolist() if isinstance(values, np.ndarray) else list(values)
    return Constant(role=role, ctype="int8_t", initializers=tuple(str(int(v)) for v in flat))


def int32_array(role: str, values: Iterable[int]) -> Constant:
    """An int32_t table."""
    return Constant(
        role=role, ctype="int32_t", initializers=tuple(_int32(int(v)) for v in values), item_bytes=4
    )


def float_array(role: str, values: npt.NDArray[Any]) -> Constant:
    """A float table in the order of memory; literals read back to the same float32."""
    return Constant(
        role=role,
        ctype="float",
        initializers=tuple(float_literal(v) for v in values.reshape(-1).tolist()),
        item_bytes=4,
    )


def structure(role: str, ctype: str, fields: Sequence[str]) -> Constant:
    """One structure."""
    return Constant(role=role, ctype=ctype, initializers=tuple(fields), is_array=False)


def structure_array(role: str, ctype: str, rows: Iterable[Sequence[str]], *, item_bytes: int) -> Constant:
    """An array of structures of `item_bytes` each without padding."""
    initializers = tuple("{" + ", ".join(row) + "}" for row in rows)
    return Constant(role=role, ctype=ctype, initializers=initializers, item_bytes=item_bytes)


def _int32(value: int) -> str:
    # -2147483648 is an expression in C (minus a long); this is the value itself.
    return "INT32_MIN" if value == -(2**31) else str(value)


def float_literal(value: float) -> str:
    """A C literal of exactly this float32 (not finite: ValueError)."""
    exact = np.float32(value)
    if not np.isfinite(exact):
        raise ValueError(f"{value} has no C literal")
    text = np.format_float_scientific(exact, unique=True, trim="0")
    return f"{text}f"


def int32_literal(value: int) -> str:
    """A C expression of an int32_t."""
    return _int32(value)
